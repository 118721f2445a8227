"""kgnb.Node in real kernels: what a person does to them, and every way in which they end."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import nbformat
import pytest
import redis

from kgnb.stores.embedded.connect import EmbeddedQueue, open_queue
from tests.support.commands import KEY, Llm, Place, environment, llm, novel
from tests.support.engines import files_containing, processes
from tests.support.kernels import Kernel, kernel, pythons
from tests.support.patience import SLOWEST, stretch, until

QUEUE = "kg:task:queue:dryrun"
SECRETS = {
    "REDIS_PASSWORD": "canary-redis-73aa51c2",
    "DB_PASSWORD": "canary-sql-8be04f19",
    "NEO4J_PASSWORD": "canary-bolt-d05c66e1",
}
LONG = 300.0
"""Latency of a request that outlives every test."""
BEGIN = "import kgnb, logging, os, signal, threading, time\nnode = kgnb.Node.from_env()\nnode.start({})"
FLYING = "sum(node.status()['local']['in_flight'].values())"
BUSY = "print('busy')\ntime.sleep(600)"
MANY = {"KG_WORKERS_PER_PROVIDER": "20", "KG_MAX_PROCESSES_PER_PROVIDER": "20"}


@pytest.fixture
def server() -> Iterator[Llm]:
    with llm(latency=0.05) as one:
        yield one


@pytest.fixture
def place(tmp_path: Path, running_engines: None, server: Llm) -> Iterator[Place]:
    with Place(tmp_path, server.env() | SECRETS) as one:
        yield one


@contextlib.contextmanager
def engines(place: Place) -> Iterator[tuple[EmbeddedQueue, redis.Redis]]:
    """The folder's engines, held open while kernels come and go, and a look into the queue."""
    with open_queue(place.data) as held:
        assert held.redis_url is not None
        url = held.redis_url.get_secret_value()
        with redis.Redis.from_url(url, decode_responses=True) as client:
            yield held, client


def claimable(queue: redis.Redis, task: int = 1) -> bool:
    """Whether nothing is leased or delayed, and the task waits with all that is left of it."""
    nothing = not queue.exists(f"kgnb:lease:{{{QUEUE}}}", f"kgnb:later:{{{QUEUE}}}")
    return nothing and queue.llen(QUEUE) == 1 and not list(queue.scan_iter("kgnb:node:*"))


def at_work(
    k: Kernel,
    place: Place,
    server: Llm,
    *,
    chapters: int,
    flying: int,
    processes: int = 0,
    latency: float = LONG,
) -> None:
    """A node with ``flying`` chapters in flight that will not be answered before ``latency`` seconds."""
    server.server.latency = latency
    book = novel(place.path / "book.txt", chapters, lines=6)
    shown = k.run(f"{BEGIN.format(processes)}\nprint(node.submit({str(book)!r}, 'dryrun'))")
    assert (shown.error, shown.out.strip()) == ("", "1"), shown
    until(lambda: server.stats.in_flight >= flying, 60, "so many chapters are being asked")


def undisturbed(tmp_path: Path, server: Llm) -> Place:
    """The same book, built at one go elsewhere."""
    other = Place(tmp_path / "undisturbed")
    other.path.mkdir()
    other.env |= server.env()
    assert other.build(tmp_path / "book.txt", "--slots", "8")["failed"] == 0
    return other


# --- what a person does -------------------------------------------------------------------------------------


def test_cells_return_at_once_and_nothing_makes_a_second_node(place: Place, server: Llm) -> None:
    book = novel(place.path / "book.txt", 12, lines=6)
    with kernel(place) as k:
        before = k.run("import kgnb, signal\nprint(signal.getsignal(signal.SIGTERM))\nkgnb.Node").out
        assert (
            k.run("import time\nnode = kgnb.Node.from_env()\nnode.start()\nprint(node.state)").out
            == "starting\n"
        )
        k.until("node.state == 'running'")
        again = k.run("first, node = node, kgnb.Node.from_env()\nnode.start()\nprint(node is first)")
        assert again.out == "True\n", again
        assert k.run(f"print(node.submit({str(book)!r}, 'dryrun'))").out == "1\n"
        done = k.run(
            "s = node.run_until()\nprint(s['cluster']['tasks'][0]['status'], s['local']['outcomes'])"
        )
        assert done.out.splitlines()[-1] == "completed {'completed': 12}", done
        assert str(place.data / "kgnb-report.html") in done.out
        assert k.run("print(signal.getsignal(signal.SIGTERM))").out == before
        assert k.value("'do_shutdown' in vars(get_ipython().kernel)") is False

        # Changed settings: the new node replaces the old one, which leaves first.
        k.run("first.start()")
        k.until("first.state == 'running'")
        assert (
            k.run("node = kgnb.Node.from_env(slots=5)\nnode.start()\nprint(node is first)").out == "False\n"
        )
        k.until("node.state == 'running'")
        nodes = "[n['slots'] for n in (node.status()['cluster'] or {'nodes': []})['nodes']]"
        k.until(f"{nodes} == [5]")
        assert k.value("first.state") == "stopped"
        # Stopped and started again in one breath: it starts anew.
        assert k.run("node.stop(wait=False)\nnode.start()\nprint(node.state)").out == "starting\n"
        k.until("node.state == 'running'")
        assert k.value("node.error") == ""
        interrupted(k, place, server)
    assert files_containing(place.path, [KEY, *SECRETS.values()]) == []
    assert place.left_over(15) == []


