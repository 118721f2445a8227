"""Standard streams as a command finds them: closed, full, or in an encoding that lacks most characters."""

from __future__ import annotations

import io
import os
import sys


def prepare_streams() -> None:
    """Open closed standard streams on the null device, and let every stream take any text.

    A closed descriptor would be given to the next file or socket, which prints would then go to.
    """
    for number, name, mode in ((0, "stdin", "r"), (1, "stdout", "w"), (2, "stderr", "w")):
        try:
            os.fstat(number)
        except OSError:
            # open takes the lowest number that is free: this one. Engines and workers need it as much.
            os.set_inheritable(os.open(os.devnull, os.O_RDWR), True)
        if getattr(sys, name) is None:
            setattr(sys, name, os.fdopen(number, mode, encoding="utf-8", closefd=False))
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def discard_unwritten() -> None:
    """Let what stdout and stderr can't write go nowhere: Python would fail with it again, with code 120.

    The reader or terminal has gone, or the disk is full.
    """
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except OSError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def takes_any_text() -> bool:
    """Return whether stdout's encoding, UTF-8 or UTF-16, has every character."""
    return (getattr(sys.stdout, "encoding", None) or "utf-8").lower().replace("-", "") in ("utf8", "utf16")
