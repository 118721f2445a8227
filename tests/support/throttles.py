"""A gate to a dry-run LLM, as a node has one."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

from pydantic import SecretStr

from kgnb.core.model import Provider
from kgnb.core.settings import amounts
from kgnb.extract.prompt import Prompt
from kgnb.llm.client import Client, Completion
from kgnb.stores.queue.rate_limits import Rates
from kgnb.stores.queue.store import Queue
from kgnb.worker.budget import Budget, Purse
from kgnb.worker.outages import Health
from kgnb.worker.throttle import Gate

NAME = "DeepSeek"


@dataclass
class Asking:
    """One node's gate, and a client of the provider behind it."""

    gate: Gate
    client: Client
    health: Health
    purse: Purse
    queue: Queue
    rates: Rates

    @property
    def provider(self) -> Provider:
        return self.client.provider

    async def ask(self, text: str = "刘备与关羽。", model: str = "dryrun", **options: Any) -> Completion:
        return await self.gate.ask(self.client, Prompt("", text, "", {}), model, **options)


@contextlib.asynccontextmanager
async def asking(
    redis_url: str,
    base_url: str = "http://127.0.0.1:9/v1",
    *,
    ledger: Any = None,
    budget: Budget | None = None,
    rpm: str = "",
    tpm: str = "",
    most: int = 4,
    tries: int = 1,
    key: str = "k",
    **rates: float,
) -> AsyncIterator[Asking]:
    provider = Provider(NAME, base_url, SecretStr(key), ("dryrun",))
    queue = Queue(SecretStr(redis_url), lease_seconds=30, hold_seconds=900)
    client = Client(provider, timeout=10, tries=tries, connections=most)
    health, purse = Health(), Purse(ledger, budget or Budget())
    shared = Rates(queue.link, amounts(rpm), amounts(tpm), **rates)
    gate = Gate(queue, health, purse, shared, suspend_seconds=600, most=lambda _: most)
    try:
        yield Asking(gate, client, health, purse, queue, shared)
    finally:
        await client.close()
        await gate.told()
        await queue.close()
