"""Graphs in SQL: whatever changes the record makes its stored graph stale, and nothing else does."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace

import pytest
import sqlalchemy as sa

from kgnb.core.errors import InputError
from kgnb.extract.model import NameEntry
from kgnb.graph.model import Graph
from kgnb.graph.project import codec
from kgnb.graph.project.projection import project
from kgnb.graph.resolve.decisions import Decision
from kgnb.stores.ledger import tables as t
from kgnb.stores.ledger.graphs import StoredGraph, make_graph
from kgnb.stores.ledger.ledger import Ledger
from tests.support.ledgers import (
    execute,
    finish_task,
    learn_names,
    make_book,
    new_task,
    numbered,
    opened,
)

CHAPTERS, CONFIGS = t.chapters, t.configs


async def finished(ledger: Ledger, count: int = 3) -> tuple[int, int]:
    """(novel id, task id) of a novel with a row for each chapter."""
    novel_id, task_id = await new_task(ledger, count)
    await finish_task(ledger, task_id, 10)
    return novel_id, task_id


async def state(ledger: Ledger, novel_id: int) -> str:
    return (await ledger.graphs.record(novel_id)).state


def of_chapter(novel_id: int, number: int, **values: object) -> sa.Update:
    where = CHAPTERS.c.novel_id == novel_id, CHAPTERS.c.chapter_number == number
    return sa.update(CHAPTERS).where(*where).values(**values)


def swapped(novel_id: int) -> list[sa.Executable]:
    numbers = {1: -1, 2: 1, -1: 2}
    return [of_chapter(novel_id, old, chapter_number=new) for old, new in numbers.items()]


CHANGES: dict[str, Callable[[int], list[sa.Executable]]] = {
    "text": lambda novel: [of_chapter(novel, 2, content="另一段正文，曹操独坐。" * 9)],
    "text of the same length": lambda novel: [
        of_chapter(novel, 2, content=sa.func.replace(CHAPTERS.c.content, "关羽", "曹操"))
    ],
    "title": lambda novel: [of_chapter(novel, 1, title="新的题目")],
    "number": lambda novel: [of_chapter(novel, 3, chapter_number=9)],
    "order": swapped,
    "a chapter less": lambda novel: [
        sa.delete(CHAPTERS).where(CHAPTERS.c.novel_id == novel, CHAPTERS.c.chapter_number == 3)
    ],
    "a chapter more": lambda novel: [
        sa.insert(CHAPTERS).values(
            novel_id=novel, chapter_number=4, title="四", content="多一章", word_count=3
        )
    ],
    "the book's title": lambda novel: [
        sa.update(t.novels).where(t.novels.c.id == novel).values(title="演义")
    ],
    "a task less": lambda novel: [sa.delete(t.tasks).where(t.tasks.c.novel_id == novel)],
    "a row less": lambda novel: [sa.delete(t.extractions).where(t.extractions.c.chapter_number == 2)],
    "a row anew": lambda novel: [sa.update(t.extractions).values(token=99)],
    "relation types": lambda novel: [
        sa.insert(CONFIGS).values(name="c", is_default=1, relation_types=[{"type": "OWES", "enabled": True}])
    ],
    "kinds of things": lambda novel: [
        sa.insert(CONFIGS).values(name="c", is_default=1, entity_types=["法宝"], enable_entity_extraction=1)
    ],
    "a task's kinds": lambda novel: [
        sa.update(t.task_facts).where(t.task_facts.c.novel_id == novel).values(kinds='["法宝"]')
    ],
}


@pytest.mark.parametrize("change", CHANGES)
async def test_a_change_of_the_record_makes_another_state(ledger: Ledger, change: str) -> None:
    novel_id, _ = await finished(ledger)
    before = await state(ledger, novel_id)
    assert await state(ledger, novel_id) == before
    for statement in CHANGES[change](novel_id):
        await execute(ledger, statement)
    assert await state(ledger, novel_id) != before


async def test_so_do_names_decisions_and_an_earlier_text(ledger: Ledger) -> None:
    novel_id, _ = await finished(ledger)
    seen = [await state(ledger, novel_id)]
    await learn_names(ledger, novel_id, [NameEntry("刘备", ("玄德",), mentions=3)])
    seen.append(await state(ledger, novel_id))
    await learn_names(ledger, novel_id, [NameEntry("刘备", ("玄德", "先主"), mentions=3)])
    seen.append(await state(ledger, novel_id))
    [(decision, _)] = await ledger.name_decisions.add(novel_id, [Decision(0, "merge", ("刘备", "使君"))])
    seen.append(await state(ledger, novel_id))
    await ledger.name_decisions.undo(novel_id, decision.id)
    seen.append(await state(ledger, novel_id))
    assert len(set(seen)) == len(seen)
    changed = make_book([*numbered(2), "第三章改了，孙权也来饮酒。" * 4], title="书", author="人")
    assert (await ledger.books.import_book(changed)).novel_id == novel_id
    assert await state(ledger, novel_id) not in seen
    assert (
        await ledger.books.import_book(make_book(numbered(3), title="书", author="人"))
    ).novel_id == novel_id
    assert await state(ledger, novel_id) == seen[-1]  # the earlier text, and the earlier graph


async def test_what_changes_no_graph_leaves_the_state(ledger: Ledger) -> None:
    novel_id, task_id = await finished(ledger)
    other, _ = await new_task(ledger, salt="别")
    before = await state(ledger, novel_id)
    await execute(ledger, sa.insert(CONFIGS).values(name="c", is_default=1, ai_model="another"))
    await execute(ledger, sa.update(t.tasks).where(t.tasks.c.id == task_id).values(status="paused"))
    await learn_names(ledger, other, [NameEntry("刘备")])
    assert await state(ledger, novel_id) == before
    with pytest.raises(InputError):
        await ledger.graphs.record(novel_id + other + 99)


async def made_and_kept(ledger: Ledger, novel_id: int) -> tuple[Graph, StoredGraph]:
    graph, made = await asyncio.to_thread(make_graph, await ledger.graphs.record(novel_id))
    await ledger.graphs.store(novel_id, made)
    return graph, made


async def test_the_newest_graph_is_kept(ledger: Ledger) -> None:
    novel_id, _ = await finished(ledger)
    assert await ledger.graphs.stored(novel_id) is None
    old = await ledger.graphs.record(novel_id)
    graph, made = await made_and_kept(ledger, novel_id)
    assert graph == await asyncio.to_thread(project, await ledger.graphs.record(novel_id))
    stored = await ledger.graphs.stored(novel_id)
    assert stored == made
    assert codec.decode(stored.data) == graph
    assert stored.counts == graph.counts()
    assert stored.counts["Chapter"] == 3
    assert await ledger.graphs.stored(novel_id, data=False) == replace(made, data=b"")
    assert not await ledger.graphs.store(novel_id, replace(made, number=old.number - 1))  # a slower one
    assert (await ledger.graphs.record(novel_id)).number > made.number
    future = replace(made, number=made.number + 10**9, state="x")  # of a machine whose clock is ahead
    assert await ledger.graphs.store(novel_id, future)
    _, again = await made_and_kept(ledger, novel_id)
    assert await ledger.graphs.stored(novel_id) == again
    await execute(ledger, sa.update(t.graphs).values(format=codec.FORMAT + 1))
    assert await ledger.graphs.stored(novel_id) is None


async def test_nothing_is_kept_of_a_novel_that_main_deleted(ledger: Ledger) -> None:
    novel_id, _ = await finished(ledger)
    _, made = await made_and_kept(ledger, novel_id)
    await execute(ledger, sa.delete(t.tasks))
    await execute(ledger, sa.delete(t.novels))
    assert not await ledger.graphs.store(novel_id, replace(made, number=made.number + 1))
    (orphan,), _ = await ledger.orphans.find(0)
    await ledger.orphans.clear(orphan)
    await ledger.orphans.forget(orphan)
    assert await ledger.graphs.stored(novel_id) is None


async def test_no_write_of_a_node_is_awaited(tmp_path_factory: pytest.TempPathFactory) -> None:
    """A record is read while another process writes it."""
    url = f"sqlite:///{tmp_path_factory.mktemp('sql') / 'kgnb.db'}"
    async with opened(url) as ledger, opened(url) as other:
        novel_id, _ = await finished(ledger)

        def hold(c: sa.Connection) -> str:
            c.execute(of_chapter(novel_id, 1, title="未提交"))
            return asyncio.run_coroutine_threadsafe(state(other, novel_id), loop).result(5)

        loop = asyncio.get_running_loop()
        before = await state(ledger, novel_id)
        assert await ledger.database.run(hold) == before
