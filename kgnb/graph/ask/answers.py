"""Answers a question from the graph, in sentences with their quotes; no model is asked."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

from kgnb.core.labels import CHARACTER_RELATIONS, STRUCTURAL_RELATIONS, SYMMETRIC_RELATIONS, Lang
from kgnb.core.messages import texts
from kgnb.core.model import Usage
from kgnb.extract.evidence_quote import quote
from kgnb.graph.ask.kin import relatives
from kgnb.graph.ask.passages import Passage, sentence_ends
from kgnb.graph.ask.question import HAN, Question, without_title
from kgnb.graph.continuity import deaths, number_in_words
from kgnb.graph.model import GraphEdge, group_of
from kgnb.graph.query import Entity, GraphQuery

LISTED = 8
"""Most people or places that a sentence lists; it says how many more there are."""


_HEADING = re.compile(r"第\s*([^\s第章回节]+)\s*[章回节]|\bchapter\s+([a-z0-9-]+)", re.IGNORECASE)
"""Number of a chapter in its heading."""


@dataclass(frozen=True, slots=True)
class Citation:
    """Source of a sentence: chapter number, and the quote ("" where only the chapter is known)."""

    chapter: int
    quote: str = ""


@dataclass(frozen=True, slots=True)
class Sentence:
    """A sentence of an answer with its sources. ``sure``: False where the book doesn't state it outright."""

    text: str
    citations: tuple[Citation, ...] = ()
    sure: bool = True


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


Texts = Iterable[tuple[int, str]]
"""Number and text of each chapter."""


def answer(question: Question, query: GraphQuery, chapters: Texts = ()) -> list[Sentence]:
    """Return the sentences that the graph gives as answer to the question.

    An empty list where the question has no intent, or the graph has no matching facts. ``chapters``: the
    book's text, for deaths and first meetings. Iterating it may block.
    """
    ask = _ANSWERS.get(question.intent)
    return ask(_Asked(question, query, chapters)) if ask else []


def meant(question: Question) -> str:
    """Return the note on how a misspelt name was read, in the question's language; "" without such a name."""
    if not question.near:
        return ""
    facts = {"name": question.stranger, "near": "/".join(question.near), "first": question.near[0]}
    return texts(question.lang)["ask.meant"].format(**facts)


def stranger_note(question: Question, query: GraphQuery, until: int | None = None) -> str:
    """Return the note that the book (by the chapter ``until``, if any) has no ``question.stranger``, with
    similar names of the book if any.

    For a Chinese name in a book of Latin names: the most important characters instead.
    """
    words, name = texts(question.lang), question.stranger
    note = [words["ask.stranger_by" if until else "ask.stranger"].format(name=name, chapter=until)]
    people = [one.name for one in query.top(LISTED)]
    if HAN.search(name) and people and not any(map(HAN.search, people)):
        note.append(words["ask.other_script"])
        note.append(words["ask.nearest"].format(near=words["ask.comma"].join(people)))
    elif near := query.names.nearest(name):
        note.append(words["ask.nearest"].format(near=words["ask.comma"].join(near)))
    return " ".join(note)


class _Asked:
    """A question, the graph, and the texts of the question's language."""

    def __init__(self, question: Question, query: GraphQuery, chapters: Texts) -> None:
        self.question, self.query, self.people = question, query, question.people
        self.entities, self.chapters = question.entities, chapters
        self._texts = texts(question.lang)
        self.lang: Lang = question.lang

    def word(self, key: str, **facts: object) -> str:
        """Return the text ``ask.KEY`` in the question's language with its facts."""
        return self._texts[f"ask.{key}"].format(**facts)

    def listed(self, names: Sequence[str]) -> str:
        """Return the names joined by the language's comma; of more than ``LISTED`` (8) the first, and their
        number.
        """
        row = self._texts["ask.comma"].join(names[:LISTED])
        return self.word("and_more", names=row, n=len(names)) if len(names) > LISTED else row

    def names(self, entities: Iterable[Entity]) -> str:
        """Return the names of the entities, joined as by :meth:`listed`."""
        return self.listed([one.name for one in entities])

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


def _cited(edge: GraphEdge, query: GraphQuery) -> tuple[Citation, ...]:
    """Return the edge's quote with its chapter, else its first chapter; empty for an edge without
    chapters.
    """
    chapters = edge.numbers("chapters")
    quoted = query.chapter_numbers.get(int(edge.number("chapter_id")))
    if (said := edge.text("evidence")) and (quoted or chapters):
        return (Citation(quoted or chapters[0], said),)
    return (Citation(chapters[0]),) if chapters else ()


