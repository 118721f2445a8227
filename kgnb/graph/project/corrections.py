"""A reader's corrections, applied to the finished graph: pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from kgnb.core.labels import SYMMETRIC_RELATIONS
from kgnb.graph.model import EdgeKey, Graph, GraphEdge, GraphNode, NodeKey, Value
from kgnb.graph.name_index import NameIndex
from kgnb.graph.project.protagonists import PROTAGONIST_SCORE
from kgnb.graph.resolve.decisions import Decision

STRENGTH = 5
"""Strength of a tie that a reader adds: the middle of the scale."""


def correct(graph: Graph, decisions: Iterable[Decision]) -> list[int]:
    """Change ``graph`` by the corrections in force, in the order of their ids; return ids of those without
    effect.

    A correction has no effect where no character, or several, bear its name. Merges and splits are ignored.
    """
    corrector = Corrector(graph)
    in_force = [d for d in sorted(decisions, key=lambda d: d.id) if d.in_force]
    return [d.id for d in in_force if not corrector.apply(d)]


class Corrector:
    """Applies corrections to a graph, whose characters are found by their names."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self._people: NameIndex[NodeKey] | None = None

    def apply(self, decision: Decision) -> bool:
        """Change the graph by a correction; return whether its character or tie was found.

        A merge or a split changes nothing and returns True.
        """
        if decision.kind not in _APPLY:
            return True
        node = self.person(decision.names[0])
        done = node is not None and _APPLY[decision.kind](self, node, decision)
        if decision.kind in _OF_CHARACTERS:
            self._people = None
        return done

    @property
    def people(self) -> NameIndex[NodeKey]:
        """Index from names to the keys of characters, as the graph is now; characters of most chapters
        first.
        """
        if self._people is None:
            characters = [node for node in self.graph.nodes.values() if node.label == "Character"]
            characters.sort(key=lambda node: -node.number("count"))
            bearers = ((node.ref, node.text("name"), node.texts("aliases")) for node in characters)
            self._people = NameIndex(bearers)
        return self._people

    def person(self, name: str) -> GraphNode | None:
        """Return the only character that bears the name; None where no character, or several, bear it."""
        found = self.people.bearers(name)
        return self.graph.nodes[found[0]] if len(found) == 1 else None


def _rename(corrector: Corrector, node: GraphNode, decision: Decision) -> bool:
    """Rename a character, its edges and its place in events; return False where the new name is another
    character's.
    """
    graph, name = corrector.graph, decision.names[1]
    if ("Character", name) in graph.nodes:
        return node.key == name
    aliases = [alias for alias in sorted({*node.texts("aliases"), node.key}) if alias != name]
    renamed = GraphNode("Character", name, {**node.properties, "name": name, "aliases": aliases})
    graph.nodes = {
        (renamed.ref if ref == node.ref else ref): (renamed if ref == node.ref else n)
        for ref, n in graph.nodes.items()
    }
    _move_edges(graph, {node.ref: renamed.ref})
    for event in graph.nodes.values():
        if event.label == "Event" and node.key in event.texts("participants"):
            people = [name if one == node.key else one for one in event.texts("participants")]
            event.properties = {**event.properties, "participants": sorted(people)}
    return True


def _move_edges(graph: Graph, moved: Mapping[NodeKey, NodeKey]) -> None:
    """Rename ends of edges; a symmetric edge keeps its ends in order."""
    edges: dict[EdgeKey, GraphEdge] = {}
    for edge in graph.edges.values():
        source, target = moved.get(edge.source, edge.source), moved.get(edge.target, edge.target)
        if edge.type in SYMMETRIC_RELATIONS and target < source:
            source, target = target, source
        same = (source, target) == (edge.source, edge.target)
        one = edge if same else GraphEdge(source, edge.type, target, edge.properties)
        edges[one.ref] = one
    graph.edges = edges


