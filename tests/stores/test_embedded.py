"""The embedded queue lives and dies with its clients: real processes, real signals."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import signal
import socket
import stat
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis

from kgnb.core.errors import ServiceDown
from kgnb.core.event_loop import in_thread
from kgnb.stores.embedded.connect import join_queue, open_queue
from kgnb.stores.embedded.data_folder import SOCKET, DataFolder, file_lock, open_folder, socket_path
from kgnb.stores.embedded.supervisor import STARTS
from kgnb.stores.process_id import is_alive
from kgnb.stores.queue.connection import RedisConnection
from tests.support.engines import (
    GRACE,
    all_ended,
    client,
    data_folder,
    engine_of,
    files_containing,
    happens_within,
    processes,
    redis_client,
    send_signal,
    start_client,
    url_of,
)


@pytest.fixture
def data(tmp_path: Path) -> Iterator[Path]:
    yield from data_folder(tmp_path)


# --- living and dying with the clients


def test_it_is_shared_and_stops_with_the_last_client(data: Path) -> None:
    first = open_queue(data, grace=GRACE)
    running = processes(data)
    assert len(running) == 2
    with client(data) as (_, other):
        assert other == url_of(first)
        first.close()
        time.sleep(GRACE + 0.5)
        assert all(map(is_alive, running)), "the second client still needs them"
    assert all_ended(running)


def test_nothing_of_it_is_kept_and_nobody_else_can_reach_it(data: Path) -> None:
    with open_queue(data, grace=GRACE) as queue, redis_client(queue) as q:
        q.lpush("kg:task:queue:openai", "书")
        assert not files_containing(data, ["kg:task:queue"])
        place = socket_path(DataFolder(data)).parent
        assert [stat.S_IMODE(path.stat().st_mode) for path in (place.parent, place)] == [0o700, 0o700]
        assert stat.S_IMODE((place / SOCKET).stat().st_mode) == 0o600
        running = processes(data)
    assert all_ended(running)
    assert {path.name for path in data.iterdir()} == {".lock", ".clients", "logs"}
    with open_queue(data, grace=GRACE) as queue, redis_client(queue) as q:
        assert q.keys() == []


def test_it_stops_when_the_client_is_killed(data: Path) -> None:
    with client(data) as (process, _):
        running = processes(data)
        process.kill()
        assert all_ended(running)


def test_a_killed_process_group_can_be_followed_within_the_grace(data: Path) -> None:
    with client(data, grace=6.0) as (process, before):
        running = processes(data)
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        with open_queue(data) as queue:
            assert url_of(queue) == before
            time.sleep(6.3)
            assert all(map(is_alive, running)), "joining ends the grace period"
    assert all_ended(running)


def test_a_forked_child_does_not_keep_its_parents_queue(data: Path) -> None:
    fork = "import os, time\nif os.fork() == 0: time.sleep(15); os._exit(0)"
    with client(data, then=fork) as (process, _):
        running = processes(data)
        process.kill()
        assert all_ended(running)
        os.killpg(process.pid, signal.SIGKILL)


def test_openers_at_the_same_moment_share_one_supervisor(data: Path) -> None:
    openers = [start_client(data) for _ in range(4)]
    try:
        answers = [json.loads(opener.stdout.readline()) for opener in openers]
        assert all(answer == answers[0] for answer in answers)
        assert len(processes(data)) == 2
    finally:
        for opener in openers:
            opener.communicate("")


async def test_an_interrupt_while_it_opens_ends_the_waiting_at_once(data: Path) -> None:
    ended = threading.Event()

    def opening(given_up: threading.Event) -> None:
        try:
            open_queue(data, given_up=given_up)
        finally:
            ended.set()

    with file_lock(open_folder(data).lock_file()) as lock:  # as of a supervisor that doesn't answer
        assert lock is not None
        task = asyncio.create_task(in_thread(opening))
        await asyncio.sleep(0.2)
        assert not ended.is_set()
        task.cancel()
        assert await asyncio.to_thread(ended.wait, 10)


def test_who_only_looks_joins_and_starts_nothing(data: Path) -> None:
    assert join_queue(data) is None
    assert not data.exists()
    with open_queue(data, grace=GRACE) as queue:
        joined = join_queue(data)
        assert joined is not None
        assert url_of(joined) == url_of(queue)
        joined.close()
        running = processes(data)
    assert all_ended(running)
    assert join_queue(data) is None
    assert processes(data) == []


# --- kill -9 of the parts


def fill(path: Path) -> list[socket.socket]:
    """Connections that nobody accepts, until the server takes no more."""
    waiting: list[socket.socket] = []
    while True:
        client = socket.socket(socket.AF_UNIX)
        client.setblocking(False)
        waiting.append(client)
        if client.connect_ex(str(path)):
            return waiting


def test_what_killed_runs_left_is_removed_by_the_next_start(data: Path) -> None:
    """Also beside a server that stands still, which must not be waited for."""
    place = socket_path(open_folder(data)).parent
    deserted, served, new = (place.with_name(f"{number:012x}") for number in (1, 2, 3))
    for one in (deserted, served, new):
        one.mkdir(exist_ok=True)
    with socket.socket(socket.AF_UNIX) as gone, socket.socket(socket.AF_UNIX) as living:
        gone.bind(str(deserted / "a.sock"))
        living.bind(str(served / "a.sock"))
        living.listen(0)
        waiting = fill(served / "a.sock")
        for one in (deserted, served):
            os.utime(one, (0, 0))
        with open_queue(data, grace=GRACE) as queue, redis_client(queue) as q:
            assert q.ping()
            assert happens_within(5, lambda: not deserted.exists())
            assert (place.exists(), served.exists(), new.exists()) == (True, True, True)
            running = processes(data)
        assert all_ended(running)
        assert not place.exists()
    for connection in waiting:
        connection.close()
    for one in (served, new):
        shutil.rmtree(one, ignore_errors=True)  # another supervisor of this user may be first


async def test_that_it_has_ended_is_said_in_its_own_words(data: Path) -> None:
    with open_queue(data, grace=GRACE) as queue:
        running = processes(data)
        for process in running:
            send_signal(process, signal.SIGKILL)
        assert all_ended(running)
        asked = RedisConnection(queue.redis_url, 30)
        with pytest.raises(ServiceDown) as caught:
            await asked.send_one(("PING",))
        await asked.close()
    assert caught.value.key == "queue.ended"


def test_after_the_supervisor_was_killed_a_new_one_takes_over(data: Path) -> None:
    with open_queue(data, grace=GRACE) as lost:
        running = processes(data)
        assert lost.alive
        send_signal(running[0], signal.SIGKILL)
        assert happens_within(5, lambda: not lost.alive)
        with open_queue(data, grace=GRACE) as again, redis_client(again) as q:
            assert not any(map(is_alive, running))
            assert again.alive
            assert q.ping()


def test_a_killed_server_comes_back_at_the_same_place_and_empty(data: Path) -> None:
    with open_queue(data, grace=GRACE) as queue, redis_client(queue) as q:
        q.set("kept", "no")
        victim = engine_of(data)
        send_signal(victim, signal.SIGKILL)
        assert happens_within(5, lambda: engine_of(data) not in (victim, None) and answers(q))
        assert q.keys() == []
        assert queue.alive


def answers(q: redis.Redis) -> bool:
    try:
        return bool(q.ping())
    except redis.RedisError:
        return False


def test_a_terminated_supervisor_stops_its_server_in_order(data: Path) -> None:
    with open_queue(data) as queue:
        running = processes(data)
        send_signal(running[0], signal.SIGHUP)
        assert not happens_within(0.3, lambda: not queue.alive), "a terminal that closes is no reason to end"
        send_signal(running[0], signal.SIGTERM)
        assert all_ended(running)
        assert not queue.alive
        assert "bye bye" in (data / "logs" / "queue.log").read_text()


def test_a_server_that_keeps_dying_is_given_up(data: Path) -> None:
    with open_queue(data, grace=GRACE) as queue:
        running = processes(data)
        for _ in range(STARTS):
            assert happens_within(5, lambda: engine_of(data))
            victim = engine_of(data)
            send_signal(victim, signal.SIGKILL)
            assert all_ended([victim])
        assert happens_within(5, lambda: not queue.alive)
        assert all_ended(running)
        with open_queue(data, grace=GRACE) as again, redis_client(again) as q:
            assert q.ping()
            assert queue.alive


def test_a_server_that_does_not_heed_is_killed(data: Path) -> None:
    with open_queue(data, grace=GRACE) as queue:
        running = processes(data)
        send_signal(engine_of(data), signal.SIGSTOP)
        queue.close()
        assert all_ended(running, 20)


def test_the_queue_starts_in_processes_of_their_own_sessions(data: Path) -> None:
    """A signal to the client's group, as a terminal sends it, reaches neither."""
    with open_queue(data, grace=GRACE):
        groups = {os.getpgid(process.pid) for process in processes(data)}
        assert os.getpgrp() not in groups
        shown = subprocess.run(["ps", "-o", "rss=", "-p", ",".join(map(str, groups))], capture_output=True)
        assert sum(map(int, shown.stdout.split())) < 60_000  # KB, both together
