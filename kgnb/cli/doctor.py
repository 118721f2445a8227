"""`kgnb doctor`: this place, the services and the providers, each problem with what mends it."""

from __future__ import annotations

import argparse
import dataclasses
from collections.abc import Sequence

from kgnb.app import doctor as doctor_use_case
from kgnb.app.doctor import Check
from kgnb.cli.options import OK, show
from kgnb.core.messages import say, say_or
from kgnb.core.safe_text import one_line
from kgnb.core.settings import Settings

BROKEN = 2
"""Exit code when something doesn't work."""


async def doctor(args: argparse.Namespace, settings: Settings) -> int:
    """Print every check and what mends it; return 2 if any failed, else 0."""
    checks = await doctor_use_case.doctor(settings)
    ok = all(check.ok for check in checks)
    shown = [{**dataclasses.asdict(check), "mark": check.mark} for check in checks]
    show(args, {"ok": ok, "checks": shown}, lambda: _check_lines(checks))
    return OK if ok else BROKEN


def _check_lines(checks: Sequence[Check]) -> list[str]:
    """Return the lines on all checks, then a summary."""
    lines = []
    for check in checks:
        name = say_or(f"doctor.label_{check.name}", check.name)
        lines.append(f"{check.mark} {one_line(name)}: {one_line(check.detail)}")
        if check.mend:
            lines.append(f"    → {one_line(check.mend)}")
    broken, better = (sum(check.mark == mark for check in checks) for mark in "✗!")
    if broken:
        return [*lines, "", say("doctor.summary_bad", count=broken)]
    return [*lines, "", say("doctor.summary_warn", count=better) if better else say("doctor.summary_ok")]
