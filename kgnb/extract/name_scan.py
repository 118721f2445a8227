"""The name scan: finds the names of a whole book by statistics and rules, without an LLM."""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from collections.abc import Iterable, Sequence

from kgnb.core.labels import Lang
from kgnb.core.process_tuning import no_collector, release_memory
from kgnb.extract.clustering import joined_from
from kgnb.extract.fork import beside
from kgnb.extract.model import NameEntry, Reason
from kgnb.extract.narrator import Narrator
from kgnb.extract.zh import script

MAX_NAMES = 3_000
"""Most names kept per book: more than any reader knows, and a bound for the matching."""
LONG = 200_000
"""Least characters of a Chinese text for which a fork saves more time than it costs."""

_Found = tuple[str, list[str], str, Sequence[int], list[Reason]]
"""Canonical name, all names, kind, offsets, reasons."""


@no_collector()  # which takes 2 % of a scan's time and finds nothing
def scan(chapters: Iterable[tuple[int, str]], lang: Lang, *, forks: bool = False) -> list[NameEntry]:
    """Return the name table of a book: an entry for each person, place and organization, the most mentioned
    first.

    At most :data:`MAX_NAMES` (3,000) entries. Persons (kind ``Character``) have aliases; ``Location`` and
    ``Organization`` have none. A Chinese book is read in simplified characters; its names come back as the
    book writes them, the more frequent form first.

    ``chapters``: (number, text) in the book's order, read once; ``forks``: whether a second processor is free
    for a fork of this process (long Chinese books only). CPU-bound: meant for a process pool.
    """
    # Only the book's own language is loaded: its patterns take a good part of a short book's time.
    if lang == "zh":
        from kgnb.extract.zh.sentences import normalise
    else:
        from kgnb.extract.en.sentences import normalise
    book = _BookText(((number, normalise(text)) for number, text in chapters), fold_scripts=lang == "zh")
    found = list(_scan_zh(book.text, forks=forks) if lang == "zh" else _scan_en(book.text))
    if narrator := book.narrator(found, lang):
        found = _with_addresses(found, narrator)
    own = {narrator.name: narrator.own} if narrator else {}
    entries = [book.entry(*one, own=own.get(one[0], ())) for one in found]
    entries.sort(key=lambda e: -e.mentions)
    return entries[:MAX_NAMES]


def scan_and_release(texts: Sequence[tuple[int, str]], lang: Lang, forks: bool) -> list[NameEntry]:
    """Like :func:`scan`, in a process of the pool, whose memory is released afterwards: it stays for the
    refresh. Here, as a new process imports this module alone: the record's takes it as long as the scan.
    """
    try:
        return scan(texts, lang, forks=forks)
    finally:
        release_memory()


def _with_addresses(found: Sequence[_Found], narrator: Narrator) -> list[_Found]:
    """Return ``found`` with the entries that are only forms of address of the narrator merged into the
    narrator's."""
    whole = [one for one in found if one[0] not in narrator.also]
    k = next(i for i, one in enumerate(whole) if one[0] == narrator.name)
    name, names, kind, offsets, reasons = whole[k]
    for other, forms, _, at, why in (one for one in found if one[0] in narrator.also):
        names, offsets = [*names, *forms], [*offsets, *at]
        reasons = [*reasons, *why, (other, name, "姓与称", 1.0)]
    whole[k] = name, names, kind, offsets, reasons
    return whole


