"""`kgnb doctor`: this place, the services and the providers, each problem with what mends it."""

from __future__ import annotations

import argparse
import dataclasses
import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from kgnb.cli.options import OK, command, json_option
from kgnb.core.messages import say
from kgnb.core.safe_text import one_line
from kgnb.core.settings import Settings

if TYPE_CHECKING:
    from kgnb.app.doctor import Check

BROKEN = 2
"""Exit code when something doesn't work."""


def add_doctor(commands: Any) -> None:
    """Declares `kgnb doctor`."""
    json_option(command(commands, "doctor", _doctor))


async def _doctor(args: argparse.Namespace, settings: Settings) -> int:
    from kgnb.app.doctor import doctor

    checks = await doctor(settings)
    ok = all(check.ok for check in checks)
    if args.json:
        told = [{**dataclasses.asdict(check), "mark": check.mark} for check in checks]
        print(json.dumps({"ok": ok, "checks": told}, ensure_ascii=False))
    else:
        print("\n".join(_lines(checks)))
    return OK if ok else BROKEN


def _lines(checks: Sequence[Check]) -> list[str]:
    lines = []
    for check in checks:
        lines.append(f"{check.mark} {one_line(check.name)}: {one_line(check.detail)}")
        if check.mend:
            lines.append(f"    → {one_line(check.mend)}")
    broken, better = (sum(check.mark == mark for check in checks) for mark in "✗!")
    if broken:
        return [*lines, "", say("doctor.summary_bad", count=broken)]
    return [*lines, "", say("doctor.summary_warn", count=better) if better else say("doctor.summary_ok")]
