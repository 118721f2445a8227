"""Child processes that never outlive their caller."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


@asynccontextmanager
async def subprocess(*command: str) -> AsyncIterator[asyncio.subprocess.Process]:
    """The running command, its stderr in its stdout; killed when the block is left before it ends."""
    process = await asyncio.create_subprocess_exec(
        *command,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        limit=1 << 24,  # a line of a log may be long
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
