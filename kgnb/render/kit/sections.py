"""Builds a book's document from its graph: cast, places, organizations, things, events, contradictions."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence

from kgnb.core.formatting import number_ranges
from kgnb.core.labels import SYMMETRIC_RELATIONS
from kgnb.core.messages import say
from kgnb.graph.book_history import BookHistory
from kgnb.graph.continuity import Contradiction
from kgnb.graph.importance import is_tie
from kgnb.graph.model import Graph, GraphEdge, GraphNode, NodeKey, group_of
from kgnb.graph.query import Entity, GraphQuery, Neighbour
from kgnb.render.kit.document import Cell, Kit, Line, Link, Part, Quote, Section, Table, joined, line, shown
from kgnb.render.tie_words import tie_word, told_of

MAIN = 30
"""Characters with a page of their own in a document that is read from front to back."""
COMPANY = 12
"""Most companions that a list names: those of most shared chapters."""
RANGES, RANGES_IN_TABLE = 8, 3
"""Most ranges of chapters that a line or a cell shows; it says how many chapters there are in all."""
_COLUMNS = {"name": 3, "aliases": 4, "chapters": 4, "described": 6}
_EXTENT = {"Character": "cast", "Location": "places", "Organization": "groups", "Thing": "things"}


def build_kit(
    graph: Graph,
    history: BookHistory,
    contradictions: Sequence[Contradiction] = (),
    *,
    title: str = "",
    until: int = 0,
) -> Kit:
    """Return the document of the book; its texts are in the user's language, each on one line.

    ``until``: the chapter at which ``graph`` and ``history`` end, named in the introduction; 0 for the whole
    book.
    """
    return _Builder(graph, history).kit(contradictions, title, until)


class _Builder:
    def __init__(self, graph: Graph, history: BookHistory) -> None:
        self._graph, self._history = graph, history
        self._query = GraphQuery(graph)
        self._comma = say("picture.comma")
        self._titles = self._query.chapter_titles

    def kit(self, contradictions: Sequence[Contradiction], title: str, until: int) -> Kit:
        """Return the whole document; parts without content are left out."""
        events = self._of("Event")
        counts = {**{name: len(self._of(kind)) for kind, name in _EXTENT.items()}, "events": len(events)}
        held = [say(f"kit.{name}_count", n=n) for name, n in counts.items() if n] or [say("kit.nothing_yet")]
        about = [line("kit.about", chapters=len(self._titles), held=self._comma.join(held))]
        about += [line("kit.about_until", chapter=until)] if until else []
        parts = [self._kind(kind) for kind in _EXTENT] + [self._timeline(events)]
        found = [self._contradiction(one) for one in contradictions]
        if found:
            parts.append(Section(say("kit.contradictions"), [line("kit.contradictions_about"), *found]))
        wanted = [part for part in parts if part.lines or part.table or part.sections]
        return Kit(shown(title) or say("kit.untitled"), about, wanted, until)

    def _of(self, kind: str) -> list[Entity]:
        """The entities of a kind, the most important first."""
        return self._query.top(len(self._query.entities), kind)

    # --- entities

    def _kind(self, kind: str) -> Section:
        """The part about a kind of entities: a table of all, and a section of each."""
        entities = self._of(kind)
        if not entities:
            return Section("")
        rows = [self._row(one) for one in entities]
        columns = [n for n in range(len(_COLUMNS)) if n == 0 or any(row[n] for row in rows)]
        heads, widths = [say(f"kit.{name}") for name in _COLUMNS], list(_COLUMNS.values())
        cells = [[row[n] for n in columns] for row in rows]
        table = Table([heads[n] for n in columns], cells, [widths[n] for n in columns])
        sections = [
            self._entity(one, main=n < MAIN and kind == "Character") for n, one in enumerate(entities)
        ]
        if kind == "Character":  # after those with a page of their own
            return Section(say("kit.cast"), sections=[*sections, Section(say("kit.everybody"), table=table)])
        return Section(say(f"kit.{_EXTENT[kind]}"), table=table, sections=sections)

    def _row(self, one: Entity) -> list[Cell]:
        """Return an entity's row in the table of its kind: name, aliases, chapters, description."""
        node = self._graph.nodes[one.ref]
        kind = node.text("title") or node.text("type") or node.text("kind")
        told = [shown(text) for text in (kind, one.description) if text]
        stated = [self._tie(one, edge, brief=True).parts for edge in self._stated(one)[:2]]
        within = [self._link(n.entity) for n, edge in self._containment(one) if edge.target == one.ref]
        described: list[Part | Cell] = [
            *told,
            *(line("kit.within", places=(place,)).parts for place in within),
        ]
        chapters = self._chapters(one.chapters, RANGES_IN_TABLE)
        return [
            (self._link(one),),
            (self._comma.join(map(shown, one.aliases)),) if one.aliases else (),
            (chapters,) if chapters else (),
            joined([*described, *(stated if not told else [])], say("kit.semicolon")),
        ]

    def _entity(self, one: Entity, *, main: bool) -> Section:
        """Return the section of an entity, of a character with ties and history."""
        node = self._graph.nodes[one.ref]
        sections = []
        if one.kind == "Character":
            ties = [self._tie(one, edge) for edge in self._stated(one)]
            sections = [Section(say("kit.ties"), [*ties, *self._company(one)]), self._arc(one)]
        return Section(
            shown(one.name),
            [*self._facts(one, node)],
            sections=[section for section in sections if section.lines],
            ref=one.ref,
            aliases=[shown(alias) for alias in one.aliases],
            traits=[shown(trait) for trait in node.texts("traits")],
            main=main,
        )

    def _facts(self, one: Entity, node: GraphNode) -> Iterator[Line]:
        """Yield the lines on an entity: description, note, aliases, traits, chapters, places."""
        for text in (one.description, node.text("note")):
            if text:
                yield Line((shown(text),))
        if one.aliases:
            yield line("kit.called", names=self._comma.join(map(shown, one.aliases)))
        for key in ("title", "type", "kind"):
            if text := node.text(key):
                yield line(f"kit.{key}", text=shown(text))
        if traits := node.texts("traits"):
            yield line("kit.traits", text=self._comma.join(map(shown, traits)))
        if one.chapters:
            yield line("kit.present", chapters=self._chapters(one.chapters))
        inside = [self._link(n.entity) for n, edge in self._containment(one) if edge.source == one.ref]
        for near, edge in self._containment(one):
            if edge.target == one.ref:
                yield line("kit.within", self._quote(edge), places=(self._link(near.entity),))
        if inside:
            yield line("kit.contains", places=joined(inside, self._comma))
        for near in self._query.neighbours(one.ref):
            for edge in near.edges:
                if edge.type == "BELONGS_TO":
                    position = shown(edge.text("position")) or say("relation.BELONGS_TO")
                    yield line(
                        "kit.member", self._quote(edge), other=self._link(near.entity), position=position
                    )

    def _containment(self, one: Entity) -> list[tuple[Neighbour, GraphEdge]]:
        """Return (neighbour, edge) for each place that contains this one or is in it; [] for other kinds."""
        near = self._query.neighbours(one.ref) if one.kind == "Location" else ()
        return [(n, edge) for n in near for edge in n.edges if edge.type == "CONTAINS"]

    # --- ties and arc

    def _stated(self, one: Entity) -> list[GraphEdge]:
        """The ties that say more than an acquaintance, of the closest first."""
        near = self._query.neighbours(one.ref)
        edges = [edge for n in near for edge in n.edges if is_tie(edge)]
        return [edge for edge in edges if group_of(edge.type) != "other" or edge.text("label")]

    def _tie(self, one: Entity, edge: GraphEdge, *, brief: bool = False) -> Line:
        """Return the line of a tie seen from ``one``, with its quote; ``brief``: without description and
        chapters.
        """
        source, target = (self._end(ref, one) for ref in (edge.source, edge.target))
        if edge.type in SYMMETRIC_RELATIONS and edge.target == one.ref:
            source, target = target, source
        key = "kit.tie_both" if edge.type in SYMMETRIC_RELATIONS else "kit.tie"
        made = line(key, self._quote(edge), a=source, b=target, relation=shown(tie_word(edge)))
        if brief:
            return made
        facts = [shown(told)] if (told := told_of(edge)) else []
        chapters = self._chapters(edge.numbers("chapters"))
        facts += [chapters] if chapters else []
        return Line(
            (*made.parts, say("kit.aside", text=say("kit.semicolon").join(facts)) if facts else ""),
            made.quotes,
        )

    def _end(self, ref: NodeKey, one: Entity) -> Part:
        """Return an end of a tie: a text for ``one`` itself, else a link."""
        return shown(one.name) if ref == one.ref else self._link(self._query.entities[ref])

    def _company(self, one: Entity) -> Iterator[Line]:
        """The characters met in most chapters."""
        met = self._meetings(one)
        if met:
            most = [(self._link(n), say("kit.times", n=len(chapters))) for n, chapters in met[:COMPANY]]
            yield line("kit.company", people=joined(most, self._comma))

    def _meetings(self, one: Entity) -> list[tuple[Entity, list[int]]]:
        """The characters with whom the graph ties the character, and the chapters that say so, most first."""
        met = []
        for near in self._query.neighbours(one.ref):
            chapters = sorted({n for edge in near.edges if is_tie(edge) for n in edge.numbers("chapters")})
            if chapters:
                met.append((near.entity, chapters))
        return sorted(met, key=lambda pair: (-len(pair[1]), pair[0].ref))

    def _arc(self, one: Entity) -> Section:
        """Return the section of the character's news in each chapter: new names, ties, companions, events."""
        ties, stated = self._ties_by_chapter(one)
        names = self._names_by_chapter(one)
        met: defaultdict[int, list[Link]] = defaultdict(list)
        for other, chapters in self._meetings(one)[:COMPANY]:
            if other.ref not in stated:
                met[chapters[0]].append(self._link(other))
        events: defaultdict[int, list[Entity]] = defaultdict(list)
        for near in self._query.neighbours(one.ref):
            if near.entity.kind == "Event":
                events[min(near.entity.chapters, default=0)].append(near.entity)
        lines = []
        for number in sorted({*ties, *names, *met, *events}):
            told = [line("kit.arc_name", names=self._comma.join(names[number]))] if names[number] else []
            told += [line("kit.arc_meets", people=joined(met[number], self._comma))] if met[number] else []
            told += [*ties[number], *map(self._event, sorted(events[number], key=self._place))]
            lines += [Line((say("kit.in_chapter", chapter=number), *one.parts), one.quotes) for one in told]
        return Section(say("kit.arc"), lines)

    def _names_by_chapter(self, one: Entity) -> defaultdict[int, list[str]]:
        """The names that a reader learns to be the character's after the first chapter."""
        person, found = self._history.people.get(one.ref), defaultdict[int, list[str]](list)
        for name, since in (person.since if person else {}).items():
            if since > min(one.chapters, default=since):
                found[since].append(shown(name))
        return found

    def _ties_by_chapter(self, one: Entity) -> tuple[defaultdict[int, list[Line]], set[NodeKey]]:
        """The ties that say more than an acquaintance, in the chapter that says so first, and whom they join;
        with that chapter's quote where the tie itself has another."""
        found: defaultdict[int, list[Line]] = defaultdict(list)
        joins = set[NodeKey]()
        for edge in self._stated(one):
            joins |= {edge.source, edge.target}
            seen = [here for here in self._history.ties.get(edge.ref, ()) if here.chapter]
            if first := next((here for here in seen if here.quote), next(iter(seen), None)):
                quotes = _quotes(first.quote, first.chapter) if first.quote != edge.text("evidence") else ()
                found[first.chapter].append(Line(self._tie(one, edge, brief=True).parts, quotes))
        return found, joins

    # --- events and contradictions

    def _timeline(self, events: Sequence[Entity]) -> Section:
        """Return the section of all events by chapter; an empty one for none."""
        if not events:
            return Section("")
        told: defaultdict[int, list[Entity]] = defaultdict(list)
        for event in events:
            told[min(event.chapters, default=0)].append(event)
        sections = [
            Section(
                self._chapter(number), [self._event(one) for one in sorted(told[number], key=self._place)]
            )
            for number in sorted(told)
        ]
        return Section(say("kit.events"), sections=sections)

    def _place(self, event: Entity) -> tuple[float, NodeKey]:
        """Return a sort key: an event's place in its chapter."""
        return self._graph.nodes[event.ref].number("sequence"), event.ref

    def _event(self, event: Entity) -> Line:
        """Return the line of an event with people, places and quote."""
        node = self._graph.nodes[event.ref]
        near = [n.entity for n in self._query.neighbours(event.ref)]
        people = [self._link(one) for one in near if one.kind == "Character"]
        places = [self._link(one) for one in near if one.kind == "Location"]
        told = [event.name, event.description]
        told = told[1:] if told[1].startswith(told[0]) else told
        parts: list[Part | Cell] = [shown(text) for text in told if text]
        parts += [joined(people, self._comma)] if people else []
        parts += [line("kit.at_place", place=joined(places, self._comma)).parts] if places else []
        quotes = _quotes(node.text("evidence"), min(event.chapters, default=0))
        return Line(joined(parts, say("kit.semicolon")), quotes)

    def _contradiction(self, one: Contradiction) -> Line:
        """Return the line of a contradiction with its quotes."""
        entities = self._query.entities
        facts = {k: self._link(entities[v]) if isinstance(v, tuple) else v for k, v in one.facts.items()}
        quotes = [Quote(shown(text), chapter) for chapter, text in one.quotes]
        return line(f"kit.{one.kind}", *quotes, **facts)

    # --- words

    def _link(self, one: Entity) -> Link:
        """Return a link to an entity."""
        return Link(shown(one.name), one.ref)

    def _chapters(self, numbers: Sequence[int], most: int = RANGES) -> str:
        """Return chapter numbers as ranges in words, at most ``most`` of them; "" for none."""
        ranges = number_ranges(numbers)
        if len(ranges) <= most:
            return say("kit.in_chapters", chapters=self._comma.join(ranges)) if ranges else ""
        shown_ones = self._comma.join(ranges[:most])
        return say("kit.in_many", chapters=shown_ones, last=max(numbers), n=len(set(numbers)))

    def _chapter(self, number: int) -> str:
        """Return a chapter's number and title."""
        return say("kit.chapter", chapter=number, title=shown(self._titles.get(number, ""))).strip()

    def _quote(self, edge: GraphEdge) -> Quote:
        """Return an edge's quote with the number of its chapter, 0 for unknown."""
        number = self._query.chapter_numbers.get(int(edge.number("chapter_id")), 0)
        return Quote(shown(edge.text("evidence")), number)


def _quotes(text: str, chapter: int) -> tuple[Quote, ...]:
    """Return the quote as a tuple of one; () for ""."""
    return (Quote(shown(text), chapter),) if text else ()
