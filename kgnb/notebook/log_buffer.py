"""Ring buffer of this process's last log lines, for the panel and the end of a batch run."""

from __future__ import annotations

import logging
from collections import deque
from dataclasses import dataclass

from kgnb.core.safe_text import one_line

MAX_LINES = 200
"""Lines kept, and as many warnings: what the panel shows."""


@dataclass(frozen=True, slots=True)
class LogLine:
    """One log line; ``number`` counts up, ``at`` is in epoch seconds, ``level`` is logging's."""

    number: int
    at: float
    level: int
    text: str


class LogBuffer(logging.Handler):
    """Keeps the last lines of kgnb's loggers, and apart from these the last warnings."""

    def __init__(self) -> None:
        super().__init__()
        self._lines: deque[LogLine] = deque(maxlen=MAX_LINES)
        self._warnings: deque[LogLine] = deque(maxlen=MAX_LINES)
        self._number = 0
        self._level_before = logging.NOTSET

    def listen(self, level: str) -> None:
        """Start to keep what kgnb logs from ``level`` up."""
        logger = logging.getLogger("kgnb")
        if self not in logger.handlers:
            self._level_before = logger.level
            logger.addHandler(self)
        logger.setLevel(level)

    def mute(self) -> None:
        """Stop listening; the lines stay."""
        logger = logging.getLogger("kgnb")
        if self in logger.handlers:
            logger.removeHandler(self)
            logger.setLevel(self._level_before)

    def emit(self, record: logging.LogRecord) -> None:
        """Keep a record; of a traceback its last line only, as the log file has it in full."""
        text = record.getMessage()
        if record.exc_info and record.exc_info[1] is not None:
            text = f"{text} {record.exc_info[1]!r}"
        self._number += 1
        line = LogLine(self._number, record.created, record.levelno, one_line(text))
        (self._warnings if record.levelno >= logging.WARNING else self._lines).append(line)

    def lines(self, level: int = logging.INFO, *, after: int = 0) -> list[LogLine]:
        """Return the last lines of ``level`` and above with a number above ``after``, oldest first, at most
        :data:`MAX_LINES` (200).
        """
        kept = list(self._lines) + list(self._warnings)
        wanted = [line for line in kept if line.level >= level and line.number > after]
        return sorted(wanted, key=lambda line: line.number)[-MAX_LINES:]
