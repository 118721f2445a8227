"""One spelling for each name of a novel, where the book or its replies write it in both Chinese scripts, in
other letter cases or with and without "the".

Names are compared folded; shown is the form that the name table has (the more frequent one in the book),
else the one that most chapters use. The others stay known as aliases. Pure, and nothing happens where every
name is spelled in one way.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

from kgnb.extract.model import Extraction, NameEntry
from kgnb.extract.renaming import renamed
from kgnb.extract.zh.script import fold
from kgnb.graph.resolve.chapter_identity import ChapterNames
from kgnb.graph.resolve.identity import Mention


class Spelling:
    """The spellings of a novel's names, settled once before anything is compared."""

    def __init__(self, table: TableSpellings, glances: Sequence[ChapterNames]) -> None:
        self._table = table
        self._shown = self._table.traditional | _untabled(self._table, glances)
        self._of: dict[str, str] = {}  # names that were asked for

    def of(self, name: str) -> str:
        """The form to use for ``name``."""
        if not self._shown:
            return name
        form = self._of.get(name)
        if form is None:
            form = self._of[name] = self._shown.get(folded(name), name)
        return form

    def entries(self) -> tuple[NameEntry, ...]:
        """The table with one spelling a name; the other forms are aliases."""
        if not any(self._table.forms.get(plain, form) != form for plain, form in self._shown.items()):
            return self._table.entries
        return tuple(_unified(entry, self._table.forms | self._shown) for entry in self._table.entries)

    def glance(self, one: ChapterNames) -> ChapterNames:
        """What a chapter says, in these spellings."""
        if not self._shown:
            return one
        of = self.of
        return ChapterNames(
            known={of(name): (label, of(own)) for name, (label, own) in reversed(one.known.items())},
            items=tuple(Mention(of(i.name), frozenset(map(of, i.aliases)) - {of(i.name)}) for i in one.items),
            groups=tuple(frozenset(map(of, group)) for group in one.groups),
            told=one.told,
        )

    def extraction(self, found: Extraction) -> Extraction:
        """What a reply says, in these spellings."""
        if not self._shown:
            return found
        return renamed(found, self.of)


@lru_cache(maxsize=8_192)
def folded(name: str) -> str:
    """The form in which the spellings of one name are alike."""
    return fold(name).casefold().removeprefix("the ")


def _names(one: ChapterNames) -> set[str]:
    """Names and aliases of a chapter's people, places, groups and things."""
    found = {name for name, (label, _) in one.known.items() if label != "Event"}
    for item in one.items:
        found.update(item.aliases, (item.name,))
    return found.union(*one.groups)


def _untabled(table: TableSpellings, glances: Sequence[ChapterNames]) -> dict[str, str]:
    """Folded form → the form to show, for names that the table spells otherwise or not at all."""
    chapters: Counter[str] = Counter()
    for one in glances:
        chapters.update(_names(one))
    forms: dict[str, set[str]] = {}
    for name in chapters:
        forms.setdefault(folded(name), set()).add(name)
    shown = {}
    for plain, spelled in forms.items():
        form = table.forms.get(plain, "")
        if not form or (form.isascii() and form not in spelled):  # a "the" is the replies' to choose
            form = min(spelled, key=lambda f: (-chapters[f], f))
        simple = form == plain or form == fold(form)
        if not simple or spelled != {form} or form != table.forms.get(plain, form):
            shown[plain] = form
    return shown


# --- the table ----------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class TableSpellings:
    """A name table, its spellings looked up once for all chapters of a task."""

    forms: dict[str, str]  # folded form → the one that the table puts first
    traditional: dict[str, str]  # those of them that are no simplified ones
    entries: tuple[NameEntry, ...]


def table_spellings(entries: Sequence[NameEntry]) -> TableSpellings:
    """The spellings of a name table. First is an entry's name before an alias, and what has more mentions."""
    ranks: dict[str, tuple[bool, int, int, str]] = {}
    for entry in entries:
        for place, form in enumerate((entry.name, *entry.aliases)):
            plain, rank = folded(form), (place > 0, -entry.mentions, place, form)
            ranks[plain] = min(rank, ranks.get(plain, rank))
    forms = {plain: rank[-1] for plain, rank in ranks.items()}
    traditional = {plain: form for plain, form in forms.items() if fold(form) != form}
    unified = tuple(_unified(entry, forms) for entry in entries)
    return TableSpellings(forms, traditional, unified)


def _unified(entry: NameEntry, forms: dict[str, str]) -> NameEntry:
    def of(name: str) -> str:
        return forms.get(folded(name), name)

    name = of(entry.name)
    shown = dict.fromkeys(f for form in (entry.name, *entry.aliases) for f in (of(form), form))
    aliases = tuple(form for form in shown if form != name)
    same = name == entry.name and aliases == entry.aliases
    if same:
        return entry
    reasons = tuple((of(alias), of(other), reason) for alias, other, reason in entry.reasons)
    return replace(entry, name=name, aliases=aliases, reasons=reasons)
