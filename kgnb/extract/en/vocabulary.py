"""English word lists; data/words.toml says what each of them is."""

from __future__ import annotations

from pathlib import Path

from kgnb.extract.word_lists import read_word_lists

_LISTS = read_word_lists("en")
MALE = _LISTS["male"]
FEMALE = _LISTS["female"]
NEUTRAL = _LISTS["neutral"]
RANKS = _LISTS["ranks"]
ENDEARMENTS = _LISTS["endearments"]
SPEECH_VERBS = _LISTS["speech_verbs"]
BEFORE_PLACE = _LISTS["before_place"]
COMPASS = _LISTS["compass"]
PLACE_ENDS = _LISTS["place_ends"]
ORG_ENDS = _LISTS["org_ends"]
NOT_NAMES = _LISTS["not_names"]
PEOPLES = _LISTS["peoples"] | {f"{word}s" for word in _LISTS["peoples"]}
MONTHS = _LISTS["months"]
FEMALE_NAMES = _LISTS["female_names"]
MALE_NAMES = _LISTS["male_names"]
GENERIC = _LISTS["generic"]
HONORIFICS = MALE | FEMALE | NEUTRAL


def _nicknames() -> dict[str, frozenset[str]]:
    found: dict[str, frozenset[str]] = {}
    for line in (Path(__file__).parent / "data" / "nicknames.txt").read_text("utf-8").splitlines()[1:]:
        full, _, short_forms = line.partition(": ")
        for short in short_forms.split():
            found[short] = found.get(short, frozenset()) | {full}
    return found


NICKNAMES = _nicknames()
"""Short form → the first names it may stand for."""
