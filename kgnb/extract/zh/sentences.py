"""Chinese: normal form of a text, and its sentences."""

from __future__ import annotations

import re
from array import array

_SPACES = re.compile(r"\s+")
_END = re.compile(r"[。！？!?；;\n]")
_END_OR_SPEECH = re.compile(rf"{_END.pattern}|[“「『]")


def normalise(text: str) -> str:
    """Return the text with each run of white space as one line break."""
    return _SPACES.sub("\n", text)


def sentence_ends(text: str, *, speech: bool = False) -> array[int]:
    """Return the offsets of what ends sentences; with ``speech``, also of the marks that begin it."""
    return array("I", [m.start() for m in (_END_OR_SPEECH if speech else _END).finditer(text)])
