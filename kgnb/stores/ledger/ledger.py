"""Everything that is durable, as one object: a part per module of this package."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

from kgnb.core.event_loop import new_loop
from kgnb.stores.ledger.books import Books
from kgnb.stores.ledger.chapters import Chapters
from kgnb.stores.ledger.database import Database
from kgnb.stores.ledger.extractions import Extractions
from kgnb.stores.ledger.graphs import Graphs
from kgnb.stores.ledger.names import NameDecisions, Names
from kgnb.stores.ledger.orphans import Orphans
from kgnb.stores.ledger.providers import Providers
from kgnb.stores.ledger.reply_cache import ReplyCache
from kgnb.stores.ledger.spending import Spending
from kgnb.stores.ledger.task_commands import TaskCommands
from kgnb.stores.ledger.task_lifecycle import TaskLifecycle
from kgnb.stores.ledger.task_stats import TaskStats
from kgnb.stores.ledger.tasks import Tasks
from kgnb.stores.ledger.transfer import Transfer
from kgnb.stores.targets import SqlTarget

R = TypeVar("R")


class Ledger:
    """The parts, each called like its module, on a database that is prepared.

    Their methods raise ServiceDown and ServiceRefused (see :class:`~kgnb.stores.ledger.database.Database`).
    ``thing_kinds``: see :class:`~kgnb.stores.ledger.providers.Providers`.
    """

    def __init__(self, database: Database, *, thing_kinds: Sequence[str] = ()) -> None:
        self.database = database
        self.books = Books(database)
        self.chapters = Chapters(database)
        self.extractions = Extractions(database)
        self.graphs = Graphs(database)
        self.name_decisions = NameDecisions(database)
        self.names = Names(database)
        self.orphans = Orphans(database)
        self.providers = Providers(database, thing_kinds)
        self.reply_cache = ReplyCache(database)
        self.spending = Spending(database)
        self.task_commands = TaskCommands(database)
        self.task_lifecycle = TaskLifecycle(database)
        self.task_stats = TaskStats(database)
        self.tasks = Tasks(database)
        self.transfer = Transfer(database)


def run_on_ledger(sql: SqlTarget, work: Callable[[Ledger], Awaitable[R]]) -> R:
    """Return what ``work`` returns for a ledger with connections of its own: for a process of the pool."""

    async def run() -> R:
        database = Database(sql)
        try:
            return await work(Ledger(database))
        finally:
            await database.close()

    with asyncio.Runner(loop_factory=new_loop) as runner:
        return runner.run(run())
