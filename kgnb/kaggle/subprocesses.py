"""Child processes that never outlive their caller."""

from __future__ import annotations

import asyncio
import sys
from asyncio.subprocess import DEVNULL, PIPE, STDOUT, Process

from kgnb.core.safe_text import one_line


async def end(process: Process) -> None:
    """Kill the process unless it has ended."""
    if process.returncode is None:
        process.kill()
        await process.wait()


async def pip(command: str, *words: str, seconds: float) -> str:
    """Run ``pip COMMAND WORDS`` for at most ``seconds``; return "" after success, else the reason in one
    line.
    """
    run = (sys.executable, "-m", "pip", command, "--quiet", "--disable-pip-version-check", *words)
    process = await asyncio.create_subprocess_exec(*run, stdin=DEVNULL, stdout=PIPE, stderr=STDOUT)
    try:
        out, _ = await asyncio.wait_for(process.communicate(), seconds)
    except TimeoutError:
        return f"> {seconds:.0f} s"
    finally:
        await end(process)
    lines = out.decode("utf-8", "replace").strip().splitlines() or ["pip"]
    return one_line(lines[-1], 300) if process.returncode else ""
