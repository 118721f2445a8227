"""The pre-scan: the names of a whole book by statistics and rules, without an LLM."""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from collections.abc import Iterable, Sequence

from kgnb.core.model import Lang
from kgnb.extract.en import aliases as aliases_en
from kgnb.extract.en import names as names_en
from kgnb.extract.model import NameEntry
from kgnb.extract.zh import aliases as aliases_zh
from kgnb.extract.zh import names as names_zh
from kgnb.extract.zh import places as places_zh
from kgnb.extract.zh import script

MAX_NAMES = 3_000
"""Names kept per book: far more than any reader knows, and a bound for the matching."""


def scan(chapters: Sequence[tuple[int, str]], lang: Lang) -> list[NameEntry]:
    """The names of a book, the most mentioned first.

    ``chapters``: (number, text) in the book's order. Pure, and heavy: meant for a process of a pool. Entries
    of kind ``Character`` come with their aliases; ``Location`` and ``Organization`` bear none. A Chinese book
    is read in simplified characters and its names are told as they stand in it, the more frequent form first.
    """
    flatten = names_zh.flatten if lang == "zh" else names_en.flatten
    book = _Joined(((number, flatten(text)) for number, text in chapters), fold_scripts=lang == "zh")
    find = _scan_zh if lang == "zh" else _scan_en
    entries = [book.entry(*found) for found in find(book.text)]
    entries.sort(key=lambda e: (-e.mentions, e.name))
    return entries[:MAX_NAMES]


class _Joined:
    """The chapters as one text that still knows where each begins."""

    def __init__(self, chapters: Iterable[tuple[int, str]], *, fold_scripts: bool) -> None:
        self._numbers: list[int] = []
        self._starts: list[int] = []
        pieces: list[str] = []
        length = 0
        for number, text in chapters:
            self._numbers.append(number)
            self._starts.append(length)
            pieces.append(text)
            length += len(text) + 1
        self._own = self.text = "\n".join(pieces)
        if fold_scripts:
            folded = "\n".join(script.simplified(p, traditional=script.is_traditional(p)) for p in pieces)
            self.text = self._own if folded == self._own else folded

    def entry(
        self, name: str, names: Sequence[str], kind: str, at: Iterable[int], why: Iterable[Why] = ()
    ) -> NameEntry:
        """The table's entry for one person or place that stands at these offsets."""
        at = list(at)
        seen = [self._numbers[bisect_right(self._starts, a) - 1] for a in at]
        if self.text is not self._own:
            forms = {n: self._forms(n, at) for n in (name, *names)}
            why = [(forms[alias][0], forms[other][0], reason) for alias, other, reason in why]
            name, *names = dict.fromkeys(f for written in forms.values() for f in written)
        return NameEntry(
            name=name,
            aliases=tuple(n for n in names if n != name),
            kind=kind,
            mentions=len(seen),
            first_chapter=min(seen, default=0),
            last_chapter=max(seen, default=0),
            chapters=len(set(seen)),
            reasons=tuple(why),
        )

    def _forms(self, name: str, at: Sequence[int]) -> list[str]:
        """The name as it is written where it stands, the most frequent form first."""
        size, text = len(name), self.text
        found = Counter(self._own[a : a + size] for a in at if text.startswith(name, a))
        return sorted(found, key=lambda form: (-found[form], form)) or [name]


Why = tuple[str, str, str]
"""Alias, name that it was joined with, reason."""
_Found = tuple[str, list[str], str, list[int], list[Why]]


def _scan_zh(text: str) -> Iterable[_Found]:
    ended, after = places_zh.candidates(text)
    judge = names_zh.Judge(text, after.union(ended))
    resolver = aliases_zh.Resolver(text, judge)
    taken: set[str] = set()
    for name, names in resolver.resolve().items():
        taken.update(names)
        at = [a for n in names for a in resolver.at.get(n, ())]
        yield name, names, "Character", at, resolver.people.why(name, names)
    for name, (kind, at) in places_zh.find(judge.grams, ended, taken, judge.known, judge.places).items():
        yield name, [], kind, at, []


def _scan_en(text: str) -> Iterable[_Found]:
    judge = names_en.Judge(text)
    resolver = aliases_en.Resolver(text, judge.persons())
    taken: set[str] = set()
    meant = resolver.meant()
    for name, names in resolver.resolve().items():
        taken.update(names)
        at = [a for n in names for a in (*resolver.spans[n].at, *meant.get(n, ()))]
        yield name, names, "Character", at, resolver.people.why(name, names)
    for name, span in judge.places().items():
        if name not in taken and name not in resolver.spans:
            yield name, [], names_en.kind_of(name), span.at, []
