"""A gate to a dry-run LLM, as a node has one."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

from pydantic import SecretStr

from kgnb.core.model import Provider
from kgnb.core.settings import parse_amounts
from kgnb.extract.prompt import Prompt
from kgnb.llm.client import Completion, LlmClient
from kgnb.stores.queue.rate_limits import RateLimits
from kgnb.stores.queue.store import Queue
from kgnb.worker.budget import Budget, BudgetKeeper
from kgnb.worker.outages import Outages
from kgnb.worker.throttle import ProviderThrottle

NAME = "DeepSeek"


@dataclass
class Asking:
    """One node's gate, and a client of the provider behind it."""

    gate: ProviderThrottle
    client: LlmClient
    health: Outages
    purse: BudgetKeeper
    queue: Queue
    rates: RateLimits

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
    client = LlmClient(provider, timeout=10, tries=tries, connections=most)
    health, purse = Outages(), BudgetKeeper(ledger, budget or Budget())
    shared = RateLimits(queue.link, parse_amounts(rpm), parse_amounts(tpm), **rates)
    gate = ProviderThrottle(queue, health, purse, shared, suspend_seconds=600, most=lambda _: most)
    try:
        yield Asking(gate, client, health, purse, queue, shared)
    finally:
        await client.close()
        await gate.told()
        await queue.close()
