"""Whole nodes in the test's own process, on a real queue and a real SQL database: no LLM, no graph engine."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Set
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

from pydantic import SecretStr

from kgnb.core.model import TaskStatus, Usage
from kgnb.core.settings import Settings
from kgnb.extract import rules
from kgnb.llm.client import Completion
from kgnb.stores.ledger.ledger import Ledger
from kgnb.stores.queue.lease_renewer import LeaseRenewer
from kgnb.stores.queue.store import Queue
from kgnb.stores.queue.types import PollResult
from kgnb.worker.chapter_worker import Stores
from kgnb.worker.extractor import ChapterExtractor
from kgnb.worker.node import WorkerNode
from kgnb.worker.outages import Outages
from kgnb.worker.provider_registry import ProviderRegistry
from kgnb.worker.reconciler import Reconciler
from tests.support.ledgers import QUEUE, execute, new_task, set_task, task_row

REPLY = json.dumps({"characters": [{"name": "刘备"}]})


@dataclass
class Model:
    """The LLM's side: counts the prompts; every request waits for ``open``."""

    asked: Counter[str] = field(default_factory=Counter)
    open: asyncio.Event = field(default_factory=asyncio.Event)
    slots: int = 2
    places: int | None = None  # in a rate limit
    seconds: float = 0.0  # of a request
    paused: Set[str] = frozenset()

    @contextlib.asynccontextmanager
    async def request_slot(self, *_: object) -> AsyncIterator[None]:
        yield

    async def complete(self, _client: object, prompt: Any, _model: str, **_: object) -> Completion:
        self.asked[prompt.hash] += 1
        await self.open.wait()
        return Completion(REPLY, Usage(1, 10, 10))

    @property
    def pauses(self) -> Model:
        return self

    def limiter(self, _: object) -> Model:
        return self

    def rate_wait(self, _: object) -> float:
        return 0.0

    def rate_places(self, _: object) -> int | None:
        return self.places

    def request_seconds(self, _: object) -> float:
        return self.seconds

    def on_poll(self, poll: PollResult, _: object) -> None:
        self.paused = poll.paused

    def stop_requests(self) -> None:
        """What is in flight is cancelled by the node."""


class GraphStub:
    """Takes every graph; ``gate`` is awaited before each call."""

    target = None

    def __init__(self) -> None:
        self.gate: Callable[[], Awaitable[None]] = lambda: asyncio.sleep(0)

    async def begin_refresh(self, *_: object, **__: object) -> tuple[str, int]:
        await self.gate()
        return "mine", 1

    async def extend_refresh(self, *_: object) -> None:
        await self.gate()

    async def end_refresh(self, *_: object) -> None:
        await self.gate()

    async def ping(self) -> None:
        await self.gate()


class PoolStub:
    """No process: a book's names are none, its refresh writes nothing."""

    may_fork = False

    async def run_long(self, function: Callable[..., Any], *_: object) -> object:
        return ([], "") if function.__name__ == "scan_names" else None

    async def run_here(self, function: Callable[..., Any], *_: object) -> object:
        return await self.run_long(function)

    async def run_short(self, function: Callable[..., Any], *args: object, **named: object) -> object:
        return await self.run(function, *args, **named)

    async def run(self, function: Callable[..., Any], *args: object, **named: object) -> object:
        return function(*args, **named) if function is rules.extract else await self.run_long(function)


@dataclass
class LightNode:
    """A node that runs, and its parts."""

    node: WorkerNode
    queue: Queue
    renewer: LeaseRenewer
    graph: GraphStub
    running: asyncio.Task[None]


@contextlib.asynccontextmanager
async def light_node(
    redis_url: str,
    ledger: Ledger,
    folder: Path,
    model: Model,
    name: str = "a",
    *,
    lease: float = 30.0,
    base_url: str = "http://127.0.0.1:9/v1",
) -> AsyncIterator[LightNode]:
    """A node that runs, with its reconciler, until the end of the block."""
    env = {"openai_base_url": base_url, "openai_api_key": "k", "openai_model": "m"}
    settings = Settings.load(data=folder, provider_name="DeepSeek", **env)
    queue = Queue(SecretStr(redis_url), node=name, lease_seconds=lease)
    renewer, outages, graph = LeaseRenewer(queue), Outages(), GraphStub()
    providers, pool = ProviderRegistry(ledger, settings), PoolStub()
    await providers.refresh()
    parts = cast("Any", (ledger.reply_cache, providers, model, pool, outages))
    extractor = ChapterExtractor(*parts, chunk_chars=8_000)
    stores = Stores(ledger, queue, *cast("Any", (graph, renewer, outages)))
    node = WorkerNode(stores, providers, extractor, *cast("Any", (model, pool, settings)), name=name)

    async def reconcile() -> None:
        while True:
            await Reconciler(node)._requeue_lost()
            await asyncio.sleep(0.3)

    renewer.start()
    running = [asyncio.create_task(node.run()), asyncio.create_task(reconcile())]
    try:
        yield LightNode(node, queue, renewer, graph, running[0])
    finally:
        model.open.set()
        for one in running:
            one.cancel()
        await asyncio.gather(*running, return_exceptions=True)
        await node.leave(0.0)
        renewer.stop()
        await providers.close()
        await queue.close()


async def submitted(
    ledger: Ledger, queue_url: str, chapters: int, salt: str = "", *, use_ai: bool = True
) -> int:
    """A task over a new book, its item in the queue."""
    _, task_id = await new_task(ledger, chapters, salt if use_ai else "规则")
    await execute(ledger, set_task(task_id, use_ai=use_ai))
    queue = Queue(SecretStr(queue_url), lease_seconds=30)
    await queue.push(QUEUE, task_id)
    await queue.close()
    return task_id


async def asked(model: Model, count: int) -> bool:
    """So many prompts were asked."""
    return len(model.asked) == count


async def in_flight(model: Model) -> bool:
    """Every slot asks."""
    return await asked(model, model.slots)


async def done(ledger: Ledger, node: LightNode, task_id: int) -> bool:
    """The task is completed and the queue has nothing of it."""
    completed = (await task_row(ledger, task_id))["status"] == TaskStatus.COMPLETED
    return completed and not await node.queue.find_tasks([QUEUE])
