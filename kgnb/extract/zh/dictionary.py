"""Chinese: what jieba's dictionary knows of a word.

Its file is read as data, without loading jieba, its cache and its logging. Without jieba nothing is known.
"""

from __future__ import annotations

import importlib.util
import math
from pathlib import Path

from kgnb.extract.zh import vocabulary as words


def look_up(wanted: set[str]) -> tuple[dict[str, float], set[str]]:
    """Return common words with their weight, and place names, of ``wanted``.

    The weight grows with the log of the frequency, from 0.4 to about 4. Persons' names are no common words:
    the dictionary is no gazetteer. It takes many words that begin with a surname for names (明白, 张罗):
    those of the list ``not_names`` are common words.
    """
    common: dict[str, float] = {}
    places: set[str] = set()
    spec = importlib.util.find_spec("jieba")
    if spec is None or not spec.origin:
        return common, places
    with (Path(spec.origin).parent / "dict.txt").open(encoding="utf-8") as lines:
        for line in lines:  # word, frequency, part of speech
            word, _, rest = line.partition(" ")
            if word in wanted:
                frequency, _, tag = rest.strip().partition(" ")
                if tag == "ns":
                    places.add(word)
                if not tag.startswith("nr") or word in words.NOT_NAMES:
                    common[word] = 0.8 * math.log10(max(3, int(frequency)))
    return common, places
