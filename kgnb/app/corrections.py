"""A reader's decisions about a book (corrections, merges, splits): checked against its graph, stored, undone,
and the graph made anew. They work without nodes, and while tasks of the novel run.
"""

from __future__ import annotations

import asyncio
import logging
from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import get_args

from kgnb.app.context import App
from kgnb.app.graphs import graph_of
from kgnb.app.refresh import refresh_stale
from kgnb.core.errors import InputError
from kgnb.core.labels import CHARACTER_RELATIONS
from kgnb.core.messages import Language, say, say_or, texts
from kgnb.core.safe_text import clean
from kgnb.extract.model import MAX_NAME
from kgnb.graph.model import NAMED_LABELS, Graph
from kgnb.graph.project.corrections import Corrector
from kgnb.graph.relation_types import relation_type
from kgnb.graph.resolve.decisions import OF_NAMES, Applied, Decision, Kind

log = logging.getLogger(__name__)

MAX_NAMES = 100
"""Bound on the names in one decision."""


async def apply(
    app: App, novel_id: int, wanted: Iterable[Decision], *, by: str, new_aliases: bool = True
) -> list[Applied]:
    """Store the decisions that fit the book, each after those before it, then refresh its graph; return, for
    each in order, whether it is new or why it wasn't stored.

    Not stored are those about unknown names, and those that contradict what stands. ``new_aliases``: a merge
    may name an alias, and a split a name, that the book doesn't have. Raises InputError for an unknown novel,
    ServiceDown.
    """
    graph, before = await graph_of(app, novel_id), dict[str, str]()
    for one in await app.ledger.name_decisions.read(novel_id):
        _note_rename(before, one)

    def check() -> list[Applied]:
        checker = _Checker(Corrector(graph), _type_names(graph), before, new_aliases)
        return [checker.check(replace(one, made_by=by)) for one in wanted]

    done = await asyncio.to_thread(check)
    fitting = [one.decision for one in done if not one.problem]
    stored = iter(await app.ledger.name_decisions.add(novel_id, fitting))
    done = [one if one.problem else Applied(*next(stored)) for one in done]
    await refresh_stale(app, novel_id)  # where none is new, too: its process may have died before it did
    return done


async def apply_one(
    app: App, novel_id: int, wanted: Decision, *, by: str, new_aliases: bool = True
) -> Applied:
    """Like :func:`apply`, for one decision. Raises InputError also where it fits nothing."""
    [done] = await apply(app, novel_id, [wanted], by=by, new_aliases=new_aliases)
    if done.problem:
        raise InputError("corrections.problem", problem=done.problem)
    return done


async def undo(app: App, novel_id: int, number: int) -> Applied:
    """Undo a decision; return it, ``new`` False if it was undone before. Raises InputError when the book has
    no decision of this id.
    """
    found = await app.ledger.name_decisions.undo(novel_id, number)
    if found is None:
        raise InputError("corrections.no_decision", number=number)
    await refresh_stale(app, novel_id)
    return Applied(*found)


def _note_rename(before: dict[str, str], decision: Decision) -> None:
    """Add a rename in force to the names that renames gave."""
    if decision.kind == "rename" and decision.in_force:
        old, new = decision.names
        before[new] = before.pop(old, old)


def _type_names(graph: Graph) -> dict[str, str]:
    """Return what a type of tie is called, in lower case → the type.

    Its own name, its names in both languages, and a word that ties of this type alone have in the book.
    """
    words = defaultdict[str, set[str]](set)
    for edge in graph.edges.values():
        words[edge.text("label").casefold()].add(edge.type)
    names = {word: kinds.pop() for word, kinds in words.items() if word and len(kinds) == 1}
    known = {*CHARACTER_RELATIONS, *(edge.type for edge in graph.edges.values())}
    for language in get_args(Language):
        told = texts(language)
        names |= {told[f"relation.{kind}"].casefold(): kind for kind in known if f"relation.{kind}" in told}
    return names | {kind.casefold(): kind for kind in known}


