"""Normal form of an English text, and the ends of its sentences."""

from __future__ import annotations

import re
from array import array
from collections.abc import Mapping

from kgnb.extract.en import vocabulary as words

_STRAIGHT = dict(zip("’‘“”_\u00a0\t\r", "''\"\"   \n", strict=True))
_SWAPPED = {"“": "'", "”": "'", '"': "'", "\x00": '"'}
_OPENING = re.compile(r"(?<!\S)(?!'(?:em|er|im|is|n|t(?:is|was)|un)\b)['‘](?=\w)")
_OPENING_DOUBLE = re.compile(r'(?<!\S)["“](?=\w)')
_CLOSING = re.compile(r"['’](?<=[,.!?…—-].)(?=\s|$)")
# A pattern that begins with one set of characters skips all others quickly.
_NO_TITLE = "".join(
    rf"(?<!\b(?:{'|'.join(sorted(w.capitalize() for w in words.ABBREVIATED if len(w) == n))}).)"
    for n in sorted({len(w) for w in words.ABBREVIATED})
)
_EMPHASIS = re.compile(r"\*(?=\S)([^*\n]+?)(?<=\S)\*")
_END = re.compile(rf"[.!?\n](?:(?<=\n)|(?=[\s\"]){_NO_TITLE})")


def normalise(text: str) -> str:
    """Return the text in the form that all English rules read: straight quotes, single spaces, one line for
    each paragraph.

    Speeches stand in double quotes even if the book has single ones; underscores and asterisks around
    emphasised words go; a blank line ends a paragraph. ``“Come,” said⏎Tom.⏎⏎*He* rose.`` → ``"Come," said
    Tom.⏎He rose.`` (⏎: line break).
    """
    text = _replaced(_in_double_quotes(text).replace("\r\n", "\n"), _STRAIGHT)
    text = _EMPHASIS.sub(r"\1", text) if "*" in text else text
    text = re.sub(r"\n ?\n\s*", "\x00", re.sub("  +", " ", text))
    return text.replace(" \n", "\n").replace("\n ", "\n").replace("\n", " ").replace("\x00", "\n")


def _in_double_quotes(text: str) -> str:
    """Return the text with double quotes around speeches that have single ones, as British books print them,
    or that begin with a double and end with a single one, as some scans do; else unchanged."""
    if 2 * len(_CLOSING.findall(text)) <= text.count('"') + text.count("“"):
        return text
    opened = len(_OPENING_DOUBLE.findall(text)) > len(_OPENING.findall(text))
    text = _CLOSING.sub("\x00", _OPENING.sub("\x00", text))
    return text.replace("\x00", '"') if opened else _replaced(text, _SWAPPED)


def _replaced(text: str, replacements: Mapping[str, str]) -> str:
    """Return the text with each key of ``replacements`` replaced by its value, one after the other: quicker
    than ``translate``."""
    for old, new in replacements.items():
        text = text.replace(old, new)
    return text


def sentence_ends(text: str) -> array[int]:
    """Return the offsets of the characters that end sentences (full stop, ``!``, ``?``, line break),
    ascending.

    A mark counts only before white space or a quotation mark, a full stop not behind a title: "Mr. Dale sat.
    He rose." → [12].
    """
    return array("I", [m.start() for m in _END.finditer(text)])
