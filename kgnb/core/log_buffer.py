"""The last log lines of this process, kept for a panel or a batch run to show."""

from __future__ import annotations

import logging
from collections import deque
from dataclasses import dataclass

from kgnb.core.safe_text import one_line

MAX_LINES = 200
"""Lines kept of each level's worth: what a panel shows."""


@dataclass(frozen=True, slots=True)
class LogLine:
    """One log line: a running number, epoch seconds, level (logging's number), text."""

    number: int
    at: float
    level: int
    text: str


class LogBuffer(logging.Handler):
    """Keeps the last lines of kgnb's loggers while it listens. Warnings have a store of their own, so that a
    busy node's chapters don't push them out."""

    def __init__(self) -> None:
        super().__init__()
        self._lines: deque[LogLine] = deque(maxlen=MAX_LINES)
        self._serious: deque[LogLine] = deque(maxlen=MAX_LINES)
        self._number = 0
        self._level_before = logging.NOTSET

    def listen(self, level: str) -> None:
        """Keeps what kgnb logs from ``level`` up."""
        logger = logging.getLogger("kgnb")
        if self not in logger.handlers:
            self._level_before = logger.level
            logger.addHandler(self)
        logger.setLevel(level)

    def mute(self) -> None:
        """Listens no more; the lines stay."""
        logger = logging.getLogger("kgnb")
        if self in logger.handlers:
            logger.removeHandler(self)
            logger.setLevel(self._level_before)

    def emit(self, record: logging.LogRecord) -> None:
        """Takes in a record; a traceback only as its last line: the log file has it whole."""
        text = record.getMessage()
        if record.exc_info and record.exc_info[1] is not None:
            text = f"{text} {record.exc_info[1]!r}"
        self._number += 1
        line = LogLine(self._number, record.created, record.levelno, one_line(text))
        (self._serious if record.levelno >= logging.WARNING else self._lines).append(line)

    def lines(self, level: int = logging.INFO, *, after: int = 0) -> list[LogLine]:
        """The last 200 lines of ``level`` and above, oldest first; those with a number beyond ``after``."""
        both = [*list(self._lines), *list(self._serious)]
        wanted = [line for line in both if line.level >= level and line.number > after]
        return sorted(wanted, key=lambda line: line.number)[-MAX_LINES:]
