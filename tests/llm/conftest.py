from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.support.scripted_llm import CountingClient


@pytest.fixture(autouse=True)
async def _closed_clients() -> AsyncIterator[None]:
    yield
    for client in [*CountingClient.unclosed]:
        await client.close()
