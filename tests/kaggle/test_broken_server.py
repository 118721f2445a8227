"""A broken server, or something else, in Kaggle's place: what is told, what becomes of the user's files."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from kgnb.core.errors import ServiceDown
from kgnb.kaggle.client import KaggleClient
from tests.support.kaggle_stub import KaggleStub

KERNEL = "reader/some-notebook"


async def test_a_log_under_way_comes_in_lines(stub: KaggleStub, kaggle: KaggleClient) -> None:
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
            await kaggle.call("status", seconds=1.0, kernel=KERNEL)
        assert caught.value.key == "kaggle.slow"


@pytest.mark.parametrize("body", [b"<html>Sign in</html>", b""])
async def test_a_page_in_place_of_an_answer(body: bytes, stub: KaggleStub, kaggle: KaggleClient) -> None:
    stub.pieces = lambda: iter([body])
    with pytest.raises(ServiceDown) as caught:
        await kaggle.status(KERNEL)
    assert caught.value.key == "kaggle.not_kaggle"


class TestOutput:
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
