"""Results of graph queries: plain rows that a notebook shows as a table."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from kgnb.core.errors import optional_package
from kgnb.core.formatting import cut
from kgnb.core.labels import STRUCTURAL_RELATIONS, SYMMETRIC_RELATIONS
from kgnb.core.messages import say, say_or
from kgnb.core.safe_text import one_line
from kgnb.graph.importance import edge_weight, is_tie
from kgnb.graph.model import Graph, GraphEdge, NodeKey, group_of
from kgnb.graph.query import Entity, GraphQuery
from kgnb.graph.relationship_history import PairChapter
from kgnb.graph.resolve.name_listing import ListedName
from kgnb.render.export.ordering import shown_name
from kgnb.render.html import table, text
from kgnb.render.names_text import why_text
from kgnb.render.table import Column, Table, rows
from kgnb.render.tie_words import tie_word

HTML_ROWS = 200
"""Rows that a notebook shows; the result itself holds all."""
TEXT_ROWS = 20
TEXT_COLUMNS = 300
"""Characters of a printed row."""
CELL_COLUMNS = 120
STYLE = f"<style>\n{Path(__file__).with_name('query_results.css').read_text('utf-8')}</style>"


class QueryRows(list[dict[str, Any]]):
    """Rows as dicts, ready for pandas or json; a notebook shows them under ``title`` and ``note``."""

    def __init__(
        self,
        title: str,
        rows: Iterable[dict[str, Any]],
        note: str = "",
        *,
        every_column: bool = False,
    ) -> None:
        super().__init__(rows)
        self.title, self.note = title, note
        self._every_column = every_column

    def _table(self, most: int, width: int) -> Table:
        """Return the first ``most`` rows, texts cut to ``width``, without columns that are empty in all rows
        unless the user asked for each of them.
        """
        keys = list(self[0]) if self else []
        if not self._every_column:
            keys = [k for k in keys if any(row[k] not in ("", [], 0, None) for row in self)]
        is_number = {key: any(isinstance(row[key], int) for row in self[:most]) for key in keys}
        heads = (
            Column(key, say_or(f"explore.col_{key}", key), "count" if is_number[key] else "text")
            for key in keys
        )
        return Table(tuple(heads), rows({key: _cell(row[key], width) for key in keys} for row in self[:most]))

    def frame(self) -> Any:
        """Return the rows as a pandas DataFrame. Raises ImportError that names the install command where
        pandas is missing.
        """
        return optional_package("pandas").DataFrame(list(self))

    def _rest_note(self, shown: int) -> str:
        """Return the note that only ``shown`` rows are shown; "" if these are all."""
        return say("explore.more", shown=shown, all=len(self)) if len(self) > shown else ""

    def _repr_html_(self) -> str:
        """Return the rows as an HTML table, for a notebook's output."""
        shown = f'<div class="s">{table(self._table(HTML_ROWS, CELL_COLUMNS))}</div>' if self else ""
        more = self._rest_note(HTML_ROWS)
        quiet = f"<span>{text(self.note)}</span>" if self.note else ""
        below = f'<div class="d">{text(more)}</div>' if more else ""
        head = f'<div class="h">{text(self.title)}{quiet}</div>'
        return f'{STYLE}<div class="kgnb-x">{head}{shown}{below}</div>'

    def __repr__(self) -> str:
        table = self._table(TEXT_ROWS, TEXT_COLUMNS)
        lines = [one_line(" · ".join(filter(None, (self.title, self.note))), TEXT_COLUMNS)]
        for row in table.rows:
            cells = ((column.title, row.cells[column.key].value) for column in table.columns)
            facts = [f"{title} {value}" for title, value in cells if value != ""]
            lines.append("  " + one_line(" | ".join(facts), TEXT_COLUMNS))
        return "\n".join(filter(None, [*lines, self._rest_note(TEXT_ROWS)]))


