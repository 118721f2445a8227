"""One spelling for each name of a novel: script, letter case, punctuation, blanks, leading "the".

Names are compared in folded form. Shown is the name table's form (the most frequent in the book), else the
form of most chapters; the others stay as aliases.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from functools import cache, lru_cache

from kgnb.extract.model import Extraction, NameEntry
from kgnb.extract.renaming import names_in, renamed
from kgnb.extract.zh.script import fold
from kgnb.graph.resolve.alias_evidence import Mention
from kgnb.graph.resolve.chapter_identity import ChapterNames


class Spelling:
    """The spelling of each name, decided over all chapters before any name is compared."""

    def __init__(self, table: Sequence[NameEntry], chapters: Sequence[ChapterNames]) -> None:
        preferred = _preferred(table)
        traditional = {plain: form for plain, form in preferred.items() if fold(form) != form}
        shown = self._shown = traditional | _respelled(preferred, chapters)

        @cache
        def form(name: str) -> str:
            return shown.get(folded(name), name)

        self.form: Callable[[str], str] = form
        """Function from a name to the spelling to show; the name itself where the book has only this one."""
        self.entries = tuple(_unified(entry, preferred) for entry in table)
        """The entries of the name table, renamed to these spellings; the other forms are aliases."""
        if any(preferred.get(plain, form) != form for plain, form in self._shown.items()):
            self.entries = tuple(_unified(entry, preferred | self._shown) for entry in self.entries)

    def _keeps(self, names: Iterable[str]) -> bool:
        """Return whether all names are spelt as they are shown."""
        return not self._shown or all(self.form(name) == name for name in names)

    def names(self, one: ChapterNames) -> ChapterNames:
        """Return a chapter's names with these spellings; the same object where nothing changes."""
        if self._keeps(_names(one)):
            return one
        form = self.form
        return ChapterNames(
            known={form(name): (label, form(own)) for name, (label, own) in reversed(one.known.items())},
            mentions=tuple(Mention.of(form(m.name), map(form, m.aliases)) for m in one.mentions),
            groups=tuple(frozenset(map(form, group)) for group in one.groups),
            from_reply=one.from_reply,
        )

    def extraction(self, found: Extraction) -> Extraction:
        """Return an extraction with these spellings; the same object where nothing changes."""
        return found if self._keeps(names_in(found)) else renamed(found, self.form)


_APOSTROPHES = re.compile("[’‘ʼ`´＇]")
_MARKS = re.compile(r"[\s.,·•・‧=\-‐-―]+")


@lru_cache(maxsize=8_192)
def folded(name: str) -> str:
    """Return the form that all spellings of a name share, to compare names.

    "Mr.Moor" and "MR MOOR" give "mr moor"; 玛丽•安 and 瑪麗·安 give 玛丽安; "The Duke" gives "duke". Accents
    count, and so do blanks between Latin letters: Li Na is not Lina.
    """
    plain = fold(unicodedata.normalize("NFKC", _APOSTROPHES.sub("'", name))).casefold()
    blank = " " if plain[:1] < "\u2e80" else ""
    return _MARKS.sub(blank, plain.removeprefix("the ")).strip() or name


def _names(one: ChapterNames) -> set[str]:
    """Return a chapter's names and aliases, except those of events."""
    found = {name for name, (label, _) in one.known.items() if label != "Event"}
    for mention in one.mentions:
        found.update(mention.aliases, (mention.name,))
    return found.union(*one.groups)


def _respelled(preferred: Mapping[str, str], chapters: Sequence[ChapterNames]) -> dict[str, str]:
    """Return folded form → form to show, for names that chapters spell in several ways or unlike
    the table, of which ``preferred`` are the folded → preferred forms.
    """
    counts: Counter[str] = Counter()
    for one in chapters:
        counts.update(_names(one))
    spellings: dict[str, set[str]] = {}
    for name in counts:
        spellings.setdefault(folded(name), set()).add(name)
    shown = {}
    for plain, forms in spellings.items():
        form = preferred.get(plain, "")
        if not form or (form.isascii() and form not in forms):  # replies decide on a leading "the"
            form = min(forms, key=lambda f: (-counts[f], f))
        simple = form == plain or form == fold(form)
        if not simple or forms != {form} or form != preferred.get(plain, form):
            shown[plain] = form
    return shown


# --- the table ----------------------------------------------------------------------------------------------


def _preferred(entries: Iterable[NameEntry]) -> dict[str, str]:
    """Return folded form → preferred spelling of each name of the name table.

    Of several spellings an entry's name goes before an alias, then the form of the entry with more mentions.
    """
    ranks: dict[str, tuple[bool, int, int, str]] = {}
    for entry in entries:
        for place, form in enumerate((entry.name, *entry.aliases)):
            plain, rank = folded(form), (place > 0, -entry.mentions, place, form)
            ranks[plain] = min(rank, ranks.get(plain, rank))
    return {plain: rank[-1] for plain, rank in ranks.items()}


def _unified(entry: NameEntry, forms: dict[str, str]) -> NameEntry:
    """Return the entry with the shown spellings, others as aliases; ``forms``: folded name → shown
    spelling.
    """

    def shown(name: str) -> str:
        return forms.get(folded(name), name)

    name = shown(entry.name)
    every = dict.fromkeys(f for form in (entry.name, *entry.aliases) for f in (shown(form), form))
    aliases = tuple(form for form in every if form != name)
    if name == entry.name and aliases == entry.aliases:
        return entry
    reasons = tuple((shown(alias), shown(other), why, odds) for alias, other, why, odds in entry.reasons)
    since = {form: at for old, at in entry.since.items() for form in (shown(old), old)}
    return replace(entry, name=name, aliases=aliases, reasons=reasons, since=since)
