"""A broken or hostile server in Kaggle's place: what it costs, and what becomes of the user's files."""

from __future__ import annotations

import asyncio
import itertools
import json
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from kgnb.core.errors import ServiceDown, ServiceRefused
from kgnb.core.safe_text import many_lines
from kgnb.kaggle import api_process, kernels
from kgnb.kaggle.client import KaggleClient
from tests.support.kaggle_stub import KaggleStub
from tests.support.patience import SLOWEST

KERNEL = "reader/some-notebook"
MB = 1 << 20
MOST_MEMORY = 300 * MB


def long_log(events: int, line: str) -> Iterator[bytes]:
    """An answer whose log has so many events, each of 1000 times the line."""
    event = json.dumps({"stream_name": "stdout", "time": 1.5, "data": f"{line}\n"}) + "\n,"
    inner = json.dumps(event * 1000)[1:-1].encode()
    yield b'{"files": [], "log": "' + json.dumps('[{"data": "first\\n"}\n,').encode()[1:-1]
    yield from itertools.repeat(inner, events)
    yield json.dumps('{"data": "last\\n"}]').encode()[1:-1] + b'", "nextPageToken": ""}'


def endless_text() -> Iterator[bytes]:
    yield b'{"status": "COMPLETE", "failureMessage": "'
    yield from itertools.repeat(b"x" * MB)


