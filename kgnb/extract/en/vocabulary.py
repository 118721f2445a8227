"""Word lists of the English rules; data/words.toml describes each of them."""

from __future__ import annotations

from pathlib import Path

from kgnb.extract.word_lists import read_word_lists

_LISTS = read_word_lists("en")
MALE = _LISTS["male"]
FEMALE = _LISTS["female"]
NEUTRAL = _LISTS["neutral"]
RANKS = _LISTS["ranks"]
PEERS = _LISTS["peers"]
CIVIL = (
    dict.fromkeys(_LISTS["civil"], "mr") | dict.fromkeys(_LISTS["civil_women"], "mrs") | {"professor": "dr"}
)
"""Title of an office or calling → title by which its bearers are called as well: "mr", "mrs" or "dr"."""
ENDEARMENTS = _LISTS["endearments"]
TRADES = _LISTS["trades"]
BEFORE_KIN = _LISTS["before_kin"]
SPEECH_VERBS = _LISTS["speech_verbs"]
SPEECH_VERB = "|".join(sorted(SPEECH_VERBS))
"""The verbs of speech as alternatives of a regular expression."""
PREDICATES = _LISTS["predicates"]
PAST_VERBS = _LISTS["past_verbs"]
BEFORE_PRESENT = _LISTS["before_present"]
EPITHETS = _LISTS["epithets"]
BEFORE_PLACE = _LISTS["before_place"]
COMPASS = _LISTS["compass"]
BEFORE_OF_PLACE = _LISTS["before_of_place"]
KNOWN_PLACES = _LISTS["known_places"]
DEITIES = _LISTS["deities"]
STREET_ENDS = _LISTS["street_ends"]
PLACE_ENDS = STREET_ENDS | _LISTS["place_ends"]
ORG_ENDS = _LISTS["org_ends"]
NOT_NAMES = _LISTS["not_names"]
MONTHS = _LISTS["months"]
SURNAMES_OF_PLACES = _LISTS["surnames_of_places"]
FEMALE_NAMES = _LISTS["female_names"]
MALE_NAMES = _LISTS["male_names"]
GENERIC = _LISTS["generic"]
POINTING = _LISTS["pointing"]
AFTER_POINTING = _LISTS["after_pointing"]
STYLES = _LISTS["styles"]
ABBREVIATED = _LISTS["abbreviated"]
HONORIFICS = MALE | FEMALE | NEUTRAL
SAME_TITLES = {
    title: name.removeprefix("same_as_")
    for name, titles in _LISTS.items()
    if name.startswith("same_as_")
    for title in titles
}
"""Title → the usual title of the same meaning: "monsieur" → "mr"."""


def _with_plurals(singulars: frozenset[str]) -> frozenset[str]:
    """Return the words and their possible plurals: Romans, Englishmen, Gipsies, Jewesses."""
    endings = (("", "s"), ("man", "men"), ("y", "ies"), ("ss", "sses"))
    return singulars | {
        word.removesuffix(one) + many for word in singulars for one, many in endings if word.endswith(one)
    }


PEOPLES = _with_plurals(_LISTS["peoples"]) - FEMALE_NAMES - MALE_NAMES  # Norman is a man


def _nicknames() -> dict[str, frozenset[str]]:
    found: dict[str, frozenset[str]] = {}
    for line in (Path(__file__).parent / "data" / "nicknames.txt").read_text("utf-8").splitlines()[1:]:
        full, _, short_forms = line.partition(": ")
        for short in short_forms.split():
            found[short] = found.get(short, frozenset()) | {full}
    return found


NICKNAMES = _nicknames()
"""Short form → the first names that it may stand for, all in lower case: "lizzy" → {"elizabeth", …}."""


def key(word: str) -> str:
    """Return a word in the form of the word lists, in lower case without a full stop: "Mr." → "mr"."""
    return word.rstrip(".").lower()
