"""Wires the parts together: settings → stores → node. :mod:`kgnb.app.api` derives blocking calls from it."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeVar

from kgnb.app.temporary_folder import lacks_folder, temporary_folder
from kgnb.core.errors import InputError, ServiceDown
from kgnb.core.event_loop import at_once, in_thread
from kgnb.core.messages import say
from kgnb.core.model import Usage
from kgnb.core.settings import Settings
from kgnb.core.shortages import has_shared_memory
from kgnb.stores.embedded.connect import EmbeddedQueue, join_queue, open_queue
from kgnb.stores.embedded.data_folder import open_folder
from kgnb.stores.embedded.record_copy import RecordCopy
from kgnb.stores.embedded.restore import readable, restore_data_folder
from kgnb.stores.ledger.database import Database
from kgnb.stores.ledger.ledger import Ledger
from kgnb.stores.targets import graph_target, sql_target
from kgnb.worker.budget import Budget
from kgnb.worker.outages import Outages
from kgnb.worker.process_pool import CpuPool
from kgnb.worker.provider_registry import ProviderRegistry
from kgnb.worker.task_router import TaskRouter

if TYPE_CHECKING:  # with the clients of Bolt and Redis, of which reading a book needs neither
    from kgnb.stores.graph.store import GraphStore
    from kgnb.stores.queue.breaker import CircuitBreaker, ProviderState
    from kgnb.stores.queue.store import Queue

T = TypeVar("T")

log = logging.getLogger(__name__)

WAIT_SECONDS = 1.5
"""Pause of a node that waits for its services between two connection attempts."""


@dataclass(slots=True)
class App:
    """Connected stores; :func:`open_app` creates and closes it."""

    settings: Settings
    ledger: Ledger
    providers: ProviderRegistry
    router: TaskRouter
    pool: CpuPool
    _queue: Queue | None = None
    _engine: EmbeddedQueue | None = None
    _graph: GraphStore | None = None
    outages: Outages = field(default_factory=Outages)
    spent: dict[int, Usage] = field(default_factory=dict)
    """What this process spent, by task id."""

    @property
    def has_queue(self) -> bool:
        """Whether the app has a queue; False if it was opened to look, and the embedded queue doesn't run."""
        return self._queue is not None

    @property
    def queue_alive(self) -> bool:
        """Whether the queue's engine, if embedded, still runs; once False, the app must be reopened."""
        return self.has_queue and (self._engine is None or self._engine.alive)

    @property
    def queue(self) -> Queue:
        """The queue. Raises AssertionError if :func:`open_app` wasn't asked for it: a mistake of
        the caller.
        """
        assert self._queue is not None
        return self._queue

    @property
    def graph(self) -> GraphStore | None:
        """The graph database of NEO4J_URI; None if it isn't set.

        Raises AssertionError if neither :func:`open_app` nor :meth:`open_graph` has connected to it.
        """
        assert self._graph is not None or self.settings.embedded_graph
        return self._graph

    @property
    def breaker(self) -> CircuitBreaker:
        """A new circuit breaker on the state that all nodes share, without what a node remembers of its own
        calls.
        """
        from kgnb.stores.queue.breaker import CircuitBreaker

        return CircuitBreaker(self.queue.connection)

    async def provider_states(self, names: Sequence[str]) -> dict[str, ProviderState]:
        """Return name → the state that all nodes share; states without pause or failure where no
        queue runs.
        """
        from kgnb.stores.queue.breaker import ProviderState

        return await self.breaker.states(names) if self.has_queue else dict.fromkeys(names, ProviderState())

    async def open_graph(self) -> None:
        """Connect to the graph database of NEO4J_URI, if any. Raises ServiceDown and ServiceRefused."""
        if self._graph is None and not self.settings.embedded_graph:
            from kgnb.stores.graph.store import GraphStore

            graph = GraphStore(graph_target(self.settings))
            await graph.prepare()
            self._graph = graph

    def meter(self, task_id: int, usage: Usage) -> None:
        """Add to what this process spent on a task."""
        self.spent[task_id] = self.spent.get(task_id, Usage()) + usage


@asynccontextmanager
async def open_app(
    settings: Settings, *, sql: bool = True, queue: bool = True, graph: bool = True, start: bool = True
) -> AsyncIterator[App]:
    """Yield an app with every needed store connected and prepared; start or join the embedded queue.

    ``sql``, ``queue`` and ``graph`` (of NEO4J_URI, if any) say which services the caller needs; without SQL
    no provider is known. ``start``: False where an embedded queue is only to be joined if it runs. Fills an
    empty data folder from a previous run, or its copy, first if the settings name one. Raises InputError,
    EngineError, ServiceDown and ServiceRefused.
    """
    await asyncio.to_thread(restore_data_folder, settings)
    engine = await in_thread(_open_engine, settings, queue and settings.embedded_redis, start)
    copy = RecordCopy(settings)
    try:
        app = _connect(settings, engine, queue)
        try:
            await _prepare(app, sql, graph)
            yield app
        finally:
            await _close(app)
    finally:
        await asyncio.to_thread(copy.close)
        if engine is not None:
            engine.close()


