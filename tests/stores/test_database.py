"""What lies under the ledger: main's tables, migrations, errors, nodes that race."""

from __future__ import annotations

import asyncio
import random
import resource
import signal
import socket
import sqlite3
import subprocess
import sys
import threading
import traceback
from dataclasses import replace
from datetime import date
from pathlib import Path

import pymysql
import pytest
import sqlalchemy as sa

from kgnb.core.errors import RowRefused, ServiceDown, ServiceRefused
from kgnb.core.model import TaskStatus, Usage
from kgnb.extract.model import NameEntry
from kgnb.stores.ledger import database as sql_module
from kgnb.stores.ledger import migrations, mysql
from kgnb.stores.ledger import tables as t
from kgnb.stores.ledger.ledger import Ledger
from tests.support.ledgers import (
    database_at,
    end_of,
    execute,
    extraction,
    finish_task,
    make_book,
    new_task,
    novel_ids,
    numbered,
    open_with,
    opened,
    row_of,
    rows_of,
    scalar,
    task_row,
)
from tests.support.paths import ROOT
from tests.support.patience import SLOWEST
from tests.support.proxy import Proxy

RACER = """
import asyncio, sys, random
import sqlalchemy as sa
from kgnb.stores.targets import SqlTarget
from kgnb.book.model import text_hash
from kgnb.core.model import ChapterStatus
from kgnb.extract.model import Character, Extraction
from kgnb.graph.model import ExtractionRow
from kgnb.stores.ledger.database import Database
from kgnb.stores.ledger.chapters import ChapterEnd
from kgnb.stores.ledger.ledger import Ledger
async def main(url, task_id, base):
    sql = Database(SqlTarget(sa.make_url(url))); await sql.prepare(); L = Ledger(sql)
    opening = await L.task_lifecycle.open(task_id, queue="q", provider="p", model="m", token=base, fresh=True)
    ended = 0
    async def work(ids, token):
        nonlocal ended
        works = await L.chapters.claim([(task_id, i, token) for i in ids])
        rows = {i: ExtractionRow(task_id, w.chapter.novel_id, i, w.chapter.number, text_hash(w.text), "h",
                Extraction(characters=[Character(name=f"n{token}")]), "p", "m", token)
                for (_, i), w in works.items() if w.row is None}
        completed = ChapterStatus.COMPLETED
        ends = [ChapterEnd(task_id, i, token, completed, 1, 1, row=rows.get(i)) for _, i in works]
        done = await L.chapters.end(ends)
        ended += sum(done)
    chapters = opening.chapters[:]
    random.shuffle(chapters)
    await asyncio.gather(*(work(chapters[i:i + 7], base + 2 + 2 * i) for i in range(0, len(chapters), 7)))
    print(opening.outcome, ended, await L.task_lifecycle.close(task_id, base))
    await sql.close()
asyncio.run(main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3])))
"""


INTERRUPTED = """
import asyncio, sys, time
import sqlalchemy as sa
from kgnb.stores.targets import SqlTarget
from kgnb.book.model import Book, BookChapter
from kgnb.stores.ledger import books
from kgnb.stores.ledger.database import Database
from kgnb.stores.ledger.ledger import Ledger
def stop(*_):
    print("in", flush=True)
    time.sleep(60)
async def main(url):
    sql = Database(SqlTarget(sa.make_url(url))); await sql.prepare()
    books._store_hashes = stop  # after the chapters were inserted
    chapters = tuple(BookChapter(i, f"t{i}", f"text {i}") for i in range(1, 51))
    await Ledger(sql).books.import_book(Book("t", "a", "en", chapters, "0" * 64))
asyncio.run(main(sys.argv[1]))
"""


