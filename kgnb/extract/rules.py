"""What a chapter gives without an LLM: the book's names that stand in it, and who keeps company with whom."""

from __future__ import annotations

import math
import re
from bisect import bisect_right
from collections import Counter, defaultdict, deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from kgnb.core.model import SYMMETRIC_RELATIONS, Lang
from kgnb.extract import strength as tie_strength
from kgnb.extract import trie
from kgnb.extract.en import relations as relations_en
from kgnb.extract.model import Character, Extraction, Location, NameEntry, Organization, Relation
from kgnb.extract.patterns import Mention, PatternMatch
from kgnb.extract.zh import relations as relations_zh
from kgnb.extract.zh import script as zh_script

MAX_RELATIONS = 300
"""Relations kept per chapter, the strongest first."""

NEAR = 120
"""Characters (zh) within which two persons of neighbouring sentences still keep company."""

STATED = 3.0
"""A tie that the text states in words counts as so many meetings."""

EVIDENCE = 60
"""Longest quote, in characters."""


@dataclass(frozen=True, slots=True)
class _Index:
    """The book's names, ready for matching: as the rules read them, and as the book writes them."""

    pattern: re.Pattern[str]
    entry: dict[str, NameEntry]
    written: dict[str, NameEntry]  # by the name as it is read, where the two differ
    top: int  # mentions of the most mentioned character


_INDEXES: deque[tuple[list[NameEntry], Lang, bool, _Index]] = deque(maxlen=4)


def _index(names: Sequence[NameEntry], lang: Lang, traditional: bool) -> _Index:
    """The index of the last books' names: comparing two lists is quicker than hashing one."""
    for known, language, script, index in _INDEXES:
        if (language, script) == (lang, traditional) and known == names:
            return index
    index = _make_index(names, lang, traditional)
    _INDEXES.append((list(names), lang, traditional, index))
    return index


def _make_index(names: Sequence[NameEntry], lang: Lang, traditional: bool) -> _Index:
    entry: dict[str, NameEntry] = {}
    written: dict[str, NameEntry] = {}
    for one in sorted(names, key=lambda n: -n.mentions):
        read = _folded(one, traditional) if lang == "zh" else one
        if read is not one:
            written.setdefault(read.name, one)
        for form in (read.name, *read.aliases):
            entry.setdefault(form, read)
    expression = trie.pattern(entry)
    if lang == "en":
        expression = rf"(?<![\w'-]){expression}(?![\w-])"
    top = max((n.mentions for n in names if n.kind == "Character"), default=1)
    return _Index(re.compile(expression), entry, written, max(1, top))


def _folded(one: NameEntry, traditional: bool) -> NameEntry:
    """The entry as the rules read it; the entry itself where nothing of it is traditional."""
    name, *aliases = (
        zh_script.simplified(form, traditional=traditional) for form in (one.name, *one.aliases)
    )
    same = name == one.name and tuple(aliases) == one.aliases
    return one if same else replace(one, name=name, aliases=tuple(aliases))


def extract(text: str, *, lang: Lang, names: Sequence[NameEntry]) -> Extraction:
    """The chapter's characters, places, groups and relations, of those in the book's name table.

    Pure. ``evidence`` of a relation is a quote from the chapter of at most 60 characters. Chinese is read in
    simplified characters; names and quotes are those of the text.
    """
    language = relations_zh if lang == "zh" else relations_en
    own = text = language.flatten(text)
    traditional = lang == "zh" and zh_script.is_traditional(text)
    if lang == "zh":
        text = zh_script.simplified(text, traditional=traditional)
    index = _index(list(names), lang, traditional)
    mentions = [Mention(index.entry[m[0]], m[0], m.start(), m.end()) for m in index.pattern.finditer(text)]
    mentions = language.more_mentions(text, mentions)
    people = [m for m in mentions if m.entry.kind == "Character"]
    found = Extraction(
        characters=_characters(people, index.top),
        locations=[Location(name=n, confidence=c) for n, c in _others(mentions, "Location")],
        organizations=[Organization(name=n, confidence=c) for n, c in _others(mentions, "Organization")],
        relations=_relations(own, people, language.sentence_ends(text), _frames(text, own, people, lang)),
    )
    return _as_written(found, index.written, own) if index.written else found


def _frames(text: str, own: str, people: Sequence[Mention], lang: Lang) -> list[PatternMatch]:
    """The frames of the text as it is read, their words as they are written."""
    frames = (relations_zh if lang == "zh" else relations_en).frames(text, people)
    return frames if text == own else [f._replace(label=_label(f, text, own)) for f in frames]


def _label(frame: PatternMatch, text: str, own: str) -> str:
    span = slice(frame.start, frame.end)
    written = dict(zip(text[span], own[span], strict=True))
    return "".join(written.get(char, char) for char in frame.label)


def _as_written(found: Extraction, written: Mapping[str, NameEntry], own: str) -> Extraction:
    """The extraction with the names as the book writes them."""

    def name(read: str) -> str:
        return written[read].name if read in written else read

    def person(one: Character) -> Character:
        if one.name not in written:
            return one
        entry = written[one.name]
        forms = [form for form in entry.aliases if form in own]
        return one.model_copy(update={"name": entry.name, "aliases": forms})

    return Extraction(
        characters=[person(c) for c in found.characters],
        locations=[x.model_copy(update={"name": name(x.name)}) for x in found.locations],
        organizations=[x.model_copy(update={"name": name(x.name)}) for x in found.organizations],
        relations=[
            x.model_copy(update={"source": name(x.source), "target": name(x.target)}) for x in found.relations
        ],
    )


