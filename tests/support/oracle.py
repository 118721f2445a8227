"""A perfect LLM: it answers a text with exactly the gold people that stand in it, and what the graph must be.

Of a text it sees the text alone, as a model does. ``per="form"``: one item for each form that stands there;
``per="person"``: one for each person, by the first form. Either way ``aliases`` are all of that person's gold
names. A form that several people bear is the one's who also stands in the text by a name of their own; where
nobody or several do, a reader of that text can't tell, and it isn't answered.
"""

from __future__ import annotations

import json
import zlib
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import combinations
from pathlib import Path
from typing import Any, Literal

from kgnb.book import chunking
from kgnb.core.labels import CHARACTER_RELATIONS, SYMMETRIC_RELATIONS, Lang
from kgnb.core.model import Chapter, Novel, TaskConfig
from kgnb.extract import reply as replies
from kgnb.extract.merge_chunks import merge
from kgnb.extract.model import Extraction, NameEntry
from kgnb.graph.model import ExtractionRow, Graph, RecordRow
from kgnb.graph.project.projection import novel_builder

Tie = tuple[str, str, str]
"""(person, type, person); ends of a symmetric type in order."""


@dataclass(frozen=True)
class Person:
    """A gold character. ``names`` are what replies call it, ``forms`` what stands in the text for which of
    them (left out: the names themselves)."""

    key: str
    names: tuple[str, ...]
    forms: Mapping[str, str] = field(default_factory=dict)

    @property
    def standing(self) -> Mapping[str, str]:
        """Form in the text → name in the reply."""
        return self.forms or {name: name for name in self.names}


@dataclass
class Told:
    """What one reply told."""

    people: set[str] = field(default_factory=set)
    ties: set[Tie] = field(default_factory=set)
    events: set[tuple[str, str]] = field(default_factory=set)  # (person, event)


@dataclass
class Truth:
    """What all replies told, and so what the graph must say; ``appears`` are (person, chapter number),
    ``together`` pairs of whom a reply told both."""

    people: set[str] = field(default_factory=set)
    ties: set[Tie] = field(default_factory=set)
    events: set[tuple[str, str]] = field(default_factory=set)
    appears: set[tuple[str, int]] = field(default_factory=set)
    together: set[tuple[str, ...]] = field(default_factory=set)

    def add(self, number: int, told: Told) -> None:
        self.people |= told.people
        self.ties |= told.ties
        self.events |= told.events
        self.appears |= {(key, number) for key in told.people}
        self.together |= set(combinations(sorted(told.people), 2))


