"""Extraction of a chapter without an LLM: the book's names in it, relations that it states, and
co-occurrences."""

from __future__ import annotations

import math
import re
from bisect import bisect_right
from collections import Counter, defaultdict, deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from operator import attrgetter

from kgnb.core.labels import Lang
from kgnb.extract.evidence_quote import Span, quote
from kgnb.extract.model import Character, Extraction, Location, NameEntry, Organization, Relation
from kgnb.extract.names_at import names_at
from kgnb.extract.patterns import Mention, Statement
from kgnb.extract.renaming import renamed
from kgnb.extract.strength import strength_of
from kgnb.extract.word_search import WordSearch, trie_pattern
from kgnb.extract.zh import script

MAX_RELATIONS = 300
"""Most relations per chapter, the strongest first; at most half of them are stated."""

MAX_DISTANCE = 120
"""Most characters between two persons in neighbouring sentences that co-occur; three times as many within one
sentence."""

NEIGHBOUR_WEIGHT = 0.25
"""Weight of a co-occurrence in neighbouring sentences; within a sentence it is 1."""

MENTIONED_WEIGHT = 0.5
"""Weight of a co-occurrence within one speech: two who are mentioned together have not met there."""

STATED_WEIGHT = 3.0
"""Co-occurrences that a stated relation counts as, for its strength."""

_SPEECH = re.compile('“[^”\n]*”?|「[^」\n]*」?|『[^』\n]*』?|"[^"\n]*"?')

_HEADING = re.compile(
    r"(?:(?:第\S{1,8}?[章节回卷部集]|番外|(?:chapter|part|book)(?: \w+)?\b"
    r"|[\divxlc一二三四五六七八九十百]+\b)[\s:：.、·—–-]*){0,3}"
    r"(\S.*)",
    re.IGNORECASE,
)
"""A chapter's title; group 1: the part behind its number."""

_Pair = tuple[str, str]


@dataclass(frozen=True)
class _NameIndex:
    """The book's names as they are searched in a chapter; in Chinese folded to simplified characters."""

    lang: Lang
    traditional: bool  # the script of the texts that are searched for them
    entries: dict[str, NameEntry]  # folded form → folded entry
    originals: dict[str, NameEntry]  # folded name → the entry itself, where the two differ
    joined_later: tuple[NameEntry, ...]  # the entries themselves of which some form is known later, see at()
    persons: int
    narrator: NameEntry | None  # the book's narrator, folded

    def at(self, chapter: int) -> _NameIndex:
        """Return the index with the same forms, each with the entry to which it is known to belong in the
        chapter."""
        changed = [entry for entry in self.joined_later if max(entry.since.values()) > chapter]
        if not changed:
            return self
        names = names_at(changed, chapter)
        entries, originals = _by_form(names, self.lang, self.traditional)
        narrator = next((entry for entry in entries.values() if entry.narrator), self.narrator)
        same = {name: entry for name, entry in self.originals.items() if entry not in changed}
        index = replace(
            self,
            entries=self.entries | entries,
            originals=same | originals,
            persons=self.persons + _count_persons(names) - _count_persons(changed),
            narrator=narrator,
        )
        index.__dict__["_search"] = self._search
        return index

    @cached_property
    def _search(self) -> Callable[[str], Iterable[tuple[int, str]]]:
        """Function from a text to (offset, name) of each name in it."""
        if self.lang == "zh":
            return WordSearch(self.entries).longest_in
        first = trie_pattern(form[:1] for form in self.entries)  # excludes most places at once
        names = re.compile(rf"(?={first})(?<![\w'-]){trie_pattern(self.entries)}(?![\w-])")
        return lambda text: ((m.start(), m[0]) for m in names.finditer(text))

    def mentions(self, text: str) -> list[Mention]:
        """Return a mention for each name in a text, in order."""
        return [Mention(self.entries[name], name, at, at + len(name)) for at, name in self._search(text)]

    def tellers(self, title: str) -> list[NameEntry]:
        """Return the persons who may tell a chapter in the first person: the bearer of the name in its title,
        then the book's narrator.

        The title behind its number must be the name alone or, in English, name a journal ("Ann's Diary").
        """
        if self.lang == "zh":
            title = script.simplified(title, traditional=self.traditional)
        found = _HEADING.fullmatch(title.strip())
        name = found[1] if found else ""
        if self.lang == "en":
            from kgnb.extract.en.writings import owner_of

            name = owner_of(name) or name
        return [entry for entry in (self.person(name), self.narrator) if entry]

    def person(self, name: str) -> NameEntry | None:
        """Return the person with a name, which may be in capitals as in headings; None if there is none."""
        entry = self.entries.get(name) or self.entries.get(name.title())
        return entry if entry and entry.kind == "Character" else None


