"""Chinese: surname and given name of a full name."""

from __future__ import annotations

from kgnb.extract.zh import vocabulary as words


def has_surname(word: str) -> bool:
    """Return whether the word can be read as surname and given name."""
    return surname_of(word) != ""


def surname_of(name: str) -> str:
    """Return the surname that a full name begins with; empty if it has none."""
    if name[:2] in words.COMPOUND_SURNAMES and 3 <= len(name) <= 4:
        return name[:2]
    return name[0] if name[0] in words.SURNAMES and len(name) <= 3 else ""


def given_of(name: str) -> str:
    """Return the name without its surname."""
    return name[len(surname_of(name)) :]


def surname_score(word: str) -> float:
    """Return how much the word's form speaks for a full name: 1 for a compound surname, negative for none."""
    if word[:2] in words.COMPOUND_SURNAMES and len(word) >= 3:
        return 1.0
    if len(word) > 3:
        return -1.0
    if len(word) == 3 and word[0] not in words.SURNAMES:
        return -0.8
    return 0.7 if word[0] in words.COMMON_SURNAMES else 0.0 if word[0] in words.SURNAMES else -0.3
