"""Budgets: every usage counts, over nodes and days; what is used up pauses the provider with its reason."""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
from collections.abc import Awaitable, Callable, Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from kgnb.core.amounts import parse_prices
from kgnb.core.errors import BudgetReached, ProviderPaused, ReplyTruncated, ServiceDown, SettingsError
from kgnb.core.model import Provider, Usage
from kgnb.core.settings import Settings
from kgnb.llm.client import Completion
from kgnb.llm.fake.server import FakeServer, Faults
from kgnb.stores.ledger import database as sql_module
from kgnb.stores.ledger.ledger import Ledger
from kgnb.worker.budget import Budget, SpendingTracker
from tests.support.commands import Llm, Place, llm, novel
from tests.support.ledgers import new_task, opened
from tests.support.patience import SLOWEST
from tests.support.throttles import NAME, asking

PROVIDER = Provider(NAME)
NOON = datetime(2026, 3, 10, 12)


class Clock:
    """The time in Beijing, settable."""

    now = NOON

    def __call__(self) -> datetime:
        return self.now


async def reached(spending: SpendingTracker, model: str = "chat") -> BudgetReached | None:
    """The error that keeps a request from being sent."""
    call = spending.reservation(PROVIDER, model, 1)
    spending.reserve(call, Usage(1, 10))
    await spending.write_reserved(PROVIDER)
    try:
        spending.check(PROVIDER, model)
    except BudgetReached as error:
        return error
    finally:
        spending.settle(call, Usage())
        await spending.flush()
    return None


async def test_two_nodes_share_a_budget(ledger: Ledger) -> None:
    budget = Budget(tokens={"deepseek": 1_000})
    one, two = SpendingTracker(ledger, budget), SpendingTracker(ledger, budget)
    one.record(PROVIDER, "chat", Usage(2, 300, 100))
    two.record(PROVIDER, "chat", Usage(1, 300, 100))
    assert await reached(one) is None
    await two.flush()
    assert await reached(one) is None
    one.record(PROVIDER, "other", Usage(1, 200, 0))
    error = await reached(one)
    assert error is not None
    assert "1000" in str(error)
    assert await reached(two) is not None  # it was told when it looked
    assert (
        await reached(SpendingTracker(ledger, Budget(tokens={"deepseek": 1_001}))) is None
    )  # somebody raised it
    assert await reached(SpendingTracker(ledger, Budget(tokens={"other": 1}))) is None
    assert await reached(SpendingTracker(ledger, Budget(tokens={"": 1_000}))) is not None


async def test_money_is_counted_by_the_models_prices(ledger: Ledger) -> None:
    budget = Budget(money={"": 10}, prices=parse_prices("deepseek=2/8,DeepSeek/Reasoner=4/16"))
    spending = SpendingTracker(ledger, budget)
    spending.record(PROVIDER, "chat", Usage(1, 1_000_000, 500_000))  # 2 + 4
    assert await reached(spending) is None
    spending.record(PROVIDER, "reasoner", Usage(1, 500_000, 124_000))  # 2 + 1.984
    assert await reached(spending) is None
    spending.record(PROVIDER, "reasoner", Usage(1, 0, 1_000))
    error = await reached(spending)
    assert error is not None
    assert error.key == "provider.budget_money"


async def test_cached_tokens_have_a_price_of_their_own(ledger: Ledger) -> None:
    budget = Budget(money={"": 2}, prices=parse_prices("deepseek=2/8/0.2"))
    spending = SpendingTracker(ledger, budget)
    spending.record(PROVIDER, "chat", Usage(1, 1_000_000, 0, 500_000))
    spending.record(PROVIDER, "chat", Usage(1, 1_000_000, 0, 1_000_000))
    assert await reached(spending) is None  # 1 + 0.1 + 0.2
    assert await reached(SpendingTracker(ledger, budget)) is None  # another node's, from the table
    same = SpendingTracker(ledger, Budget(money={"": 2}, prices=parse_prices("deepseek=2/8")))
    assert await reached(same) is not None  # 4: nobody said that cached ones are cheaper
    spending.record(PROVIDER, "chat", Usage(1, 0, 87_500))  # 0.7
    error = await reached(spending)
    assert error is not None
    assert error.key == "provider.budget_money"


async def test_without_a_price_nothing_is_spent_under_a_budget_of_money(ledger: Ledger) -> None:
    spending = SpendingTracker(
        ledger, Budget(money={"": 10}, prices=parse_prices("other=1/1,deepseek/chat=1/1"))
    )
    assert await reached(spending) is None
    error = await reached(spending, "reasoner")
    assert error is not None
    assert error.key == "provider.no_price"