def _cell(value: object, width: int) -> object:
    """Return a value as shown: lists joined, texts cut to ``width``, "" for None."""
    if isinstance(value, list):
        value = say("picture.comma").join(map(str, value))
    return "" if value is None else cut(value, width) if isinstance(value, str) else value


def relation(edge: GraphEdge, seen_from: NodeKey) -> str:
    """Return the tie in words with an arrow for its direction: "父亲 →" where ``seen_from`` is the source,
    else "← 父亲".

    Symmetric and structural types have no arrow.
    """
    word = tie_word(edge)
    if edge.type in SYMMETRIC_RELATIONS or edge.type in STRUCTURAL_RELATIONS:
        return word
    return f"{word} →" if edge.source == seen_from else f"← {word}"


def _relations(edges: Iterable[GraphEdge], seen_from: NodeKey) -> list[str]:
    """Return the edges in words, each once."""
    return list(dict.fromkeys(relation(edge, seen_from) for edge in edges))


def _first_text(edges: Iterable[GraphEdge], *keys: str) -> str:
    """Return the first text that is not empty, by key, then by edge; "" for none."""
    texts = (edge.text(key) for key in keys for edge in edges)
    return next(filter(None, texts), "")


def _chapter_count(edges: Iterable[GraphEdge]) -> int:
    """Return the number of different chapters of the edges."""
    return len({number for edge in edges for number in edge.numbers("chapters")})


def _strength(edges: Iterable[GraphEdge]) -> int:
    """Return the highest strength of the edges; 0 for none."""
    return round(max((e.number("strength") for e in edges), default=0.0))


def matches(query: GraphQuery, text: str) -> QueryRows:
    """Return a table of the entities with ``text`` in a name or in the description; where it is empty, a note
    suggests similar names.
    """
    rows = [
        {
            "name": e.name,
            "kind": say(f"explore.kind_{e.kind}"),
            "aliases": list(e.aliases),
            "chapters": len(e.chapters),
            "first": next(iter(e.chapters), 0),
            "description": e.description,
        }
        for e in query.find(text)
    ]
    note = say("explore.found", count=len(rows))
    if not rows:
        close = query.names.nearest(text)
        note = say("explore.close", names=", ".join(close)) if close else say("explore.nothing")
    return QueryRows(say("explore.find", text=text), rows, note)


def neighbours(query: GraphQuery, name: str) -> QueryRows:
    """Return a table of an entity's neighbours, the closest first. Raises InputError for an unknown or
    ambiguous name.
    """
    entity = query.entity(name)
    rows = [
        {
            "name": n.entity.name,
            "kind": say(f"explore.kind_{n.entity.kind}"),
            "relations": _relations(n.edges, entity.ref),
            "strength": _strength(n.edges),
            "chapters": _chapter_count(n.edges),
            "description": _first_text(n.edges, "description"),
            "evidence": _first_text(n.edges, "evidence"),
        }
        for n in query.neighbours(entity.ref)
    ]
    title = say("explore.neighbours", name=entity.name)
    note = _entity_note(entity) if rows else say("explore.alone")
    return QueryRows(title, rows, note)


def path(query: GraphQuery, a: str, b: str) -> QueryRows:
    """Return a table of the steps of the shortest path between two entities; without steps a note says why.
    Raises InputError for an unknown or ambiguous name.
    """
    start, end = query.entity(a), query.entity(b)
    rows = [
        {
            "source": s.source.name,
            "relations": _relations(s.edges, s.source.ref),
            "target": s.target.name,
            "strength": _strength(s.edges),
            "chapters": _chapter_count(s.edges),
            "evidence": _first_text(s.edges, "evidence", "description"),
        }
        for s in query.path(start.ref, end.ref)
    ]
    title = say("explore.path", source=start.name, target=end.name)
    if start.ref == end.ref:
        note = say("explore.same")
    else:
        note = say("explore.steps", count=len(rows)) if rows else say("explore.no_path")
    return QueryRows(title, rows, note)


