"""The ledger's contract, on SQLite and on MariaDB."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta

import pytest
import sqlalchemy as sa
from pymysql.constants import SERVER_STATUS

from kgnb.book.model import text_hash
from kgnb.core.errors import InputError
from kgnb.core.labels import CHARACTER_RELATIONS
from kgnb.core.model import ChapterStatus, TaskConfig, TaskStatus, Usage, beijing_now
from kgnb.core.provider_options import ProviderOptions
from kgnb.extract.model import NameEntry
from kgnb.stores.ledger import tables as t
from kgnb.stores.ledger.chapters import ChapterEnd, ChapterWork
from kgnb.stores.ledger.ledger import Ledger
from kgnb.stores.ledger.orphans import Orphan
from tests.support.ledgers import (
    QUEUE,
    end_of,
    execute,
    extraction,
    finish_chapter,
    finish_task,
    learn_names,
    make_book,
    new_task,
    numbered,
    open_with,
    opened,
    row_of,
    rows_of,
    scalar,
    set_chapter,
    set_task,
    status_row,
    task_row,
)


async def editions(ledger: Ledger) -> list[int]:
    """Of each stored text whether it is an edition of another one."""
    query = sa.select(t.books.c.edition).order_by(t.books.c.edition)
    return list(await ledger.database.run(lambda c: c.scalars(query).all()))


async def claimed(ledger: Ledger) -> tuple[tuple[int, int], ChapterWork]:
    """A new task's first chapter, claimed with token 11: (task id, chapter id), and its work."""
    _, task_id = await new_task(ledger)
    key = (task_id, (await open_with(ledger, task_id, 10)).chapters[0])
    return key, (await ledger.chapters.claim([(*key, 11)]))[key]


