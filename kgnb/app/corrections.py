"""A reader's corrections of a book: checked against its graph, stored, and the graph made anew."""

from __future__ import annotations

import asyncio
import logging
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import get_args

from kgnb.app.context import App
from kgnb.app.graphs import graph_of
from kgnb.app.refresh import refresh_novel
from kgnb.core.errors import InputError
from kgnb.core.labels import CHARACTER_RELATIONS
from kgnb.core.messages import Language, say, say_or, texts
from kgnb.graph.model import NAMED_LABELS, Graph, NodeKey
from kgnb.graph.name_index import NameIndex
from kgnb.graph.project.corrections import Corrector
from kgnb.graph.relation_types import relation_type
from kgnb.graph.resolve.decisions import Applied, Decision, Kind

log = logging.getLogger(__name__)


async def corrections_of(app: App, novel_id: int) -> Sequence[Decision]:
    """Return all decisions about the book, oldest first, those that were undone too."""
    return await app.ledger.name_decisions.read(novel_id)


async def apply(app: App, novel_id: int, wanted: Iterable[Decision], *, by: str) -> list[Applied]:
    """Store the corrections that fit the book, each after those before it, then refresh its graph; return,
    for each in order, whether it is new or why it wasn't stored.

    Not stored are corrections of unknown names, and those that contradict what stands. Raises InputError for
    an unknown novel, ServiceDown.
    """
    corrector = Corrector(await graph_of(app, novel_id))

    def check() -> list[Applied]:
        types = _type_names(corrector.graph)
        return [_checked(corrector, types, replace(one, made_by=by)) for one in wanted]

    done = await asyncio.to_thread(check)
    fitting = [one.decision for one in done if not one.problem]
    stored = iter(await app.ledger.name_decisions.add(novel_id, fitting))
    done = [one if one.problem else Applied(*next(stored)) for one in done]
    if any(one.new for one in done):
        await refresh_novel(app, novel_id)
    return done


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


def _checked(corrector: Corrector, types: Mapping[str, str], wanted: Decision) -> Applied:
    """Return the correction with names and type as the book has them, made in the graph; or, as ``problem``,
    why it fits nothing.
    """
    people, detail = corrector.people, wanted.detail
    if wanted.kind in ("tie", "untie") and detail:
        detail = types.get(detail.casefold()) or relation_type(detail, types.values())
        if detail not in types.values():
            known = ", ".join(sorted(f"{say_or(f'relation.{one}', one)} {one}" for one in {*types.values()}))
            return Applied(wanted, problem=say("corrections.no_type", type=wanted.detail, known=known))
    if problem := _problem_of_names(people, wanted):
        return Applied(wanted, problem=problem)
    fitting = replace(wanted, names=tuple(map(people.form, wanted.names)), detail=detail)
    if corrector.apply(fitting):
        return Applied(fitting)
    numbers = [n for node in corrector.graph.nodes.values() for n in node.numbers("chapter_number")]
    if wanted.kind == "tie" and wanted.chapters and wanted.chapters[0] not in numbers:
        return Applied(wanted, problem=say("corrections.no_chapter", chapter=wanted.chapters[0]))
    first, *others = wanted.names
    nothing = say("corrections.nothing", name=first, others=say("status.comma").join(others))
    return Applied(wanted, problem=nothing)


def _problem_of_names(people: NameIndex[NodeKey], decision: Decision) -> str:
    """Return the message about the first name that is nobody's or several people's; "" where all fit."""
    # A merge may name an alias that the book doesn't have, a rename a new name.
    needed = decision.names if decision.kind in ("tie", "untie") else decision.names[:1]
    for name in needed:
        bearers = people.bearers(name)
        if not bearers:
            near = say("status.comma").join(people.nearest(name)) or "—"
            return say("corrections.unknown", name=name, near=near)
        if len(bearers) > 1:
            several = say("status.comma").join(key for _, key in bearers)
            return say("corrections.several", name=name, people=several)
    taken = people.bearers(decision.names[1]) if decision.kind == "rename" else []
    if taken and taken != people.bearers(decision.names[0]):
        return say("corrections.taken", name=decision.names[1])
    return ""


class BookCorrections:
    """A book's corrections, as ``book.fix`` offers them.

    Each method stores one correction and returns its number, for :meth:`undo`; it raises InputError where it
    fits nothing in the book, or contradicts what stands. Names may be aliases.
    """

    def __init__(self, apply: Callable[[Decision], Applied], undo: Callable[[int], bool]) -> None:
        self._apply = apply
        self._undo = undo

    def _store(
        self, kind: Kind, *names: str, detail: str = "", reason: str = "", since: int | None = None
    ) -> int:
        """Store a correction and return its number. Raises InputError for one that fits nothing."""
        chapters = None if since is None else (since, since)
        done = self._apply(Decision(0, kind, names, chapters=chapters, detail=detail, reason=reason))
        if done.problem:
            raise InputError("corrections.problem", problem=done.problem)
        return done.decision.id

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
        stood = self._undo(number)
        if not stood:
            log.warning(say("names.undone_before", number=number))
        return stood