class TestManyNodes:
    async def test_processes_race_and_every_chapter_ends_once(self, sql_url: str, ledger: Ledger) -> None:
        _, task_id = await new_task(ledger, 60)
        racers = [
            await asyncio.create_subprocess_exec(
                *(sys.executable, "-c", RACER, sql_url, str(task_id), str(base)),
                stdout=subprocess.PIPE,
                cwd=ROOT,
            )
            for base in (1000, 1001)
        ]
        outputs = [(await r.communicate())[0].decode().split() for r in racers]
        assert all(r.returncode == 0 for r in racers)
        assert sum(int(o[1]) for o in outputs if o[0] != "stale") == 60, outputs
        progress = await ledger.task_stats.progress(task_id)
        assert (progress.completed, progress.total) == (60, 60)
        rows = await rows_of(ledger, task_id=task_id)
        assert len({r.chapter_id for r in rows}) == len(rows) == 60
        closed = [o for o in outputs if o[2] == "completed"]
        assert len(closed) <= 1
        row = await task_row(ledger, task_id)
        assert row["completed_chapters"] == 60

    async def test_batches_of_two_nodes_in_opposite_order(self, sql_url: str) -> None:
        async with opened(sql_url) as a, opened(sql_url) as b:
            _, one = await new_task(a, 40, "甲")
            _, two = await new_task(a, 40, "乙")
            keys = []
            for task_id in (one, two):
                keys += [(task_id, k) for k in (await open_with(a, task_id, 10)).chapters]

            async def node(ledger: Ledger, first_token: int) -> None:
                for turn in range(6):
                    token = first_token + 2 * turn
                    batch = [(*key, token) for key in random.sample(keys, 30)]
                    works = await ledger.chapters.claim(batch)
                    ends = [end_of(row_of(w, key[0], token)) for key, w in works.items()]
                    await ledger.chapters.end([e for i, e in enumerate(ends) if i % 9 == 0])
                    await ledger.chapters.hand_back(batch)

            await asyncio.gather(node(a, 100), node(b, 101), node(a, 120), node(b, 121))
            both = [await a.task_stats.progress(task) for task in (one, two)]
            assert both[0].running + both[1].running < 80

    async def test_killed_in_mid_import(self, tmp_path: Path) -> None:
        url = f"sqlite:///{tmp_path / 'kill.db'}"
        async with opened(url):
            pass
        child = await asyncio.create_subprocess_exec(
            *(sys.executable, "-c", INTERRUPTED, url), stdout=subprocess.PIPE, cwd=ROOT
        )
        assert await child.stdout.readline() == b"in\n"
        child.send_signal(signal.SIGKILL)
        await child.wait()
        async with opened(url) as ledger:
            assert await novel_ids(ledger) == []
            assert len((await ledger.books.import_book(make_book(numbered(50)))).chapters) == 50


WIDER = {
    "sqlite": (
        "CREATE TABLE {name} (id INTEGER PRIMARY KEY, {columns}, owner INTEGER NOT NULL, note TEXT NOT NULL,"
        " meta JSON NOT NULL, made DATETIME NOT NULL, extra TEXT, flag INTEGER NOT NULL DEFAULT 1)"
    ),
    "mysql": (
        "CREATE TABLE {name} (id INT PRIMARY KEY AUTO_INCREMENT, {columns}, owner INT NOT NULL,"
        " note VARCHAR(20) NOT NULL, meta JSON NOT NULL, made DATETIME NOT NULL, extra TEXT,"
        " kind ENUM('a','b') NOT NULL, flag INT NOT NULL DEFAULT 1) CHARACTER SET utf8mb4"
    ),
}


def wider_tables(url: str) -> None:
    """Main's tables as an ORM with Python-side defaults makes them: required columns without default."""
    engine = sa.create_engine(url)
    with engine.begin() as c:
        for table in t.MAIN:
            kinds = [(k.name, k.type.compile(engine.dialect)) for k in table.columns if k.name != "id"]
            if table is t.chapters:
                kinds = [(n, "TEXT" if n == "content" else k) for n, k in kinds]
            if table is t.tasks:
                kinds = [(n, "INT NOT NULL" if n == "retry_count" else k) for n, k in kinds]
            columns = ", ".join(f"{name} {kind}" for name, kind in kinds)
            c.exec_driver_sql(WIDER[engine.dialect.name].format(name=table.name, columns=columns))
    engine.dispose()