def between(a: Entity, b: Entity, turns: Sequence[PairChapter]) -> QueryRows:
    """Return a table of two entities' ties and common events by chapter."""
    rows = [
        {
            "chapter": t.chapter,
            "title": t.title,
            "relations": _relations(t.edges, a.ref),
            "strength": _strength(t.edges) or None,
            "events": list(t.events),
            "description": _first_text(t.edges, "description"),
            "evidence": _first_text(t.edges, "evidence"),
        }
        for t in turns
        if t.edges or t.events
    ]
    title = say("explore.between", a=a.name, b=b.name)
    if not turns or a.ref == b.ref:
        return QueryRows(title, [], say("explore.same") if a.ref == b.ref else say("explore.apart"))
    note = say("explore.between_note", both=len(turns), tied=sum(bool(t.edges) for t in turns))
    return QueryRows(title, rows, note)


def timeline(query: GraphQuery, name: str) -> QueryRows:
    """Return a table of an entity's chapters with events and companions. Raises InputError for an unknown or
    ambiguous name.
    """
    entity = query.entity(name)
    rows = [
        {"chapter": e.chapter, "title": e.title, "events": list(e.events), "with": list(e.companions)}
        for e in query.timeline(entity.ref)
    ]
    title = say("explore.timeline", name=entity.name)
    return QueryRows(title, rows, _entity_note(entity))


def top(query: GraphQuery, count: int, kind: str) -> QueryRows:
    """Return a table of the ``count`` most important entities of a kind."""
    rows = [
        {
            "name": e.name,
            "aliases": list(e.aliases),
            "chapters": len(e.chapters),
            "first": min(e.chapters, default=0),
            "last": max(e.chapters, default=0),
            "ties": ties,
            "events": events,
            "description": e.description,
        }
        for e in query.top(count, kind)
        for ties, events in [query.count_neighbours(e.ref)]
    ]
    title = say("explore.top", kind=say(f"explore.kind_{kind}"))
    note = say("explore.top_note", count=len(query.chapter_titles)) if rows else say("explore.nothing")
    return QueryRows(title, rows, note)


def relations(graph: Graph) -> QueryRows:
    """Return a table of all ties between characters: stated relations before acquaintances, then the
    strongest first.
    """
    ties = sorted(
        (edge for edge in graph.edges.values() if is_tie(edge)),
        key=lambda e: (group_of(e.type) == "other", -edge_weight(e), e.ref),
    )
    rows = [
        {
            "source": shown_name(graph.nodes[edge.source]),
            "relations": tie_word(edge),
            "target": shown_name(graph.nodes[edge.target]),
            "kind": edge.type,
            "strength": round(edge.number("strength")),
            "chapters": _chapter_count([edge]),
            "description": edge.text("description"),
            "evidence": edge.text("evidence"),
        }
        for edge in ties
        if edge.source in graph.nodes and edge.target in graph.nodes
    ]
    return QueryRows(say("explore.all_relations"), rows)


def names(listed: Iterable[ListedName]) -> QueryRows:
    """Return a table of all aliases of characters with reason, probability (0-1) and chapter counts."""
    rows = [
        {
            "name": person.name,
            "alias": why.alias,
            "why": why_text(why),
            "probability": why.certainty,
            "chapters_joined": why.joined,
            "chapters_apart": why.apart,
        }
        for person in listed
        for why in person.reasons
    ]
    return QueryRows(say("explore.all_names"), rows)


def _entity_note(entity: Entity) -> str:
    """Return aliases and chapters of an entity in a line; "" for an entity with neither."""
    facts = []
    if entity.aliases:
        facts.append(say("picture.aliases") + ": " + say("picture.comma").join(entity.aliases))
    if entity.chapters:
        facts += [say("picture.chapters", n=len(entity.chapters)), say("picture.first", n=entity.chapters[0])]
    return " · ".join(facts)
