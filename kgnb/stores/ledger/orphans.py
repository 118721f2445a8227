"""What main leaves behind: kgnb's rows of tasks and novels that it deleted.

A task with rows has one in ``kgnb_tasks``, which goes last, so that an interrupted deletion is completed.
"""

from __future__ import annotations

from collections import defaultdict
from typing import NamedTuple

import sqlalchemy as sa

from kgnb.stores.ledger import tables as t
from kgnb.stores.ledger.database import DatabasePart, reading, transaction
from kgnb.stores.ledger.task_lifecycle import delete_own_rows

NOVELS = 100
"""Novels that one call looks at."""
_OF_NOVEL = (t.books, t.chapter_hashes, t.names, t.name_decisions, t.graphs)


class Orphan(NamedTuple):
    """Tasks of a novel that main deleted; all that kgnb knows of where it deleted the novel itself."""

    novel_id: int
    novel_gone: bool
    tasks: tuple[int, ...]


class Orphans(DatabasePart):
    """Finds and deletes them."""

    @reading
    def find(self, c: sa.Connection, after: int) -> tuple[list[Orphan], int]:
        """Return (orphans, last novel id looked at), for the next :data:`NOVELS` (100) novel ids above
        ``after``; the id is 0 when there are no further novels.

        An orphan is a novel that main deleted but kgnb's tables still have, or whose tasks are partly
        deleted.
        """
        ids: set[int] = set()
        for table in (t.task_facts, *_OF_NOVEL):
            n = table.c.novel_id
            ids.update(c.scalars(sa.select(n).where(n > after).distinct().order_by(n).limit(NOVELS)))
        page = sorted(ids)[:NOVELS]
        f, k, n = t.task_facts.c, t.tasks.c, t.novels.c.id
        known = t.task_facts.outerjoin(t.tasks, k.id == f.task_id)
        query = sa.select(f.novel_id, f.task_id, k.id).select_from(known).where(f.novel_id.in_(page))
        rows = c.execute(query.order_by(f.task_id)).all()
        # Main's novels last: what was created while kgnb's rows were read is among them.
        novels = set(c.scalars(sa.select(n).where(n.in_(page))))
        tasks: dict[int, tuple[int, ...]] = defaultdict(tuple)
        for novel_id, task_id, present in rows:
            if present is None or novel_id not in novels:
                tasks[novel_id] += (task_id,)
        orphans = [Orphan(i, i not in novels, tasks[i]) for i in page if i not in novels or i in tasks]
        return orphans, page[-1] if len(page) == NOVELS else 0

    @transaction
    def clear(self, c: sa.Connection, orphan: Orphan) -> None:
        """Delete what its tasks stored; whoever still works on one can store nothing from here on."""
        for task_id in orphan.tasks:
            delete_own_rows(c, task_id)

    @transaction
    def forget(self, c: sa.Connection, orphan: Orphan) -> None:
        """Delete the rest, once the graph is clear of it."""
        c.execute(sa.delete(t.task_facts).where(t.task_facts.c.task_id.in_(orphan.tasks)))
        for table in _OF_NOVEL if orphan.novel_gone else ():
            c.execute(sa.delete(table).where(table.c.novel_id == orphan.novel_id))
