"""Answers a question from the graph, in sentences with their quotes; no model is asked."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from kgnb.core.labels import CHARACTER_RELATIONS, SYMMETRIC_RELATIONS, Lang
from kgnb.core.messages import texts
from kgnb.core.model import Usage
from kgnb.graph.ask.kin_words import kin_fits
from kgnb.graph.ask.passages import Passage
from kgnb.graph.ask.question import HAN, Question
from kgnb.graph.ask.reading import Found
from kgnb.graph.model import GraphEdge, group_of
from kgnb.graph.query import Entity, GraphQuery

LISTED = 8
"""Most people or places that a sentence lists; it says how many more there are."""


@dataclass(frozen=True, slots=True)
class Citation:
    """Source of a sentence: chapter number, and the quote ("" where only the chapter is known)."""

    chapter: int
    quote: str = ""


@dataclass(frozen=True, slots=True)
class Sentence:
    """A sentence of an answer with its sources."""

    text: str
    citations: tuple[Citation, ...] = ()


@dataclass(frozen=True, slots=True)
class Paid:
    """Provider, model and cost of an LLM's answer.

    ``cost`` is None where the model has no price; ``currency``: of a list price. ``cached``: whether the
    reply came from the cache and cost nothing.
    """

    provider: str
    model: str
    usage: Usage
    cost: float | None = None
    currency: str = ""
    cached: bool = False


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer: sentences with their citations, or ``passages`` of the text where there are no sentences.

    ``note``: text to show before the passages, or in place of an answer; in the question's language.
    ``meant``: how a misspelt name was read, "" without any. ``words``: words to highlight in the passages.
    ``paid``: set where an LLM was asked.
    """

    question: str
    sentences: tuple[Sentence, ...] = ()
    note: str = ""
    passages: tuple[Passage, ...] = ()
    paid: Paid | None = None
    meant: str = ""
    words: tuple[str, ...] = ()


def answer(question: Question, query: GraphQuery) -> list[Sentence]:
    """Return the sentences that the graph gives as answer to the question.

    An empty list where the question has no intent, or the graph has no matching facts.
    """
    ask = _ANSWERS.get(question.intent)
    return ask(_Asked(question, query)) if ask else []


def told(question: Question, found: Found) -> Sentence:
    """Return the sentence for an answer that was found in the text, with the quote as citation.

    It names the entity and the chapter, or the chapter alone where ``found.entity`` is None.
    """
    words, cited = texts(question.lang), (Citation(found.chapter, found.quote),)
    if found.entity is None:
        return Sentence(words["ask.in_chapter"].format(chapter=found.chapter), cited)
    return Sentence(words["ask.read"].format(name=found.entity.name, chapter=found.chapter), cited)


def meant(question: Question) -> str:
    """Return the note on how a misspelt name was read, in the question's language; "" without such a name."""
    if not question.near:
        return ""
    facts = {"name": question.stranger, "near": "/".join(question.near), "first": question.near[0]}
    return texts(question.lang)["ask.meant"].format(**facts)


def stranger_note(question: Question, query: GraphQuery) -> str:
    """Return the note that the book has no ``question.stranger``, with similar names of the book if any.

    For a Chinese name in a book of Latin names: the most important characters instead.
    """
    words, name = texts(question.lang), question.stranger
    note = [words["ask.stranger"].format(name=name)]
    people = [one.entity.name for one in query.top(LISTED)]
    if HAN.search(name) and people and not any(map(HAN.search, people)):
        note.append(words["ask.other_script"])
        note.append(words["ask.nearest"].format(near=words["ask.comma"].join(people)))
    elif near := query.similar_names(name):
        note.append(words["ask.nearest"].format(near=words["ask.comma"].join(near)))
    return " ".join(note)


class _Asked:
    """A question, the graph, and the texts of the question's language."""

    def __init__(self, question: Question, query: GraphQuery) -> None:
        self.question, self.query, self.people = question, query, question.people
        self.entities, self.kin, self.kin_word = question.entities, question.kin, question.kin_word
        self._texts = texts(question.lang)
        self.lang: Lang = question.lang

    def word(self, key: str, **facts: object) -> str:
        return self._texts[f"ask.{key}"].format(**facts)

    def listed(self, names: Sequence[str]) -> str:
        """Return the names joined by the language's comma; of more than ``LISTED`` the first, and their
        number.
        """
        row = self._texts["ask.comma"].join(names[:LISTED])
        return self.word("and_more", names=row, n=len(names)) if len(names) > LISTED else row

    def relation(self, edge: GraphEdge) -> str:
        """Return the edge's label (the reply's own word), else the relationship type in the question's
        language.
        """
        word = edge.text("label")
        return word or (
            self._texts[f"relation.{edge.type}"] if edge.type in CHARACTER_RELATIONS else edge.type
        )

    def two(self) -> tuple[Entity, Entity] | None:
        """Return the first two different people of the question; None where there are fewer."""
        different = list(dict.fromkeys(self.people))
        return (different[0], different[1]) if len(different) > 1 else None

    def ties(self, entity: Entity) -> Iterable[tuple[Entity, GraphEdge]]:
        """Yield (character, edge) for each edge to another character, closest character first."""
        for near in self.query.neighbours(entity.ref):
            if near.entity.kind == "Character":
                for edge in near.edges:
                    yield near.entity, edge


