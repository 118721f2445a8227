"""What the ledger keeps of doubtful replies, on SQLite and on MariaDB."""

from __future__ import annotations

from kgnb.extract import evidence
from kgnb.extract.model import Extraction
from kgnb.stores.ledger.ledger import Ledger
from tests.support.ledgers import finish_task, new_task, open_with, set_chapter


async def test_what_was_dropped_is_noted_for_each_task_that_named_it(ledger: Ledger) -> None:
    novel, task = await new_task(ledger)
    other = await ledger.tasks.create(novel, provider="rules", model="", use_ai=False, name="again")
    for one in (task, other):
        await open_with(ledger, one, 5)

    async def noted() -> list[int]:
        found = await ledger.task_stats.figures([task, other])
        return [found[task].dropped, found[other].dropped]

    assert await noted() == [0, 0]
    await ledger.extractions.note_dropped(novel, {"甲": {task}, "乙": {task, other}, "丙": {999}})
    assert await noted() == [2, 1]
    await ledger.extractions.note_dropped(novel, {"甲": {task}})
    assert await noted() == [1, 0]


async def test_rows_count_what_no_quote_speaks_for(ledger: Ledger) -> None:
    _, task = await new_task(ledger)
    claim = {"source": "刘备", "target": "关羽", "evidence": "二人拔剑相斗"}
    found = Extraction.model_validate({"relations": [claim, {**claim, "evidence": "刘备与关羽"}]})
    found = evidence.verify(found, evidence.ChapterText("刘备与关羽饮酒"))
    await finish_task(ledger, task, 5, extraction=found)
    one = (await ledger.task_stats.figures([task]))[task]
    assert (one.unverified, one.rejected) == (3, 3)  # one in each of three chapters


async def test_texts_come_in_order_page_by_page(ledger: Ledger) -> None:
    novel, _ = await new_task(ledger, 505)
    texts = list(ledger.books.texts_blocking(novel))
    assert [(number, text[1:].partition("章")[0]) for number, text in texts] == [
        (number, str(number)) for number in range(1, 506)
    ]
    assert evidence.names_in_texts(["第505章", "曹操"], (text for _, text in texts)) == {"第505章"}


async def test_a_chapters_state(ledger: Ledger) -> None:
    _, task = await new_task(ledger)
    first = (await open_with(ledger, task, 5)).chapters[0]
    (state,) = await ledger.task_stats.chapter_states(task_id=task, chapter_id=first)
    assert state is not None
    assert (state.status, state.entities, state.error, state.completed_at) == ("pending", 0, "", None)
    await ledger.database.run(
        lambda c: c.execute(set_chapter(task, first, status="failed", error_message="x"))
    )
    (state,) = await ledger.task_stats.chapter_states(task_id=task, chapter_id=first)
    assert state is not None
    assert (state.status, state.error) == ("failed", "x")
    assert await ledger.task_stats.chapter_states(task_id=task, chapter_id=999) == []
