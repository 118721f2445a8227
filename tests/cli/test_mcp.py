"""`kgnb mcp`, by the protocol's own client: each tool, hostile arguments, a clean stdout, the token."""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from mcp import Client, StdioServerParameters
from mcp.client.streamable_http import streamable_http_client

import kgnb
from kgnb.app.context import open_app
from kgnb.cli import mcp_tools
from kgnb.core.settings import Settings
from tests.support.commands import STORY

BOOK = "青石渡"
CALLS: dict[str, dict[str, Any]] = {
    "list_books": {},
    "find": {"text": "沈"},
    "card": {"name": "沈砚"},
    "ties": {"name": "沈砚"},
    "path": {"a": "沈砚", "b": "顾三娘"},
    "timeline": {"name": "沈砚"},
    "search": {"words": "渡口的灯"},
    "passage": {"chapter": 1},
    "ask": {"question": "沈砚是谁"},
}


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("served") / "kgnb-data"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("KGNB_DATA", str(folder))
        kgnb.build(STORY, progress=False).close()
    return folder


@asynccontextmanager
async def client(data: Path) -> AsyncIterator[Client]:
    """A client in this process, of the same server as in the others."""
    settings = Settings.load(data=data)
    async with (
        open_app(settings, queue=False, graph=False) as app,
        Client(mcp_tools.make_server(app)) as one,
    ):
        yield one


def content(result: Any) -> dict[str, Any]:
    assert not result.is_error, result.content
    found: dict[str, Any] = json.loads(result.content[0].text)
    return found


async def test_over_stdio_each_tool_is_listed_and_answers(data: Path) -> None:
    command = ["-c", "from kgnb.cli.main import main; import sys; print('stray'); sys.exit(main())"]
    # What is printed before the server starts would break the protocol: nothing of kgnb's is.
    command[1] = command[1].replace("print('stray'); ", "")
    given = StdioServerParameters(
        command=sys.executable,
        args=[*command, "mcp", "--data", str(data)],
        env={"KGNB_LOG_LEVEL": "DEBUG", "PYTHONPATH": os.environ.get("PYTHONPATH", "")},
    )
    async with Client(given) as one:
        listed = {tool.name: tool for tool in (await one.list_tools()).tools}
        assert set(listed) == set(CALLS) == set(mcp_tools.TOOLS)
        assert all(tool.annotations.read_only_hint and tool.description for tool in listed.values())
        for name, arguments in CALLS.items():
            assert content(await one.call_tool(name, arguments)), name
        found = content(await one.call_tool("ask", {"question": "沈砚和顾三娘是什么关系", "until": 2}))
        assert all(c["chapter"] <= 2 for s in found["sentences"] for c in s["citations"])
        big = await one.call_tool("card", {"name": "沈砚", "book": "长" * 10_000_000})
        assert big.is_error
        assert len(big.content[0].text) < 2_000
        assert content(await one.call_tool("list_books", {}))  # and goes on


async def test_nothing_after_the_chapter_is_told(data: Path) -> None:
    async with client(data) as one:
        for chapter in (3, 99):
            assert (await one.call_tool("passage", {"chapter": chapter, "until": 2})).is_error
        found = content(await one.call_tool("search", {"words": "沈砚", "book": BOOK, "until": 2}))
        assert found["rows"]
        assert all(row["chapter"] <= 2 for row in found["rows"])
        told = content(await one.call_tool("timeline", {"name": "沈砚", "until": 2}))
        assert all(row["chapter"] <= 2 for row in told["rows"])


@pytest.mark.parametrize(
    ("tool", "arguments"),
    [
        ("card", {"name": "沈砚", "book": "../../etc/passwd"}),
        ("card", {"name": "/etc/passwd"}),
        ("card", {"name": "x" * 101}),
        ("card", {"name": "沈砚", "until": -1}),
        ("card", {"name": ["沈砚"], "until": "nobody"}),
        ("card", {}),
        ("ask", {"question": "MATCH (n) DETACH DELETE n"}),
        ("ask", {"question": "长" * 1_000_000}),
        ("passage", {"chapter": 10**30}),
        ("passage", {"chapter": 99}),
        ("path", {"a": "沈砚", "b": "'; DROP TABLE novels; --"}),
        ("find", {"text": ""}),
        ("no_such_tool", {}),
    ],
)
async def test_hostile_arguments_end_in_an_error_object(
    data: Path, tool: str, arguments: dict[str, Any]
) -> None:
    async with client(data) as one:
        result = await one.call_tool(tool, arguments)
        assert result.is_error
        assert len(result.content[0].text) < 2_000
        assert "Traceback" not in result.content[0].text
        assert content(await one.call_tool("list_books", {}))


async def test_results_are_bounded(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mcp_tools, "ROWS", 2)
    monkeypatch.setattr(mcp_tools, "PAGE_CHARS", 10)
    async with client(data) as one:
        found = content(await one.call_tool("timeline", {"name": "沈砚"}))
        assert len(found["rows"]) == 2
        assert found["left_out"] > 0
        page = content(await one.call_tool("passage", {"chapter": 1}))
        assert len(page["text"]) == page["next"] == 10


async def test_over_http_only_the_token_is_let_in(data: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "kgnb", "mcp", "--http", str(port), "--data", str(data)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        url = process.stdout.readline().strip()
        token = re.search(r"Bearer (\S+)", process.stdout.readline())[1]  # type: ignore[index]
        for header in ({}, {"Authorization": "Bearer x"}, {"Authorization": token}):
            transport = httpx.AsyncHTTPTransport(retries=5)
            async with httpx.AsyncClient(headers=header, transport=transport) as http:
                for _ in range(100):
                    try:
                        assert (await http.post(url, json={})).status_code == 401
                        break
                    except httpx.ConnectError:
                        await _soon()
        async with httpx.AsyncClient(headers={"Authorization": f"Bearer {token}"}) as http:
            assert (await http.post(url, json={}, headers={"Host": "evil.example"})).status_code in (403, 421)
            async with Client(streamable_http_client(url, http_client=http)) as one:
                assert content(await one.call_tool("list_books", {}))["rows"][0]["title"]
    finally:
        process.terminate()
        process.wait(20)
        process.stdout.close()  # type: ignore[union-attr]


async def _soon() -> None:
    import asyncio

    await asyncio.sleep(0.1)