class Oracle:
    """Answers texts of a book whose people are known. ``shared="all"``: a form of several people is answered
    once for each. ``spelling="text"``: forms are found whatever their case, and spelt as the text does.
    ``pairs``: one pair in so many is related, and ``most`` in a reply at most."""

    def __init__(
        self,
        people: Iterable[Person],
        lang: Lang,
        *,
        per: Literal["form", "person"] = "form",
        shared: Literal["context", "all"] = "context",
        spelling: Literal["gold", "text"] = "gold",
        pairs: int = 3,
        most: int = 120,
    ) -> None:
        self.people = {p.key: p for p in people}
        self.lang = lang
        self._per, self._shared, self._pairs, self._most = per, shared, pairs, most
        self._anycase = spelling == "text"
        self._bearers: dict[str, dict[str, str]] = defaultdict(dict)  # form → person → its name in replies
        for person in self.people.values():
            for form, name in person.standing.items():
                self._bearers[self._cased(form)][person.key] = name
        heads: dict[str, list[str]] = defaultdict(list)
        for form in sorted(self._bearers, key=len, reverse=True):
            heads[form[0]].append(form)
        self._heads = dict(heads)

    @cached_property
    def owners(self) -> dict[str, set[str]]:
        """Name in replies, in lower case → everybody who bears it."""
        found: dict[str, set[str]] = defaultdict(set)
        for person in self.people.values():
            for name in person.names:
                found[name.lower()].add(person.key)
        return dict(found)

    def names(self, key: str) -> set[str]:
        """A person's gold names in lower case."""
        return {name.lower() for name in self.people[key].names}

    def _cased(self, form: str) -> str:
        return form.lower() if self._anycase else form

    # --- one text

    def __call__(self, text: str) -> str:
        """The reply to a text, as the server sends it."""
        return json.dumps(self.reply(text)[0], ensure_ascii=False)

    def reply(self, text: str) -> tuple[dict[str, Any], Told]:
        """The object of the wire contract, and whom it means."""
        flat = text if self.lang == "zh" else " ".join(text.split())
        named: dict[str, list[str]] = defaultdict(list)  # person → names in the reply, first position first
        for key, name in self._answered(list(dict.fromkeys(self._standing(flat)))):
            if name not in named[key] and (self._per == "form" or not named[key]):
                named[key].append(name)
        ends = self._ends(named)
        ties = self._ties(list(ends))
        event = f"第{zlib.crc32(flat.encode())}事"
        acting = list(ends)[:3]
        items = [
            {"name": name, "aliases": list(self.people[key].names)}
            for key, names in named.items()
            for name in names
        ]
        relations = [
            {
                "source": _pick(ends[a], a, b, flat),
                "type": type_,
                "target": _pick(ends[b], b, a, flat),
                "strength": strength(a, b),
                "evidence": flat[:24],
            }
            for a, type_, b in ties
        ]
        events = [
            {"name": event, "participants": [_pick(ends[key], flat) for key in acting], "evidence": flat[:24]}
        ]
        events = events if acting else []
        told = Told(set(named), set(ties), {(key, event) for key in acting})
        return {"characters": items, "events": events, "relations": relations}, told

    def _standing(self, text: str) -> Iterator[str]:
        """The longest form at each place, as it is spelt there."""
        at, cased = 0, self._cased(text)
        while at < len(text):
            forms = self._heads.get(cased[at], ())
            form = next((f for f in forms if cased.startswith(f, at) and self._whole(text, at, f)), "")
            if form:
                yield text[at : at + len(form)]
            at += len(form) or 1

    def _whole(self, text: str, at: int, form: str) -> bool:
        """Whether no word goes on before or after it, where a language has words."""
        if self.lang == "zh":
            return True
        around = (text[at - 1 : at], text[at + len(form) : at + len(form) + 1])
        return not any(char.isalnum() for char in around)

    def _answered(self, forms: Sequence[str]) -> Iterator[tuple[str, str]]:
        """(person, name) for each form whose bearer can be told."""
        borne = {form: self._bearers[self._cased(form)] for form in forms}
        sure = {key for bearers in borne.values() for key in bearers if len(bearers) == 1}
        for form, bearers in borne.items():
            keys = list(bearers)
            if len(keys) > 1 and self._shared == "context":
                keys = [key for key in keys if key in sure]
                keys = keys if len(keys) == 1 else []
            for key in keys:
                name = bearers[key]
                yield key, form if name.lower() == form.lower() else name

    def _ends(self, named: Mapping[str, Sequence[str]]) -> dict[str, list[str]]:
        """The names by which relations may call each person, those that stand there first and twice: ones
        that mean nobody else in this reply."""
        taken: dict[str, set[str]] = defaultdict(set)
        for key in named:
            for name in self.people[key].names:
                taken[name].add(key)
        ends = {}
        for key, names in named.items():
            every = [*names, *names, *self.people[key].names]
            free = [n for n in every if len(taken[n]) < 2]
            if free:
                ends[key] = free
        return ends

    def _ties(self, keys: Sequence[str]) -> list[Tie]:
        pairs = (tuple(sorted(pair)) for pair in combinations(keys, 2))
        return [_tie(a, b) for a, b in pairs if _draw(a, b) % self._pairs == 0][: self._most]

    # --- a whole book

    def rows(
        self, chapters: Sequence[tuple[int, str]], limit: int
    ) -> tuple[list[tuple[int, Extraction]], Truth]:
        """Each chapter's extraction, as a node makes it out of one reply a chunk; and the truth."""
        truth = Truth()
        rows = []
        for number, text in chapters:
            parts = []
            for piece in chunking.split(text, limit, self.lang):
                said, told = self.reply(piece)
                truth.add(number, told)
                parsed = replies.parse(json.dumps(said), provider="oracle")
                assert not parsed.repaired
                assert not parsed.rejected
                parts.append(parsed.extraction)
            rows.append((number, merge(parts)))
        return rows, truth


