"""Made-up secrets of the tests, each with "canary" in it: none may be in what a test prints or logs."""

from __future__ import annotations

import re
from pathlib import Path

CANARY = re.compile(r"\S*(?:canary-|-canary|canary0123|wrong-password-5521|tr0ub4dor)\S*")


def spilled(text: str) -> str:
    """The first secret in ``text``; empty without one."""
    found = CANARY.search(text)
    return found[0] if found else ""


def spilled_in_logs(folder: Path) -> str:
    """The first secret in the log files anywhere below ``folder``; empty without one."""
    found = (spilled(log.read_text("utf-8", "replace")) for log in folder.rglob("*.log") if log.is_file())
    return next(filter(None, found), "")