class TestMainsTables:
    async def test_wider_tables_are_used_as_they_are(self, sql_url: str) -> None:
        wider_tables(sql_url)
        async with opened(sql_url) as ledger:
            before = await ledger.database.run(lambda c: sa.inspect(c).get_columns("chapters"))
            _, task_id = await new_task(ledger)
            assert await finish_task(ledger, task_id, 10) is TaskStatus.COMPLETED
            await ledger.database.prepare()
            after = await ledger.database.run(lambda c: sa.inspect(c).get_columns("chapters"))
            assert [c["name"] for c in after] == [c["name"] for c in before]
            assert (await rows_of(ledger, task_id=task_id))[0].extraction == extraction()

    async def test_a_missing_column_is_named(self, sql_url: str) -> None:
        engine = sa.create_engine(sql_url)
        with engine.begin() as c:
            c.exec_driver_sql("CREATE TABLE novels (id INTEGER PRIMARY KEY, title VARCHAR(255))")
        engine.dispose()
        with pytest.raises(ServiceRefused, match=r"novels.*author"):
            async with opened(sql_url):
                pass

    async def test_json_that_is_text_or_null(self, ledger: Ledger) -> None:
        _, task_id = await new_task(ledger)
        update = sa.text("UPDATE knowledge_graph_tasks SET chapter_ids = :ids")
        stored = {"null": None, '["2", 1, {}]': (2, 1), '"[2, 1]"': (2, 1), '{"all": 0}': (), "7": ()}
        for text, wanted in stored.items():
            await execute(ledger, update.bindparams(ids=text))
            assert (await ledger.tasks.get(task_id)).chapter_ids == wanted

    async def test_a_task_of_no_novel(self, ledger: Ledger) -> None:
        await execute(ledger, sa.insert(t.tasks).values(id=9, status="created"))
        task = await ledger.tasks.get(9)
        assert task is not None
        assert (task.novel_id, task.name) == (0, "")

    async def test_a_task_of_main_without_anything_of_ours(self, ledger: Ledger) -> None:
        novel_id = (await ledger.books.import_book(make_book(numbered(2)))).novel_id
        await execute(ledger, sa.insert(t.tasks).values(novel_id=novel_id, status="created", task_name="x"))
        task = (await ledger.tasks.unfinished())[0]
        assert (task.use_ai, task.queue, task.chapter_ids) == (True, "", None)
        assert await finish_task(ledger, task.id, 10) is TaskStatus.COMPLETED