def _change_kind(corrector: Corrector, node: GraphNode, decision: Decision) -> bool:
    """Remove a character, or make another kind of entity of it in the same chapters; return True."""
    graph = corrector.graph
    del graph.nodes[node.ref]
    graph.edges = {
        key: edge for key, edge in graph.edges.items() if node.ref not in (edge.source, edge.target)
    }
    label = decision.detail
    if label and (label, node.key) not in graph.nodes:
        facts = {key: node.properties[key] for key in _OF_ANY_KIND if key in node.properties}
        extra: dict[str, Value] = (
            {"kind": "", "aliases": node.texts("aliases")} if label == "Thing" else {"type": ""}
        )
        graph.nodes[label, node.key] = GraphNode(label, node.key, {**facts, **extra})
    return True


def _tie(corrector: Corrector, source: GraphNode, decision: Decision) -> bool:
    """Add a tie between two characters; return False unless the second is known and another, and its chapter
    exists.
    """
    graph, target = corrector.graph, corrector.person(decision.names[1])
    if target is None or source is target:
        return False
    one, other = (
        (source, target)
        if decision.detail not in SYMMETRIC_RELATIONS
        else sorted((source, target), key=lambda n: n.ref)
    )
    chapters = {*source.numbers("chapters")} & {*target.numbers("chapters")}
    facts: dict[str, Value] = {}
    if decision.chapters:
        since = decision.chapters[0]
        if not any(since in node.numbers("chapter_number") for node in graph.nodes.values()):
            return False  # of a reader who isn't there yet
        chapters = {since, *(number for number in chapters if number > since)}
        facts["since"] = since
    key = one.ref, decision.detail, other.ref
    if key not in graph.edges or decision.chapters:
        made: dict[str, Value] = {
            **{
                name: source.properties[name] for name in ("novel_id", "task_id") if name in source.properties
            },
            **{"extracted_by": "", "confidence": 1.0, "strength": STRENGTH, "description": decision.reason},
        }
        known = graph.edges[key].properties if key in graph.edges else made
        facts |= {"chapters": sorted(chapters), "count": len(chapters)}
        graph.edges[key] = GraphEdge(*key, {**known, **facts})
    return True


def _untie(corrector: Corrector, node: GraphNode, decision: Decision) -> bool:
    """Remove the ties between two characters, of one type or all; return whether there was any."""
    graph, other = corrector.graph, corrector.person(decision.names[1])
    if other is None or other is node:
        return False
    gone = [
        key
        for key, edge in graph.edges.items()
        if {edge.source, edge.target} == {node.ref, other.ref} and decision.detail in ("", edge.type)
    ]
    for key in gone:
        del graph.edges[key]
    return bool(gone)


def _set_protagonist(_: Corrector, node: GraphNode, decision: Decision) -> bool:
    """Make a character a protagonist or not, its score to match; return True."""
    yes = decision.detail == "yes"
    score = int(node.number("protagonist_score"))
    score = max(score, PROTAGONIST_SCORE) if yes else min(score, PROTAGONIST_SCORE - 1)
    node.properties = {**node.properties, "is_protagonist": yes, "protagonist_score": score}
    return True


def _note(_: Corrector, node: GraphNode, decision: Decision) -> bool:
    """Set or (for "") remove a character's note; return True."""
    rest = {key: value for key, value in node.properties.items() if key != "note"}
    node.properties = {**rest, "note": decision.detail} if decision.detail else rest
    return True


_APPLY: Mapping[str, Callable[[Corrector, GraphNode, Decision], bool]] = {
    "rename": _rename,
    "kind": _change_kind,
    "tie": _tie,
    "untie": _untie,
    "protagonist": _set_protagonist,
    "note": _note,
}
_OF_ANY_KIND = (
    *("name", "novel_id", "task_id", "extracted_by"),
    *("confidence", "chapters", "count", "description"),
)
"""Properties that a character keeps where it becomes a place, an organization or a thing."""
_OF_CHARACTERS = ("rename", "kind")
"""Corrections that change who is called what."""