async def test_the_window_moves_by_days_in_beijing(ledger: Ledger) -> None:
    clock = Clock()
    spending = SpendingTracker(ledger, Budget(tokens={"": 100}, days=3), clock)
    spending.record(PROVIDER, "chat", Usage(1, 100, 0))
    error = await reached(spending)
    assert error is not None
    assert error.pause_seconds == pytest.approx(12 * 3_600, abs=2)  # until midnight
    clock.now = NOON + timedelta(days=2)
    assert await reached(spending) is not None
    clock.now = NOON + timedelta(days=3)
    assert await reached(spending) is None


async def test_what_is_spent_is_summed_by_model_and_day(ledger: Ledger) -> None:
    clock = Clock()
    spending = SpendingTracker(ledger, Budget(), clock)
    for _ in range(3):
        spending.record(PROVIDER, "chat", Usage(1, 10, 5, 4))
        await spending.flush()
    spending.record(PROVIDER, "chat", Usage())
    clock.now = NOON + timedelta(hours=12)
    spending.record(PROVIDER, "聊" * 300, Usage(1, 2**31, 0, 2**31))
    await spending.flush()
    await spending.flush()
    day = NOON.date()
    assert await ledger.spending.since(day) == {
        ("deepseek", "chat", day): Usage(3, 30, 15, 12),
        ("deepseek", "聊" * 200, day + timedelta(days=1)): Usage(1, 2**31, 0, 2**31),
    }
    assert len(await ledger.spending.since(day + timedelta(days=1))) == 1


@contextlib.contextmanager
def locked(path: Path) -> Iterator[None]:
    """Another writer holds the database."""
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        yield
        other.execute("ROLLBACK")


async def told(ledger: Ledger, task: int) -> list[Usage]:
    """What the provider and the task cost."""
    (spent,) = (await ledger.spending.since(NOON.date() - timedelta(days=9_999))).values()
    return [spent, (await ledger.task_stats.progress(task)).usage]


async def test_what_could_not_be_written_counts_and_is_written_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("kgnb.stores.ledger.database.RETRY_SECONDS", 0.5)
    monkeypatch.setitem(sql_module.SQLITE_ARGUMENTS, "timeout", 0.2)
    async with opened(f"sqlite:///{tmp_path / 'kgnb.db'}") as ledger:
        _, task = await new_task(ledger)
        spending = SpendingTracker(ledger, Budget(tokens={"": 15}))
        spending.record(PROVIDER, "chat", Usage(1, 9, 5), task)
        with locked(tmp_path / "kgnb.db"):
            for _ in range(2):
                with pytest.raises(ServiceDown):
                    await spending.flush()
        spending.check(PROVIDER, "chat")
        spending.record(PROVIDER, "chat", Usage(1, 1, 1), task)
        with pytest.raises(BudgetReached):
            spending.check(PROVIDER, "chat")
        await spending.flush()
        await spending.flush()
        assert await told(ledger, task) == [Usage(2, 10, 6)] * 2


async def test_what_is_spent_during_a_write_is_written_by_the_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun = asyncio.Event()
    async with opened(f"sqlite:///{tmp_path / 'kgnb.db'}") as ledger:
        _, task = await new_task(ledger)
        add = ledger.spending.add

        async def noted(*given: Any, **named: Any) -> Any:
            begun.set()
            return await add(*given, **named)

        monkeypatch.setattr(ledger.spending, "add", noted)
        spending = SpendingTracker(ledger, Budget())
        spending.record(PROVIDER, "chat", Usage(1, 10, 5), task)
        with locked(tmp_path / "kgnb.db"):
            writing = asyncio.create_task(spending.flush())
            await asyncio.wait_for(begun.wait(), 20 * SLOWEST)  # and waits for the other writer
            spending.record(PROVIDER, "chat", Usage(1, 1, 1), task)
        await writing
        assert await told(ledger, task) == [Usage(1, 10, 5)] * 2
        await spending.flush()
        assert await told(ledger, task) == [Usage(2, 11, 6)] * 2


async def test_a_cancelled_write_counts_once(tmp_path: Path) -> None:
    async with opened(f"sqlite:///{tmp_path / 'kgnb.db'}") as ledger:
        _, task = await new_task(ledger)
        spending = SpendingTracker(ledger, Budget())
        spending.record(PROVIDER, "chat", Usage(1, 10, 5), task)
        with locked(tmp_path / "kgnb.db"):
            writing = asyncio.create_task(spending.flush())
            await asyncio.sleep(0.1)  # it waits in its thread for the other writer
            writing.cancel()
            with pytest.raises(asyncio.CancelledError):
                await writing
        await spending.flush()
        assert await told(ledger, task) == [Usage(1, 10, 5)] * 2


