"""Which model answers a task, and which queue its item waits in."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, cast

import pytest
import sqlalchemy as sa

from kgnb.core.errors import SettingsError
from kgnb.core.model import RULES, Provider, Task, TaskStatus
from kgnb.core.settings import Settings
from kgnb.stores.ledger import tables as t
from kgnb.stores.ledger.ledger import Ledger
from kgnb.worker.provider_registry import ProviderRegistry
from kgnb.worker.task_router import TaskRouter
from tests.support.ledgers import execute


async def test_the_configs_model_where_the_provider_lists_it_else_its_first(ledger: Ledger) -> None:
    router = TaskRouter(ledger, cast("Any", None))
    assert await router.model_for(Provider("DeepSeek", models=("a", "b"))) == "a"
    await execute(ledger, sa.insert(t.configs).values(name="默认", ai_model="b", is_default=1))
    assert await router.model_for(Provider("DeepSeek", models=("a", "b"))) == "b"
    assert await router.model_for(Provider("DeepSeek", models=("a", "c"))) == "a"
    assert await router.model_for(Provider(RULES, models=("b",))) == ""
    with pytest.raises(SettingsError, match="DeepSeek"):
        await router.model_for(Provider("DeepSeek"))


async def test_a_tasks_item_waits_for_its_own_provider_unless_that_is_gone(ledger: Ledger) -> None:
    providers = ProviderRegistry(ledger, Settings.load())
    router = TaskRouter(ledger, providers)
    new = Task(1, 1, "b", TaskStatus.CREATED, use_ai=True, chapter_ids=None)
    imported, queued = replace(new, provider="Second"), replace(new, queue="kg:ai_queue:second")

    async def queue_of(task: Task) -> str | None:
        await providers.refresh()
        return await router.queue_for(task, usable=True)

    assert await queue_of(new) is None
    assert await queue_of(replace(new, use_ai=False, provider="Second")) == "kg:task:queue:rules"
    for name in ("First", "Second"):
        values = {"base_url": "http://127.0.0.1:1/v1", "api_key": "k", "models": ["m"]}
        await ledger.providers.save(name, values)
    assert await ledger.providers.seen() == {"first": True, "second": True}
    assert await queue_of(new) == "kg:task:queue:first"
    assert await queue_of(imported) == "kg:task:queue:second"  # a record names a provider, but no queue
    strange = replace(new, provider="Elsewhere")  # one that nobody here may ever serve
    assert await queue_of(strange) == "kg:task:queue:first"
    assert await queue_of(queued) == "kg:ai_queue:second"
    await ledger.providers.remove("Second", delete=False)
    for task in (imported, queued):
        assert await queue_of(task) == "kg:task:queue:first"
    assert await queue_of(replace(new, queue="kg:task:queue:mine")) == "kg:task:queue:mine"  # a node's own