def _cited(edge: GraphEdge, query: GraphQuery) -> tuple[Citation, ...]:
    """Return the edge's quote with its chapter, else its first chapter; empty for an edge without
    chapters.
    """
    chapters = edge.numbers("chapters")
    quoted = query.chapter_numbers.get(int(edge.number("chapter_id")))
    if (quote := edge.text("evidence")) and (quoted or chapters):
        return (Citation(quoted or chapters[0], quote),)
    return (Citation(chapters[0]),) if chapters else ()


def _first(entity: Entity) -> tuple[Citation, ...]:
    return (Citation(entity.chapters[0]),) if entity.chapters else ()


def _who(asked: _Asked) -> list[Sentence]:
    made = []
    for one in asked.people[:1] or list(asked.entities[:1]):
        description = one.description or asked.query.graph.nodes[one.ref].text("title")
        known = asked.word("known_as", names=asked.listed(one.aliases)) if one.aliases else ""
        if description:
            made.append(
                Sentence(
                    asked.word("who_described", name=one.name, text=description, known=known), _first(one)
                )
            )
        elif known:
            made.append(Sentence(asked.word("who_known", name=one.name, known=known), _first(one)))
        made += _of_ties(asked, one)
        if one.chapters:
            facts = {"n": len(one.chapters), "first": one.chapters[0], "last": one.chapters[-1]}
            made.append(
                Sentence(asked.word("in_chapters", name=one.name, **facts), (Citation(one.chapters[0]),))
            )
    return made


def _of_ties(asked: _Asked, one: Entity) -> list[Sentence]:
    """Return sentences for three of the person's ties, acquaintances last."""
    ties = sorted(asked.ties(one), key=lambda tie: group_of(tie[1].type) == "other")
    return [_tie(asked, edge) for _, edge in ties[:3]]


def _tie(asked: _Asked, edge: GraphEdge) -> Sentence:
    source, target = asked.query.entities[edge.source], asked.query.entities[edge.target]
    key = "tie_both" if edge.type in SYMMETRIC_RELATIONS else "tie"
    since = min(edge.numbers("chapters"), default=0)
    text = asked.word(key, a=source.name, b=target.name, relation=asked.relation(edge), chapter=since)
    return Sentence(text, _cited(edge, asked.query))


def _relation(asked: _Asked) -> list[Sentence]:
    if (two := asked.two()) is None:
        return []
    edges = asked.query.edges(two[0].ref, two[1].ref)
    stated = [edge for edge in edges if group_of(edge.type) != "other" or edge.text("label")]
    if edges:
        return [_tie(asked, edge) for edge in stated] or _since(asked, "only_known")
    return _path(asked)


def _path(asked: _Asked) -> list[Sentence]:
    if (two := asked.two()) is None:
        return _with(asked)
    steps = asked.query.path(two[0].ref, two[1].ref)
    if not steps:
        return [Sentence(asked.word("no_path", a=two[0].name, b=two[1].name))]
    return [_tie(asked, step.edges[0]) for step in steps]


def _since(asked: _Asked, key: str = "since") -> list[Sentence]:
    if (two := asked.two()) is None:
        return []
    edges = asked.query.edges(two[0].ref, two[1].ref)
    if not edges:
        return []
    first = min(edges, key=lambda edge: min(edge.numbers("chapters"), default=0))
    chapter = min(first.numbers("chapters"), default=0)
    return [
        Sentence(asked.word(key, a=two[0].name, b=two[1].name, chapter=chapter), _cited(first, asked.query))
    ]


