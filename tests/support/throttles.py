"""A throttle to a dry-run LLM, as a node has one."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

from pydantic import SecretStr

from kgnb.core.amounts import parse_amounts
from kgnb.core.model import Prompt, Provider
from kgnb.llm.client import Completion, LlmClient
from kgnb.stores.queue.rate_limits import RateLimits
from kgnb.stores.queue.store import Queue
from kgnb.worker.budget import Budget, SpendingTracker
from kgnb.worker.outages import Outages
from kgnb.worker.throttle import ProviderThrottle

NAME = "DeepSeek"


@dataclass
class Asking:
    """One node's throttle, and a client of the provider behind it."""

    throttle: ProviderThrottle
    client: LlmClient
    outages: Outages
    spending: SpendingTracker
    queue: Queue
    rates: RateLimits

    @property
    def provider(self) -> Provider:
        return self.client.provider

    async def ask(self, text: str = "刘备与关羽。", model: str = "dryrun", **options: Any) -> Completion:
        prompt = Prompt("", text, text, {})
        return await self.throttle.complete(self.client, prompt, model, **{"task_id": 1} | options)


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
    timeout: float = 10,
    key: str = "k",
    **rates: float,
) -> AsyncIterator[Asking]:
    provider = Provider(NAME, base_url, SecretStr(key), ("dryrun",))
    queue = Queue(SecretStr(redis_url), lease_seconds=30)
    client = LlmClient(provider, timeout=timeout, tries=tries, connections=most)
    outages, spending = Outages(), SpendingTracker(ledger, budget or Budget())
    shared = RateLimits(queue.connection, parse_amounts(rpm), parse_amounts(tpm), **rates)
    throttle = ProviderThrottle(queue, outages, spending, shared, slots_for=lambda _: most)
    try:
        yield Asking(throttle, client, outages, spending, queue, shared)
    finally:
        await client.close()
        await queue.close()
