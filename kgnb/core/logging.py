"""Logging setup: one line for each event, whatever a book or a reply contains, as text or as JSON objects.

Only a process's main function configures logging: cli/main.py, and notebook/process_main.py for a notebook's
node processes. A data folder's ``worker.log`` belongs to one process at a time; a second worker writes
``worker-2.log``, and so on, so that no process rotates another's file.
"""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from logging.handlers import RotatingFileHandler
from pathlib import Path
from textwrap import indent
from typing import Any, TextIO

from kgnb.core.files import try_lock
from kgnb.core.messages import Text, say
from kgnb.core.safe_text import LONGEST, many_lines, one_line, safe_json

MAX_FILES = 64
"""Workers of one data folder that get a log file; others log to standard output only."""
FILE_BYTES = 10_000_000
"""Size at which a log file is rotated: about 100,000 chapters' lines, and below the 20 MB at which the
engines' supervisor empties a log."""
OLD_FILES = 5
"""Rotated files that are kept: at most 60 MB with the current one."""
NOISY = (
    *("aiohttp", "neo4j", "asyncio", "openai", "anthropic"),
    *("httpx2", "httpcore2", "httpx", "httpcore"),  # openai 3's, openai 2's: at INFO they show addresses
)
"""Loggers of which only warnings are shown."""
REPEATERS = ("neo4j.io", "neo4j.pool", "sqlalchemy.pool")
"""What these log is also raised as an error, and an outage is to be logged once."""

log = logging.getLogger(__name__)


def configure(level: str, stream: TextIO, *, as_json: bool) -> None:
    """Send all records from ``level`` up to ``stream``, replacing any earlier configuration."""
    handler = _StreamHandler(stream)
    handler.setFormatter(JsonLines() if as_json else Lines("%H:%M:%S"))
    logging.basicConfig(level=level, handlers=[handler], force=True)
    for noisy in NOISY:
        logging.getLogger(noisy).setLevel(logging.WARNING)
    for repeater in REPEATERS:
        logging.getLogger(repeater).setLevel(logging.CRITICAL)


def add_file(folder: Path, *, as_json: bool) -> Path | None:
    """Also log to ``worker.log`` in ``folder``, which is rotated; return the file, None (after a warning) if
    none can be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        path = _unlocked_file(folder)
        if path is None:
            log.warning(say("logs.too_many", folder=folder))
            return None
        handler = _FileHandler(
            path, maxBytes=FILE_BYTES, backupCount=OLD_FILES, encoding="utf-8", errors="backslashreplace"
        )
    except OSError as error:
        log.warning(say("logs.no_file", folder=folder, reason=error.strerror or type(error).__name__))
        return None
    handler.setFormatter(JsonLines() if as_json else Lines("%Y-%m-%d %H:%M:%S"))
    logging.getLogger().addHandler(handler)
    return path


@contextmanager
def redirected(stream: TextIO, other: TextIO) -> Iterator[None]:
    """During the block send log records meant for ``stream`` to ``other``."""
    handlers = [
        handler
        for handler in logging.getLogger().handlers
        if isinstance(handler, logging.StreamHandler) and handler.stream is stream
    ]
    for handler in handlers:
        handler.setStream(other)
    try:
        yield
    finally:
        for handler in handlers:
            handler.setStream(stream)


def name_node(name: str) -> None:
    """Add the node's name to all later JSON lines."""
    for handler in logging.getLogger().handlers:
        if isinstance(handler.formatter, JsonLines):
            handler.formatter.node = name


class Lines(logging.Formatter):
    """``time level message``; a traceback is indented, so that no line of it looks like a record."""

    def __init__(self, clock: str) -> None:
        super().__init__("%(asctime)s %(levelname)s %(message)s", clock)

    def formatMessage(self, record: logging.LogRecord) -> str:
        """Return the record as one line, unprintable characters escaped."""
        record.message = one_line(record.message)
        return super().formatMessage(record)

    def formatException(self, ei: Any) -> str:
        """Return the traceback, indented by four spaces."""
        return indent(many_lines(super().formatException(ei), LONGEST), "    ")


class JsonLines(logging.Formatter):
    """One JSON object a line: time (ISO 8601 with zone), level, event (the text's key), task, chapter (its
    number in the book), node, message; where they exist also the text's other facts (the chapter's row id
    among them), the logger of records that aren't kgnb's, and the traceback."""

    def __init__(self) -> None:
        super().__init__()
        self.node = ""

    def format(self, record: logging.LogRecord) -> str:
        """Return the record as a JSON object on one line: time, level, event, task, chapter, node, message,
        and facts or trace if any.
        """
        text = record.msg if isinstance(record.msg, Text) else None
        facts = dict(text.facts) if text is not None else {}
        fields: dict[str, object] = {
            "time": datetime.fromtimestamp(record.created).astimezone().isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "event": text.key if text is not None else None,
            "task": _json_value(facts.pop("task", None)),
            "chapter": _json_value(facts.pop("chapter", None)),
            "node": self.node or None,
            "message": record.getMessage()[:LONGEST],
        }
        if facts:
            fields["facts"] = {name: _json_value(value) for name, value in facts.items()}
        if text is None:
            fields["logger"] = record.name
        if record.exc_info:
            fields["trace"] = self.formatException(record.exc_info)
        return safe_json(json.dumps(fields, ensure_ascii=False))


def _json_value(value: object) -> object:
    """Return None, a bool or a number as it is, anything else as its text, cut if it is long."""
    return value if value is None or isinstance(value, (bool, int, float)) else str(value)[:LONGEST]


class _ReportErrorOnce:
    """Handler mixin: a full disk or a closed pipe loses lines and is reported once, on stderr."""

    reported = False

    def handleError(self, record: logging.LogRecord) -> None:
        """Report that a record could not be written."""
        error = sys.exception()
        if not isinstance(error, OSError):
            logging.Handler.handleError(self, record)  # type: ignore[arg-type]
        elif not self.reported:
            self.reported = True
            if sys.stderr is not None:
                with suppress(OSError):  # it may be stderr itself
                    print(f"kgnb: {say('logs.broken', reason=error.strerror or error)}", file=sys.stderr)


class _StreamHandler(_ReportErrorOnce, logging.StreamHandler[TextIO]):
    pass


class _FileHandler(_ReportErrorOnce, RotatingFileHandler):
    pass


_locks: list[int] = []  # file descriptors, kept open as long as the process lives


def _unlocked_file(folder: Path) -> Path | None:
    """Lock and return the first of worker.log, worker-2.log … that no other process writes; None if all are
    taken.
    """
    for number in range(1, MAX_FILES + 1):
        name = "worker" if number == 1 else f"worker-{number}"
        # A file of its own: a lock on the log would move away with it at the first rotation.
        if (lock := try_lock(folder / f".{name}.lock")) is not None:
            _locks.append(lock)
            return folder / f"{name}.log"
    return None
