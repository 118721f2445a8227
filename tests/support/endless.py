"""Work without an end."""

from __future__ import annotations

import asyncio
import threading
from dataclasses import dataclass, field


@dataclass
class Endless:
    """Goes on until it is cancelled, and cleans up for ``seconds`` then."""

    seconds: float = 0.1
    begun: threading.Event = field(default_factory=threading.Event)
    cancelled: threading.Event = field(default_factory=threading.Event)
    cleaned: threading.Event = field(default_factory=threading.Event)

    async def run(self) -> None:
        self.begun.set()
        try:
            await asyncio.sleep(3600)
        finally:
            self.cancelled.set()
            await asyncio.sleep(self.seconds)
            self.cleaned.set()
