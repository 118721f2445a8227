"""Whose a name is, as people type it."""

from __future__ import annotations

import difflib
from collections import defaultdict
from collections.abc import Iterable
from typing import Generic, TypeVar

from kgnb.extract.evidence import letters
from kgnb.graph.resolve.spelling import folded

MAX_SUGGESTIONS = 5
"""Names suggested in place of an unknown one."""
MIN_SIMILARITY = 0.4
"""Least similarity of a suggested name: the ratio of difflib, 0-1."""

_Bearer = TypeVar("_Bearer")


class NameIndex(Generic[_Bearer]):
    """Who bears a name: whose own it is, else whose alias; else by its letters alone (evidence.letters)."""

    def __init__(self, bearers: Iterable[tuple[_Bearer, str, Iterable[str]]]) -> None:
        """``bearers``: each with its own name and its aliases."""
        known = list(bearers)
        names = [(name, one) for one, name, _ in known]
        aliases = [(alias, one) for one, _, others in known for alias in others]
        self._exact = [_by_form(pairs) for pairs in (names, aliases)]
        self._loose = [_by_form((letters(form), one) for form, one in pairs) for pairs in (names, aliases)]
        self._forms = {folded(form): form for form, _ in reversed(names + aliases)}

    def bearers(self, name: str) -> list[_Bearer]:
        """All who bear the name."""
        word = name.strip()
        for forms, key in ((self._exact, word), (self._loose, letters(word))):
            for by_form in forms:
                if key in by_form:
                    return list(by_form[key])
        return []

    def form(self, name: str) -> str:
        """The book's form of a name in any script and case; the name itself where the book has none."""
        return self._forms.get(folded(name), name)

    def nearest(self, name: str) -> list[str]:
        """Suggestions for an unknown name: those that contain it or are part of it, then the most similar."""
        plain = folded(name)
        part = [form for key, form in self._forms.items() if plain and (plain in key or key in plain)]
        similar = difflib.get_close_matches(plain, list(self._forms), MAX_SUGGESTIONS, MIN_SIMILARITY)
        found = dict.fromkeys([*part[:MAX_SUGGESTIONS], *(self._forms[key] for key in similar)])
        return list(found)[:MAX_SUGGESTIONS]


def _by_form(pairs: Iterable[tuple[str, _Bearer]]) -> dict[str, dict[_Bearer, None]]:
    found: defaultdict[str, dict[_Bearer, None]] = defaultdict(dict)
    for form, bearer in pairs:
        if form:
            found[form][bearer] = None
    return dict(found)