class _BookText:
    """The chapters joined to one ``text``, in simplified characters if ``fold_scripts``."""

    def __init__(self, chapters: Iterable[tuple[int, str]], *, fold_scripts: bool) -> None:
        self._numbers: list[int] = []
        self._starts: list[int] = []
        original: list[str] = []
        folded: list[str] = []
        self._folded_to = set[str]()
        length = 0
        for number, text in chapters:
            self._numbers.append(number)
            self._starts.append(length)
            length += len(text) + 1
            original.append(text)
            traditional = fold_scripts and script.is_traditional(text)
            simple = script.simplified(text, traditional=traditional) if fold_scripts else text
            folded.append(text if simple == text else simple)  # equal texts share one copy
            if simple != text:
                self._folded_to |= script.folded_to(text, traditional=traditional)
        self._original = self.text = "\n".join(original)
        if folded != original:
            self.text = "\n".join(folded)

    def narrator(self, found: Iterable[_Found], lang: Lang) -> Narrator | None:
        """Return the first-person narrator of the book; None if there is none or several may be."""
        if lang == "zh":
            from kgnb.extract.zh.narrator import of_book
        else:
            from kgnb.extract.en.narrator import of_book
        persons = ((name, names, offsets) for name, names, kind, offsets, _ in found if kind == "Character")
        return of_book(self.text, self._starts, persons)

    def entry(
        self,
        name: str,
        names: Sequence[str],
        kind: str,
        offsets: Sequence[int],
        reasons: Iterable[Reason] = (),
        own: Sequence[int] = (),
    ) -> NameEntry:
        """Return the entry of one person or place with its occurrences at ``offsets``; ``own``: offsets of
        the narrator's "I"."""
        offsets = sorted((*offsets, *own))
        chapters = [self._numbers[bisect_right(self._starts, at) - 1] for at in offsets]
        if self.text is not self._original:
            forms = {n: self._original_forms(n, offsets) for n in (name, *names)}
            reasons = [(forms[alias][0], forms[other][0], why, odds) for alias, other, why, odds in reasons]
            name, *names = dict.fromkeys(f for original in forms.values() for f in original)
        aliases = tuple(n for n in names if n != name)
        return NameEntry(
            name=name,
            aliases=aliases,
            kind=kind,
            mentions=len(chapters),
            first_chapter=min(chapters, default=0),
            last_chapter=max(chapters, default=0),
            chapters=len(set(chapters)),
            narrator=bool(own),
            reasons=tuple(reasons),
            since=self._since(name, aliases, offsets, reasons) if aliases else {},
        )

    def _since(
        self, name: str, aliases: Sequence[str], offsets: Sequence[int], reasons: Iterable[Reason]
    ) -> dict[str, int]:
        """Return name or alias → chapter for :attr:`NameEntry.since`, by a walk along the joins from the form
        that occurs first."""
        forms = (name, *aliases)
        first = {form: self._first(form, offsets) for form in forms}
        earliest = min(forms, key=lambda form: (first[form], form))
        joined = [(alias, other) for alias, other, *_ in reasons]
        joined += ((form, name) for form in sorted({*forms} - {alias for alias, _ in joined} - {name}))
        known = {earliest: first[earliest]}
        for alias, other, _ in joined_from(earliest, ((*two, "") for two in joined)):
            known[alias] = max(first[alias], known[other])
        return {form: self._numbers[bisect_right(self._starts, at) - 1] for form, at in known.items()}

    def _first(self, form: str, offsets: Sequence[int]) -> int:
        """Return the first of ``offsets`` at which ``form`` stands; the last offset if it stands at none."""
        return next((at for at in offsets if self._original.startswith(form, at)), offsets[-1])

    def _original_forms(self, name: str, offsets: Sequence[int]) -> list[str]:
        """Return the forms in which the book writes a folded name at ``offsets``, the most frequent first."""
        if self._folded_to.isdisjoint(name):
            return [name]
        size, text = len(name), self.text
        found = Counter(self._original[a : a + size] for a in offsets if text.startswith(name, a))
        return sorted(found, key=lambda form: (-found[form], form)) or [name]


def _scan_zh(text: str, *, forks: bool) -> Iterable[_Found]:
    """Yield (name, all names, kind, offsets, reasons) of each person, then each place and organization of a
    Chinese book.
    """
    from kgnb.extract.zh.clauses import Clauses

    forks = forks and len(text) >= LONG
    with beside(forks, Clauses, text) as clauses:  # while the other modules are loaded
        from kgnb.extract.zh import places
        from kgnb.extract.zh.names import NameClassifier
        from kgnb.extract.zh.people import People
        from kgnb.extract.zh.resolver import RESOLVER

        classifier = NameClassifier(text, clauses, forks=forks)
    people = People(text, classifier)
    taken: set[str] = set()
    for person in RESOLVER.persons(people, RESOLVER.clusters(people)):
        taken.update(person.names)
        offsets = [at for name in person.names for at in people.offsets[name]]
        yield person.name, person.names, "Character", offsets, person.reasons
    for name, (kind, at) in places.places(classifier, taken).items():
        yield name, [], kind, at, []


def _scan_en(text: str) -> Iterable[_Found]:
    """Yield (name, all names, kind, offsets, reasons) of each person, then each place and organization of an
    English book.
    """
    from kgnb.extract.en import places, resolver
    from kgnb.extract.en.names import NameClassifier

    classifier = NameClassifier(text)
    people = resolver.people_of(text, classifier)
    clusters = resolver.RESOLVER.clusters(people)
    implied = resolver.implied_offsets(people, clusters)
    for one in resolver.RESOLVER.persons(people, clusters):
        offsets = [a for n in one.names for a in (*people.index.offsets[n], *implied.get(n, ()))]
        yield one.name, one.names, "Character", offsets, one.reasons
    for name, (kind, offsets) in places.places(classifier).items():
        if name not in people.candidates:
            yield name, [], kind, offsets, []
