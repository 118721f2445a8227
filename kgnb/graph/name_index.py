"""Index from names, as people type them, to their bearers."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from typing import Generic, TypeVar

from kgnb.extract.evidence import letters
from kgnb.graph.resolve.spelling import folded

MAX_SUGGESTIONS = 5
"""Names suggested in place of an unknown one."""
LONGEST = 40
"""Characters of an unknown name that are compared: no typing error is looked for in more."""
NEIGHBOURS_BY_SOUND = 6
"""Places in the order of GB 2312 between two characters that sound alike: a syllable has nine on average."""

_Bearer = TypeVar("_Bearer")


class NameIndex(Generic[_Bearer]):
    """Index from names to bearers.

    A name is looked up among own names first, then among aliases, then both by letters alone
    (evidence.letters: without case, blanks, punctuation). The first of these that has the name counts.
    """

    def __init__(self, bearers: Iterable[tuple[_Bearer, str, Iterable[str]]]) -> None:
        """``bearers``: each with its own name and its aliases; suggestions prefer those that come first."""
        known = [(one, name, list(aliases)) for one, name, aliases in bearers]
        names = [(name, one) for one, name, _ in known]
        aliases = [(alias, one) for one, _, others in known for alias in others]
        self._exact = [_by_form(pairs) for pairs in (names, aliases)]
        self._loose = [_by_form((letters(form), one) for form, one in pairs) for pairs in (names, aliases)]
        self._forms: dict[str, tuple[str, int]] = {}
        """Folded form → the book's form, and its bearer's place."""
        ranked = [*enumerate([name] for _, name, _ in known), *enumerate(others for *_, others in known)]
        for place, forms in ranked:
            for form in forms:
                self._forms.setdefault(folded(form), (form, place))

    def bearers(self, name: str) -> list[_Bearer]:
        """Return the bearers of the name, in their given order; [] for an unknown name.

        Several only where they share the name at the same level: two with the alias Lizzy are both returned,
        the bearer of the own name Lizzy alone.
        """
        word = name.strip()
        for forms, key in ((self._exact, word), (self._loose, letters(word))):
            for by_form in forms:
                if key in by_form:
                    return list(by_form[key])
        return []

    def form(self, name: str) -> str:
        """Return the book's spelling of a name typed in any script and case; ``name`` itself where it is
        unknown.

        "tom moss" gives "Tom Moss".
        """
        return self._forms.get(folded(name), (name, 0))[0]

    def nearest(self, name: str) -> list[str]:
        """Return at most :data:`MAX_SUGGESTIONS` (5) names of the book like ``name``, the nearest first.

        Near are names within one edit for each three letters, and names that contain ``name`` or are part of
        it. Names of equal distance are in the order of their bearers.
        """
        plain = folded(name)[:LONGEST]
        most, held = max(1, (len(plain) + 1) // 3), set(plain)
        found = []
        for key, (form, place) in self._forms.items():
            if plain and (plain in key or (len(key) > 1 and key in plain)):
                far = 1
            elif abs(len(key) - len(plain)) > most or len(key) - sum(map(held.__contains__, key)) > most:
                continue  # without comparing letter by letter
            else:
                far = edits(plain, key)
            if far <= most:
                found.append((far, abs(len(key) - len(plain)), place, form))
        return [form for *_, form in sorted(found)[:MAX_SUGGESTIONS]]


def edits(one: str, other: str) -> int:
    """Return the edit distance of two words: letters inserted, removed, changed or swapped with their
    neighbour (optimal string alignment); "Darcey" and "Darcy" give 1.
    """
    before, row = [0] * (len(other) + 1), list(range(len(other) + 1))
    for i, letter in enumerate(one, 1):
        new = [i]
        for j, wanted in enumerate(other, 1):
            cost = min(row[j] + 1, new[-1] + 1, row[j - 1] + (letter != wanted))
            if i > 1 and j > 1 and letter == other[j - 2] and one[i - 2] == wanted:
                cost = min(cost, before[j - 2] + 1)
            new.append(cost)
        before, row = row, new
    return row[-1]


def sound_alike(one: str, other: str) -> bool:
    """Return whether two common Chinese characters have about the same sound: 倍 and 备, 得 and 德.

    GB 2312 orders its first 3,755 characters by sound; other characters give False.
    """
    first, second = _place_by_sound(one), _place_by_sound(other)
    return bool(first and second) and abs(first - second) <= NEIGHBOURS_BY_SOUND


def _place_by_sound(char: str) -> int:
    """Return the character's place, from 1, among those that GB 2312 orders by sound; 0 for any other."""
    row, *cell = char.encode("gb2312", "ignore") or b"\0"
    return (row - 0xB0) * 94 + cell[0] - 0xA0 if 0xB0 <= row <= 0xD7 else 0


def _by_form(pairs: Iterable[tuple[str, _Bearer]]) -> dict[str, dict[_Bearer, None]]:
    """Return form → bearers, each once, in their order; without empty forms."""
    found: defaultdict[str, dict[_Bearer, None]] = defaultdict(dict)
    for form, bearer in pairs:
        if form:
            found[form][bearer] = None
    return dict(found)