def interrupted(k: Kernel, place: Place, server: Llm) -> None:
    """An interrupt is the cell's alone, and ends run_until gracefully."""
    server.server.latency = 0.7
    book = novel(place.path / "other.txt", 60, lines=6, seed=2)
    k.run(f"node.submit({str(book)!r}, 'dryrun')")
    k.until(f"{FLYING} > 1")
    busy = k.busy(BUSY)
    k.interrupt()
    assert k.finish(busy, 10).error == "KeyboardInterrupt"
    assert k.value("node.state") == "running"
    blocking = k.busy("s = node.run_until()\nprint(s['state'], s['local']['in_flight'])")
    k.interrupt()
    shown = k.finish(blocking, 20)
    assert (shown.error, shown.out.splitlines()[-1]) == ("", "stopped {}"), shown
    assert k.value("node.status()['local']['errors']") == {}
    report = json.loads((place.data / "kgnb-report.json").read_text("utf-8"))
    assert (report["why"], report["left"]["tasks"]) == ("interrupted", 1)
    assert server.stats.answered_twice == []


def test_two_kernels_on_one_folder_share_its_engines(place: Place, server: Llm) -> None:
    with kernel(place) as one, kernel(place) as other:
        for k in (one, other):
            k.run(BEGIN.format(""))
            k.until("node.state == 'running'")
        running = processes(place.data)
        names = [k.value("node.name") for k in (one, other)]
        assert len(set(names)) == 2
        one.until("len((node.status()['cluster'] or {'nodes': []})['nodes']) == 2")
        one.run("node.stop()\nnode.start()")
        one.until("node.state == 'running'")
        assert processes(place.data) == running
        other.run("node.stop()")
        one.run("node.stop()")


# --- how kernels end ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("python", pythons())
def test_a_shutdown_hands_everything_back_and_the_next_kernel_goes_on(
    place: Place, server: Llm, tmp_path: Path, python: str
) -> None:
    with engines(place) as (_, queue):
        with kernel(place, python, **MANY) as k:
            at_work(k, place, server, chapters=24, flying=20)
            threading.Thread(target=k.shut_down, daemon=True).start()
            until(lambda: claimable(queue), 20, "all is claimable")
            assert k.gone(20)
        if python != sys.executable:
            return
        assert place.sql("SELECT DISTINCT status FROM knowledge_graph_chapter_status") == [("pending",)]
        server.server.latency = 0.02
        asked = server.stats.requests
        with kernel(place, python, **MANY) as k:
            shown = k.run(f"{BEGIN.format('')}\ns = node.run_until()\nprint(s['local']['outcomes'])", 90)
            assert shown.out.splitlines()[-1] == "{'completed': 24}", shown
        assert server.stats.requests == asked + 24
    assert place.graph() == undisturbed(tmp_path, server).graph()


def answered_and_kept(k: Kernel, place: Place, server: Llm, flying: int) -> None:
    """After a SIGTERM the kernel ends when the replies in flight are stored: none is asked for again.

    The first ones may be answered, and others asked, before a slow machine gets the signal.
    """
    k.signal(signal.SIGTERM)
    assert k.gone(40)
    ((stored,),) = place.sql("SELECT count(DISTINCT chapter_id) FROM kgnb_extractions")
    assert stored == server.stats.requests >= flying
    server.server.latency = 0.02
    assert place.build(place.path / "book.txt", "--slots", "8")["failed"] == 0
    assert server.stats.answered_twice == []


@pytest.mark.parametrize("processes", [0, 2])
def test_sigterm_waits_for_the_replies_in_flight(place: Place, server: Llm, processes: int) -> None:
    flying = 2 * max(processes, 1)
    with kernel(place) as k:
        at_work(k, place, server, chapters=9, flying=flying, processes=processes, latency=4)
        answered_and_kept(k, place, server, flying)


def test_sigterm_in_a_build_waits_for_the_replies_in_flight(place: Place, server: Llm) -> None:
    server.server.latency = 4
    book = novel(place.path / "book.txt", 9, lines=6)
    with kernel(place) as k:
        k.begin(f"import kgnb\nkgnb.build({str(book)!r}, provider='dryrun', slots=3)")
        until(lambda: server.stats.in_flight == 3, 60, "three chapters are being asked")
        answered_and_kept(k, place, server, 3)