def _kin(asked: _Asked) -> list[Sentence]:
    """Return a sentence with the relatives that fit the kinship word.

    Where none is certain to fit: a differently worded sentence with the relatives of unknown sex or age.
    """
    if not asked.people or asked.kin is None:
        return []
    one, (type_, own_is_target) = asked.people[0], asked.kin
    sure: dict[Entity, GraphEdge] = {}
    unsure: dict[Entity, GraphEdge] = {}
    for other, edge in asked.ties(one):
        if edge.type == type_ and (own_is_target is None or (edge.target == one.ref) == own_is_target):
            fits = kin_fits(asked.question, one, other, edge.text("evidence"))
            if fits is not False:
                (sure if fits else unsure).setdefault(other, edge)
    found, key = (sure, "kin") if sure else (unsure, "kin_unsure")
    if not found:
        return []
    cited = tuple(c for edge in [*found.values()][:3] for c in _cited(edge, asked.query))
    others = asked.listed([other.name for other in found])
    return [Sentence(asked.word(key, name=one.name, word=asked.kin_word, others=others), cited)]


def _place_in_book(last: bool) -> Callable[[_Asked], list[Sentence]]:
    def ask(asked: _Asked) -> list[Sentence]:
        made = []
        for one in asked.entities[:1]:
            if one.chapters:
                number = one.chapters[-1 if last else 0]
                facts = {
                    "name": one.name,
                    "chapter": number,
                    "title": asked.query.chapter_titles.get(number, ""),
                }
                made.append(Sentence(asked.word("last" if last else "first", **facts), (Citation(number),)))
        return made

    return ask


def _chapters(asked: _Asked) -> list[Sentence]:
    made = []
    for one in asked.entities[:1]:
        if one.chapters:
            facts = {"n": len(one.chapters), "first": one.chapters[0], "last": one.chapters[-1]}
            made.append(Sentence(asked.word("in_chapters", name=one.name, **facts), _first(one)))
    return made


def _where(asked: _Asked) -> list[Sentence]:
    """Return a sentence with the person's places and organizations; without any, with the places of most
    common chapters.
    """
    if not asked.people:
        return []
    one = asked.people[0]
    joined = [
        n.entity for n in asked.query.neighbours(one.ref) if n.entity.kind in ("Location", "Organization")
    ]
    places = joined or _common(asked, one, "Location")
    if not places:
        return []
    key = "where" if joined else "where_common"
    return [
        Sentence(
            asked.word(key, name=one.name, places=asked.listed([p.name for p in places])), _first(places[0])
        )
    ]


def _common(asked: _Asked, one: Entity, kind: str) -> list[Entity]:
    """Return at most ``LISTED`` entities of a kind that share chapters with ``one``.

    Sorted by (shared chapters)² / (chapters of the entity), so that an entity of all chapters isn't first.
    """
    own, shared = set(one.chapters), Counter[Entity]()
    for entity in asked.query.entities.values():
        if entity.kind == kind and entity.ref != one.ref:
            shared[entity] = len(own.intersection(entity.chapters))
    ranked = sorted(
        (e for e, n in shared.items() if n), key=lambda e: (-(shared[e] ** 2) / len(e.chapters), e.name)
    )
    return ranked[:LISTED]


def _with(asked: _Asked) -> list[Sentence]:
    if not asked.people:
        return []
    one = asked.people[0]
    near = [n for n in asked.query.neighbours(one.ref) if n.entity.kind == "Character"]
    if not near:
        return []
    names = asked.listed([n.entity.name for n in near])
    return [Sentence(asked.word("with", name=one.name, others=names), _cited(near[0].edges[0], asked.query))]


def _there(asked: _Asked) -> list[Sentence]:
    """Return a sentence with the members of an organization or the characters in the chapters of a place."""
    place = next((e for e in asked.entities if e.kind != "Character"), None)
    if place is None:
        return []
    members = [n.entity for n in asked.query.neighbours(place.ref) if n.entity.kind == "Character"]
    people = members or _common(asked, place, "Character")
    if not people:
        return []
    key = "members" if members else "there"
    return [
        Sentence(
            asked.word(key, place=place.name, others=asked.listed([p.name for p in people])), _first(place)
        )
    ]


def _count(asked: _Asked) -> list[Sentence]:
    people = [e for e in asked.query.entities.values() if e.kind == "Character"]
    top = asked.listed([one.entity.name for one in asked.query.top(LISTED)])
    return [Sentence(asked.word("people", n=len(people), top=top))]


_ANSWERS: Mapping[str, Callable[[_Asked], list[Sentence]]] = {
    "who": _who,
    "relation": _relation,
    "path": _path,
    "since": _since,
    "kin": _kin,
    "first": _place_in_book(last=False),
    "last": _place_in_book(last=True),
    "chapters": _chapters,
    "where": _where,
    "with": _with,
    "there": _there,
    "people": _count,
}
