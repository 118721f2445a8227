"""Tasks that a test makes, claims and opens as a node does."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from kgnb.app.context import App
from kgnb.core.model import ChapterStatus
from kgnb.stores.ledger.chapters import ChapterEnd
from kgnb.stores.queue.lease_renewer import LeaseRenewer
from kgnb.stores.queue.types import Claim, QueueName
from kgnb.worker.chapter_worker import Stores
from kgnb.worker.task_keeper import TaskKeeper
from tests.support.ledgers import finish_chapter, make_book, numbered, task_row
from tests.support.queues import fail_for_good, take

NEW, OLD = QueueName("kg:task:queue:deepseek"), QueueName("kg:ai_queue:deepseek")


async def new_task(app: App, count: int = 3, *, push: bool = True, salt: str = "") -> int:
    book = make_book(numbered(count, salt), title=f"书{salt}", author=f"人{salt}")
    novel_id = (await app.ledger.books.import_book(book)).novel_id
    task_id = await app.ledger.tasks.create(
        novel_id, provider="DeepSeek", model="chat", use_ai=True, name="三国"
    )
    if push:
        await app.queue.push(NEW, task_id)
    return task_id


async def hold(app: App) -> Claim:
    """Claims and opens the next task, as a node does."""
    (claim,) = (await take(app.queue, NEW, tasks=1)).claims
    await reopen(app, claim)
    return claim


@contextmanager
def keeping(app: App) -> Iterator[TaskKeeper]:
    """What keeps tasks open on a node that reaches no graph."""
    renewer = LeaseRenewer(app.queue)
    renewer.start()
    stores: Any = (app.ledger, app.queue, None, renewer, app.outages)
    told = dict.fromkeys(("on_step", "on_closed", "on_stuck"), lambda *_: None)
    yield TaskKeeper(Stores(*stores), app.providers, app.pool, **told)
    renewer.stop()


async def stepped(task_keeper: TaskKeeper, task_id: int) -> None:
    """Waits for what the keeper is doing about the task."""
    held = task_keeper.open_tasks.get(task_id)
    if held is not None and held.step is not None:
        await held.step


async def reopen(app: App, claim: Claim) -> list[int]:
    facts = {"queue": claim.queue, "provider": "DeepSeek", "model": "chat"}
    opening = await app.ledger.task_lifecycle.open(
        claim.task_id, **facts, token=claim.token, fresh=claim.fresh
    )
    assert opening.outcome == "open"
    assert await app.queue.open_task(claim, opening.chapters)
    return opening.chapters


async def chapters(app: App, count: int) -> list[Claim]:
    claims = (await take(app.queue, NEW, chapters=count)).claims
    await app.ledger.chapters.claim([(c.task_id, c.chapter_id, c.token) for c in claims])
    return claims


async def status(app: App, task_id: int) -> str:
    return str((await task_row(app.ledger, task_id))["status"])


async def bury(app: App, claim: Claim, *, told: bool = True) -> None:
    await fail_for_good(app.queue, claim, "no JSON in the reply")
    if told:
        await mark(app, claim, ChapterStatus.FAILED)
        await app.queue.confirm_buried([claim])


async def mark(app: App, claim: Claim, status: ChapterStatus) -> bool:
    return (
        await app.ledger.chapters.end([ChapterEnd(claim.task_id, claim.chapter_id, claim.token, status)])
    )[0]


async def failed_task(app: App, count: int = 3, dead: int = 1, *, salt: str = "") -> int:
    """A closed task of ``count`` chapters, of which ``dead`` are on the dead list and the rest completed."""
    task_id = await new_task(app, count, salt=salt)
    held = await hold(app)
    claims = await chapters(app, count)
    for claim in claims[:dead]:
        await bury(app, claim)
    for claim in claims[dead:]:
        assert await finish_chapter(app.ledger, task_id, claim.chapter_id, claim.token)
    await app.queue.ack(claims[dead:])
    assert await app.ledger.task_lifecycle.close(task_id, held.token) is not None
    await app.queue.ack([held])
    return task_id