def _open_engine(
    settings: Settings, queue: bool, start: bool, given_up: threading.Event
) -> EmbeddedQueue | None:
    """Make the data folder where it is needed; return the embedded queue, started or joined, None without
    one.
    """
    if settings.embedded_sql:
        open_folder(settings.data)
    if not queue:
        return None
    return (open_queue if start else join_queue)(settings.data, given_up=given_up)


@asynccontextmanager
async def open_to_look(settings: Settings, *, start: bool = False, **services: bool) -> AsyncIterator[App]:
    """Like :func:`open_app`, for callers that only look, test or take away: no folder is left where there was
    none.

    The app's settings may then name a temporary folder.
    """
    with temporary_folder(readable(settings)) as own:
        async with open_app(own, start=start, **services) as app:
            yield app


@asynccontextmanager
async def open_for_task(settings: Settings, task_id: int, **services: bool) -> AsyncIterator[App]:
    """Like :func:`open_app`, but raise InputError, and start or make nothing, when the task's record can't
    exist.
    """
    if lacks_folder(settings):
        if settings.embedded_sql and not settings.sqlite_path.exists():
            raise no_task(settings, task_id)
        async with open_to_look(settings, queue=False, graph=False) as app:
            if await app.ledger.tasks.get(task_id) is None:
                raise no_task(settings, task_id)
    only_reads = not (services.get("queue", True) or services.get("graph", True))
    async with open_app(readable(settings) if only_reads else settings, **services) as app:
        yield app


def no_task(settings: Settings, task_id: int) -> InputError:
    """Return the error for an unknown task, with the data folder or database that was read: people look in
    another folder than they built in.
    """
    place = settings.data.absolute() if settings.embedded_sql else f"{settings.db_host}/{settings.db_name}"
    return InputError("cli.no_task", task=task_id, place=place)


@asynccontextmanager
async def when_up(
    connect: Callable[[], AbstractAsyncContextManager[T]], stop: asyncio.Event, *, fail_fast: bool = False
) -> AsyncIterator[T | None]:
    """Enter ``connect()`` as soon as its services are up and yield its result; yield None when ``stop`` is
    set first.

    Raises ServiceDown if ``fail_fast``, and errors that waiting can't mend (a wrong password, a broken
    folder).
    """
    logged = ""
    async with AsyncExitStack() as stack:
        while not stop.is_set():
            try:
                entered = await stack.enter_async_context(connect())
            except ServiceDown as error:
                if fail_fast:
                    raise
                if str(error) != logged:
                    logged = str(error)
                    log.warning(say("node.waiting", reason=logged))
                with suppress(TimeoutError):
                    await asyncio.wait_for(stop.wait(), WAIT_SECONDS)
            else:
                yield entered
                return
        yield None


def _connect(settings: Settings, engine: EmbeddedQueue | None, queue: bool) -> App:
    """Return an app for the settings; nothing is connected yet."""
    ledger = Ledger(Database(sql_target(settings)), thing_kinds=settings.kinds)
    providers = ProviderRegistry(ledger, settings)
    embedded = engine.redis_url if engine is not None else None
    url = embedded if settings.embedded_redis else settings.redis_url
    opened: Queue | None = None
    if queue and url is not None:
        from kgnb.stores.queue.store import Queue

        opened = Queue(url, lease_seconds=settings.lease_seconds)
    return App(
        settings=settings,
        ledger=ledger,
        providers=providers,
        router=TaskRouter(ledger, providers),
        pool=CpuPool(settings.cpus, threads=settings.cpu_workers == "threads" or not has_shared_memory()),
        _queue=opened,
        _engine=engine,
    )


async def _prepare(app: App, sql: bool, graph: bool) -> None:
    calls: list[Awaitable[object]] = [app.ledger.database.prepare()] if sql else []
    if app._queue is not None:
        calls.append(app._queue.ping())
    if graph:
        calls.append(app.open_graph())
    await at_once(*calls)
    if sql:
        await app.providers.refresh()


async def _close(app: App) -> None:
    await app.providers.close()
    await app.pool.close()
    if app._queue is not None:
        await app._queue.close()
    if app._graph is not None:
        await app._graph.close()
    await app.ledger.database.close()


def budget_of(settings: Settings) -> Budget:
    """Return the budgets and prices of these settings."""
    return Budget(
        settings.budget,
        settings.budget_tokens,
        settings.prices,
        settings.budget_days,
    )