def _pick(names: Sequence[str], *why: str) -> str:
    """One of the names, always the same for the same reasons."""
    return names[zlib.crc32("|".join(why).encode()) % len(names)]


def strength(a: str, b: str) -> int:
    """How strong a pair's tie is, the same in every reply."""
    return _draw(a, b) % 10 + 1


def _draw(a: str, b: str) -> int:
    return zlib.crc32("|".join(sorted((a, b))).encode())


def _tie(a: str, b: str) -> Tie:
    draw = _draw(a, b) // 3
    type_ = CHARACTER_RELATIONS[draw % len(CHARACTER_RELATIONS)]
    if type_ not in SYMMETRIC_RELATIONS and draw // len(CHARACTER_RELATIONS) % 2:
        a, b = b, a
    return a, type_, b


def load(gold: Path) -> tuple[list[Person], Lang]:
    """The people of a gold file: ``{"lang", "characters": {main: {"aliases": […]}}}``."""
    data = json.loads(gold.read_text("utf-8"))
    people = [Person(key, tuple(given["aliases"])) for key, given in data["characters"].items()]
    return people, data["lang"]


# --- the graph ----------------------------------------------------------------------------------------------

NOVEL = Novel(1, "书", "人")


def settled(
    rows: Sequence[tuple[int, Extraction]], names: Sequence[NameEntry] = (), config: TaskConfig | None = None
) -> Graph:
    """The graph of these chapters' rows, which may come in any order."""
    chapters = [Chapter(100 + n, 1, n, f"{n}", 1000) for n, _ in rows]
    return novel_builder(
        NOVEL, chapters, [RecordRow(_row(n, e)) for n, e in rows], names, config or TaskConfig()
    ).graph()


def _row(number: int, extraction: Extraction) -> ExtractionRow:
    return ExtractionRow(
        task_id=7,
        novel_id=1,
        chapter_id=100 + number,
        chapter_number=number,
        text_hash="h",
        prompt_hash="p",
        extraction=extraction,
        provider="oracle",
        model="m",
        token=1,
    )


@dataclass
class Seen:
    """What a graph says, whoever keeps it."""

    people: dict[str, frozenset[str]] = field(default_factory=dict)  # node name → all its names
    ties: dict[Tie, int] = field(default_factory=dict)  # → strength
    events: set[tuple[str, str]] = field(default_factory=set)
    appears: set[tuple[str, int]] = field(default_factory=set)

    @classmethod
    def of(cls, nodes: Iterable[tuple[Any, str, Mapping[str, Any]]], edges: Iterable[Any]) -> Seen:
        """``nodes`` as (id, label, properties), ``edges`` as (source id, type, target id, properties)."""
        seen, labels, names = cls(), {}, {}
        for ref, label, properties in nodes:
            labels[ref] = label
            names[ref] = properties["chapter_number"] if label == "Chapter" else properties.get("name", "")
            if label == "Character":
                own = (properties["name"], *properties["aliases"])
                seen.people[properties["name"]] = frozenset(own)
        for source, type_, target, properties in edges:
            ends = names[source], names[target]
            if labels[source] == labels[target] == "Character":
                seen.ties[ends[0], type_, ends[1]] = properties["strength"]
            elif type_ == "PARTICIPATES_IN":
                seen.events.add(ends)
            elif type_ == "APPEARS_IN":
                seen.appears.add(ends)
        return seen

    @classmethod
    def of_graph(cls, graph: Graph) -> Seen:
        nodes = [(ref, node.label, node.properties) for ref, node in graph.nodes.items()]
        return cls.of(nodes, [(*ref, edge.properties) for ref, edge in graph.edges.items()])

    @classmethod
    def of_export(cls, timeless: Mapping[str, Any]) -> Seen:
        """Of commands.timeless()."""
        nodes = [(ref, node["label"], node["properties"]) for ref, node in timeless["nodes"].items()]
        return cls.of(nodes, [(*ref, properties) for ref, properties in timeless["edges"].items()])


