"""A reader's corrections of a book: checked against its graph, stored, and the graph made anew."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

from kgnb.app.context import App
from kgnb.app.graphs import graph_of
from kgnb.app.refresh import refresh_novel
from kgnb.core.errors import InputError
from kgnb.core.labels import CHARACTER_RELATIONS
from kgnb.core.messages import say
from kgnb.graph.model import NAMED_LABELS, Graph
from kgnb.graph.name_index import NameIndex
from kgnb.graph.project.corrections import correct
from kgnb.graph.resolve.decisions import Decision, Kind


@dataclass(frozen=True, slots=True)
class Applied:
    """What became of a correction: the decision as stored, or why it was not (``problem``).

    ``new``: False where the same stood already.
    """

    decision: Decision
    new: bool = False
    problem: str = ""


async def corrections_of(app: App, novel_id: int) -> Sequence[Decision]:
    """Return all decisions about the book, oldest first, those that were undone too."""
    return await app.ledger.name_decisions.read(novel_id)


async def apply(app: App, novel_id: int, wanted: Iterable[Decision], *, by: str) -> list[Applied]:
    """Store the corrections that fit the book, each after those before it; then make its graph anew.

    Those that fit nothing, or contradict what stands, are not stored and say why. Raises InputError for an
    unknown novel, ServiceDown.
    """
    graph = await graph_of(app, novel_id)
    known_types = {*CHARACTER_RELATIONS, *(edge.type for edge in graph.edges.values())}
    done = []
    for one in wanted:
        people = _people(graph)
        if problem := await asyncio.to_thread(_problem, graph, people, one, known_types):
            done.append(Applied(one, problem=problem))
        else:
            names = tuple(map(people.form, one.names))  # as the book writes them, however they were typed
            fitting = replace(one, names=names, made_by=by)
            stored, new = await app.ledger.name_decisions.add(novel_id, fitting)
            done.append(Applied(stored, new))
    if any(one.new for one in done):
        await refresh_novel(app, novel_id)
    return done


def _people(graph: Graph) -> NameIndex[str]:
    characters = [node for node in graph.nodes.values() if node.label == "Character"]
    characters.sort(key=lambda node: -node.number("count"))
    return NameIndex((node.key, node.text("name"), node.texts("aliases")) for node in characters)


def _problem(graph: Graph, people: NameIndex[str], decision: Decision, known_types: set[str]) -> str:
    """Why the correction fits nothing, "" where it does; what it changes is changed in ``graph``."""
    # A merge may name an alias that the book doesn't have, a rename a new name.
    needed = decision.names if decision.kind in ("tie", "untie") else decision.names[:1]
    for name in needed:
        bearers = people.bearers(name)
        if not bearers:
            near = say("status.comma").join(people.nearest(name)) or "—"
            return say("corrections.unknown", name=name, near=near)
        if len(bearers) > 1:
            return say("corrections.several", name=name, people=say("status.comma").join(bearers))
    taken = people.bearers(decision.names[1]) if decision.kind == "rename" else []
    if taken and taken != people.bearers(decision.names[0]):
        return say("corrections.taken", name=decision.names[1])
    if decision.kind == "tie" and decision.detail not in known_types:
        return say("corrections.no_type", type=decision.detail, known=", ".join(sorted(known_types)))
    if correct(graph, [replace(decision, id=1)]):
        first, *others = decision.names
        return say("corrections.nothing", name=first, others=say("status.comma").join(others))
    return ""


class BookCorrections:
    """A book's corrections, as ``book.fix`` offers them.

    Each method stores one correction and returns its number, for :meth:`undo`; it raises InputError where it
    fits nothing in the book, or contradicts what stands. Names may be aliases.
    """

    def __init__(self, apply: Callable[[Decision], Applied], undo: Callable[[int], bool]) -> None:
        self._apply = apply
        self._undo = undo

    def _store(self, kind: Kind, *names: str, detail: str = "", reason: str = "") -> int:
        done = self._apply(Decision(0, kind, names, detail=detail, reason=reason))
        if done.problem:
            raise InputError("corrections.problem", problem=done.problem)
        return done.decision.id

    def rename(self, name: str, new: str, reason: str = "") -> int:
        """Call a character by another name; the old one becomes an alias."""
        return self._store("rename", name, new, reason=reason)

    def alias(self, name: str, alias: str, reason: str = "") -> int:
        """Give a character an alias; another character of this name becomes one with it."""
        return self._store("merge", name, alias, reason=reason)

    def not_a_person(self, name: str, kind: str = "", reason: str = "") -> int:
        """Take somebody out of the characters; ``kind``: Location, Organization or Thing, "" for nothing
        at all."""
        if kind not in NAMED_LABELS[1:] and kind:
            raise InputError("explore.unknown_kind", kind=kind, known=", ".join(NAMED_LABELS[1:]))
        return self._store("kind", name, detail=kind, reason=reason)

    def tie(self, source: str, type: str, target: str, reason: str = "") -> int:
        """Add a tie of a relationship type, such as SIBLING."""
        return self._store("tie", source, target, detail=type, reason=reason)

    def untie(self, source: str, target: str, type: str = "", reason: str = "") -> int:
        """Take the ties between two characters away: all, or those of a type."""
        return self._store("untie", source, target, detail=type, reason=reason)

    def protagonist(self, name: str, yes: bool = True, reason: str = "") -> int:
        """Say that a character is a protagonist, or is none."""
        return self._store("protagonist", name, detail="yes" if yes else "no", reason=reason)

    def note(self, name: str, text: str) -> int:
        """Write a note on a character; an empty one takes it away."""
        return self._store("note", name, detail=text)

    def undo(self, number: int) -> bool:
        """Undo a correction, a merge or a split; return whether it stood.

        Raises InputError for an unknown number.
        """
        return self._undo(number)