def _confidence(entry: NameEntry) -> float:
    """More mentions, surer: 0.5 at one, 0.9 from about a hundred on."""
    return round(min(0.9, 0.5 + 0.2 * math.log10(max(1, entry.mentions))), 2)


def _characters(people: Iterable[Mention], top: int) -> list[Character]:
    forms: dict[str, Counter[str]] = defaultdict(Counter)
    entries: dict[str, NameEntry] = {}
    for mention in people:
        forms[mention.entry.name][mention.form] += 1
        entries[mention.entry.name] = mention.entry
    return [
        Character(
            name=name,
            aliases=[f for f in entries[name].aliases if f in seen],
            protagonist_score=round(100 * math.sqrt(entries[name].mentions / top)),
            confidence=_confidence(entries[name]),
        )
        for name, seen in sorted(forms.items(), key=lambda i: (-i[1].total(), i[0]))
    ]


def _others(mentions: Iterable[Mention], kind: str) -> list[tuple[str, float]]:
    seen = {m.entry.name: m.entry for m in mentions if m.entry.kind == kind}
    return [(name, _confidence(entry)) for name, entry in seen.items()]


# --- who keeps company with whom ---


def _relations(
    text: str, people: Sequence[Mention], ends: Sequence[int], frames: Sequence[PatternMatch]
) -> list[Relation]:
    weights, first = _company(people, ends)
    relations = [_framed(text, ends, frame, weights) for frame in _strongest(frames)]
    for (a, b), weight in sorted(weights.items(), key=lambda i: (-i[1], i[0])):
        if weight < 1.0 or len(relations) >= MAX_RELATIONS:
            break
        relations.append(
            Relation(
                source=a,
                target=b,
                type="KNOWS",
                strength=tie_strength.strength(weight),
                evidence=_quote(text, ends, *first[(a, b)]),
                confidence=round(min(0.9, 0.4 + 0.1 * weight), 2),
            )
        )
    return relations


def _company(
    people: Sequence[Mention], ends: Sequence[int]
) -> tuple[dict[tuple[str, str], float], dict[tuple[str, str], tuple[int, int]]]:
    """Pair → weight (1 a shared sentence, 0.25 neighbouring ones), and where the pair first stands."""
    weights: dict[tuple[str, str], float] = defaultdict(float)
    first: dict[tuple[str, str], tuple[int, int]] = {}
    shared: dict[tuple[str, str], tuple[int, bool]] = {}
    sentence = [bisect_right(ends, m.start) for m in people]
    for i, mention in enumerate(people):
        for j in range(i - 1, -1, -1):
            other = people[j]
            if sentence[i] - sentence[j] > 1 or mention.start - other.end > NEAR * 3:
                break
            same = sentence[i] == sentence[j]
            if other.entry.name == mention.entry.name or (not same and mention.start - other.end > NEAR):
                continue
            a, b = sorted((mention.entry.name, other.entry.name))
            if not same and shared.get((a, b), (-9, False))[0] >= sentence[i] - 1:
                continue  # they already share one of the two sentences
            if shared.get((a, b)) != (sentence[i], same):
                weights[(a, b)] += 1.0 if same else 0.25
                shared[(a, b)] = (sentence[i], same)
            if same:
                first.setdefault((a, b), (other.start, mention.end))
    return {p: w for p, w in weights.items() if p in first}, first


def _strongest(frames: Iterable[PatternMatch]) -> list[PatternMatch]:
    """Each (source, type, target) once, in the order of first standing."""
    found: dict[tuple[str, str, str], PatternMatch] = {}
    for frame in frames:
        if frame.source == frame.target:
            continue
        if frame.type in SYMMETRIC_RELATIONS:
            source, target = sorted((frame.source, frame.target))
            frame = frame._replace(source=source, target=target)
        found.setdefault((frame.source, frame.type, frame.target), frame)
    return list(found.values())[: MAX_RELATIONS // 2]


def _framed(
    text: str, ends: Sequence[int], frame: PatternMatch, weights: Mapping[tuple[str, str], float]
) -> Relation:
    one, other = sorted((frame.source, frame.target))
    return Relation(
        source=frame.source,
        target=frame.target,
        type=frame.type,
        description=frame.label,
        strength=tie_strength.strength(STATED + weights.get((one, other), 0.0)),
        evidence=_quote(text, ends, frame.start, frame.end),
        confidence=0.7,
    )


_CLOSERS = "”’」』）》】〉 "  # after a sentence's end they still belong to it, not to the next


def _quote(text: str, ends: Sequence[int], start: int, end: int) -> str:
    """The sentence around ``start``-``end`` if it is short, else a cut of it that holds the start."""
    k = bisect_right(ends, start)
    begin = ends[k - 1] + 1 if k else 0
    stop = ends[k] + 1 if k < len(ends) else len(text)
    if stop - begin > EVIDENCE:
        begin = max(begin, min(start, end - EVIDENCE) if end - start <= EVIDENCE else start)
        stop = min(stop, begin + EVIDENCE)
    return text[begin:stop].strip().lstrip(_CLOSERS)