async def test_requests_in_flight_stay_counted_when_their_node_dies(ledger: Ledger) -> None:
    budget = Budget(tokens={"": 1_000})
    lives = 0
    while lives < 9:
        node = SpendingTracker(ledger, budget)
        for _ in range(2):
            node.reserve(node.reservation(PROVIDER, "chat", 1), Usage(1, 100))
            await node.write_reserved(PROVIDER)
        try:
            node.check(PROVIDER, "chat")
        except BudgetReached:
            break
        lives += 1  # and is killed, both requests in flight
    assert lives == 5
    assert await reached(SpendingTracker(ledger, budget)) is not None


async def test_what_a_request_cost_takes_the_place_of_what_was_reserved(ledger: Ledger) -> None:
    clock, metered = Clock(), list[tuple[int, Usage]]()
    _, task = await new_task(ledger)
    spending = SpendingTracker(ledger, Budget(tokens={"": 150}), clock, lambda *one: metered.append(one))
    call = spending.reservation(PROVIDER, "chat", task)
    for _ in range(2):  # it was tried twice
        spending.reserve(call, Usage(1, 100))
        await spending.write_reserved(PROVIDER)
    assert await told(ledger, task) == [Usage(2, 200)] * 2
    spending.check(PROVIDER, "chat")  # it may cost less
    clock.now += timedelta(days=1)
    spending.settle(call, Usage(2, 60, 30, 10))
    await spending.flush()
    assert await told(ledger, task) == [Usage(2, 60, 30, 10)] * 2
    assert metered == [(task, Usage(2, 60, 30, 10))]


# --- at the throttle


async def test_a_request_is_counted_before_it_is_sent(ledger: Ledger, redis_url: str) -> None:
    _, task = await new_task(ledger)
    budget = Budget(tokens={"": 1_000})
    async with (
        FakeServer(faults=Faults(hang=1.0)) as server,
        asking(redis_url, server.base_url, ledger=ledger, budget=budget) as node,
    ):
        asked = asyncio.create_task(node.ask("刘备与关羽。", task_id=task))
        while not server.stats.requests:
            await asyncio.sleep(0.01)
        assert await told(ledger, task) == [Usage(1, len("刘备与关羽。"))] * 2
        asked.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asked


async def test_replies_that_can_not_be_used_cost_too(ledger: Ledger, redis_url: str) -> None:
    async with (
        FakeServer(faults=Faults(truncated=1.0)) as server,
        asking(redis_url, server.base_url, ledger=ledger) as node,
    ):
        for _ in range(2):
            with pytest.raises(ReplyTruncated) as error:
                await node.ask()
        await node.throttle.flush()
        (spent,) = (await ledger.spending.since(NOON.date() - timedelta(days=9_999))).values()
        assert error.value.usage is not None
        assert spent == error.value.usage + error.value.usage
        assert spent.requests == 2
        assert spent.completion_tokens > 0


async def test_a_request_that_is_cancelled_under_way_counts_for_its_task(
    ledger: Ledger, redis_url: str
) -> None:
    _, task = await new_task(ledger)
    async with (
        FakeServer(faults=Faults(hang=1.0)) as server,
        asking(redis_url, server.base_url, ledger=ledger) as node,
    ):
        asked = asyncio.create_task(node.ask("刘备与关羽。", task_id=task))
        while not server.stats.requests:
            await asyncio.sleep(0.01)
        asked.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asked
        await node.throttle.flush()
    assert (await ledger.task_stats.progress(task)).usage == Usage(1, len("刘备与关羽。"))


async def test_answers_are_shared_together(ledger: Ledger, redis_url: str) -> None:
    async with FakeServer() as server, asking(redis_url, server.base_url, ledger=ledger) as node:
        for _ in range(20):
            await node.ask()
        state = await node.throttle.breaker.state(NAME)
        assert state.answer.answered_at == 0, "an answer costs no round trip of its own"
        await node.throttle.flush()
        state = await node.throttle.breaker.state(NAME)
        assert state.answer.answered_at > 0


async def test_what_was_never_sent_takes_no_time(ledger: Ledger, redis_url: str) -> None:
    times: list[float] = []
    async with FakeServer() as server, asking(redis_url, server.base_url, ledger=ledger) as node:
        node.throttle.on_request_timed = lambda _, seconds: times.append(seconds)
        await node.ask()
        node.throttle.pauses.paused = {NAME}
        with pytest.raises(ProviderPaused):
            await node.ask()
    assert len(times) == 1


