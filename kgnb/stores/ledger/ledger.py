"""The ledger: books, tasks, chapters and the record in SQL, as one object."""

from __future__ import annotations

from collections.abc import Sequence

from kgnb.stores.ledger.books import Books, Imported
from kgnb.stores.ledger.chapters import ChapterEnd, Chapters, ChapterWork
from kgnb.stores.ledger.database import Database
from kgnb.stores.ledger.extractions import Record, SettleRows
from kgnb.stores.ledger.name_decisions import Naming
from kgnb.stores.ledger.providers import Catalog, read_kinds
from kgnb.stores.ledger.spending import Spending
from kgnb.stores.ledger.task_commands import Commands
from kgnb.stores.ledger.task_lifecycle import Lives, Opening
from kgnb.stores.ledger.tasks import TaskRows
from kgnb.stores.ledger.transfer import Transfer

__all__ = ["ChapterEnd", "ChapterWork", "Imported", "Ledger", "Opening", "SettleRows"]


class Ledger(Books, Naming, Catalog, TaskRows, Lives, Commands, Chapters, Record, Spending, Transfer):
    """Everything that is durable, on an :class:`~kgnb.stores.ledger.database.Database` that is prepared.

    ``thing_kinds``: what this process asks for beyond the four kinds, whatever the config's row says.
    """

    def __init__(self, sql: Database, *, thing_kinds: Sequence[str] = ()) -> None:
        super().__init__(sql)
        self.own_kinds = read_kinds(list(thing_kinds))
