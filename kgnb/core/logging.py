"""Log lines: one event one line, whatever a book or a reply put into it; as text or as JSON objects.

Only the terminal's face configures logging (:func:`configure`); a library never does. ``worker.log`` of a
data folder belongs to one process at a time: a second worker of the same folder writes ``worker-2.log``, and
so on, so that nobody rotates a file under somebody else's feet.
"""

from __future__ import annotations

import json
import logging
import os
import sys
from collections.abc import Mapping
from datetime import datetime
from logging.handlers import RotatingFileHandler
from pathlib import Path
from typing import Any, TextIO

from kgnb.core.messages import Text, say
from kgnb.core.safe_text import LONGEST, one_line

if sys.platform == "win32":
    import msvcrt
else:
    import fcntl

MOST_WORKERS = 64
"""Workers of one data folder that get a file of their own; more are told to use standard output."""
NOISY = ("aiohttp", "neo4j", "asyncio")
REPEATERS = ("neo4j.io", "neo4j.pool", "sqlalchemy.pool")
"""What these log is raised as an error too, and an outage is told once."""

log = logging.getLogger(__name__)


def configure(level: str, stream: TextIO, *, as_json: bool) -> None:
    """Sends every record from ``level`` up to ``stream``, in place of what was configured before."""
    handler = _Stream(stream)
    handler.setFormatter(JsonLines() if as_json else Lines("%H:%M:%S"))
    logging.basicConfig(level=level, handlers=[handler], force=True)
    for noisy in NOISY:
        logging.getLogger(noisy).setLevel(logging.WARNING)
    for repeater in REPEATERS:
        logging.getLogger(repeater).setLevel(logging.CRITICAL)


def add_file(folder: Path, *, megabytes: float, files: int, as_json: bool) -> Path | None:
    """Writes to ``worker.log`` in ``folder`` too, rotating at ``megabytes``, with ``files`` old ones.

    Returns the file; None where none can be written, which is said once and stops nobody.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        path = _own_file(folder)
        if path is None:
            log.warning(say("logs.too_many", folder=folder))
            return None
        handler = _File(path, maxBytes=int(megabytes * 1_000_000), backupCount=files, encoding="utf-8",
                        errors="backslashreplace")  # fmt: skip
    except OSError as error:
        log.warning(say("logs.no_file", folder=folder, reason=error.strerror or type(error).__name__))
        return None
    handler.setFormatter(JsonLines() if as_json else Lines("%Y-%m-%d %H:%M:%S"))
    logging.getLogger().addHandler(handler)
    return path


def name_node(name: str) -> None:
    """From now on JSON lines tell which node wrote them."""
    for handler in logging.getLogger().handlers:
        if isinstance(handler.formatter, JsonLines):
            handler.formatter.node = name


# --- formats ------------------------------------------------------------------------------------------------


class Lines(logging.Formatter):
    """``time level message``; a traceback follows indented, so that no line of it looks like a record."""

    def __init__(self, clock: str) -> None:
        super().__init__("%(asctime)s %(levelname)s %(message)s", clock)

    def formatMessage(self, record: logging.LogRecord) -> str:
        """The record's one line."""
        record.message = one_line(record.message)
        return super().formatMessage(record)

    def formatException(self, ei: Any) -> str:
        """The indented traceback."""
        text = super().formatException(ei)
        return "\n".join("    " + one_line(line) for line in text.splitlines())


class JsonLines(logging.Formatter):
    """One JSON object a line: time (ISO 8601 with zone), level, event (the text's key), task, chapter, node,
    message; the text's other facts, the logger of what isn't kgnb's, and a traceback where there is one."""

    def __init__(self) -> None:
        super().__init__()
        self.node = ""

    def format(self, record: logging.LogRecord) -> str:
        """The record's object, on one line."""
        text = record.msg if isinstance(record.msg, Text) else None
        facts = dict(text.facts) if text is not None else {}
        told: dict[str, object] = {
            "time": datetime.fromtimestamp(record.created).astimezone().isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "event": text.key if text is not None else None,
            "task": _plain(facts.pop("task", None)),
            "chapter": _plain(facts.pop("chapter", None)),
            "node": self.node or None,
            "message": record.getMessage()[:LONGEST],
        }
        if facts:
            told["facts"] = _plain_all(facts)
        if text is None:
            told["logger"] = record.name
        if record.exc_info:
            told["trace"] = self.formatException(record.exc_info)
        # Escaped to ASCII where a line could be broken: U+2028 ends a line for some readers.
        line = json.dumps(told, ensure_ascii=False)
        return line if line.isprintable() else json.dumps(told)


def _plain_all(facts: Mapping[str, object]) -> dict[str, object]:
    return {name: _plain(value) for name, value in facts.items()}


def _plain(value: object) -> object:
    """Numbers stay numbers; everything else, an error among them, is its text."""
    return value if value is None or isinstance(value, (bool, int, float)) else str(value)[:LONGEST]


# --- where to -----------------------------------------------------------------------------------------------


class _Once:
    """A disk that is full or a pipe that nobody reads is told once, on stderr, and loses the lines."""

    told = False

    def handleError(self, record: logging.LogRecord) -> None:
        """Called where writing a record failed."""
        error = sys.exception()
        if not isinstance(error, OSError):
            logging.Handler.handleError(self, record)  # type: ignore[arg-type]
        elif not self.told:
            self.told = True
            if sys.stderr is not None:
                print(f"kgnb: {say('logs.broken', reason=error.strerror or error)}", file=sys.stderr)


class _Stream(_Once, logging.StreamHandler[TextIO]):
    pass


class _File(_Once, RotatingFileHandler):
    pass


_locks: list[int] = []  # file descriptors, held as long as the process lives


def _own_file(folder: Path) -> Path | None:
    """The first of worker.log, worker-2.log … that no other process writes; None when all are taken."""
    for number in range(1, MOST_WORKERS + 1):
        name = "worker" if number == 1 else f"worker-{number}"
        if _lock(folder / f".{name}.lock"):
            return folder / f"{name}.log"
    return None


def _lock(path: Path) -> bool:
    # On a file beside the log: a lock on the log itself would move away with it at the first rotation.
    handle = os.open(path, os.O_RDWR | os.O_CREAT | getattr(os, "O_CLOEXEC", 0), 0o600)
    try:
        if sys.platform == "win32":
            msvcrt.locking(handle, msvcrt.LK_NBLCK, 1)
        else:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except (BlockingIOError, PermissionError):  # Windows says the latter
        os.close(handle)
        return False
    _locks.append(handle)
    return True
