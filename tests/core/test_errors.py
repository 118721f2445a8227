"""Errors travel between processes as they are."""

from __future__ import annotations

import pickle

import pytest

from kgnb.core.errors import (
    BudgetReached,
    GraphConflict,
    KgnbError,
    RateLimited,
    ReplyUnparsable,
    ServiceDown,
)


@pytest.mark.parametrize(
    "error",
    [
        ServiceDown("graph.down", service="bolt", where="bolt://here"),
        GraphConflict("graph.conflict", novel=3),
        RateLimited("provider.rate", provider="p", retry_after=2.04),
        ReplyUnparsable("provider.unparsable", provider="p"),
        BudgetReached("provider.quota", provider="p", pause_seconds=5.0, detail="HTTP 429"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_an_error_of_a_worker_process_comes_whole(error: KgnbError) -> None:
    again = pickle.loads(pickle.dumps(error))
    assert type(again) is type(error)
    assert vars(again) == vars(error)
    assert (str(again), again.args) == (str(error), error.args)
