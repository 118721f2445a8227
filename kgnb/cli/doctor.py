"""`kgnb doctor`: this place, the services and the providers, each problem with what mends it."""

from __future__ import annotations

import argparse
import dataclasses
from collections.abc import Sequence
from typing import TYPE_CHECKING

from kgnb.cli.options import OK, command, json_option, print_json
from kgnb.cli.parser import Commands, Parser
from kgnb.core.messages import say
from kgnb.core.safe_text import one_line

if TYPE_CHECKING:
    from kgnb.app.doctor import Check
    from kgnb.core.settings import Settings

BROKEN = 2
"""Exit code when something doesn't work."""


def add_doctor(commands: Commands[Parser]) -> None:
    """Declares `kgnb doctor`."""
    json_option(command(commands, "doctor", doctor))


async def doctor(args: argparse.Namespace, settings: Settings) -> int:
    """Prints every check and what mends it."""
    from kgnb.app import doctor as doctor_use_case

    checks = await doctor_use_case.doctor(settings)
    ok = all(check.ok for check in checks)
    if args.json:
        shown = [{**dataclasses.asdict(check), "mark": check.mark} for check in checks]
        print_json({"ok": ok, "checks": shown})
    else:
        print("\n".join(_check_lines(checks)))
    return OK if ok else BROKEN


def _check_lines(checks: Sequence[Check]) -> list[str]:
    lines = []
    for check in checks:
        lines.append(f"{check.mark} {one_line(check.name)}: {one_line(check.detail)}")
        if check.mend:
            lines.append(f"    → {one_line(check.mend)}")
    broken, better = (sum(check.mark == mark for check in checks) for mark in "✗!")
    if broken:
        return [*lines, "", say("doctor.summary_bad", count=broken)]
    return [*lines, "", say("doctor.summary_warn", count=better) if better else say("doctor.summary_ok")]