class TestBooks:
    async def test_the_same_text_finds_its_novel(self, ledger: Ledger) -> None:
        book = make_book(numbered(4))
        first = await ledger.books.import_book(book, file_path="/books/三国.txt", file_size=9)
        again = await ledger.books.import_book(replace(book, title="别名"), file_path="/other", file_size=9)
        assert len(first.chapters) == 4
        assert again == first
        assert await editions(ledger) == [0]
        novel = await ledger.books.novel(first.novel_id)
        assert (novel.title, novel.author) == ("三国", "罗贯中")
        ids = [c.id for c in first.chapters]
        assert await ledger.books.texts(ids) == dict(zip(ids, numbered(4), strict=True))
        assert [c.number for c in await ledger.books.chapters(novel.id, ids[1:3])] == [2, 3]
        row = await ledger.database.run(lambda c: c.execute(sa.select(t.novels)).mappings().one())
        assert (row["total_chapters"], row["file_path"], row["tags"]) == (4, "/books/三国.txt", [])

    async def test_a_title_that_the_user_gives_replaces_the_stored_one(self, ledger: Ledger) -> None:
        book = make_book(numbered(2), title="book(1)", author="")
        first = await ledger.books.import_book(book)
        task_id = await ledger.tasks.create(
            first.novel_id, provider="rules", model="", use_ai=False, name=first.title
        )
        given = await ledger.books.import_book(replace(book, given_title="渡口", given_author="何人"))
        assert given == replace(first, title="渡口", before=("book(1)", ""))
        again = await ledger.books.import_book(replace(book, given_title="渡口"))
        assert again == await ledger.books.import_book(book) == replace(given, before=None)
        novel, task = await ledger.books.novel(first.novel_id), await ledger.tasks.get(task_id)
        assert (novel.title, novel.author, task.name) == ("渡口", "何人", "渡口")

    async def test_an_edition_adds_only_what_is_new_or_changed(self, ledger: Ledger) -> None:
        first = await ledger.books.import_book(make_book(numbered(6)))
        texts = [*numbered(6), "第七章新写的正文。" * 5]
        texts[2] = "第三章改写了。" * 9
        second = await ledger.books.import_book(make_book(texts, title="另名", author=""))  # by its chapters
        assert second.novel_id == first.novel_id
        assert await editions(ledger) == [0, 1]
        assert [c.id for c in second.chapters[:6]] == [c.id for c in first.chapters]
        assert list((await ledger.books.texts([c.id for c in second.chapters])).values()) == texts
        assert await ledger.books.import_book(make_book(texts)) == second

    async def test_a_chapter_put_in_between_changes_none_behind_it(self, ledger: Ledger) -> None:
        first = await ledger.books.import_book(make_book(numbered(5)))
        texts = numbered(5)
        texts.insert(2, "插入的一章，写貂蝉。" * 4)
        second = await ledger.books.import_book(make_book(texts))
        assert [c.number for c in second.chapters] == [1, 2, 3, 4, 5, 6]
        kept = [c.id for c in second.chapters if c.number != 3]
        assert kept == [c.id for c in first.chapters]

    async def test_unknown_authors_dont_make_two_books_one(self, ledger: Ledger) -> None:
        one = await ledger.books.import_book(make_book(numbered(3), title="book", author=""))
        other = await ledger.books.import_book(make_book(numbered(3, "异"), title="book", author=""))
        assert one.novel_id != other.novel_id
        same_author = await ledger.books.import_book(make_book(numbered(3, "又"), title="三国"))
        edition = await ledger.books.import_book(make_book(numbered(3, "再"), title="三国"))
        assert edition.novel_id == same_author.novel_id
        found = await ledger.books.texts([c.id for c in edition.chapters])
        assert list(found.values()) == numbered(3, "再")

    async def test_a_failed_import_leaves_nothing(self, ledger: Ledger) -> None:
        broken = make_book([*numbered(300), "孤立的代理字符 \ud800" * 3])
        with pytest.raises(UnicodeEncodeError):
            await ledger.books.import_book(broken)
        for table in (t.novels, t.chapters, t.books, t.chapter_hashes):
            assert await scalar(ledger, sa.select(sa.func.count()).select_from(table)) == 0

    async def test_a_novel_that_main_deleted_is_imported_anew(self, ledger: Ledger) -> None:
        book = make_book(numbered(2))
        first = await ledger.books.import_book(book)
        await execute(ledger, sa.update(t.novels).values(is_deleting=1))
        second = await ledger.books.import_book(book)
        assert second.novel_id != first.novel_id
        with pytest.raises(InputError, match="99"):
            await ledger.books.novel(99)

    async def test_two_imports_at_once_make_one_novel(self, sql_url: str) -> None:
        book = make_book(numbered(50))
        async with opened(sql_url) as a, opened(sql_url) as b:
            results = await asyncio.gather(*(x.books.import_book(book) for x in (a, b, a, b)))
            assert len({r.novel_id for r in results}) == 1
            assert await scalar(a, sa.select(sa.func.count()).select_from(t.chapters)) == 50

    async def test_a_tasks_names_are_frozen_and_a_books_replaced(self, ledger: Ledger) -> None:
        novel_id, task_id = await new_task(ledger)
        first = [NameEntry("刘备", ("玄德",), mentions=9, first_chapter=2, last_chapter=3, chapters=2)]
        assert await ledger.names.frozen(task_id) is None
        assert await ledger.names.freeze(task_id, novel_id, first) == first
        assert await ledger.names.freeze(task_id, novel_id, [NameEntry("曹操")]) == first  # first wins
        more = NameEntry("刘备", ("刘皇叔",), mentions=4, first_chapter=1, last_chapter=2, chapters=2)
        things = [NameEntry("a", kind="Thing"), NameEntry("A", kind="Thing")]
        await learn_names(ledger, novel_id, [more, *things, NameEntry("刘备", mentions=1)])
        table = await ledger.names.read(novel_id)
        assert table[0] == more
        assert {n.name for n in table[1:]} == {"a", "A"}  # no collation makes them one
        assert await ledger.names.frozen(task_id) == first

    async def test_who_tells_the_book_is_kept_and_nobody_does_in_rows_of_older_versions(
        self, ledger: Ledger
    ) -> None:
        novel_id, task_id = await new_task(ledger)
        names = [NameEntry("华生", mentions=9, narrator=True), NameEntry("福尔摩斯", mentions=8)]
        await ledger.names.freeze(task_id, novel_id, names)
        assert await ledger.names.frozen(task_id) == names
        assert await ledger.names.read(novel_id) == names
        assert [n.narrator for n in await ledger.names.read(novel_id)] == [True, False]
        await execute(ledger, sa.update(t.names).values(narrator=None))
        assert not any(n.narrator for n in await ledger.names.read(novel_id))


class TestCatalog:
    async def test_nothing_there_means_defaults(self, ledger: Ledger) -> None:
        assert await ledger.providers.list_rows() == []
        assert await ledger.providers.default_config() == TaskConfig()

    async def test_providers(self, ledger: Ledger) -> None:
        rows = [
            {"name": "DeepSeek", "base_url": "https://x/v1/", "api_key": "sk-1", "models": ["a", "b", "a"]},
            {"name": "Odd", "base_url": None, "api_key": None, "models": [{"name": "m1"}, 3, None]},
            {"name": "Null", "base_url": "", "api_key": "", "models": None},
        ]
        for row in rows:
            await execute(ledger, sa.insert(t.ai_providers).values(is_active=1, **row))
        await execute(ledger, sa.insert(t.ai_providers).values(name="Off", is_active=0))
        found, _ = await ledger.providers.active_with_options()
        assert [(p.name, p.models) for p in found] == [
            ("DeepSeek", ("a", "b")),
            ("Odd", ("m1",)),
            ("Null", ()),
        ]
        assert found[0].base_url == "https://x/v1"
        assert "sk-1" not in repr(found)

    async def test_default_config(self, ledger: Ledger) -> None:
        types = [
            {"type": "HATES", "name": "恨", "enabled": False},
            {"type": "sworn_brother", "name": "结义", "enabled": True},
            {"type": "APPEARS_IN", "enabled": True},
            {"type": "X] DELETE", "enabled": True},
            {"type": "OFF", "enabled": False},
            {"type": "KNOWS", "enabled": False},  # what unknown types become
            {"enabled": True},
        ]
        kinds = [{"type": "character", "enabled": True}, {"type": "法宝"}, {"type": "x", "enabled": False}]
        values = {"ai_provider": "DeepSeek", "ai_model": "b", "max_content_length": 9000, "is_default": 1}
        await execute(ledger, sa.insert(t.configs).values(name="other", is_default=0))
        await execute(ledger, sa.insert(t.configs).values(relation_types=types, entity_types=kinds, **values))
        config = await ledger.providers.default_config()
        assert config.thing_kinds == ("法宝",)
        assert config.relation_types == (*(r for r in CHARACTER_RELATIONS if r != "HATES"), "SWORN_BROTHER")
        assert (config.ai_provider, config.ai_model, config.max_content_length) == ("DeepSeek", "b", 9000)

    async def test_a_providers_options_are_replaced_and_no_others(self, ledger: Ledger) -> None:
        for name in ("a", "b", "c"):
            await ledger.providers.save_options(name, ProviderOptions(organization=name))
        await ledger.providers.save_options("B", ProviderOptions(organization="anew"))
        await ledger.providers.save_options("c", ProviderOptions())
        _, options = await ledger.providers.active_with_options()
        assert {name: one.organization for name, one in options.items()} == {"a": "a", "b": "anew"}


