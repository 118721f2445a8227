"""The data of the explorer's page: everybody, chapter by chapter.

``source/model.js`` documents how it is read.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from kgnb.core.labels import CHARACTER_RELATIONS, SYMMETRIC_RELATIONS
from kgnb.core.messages import language, say, texts
from kgnb.extract.strength import STEPS_PER_E_FOLD
from kgnb.extract.zh.script import traditional_of
from kgnb.graph.book_history import BookHistory, PersonHistory, TieChapter
from kgnb.graph.importance import ACQUAINTANCE_WEIGHT, RankedCharacter, edge_weight, is_tie, rank_characters
from kgnb.graph.model import Graph, GraphEdge, GraphNode, NodeKey, group_of
from kgnb.render.picture.scene import EDGE_COLOURS, NODE_BORDERS, NODE_COLOURS, Scene, printable
from kgnb.render.tie_words import is_added, told_of

OTHERS = ("Organization", "Location", "Thing", "Event")
"""Labels of what isn't a person."""
PLAIN = len(NODE_COLOURS) - 1
"""Index of the colour of those who belong to no group."""

Record = dict[str, Any]


def page_data(graph: Graph, scene: Scene, history: BookHistory) -> Record:
    """Return the data of the explorer page, JSON-ready, every text printable.

    ``scene``: the characters that are drawn at first, with their places.
    """
    return _PageData(graph, history).record(scene)


