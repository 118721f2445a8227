"""Word lists of the English rules, each in capitals by its name in data/words.toml, which describes it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from kgnb.extract.word_lists import read_word_lists

_LISTS = read_word_lists("en")
globals().update({name.upper(): words for name, words in _LISTS.items()})
if TYPE_CHECKING:

    def __getattr__(name: str) -> frozenset[str]:
        """The list of that name in small letters."""


CIVIL = (
    dict.fromkeys(_LISTS["civil"], "mr") | dict.fromkeys(_LISTS["civil_women"], "mrs") | {"professor": "dr"}
)
"""Title of an office or calling → title by which its bearers are called as well: "mr", "mrs" or "dr"."""
SPEECH_VERB = "|".join(sorted(_LISTS["speech_verbs"]))
"""The verbs of speech as alternatives of a regular expression."""
PLACE_ENDS = _LISTS["street_ends"] | _LISTS["place_ends"]
HONORIFICS = _LISTS["male"] | _LISTS["female"] | _LISTS["neutral"]
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


PEOPLES = _with_plurals(_LISTS["peoples"]) - _LISTS["female_names"] - _LISTS["male_names"]  # Norman is a man


def _nicknames() -> dict[str, frozenset[str]]:
    """Return short form → full first names, in lower case: "lizzy" → {"elizabeth"}."""
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