def test_a_shutdown_during_a_build_hands_everything_back(place: Place, server: Llm) -> None:
    server.server.latency = LONG
    book = novel(place.path / "book.txt", 9, lines=6)
    with engines(place) as (_, queue), kernel(place) as k:
        k.begin(f"import kgnb\nkgnb.build({str(book)!r}, provider='dryrun', slots=3)")
        until(lambda: server.stats.in_flight == 3, 60, "three chapters are being asked")
        threading.Thread(target=k.shut_down, daemon=True).start()
        until(lambda: claimable(queue), 20, "all is claimable")
        assert k.gone(20)


def test_sigterm_busy_or_idle_lets_the_node_leave_and_goes_on_to_the_handler_before(
    place: Place, server: Llm
) -> None:
    with engines(place) as (_, queue), kernel(place) as k:
        k.run(
            "import os, signal\nheard = []\n"
            "signal.signal(signal.SIGTERM, lambda number, frame: heard.append(str(node.state)))"
        )
        at_work(k, place, server, chapters=8, flying=2)
        k.signal(signal.SIGTERM)  # idle
        until(lambda: claimable(queue), 20, "all is claimable")
        assert k.until("heard") == ["stopped"]
        k.run("node.start()")
        until(lambda: server.stats.in_flight >= 2, 60, "it works again")
        busy = k.busy("print('busy')\nwhile len(heard) < 2: time.sleep(0.1)\nprint(heard)")
        k.signal(signal.SIGTERM)
        until(lambda: claimable(queue), 20, "all is claimable")
        assert k.finish(busy).out == "['stopped', 'stopped']\n"
        k.run("signal.signal(signal.SIGTERM, signal.SIG_DFL)\nnode.start()")
        until(lambda: server.stats.in_flight >= 2, 60, "it works again")
        k.signal(signal.SIGTERM)  # without a handler before, the kernel dies of it
        until(lambda: claimable(queue), 20, "all is claimable")
        assert k.gone(20)


def test_kill_9_leaves_it_to_the_leases(place: Place, server: Llm) -> None:
    place.env["KGNB_LEASE_SECONDS"] = "300"
    with engines(place) as (_, queue):
        with kernel(place, **MANY) as k:
            at_work(k, place, server, chapters=20, flying=20)
            k.manager.shutdown_kernel(now=True)
            assert not claimable(queue)
        leases = queue.zrange(f"kgnb:lease:{{{QUEUE}}}", 0, -1)
        queue.zadd(f"kgnb:lease:{{{QUEUE}}}", dict.fromkeys(leases, 0))  # as if their time were over
        server.server.latency = 0.02
        ran = place.run("worker", "--drain", "--slots", "20")
        assert ran.code == 0, ran
        assert place.sql("SELECT status FROM knowledge_graph_tasks") == [("completed",)]
        assert server.stats.requests <= 40  # those that were in flight had to be asked again


@pytest.mark.parametrize("end", ["kill", "shutdown"])
def test_node_processes_leave_with_their_kernel(place: Place, server: Llm, end: str) -> None:
    with engines(place) as (_, queue):
        with kernel(place) as k:
            at_work(k, place, server, chapters=8, flying=4, processes=2)
            k.until(f"{FLYING} >= 4")
            k.until("len(node.status()['cluster']['nodes']) == 2")
            busy = k.busy(BUSY)
            k.interrupt()
            assert k.finish(busy, 10).error == "KeyboardInterrupt"
            assert k.value(FLYING) >= 4  # it was the cell's alone
            if end == "shutdown":
                assert k.run("node.stop(now=True)\nprint(node.state, node.error)").out == "stopped \n"
                assert claimable(queue)
                k.run("node.start(processes=2)")
                until(lambda: server.stats.in_flight >= 4, 60, "they work again")
            k.manager.shutdown_kernel(now=end == "kill")
            until(lambda: claimable(queue), 6, "all is claimable")
        until(
            lambda: not [c for c in place.left_over(0) if "kgnb.notebook.process_main" in c],
            6,
            "the processes have left",
        )


def node_processes(k: Kernel) -> set[int]:
    """Ids of the kernel's node processes."""
    lists = Path(f"/proc/{k.pid}/task").glob("*/children")
    children = {int(pid) for one in lists for pid in one.read_text().split()}
    return {pid for pid in children if b"process_main" in Path(f"/proc/{pid}/cmdline").read_bytes()}


