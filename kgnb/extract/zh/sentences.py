"""Chinese: normal form of a text, and its sentences."""

from __future__ import annotations

import re
from array import array

_SPACES = re.compile(r"\s+")
_END = re.compile(r"[。！？!?；;\n]")


def normalise(text: str) -> str:
    """Return the text with each run of white space as one line break."""
    return _SPACES.sub("\n", text)


def sentence_ends(text: str) -> array[int]:
    """Return the offsets of the characters that end sentences."""
    return array("I", (m.start() for m in _END.finditer(text)))
