"""Made-up Chinese scenes, and the persons that a scan finds in a text."""

from __future__ import annotations

import random

from kgnb.extract import name_scan
from kgnb.extract.model import NameEntry

SAID = [
    "{a}笑道：“{w}。”",
    "{a}道：“{w}。”",
    "{a}问道：“{w}？”",
    "“{w}。”{a}说道。",
    "{a}听了，叹道：“{w}。”",
]
DONE = [
    "{a}走进屋里，看了看{b}。",
    "{a}拉着{b}的手，半日不语。",
    "一时{a}来了，众人让{a}坐下。",
    "谁知{a}不在家。",
]
WORDS = ["且住", "今日天冷", "倒茶来", "我不去了", "这可怎么好", "你来得正巧", "快些走罢"]


def scenes(cast: list[tuple[str, str]], seed: int = 4) -> str:
    """Pages in which pairs of the cast talk and go about, a scene each."""
    rng = random.Random(seed)
    lines = []
    for one, other in cast * 7:
        for form in rng.sample(SAID, 3) + rng.sample(DONE, 3):
            a, b = rng.sample([one, other], 2)
            lines.append(form.format(a=a, b=b, w=rng.choice(WORDS)))
        lines.append("\n")
    return "".join(lines)


def chinese(text: str) -> dict[str, NameEntry]:
    """The persons of a text by their names."""
    return {e.name: e for e in name_scan.scan([(1, text)], "zh") if e.kind == "Character"}


def bearer(found: dict[str, NameEntry], name: str) -> NameEntry:
    """The one entry that bears this name."""
    (entry,) = [e for e in found.values() if name in (e.name, *e.aliases)]
    return entry