_INDEXES: deque[tuple[list[NameEntry], _NameIndex]] = deque(maxlen=4)


def _name_index(names: Sequence[NameEntry], lang: Lang, traditional: bool) -> _NameIndex:
    """Return the index of these names, cached for the last four lists: comparing two lists is quicker than
    hashing one."""
    for known, index in _INDEXES:
        if (index.lang, index.traditional) == (lang, traditional) and known == names:
            return index
    index = _build_name_index(names, lang, traditional)
    _INDEXES.append((list(names), index))
    return index


def _build_name_index(names: Sequence[NameEntry], lang: Lang, traditional: bool) -> _NameIndex:
    """Return the index of a name table for one script; see :func:`_read` for its use."""
    entries, originals = _by_form(names, lang, traditional)
    narrator = next((entry for entry in entries.values() if entry.narrator), None)
    later = tuple(entry for entry in names if entry.since)
    return _NameIndex(lang, traditional, entries, originals, later, _count_persons(names), narrator)


def _count_persons(names: Iterable[NameEntry]) -> int:
    """Return the number of entries of kind "Character"."""
    return sum(entry.kind == "Character" for entry in names)


def _by_form(
    names: Sequence[NameEntry], lang: Lang, traditional: bool
) -> tuple[dict[str, NameEntry], dict[str, NameEntry]]:
    """Return ``entries`` and ``originals`` of :class:`_NameIndex`; a form of several entries belongs to the
    most mentioned."""
    entries: dict[str, NameEntry] = {}
    originals: dict[str, NameEntry] = {}
    for original in sorted(names, key=lambda n: -n.mentions):
        entry = _folded(original, traditional) if lang == "zh" else original
        if entry is not original:
            originals.setdefault(entry.name, original)
        for form in (entry.name, *entry.aliases):
            entries.setdefault(form, entry)
    return entries, originals


def _folded(entry: NameEntry, traditional: bool) -> NameEntry:
    """Return the entry with names in simplified characters; the same object if folding changes nothing."""
    forms = [entry.name, *entry.aliases]
    folded = [script.simplified(form, traditional=traditional) for form in forms]
    return entry if folded == forms else replace(entry, name=folded[0], aliases=tuple(folded[1:]))


def extract(
    text: str, *, lang: Lang, names: Sequence[NameEntry], title: str = "", chapter: int | None = None
) -> Extraction:
    """Return the characters, places, organizations and relations of a chapter, found by rules alone.

    ``names``: the book's name table; other names are not found. ``title``: the chapter's title, which may be
    the narrator's name; ``chapter``: its number: people are called as its reader knows them (names_at.py),
    None for all names. Relations are stated (type of data/ties.toml) or co-occurrences (KNOWS); ``evidence``
    is the sentence. Chinese is read in simplified characters; names and quotes come back as the text writes
    them.

    "Tom met Ann. Tom said no to Ann." with Tom and Ann → 2 mentions of each, and Ann KNOWS Tom with evidence
    "Tom met Ann.".
    """
    if lang == "en":  # only the book's own language is loaded
        from kgnb.extract.en.implied_mentions import with_implied_mentions
        from kgnb.extract.en.narrator import writers_mentions
        from kgnb.extract.en.sentences import sentence_ends
        from kgnb.extract.en.ties import ties
    else:
        from kgnb.extract.zh.implied_mentions import with_implied_mentions
        from kgnb.extract.zh.sentences import sentence_ends
        from kgnb.extract.zh.ties import ties
    original, text, index = _read(text, lang, names, chapter)
    mentions = with_implied_mentions(text, index.mentions(text), index.tellers(title))
    people = [m for m in mentions if m.entry.kind == "Character"]
    if lang == "en":
        written = writers_mentions(text, people, index.person)
        people = sorted([*people, *written], key=attrgetter("start")) if written else people
    ends = sentence_ends(text)
    stated = list(ties(text, people))
    if text != original:
        stated = [m._replace(label=_original_label(m, text, original)) for m in stated]
    found = Extraction(
        characters=_characters(people),
        locations=[Location(name=n, confidence=c) for n, c in _of_kind(mentions, "Location")],
        organizations=[Organization(name=n, confidence=c) for n, c in _of_kind(mentions, "Organization")],
        relations=_relations(original, people, ends, stated),
    )
    unfolded = any(m.entry.name in index.originals for m in mentions)
    return _with_original_names(found, index.originals, original) if unfolded else found


