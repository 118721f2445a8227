"""Child processes that never outlive their caller."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from kgnb.core.safe_text import one_line

LONGEST_LINE = 1 << 28
"""Bytes in a line of a child's output: all that Kaggle's process may hold."""


@asynccontextmanager
async def subprocess(*command: str, requests: bool = False) -> AsyncIterator[asyncio.subprocess.Process]:
    """The running command, its stderr in its stdout; killed when the block is left before it ends.

    ``requests``: it reads from a pipe, and its stderr goes nowhere.
    """
    pipe, nowhere = asyncio.subprocess.PIPE, asyncio.subprocess.DEVNULL
    process = await asyncio.create_subprocess_exec(
        *command,
        stdin=pipe if requests else nowhere,
        stdout=pipe,
        stderr=nowhere if requests else asyncio.subprocess.STDOUT,
        limit=LONGEST_LINE,
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def pip(command: str, *words: str, seconds: float) -> str:
    """Run ``pip COMMAND WORDS`` for at most ``seconds``; return "" or why it failed, in a line."""
    quiet = ("--quiet", "--disable-pip-version-check")
    async with subprocess(sys.executable, "-m", "pip", command, *quiet, *words) as process:
        try:
            out, _ = await asyncio.wait_for(process.communicate(), seconds)
        except TimeoutError:
            return f"> {seconds:.0f} s"
    lines = out.decode("utf-8", "replace").strip().splitlines() or ["pip"]
    return one_line(lines[-1], 300) if process.returncode else ""