def _first(entity: Entity) -> tuple[Citation, ...]:
    """Return a citation of the entity's first chapter; () for an entity without chapters."""
    return (Citation(entity.chapters[0]),) if entity.chapters else ()


def _who(asked: _Asked) -> list[Sentence]:
    """Return who somebody is: description, aliases, ties, chapters."""
    made = []
    for one in asked.people[:1] or list(asked.entities[:1]):
        description = one.description or asked.query.graph.nodes[one.ref].text("title")
        known = asked.word("known_as", names=asked.listed(one.aliases)) if one.aliases else ""
        if description or known:
            key = "who_described" if description else "who_known"
            said = asked.word(key, name=one.name, text=description, known=known)
            made.append(Sentence(said, _first(one)))
        made += [*_of_ties(asked, one), *_place_in_book("in_chapters", asked, one)]
    return made


def _of_ties(asked: _Asked, one: Entity) -> list[Sentence]:
    """Return sentences for three of the person's ties, acquaintances last."""
    people = (near for near in asked.query.neighbours(one.ref) if near.entity.kind == "Character")
    ties = sorted((edge for near in people for edge in near.edges), key=lambda e: group_of(e.type) == "other")
    return [_tie(asked, edge) for edge in ties[:3]]


def _tie(asked: _Asked, edge: GraphEdge) -> Sentence:
    """Return the sentence for one tie, with its first chapter and its quote."""
    source, target = asked.query.entities[edge.source], asked.query.entities[edge.target]
    key, chapters = "tie_both" if edge.type in SYMMETRIC_RELATIONS else "tie", edge.numbers("chapters")
    how = "from_chapter" if chapters else ""
    if _is_readers(edge):  # its chapters may be just those of both
        how = "corrected_since" if "since" in edge.properties else "corrected"
    where = asked.word(how, chapter=min(chapters, default=0)) if how else ""
    text = asked.word(key, a=source.name, b=target.name, relation=asked.relation(edge), where=where)
    return Sentence(text, _cited(edge, asked.query))


def _relation(asked: _Asked) -> list[Sentence]:
    """Return the ties between the question's two people, or over a relative of both; else that they only know
    each other, or a path over others. [] unless there are two.
    """
    if (two := asked.two()) is None:
        return []
    edges = asked.query.edges(two[0].ref, two[1].ref)
    stated = [edge for edge in edges if group_of(edge.type) != "other" or edge.text("label")]
    if told := stated or _over_a_relative(asked, *two):
        return [_tie(asked, edge) for edge in told]
    return _since(asked, "only_known") if edges else _path(asked)


def _is_readers(edge: GraphEdge) -> bool:
    """Return whether a reader added the tie: the book needn't say so."""
    return edge.properties.get("extracted_by") == ""


def _relatives_named(asked: _Asked, found: Mapping[Entity, Sequence[GraphEdge]]) -> str:
    """Return the names of relatives, marked where a reader's tie leads to them."""
    mark = asked.word("corrected")
    return asked.listed([one.name + mark * any(map(_is_readers, steps)) for one, steps in found.items()])


def _over_a_relative(asked: _Asked, one: Entity, other: Entity) -> list[GraphEdge]:
    """Return the two family ties that join the pair over a third person, the one closest to ``one``; []
    without any.
    """
    for near in asked.query.neighbours(one.ref):
        ties = (near.edges, asked.query.edges(near.entity.ref, other.ref))
        kin = [next((edge for edge in of if group_of(edge.type) == "family"), None) for of in ties]
        if all(kin):
            return [edge for edge in kin if edge]
    return []


def _path(asked: _Asked) -> list[Sentence]:
    """Return a sentence for each step of the path between two people, or that there is none."""
    if (two := asked.two()) is None:
        return _with(asked)
    steps = asked.query.path(two[0].ref, two[1].ref)
    if not steps:
        return [Sentence(asked.word("no_path", a=two[0].name, b=two[1].name), sure=False)]
    return [replace(_tie(asked, step.edges[0]), sure=False) for step in steps]


def _since(asked: _Asked, key: str = "since") -> list[Sentence]:
    """Return a sentence with the chapter of the pair's first tie, and one with their first common chapter
    where that is an earlier one, or there is no tie.
    """
    if (two := asked.two()) is None:
        return []
    tied = {n: edge for edge in asked.query.edges(two[0].ref, two[1].ref) for n in edge.numbers("chapters")}
    common = {*two[0].chapters} & {*two[1].chapters}
    first = min(tied, default=0)
    chapters = {key: first, "together": min(common, default=0)}
    names = {"a": two[0].name, "b": two[1].name}
    return [
        Sentence(
            asked.word(word, chapter=chapter, **names),
            (_meeting(asked, two, chapter, tied.get(chapter)),),
            sure=word == "since",
        )
        for word, chapter in chapters.items()
        if chapter and (word != "together" or not first or (chapter < first and key == "since"))
    ]


