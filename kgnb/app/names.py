"""Decisions about a book's names: merge persons, split them, undo.

Each command stores a decision and refreshes the novel's graph. They work without nodes and while tasks of the
novel run. All raise InputError for wrong names, and ServiceDown.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from typing import Self

from kgnb.app.context import App
from kgnb.app.refresh import refresh_novel
from kgnb.app.tasks import find_task
from kgnb.core.errors import InputError
from kgnb.core.messages import say
from kgnb.core.model import Novel
from kgnb.core.safe_text import clean
from kgnb.extract.model import MAX_NAME
from kgnb.graph.model import NAMED_LABELS
from kgnb.graph.name_index import NameIndex
from kgnb.graph.project.corrections import correct
from kgnb.graph.project.projection import builder_of
from kgnb.graph.resolve.decisions import Applied, Decision
from kgnb.graph.resolve.name_listing import ListedName, list_names

MAX_NAMES = 100
"""Bound on the names in one decision."""


@dataclass(frozen=True, slots=True)
class BookNames:
    """A book's names and all decisions about them."""

    novel: Novel
    listed: list[ListedName]
    decisions: Sequence[Decision]


async def names_of(
    app: App, task_id: int, kinds: Collection[str] = NAMED_LABELS, until: int | None = None
) -> BookNames:
    """Return the names of the task's book as they resolve now, corrections applied. ``until``: as a reader of
    the chapters up to this number knows them; None for the whole book. Raises InputError for an unknown task.
    """
    record = await app.ledger.graphs.record((await find_task(app, task_id)).novel_id)
    record = record if until is None else record.until(until)

    def resolve() -> list[ListedName]:
        builder = builder_of(record)
        graph = builder.graph()
        correct(graph, record.decisions)
        renamed = {one.names[0] for one in record.decisions if one.kind == "rename" and one.in_force}
        return list_names(graph, builder.names, record.names, kinds, renamed)

    return BookNames(record.novel, await asyncio.to_thread(resolve), record.decisions)


async def merge(app: App, task_id: int, name: str, others: Sequence[str], *, by: str = "") -> Applied:
    """Merge the persons called ``others`` into the person called ``name``, whose name stays; return the
    decision, ``new`` False if they were one person before.

    Raises InputError for an unknown name, with the nearest ones, and for a name of several persons.
    """
    people = await _People.read(app, task_id)
    first = people.person(name)
    more = [person for person in dict.fromkeys(map(people.person, _bounded(others))) if person != first]
    if not more:
        return Applied(Decision(0, "merge", (first, *map(people.index.form, others))))
    return await _decide(app, people.novel, Decision(0, "merge", (first, *more), made_by=by))


async def split(app: App, task_id: int, name: str, aliases: Sequence[str], *, by: str = "") -> Applied:
    """Make ``aliases`` of the person called ``name`` another person; return the decision, ``new`` False
    if none of them is this person's.

    Raises InputError where an alias is unknown, or is ``name`` itself.
    """
    people = await _People.read(app, task_id)
    person, form = people.person(name), people.index.form
    called = form(clean(name, MAX_NAME))
    first = people.renamed.get(called, called)
    leaving: dict[str, None] = {}
    for alias in _bounded(aliases):
        bearers = people.bearers(alias)
        if form(alias) == first:
            raise InputError("names.itself", name=first, task=task_id)
        if person in bearers:
            leaving[form(alias)] = None
    if not leaving:
        return Applied(Decision(0, "split", (first, *map(form, aliases))))
    return await _decide(app, people.novel, Decision(0, "split", (first, *leaving), made_by=by))


async def part(
    app: App, task_id: int, name: str, other: str, chapters: tuple[int, int], *, by: str = ""
) -> Applied:
    """Assign the person called ``name`` in the chapters from the first to the last number, both included, to
    ``other``; return the decision.

    ``other``: a new namesake, such as 张虎（张辽之子）, or any person of the book. Raises InputError where
    ``name`` is unknown, or ``other`` means the same person.
    """
    people = await _People.read(app, task_id)
    first, other = people.person(name), clean(other, MAX_NAME)
    second = (people.index.bearers(other) or [other])[0]
    if not second or second == first:
        raise InputError("names.itself", name=first, task=task_id)
    decision = Decision(0, "split", (first, second), made_by=by, chapters=chapters)
    return await _decide(app, people.novel, decision)


async def undo(app: App, task_id: int, number: int) -> Applied:
    """Undo a decision; return it, ``new`` False if it was undone before. Raises InputError when the book
    has no decision of this id.
    """
    task = await find_task(app, task_id)
    novel = await app.ledger.books.novel(task.novel_id)
    found = await app.ledger.name_decisions.undo(novel.id, number)
    if found is None:
        raise InputError("names.no_decision", number=number, task=task_id)
    decision, changed = found
    await refresh_novel(app, novel.id)
    return Applied(decision, changed)


async def _decide(app: App, novel: Novel, decision: Decision) -> Applied:
    """Store a decision, refresh the graph and return the decision, ``changed`` if it is new."""
    [(stored, new)] = await app.ledger.name_decisions.add(novel.id, [decision])
    # Refresh even if the decision was stored before: that process may have died before it did.
    await refresh_novel(app, novel.id)
    return Applied(replace(stored, names=decision.names), new)


def _bounded(names: Sequence[str]) -> Sequence[str]:
    """Return the names. Raises InputError for more than MAX_NAMES."""
    if len(names) > MAX_NAMES:
        raise InputError("names.too_many", most=MAX_NAMES)
    return names


@dataclass(frozen=True, slots=True)
class _People:
    """A task's book, and its persons by what they are called.

    A person stands for the name before any rename: merges and splits take effect earlier than renames.
    """

    task_id: int
    novel: Novel
    index: NameIndex[str]
    renamed: dict[str, str]
    """Name that a rename gave → the name before."""

    @classmethod
    async def read(cls, app: App, task_id: int) -> Self:
        """Return the persons of the task's book with their names. Raises InputError for an unknown task."""
        names = await names_of(app, task_id, ("Character",))
        renamed: dict[str, str] = {}
        for decision in sorted(names.decisions, key=lambda d: d.id):
            if decision.kind == "rename" and decision.in_force:
                before, after = decision.names
                renamed[after] = renamed.pop(before, before)
        listed = ((renamed.get(one.name, one.name), one.name, one.aliases) for one in names.listed)
        return cls(task_id, names.novel, NameIndex(listed), renamed)

    def bearers(self, name: str) -> list[str]:
        """Return all who are called so. Raises InputError for nobody."""
        name = clean(name, MAX_NAME)
        if bearers := self.index.bearers(name):
            return bearers
        if near := self.index.nearest(name):
            nearest = say("status.comma").join(near)
            raise InputError("names.unknown", name=name, nearest=nearest, task=self.task_id)
        raise InputError("names.unknown_all", name=name, task=self.task_id)

    def person(self, name: str) -> str:
        """Return the only one who is called so. Raises InputError for nobody and for several."""
        bearers = self.bearers(name)
        if len(bearers) > 1:
            people = say("status.comma").join(bearers)
            raise InputError("names.several", name=clean(name, MAX_NAME), people=people)
        return bearers[0]