class TestOpening:
    async def test_open_work_close(self, ledger: Ledger) -> None:
        novel_id, task_id = await new_task(ledger)
        opening = await open_with(ledger, task_id, 10)
        ids = [c.id for c in await ledger.books.chapters(novel_id)]
        assert (opening.outcome, opening.chapters) == ("open", ids)
        assert (opening.task.status, opening.task.queue) == (TaskStatus.RUNNING, QUEUE)
        assert await ledger.task_lifecycle.close(task_id, 10) is None  # chapters are pending
        for chapter_id in ids:
            assert await finish_chapter(ledger, task_id, chapter_id, 20)
        assert await ledger.task_lifecycle.close(task_id, 9) is None  # not the holder's token
        assert await ledger.task_lifecycle.close(task_id, 10) is TaskStatus.COMPLETED
        row = await task_row(ledger, task_id)
        assert (row["total_entities"], row["total_relations"], row["completed_chapters"]) == (12, 6, 3)
        assert row["completed_at"] is not None
        assert (await open_with(ledger, task_id, 11)).outcome == "finished"
        assert (await ledger.tasks.get(task_id)).refreshed
        progress = await ledger.task_stats.progress(task_id)
        assert (progress.total, progress.completed, progress.percent) == (3, 3, 100.0)
        assert progress.usage == Usage(6, 90, 120, 60)
        assert await ledger.tasks.unfinished() == []

    async def test_more_tokens_than_a_column_holds(self, ledger: Ledger) -> None:
        _, task_id = await new_task(ledger)
        await finish_task(ledger, task_id, 10, usage=Usage(1, 10**10, 2**31, 10**10))  # a provider that lies
        most = 2**31 - 1
        assert (await ledger.task_stats.progress(task_id)).usage == Usage(3, 3 * most, 3 * most, 3 * most)

    async def test_tokens_only_rise(self, ledger: Ledger) -> None:
        _, task_id = await new_task(ledger)
        assert (await open_with(ledger, task_id, 10)).outcome == "open"
        assert (await open_with(ledger, task_id, 10, fresh=False)).outcome == "open"  # repeatable
        assert (await open_with(ledger, task_id, 12)).outcome == "open"
        assert (await open_with(ledger, task_id, 11)).outcome == "stale"
        assert await ledger.task_lifecycle.close(task_id, 10) is None

    async def test_main_stops_and_retries(self, ledger: Ledger) -> None:
        _, task_id = await new_task(ledger)
        chapters = (await open_with(ledger, task_id, 10)).chapters
        await execute(ledger, set_task(task_id, status="paused"))
        assert (await open_with(ledger, task_id, 11, fresh=False)).outcome == "paused"
        assert await ledger.chapters.claim([(task_id, chapters[0], 12)]) == {}
        assert await ledger.task_lifecycle.close(task_id, 10) is None
        assert (await open_with(ledger, task_id, 13, fresh=True)).outcome == "open"
        await execute(ledger, set_task(task_id, status="cancelled"))
        assert (await open_with(ledger, task_id, 14)).outcome == "cancelled"
        assert await ledger.tasks.statuses([task_id, 99]) == {task_id: TaskStatus.CANCELLED}

    @pytest.mark.parametrize("status", ["archived", "PAUSED", "", None])
    async def test_any_other_status_stops_it_too(self, ledger: Ledger, status: str | None) -> None:
        _, task_id = await new_task(ledger)
        chapters = (await open_with(ledger, task_id, 10)).chapters
        await execute(ledger, set_task(task_id, status=status))
        assert (await open_with(ledger, task_id, 11, fresh=False)).outcome == "paused"
        assert await ledger.chapters.claim([(task_id, chapters[0], 12)]) == {}
        assert (await task_row(ledger, task_id))["status"] == status

    async def test_what_main_wrote_on_an_unfinished_task_is_taken_back(self, ledger: Ledger) -> None:
        _, task_id = await new_task(ledger)
        chapters = (await open_with(ledger, task_id, 10)).chapters
        for status in ("created", "completed", "failed"):
            await execute(ledger, set_task(task_id, status=status))
            assert (await open_with(ledger, task_id, 11, fresh=False)).outcome == "open"
            await execute(ledger, set_task(task_id, status=status))
            assert len(await ledger.chapters.claim([(task_id, chapters[0], 12)])) == 1
            assert (await task_row(ledger, task_id))["status"] == "running"

    async def test_a_status_over_the_closing_one_is_put_right(self, ledger: Ledger) -> None:
        _, task_id = await new_task(ledger)
        assert await finish_task(ledger, task_id, 10) is TaskStatus.COMPLETED
        await execute(ledger, set_task(task_id, status="created"))
        assert [x.id for x in await ledger.tasks.unfinished()] == [task_id]
        opening = await open_with(ledger, task_id, 30)
        assert (opening.outcome, opening.task.status) == ("finished", TaskStatus.COMPLETED)
        assert await ledger.tasks.unfinished() == []

    async def test_done_but_not_refreshed_is_open_with_nothing_to_do(self, ledger: Ledger) -> None:
        _, task_id = await new_task(ledger)
        for chapter_id in (await open_with(ledger, task_id, 10)).chapters:
            await finish_chapter(ledger, task_id, chapter_id, 20)
        await execute(ledger, set_task(task_id, status="completed"))  # main's watchdog, too early
        opening = await open_with(ledger, task_id, 30, fresh=False)
        assert (opening.outcome, opening.chapters) == ("open", [])
        assert await ledger.task_lifecycle.close(task_id, 30) is TaskStatus.COMPLETED

    async def test_a_task_that_others_completed_is_left_alone(self, ledger: Ledger) -> None:
        novel_id, task_id = await new_task(ledger, 1)
        chapter = (await ledger.books.chapters(novel_id))[0]
        await execute(ledger, sa.delete(t.task_facts))
        await execute(ledger, set_task(task_id, status="completed"))
        states = {"kg_task_id": task_id, "chapter_id": chapter.id, "status": "completed"}
        await execute(ledger, sa.insert(t.chapter_status).values(**states))
        assert (await ledger.task_commands.retry(task_id)).outcome == "refused"
        assert (await open_with(ledger, task_id, 10)).outcome == "finished"

    async def test_gone(self, ledger: Ledger) -> None:
        _, task_id = await new_task(ledger)
        assert (await open_with(ledger, 999, 1)).outcome == "gone"
        await execute(ledger, sa.update(t.novels).values(is_deleting=1))
        assert (await open_with(ledger, task_id, 1)).outcome == "gone"
        assert await ledger.tasks.unfinished() == []
        await execute(ledger, sa.delete(t.novels))
        assert (await open_with(ledger, task_id, 1)).outcome == "gone"

    async def test_chosen_and_deleted_chapters(self, ledger: Ledger) -> None:
        novel_id, task_id = await new_task(ledger, 4)
        ids = [c.id for c in await ledger.books.chapters(novel_id)]
        await execute(ledger, set_task(task_id, chapter_ids=[ids[2], ids[0], 12345]))
        assert (await open_with(ledger, task_id, 10)).chapters == [ids[0], ids[2]]
        await execute(ledger, sa.delete(t.chapters).where(t.chapters.c.id == ids[0]))
        assert await ledger.chapters.claim([(task_id, ids[0], 11)]) == {}
        assert (await open_with(ledger, task_id, 12)).chapters == [ids[2]]
        await finish_chapter(ledger, task_id, ids[2], 13)
        assert (
            await ledger.task_lifecycle.close(task_id, 12) is TaskStatus.COMPLETED
        )  # skipped ones count as done

    async def test_an_empty_list_of_chapters_means_all(self, ledger: Ledger) -> None:
        _, task_id = await new_task(ledger)
        chapters = (await open_with(ledger, task_id, 10)).chapters
        await execute(ledger, set_task(task_id, chapter_ids=[]))
        again = await open_with(ledger, task_id, 11)
        assert (again.chapters, again.task.chapter_ids) == (chapters, None)

    @pytest.mark.parametrize("listed", [{"all": 0}, "[1, 2", ["first"]])
    async def test_a_list_of_chapters_that_cannot_be_read_fails_the_task(
        self, ledger: Ledger, listed: object
    ) -> None:
        _, task_id = await new_task(ledger)
        chapters = (await open_with(ledger, task_id, 10)).chapters
        await execute(ledger, set_task(task_id, chapter_ids=listed))
        opening = await open_with(ledger, task_id, 11)
        task = await ledger.tasks.get(task_id)
        assert (opening.outcome, opening.chapters, opening.task) == ("finished", [], task)
        assert task is not None
        assert task.status is TaskStatus.FAILED
        assert "chapter_ids" in task.error
        assert (await ledger.task_stats.progress(task_id)).skipped == 0  # they go on once it is corrected
        await execute(ledger, set_task(task_id, chapter_ids=None))
        assert (await open_with(ledger, task_id, 12)).chapters == chapters

    async def test_thousands_of_chapters_open_at_once(self, ledger: Ledger) -> None:
        _, task_id = await new_task(ledger, 5_000)
        opening = await open_with(ledger, task_id, 10)
        assert len(opening.chapters) == 5_000

    async def test_find_and_list(self, ledger: Ledger) -> None:
        novel_id, first = await new_task(ledger)
        ids = [c.id for c in await ledger.books.chapters(novel_id)][:1]
        second = await ledger.tasks.create(
            novel_id, provider="DeepSeek", model="chat", use_ai=True, name="n", chapter_ids=ids
        )
        found = (await ledger.tasks.with_model(novel_id, "deepseek", "chat"))[-1]
        assert (found.id, found.chapter_ids, found.use_ai) == (second, tuple(ids), True)
        assert await ledger.tasks.with_model(novel_id, "deepseek", "other") == []
        assert [x.id for x in await ledger.tasks.newest(1)] == [second]
        assert [x.id for x in await ledger.tasks.of_novel(novel_id)] == [first, second]

    @pytest.mark.parametrize("name", ["GPT", "ＧＰＴ", "Сбер", "İz", "Ｇpt é"])
    async def test_a_provider_is_found_by_its_name_in_any_case(self, ledger: Ledger, name: str) -> None:
        novel_id, _ = await new_task(ledger)
        task_id = await ledger.tasks.create(novel_id, provider=name, model="chat", use_ai=True, name="n")
        for asked in (name, name.lower()):
            assert [x.id for x in await ledger.tasks.with_model(novel_id, asked, "chat")] == [task_id]
            assert await ledger.tasks.provider_name(asked.lower()) == name
        await ledger.task_commands.change_model(name.lower(), ["other"])
        assert [x.id for x in await ledger.tasks.with_model(novel_id, name, "other")] == [task_id]
        assert len(await ledger.tasks.with_model(novel_id, "deepseek", "chat")) == 1

    async def test_a_deleted_task_is_gone_in_whole(self, ledger: Ledger) -> None:
        novel_id, task_id = await new_task(ledger)
        await finish_task(ledger, task_id, 10)
        assert await ledger.task_lifecycle.delete(task_id) == novel_id
        assert await ledger.task_lifecycle.delete(task_id) is None
        orphan = Orphan(novel_id, False, (task_id,))  # until its novel's graph is refreshed
        assert await ledger.orphans.find(0) == ([orphan], 0)
        await ledger.orphans.forget(orphan)
        for table in (t.tasks, t.chapter_status, t.extractions, t.raw_replies, t.claims, t.task_facts):
            assert await scalar(ledger, sa.select(sa.func.count()).select_from(table)) == 0