def narrator_of(
    text: str, *, lang: Lang, names: Sequence[NameEntry], title: str = "", chapter: int | None = None
) -> NameEntry | None:
    """Return the first-person narrator of a chapter or passage; None if there is none.

    Candidates are the person whose name is the title, then the book's narrator. Arguments as in
    :func:`extract`.
    """
    _, text, index = _read(text, lang, names, chapter)
    if not (tellers := index.tellers(title)):
        return None
    if lang == "en":  # not with the relations, which take half a second to load
        from kgnb.extract.en.narrator import own_mentions
        from kgnb.extract.en.writings import writings

        if writings(text):
            return None  # several do
    else:
        from kgnb.extract.zh.narrator import own_mentions
    people = [m for m in index.mentions(text) if m.entry.kind == "Character"]
    own = own_mentions(text, people, tellers)
    return index.originals.get(own[0].entry.name, own[0].entry) if own else None


def _read(
    text: str, lang: Lang, names: Sequence[NameEntry], chapter: int | None
) -> tuple[str, str, _NameIndex]:
    """Return the text in its normal form, the same in simplified characters, and the index of names."""
    if lang == "en":
        from kgnb.extract.en.sentences import normalise
    else:
        from kgnb.extract.zh.sentences import normalise, with_full_stops
    original = text = normalise(text)
    traditional = lang == "zh" and script.is_traditional(text)
    if lang == "zh":
        text = with_full_stops(script.simplified(text, traditional=traditional))
    index = _name_index(list(names), lang, traditional)
    return original, text, index if chapter is None else index.at(chapter)


def _original_label(match: Statement, text: str, original: str) -> str:
    """Return a statement's label in the script of the original text; ``text``: the same text in simplified
    characters.
    """
    spans = [slice(*part) for part in match.proof]
    unfolded = {s: o for span in spans for s, o in zip(text[span], original[span], strict=True)}
    return "".join(unfolded.get(char, char) for char in match.label)


def _with_original_names(found: Extraction, originals: Mapping[str, NameEntry], original: str) -> Extraction:
    """Return the extraction with names as the book writes them, and those aliases that occur in
    ``original``."""

    def character(one: Character) -> Character:
        if one.name not in originals:
            return one
        entry = originals[one.name]
        forms = [form for form in entry.aliases if form in original]
        return one.model_copy(update={"name": entry.name, "aliases": forms})

    characters = [character(c) for c in found.characters]
    unfolded = renamed(found, lambda name: originals[name].name if name in originals else name)
    return unfolded.model_copy(update={"characters": characters})


def _confidence(mentions: int) -> float:
    """Return the confidence by mentions in the chapter: 0.5 for one, 0.9 for a hundred or more, logarithmic
    between."""
    return round(min(0.9, 0.5 + 0.2 * math.log10(mentions)), 2)


def _characters(people: Sequence[Mention]) -> list[Character]:
    """Return a character for each person mentioned, most mentions first; its aliases are those that occur in
    the chapter.
    """
    entries = {m.entry.name: m.entry for m in people}
    counts = Counter(m.entry.name for m in people)
    forms = {(m.entry.name, m.form) for m in people}
    return [
        Character(
            name=name,
            aliases=[f for f in entries[name].aliases if (name, f) in forms],
            confidence=_confidence(count),
            mentions=count,
        )
        for name, count in sorted(counts.items(), key=lambda i: (-i[1], i[0]))
    ]