def _meeting(asked: _Asked, two: Sequence[Entity], chapter: int, edge: GraphEdge | None) -> Citation:
    """Return the edge's quote where it is of this chapter, else the chapter's first sentence with both
    names.
    """
    if edge is not None and (cited := _cited(edge, asked.query)) and cited[0].chapter == chapter:
        return cited[0]
    forms = ("|".join(map(re.escape, (one.name, *one.aliases))) for one in two)
    names = [re.compile(rf"(?<![a-zA-Z])(?:{form})") for form in forms]
    for _, text in (one for one in asked.chapters if one[0] == chapter):
        start, ends = 0, sentence_ends(text)
        for end in ends:
            spans = [match.span() for name in names if (match := name.search(text, start, end))]
            if len(spans) == len(two):
                return Citation(chapter, quote(text, ends, sorted(spans)))
            start = end + 1
    return Citation(chapter)


def _kin(asked: _Asked, count: bool = False) -> list[Sentence]:
    """Return a sentence with the relatives that fit the kinship word, and one with those of unknown sex or
    age: where none is certain to fit, or where their tie has no quote that could tell.
    """
    if not asked.people:
        return []
    one, word, made = asked.people[0], asked.question.relative, []
    found = relatives(one, word, asked.query, asked.lang)
    silent = {other: steps for other, steps in found.unsure.items() if not steps[-1].text("evidence")}
    for key, others in (
        ("kin_count" if count else "kin", found.sure),
        ("kin_also", silent) if found.sure else ("kin_unsure", found.unsure),
    ):
        if others:
            ties = [edge for steps in [*others.values()][:3] for edge in steps]
            cited = [source for edge in ties for source in _cited(edge, asked.query)]
            facts = {
                "name": one.name,
                "word": word,
                "others": _relatives_named(asked, others),
                "n": len(others),
            }
            own = {"", one.name, *one.aliases}  # Mrs. Beaufort is no answer to who Beaufort's wife is
            sure = others is found.sure and not {without_title(each.name) for each in others} <= own
            made.append(Sentence(asked.word(key, **facts), tuple(dict.fromkeys(cited)), sure))
    return made


def _kin_of(asked: _Asked) -> list[Sentence]:
    """Return a sentence with those whose relative of the kinship word the person is, else with those who may
    be; [] for nobody.
    """
    if not asked.people:
        return []
    one, word = asked.people[0], asked.question.relative
    near = [near.entity for near in asked.query.neighbours(one.ref) if near.entity.kind == "Character"]
    found = [(other, relatives(other, word, asked.query, asked.lang)) for other in near]
    for key, steps in (
        ("kin_of", {other: its.sure[one] for other, its in found if one in its.sure}),
        ("kin_of_unsure", {other: its.unsure[one] for other, its in found if one in its.unsure}),
    ):
        if steps:
            said = asked.word(key, name=one.name, word=word, others=_relatives_named(asked, steps))
            return [Sentence(said, _cited(next(iter(steps.values()))[-1], asked.query), key == "kin_of")]
    return []


def _dead(asked: _Asked) -> list[Sentence]:
    """Return a sentence with the deaths that the text states: of the person who is asked about, else of all,
    the most important first.
    """
    dead = deaths(asked.query.graph, asked.chapters)
    people = [asked.query.entities[ref] for ref in dead]
    people = [one for one in asked.people[:1] or people if one.ref in dead]
    people.sort(key=lambda one: -len(one.chapters))
    if not people:
        return []
    told = [asked.word("died", name=one.name, chapter=dead[one.ref].chapter) for one in people]
    cited = tuple(Citation(*dead[one.ref][:2]) for one in people[:LISTED])
    return [Sentence(asked.word("dead", others=asked.listed(told)), cited)]


def people_of(query: GraphQuery, chapter: int) -> list[Entity]:
    """Return the characters of a chapter, those of most ties in it first."""
    ties = Counter(
        ref
        for edge in query.graph.edges.values()
        if chapter in edge.numbers("chapters") and edge.type not in STRUCTURAL_RELATIONS
        for ref in (edge.source, edge.target)
    )
    people = (e for e in query.entities.values() if e.kind == "Character" and chapter in e.chapters)
    return sorted(people, key=lambda e: (-ties[e.ref], -len(e.chapters), e.name))


