"""Processes identified by pid *and* start time, so that a recycled pid is never taken for the process."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class ProcessId:
    """A unique process: ``start`` is its start time in the operating system's notation."""

    pid: int
    start: str


def identify(pid: int) -> ProcessId | None:
    """Return the process that has ``pid`` now; None without such a process, or for a zombie."""
    start = _start_linux(pid) if sys.platform.startswith("linux") else _start_elsewhere(pid)
    return ProcessId(pid, start) if start else None


def is_alive(process: ProcessId) -> bool:
    """Return whether this very process still runs (and not another process with the same pid)."""
    return identify(process.pid) == process


def host_id() -> str:
    """Return an id of this machine, its boot and this container: pids and sockets are valid within this
    scope.
    """
    if not sys.platform.startswith("linux"):
        return os.uname().nodename
    parts = [Path("/proc/sys/kernel/random/boot_id").read_text().strip()]
    parts += [str(Path(f"/proc/self/ns/{kind}").stat().st_ino) for kind in ("pid", "net")]
    return ":".join(parts)


def _start_linux(pid: int) -> str | None:
    """Return when a process started, in clock ticks; None for none, or a zombie."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(errors="replace")
    except (FileNotFoundError, ProcessLookupError):
        return None
    fields = stat.rpartition(")")[2].split()  # the name before may contain spaces and brackets
    return None if fields[0] in "ZX" else fields[19]


def _start_elsewhere(pid: int) -> str | None:
    """Return when a process started, as ``ps`` says; None for none, or a zombie."""
    shown = subprocess.run(  # noqa: S603 (a number is the only argument)
        ["/bin/ps", "-o", "stat=,lstart=", "-p", str(pid)], capture_output=True, text=True, check=False
    )
    state, _, start = shown.stdout.strip().partition(" ")
    return start.strip() if start and not state.startswith("Z") else None