async def test_used_up_it_pauses_the_provider_for_every_node(ledger: Ledger, redis_url: str) -> None:
    budget = Budget(tokens={"deepseek": 1})
    async with (
        FakeServer() as server,
        asking(redis_url, server.base_url, ledger=ledger, budget=budget) as node,
        asking(redis_url, server.base_url, ledger=ledger) as other,
    ):
        await node.ask()
        for _ in range(3):
            with pytest.raises(BudgetReached):
                await node.ask()
        assert server.stats.requests == 1
        state = (await other.throttle.breaker.states([other.provider.name]))[NAME]
        assert state.paused
        assert "KGNB_BUDGET_TOKENS" in state.reason
        assert "kgnb providers resume DeepSeek" in state.reason
        assert state.failures == 0
        await other.throttle.pauses.lift_automatic(other.provider)  # as `kgnb providers resume` does
        assert not (await other.throttle.breaker.states([other.provider.name]))[NAME].paused
        node.throttle.pauses.paused = set()
        with pytest.raises(BudgetReached):  # paused again: nobody raised it
            await node.ask()
        assert (await other.throttle.breaker.states([other.provider.name]))[NAME].paused


async def test_a_provider_that_tells_no_tokens_is_counted_by_characters(
    ledger: Ledger, redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def silent(
        *_args: object, admit: Callable[[], Awaitable[None]], spent: Callable[[Usage], None]
    ) -> Completion:
        await admit()
        spent(Usage(1, 0, 0))
        return Completion('{"events": []}', Usage(1, 0, 0))

    async with asking(redis_url, ledger=ledger) as node:
        monkeypatch.setattr(node.client, "ask", silent)
        done = await node.ask("刘备与关羽。")
        await node.throttle.flush()
        (spent,) = (await ledger.spending.since(NOON.date() - timedelta(days=9_999))).values()
        assert spent == done.usage == Usage(1, 6, 14)  # which the chapter's row tells, too


# --- a build


@pytest.fixture
def server() -> Iterator[Llm]:
    with llm(latency=0.05) as one:
        yield one


@pytest.fixture
def place(tmp_path: Path, running_engines: None, server: Llm) -> Iterator[Place]:
    with Place(tmp_path, server.env()) as one:
        yield one


def test_a_build_stops_at_its_budget_and_goes_on_when_it_is_raised(place: Place, server: Llm) -> None:
    book = novel(place.path / "book.txt", 12)
    command = ("build", book, "--provider", "dryrun", "--slots", "2", "--json")
    stopped = place.run(*command, env={"KGNB_BUDGET_TOKENS": "dryrun=4000"})
    assert stopped.code == 3, stopped
    assert "KGNB_BUDGET_TOKENS" in stopped.err.splitlines()[-1]
    asked = server.stats.requests
    assert 0 < asked < 12
    (row,) = place.sql("SELECT sum(requests), sum(prompt_tokens + completion_tokens) FROM kgnb_spending")
    assert row[0] == asked
    assert row[1] >= 4_000
    again = place.run(*command, env={"KGNB_BUDGET_TOKENS": "dryrun=4000"})
    assert again.code == 3, again
    assert server.stats.requests == asked  # not one more
    done = place.run(*command, env={"KGNB_BUDGET_TOKENS": "dryrun=4000000"})
    assert done.code == 0, done
    assert (done.json["completed"], done.json["failed"]) == (12, 0)
    assert server.stats.requests == 12
    assert server.stats.answered_twice == []


def test_a_build_under_a_budget_of_money_wants_a_price(place: Place, server: Llm) -> None:
    book = novel(place.path / "book.txt", 3)
    refused = place.run("build", book, "--provider", "dryrun", env={"KGNB_BUDGET": "5"})
    assert refused.code == 3, refused
    assert "KGNB_PRICES" in refused.err
    assert server.stats.requests <= 1  # whether something answers there
    assert server.stats.answered.total() == 0
    env = {"KGNB_BUDGET": "5", "KGNB_PRICES": "dryrun=2/8"}
    assert place.run("build", book, "--provider", "dryrun", env=env).code == 0


# --- settings


def test_prices_by_provider_and_by_model() -> None:
    assert parse_prices("") == {}
    assert parse_prices("A=2/8, a/Org/Model = 0/1.5,1/1") == {
        "a": (2, 8),
        "a/org/model": (0, 1.5),
        "": (1, 1),
    }
    budget = Budget(prices=parse_prices("a=2/8,a/Org/Model=0/1.5"))
    assert budget.price("A", "ORG/model") == (0, 1.5)
    assert budget.price("a", "other") == (2, 8)
    assert budget.price("b", "other") is None
    assert parse_prices("a=2/8/0.2,a/b=1/2/0") == {"a": (2, 8, 0.2), "a/b": (1, 2, 0)}


@pytest.mark.parametrize(
    "text", ["a", "a=1", "a=1/x", "a=-1/1", "a=1/2/3/4", "a=1/2/", "a=1/2/-1", "a=1/1,A=2/2", "a=inf/1"]
)
def test_malformed_prices_are_refused_by_name(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setenv("KGNB_PRICES", text)
    with pytest.raises(SettingsError, match="KGNB_PRICES"):
        Settings.load()
