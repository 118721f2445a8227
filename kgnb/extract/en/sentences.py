"""English: normal form of a text, and its sentences."""

from __future__ import annotations

import re
from array import array

_QUOTES = str.maketrans({"’": "'", "‘": "'", "“": '"', "”": '"', "_": " ", "\u00a0": " "})
_END = re.compile(r"[.!?](?<!Mr.)(?<!Mrs.)(?<!Ms.)(?<!Dr.)(?<!St.)(?<!Rev.)(?=[\s\"])|\n")


def normalise(text: str) -> str:
    """Return the text with straight quotes, one space between words and one line break between paragraphs."""
    text = re.sub(r"[ \t]+", " ", re.sub(r"\r\n?", "\n", text.translate(_QUOTES)))
    return re.sub(r" ?\n ?", " ", re.sub(r"\n ?\n\s*", "\x00", text)).replace("\x00", "\n")


def sentence_ends(text: str) -> array[int]:
    """Return the offsets of the characters that end sentences."""
    return array("I", (m.start() for m in _END.finditer(text)))
