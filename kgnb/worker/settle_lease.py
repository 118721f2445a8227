"""One settle of a novel at a time, in any node or command; a second one waits, then finds it done.

The lease lies on the Novel node, beside the settle number that fences every write: the graph is what it
protects, and commands settle without Redis. It is renewed while the settle runs and expires when its process
dies; a holder that was frozen for longer finds a higher number.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field

from kgnb.core.errors import GraphConflict, ServiceError
from kgnb.core.messages import say
from kgnb.stores.graph.store import GraphStore

log = logging.getLogger(__name__)

GIVE_BACK_SECONDS = 1.5
"""How long a settle that failed or was cancelled tries to give the lease back; else it expires."""


@dataclass(eq=False)
class SettleLease:
    """The settle lease of a novel for ``seconds``, as seen by one who wants the graph settled.

    ``task``: the task that the settle ends, if its own lease is held: then nobody waits for a node that died
    while it settled for this task.
    """

    graph: GraphStore
    novel_id: int
    seconds: float
    task: int = 0
    _seen: int | None = field(default=None, init=False)  # number of the settle that ran at the first try

    async def settle(self, work: Callable[[int], Awaitable[object]], *, exact: bool = True) -> bool:
        """Await ``work(settle number)`` under the lease, unless another settle that began since the first try
        is done; False: another one holds the lease, or an older kgnb settled without it. Try again later.

        ``exact``: ``work`` is a whole settle. Raises what ``work`` raises, and ServiceDown.
        """
        seen = self._seen if exact else None
        turn, number = await self.graph.begin_settle(self.novel_id, self.seconds, after=seen, task=self.task)
        if turn == "held" and self._seen is None:
            log.info(say("node.settle_waits", novel=self.novel_id))
        self._seen = number if self._seen is None else self._seen
        return turn == "done" or (turn == "mine" and await self._run(work, number, exact))

    async def _run(self, work: Callable[[int], Awaitable[object]], number: int, exact: bool) -> bool:
        done, renewal = False, asyncio.create_task(self._renew(number))
        try:
            with suppress(GraphConflict):
                await work(number)
                done = True
            return done
        finally:
            renewal.cancel()
            with suppress(ServiceError, TimeoutError):
                async with asyncio.timeout(None if done else GIVE_BACK_SECONDS):
                    await self.graph.extend_settle(self.novel_id, number, 0.0, done=done and exact)

    async def _renew(self, number: int) -> None:
        while True:
            await asyncio.sleep(self.seconds / 3)
            with suppress(ServiceError):  # one that expired is renewed too, unless another settle took it
                await self.graph.extend_settle(self.novel_id, number, self.seconds)
