"""English passages in which persons talk and act, and the people found in a text."""

from __future__ import annotations

import itertools

from kgnb.extract import name_scan
from kgnb.extract.model import NameEntry

SPEECH = [
    '"The rain has come back," said {a}.',
    '{a} answered, "We must wait for {b}."',
    '"Not tonight," {a} replied, and went to the window.',
]
DEEDS = ["{a} walked slowly down to the water.", "Nobody had told {a}.", "Then {b} gave {a} the lamp."]


def pages(*pairs: tuple[str, str], times: int = 6) -> str:
    """Paragraphs in which each pair of persons talks and acts."""
    lines = []
    for one, other in pairs * times:
        for (a, b), form in zip(itertools.cycle([(one, other), (other, one)]), SPEECH + DEEDS, strict=False):
            lines.append(form.format(a=a, b=b))
    return "\n\n".join(lines)


def people(text: str) -> dict[str, NameEntry]:
    """Every name and alias → its person."""
    found = [e for e in name_scan.scan([(1, text)], "en") if e.kind == "Character"]
    return {name: e for e in found for name in (e.name, *e.aliases)}
