"""The words of an extraction: languages, labels of entities, types of relations."""

from __future__ import annotations

import re
from typing import Literal

Lang = Literal["zh", "en"]


def language_of(text: str) -> Lang:
    """Return "zh" where a text's Chinese characters, times four, are more than its Latin letters, else "en";
    only the first 300,000 characters count.
    """
    sample = text[:300_000]
    chinese = len(re.findall(r"[\u3400-\u9fff]", sample))
    latin = len(re.findall(r"[A-Za-z]", sample))
    # A Chinese character carries about as much as four letters.
    return "zh" if chinese * 4 > latin else "en"


SYMMETRIC_RELATIONS = frozenset(("FRIEND", "ENEMY", "KNOWS", "SPOUSE", "SIBLING", "FAMILY", "ALLY", "RIVAL"))
"""Stored once per pair, ends in name order; every other type keeps its direction."""

CHARACTER_RELATIONS = (
    *("FRIEND", "ENEMY", "LOVES", "HATES", "KNOWS", "LEADS", "FOLLOWS"),  # main's
    *("FAMILY", "SPOUSE", "PARENT_OF", "SIBLING", "MASTER_OF", "ALLY", "RIVAL", "SERVES"),
)
"""Character to Character types that are enabled without any config."""

EXTRACTED_LABELS = ("Character", "Location", "Organization", "Event")
"""Labels of entities that are extracted without any config."""

STRUCTURAL_RELATIONS = ("APPEARS_IN", "PARTICIPATES_IN", "OCCURS_IN", "BELONGS_TO", "CONTAINS")
"""Types that follow from the reply's structure, never from its words."""
