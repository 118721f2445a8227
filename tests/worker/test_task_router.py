"""Which model answers a task."""

from __future__ import annotations

from typing import Any, cast

import pytest
import sqlalchemy as sa

from kgnb.core.errors import SettingsError
from kgnb.core.model import RULES, Provider
from kgnb.stores.ledger import tables as t
from kgnb.worker.task_router import TaskRouter
from tests.support.ledgers import execute, opened


async def test_the_configs_model_where_the_provider_lists_it_else_its_first(sql_url: str) -> None:
    async with opened(sql_url) as ledger:
        router = TaskRouter(ledger, cast("Any", None))
        assert await router.model_for(Provider("DeepSeek", models=("a", "b"))) == "a"
        await execute(ledger, sa.insert(t.configs).values(name="默认", ai_model="b", is_default=1))
        assert await router.model_for(Provider("DeepSeek", models=("a", "b"))) == "b"
        assert await router.model_for(Provider("DeepSeek", models=("a", "c"))) == "a"
        assert await router.model_for(Provider(RULES, models=("b",))) == ""
        with pytest.raises(SettingsError, match="DeepSeek"):
            await router.model_for(Provider("DeepSeek"))