@dataclass(frozen=True, slots=True)
class _Checker:
    """Checks decisions against a book's graph, in which each that fits is made."""

    corrector: Corrector
    types: Mapping[str, str]
    before: dict[str, str]
    """Name that a rename gave → the name before, which merges and splits need: they take effect earlier."""
    new_aliases: bool

    def check(self, wanted: Decision) -> Applied:
        """Return the decision with names and type as the book has them; or, as ``problem``, why it fits
        nothing.
        """
        people, detail = self.corrector.people, wanted.detail
        if wanted.kind in ("tie", "untie") and detail:
            known = {*self.types.values()}
            detail = self.types.get(detail.casefold()) or relation_type(detail, known)
            if detail not in known:
                told = ", ".join(sorted(f"{say_or(f'relation.{one}', one)} {one}" for one in known))
                return Applied(wanted, problem=say("corrections.no_type", type=wanted.detail, known=told))
        names = tuple(clean(name, MAX_NAME) for name in wanted.names)
        wanted = replace(wanted, names=names)
        if problem := self._problem_of_names(wanted):
            return Applied(wanted, problem=problem)
        fitting = replace(wanted, names=tuple(map(people.form, names)), detail=detail)
        if wanted.kind in OF_NAMES:
            return self._of_names(fitting)
        if self.corrector.apply(fitting):
            _note_rename(self.before, fitting)
            return Applied(fitting)
        graph = self.corrector.graph
        numbers = [n for node in graph.nodes.values() for n in node.numbers("chapter_number")]
        if wanted.kind == "tie" and wanted.chapters and wanted.chapters[0] not in numbers:
            return Applied(wanted, problem=say("corrections.no_chapter", chapter=wanted.chapters[0]))
        first, *others = names
        nothing = say("corrections.nothing", name=first, others=say("status.comma").join(others))
        return Applied(wanted, problem=nothing)

    def _of_names(self, decision: Decision) -> Applied:
        """Return a merge or a split with the names before renames; one for some chapters with those of its
        two persons.
        """
        names: Iterable[str] = decision.names
        if decision.chapters:
            names = [(self.corrector.people.bearers(name) or [("", name)])[0][1] for name in names]
        first, *others = (self.before.get(name, name) for name in names)
        if first in others:
            return Applied(decision, problem=say("corrections.itself", name=decision.names[0]))
        return Applied(replace(decision, names=(first, *dict.fromkeys(others))))

    def _problem_of_names(self, decision: Decision) -> str:
        """Return the message about the first name that is nobody's or several people's; "" where all fit."""
        people, names = self.corrector.people, decision.names
        every = decision.kind in ("tie", "untie") or not (self.new_aliases or decision.chapters)
        for name in names if every and decision.kind != "rename" else names[:1]:
            bearers = people.bearers(name)
            if not bearers:
                near = say("status.comma").join(people.nearest(name)) or "—"
                return say("corrections.unknown", name=name, near=near)
            if len(bearers) > 1 and (decision.kind != "split" or name == names[0]):
                several = say("status.comma").join(key for _, key in bearers)
                return say("corrections.several", name=name, people=several)
        if len(names) > MAX_NAMES or not all(names):
            return say("corrections.bad_names", most=MAX_NAMES)
        taken = people.bearers(names[1]) if decision.kind == "rename" else []
        return say("corrections.taken", name=names[1]) if taken and taken != people.bearers(names[0]) else ""


class BookCorrections:
    """A book's corrections, as ``book.fix`` offers them.

    Each method stores one correction and returns its number, for :meth:`undo`; it raises InputError where it
    fits nothing in the book, or contradicts what stands. Names may be aliases.
    """

    def __init__(self, novel_id: int, run: Callable[[Callable[[App], Awaitable[Applied]]], Applied]) -> None:
        """``run``: calls a function with the book's stores open."""
        self._novel_id, self._run = novel_id, run

    def _store(
        self, kind: Kind, *names: str, detail: str = "", reason: str = "", since: int | None = None
    ) -> int:
        """Store a correction and return its number. Raises InputError for one that fits nothing."""
        chapters = None if since is None else (since, since)
        wanted = Decision(0, kind, names, chapters=chapters, detail=detail, reason=reason)
        return self._run(lambda app: apply_one(app, self._novel_id, wanted, by="python")).decision.id

    def rename(self, name: str, new: str, reason: str = "") -> int:
        """Call a character by another name, the old one becoming an alias; return the correction's number.
        Raises InputError for an unknown name.
        """
        return self._store("rename", name, new, reason=reason)

    def alias(self, name: str, alias: str, reason: str = "") -> int:
        """Give a character an alias; another character of this name is merged into it. Return the
        correction's number. Raises InputError for an unknown name.
        """
        return self._store("merge", name, alias, reason=reason)

    def not_a_person(self, name: str, kind: str = "", reason: str = "") -> int:
        """Remove a character, or make it of another ``kind``: Location, Organization or Thing ("": remove).
        Return the correction's number. Raises InputError for an unknown name or kind.
        """
        if kind not in NAMED_LABELS[1:] and kind:
            raise InputError("explore.unknown_kind", kind=kind, known=", ".join(NAMED_LABELS[1:]))
        return self._store("kind", name, detail=kind, reason=reason)

    def tie(self, source: str, type: str, target: str, reason: str = "", since: int | None = None) -> int:
        """Add a tie of a relationship type: SIBLING, or as kgnb shows it, 兄弟姐妹. Return the correction's
        number. Raises InputError for an unknown name, type or chapter.

        ``since``: number of the chapter in which it begins; by default it has the common chapters of the two.
        """
        return self._store("tie", source, target, detail=type, reason=reason, since=since)

    def untie(self, source: str, target: str, type: str = "", reason: str = "") -> int:
        """Remove the ties between two characters: all, or those of ``type``. Return the correction's number.
        Raises InputError for an unknown name.
        """
        return self._store("untie", source, target, detail=type, reason=reason)

    def protagonist(self, name: str, yes: bool = True, reason: str = "") -> int:
        """Set whether a character is a protagonist; return the correction's number. Raises InputError for an
        unknown name.
        """
        return self._store("protagonist", name, detail="yes" if yes else "no", reason=reason)

    def note(self, name: str, text: str) -> int:
        """Write a note on a character, replacing an earlier one; "" removes it. Return the correction's
        number. Raises InputError for an unknown name.
        """
        return self._store("note", name, detail=text)

    def undo(self, number: int) -> bool:
        """Undo a correction, a merge or a split; return False if it was undone before, else True.

        Raises InputError for an unknown number.
        """
        done = self._run(lambda app: undo(app, self._novel_id, number))
        if not done.new:
            log.warning(say("names.undone_before", number=number))
        return done.new