class TestSchema:
    async def version(self, ledger: Ledger) -> object:
        return await scalar(ledger, sa.select(t.versions.c.version))

    async def test_an_older_database_is_migrated_forward(self, sql_url: str) -> None:
        async with opened(sql_url) as ledger:
            _, task_id = await new_task(ledger)
            await finish_task(ledger, task_id, 10)
            for statement in (
                "DROP TABLE kgnb_names",
                "ALTER TABLE kgnb_tasks DROP COLUMN settled_at",
                "ALTER TABLE kgnb_tasks DROP COLUMN names",
                "ALTER TABLE kgnb_extractions DROP COLUMN cached_tokens",
                "ALTER TABLE kgnb_replies DROP COLUMN cached_tokens",
                "ALTER TABLE kgnb_spending DROP COLUMN cached_tokens",
                *(
                    f"ALTER TABLE kgnb_{of} DROP COLUMN reasoning_tokens"
                    for of in ("extractions", "replies", "spending")
                ),
                "ALTER TABLE kgnb_extractions DROP COLUMN metered",
                "ALTER TABLE kgnb_replies DROP COLUMN chapter_id",
                "DROP TABLE kgnb_task_spending",
                "INSERT INTO kgnb_spending VALUES ('p', 'm', '2026-03-10', 1, 100, 10)",
                "UPDATE kgnb_schema SET version = 0",
            ):
                await execute(ledger, sa.text(statement))
        async with opened(sql_url) as ledger:
            assert await self.version(ledger) == migrations.VERSION
            novel_id = (await ledger.tasks.get(task_id)).novel_id
            assert [row.usage for row in await rows_of(ledger, task_id=task_id)] == [Usage(2, 30, 40)] * 3
            assert (await ledger.task_stats.progress(task_id)).usage == Usage(6, 90, 120)
            figures = (await ledger.task_stats.figures([task_id]))[task_id]
            assert (figures.useful, figures.wasted) == ({("DeepSeek", "chat"): Usage(6, 90, 120)}, {})
            day = date(2026, 3, 10)
            more = {(name, "m", day): Usage(1, 50, 5, 40) for name in ("p", "q")}
            await ledger.spending.add(more)  # two at once: another statement than that of one
            both = {("p", "m", day): Usage(2, 150, 15, 40)}
            assert await ledger.spending.since(day) == more | both
            assert await ledger.names.frozen(task_id) is None
            await ledger.names.freeze(task_id, novel_id, [NameEntry("刘备")])
            assert len(await ledger.names.read(novel_id)) == 1

    async def test_a_database_before_kgnb(self, sql_url: str) -> None:
        wider_tables(sql_url)
        async with opened(sql_url) as ledger:
            assert await self.version(ledger) == migrations.VERSION

    async def test_a_newer_database_is_refused(self, sql_url: str) -> None:
        async with opened(sql_url) as ledger:
            await execute(ledger, sa.text("UPDATE kgnb_schema SET version = 99"))
        with pytest.raises(ServiceRefused, match="99"):
            async with opened(sql_url):
                pass

    async def test_nodes_that_start_together(self, sql_url: str) -> None:
        sqls = [database_at(sql_url) for _ in range(3)]
        await asyncio.gather(*(s.prepare() for s in sqls))
        for s in sqls:
            await s.close()


