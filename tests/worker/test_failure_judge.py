"""Whose failure it is: of one request that always fails its chapter's, of an outage or a limit nobody's."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any, cast

import pytest
import sqlalchemy as sa

from kgnb.book import chunking
from kgnb.core.errors import EndpointWrong, ProviderDown, ProviderError, RateLimited, RequestUnanswered
from kgnb.core.model import Usage
from kgnb.llm.client import TEST_PROMPT, Completion
from kgnb.llm.fake import server
from kgnb.llm.fake.http import Request, Response, error_response
from kgnb.llm.fake.server import FakeServer, Faults
from kgnb.stores.ledger import tables as t
from kgnb.stores.ledger.ledger import Ledger
from kgnb.stores.queue.breaker import ProviderState
from kgnb.worker import chapter_worker, failure_judge, throttle
from kgnb.worker.extractor import SPLIT
from kgnb.worker.throttle import ProviderThrottle
from tests.support.ledgers import QUEUE, execute, opened, task_row
from tests.support.light_nodes import light_node, submitted
from tests.support.patience import eventually
from tests.support.throttles import NAME, Asking, asking

POISON = "无字天书现世"
LIMITED = error_response(429, "rate_limit_exceeded", "slow down")._replace(extra={"retry-after": "0"})


class Server(FakeServer):
    """Fails each prompt with POISON in its own way."""

    least = 1  # as often
    failure = error_response(504, "timeout", "upstream timed out")._replace(extra={"retry-after": "0"})

    def respond(self, request: Request) -> Response:
        poisoned = request.method == "POST" and request.body.decode().count(POISON) >= self.least
        return self.failure if poisoned else super().respond(request)


@pytest.fixture
async def llm() -> AsyncIterator[Server]:
    async with Server(retry_after=0) as one:
        yield one


@pytest.fixture
async def node(llm: Server, redis_url: str, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Asking]:
    monkeypatch.setattr(throttle, "SHORTEST_LIMIT", 0.0)
    async with asking(redis_url, llm.base_url) as one:
        yield one


async def fate(node: Asking, text: str = POISON, **options: Any) -> type[ProviderError]:
    with pytest.raises(ProviderError) as error:
        await node.ask(text, **options)
    return type(error.value)


async def answers(node: Asking, count: int) -> None:
    for number in range(count):
        await node.ask(f"刘备与关羽，第{number}次。")


async def state(node: Asking) -> ProviderState:
    """Pauses and failures; not what was answered when."""
    found = (await node.throttle.breaker.states([node.provider.name]))[NAME]
    return replace(found, answer=ProviderState().answer)


async def test_the_last_chapter_of_all_ends_by_a_test_request_and_pauses_nobody(
    node: Asking, llm: Server
) -> None:
    for _ in range(3):
        with pytest.raises(RequestUnanswered) as error:
            await node.ask(POISON)
        assert all(word in str(error.value) for word in ("504", "upstream timed out", "KGNB_CHUNK_CHARS"))
    assert await state(node) == ProviderState()
    answer = (await node.throttle.breaker.states([node.provider.name]))[NAME].answer
    assert 0 < answer.seconds < 60
    assert llm.stats.requests == 3  # the test requests; the others were never counted


class RealThrottle(ProviderThrottle):
    """A node's, of one request at a time."""

    open = asyncio.Event()