class _PageData:
    """Positions of chapters, people, others and quotes in the page's lists, and the lists."""

    def __init__(self, graph: Graph, history: BookHistory) -> None:
        self._graph, self._history = graph, history
        self._titles = {number: node.text("title") for number, node in graph.chapters()}
        self._chapter = {number: index for index, number in enumerate(self._titles)}
        self._ranked = rank_characters(graph)
        self._person = {one.node.ref: index for index, one in enumerate(self._ranked)}
        self._others = [node for node in graph.nodes.values() if node.label in OTHERS and self._at(node)]
        self._other = {node.ref: index for index, node in enumerate(self._others)}
        self._quotes: dict[str, int] = {}

    def record(self, scene: Scene) -> Record:
        """The whole record."""
        people = (name for person in self._history.people.values() for name in person.since)
        others = (node.text("name") for node in self._others)
        kinds = sorted({type_ for _, type_, _ in self._history.ties})
        return {
            "words": _words(),
            "chapters": [[number, printable(title)] for number, title in self._titles.items()],
            "kinds": {k: say(f"relation.{k}") if k in CHARACTER_RELATIONS else k for k in kinds},
            "types": {k: say(f"relation.{k}") for k in sorted(CHARACTER_RELATIONS)},
            "symmetric": sorted(SYMMETRIC_RELATIONS.intersection(kinds)),
            "groups": [self._group(group, kinds) for group in EDGE_COLOURS],
            "acquaintance_weight": ACQUAINTANCE_WEIGHT,
            "steps_per_e_fold": STEPS_PER_E_FOLD,
            "circles": list(zip(NODE_COLOURS, NODE_BORDERS, strict=True)),
            "shown": len(scene.spots),
            "people": self._people(scene),
            "ties": [
                self._tie(key[0], key[1], key[2], seen) for key, seen in self._history.ties.items() if seen
            ],
            "others": [self._entity(node) for node in self._others],
            "links": list(self._links()),
            "quotes": list(self._quotes),
            "fold": traditional_of([*people, *others]),
        }

    def _group(self, group: str, kinds: Iterable[str]) -> Record:
        own = [kind for kind in kinds if group_of(kind) == group]
        return {"id": group, "name": say(f"picture.{group}"), "kinds": own}

    # --- people

    def _people(self, scene: Scene) -> list[Record]:
        """Return a record for each character, most important first, those of the scene with their places."""
        circles = _circles(self._graph, scene)
        spots = {spot.person.node.ref: spot for spot in scene.spots}
        made = []
        for one in self._ranked:
            ref = one.node.ref
            person = self._facts(one, self._history.people[ref]) | {"circle": circles.get(ref, PLAIN)}
            if (spot := spots.get(ref)) is not None:
                person |= {"x": spot.x, "y": spot.y, "r": spot.radius, "font": spot.font}
            made.append(person)
        return made

    def _facts(self, one: RankedCharacter, person: PersonHistory) -> Record:
        """Return a character's record: names with the chapter since which each is known, chapters, weight,
        texts.
        """
        forms = list(person.since.items())
        known = set(person.chapters.get("", ()))
        for name, since in forms:
            known.update(c for c in person.chapters.get(name, ()) if c >= since)
        early = {
            index: {c for c in person.chapters.get(name, ()) if c < since}
            for index, (name, since) in enumerate(forms, 1)
        }
        made = {
            "forms": [[printable(name), self._place(since)] for name, since in forms],
            "at": self._places(known) or ([] if any(early.values()) else [self._place(0)]),
            "early": [[index, self._places(chapters)] for index, chapters in early.items() if chapters],
            "weight": round(one.weight, 3),
            "note": printable(one.node.text("note")),
            "description": self._described(one.node),
            "title": [[self._place(c), printable(text)] for text, c in person.title.items()],
            "traits": [[self._place(c), printable(text)] for text, c in person.traits.items()],
        }
        return {key: value for key, value in made.items() if value or key in ("at", "weight")}

    def _described(self, node: GraphNode) -> list[list[int | str]]:
        """Return [[place of the chapter, description]]; [] without one."""
        text = printable(node.text("description"))
        chapter = self._history.described.get(node.ref, next(iter(self._titles), 0))
        return [[self._place(chapter), text]] if text else []

    # --- ties, others, links

    def _tie(self, source: NodeKey, type_: str, target: NodeKey, seen: Iterable[TieChapter]) -> Record:
        """Return a tie's record: its ends, type, and the chapters that state it."""
        edge = self._graph.edges.get((source, type_, target)) or GraphEdge(source, type_, target, {})
        people = self._history.people[source], self._history.people[target]
        made: Record = {"a": self._person[source], "b": self._person[target], "kind": type_}
        made["seen"] = [self._tie_chapter(here, *people) for here in seen]
        if is_added(edge):
            made["added"] = True
            if not edge.numbers("chapters"):  # since both are known
                made["seen"][0][0] = max(self._first(one) for one in people)
        made["ai"] = edge.text("extracted_by") == "ai"
        made["turns"] = [self._place(chapter) for chapter in self._history.turns.get(edge.ref, ())]
        made["turns"] = made["turns"] or [made["seen"][0][0]]
        if since := int(edge.number("since")):  # says a reader
            made["since"] = self._place(since)
            made["turns"] = [made["since"]]
        for key, text in (("label", edge.text("label")), ("text", told_of(edge))):
            if text and ("added" in made or len({here[0] for here in made["seen"]}) == 1):
                made[key] = printable(text)
        return made

    def _first(self, person: PersonHistory) -> int:
        """Return the place of the person's first chapter."""
        return self._place(min(set[int]().union(*person.chapters.values()), default=0))

    def _tie_chapter(self, here: TieChapter, source: PersonHistory, target: PersonHistory) -> list[int]:
        """[chapter, strength, quote, name of the source, name of the target]; the names are positions of
        those that are not yet known to be the person's, else 0; trailing zeros are left out."""
        ends = (source, here.source), (target, here.target)
        unknown = ((person, person.unknown(name, here.chapter)) for person, name in ends)
        names = [list(person.since).index(name) + 1 if name else 0 for person, name in unknown]
        quote = printable(here.quote)
        index = self._quotes.setdefault(quote, len(self._quotes)) if quote else -1
        return [self._place(here.chapter), here.strength, index, *(names if any(names) else ())]

    def _entity(self, node: GraphNode) -> Record:
        """Return the record of an entity that is no character."""
        made: Record = {
            "kind": node.label,
            "name": printable(node.text("name") or node.key),
            "at": self._at(node),
        }
        made["type"] = printable(node.text("type") or node.text("kind") or node.text("importance"))
        made["description"] = (
            [[made["at"][0], printable(node.text("description"))]]
            if node.label == "Event"
            else self._described(node)
        )
        if quote := printable(node.text("evidence")):
            made["quotes"] = [[made["at"][0], self._quotes.setdefault(quote, len(self._quotes))]]
        return made

    def _links(self) -> Iterator[Record]:
        """Of people to organizations and events; an event's place stands with the event."""
        for edge in self._graph.edges.values():
            if edge.source in self._person and edge.target in self._other:
                yield {
                    "person": self._person[edge.source],
                    "other": self._other[edge.target],
                    "role": printable(edge.text("position") or edge.text("role")),
                    "at": self._places(edge.numbers("chapters")) or self._at(self._graph.nodes[edge.target]),
                }

    # --- positions

    def _place(self, chapter: int) -> int:
        """The chapter's position; what no chapter of the book tells is known to a reader of the whole book
        only."""
        return self._chapter.get(chapter, max(0, len(self._chapter) - 1))

    def _places(self, chapters: Iterable[int]) -> list[int]:
        """Return the places of the chapters in the book, sorted, without unknown ones."""
        return sorted({self._chapter[c] for c in chapters if c in self._chapter})

    def _at(self, node: GraphNode) -> list[int]:
        """Return the places of the node's chapters."""
        return self._places(node.numbers("chapters") or node.numbers("chapter_number"))


def _circles(graph: Graph, scene: Scene) -> dict[NodeKey, int]:
    """Character → its group: those drawn at first have theirs, others that of their strongest tie with
    one."""
    groups = {spot.person.node.ref: spot.person.community for spot in scene.spots}
    found = {ref: min(group, PLAIN) for ref, group in groups.items()}
    best: dict[NodeKey, tuple[float, int]] = {}
    for edge in filter(is_tie, graph.edges.values()):
        for one, other in ((edge.source, edge.target), (edge.target, edge.source)):
            if one not in groups and found.get(other, PLAIN) < PLAIN:
                best[one] = max(best.get(one, (0.0, PLAIN)), (edge_weight(edge), found[other]))
    return found | {ref: group for ref, (_, group) in best.items()}


def _words() -> Mapping[str, str]:
    """The page's words in the user's language."""
    area = "explorer."
    return {key.removeprefix(area): text for key, text in texts(language()).items() if key.startswith(area)}