def problems(seen: Seen, oracle: Oracle, truth: Truth, *, strict: bool = False) -> list[str]:
    """Everything in which the graph isn't the true one; nothing where it is perfect.

    Each person who was answered has one node, whose name is its own if it has one, with all of its names and
    nobody else's. A name that is another node's own may be missing, unless ``strict``.
    """
    found, who = [], {}
    for name, names in sorted(seen.people.items()):
        borne = [oracle.owners.get(n.lower(), set()) for n in names]
        mine = {next(iter(keys)) for keys in borne if len(keys) == 1}
        if len(mine) != 1:
            found.append(f"{name}: {'joins ' + str(sorted(mine)) if mine else 'is nobody'}: {sorted(names)}")
            continue
        who[name] = next(iter(mine))
        found += _misnamed(name, names, oracle, who[name], () if strict else seen.people)
    for key in sorted(truth.people):
        nodes = [name for name, owner in who.items() if owner == key]
        if len(nodes) != 1:
            found.append(f"{key} {list(oracle.people[key].names)}: {len(nodes)} nodes {nodes}")
    found += [f"{name}: was never answered" for name, key in who.items() if key not in truth.people]
    return [*found, *_misplaced(seen, truth, who)]


def _misnamed(
    name: str, names: frozenset[str], oracle: Oracle, key: str, others: Iterable[str]
) -> Iterator[str]:
    own, called = oracle.names(key), name.lower()
    borne = {n.lower() for n in names}
    if missing := own - borne - {n.lower() for n in others}:
        yield f"{name}: lacks {sorted(missing)}"
    if foreign := {n for n in borne - own if n in oracle.owners}:
        yield f"{name}: has {sorted(foreign)} of others"
    if called not in own:
        yield f"{name}: is no gold name of {sorted(own)}"
    elif len(oracle.owners[called]) > 1 and any(len(oracle.owners[n]) == 1 for n in own):
        yield f"{name}: is called by a name that is {sorted(oracle.owners[called])}'s"


def _misplaced(seen: Seen, truth: Truth, who: Mapping[str, str]) -> Iterator[str]:
    ties = [((who.get(a, a), type_, who.get(b, b)), n) for (a, type_, b), n in seen.ties.items()]
    real = [_ordered(tie) for tie, _ in ties]
    wanted = {_ordered(tie) for tie in truth.ties}
    yield from (f"twice: {tie}" for tie in sorted(t for t, n in Counter(real).items() if n > 1))
    yield from (f"no tie {tie}" for tie in sorted(wanted - set(real)))
    yield from (f"wrong tie {tie}" for tie in sorted(set(real) - wanted))
    yield from (f"strength {n} of {tie}" for tie, n in ties if n != strength(tie[0], tie[2]))
    for what, mine, true in (("events", seen.events, truth.events), ("appears", seen.appears, truth.appears)):
        told: set[Any] = {(who.get(name, name), other) for name, other in mine}
        yield from (f"{what}: no {pair}" for pair in sorted(true - told))  # type: ignore[type-var]
        yield from (f"{what}: wrong {pair}" for pair in sorted(told - true))


def _ordered(tie: Tie) -> Tie:
    a, type_, b = tie
    return (b, type_, a) if type_ in SYMMETRIC_RELATIONS and b < a else tie