async def test_a_chapter_that_always_fails_is_a_dead_letter_and_its_task_closes(
    llm: Server, node: Asking, redis_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(chapter_worker, "RETRY_SECONDS", (0.02, 0.02))
    monkeypatch.setattr(RealThrottle, "__init__", lambda one: one.__dict__.update(vars(node.throttle)))
    monkeypatch.setattr(f"{__name__}.POISON", "第2章的正文")
    async with opened(f"sqlite:///{tmp_path / 'kgnb.db'}") as ledger:
        await ledger.providers.save(NAME, {"api_key": "k", "base_url": llm.base_url, "models": ["dryrun"]})
        task_id = await submitted(ledger, redis_url, 3)
        await execute(ledger, sa.update(t.task_facts).values(model="dryrun"))
        model = cast("Any", RealThrottle())  # type: ignore[call-arg]
        async with light_node(redis_url, ledger, tmp_path, model, base_url=llm.base_url) as light:
            await eventually(lambda: closed(ledger, task_id))
            (dead,) = await light.queue.dead_items(QUEUE)
        progress = await ledger.task_stats.progress(task_id)
    assert (progress.completed, progress.failed, dead.failures) == (2, 1, 3)
    assert "upstream timed out" in dead.reason
    assert await state(node) == ProviderState()


async def closed(ledger: Ledger, task_id: int, status: str = "failed") -> bool:
    return (await task_row(ledger, task_id))["status"] == status


async def test_an_outage_is_nobodys_failure_however_long(
    node: Asking, llm: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    llm.faults = Faults(rate_500=1.0)
    assert {await fate(node), await fate(node, "刘备")} == {ProviderDown}
    monkeypatch.setattr(failure_judge, "PATIENCE", 0.0)
    assert {await fate(node), await fate(node, "刘备")} == {ProviderDown}
    assert (await state(node)).failures == 1


def others_fail(node: Asking, monkeypatch: pytest.MonkeyPatch, *, limited: bool = False) -> None:
    """Another chapter fails, or gets a 429, during each call but the test requests."""

    async def answers() -> bool:
        return True

    answer = node.client.ask
    judge = node.throttle.judge

    async def beside(*args: object, **options: object) -> object:
        if args[0] is not TEST_PROMPT:
            if limited:
                await judge.wait_if_own(node.provider.lower_name, "other", 1.0, answers)
            else:
                judge._counts[node.provider.lower_name].failed += 1
        return await answer(*args, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(node.client, "ask", beside)


async def test_several_that_are_never_answered_excuse_each_other_only_for_a_while(
    node: Asking, llm: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    others_fail(node, monkeypatch)
    assert [await fate(node) for _ in range(3)] == [ProviderDown] * 3
    monkeypatch.setattr(failure_judge, "PATIENCE", 0.0)
    assert await fate(node) is RequestUnanswered


async def test_others_429s_are_no_outage_that_would_excuse_a_request(
    node: Asking, llm: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    others_fail(node, monkeypatch, limited=True)
    assert await fate(node) is RequestUnanswered


async def test_a_chapter_that_gets_a_third_429_while_a_short_request_is_answered_has_its_own(
    node: Asking, llm: Server
) -> None:
    llm.failure = LIMITED
    for part in ("甲", "乙"):  # of one chapter
        assert await fate(node, POISON + part, chapter_id=1) is RateLimited
        assert await fate(node, POISON, chapter_id=2) is RateLimited
        await answers(node, 2)
    slots = node.throttle.limiter(node.provider).slots
    with pytest.raises(RequestUnanswered, match="slow down") as error:
        await node.ask(POISON, chapter_id=1)
    assert error.value.wait == 0
    assert node.throttle.limiter(node.provider).slots == slots  # no limit for the others
    await node.ask("刘备", chapter_id=1)  # its first half; the other is refused as before
    assert await fate(node, chapter_id=1) is RequestUnanswered


async def test_an_answer_between_is_no_refusal_that_lasts(node: Asking, llm: Server) -> None:
    llm.failure = LIMITED
    for _ in range(3):
        assert [await fate(node, chapter_id=1) for _ in range(2)] == [RateLimited] * 2
        await node.ask("刘备", chapter_id=1)


async def test_a_part_waits_as_long_as_was_asked_and_ten_minutes_are_the_end(
    node: Asking, llm: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    llm.failure = LIMITED._replace(extra={"retry-after": "40"})
    monkeypatch.setattr(throttle, "LONGEST_WAIT", 0.0)
    monkeypatch.setattr(node.throttle, "breaker", _NoLimit(node.throttle.breaker))
    waits = []
    for _ in range(5):
        with pytest.raises(ProviderError) as error:
            await node.ask(POISON, chapter_id=1)
        waits.append(getattr(error.value, "wait", "limited"))
    assert waits == ["limited", "limited", 40, 40, 40]
    monkeypatch.setattr(failure_judge, "REFUSED_SECONDS", 0.0)
    with pytest.raises(RequestUnanswered) as last:
        await node.ask(POISON, chapter_id=1)
    assert last.value.wait == 0


class _NoLimit:
    """A breaker that forgets each rate limit, as if it were over."""

    def __init__(self, breaker: Any) -> None:
        self.breaker = breaker

    def __getattr__(self, name: str) -> Any:
        return getattr(self.breaker, name)

    async def limit_rate(self, *_: object) -> None:
        pass


async def test_a_quota_buries_no_chapter(node: Asking, llm: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither one that short requests use up too, nor one that says how long it lasts."""
    llm.faults, llm.failure = Faults(rate_429=1.0), LIMITED
    assert [await fate(node, chapter_id=1) for _ in range(7)] == [RateLimited] * 7
    llm.faults = Faults()
    llm.failure = LIMITED._replace(extra={"retry-after": "1800"})
    monkeypatch.setattr(node.throttle, "breaker", _NoLimit(node.throttle.breaker))
    assert [await fate(node, chapter_id=1) for _ in range(7)] == [RateLimited] * 7


@pytest.mark.parametrize("least", [1, 3])
async def test_a_429_that_never_passes_splits_the_chapter_then_fails_it(
    llm: Server, node: Asking, redis_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, least: int
) -> None:
    """The second chapter has the refused words three times, each of its halves less."""
    llm.failure, llm.least = LIMITED, least
    monkeypatch.setattr(chapter_worker, "RETRY_SECONDS", (0.02, 0.02))
    monkeypatch.setattr(chunking, "MIN_HALVE", 40)
    monkeypatch.setattr(RealThrottle, "__init__", lambda one: one.__dict__.update(vars(node.throttle)))
    monkeypatch.setattr(f"{__name__}.POISON", "第2章的正文")
    async with opened(f"sqlite:///{tmp_path / 'kgnb.db'}") as ledger:
        await ledger.providers.save(NAME, {"api_key": "k", "base_url": llm.base_url, "models": ["dryrun"]})
        task_id = await submitted(ledger, redis_url, 3)
        await execute(ledger, sa.update(t.task_facts).values(model="dryrun"))
        model = cast("Any", RealThrottle())  # type: ignore[call-arg]
        async with light_node(redis_url, ledger, tmp_path, model, base_url=llm.base_url) as light:
            await eventually(lambda: closed(ledger, task_id, "failed" if least == 1 else "completed"))
            dead = await light.queue.dead_items(QUEUE)
        progress = await ledger.task_stats.progress(task_id)
        marks = await ledger.database.run(
            lambda c: c.scalars(sa.select(t.replies.c.reply).where(t.replies.c.reply == SPLIT)).all()
        )
    if least == 1:
        assert (progress.completed, progress.failed, dead[0].failures) == (2, 1, 3)
        assert "slow down" in dead[0].reason
        assert not marks, "another day its length may be no reason"
    else:
        assert (progress.completed, progress.failed, len(dead)) == (3, 0, 0)
        assert len(marks) == 1
    assert await state(node) == ProviderState()


@pytest.mark.parametrize(
    "failure", [error_response(403, "blocked", "firewall"), error_response(400, "bad", "The model says no")]
)
async def test_who_refuses_one_passage_as_if_it_were_all_is_not_paused(
    node: Asking, llm: Server, failure: Response, monkeypatch: pytest.MonkeyPatch
) -> None:
    others = server.models_body(("another",))
    monkeypatch.setattr(server, "models_body", lambda _: others)  # it takes names that it doesn't list
    llm.failure = failure
    with pytest.raises(RequestUnanswered, match=r"HTTP 403|says no"):
        await node.ask(POISON)
    assert await state(node) == ProviderState()
    if failure.status == 400:
        others_fail(node, monkeypatch)  # several passages at once
        assert await fate(node) is RequestUnanswered
        assert await state(node) == ProviderState()
    with pytest.raises(EndpointWrong):
        await node.ask("刘备", model="dryrun-gone")
    assert (await state(node)).paused


async def test_a_request_that_timed_out_is_spending(
    llm: Server, redis_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    answered: list[Usage] = []

    async def counted(*given: Any, **more: Any) -> Completion:
        done = await ask(*given, **more)
        answered.append(done.usage)
        return done

    llm.failure = Response(0, b"")
    async with (
        opened(f"sqlite:///{tmp_path / 'kgnb.db'}") as ledger,
        asking(redis_url, llm.base_url, ledger=ledger, timeout=2.0, tries=2) as node,
    ):
        ask = node.client.ask
        monkeypatch.setattr(node.client, "ask", counted)
        assert await fate(node) is RequestUnanswered
        await answers(node, 1)
        await node.throttle.flush()
        (spent,) = (await ledger.spending.since(date.min)).values()
        assert spent == sum(answered, Usage(2, 2 * len(POISON)))