class TestRetries:
    async def fail(self, ledger: Ledger, task_id: int, token: int) -> dict:
        for chapter_id in (await open_with(ledger, task_id, token)).chapters:
            await ledger.chapters.claim([(task_id, chapter_id, token)])
            end = ChapterEnd(task_id, chapter_id, token, ChapterStatus.FAILED, error="没有 JSON")
            assert await ledger.chapters.end([end]) == [True]
        assert await ledger.task_lifecycle.close(task_id, token) is TaskStatus.FAILED
        return dict(await task_row(ledger, task_id))

    async def test_a_failed_task_says_so_and_main_may_retry_it(self, ledger: Ledger) -> None:
        _, task_id = await new_task(ledger)
        row = await self.fail(ledger, task_id, 10)
        assert (row["failed_chapters"], row["retry_scheduled_at"]) == (3, None)
        assert "3" in row["error_message"]
        assert row["last_error_chapter_id"] is not None
        assert await ledger.task_lifecycle.start_due_retries() == []
        await execute(ledger, sa.update(t.chapter_status).values(status="pending"))
        await execute(ledger, set_task(task_id, status="paused"))
        assert await finish_task(ledger, task_id, 20) is TaskStatus.COMPLETED
        assert (await task_row(ledger, task_id))["error_message"] is None

    async def test_automatic_retries_double_and_end(self, ledger: Ledger) -> None:
        _, task_id = await new_task(ledger, 1)
        await execute(ledger, set_task(task_id, auto_retry_enabled=1, retry_interval_minutes=10))
        for attempt in range(4):
            row = await self.fail(ledger, task_id, 10 * (attempt + 1))
            if attempt == 3:
                assert row["retry_scheduled_at"] is None
                break
            wait = row["retry_scheduled_at"] - row["failed_at"]
            assert abs(wait.total_seconds() - 600 * 2**attempt) <= 1
            assert await ledger.task_lifecycle.start_due_retries() == []
            past = beijing_now() - timedelta(seconds=2)
            await execute(ledger, set_task(task_id, retry_scheduled_at=past))
            started = await ledger.task_lifecycle.start_due_retries()
            assert [(x.id, x.status, x.queue) for x in started] == [(task_id, TaskStatus.CREATED, QUEUE)]
            assert await ledger.task_lifecycle.start_due_retries() == []


