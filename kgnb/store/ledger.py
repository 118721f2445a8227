"""The ledger: books, tasks, chapters and the record in SQL, as one object."""

from __future__ import annotations

from collections.abc import Sequence

from kgnb.store.books import Books, Imported
from kgnb.store.catalog import Catalog, read_kinds
from kgnb.store.chapters import ChapterEnd, Chapters, ChapterWork
from kgnb.store.commands import Commands
from kgnb.store.lives import Lives, Opening
from kgnb.store.naming import Naming
from kgnb.store.record import Record, SettleRows
from kgnb.store.spending import Spending
from kgnb.store.sql import Sql
from kgnb.store.tasks import Tasks
from kgnb.store.transfer import Transfer

__all__ = ["ChapterEnd", "ChapterWork", "Imported", "Ledger", "Opening", "SettleRows"]


class Ledger(Books, Naming, Catalog, Tasks, Lives, Commands, Chapters, Record, Spending, Transfer):
    """Everything that is durable, on an :class:`~kgnb.store.sql.Sql` that is prepared.

    ``thing_kinds``: what this process asks for beyond the four kinds, whatever the config's row says.
    """

    def __init__(self, sql: Sql, *, thing_kinds: Sequence[str] = ()) -> None:
        super().__init__(sql)
        self.own_kinds = read_kinds(list(thing_kinds))