@pytest.mark.parametrize("python", pythons()[:1])
def test_a_killed_node_process_is_replaced_and_the_book_is_finished(
    place: Place, server: Llm, python: str
) -> None:
    place.env["KGNB_LEASE_SECONDS"] = "4"  # so long the killed one's chapters wait
    server.server.latency = 1
    book = novel(place.path / "book.txt", 24, lines=6)
    with kernel(place, python) as k:
        assert k.run(BEGIN.format("processes=2")).error == ""
        until(lambda: len(node_processes(k)) == 2, 40, "two processes run")
        k.until("node.status()['cluster'] and len(node.status()['cluster']['nodes']) == 2")
        assert k.run(f"print(node.submit({str(book)!r}, 'dryrun'))").out == "1\n"
        k.until(f"{FLYING} >= 4")
        killed, _ = node_processes(k)
        os.kill(killed, signal.SIGKILL)
        k.until(f"any('{killed}' in line.text for line in node.recent.lines(logging.WARNING))")
        until(lambda: len(node_processes(k) - {killed}) == 2, 20, "it is replaced")
        k.until("node.status()['cluster']['tasks'][0]['status'] == 'completed'", 60)
        assert k.run("node.stop()\nprint(node.state, node.error)").out == "stopped \n"
        assert node_processes(k) == set()
        assert "kgnb-node" not in k.value("[t.name for t in threading.enumerate()]")
    assert place.sql("SELECT status, count(*) FROM knowledge_graph_chapter_status GROUP BY status") == [
        ("completed", 24)
    ]
    assert place.left_over(20) == []


# --- batch runs ---------------------------------------------------------------------------------------------


def test_a_batch_run_ends_by_itself_before_its_session(place: Place, server: Llm) -> None:
    seconds = 15 * stretch()
    server.server.latency = 2 * stretch()
    place.env |= {
        "KAGGLE_KERNEL_RUN_TYPE": "Batch",
        "KGNB_SESSION_SECONDS": str(seconds),
        "KGNB_DATA": str(place.data),
        "KGNB_LANG": "en",
    }
    book = novel(place.path / "book.txt", 120, lines=6)
    cells = [
        "import kgnb\nnode = kgnb.Node.from_env()\nnode.start()",
        f"import logging\nnode.submit({str(book)!r}, 'dryrun')\n"
        "logging.getLogger('kgnb').warning('bird-warning')",
        "import time\nstatus = node.run_until()\nprint('left', node.session.left > 0)",
    ]
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(code) for code in cells])
    path = place.path / "run.ipynb"
    nbformat.write(notebook, path)
    ran = subprocess.run(
        [sys.executable, "-m", "jupyter", "execute", "--inplace", path.name],
        env=environment(**{place.mark: "1", **place.env}),
        cwd=place.path,
        capture_output=True,
        text=True,
        timeout=(seconds + 30) * SLOWEST,
    )
    assert ran.returncode == 0, ran.stderr
    shown = "".join(
        o.text for c in nbformat.read(path, 4).cells for o in c.outputs if o.output_type == "stream"
    )
    lines = shown.splitlines()
    assert lines[-1] == "left True", shown
    assert sum("chapters done" in line for line in lines) >= 2, (
        shown
    )  # at the start and the end, and every 30 s
    assert any(" WARNING bird-warning" in line for line in lines), shown
    assert any(" WARNING The session has" in line for line in lines), shown
    assert f"{place.data / 'kgnb-report.html'}" in lines[-2]

    report = json.loads((place.data / "kgnb-report.json").read_text("utf-8"))
    states = dict(
        place.sql(
            "SELECT status, count(*) FROM knowledge_graph_chapter_status GROUP BY status ORDER BY status"
        )
    )
    assert list(states) == ["completed", "pending"]
    done = states["completed"]
    assert report["why"] == "session"
    assert report["left"] == {"tasks": 1, "chapters": 120 - done}
    # One that the node leaves between its commit and its count is done all the same.
    assert 0 < report["local"]["outcomes"]["completed"] <= done
    with engines(place) as (_, queue):
        assert claimable(queue)
        assert queue.llen(f"kgnb:todo:{{{QUEUE}}}:1") == 120 - done
    assert files_containing(place.path, [KEY, *SECRETS.values()]) == []


def test_a_batch_run_whose_services_refuse_fails_with_a_report(place: Place) -> None:
    place.data = place.path / "new"  # only a new folder resumes
    place.env |= {"KGNB_LANG": "en", "KGNB_SESSION_SECONDS": "600", "KGNB_RESUME_FROM": "/nowhere/at/all"}
    with kernel(place) as k:
        shown = k.run("import kgnb\nnode = kgnb.Node.from_env()\nnode.run_until()")
    assert shown.error == "InputError"
    assert "There is no /nowhere/at/all" in shown.out
    report = json.loads((place.data / "kgnb-report.json").read_text("utf-8"))
    assert (report["why"], report["known"]) == ("failed", False)
    assert "There is no /nowhere/at/all" in report["error"]