class TestChapters:
    async def test_stale_tokens_are_refused_everywhere(self, ledger: Ledger) -> None:
        key, old = await claimed(ledger)
        new = (await ledger.chapters.claim([(*key, 12)]))[key]
        assert await ledger.chapters.claim([(*key, 11)]) == {}
        end = end_of(row_of(old, key[0], 11))
        assert await ledger.chapters.end([end]) == [False]
        assert await ledger.extractions.row(*key) is None
        assert await ledger.chapters.hand_back([(*key, 11)]) == [False]
        later = end_of(row_of(new, key[0], 12))
        assert await ledger.chapters.end([later]) == [True]
        assert await ledger.chapters.end([later]) == [True]  # said again
        assert await ledger.chapters.end([end]) == [False]
        assert await ledger.extractions.row(*key) == later.row
        assert await ledger.chapters.claim([(*key, 13)]) == {}  # completed is completed

    async def test_what_nobody_handed_back_is_taken_over(self, ledger: Ledger) -> None:
        _, task_id = await new_task(ledger)
        key = (task_id, (await open_with(ledger, task_id, 10)).chapters[0])
        taken_over = []
        for token in (11, 12, 13):
            taken_over.append((await ledger.chapters.claim([(*key, token)]))[key].taken_over)
            if token == 12:
                await ledger.chapters.hand_back([(*key, token)])
        assert taken_over == [False, True, False]

    async def test_the_dead_list_ends_what_was_never_claimed(self, ledger: Ledger) -> None:
        _, task_id = await new_task(ledger)
        first, second, _ = (await open_with(ledger, task_id, 10)).chapters
        await ledger.chapters.claim([(task_id, second, 30)])
        ends = [ChapterEnd(task_id, k, 20, ChapterStatus.FAILED, error="x") for k in (first, second)]
        assert await ledger.chapters.end(ends) == [True, False]
        assert await ledger.chapters.claim([(task_id, first, 21)]) == {}
        assert (await ledger.task_stats.progress(task_id)).failed == 1

    async def test_an_end_from_the_dead_list_shuts_out_whoever_claimed_before(self, ledger: Ledger) -> None:
        key, work = await claimed(ledger)
        end = ChapterEnd(*key, 12, ChapterStatus.FAILED, error="x")
        assert await ledger.chapters.end([end]) == [True]
        assert await ledger.chapters.end([end_of(row_of(work, key[0], 11))]) == [False]
        assert await ledger.extractions.row(*key) is None
        assert await ledger.chapters.end([end]) == [True]  # said again

    async def test_main_sees_which_chapter_runs_and_that_its_task_does(self, ledger: Ledger) -> None:
        _, task_id = await new_task(ledger)
        chapters = (await open_with(ledger, task_id, 10)).chapters
        for token, chapter in enumerate(chapters[:2], 11):
            await execute(ledger, set_task(task_id, status="completed", completed_at=beijing_now()))
            await ledger.chapters.claim([(task_id, chapter, token)])
            row = await task_row(ledger, task_id)
            assert (row["status"], row["completed_at"]) == ("running", None)
            assert row["current_chapter_id"] == chapter

    async def test_failed_chapters_are_told_in_the_books_order(self, ledger: Ledger) -> None:
        _, task_id = await new_task(ledger, 4)
        ids = (await open_with(ledger, task_id, 10)).chapters
        for number in (4, 1, 3):
            end = ChapterEnd(task_id, ids[number - 1], 20, ChapterStatus.FAILED, error=f"why {number}")
            assert await ledger.chapters.end([end]) == [True]
        failed = await ledger.task_stats.failures(task_id, 2)
        assert [tuple(one.values()) for one in failed] == [
            (1, "第1回", "why 1"),
            (3, "第3回", "why 3"),
        ]

    async def test_a_batch_mixes_tasks_and_fates(self, ledger: Ledger) -> None:
        _, one = await new_task(ledger, 3, "甲")
        _, two = await new_task(ledger, 3, "乙")
        a, b = (await open_with(ledger, one, 10)).chapters, (await open_with(ledger, two, 10)).chapters
        await ledger.chapters.claim([(two, b[0], 99)])
        works = await ledger.chapters.claim([(one, a[0], 20), (two, b[0], 20), (two, b[1], 20), (9, 9, 20)])
        assert set(works) == {(one, a[0]), (two, b[1])}
        assert "甲" in works[(one, a[0])].text
        back = [(one, a[0], 20), (two, b[1], 21)]
        assert await ledger.chapters.hand_back(back) == [True, False]
        assert (await ledger.task_stats.progress(one)).pending == 3
        assert (await ledger.task_stats.progress(two)).running == 2
        rows = [row_of(work, task, 20) for (task, _), work in works.items()]
        ends = [end_of(row) for row in (*rows, replace(rows[1], chapter_id=b[0]))]
        # The first was handed back meanwhile: its row is kept all the same, as it was paid for.
        assert await ledger.chapters.end(ends) == [False, True, False]
        assert (await ledger.task_stats.progress(one)).pending == 3
        assert (await ledger.task_stats.progress(two)).completed == 1
        stored = {
            (r.task_id, r.chapter_id) for task in (one, two) for r in await rows_of(ledger, task_id=task)
        }
        assert stored == {(one, a[0]), (two, b[1])}

    async def test_a_chapter_with_a_row_is_never_asked_again(self, ledger: Ledger) -> None:
        key, work = await claimed(ledger)
        assert work.row is None
        row = row_of(work, key[0], 11)
        assert await ledger.chapters.end([end_of(row, ("原文1", "x" * 100_000))]) == [True]
        await execute(ledger, set_chapter(*key, status="pending"))
        again = (await ledger.chapters.claim([(*key, 12)]))[key]
        assert again.row == row
        assert again.row is not None
        other = replace(row, token=12, extraction=extraction("曹操"))
        assert await ledger.chapters.end([end_of(other)]) == [True]
        assert await ledger.extractions.row(*key) == row  # the first one stays
        assert [len(r) for r in await ledger.extractions.raw_replies(*key)] == [3, 64 * 1024]

    async def test_a_changed_text_gives_way_to_a_new_row(self, ledger: Ledger) -> None:
        novel_id, task_id = await new_task(ledger)
        await finish_task(ledger, task_id, 10)
        chapter = (await ledger.books.chapters(novel_id))[0]
        key = (task_id, chapter.id)
        new_text = "main 把这一章改写了，换了内容。"
        await execute(
            ledger, sa.update(t.chapters).where(t.chapters.c.id == chapter.id).values(content=new_text)
        )
        assert len(await ledger.graphs.rows(novel_id)) == 2  # the old row counts no more
        assert await ledger.tasks.uncovered_chapters(novel_id, [task_id]) == [chapter.id]
        await execute(ledger, set_chapter(*key, status="pending"))
        assert (await open_with(ledger, task_id, 30)).chapters == [chapter.id]
        work = (await ledger.chapters.claim([(*key, 31)]))[key]
        assert (work.row, work.text) == (None, new_text)
        assert await ledger.chapters.end([end_of(row_of(work, task_id, 31))]) == [True]
        assert (await ledger.extractions.row(*key)).text_hash == text_hash(new_text)
        assert await ledger.tasks.uncovered_chapters(novel_id, [task_id]) == []

    async def test_a_reset_chapter_keeps_its_row(self, ledger: Ledger) -> None:
        _, task_id = await new_task(ledger)
        await finish_task(ledger, task_id, 10)
        chapter_id = (await rows_of(ledger, task_id=task_id))[0].chapter_id
        await execute(ledger, set_chapter(task_id, chapter_id, status="pending"))
        assert (await open_with(ledger, task_id, 30)).chapters == [chapter_id]
        works = await ledger.chapters.claim([(task_id, chapter_id, 31)])
        assert works[(task_id, chapter_id)].row is not None

    async def test_counts_come_from_rows(self, ledger: Ledger) -> None:
        _, task_id = await new_task(ledger)
        first, second, third = (await open_with(ledger, task_id, 10)).chapters
        await execute(ledger, set_task(task_id, completed_chapters=77, failed_chapters=5))
        await ledger.chapters.claim([(task_id, k, 11) for k in (first, second, third)])
        statuses = (ChapterStatus.COMPLETED, ChapterStatus.SKIPPED, ChapterStatus.FAILED)
        ends = [ChapterEnd(task_id, k, 11, s) for k, s in zip((first, second, third), statuses, strict=True)]
        assert await ledger.chapters.end(ends) == [True] * 3
        row = await task_row(ledger, task_id)
        counts = [row[f"{k}_chapters"] for k in ("completed", "skipped", "failed", "total")]
        assert counts == [1, 1, 1, 3]
        assert await ledger.task_lifecycle.close(task_id, 10) is TaskStatus.FAILED
        assert len(await ledger.task_stats.finished()) == 1  # one chapter makes a graph
        await execute(ledger, set_task(task_id, completed_chapters=0))
        assert await ledger.task_stats.finished() == []

    async def test_hostile_text_is_stored(self, ledger: Ledger) -> None:
        key, work = await claimed(ledger)
        evil = "'; DROP TABLE novels; -- %s :x \\ 😀𠮷"
        row = row_of(work, key[0], 11, extraction=extraction(evil))
        end = end_of(row, (evil + "\ud83d",))
        assert await ledger.chapters.end([replace(end, error="\ud800")]) == [True]
        assert await ledger.extractions.row(*key) == row
        assert await ledger.extractions.raw_replies(*key) == [evil + "?"]

    @pytest.mark.parametrize("told", [True, False])
    async def test_quotes_and_backslashes_come_back_as_they_were(
        self, sql_url: str, told: bool, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        if not told:  # as through something that keeps the server's mode to itself
            monkeypatch.setattr(SERVER_STATUS, "SERVER_STATUS_NO_BACKSLASH_ESCAPES", 0)
        async with opened(sql_url) as ledger:
            await self.quotes_and_backslashes(ledger)
            if not ledger.database.sqlite:
                assert ("NO_BACKSLASH_ESCAPES" in await scalar(ledger, sa.text("SELECT @@sql_mode"))) is told

    async def quotes_and_backslashes(self, ledger: Ledger) -> None:
        key, work = await claimed(ledger)
        evil = (
            "\\",
            "\\'",
            "'' OR 1=1 -- \\",
            '\\"\\\\',
            "a\x00b\n\r\x1a%%",
            "\\n",
            "%(x)s",
            "?:b_now",
            "’‘\\",
        )
        assert await ledger.chapters.end([end_of(row_of(work, key[0], 11), evil)]) == [True]
        assert await ledger.extractions.raw_replies(*key) == list(evil)

    async def test_a_row_twice_in_one_batch_is_saved_once(self, ledger: Ledger) -> None:
        key, work = await claimed(ledger)
        row = row_of(work, key[0], 11)
        ends = [end_of(row, ("{1}",)), end_of(row, ("{2}",))]
        assert await ledger.chapters.end(ends) == [True, True]
        assert await ledger.extractions.row(*key) == row

    @pytest.mark.parametrize("count", [1, 3, 70])
    async def test_each_chapter_of_a_batch_has_its_own_end(self, ledger: Ledger, count: int) -> None:
        _, task_id = await new_task(ledger, count)
        ids = (await open_with(ledger, task_id, 10)).chapters
        await ledger.chapters.claim([(task_id, one, 11) for one in ids])
        ends = [ChapterEnd(task_id, one, 11, ChapterStatus.COMPLETED, one, 2 * one) for one in ids]
        ends[-1] = replace(ends[-1], error="缺了一段")
        ends[0] = replace(ends[0], status=ChapterStatus.FAILED, error="x")
        assert await ledger.chapters.end(ends) == [True] * count
        for end in ends:
            row = await status_row(ledger, task_id, end.chapter_id)
            assert (row["status"], row["error_message"]) == (end.status, end.error or None)
            assert (row["entities_extracted"], row["relations_extracted"]) == (end.entities, end.relations)
            assert row["completed_at"] is not None


class TestRecord:
    async def rows(self, ledger: Ledger, novel_id: int) -> list:
        return await asyncio.to_thread(list, await ledger.graphs.rows(novel_id))

    async def test_which_row_counts(self, ledger: Ledger) -> None:
        novel_id, by_ai = await new_task(ledger)
        later_ai = await ledger.tasks.create(novel_id, provider="b", model="m", use_ai=True, name="x")
        rules = await ledger.tasks.create(novel_id, provider="rules", model="", use_ai=False, name="x")
        for token, (task_id, provider) in enumerate(((rules, "rules"), (later_ai, "b"), (by_ai, "a")), 1):
            await finish_task(ledger, task_id, 10 * token, provider=provider)
        rows = await self.rows(ledger, novel_id)
        assert [r.row.chapter_number for r in rows] == [1, 2, 3]
        assert {r.row.task_id for r in rows} == {later_ai}
        assert all(r.tasks == {by_ai, later_ai, rules} for r in rows)
        await ledger.task_lifecycle.delete(later_ai)
        rows = await self.rows(ledger, novel_id)
        assert {r.row.task_id for r in rows} == {by_ai}
        await execute(ledger, sa.delete(t.tasks).where(t.tasks.c.id == by_ai))  # main's way of deleting
        assert {r.row.task_id for r in await self.rows(ledger, novel_id)} == {rules}

    async def test_pages_and_plain_rows(self, ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("kgnb.stores.ledger.extractions.PAGE", 2)
        novel_id, task_id = await new_task(ledger, 5)
        await finish_task(ledger, task_id, 10)
        rows = await ledger.graphs.rows(novel_id)
        numbers = await asyncio.to_thread(lambda: [[r.row.chapter_number for r in rows] for _ in range(2)])
        assert numbers == [[1, 2, 3, 4, 5]] * 2
        plain = [row async for row in ledger.extractions.json_rows(novel_id)]
        assert [r["chapter_number"] for r in plain] == [1, 2, 3, 4, 5]
        assert plain[0]["flags"] == ["repaired", "split"]
        assert plain[0]["extraction"]["characters"][0]["name"] == "刘备"

    async def test_uncovered(self, ledger: Ledger) -> None:
        novel_id, task_id = await new_task(ledger)
        ids = (await open_with(ledger, task_id, 10)).chapters
        assert await ledger.tasks.uncovered_chapters(novel_id, [task_id]) == ids
        await finish_chapter(ledger, task_id, ids[0], 11)
        await ledger.chapters.claim([(task_id, k, 11) for k in ids[1:]])
        ends = [
            ChapterEnd(task_id, ids[1], 11, ChapterStatus.FAILED),
            ChapterEnd(task_id, ids[2], 11, ChapterStatus.SKIPPED),
        ]
        await ledger.chapters.end(ends)
        assert await ledger.tasks.uncovered_chapters(novel_id, [task_id]) == [ids[2]]  # long enough by now
        await execute(
            ledger, sa.update(t.chapters).where(t.chapters.c.id == ids[2]).values(content="短 " * 9)
        )
        assert await ledger.tasks.uncovered_chapters(novel_id, [task_id]) == []
        assert await ledger.tasks.uncovered_chapters(novel_id, []) == ids