def many_values() -> Iterator[bytes]:
    """Short as text, thirty times as large once it is parsed."""
    yield b'{"status": "COMPLETE", "other": [[]'
    yield from itertools.repeat(b",[]" * (MB // 3), 11)
    yield b"]}"


def peak(pid: int) -> int:
    """Bytes of memory that the process held at most."""
    (line,) = [one for one in Path(f"/proc/{pid}/status").read_text().splitlines() if "VmHWM" in one]
    return int(line.split()[1]) * 1024


@pytest.fixture
def needs_proc() -> None:
    if sys.platform != "linux":
        pytest.skip("reads /proc")


class TestSize:
    @pytest.mark.parametrize("pieces", [endless_text, many_values])
    async def test_a_large_answer_is_refused(self, pieces: Any, stub: KaggleStub, needs_proc: None) -> None:
        async with KaggleClient() as kaggle:
            await kaggle.username()
            pid = kaggle._transport._process.pid  # type: ignore[union-attr]
            stub.pieces = pieces
            with pytest.raises(ServiceRefused) as caught:
                await kaggle.status(KERNEL)
            assert caught.value.key == "kaggle.unreadable"
            assert peak(pid) < MOST_MEMORY
            stub.pieces = None
            assert (await kaggle.status(KERNEL)).state == "COMPLETE"  # by the same process
            assert kaggle._transport._process.pid == pid  # type: ignore[union-attr]

    @pytest.mark.parametrize("line", ["a line of English \U0001f680", "一行中文", 'quotes "\\" \t'])
    async def test_a_long_log_keeps_its_ends(self, line: str, stub: KaggleStub, needs_proc: None) -> None:
        stub.pieces = lambda: long_log(200, line)
        async with KaggleClient() as kaggle:
            await kaggle.username()
            pid = kaggle._transport._process.pid  # type: ignore[union-attr]
            text = kernels.log_lines(await kaggle.logs(KERNEL))
            assert peak(pid) < MOST_MEMORY
        shown = text.splitlines()
        assert (shown[0], shown[-1]) == ("first", "last")
        assert text.count("[…]") == 1
        others = {one for one in shown[1:-1] if one != many_lines(line)}
        assert len(shown) > 50_000
        assert all(one in line or one == "[…]" for one in map(str.strip, others)), others

    async def test_an_endless_line_of_a_log_under_way(self, stub: KaggleStub, kaggle: KaggleClient) -> None:
        def pieces() -> Iterator[bytes]:
            yield b'data: {"data": "one"}\n\ndata: {"data": "'
            yield from itertools.repeat(b"x" * MB, 40)
            yield b'"}\n\ndata: {"data": "two"}\n\ndata: END_OF_LOG\n\n'

        stub.pieces = pieces
        told: list[str] = []
        await kaggle.follow_logs(KERNEL, told.append)
        assert (told[0], told[-1], len(told)) == ("one", "two", 3)
        assert len(told[1]) <= MB

    async def test_a_log_under_way_comes_in_lines(self, stub: KaggleStub, kaggle: KaggleClient) -> None:
        whole = "".join(f'data: {{"data": "{n} 第{n}行"}}\r\n\r\n' for n in range(500)).encode()
        whole += b"data: END_OF_LOG\r\n\r\n"
        stub.pieces = lambda: (whole[at : at + 7] for at in range(0, len(whole), 7))
        told: list[str] = []
        await kaggle.follow_logs(KERNEL, told.append)
        assert told == [f"{n} 第{n}行" for n in range(500)]


async def test_an_answer_that_drips_ends_in_time(stub: KaggleStub) -> None:
    def pieces() -> Iterator[bytes]:
        for _ in range(100):
            time.sleep(0.1)
            yield b" "

    async with KaggleClient() as kaggle:
        await kaggle.username()
        stub.pieces = pieces
        with pytest.raises(ServiceDown) as caught:
            await kaggle._call("status", seconds=1.0, kernel=KERNEL)
        assert caught.value.key == "kaggle.slow"


class TestNotKaggle:
    @pytest.mark.parametrize("body", [b"[1,2]", b'{"code":404}', b'{"hello":1}', b"hello"])
    async def test_json_that_is_no_status(self, body: bytes, stub: KaggleStub, kaggle: KaggleClient) -> None:
        stub.pieces = lambda: iter([body])
        with pytest.raises(ServiceDown) as caught:
            await kaggle.status(KERNEL)
        assert caught.value.key == "kaggle.not_kaggle"

    async def test_a_push_without_an_answer(
        self, stub: KaggleStub, kaggle: KaggleClient, folder: Path
    ) -> None:
        stub.pieces = lambda: iter([b"{}"])
        with pytest.raises(ServiceDown) as caught:
            await kaggle.push(folder)
        assert caught.value.key == "kaggle.not_kaggle"


class TestOutput:
    @pytest.mark.parametrize("tokens", [itertools.cycle("ab"), map(str, itertools.count())])
    async def test_pages_without_end(
        self,
        tokens: Iterator[str],
        stub: KaggleStub,
        kaggle: KaggleClient,
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        monkeypatch.setattr(api_process, "MOST_PAGES", 20)
        stub.answer = lambda _name, _body: (  # type: ignore[method-assign]
            200,
            {"active": True, "username": "reader", "files": [], "nextPageToken": next(tokens)},
        )
        with pytest.raises(ServiceRefused) as caught:
            await asyncio.wait_for(kaggle.output(KERNEL, tmp_path), 60 * SLOWEST)
        assert caught.value.key == "kaggle.unreadable"
        assert "EndlessPages" in str(caught.value)

    async def test_a_failed_transfer_leaves_the_older_file(
        self, stub: KaggleStub, kaggle: KaggleClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(time, "sleep", lambda _: None)  # between the package's attempts
        stub.files = {"a.json": b"new", "graph.html": b"new"}
        stub.broken_off = {"graph.html"}
        (tmp_path / "out").mkdir()
        (tmp_path / "out" / "graph.html").write_text("old")
        with pytest.raises(ServiceDown):
            await kaggle.output(KERNEL, tmp_path / "out")
        left = {file.name: file.read_text() for file in (tmp_path / "out").iterdir()}
        assert left == {"a.json": "new", "graph.html": "old"}
        stub.broken_off = set()
        await kaggle.output(KERNEL, tmp_path / "out")
        assert (tmp_path / "out" / "graph.html").read_text() == "new"
