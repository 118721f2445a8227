"""Made-up secrets of the tests, each with "canary" in it: none may be in what a test prints or logs."""

from __future__ import annotations

import re

CANARY = re.compile(r"\S*(?:canary-|-canary|canary0123|wrong-password-5521|tr0ub4dor)\S*")


def spilled(text: str) -> str:
    """The first secret in ``text``; empty without one."""
    found = CANARY.search(text)
    return found[0] if found else ""