class TestErrors:
    async def error(self, url: str) -> BaseException:
        with pytest.raises((ServiceDown, ServiceRefused)) as caught:
            async with opened(url):
                pass
        assert caught.value.service == "sql"
        return caught.value

    async def test_unreachable(self) -> None:
        error = await self.error("mysql+pymysql://u:geheim@127.0.0.1:1/x")
        assert isinstance(error, ServiceDown)
        assert "geheim" not in "".join(traceback.format_exception(error))
        assert isinstance(await self.error("mysql://u:p@no-such-host.invalid/x"), ServiceDown)
        with pytest.raises(ServiceDown):
            await database_at("mysql://u:p@127.0.0.1:1/x").ping()

    async def test_an_io_error_of_a_file_is_waited_for_and_names_the_file(self, tmp_path: Path) -> None:
        database = database_at(f"sqlite:///{tmp_path / 'kgnb.db'}")
        soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        try:
            await database.run(lambda c: c.exec_driver_sql("CREATE TABLE t (x)"))
            resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, hard))
            with pytest.raises(ServiceDown) as caught:
                await database.run(lambda c: c.exec_driver_sql("INSERT INTO t VALUES (zeroblob(200000))"))
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
            await database.close()
        assert caught.value.key == "ledger.file"
        assert "disk I/O error" in caught.value.facts["reason"]

    async def test_passwords_and_rows_stay_out_of_errors(self, sql_url: str) -> None:
        at = sa.make_url(sql_url)
        if at.get_backend_name() == "mysql":
            wrong = at.set(password="falsch-geheim").render_as_string(hide_password=False)
            error = await self.error(wrong)
            assert isinstance(error, ServiceRefused)
            assert "DB_PASSWORD" in str(error)
            assert "falsch-geheim" not in "".join(traceback.format_exception(error)) + repr(error)
            missing = at.set(database="no_such_base").render_as_string(hide_password=False)
            error = await self.error(missing)
            assert isinstance(error, ServiceRefused)
            assert "no_such_base" in str(error)
        async with opened(sql_url) as ledger:
            row = {"name": "x", "api_key": "sk-canary", "id": 1}
            await execute(ledger, sa.insert(t.ai_providers).values(**row))
            with pytest.raises(sa.exc.IntegrityError) as caught:
                await execute(ledger, sa.insert(t.ai_providers).values(**row))
            assert "sk-canary" not in "".join(traceback.format_exception(caught.value))
            if at.password:
                assert str(at.password) not in repr(vars(ledger.database)) + str(ledger.database._engine)

    async def test_a_rule_of_the_databases_own_is_named(self, ledger: Ledger) -> None:
        if not ledger.database.sqlite:
            check = "ALTER TABLE ai_providers ADD CONSTRAINT not_y CHECK (name <> 'y')"
            await execute(ledger, sa.text(check))
            with pytest.raises(RowRefused, match="not_y"):
                await execute(ledger, sa.insert(t.ai_providers).values(name="y"))
        refuse = (
            "BEGIN SELECT RAISE(ABORT, 'not here'); END"
            if ledger.database.sqlite
            else "SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'not here'"
        )
        trigger = "CREATE TRIGGER rule BEFORE INSERT ON ai_providers FOR EACH ROW"
        await execute(ledger, sa.text(f"{trigger} {refuse}"))
        with pytest.raises(RowRefused, match="not here"):
            await execute(ledger, sa.insert(t.ai_providers).values(name="x"))

    @pytest.mark.parametrize("sql_url", ["mariadb"], indirect=True)
    async def test_a_locked_table_is_no_server_that_is_down(
        self, ledger: Ledger, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(sql_module, "RETRY_SECONDS", 0.0)
        too_long = sa.text("SET STATEMENT max_statement_time=0.05 FOR SELECT SLEEP(5)")
        with pytest.raises(ServiceDown) as caught:
            await execute(ledger, too_long)
        assert caught.value.key == "ledger.busy"

    @pytest.mark.parametrize("sql_url", ["mariadb"], indirect=True)
    async def test_a_server_that_became_read_only_is_waited_for_on_a_new_connection(
        self, ledger: Ledger
    ) -> None:
        number = sa.text("SELECT CONNECTION_ID()")
        before = await ledger.database.run(lambda c: c.scalar(number))
        with pytest.raises(ServiceDown) as caught:
            await execute(ledger, sa.text("SIGNAL SQLSTATE 'HY000' SET MYSQL_ERRNO = 1290"))
        assert await ledger.database.run(lambda c: c.scalar(number)) != before
        assert caught.value.key == "ledger.read_only"

    @pytest.mark.parametrize("sql_url", ["mariadb"], indirect=True)
    async def test_a_locked_table_is_waited_for_as_long_as_a_locked_row(self, ledger: Ledger) -> None:
        waits = sa.text("SELECT @@lock_wait_timeout, @@innodb_lock_wait_timeout")
        (found,) = await ledger.database.run(lambda c: c.execute(waits).all())
        assert found == (mysql.LOCK_SECONDS, mysql.LOCK_SECONDS)

    async def test_a_server_that_never_greets_is_left_after_the_time_for_connecting(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        seen: list[float | None] = []
        settimeout = socket.socket.settimeout

        def noted(self: socket.socket, seconds: float | None) -> None:
            if seconds is not None:
                seen.append(seconds)
            settimeout(self, seconds and 0.1)

        with socket.create_server(("127.0.0.1", 0)) as silent:
            monkeypatch.setattr(socket.socket, "settimeout", noted)
            error = await self.error(f"mysql+pymysql://u:p@127.0.0.1:{silent.getsockname()[1]}/x")
        assert isinstance(error, ServiceDown)
        assert set(seen) == {mysql.CONNECT_SECONDS}

    async def test_files_that_are_no_database(self, tmp_path: Path) -> None:
        assert isinstance(await self.error(f"sqlite:///{tmp_path}"), ServiceRefused)
        assert isinstance(await self.error(f"sqlite:///{tmp_path}/no/such/folder/x.db"), ServiceRefused)
        (tmp_path / "text.db").write_text("no database at all " * 100)
        error = await self.error(f"sqlite:///{tmp_path}/text.db")
        assert isinstance(error, ServiceRefused)
        assert "text.db" in str(error)

    async def test_a_writer_that_holds_the_file(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("kgnb.stores.ledger.database.RETRY_SECONDS", 0.5)
        monkeypatch.setitem(sql_module.SQLITE_ARGUMENTS, "timeout", 0.2)
        async with opened(f"sqlite:///{tmp_path / 'kgnb.db'}") as ledger:
            novel_id, _ = await new_task(ledger)
            other = sqlite3.connect(tmp_path / "kgnb.db", isolation_level=None)
            other.execute("BEGIN IMMEDIATE")
            with pytest.raises(ServiceDown) as busy:
                await ledger.books.import_book(make_book(numbered(1, "乙"), title="乙"))
            assert busy.value.key == "ledger.busy"
            assert await novel_ids(ledger) == [novel_id]  # readers don't wait
            assert len([*ledger.books.texts_blocking(novel_id)]) == 3
            other.execute("ROLLBACK")
            other.close()
            stored = await ledger.books.import_book(make_book(numbered(1, "乙"), title="乙"))
            assert len(stored.chapters) == 1

    async def test_a_lock_that_is_let_go_is_no_error(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("kgnb.stores.ledger.database.RETRY_SECONDS", 600.0)
        monkeypatch.setitem(sql_module.SQLITE_ARGUMENTS, "timeout", 0.1)
        other = sqlite3.connect(tmp_path / "kgnb.db", isolation_level=None, check_same_thread=False)
        tries: list[int] = []

        def write(c: sa.Connection) -> None:
            tries.append(1)
            if len(tries) == 2:
                other.execute("ROLLBACK")
            c.execute(sa.insert(t.novels).values(title="甲"))

        async with opened(f"sqlite:///{tmp_path / 'kgnb.db'}") as ledger:
            other.execute("BEGIN IMMEDIATE")
            await ledger.database.run(write, write=False)  # so that the lock is met within ``write``
            assert (len(tries), len(await novel_ids(ledger))) == (2, 1)
        other.close()

    async def test_what_was_not_committed_is_never_committed_later(
        self, ledger: Ledger, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def refuse(_connection: object) -> None:
            raise RuntimeError

        add = sa.insert(t.novels).values(title="甲")
        with monkeypatch.context() as patched:
            patched.setattr(ledger.database._engine.dialect, "do_commit", refuse)
            with pytest.raises(RuntimeError):
                await execute(ledger, add)
        await ledger.database.ping()
        assert await novel_ids(ledger) == []
        await execute(ledger, add)
        assert len(await novel_ids(ledger)) == 1

    async def test_a_connection_that_was_killed(
        self, ledger: Ledger, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        if ledger.database.sqlite:
            pytest.skip("SQLite has no connections to kill")

        def kill_itself(c: sa.Connection) -> None:
            c.exec_driver_sql(f"KILL {c.connection.thread_id()}")
            c.exec_driver_sql("SELECT 1")

        with pytest.raises(ServiceDown):
            await ledger.database.run(kill_itself)
        commits: list[object] = []
        monkeypatch.setattr(pymysql.connections.Connection, "commit", commits.append)
        await ledger.database.ping()
        assert commits == []  # nothing began on the new one

    async def test_a_connection_is_asked_whether_it_lives_only_when_it_lay_idle(
        self, ledger: Ledger, sql_url: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        if ledger.database.sqlite:
            pytest.skip("SQLite has no connections to kill")
        asked: list[int] = []
        ping = pymysql.connections.Connection.ping

        def counted(connection: pymysql.connections.Connection, reconnect: bool = True) -> None:
            asked.append(connection.thread_id())
            ping(connection, reconnect)

        monkeypatch.setattr(pymysql.connections.Connection, "ping", counted)
        monkeypatch.setattr("kgnb.stores.ledger.mysql.PING_AFTER_SECONDS", 60.0)
        own = await ledger.database.run(lambda c: c.connection.thread_id())
        assert await ledger.database.run(lambda c: c.connection.thread_id()) == own
        assert asked == []
        monkeypatch.setattr("kgnb.stores.ledger.mysql.PING_AFTER_SECONDS", 0.0)
        other = database_at(sql_url)
        await other.run(lambda c: c.exec_driver_sql(f"KILL {own}"))
        await other.close()
        assert await ledger.database.run(lambda c: c.connection.thread_id()) != own
        assert asked == [own]

    async def test_a_batch_takes_as_many_round_trips_as_a_chapter(
        self, ledger: Ledger, sql_url: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        if ledger.database.sqlite:
            pytest.skip("SQLite is not at the end of a line")
        monkeypatch.setattr("kgnb.stores.ledger.mysql.PING_AFTER_SECONDS", 60.0)
        at = sa.make_url(sql_url)
        trips = []
        for count in (1, 30):
            _, task_id = await new_task(ledger, count, salt=str(count))
            ids = (await open_with(ledger, task_id, 10)).chapters
            with Proxy(at.host, at.port) as proxy:
                far = at.set(host="127.0.0.1", port=proxy.port).render_as_string(hide_password=False)
                async with opened(far) as there:
                    begun = proxy.trips
                    assert begun <= 6  # there are eighteen tables
                    await there.tasks.get(task_id)
                    assert proxy.trips == begun + 1  # nothing to commit
                    begun = proxy.trips
                    works = await there.chapters.claim([(task_id, one, 11) for one in ids])
                    ends = [end_of(row_of(work, task_id, 11)) for work in works.values()]
                    ends = [replace(end, entities=i) for i, end in enumerate(ends)]
                    assert all(await there.chapters.end(ends))
                    trips.append(proxy.trips - begun)
        assert trips[0] == trips[1] <= 22

    async def test_deadlocks_are_repeated(self, sql_url: str) -> None:
        async with opened(sql_url) as a, opened(sql_url) as b:
            await new_task(a, 1, "甲")
            await new_task(a, 1, "乙")
            tries = []
            met = threading.Barrier(1 if a.database.sqlite else 2)  # SQLite has one writer at a time

            def cross(order: tuple[int, int]):
                def work(c: sa.Connection) -> None:
                    tries.append(order)
                    for novel_id in order:
                        query = sa.update(t.novels).where(t.novels.c.id == novel_id)
                        c.execute(query.values(total_word_count=t.novels.c.total_word_count + 1))
                        if novel_id == order[0] and tries.count(order) == 1:
                            met.wait(20 * SLOWEST)

                return work

            before = await scalar(a, sa.select(sa.func.sum(t.novels.c.total_word_count)))
            await asyncio.gather(a.database.run(cross((1, 2))), b.database.run(cross((2, 1))))
            assert await scalar(a, sa.select(sa.func.sum(t.novels.c.total_word_count))) == before + 4
            assert len(tries) == (2 if a.database.sqlite else 3)

    async def test_the_loop_is_never_blocked(self, ledger: Ledger) -> None:
        go_on = threading.Event()
        slow = asyncio.create_task(ledger.database.run(lambda _: go_on.wait(20 * SLOWEST)))
        for _ in range(4):
            await asyncio.sleep(0.01)
        go_on.set()
        assert await slow, "this loop's"