def chapter_asked(question: Question, query: GraphQuery) -> int:
    """Return the number of the chapter that the question means: the only one whose heading has the number,
    else the chapter of this number.

    第七回 is chapter 8 of a book with a prologue.
    """
    headed = [
        number
        for number, title in query.chapter_titles.items()
        if (match := _HEADING.search(title))
        and number_in_words(match[1] or match[2].upper()) == question.number
    ]
    return headed[0] if len(headed) == 1 else question.number


def _chapter(asked: _Asked) -> list[Sentence]:
    """Return sentences with a chapter's people, places and events, who is new in it, and the ties that begin
    in it.
    """
    number, query = chapter_asked(asked.question, asked.query), asked.query
    if number not in query.chapter_titles:
        return [Sentence(asked.word("no_chapter", chapter=number))]
    people = people_of(query, number)
    there = [e for e in query.entities.values() if number in e.chapters]
    facts = {
        "chapter_people": people,
        "chapter_new": [one for one in people if one.chapters[0] == number] if number > 1 else [],
        "chapter_places": [e for e in there if e.kind == "Location"],
        "chapter_events": [e for e in there if e.kind == "Event"],
    }
    head = {"chapter": number, "title": query.chapter_titles[number]}
    made = [
        Sentence(asked.word(key, others=asked.names(found), **head), (Citation(number),))
        for key, found in facts.items()
        if found or key == "chapter_people"
    ]
    begun = (e for e in query.graph.edges.values() if min(e.numbers("chapters"), default=0) == number)
    stated = [e for e in begun if e.type in CHARACTER_RELATIONS and group_of(e.type) != "other"]
    return [*made, *(_tie(asked, edge) for edge in stated[:3])]


def _place_in_book(key: str, asked: _Asked, one: Entity | None = None) -> list[Sentence]:
    """Return in which chapters an entity, by default the question's first, occurs: "first", "last" or
    "in_chapters"; [] without entity or chapters.
    """
    one = one or next(iter(asked.entities), None)
    if one is None or not one.chapters:
        return []
    number = one.chapters[-1 if key == "last" else 0]
    facts = {"chapter": number, "title": asked.query.chapter_titles.get(number, "")}
    facts |= {"n": len(one.chapters), "first": one.chapters[0], "last": one.chapters[-1]}
    return [Sentence(asked.word(key, name=one.name, **facts), (Citation(number),))]


def _where(asked: _Asked) -> list[Sentence]:
    """Return a sentence with the person's places and organizations; without any, with the places of most
    common chapters.
    """
    return _joined(
        asked, next(iter(asked.people), None), ("where", "where_common"), "Location", "Organization"
    )


def _there(asked: _Asked) -> list[Sentence]:
    """Return a sentence with the members of an organization or the characters in the chapters of a place."""
    place = next((e for e in asked.entities if e.kind != "Character"), None)
    return _joined(asked, place, ("members", "there"), "Character")


def _joined(asked: _Asked, one: Entity | None, keys: tuple[str, str], *kinds: str) -> list[Sentence]:
    """Return a sentence with the neighbours of these kinds (first of ``keys``), else with the entities of the
    first kind in the same chapters (second key); [] without any.
    """
    if one is None:
        return []
    joined = [near.entity for near in asked.query.neighbours(one.ref) if near.entity.kind in kinds]
    found = joined or _common(asked, one, kinds[0])
    said = asked.word(keys[not joined], name=one.name, others=asked.names(found))
    return [Sentence(said, _first(found[0] if one.kind == "Character" else one))] if found else []


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
    """Return the people closest to the first one; [] for nobody."""
    near = [
        near
        for one in asked.people[:1]
        for near in asked.query.neighbours(one.ref)
        if near.entity.kind == "Character"
    ]
    if not near:
        return []
    said = asked.word("with", name=asked.people[0].name, others=asked.names(n.entity for n in near))
    return [Sentence(said, _cited(near[0].edges[0], asked.query))]


def _count(asked: _Asked) -> list[Sentence]:
    """Return the number of characters, with the most important ones."""
    people = [e for e in asked.query.entities.values() if e.kind == "Character"]
    top = asked.names(asked.query.top(LISTED))
    return [Sentence(asked.word("people", n=len(people), top=top))]


_ANSWERS: Mapping[str, Callable[[_Asked], list[Sentence]]] = {
    "who": _who,
    "relation": _relation,
    "path": _path,
    "since": _since,
    "kin": _kin,
    "kin_of": _kin_of,
    "kin_count": partial(_kin, count=True),
    "dead": _dead,
    "chapter": _chapter,
    "first": partial(_place_in_book, "first"),
    "last": partial(_place_in_book, "last"),
    "chapters": partial(_place_in_book, "in_chapters"),
    "where": _where,
    "with": _with,
    "there": _there,
    "people": _count,
}
