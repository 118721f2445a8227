"""`kgnb providers presets`: the providers that kgnb knows; apart from the commands that need stores."""

from __future__ import annotations

import argparse

from kgnb.cli.options import show
from kgnb.core.messages import language, say
from kgnb.core.settings import Settings
from kgnb.llm.presets import Preset, presets, presets_date


async def list_presets(args: argparse.Namespace, _: Settings) -> int:
    """Print the providers that kgnb knows: suggested model, prices, where a key is made; return 0."""
    known, date = presets().values(), presets_date()
    facts = {"date": date.isoformat(), "presets": [preset.model_dump(mode="json") for preset in known]}
    note = say("providers.presets_date", date=date)
    return show(args, facts, lambda: [*map(_preset_text, known), note])


def _preset_text(preset: Preset) -> str:
    """Return the lines on a preset."""
    price = preset.price(preset.model)
    facts = [preset.model or "-", preset.base_url or "-"]
    if price is not None:
        amounts = "/".join(f"{amount:g}" for amount in price.amounts)
        facts.append(say("providers.price", amounts=amounts, currency=price.currency, date=price.as_of))
    if preset.key_url:
        facts.append(say("providers.key_page", url=preset.key_url))
    if note := getattr(preset, f"note_{language()}"):
        facts.append(note)
    return "\n    ".join((f"{preset.name}  {preset.title}", *facts))
