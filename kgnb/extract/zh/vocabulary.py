"""Chinese word lists, each in capitals by its name in data/words.toml, which describes it; and what jieba's
dictionary knows of a word."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from kgnb.extract.word_lists import read_word_lists
from kgnb.extract.zh.dictionary import dictionary_file

_LISTS = read_word_lists("zh")
globals().update({name.upper(): words for name, words in _LISTS.items()})
if TYPE_CHECKING:

    def __getattr__(name: str) -> frozenset[str]:
        """The list of that name in small letters."""


SURE_SURNAMES = _LISTS["common_surnames"] | _LISTS["compound_surnames"]
MEASURES = _LISTS["determiners"] - _LISTS["demonstratives"]
RANKED = _LISTS["numerals"] | {"大", "小", "老"}
PLACE_CHARS = frozenset(w for w in _LISTS["place_ends"] if len(w) == 1) - _LISTS["ambiguous_place_ends"]
LONG_PLACE_ENDS = frozenset(w for w in _LISTS["place_ends"] | _LISTS["org_ends"] if len(w) > 1)


def look_up(wanted: set[str]) -> tuple[dict[str, float], set[str]]:
    """Return (common words of ``wanted`` → weight, place names of ``wanted``), by jieba's dictionary; both
    empty without it.

    The weight, about 0.4 to 4, grows with the log of the frequency. Words that the dictionary marks as
    persons' names are not common words, except those in the list ``not_names`` (明白, 张罗), which begin with
    a surname by chance. The file is read as data, without loading jieba.
    """
    common: dict[str, float] = {}
    places: set[str] = set()
    if (file := dictionary_file()) is None:
        return common, places
    encoded = {word.encode("utf-8", "replace"): word for word in wanted}
    with file.open("rb") as lines:  # as bytes: most lines are skipped
        for line in lines:  # word, frequency, part of speech
            code, _, rest = line.partition(b" ")
            if code in encoded:
                word = encoded[code]
                frequency, _, tag = rest.decode().strip().partition(" ")
                if tag == "ns":
                    places.add(word)
                if not tag.startswith("nr") or word in _LISTS["not_names"]:
                    common[word] = 0.8 * math.log10(max(3, int(frequency)))
    return common, places