def _of_kind(mentions: Iterable[Mention], kind: str) -> list[tuple[str, float]]:
    """Return (name, confidence) of each entity of a kind."""
    counts = Counter(m.entry.name for m in mentions if m.entry.kind == kind)
    return [(name, _confidence(count)) for name, count in counts.items()]


# --- relations ----------------------------------------------------------------------------------------------


def _relations(
    text: str, people: Sequence[Mention], ends: Sequence[int], stated: Sequence[Statement]
) -> list[Relation]:
    """Return the stated relations, then the co-occurring pairs as KNOWS; ``ends``: offsets of
    sentence ends."""
    weights, first = _co_occurrences(people, ends, _speeches(text))
    relations = [_stated_relation(text, ends, match, weights) for match in stated[: MAX_RELATIONS // 2]]
    for (a, b), weight in sorted(weights.items(), key=lambda i: (-i[1], i[0])):
        if weight < 1.0 or len(relations) >= MAX_RELATIONS:
            break
        relations.append(
            Relation(
                source=a,
                target=b,
                type="KNOWS",
                strength=strength_of(weight),
                evidence=quote(text, ends, first[(a, b)]),
                confidence=round(min(0.9, 0.4 + 0.1 * weight), 2),
            )
        )
    return relations


def _speeches(text: str) -> tuple[list[int], list[int]]:
    """Return the offsets at which speeches begin, and those at which they end."""
    spans = [match.span() for match in _SPEECH.finditer(text)]
    return [start for start, _ in spans], [end for _, end in spans]


def _speech_at(speeches: tuple[list[int], list[int]], offset: int) -> int:
    """Return the index of the speech that contains an offset; -1 for none."""
    k = bisect_right(speeches[0], offset) - 1
    return k if k >= 0 and offset < speeches[1][k] else -1


def _co_occurrences(
    people: Sequence[Mention], ends: Sequence[int], speeches: tuple[list[int], list[int]]
) -> tuple[dict[_Pair, float], dict[_Pair, list[Span]]]:
    """Return pair → weight, and pair → both mentions at the first co-occurrence, for pairs that share a
    sentence at least once."""
    weights: dict[_Pair, float] = defaultdict(float)
    first: dict[_Pair, list[Span]] = {}
    shared: dict[_Pair, tuple[int, bool]] = {}  # last sentence counted, and whether it held both
    named = [(m.entry.name, m.start, m.end, bisect_right(ends, m.start)) for m in people]
    said = [_speech_at(speeches, m.start) for m in people]
    for i, (name, start, end, sentence) in enumerate(named):
        for k in range(i - 1, -1, -1):
            other, begin, stop, its_sentence = named[k]
            distance, same = start - stop, sentence == its_sentence
            if sentence - its_sentence > 1 or distance > MAX_DISTANCE * 3:
                break
            if other == name or (not same and distance > MAX_DISTANCE):
                continue
            pair = (name, other) if name < other else (other, name)
            last = shared.get(pair, (-9, False))
            if not same and last[0] >= sentence - 1:
                continue  # either sentence is already counted
            if last != (sentence, same):
                mentioned = said[i] >= 0 and said[i] == said[k]
                weights[pair] += MENTIONED_WEIGHT if mentioned else 1.0 if same else NEIGHBOUR_WEIGHT
                shared[pair] = sentence, same
            if same:
                first.setdefault(pair, [(begin, stop), (start, end)])
    return {p: w for p, w in weights.items() if p in first}, first


def _stated_relation(
    text: str, ends: Sequence[int], match: Statement, weights: Mapping[_Pair, float]
) -> Relation:
    """Return the relation of a statement, its strength raised by the pair's co-occurrences in ``weights``."""
    one, other = sorted((match.source, match.target))
    return Relation(
        source=match.source,
        target=match.target,
        type=match.type,
        description=match.label,
        strength=strength_of(STATED_WEIGHT + weights.get((one, other), 0.0)),
        evidence=quote(text, ends, match.proof),
        confidence=match.confidence,
    )
