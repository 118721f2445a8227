"""Going on from a previous run's output, a folder or a zip: nothing is paid twice."""

from __future__ import annotations

import contextlib
import json
import logging
import os
import random
import shutil
import sqlite3
import zipfile
from pathlib import Path
from typing import Any

import pytest

from kgnb.app import doctor
from kgnb.core.errors import InputError, ServiceRefused
from kgnb.core.settings import Settings
from kgnb.stores.embedded import record_copy, restore
from kgnb.stores.embedded.data_folder import DataFolder, try_lock
from tests.support.commands import KEY, Place, llm, novel
from tests.support.data_folders import change, data_folder, rows, zipped
from tests.support.engines import files_containing
from tests.support.patience import SLOWEST, stretch


def settings(data: Path, source: Path) -> Settings:
    return Settings.load(data=data, resume_from=str(source))


def files(folder: Path) -> dict[str, bytes]:
    """The data's files; not kgnb's locks and notes."""
    found = {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}
    return {name: content for name, content in found.items() if not name.startswith(".")}


@pytest.fixture
def source(tmp_path: Path) -> Path:
    return data_folder(tmp_path / "input" / "my-run" / "kgnb-data")


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return tmp_path / "working" / "kgnb-data"


class TestSources:
    @pytest.mark.parametrize("up", [0, 1, 2])
    def test_the_folder_itself_or_one_above_it(self, source: Path, data: Path, up: int) -> None:
        given = [source, *source.parents][up]
        assert restore.restore_data_folder(settings(data, given)) == given
        assert sorted(files(data)) == ["kgnb.db"]
        assert rows(data) == rows(source)
        assert not list(data.glob(f"{restore.DRAFTS}*"))

    async def test_the_services_that_doctor_asks_find_it_there(
        self, source: Path, data: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Three at once, SQL's check would open a record that another one's copy then replaces."""

        async def check(_: Settings, name: str) -> doctor.Check:
            assert rows(data) == rows(source)
            return doctor.Check(name, False, "")

        monkeypatch.setattr(doctor, "check_service", check)
        assert len(await doctor.doctor(settings(data, source))) >= 3

    def test_a_read_only_input_becomes_writable(self, source: Path, data: Path) -> None:
        for path in sorted(source.rglob("*"), reverse=True):
            path.chmod(0o555 if path.is_dir() else 0o444)
        source.chmod(0o555)
        restore.restore_data_folder(settings(data, source))
        assert all(os.stat(p).st_mode & 0o200 for p in data.rglob("*"))

    @pytest.mark.parametrize("root", ["", "kgnb-data/", "output/kgnb-data/"])
    def test_a_zip(self, source: Path, data: Path, tmp_path: Path, root: str) -> None:
        archive = zipped(tmp_path / "run.zip", source, root)
        restore.restore_data_folder(settings(data, archive))
        assert sorted(files(data)) == ["kgnb.db"]
        assert rows(data) == rows(source)

    def test_rows_of_the_write_ahead_log_are_taken(self, source: Path, data: Path) -> None:
        with contextlib.closing(sqlite3.connect(source / "kgnb.db", isolation_level=None)) as db:
            db.execute("UPDATE novels SET title = '新'")
            assert (source / "kgnb.db-wal").stat().st_size
            restore.restore_data_folder(settings(data, source))
        assert rows(data)["novels"][0][1] == "新"

    def test_an_older_record_is_completed(self, source: Path, data: Path) -> None:
        change(source, "ALTER TABLE kgnb_tasks DROP COLUMN dropped", "DROP TABLE kgnb_spending")
        restore.restore_data_folder(settings(data, source))
        assert rows(data)["kgnb_spending"] == []
        assert rows(data)["kgnb_tasks"][0][-1] is None

    def test_nothing_beside_the_record_is_taken(self, source: Path, data: Path, tmp_path: Path) -> None:
        (source / ".engines.json").write_text("{}", "utf-8")
        (source / "kgnb-report.html").write_text("old", "utf-8")
        (tmp_path / "secret").write_text("outside", "utf-8")
        (source / "graph" / "link").symlink_to(tmp_path / "secret")
        (source / "valkey" / "folder").symlink_to(tmp_path)
        shutil.rmtree(source / "logs")
        (source / "logs").symlink_to(tmp_path)
        restore.restore_data_folder(settings(data, source))
        assert sorted(files(data)) == ["kgnb.db"]

    def test_links_are_not_followed(self, source: Path, data: Path, tmp_path: Path) -> None:
        (source / "kgnb.db").rename(tmp_path / "kgnb.db")
        (source / "kgnb.db").symlink_to(tmp_path / "kgnb.db")
        with pytest.raises(InputError) as caught:
            restore.restore_data_folder(settings(data, source))
        assert caught.value.key == "resume.none"

    def test_a_link_to_a_log_is_not_followed_either(self, source: Path, data: Path, tmp_path: Path) -> None:
        (source / "kgnb.db-wal").symlink_to("/dev/zero")
        restore.restore_data_folder(settings(data, source))
        assert rows(data)["novels"][0][1] == "书"

    def test_keys_and_tokens_stay_behind(self, source: Path, data: Path) -> None:
        change(
            source,
            "INSERT INTO ai_providers (name, api_key) VALUES ('p', 'sk-theirs')",
            f"UPDATE kgnb_tasks SET token = {2**63 - 1}",
        )
        restore.restore_data_folder(settings(data, source))
        assert b"sk-theirs" not in (data / "kgnb.db").read_bytes()
        assert "9223372036854775807" not in str(rows(data))

    def test_a_zip_writes_nowhere_else(self, source: Path, data: Path, tmp_path: Path) -> None:
        archive = zipped(tmp_path / "run.zip", source, "kgnb-data/")
        evil = [
            "kgnb-data/../../../evil",
            "/evil",
            "kgnb-data/valkey/../../../../evil",
            "kgnb-data/.engines.json",
        ]
        with zipfile.ZipFile(archive, "a") as packed:
            for name in evil:
                packed.writestr(name, "evil")
        restore.restore_data_folder(settings(data, archive))
        assert sorted(files(data)) == ["kgnb.db"]
        assert not list(tmp_path.rglob("evil"))
        assert not (data / ".engines.json").exists()


class TestRefusals:
    def refused(self, data: Path, given: Path, key: str) -> InputError:
        with pytest.raises(InputError) as caught:
            restore.restore_data_folder(settings(data, given))
        assert caught.value.key == key
        assert not files(data) if data.exists() else True
        return caught.value

    def test_nothing_there(self, data: Path, tmp_path: Path) -> None:
        self.refused(data, tmp_path / "nowhere", "resume.missing")

    def test_no_data_folder(self, data: Path, tmp_path: Path) -> None:
        (tmp_path / "books").mkdir()
        self.refused(data, tmp_path / "books", "resume.none")

    def test_several(self, source: Path, data: Path) -> None:
        data_folder(source.parent / "other")
        error = self.refused(data, source.parent, "resume.several")
        assert "other" in str(error)

    @pytest.mark.parametrize("content", [b"no zip at all", b"PK\x03\x04 half a zip"])
    def test_no_zip(self, data: Path, tmp_path: Path, content: bytes) -> None:
        (tmp_path / "run.zip").write_bytes(content)
        self.refused(data, tmp_path / "run.zip", "resume.bad_zip")

    def test_open_elsewhere(self, source: Path, data: Path) -> None:
        lock = try_lock(DataFolder(source).lock_file())
        assert lock is not None
        try:
            self.refused(data, source, "resume.open")
        finally:
            os.close(lock)
        assert restore.restore_data_folder(settings(data, source)) == source

    @pytest.mark.parametrize(
        "statements",
        [
            ["UPDATE kgnb_tasks SET names = '[1]'"],
            ["UPDATE kgnb_tasks SET kinds = '[[[['"],
            ["UPDATE kgnb_names SET aliases = '[1]'"],
            [
                "ALTER TABLE kgnb_extractions DROP COLUMN extraction",
                "INSERT INTO kgnb_extractions VALUES "
                "(1, 1, 1, 1, 0, '', '', 'rules', '', '', 0, 0, 0, 0, 0, NULL, 0, 0, 0, NULL)",
            ],
            ["UPDATE kgnb_name_decisions SET names = '[1, 2]'"],
            ["UPDATE kgnb_name_decisions SET kind = 'drop'"],
            ["UPDATE kgnb_name_decisions SET kind = 'rename', names = '[\"沈砚\"]'"],
            ["UPDATE kgnb_name_decisions SET kind = 'note', names = '[]'"],
            ["UPDATE kgnb_name_decisions SET kind = 'kind', names = '[\"沈砚\"]', detail = 'Novel'"],
            ["UPDATE kgnb_name_decisions SET kind = 'tie', detail = 'X`] DETACH DELETE n //'"],
            ["UPDATE kgnb_name_decisions SET first_chapter = 1"],
            ["UPDATE novels SET title = x'00'"],
            ["UPDATE novels SET title = CAST(x'fffe' AS TEXT)"],
            ["UPDATE novels SET title = hex(zeroblob(200))"],
            ["UPDATE novels SET description = hex(zeroblob(9000000))"],
            ["UPDATE novels SET file_size = 'many'"],
            [f"UPDATE novels SET file_size = {2**40}"],
            ["UPDATE novels SET created_at = 'yesterday'"],
            ["""UPDATE novels SET tags = '"\\ud800"'"""],
            [
                "ALTER TABLE novels ADD COLUMN x AS (1)",
                "ALTER TABLE kgnb_schema RENAME TO y",
                "CREATE TABLE kgnb_schema (id INTEGER PRIMARY KEY, version AS (length(zeroblob(999999999))))",
                "INSERT INTO kgnb_schema (id) VALUES (1)",
            ],
        ],
    )
    def test_a_record_that_kgnb_did_not_write(self, source: Path, data: Path, statements: list[str]) -> None:
        change(source, *statements)
        self.refused(data, source, "resume.broken_record")

    def test_views_and_virtual_tables_are_no_record(self, source: Path, data: Path) -> None:
        endless = "WITH RECURSIVE n(id) AS (SELECT 1 UNION ALL SELECT id + 1 FROM n) SELECT id FROM n"
        change(
            source,
            *("DROP TABLE novels", f"CREATE VIEW novels AS {endless}"),
            *("DROP TABLE chapters", "CREATE VIRTUAL TABLE chapters USING fts5(title)"),
        )
        restore.restore_data_folder(settings(data, source))
        assert (rows(data)["novels"], rows(data)["chapters"]) == ([], [])

    @pytest.mark.parametrize("content", [b"", b"no database", b"SQLite format 3\0" + bytes(5_000)])
    def test_a_file_that_is_no_database(self, source: Path, data: Path, content: bytes) -> None:
        (source / "kgnb.db").write_bytes(content)
        if content:
            self.refused(data, source, "resume.broken_record")
        else:  # a run that ended before it stored anything
            restore.restore_data_folder(settings(data, source))

    def test_every_damaged_page_is_refused_or_read(self, source: Path, tmp_path: Path) -> None:
        whole, size = (source / "kgnb.db").read_bytes(), 4096
        for page in range(0, len(whole) // size, 4):
            broken = bytearray(whole)
            broken[page * size : page * size + 12] = random.Random(page).randbytes(12)
            (source / "kgnb.db").write_bytes(broken)
            with contextlib.suppress(InputError):
                restore.restore_data_folder(settings(tmp_path / f"data-{page}", source))

    def test_of_a_newer_record(self, source: Path, data: Path) -> None:
        change(source, "UPDATE kgnb_schema SET version = 99")
        with pytest.raises(ServiceRefused):
            restore.restore_data_folder(settings(data, source))
        assert not files(data)

    @pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
    def test_other_compression_than_deflate(
        self, source: Path, data: Path, tmp_path: Path, method: int
    ) -> None:
        with zipfile.ZipFile(tmp_path / "run.zip", "w", method) as packed:
            packed.write(source / "kgnb.db", "kgnb.db")
        self.refused(data, tmp_path / "run.zip", "resume.bad_zip")

    def test_a_zip_that_unpacks_without_end(
        self, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        with zipfile.ZipFile(tmp_path / "run.zip", "w", zipfile.ZIP_DEFLATED) as packed:
            packed.writestr("kgnb.db", bytes(20 << 20))
        usage: Any = shutil.disk_usage("/")._replace(free=restore.SPARE_BYTES + (30 << 20))
        monkeypatch.setattr("shutil.disk_usage", lambda _: usage)
        self.refused(data, tmp_path / "run.zip", "resume.no_room")

    def test_a_zip_of_too_many_files(self, data: Path, tmp_path: Path) -> None:
        with zipfile.ZipFile(tmp_path / "run.zip", "w") as packed:
            for number in range(70):
                packed.writestr(f"{number}" + "x" * 65_000, "")
        self.refused(data, tmp_path / "run.zip", "resume.bad_zip")

    def test_no_room(self, source: Path, data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        usage: Any = shutil.disk_usage("/")._replace(free=restore.SPARE_BYTES)
        monkeypatch.setattr("shutil.disk_usage", lambda _: usage)
        self.refused(data, source, "resume.no_room")


class TestExisting:
    def test_is_kept_and_that_is_said(
        self, source: Path, data: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        data_folder(data)
        (data / "kgnb.db").write_bytes(b"mine")
        with caplog.at_level(logging.WARNING):
            assert restore.restore_data_folder(settings(data, source)) is None
        assert (data / "kgnb.db").read_bytes() == b"mine"
        assert str(data) in caplog.text
        assert str(source) in caplog.text

    def test_nothing_is_said_of_the_one_it_came_from(
        self, source: Path, data: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        restore.restore_data_folder(settings(data, source))
        with caplog.at_level(logging.WARNING):
            assert restore.restore_data_folder(settings(data, source)) is None
        assert caplog.text == ""

    def test_beside_a_shared_database_nothing_is_copied_and_the_graphs_way_is_said(
        self, source: Path, data: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        shared = Settings.load(data=data, resume_from=str(source), db_host="db.example", db_password="x")
        with caplog.at_level(logging.INFO):
            assert restore.restore_data_folder(shared) is None
        assert not (data / "kgnb.db").exists()
        assert "--again" in caplog.text

    def test_of_data_folders_only_the_one_it_came_from_is_its_own_to_replace(
        self, source: Path, data: Path, tmp_path: Path
    ) -> None:
        other = data_folder(tmp_path / "other")
        change(other, "UPDATE novels SET title = '别的书'")
        restore.restore_data_folder(settings(data, source))
        assert record_copy.copy_place(data / "kgnb.db", other) == tmp_path / "other-2"
        assert record_copy.copy_place(data / "kgnb.db", source) == source

    def test_what_a_copy_that_was_cut_short_left_goes(self, source: Path, data: Path) -> None:
        rest = data / f"{restore.DRAFTS}x"
        rest.mkdir(parents=True)
        (rest / "record.db").write_bytes(b"half")
        (data / "kgnb.db-wal").write_bytes(b"of a record that was removed")
        assert restore.restore_data_folder(settings(data, source)) == source
        assert rows(data) == rows(source)
        assert not rest.exists()

    def test_a_file_by_any_name(self, source: Path, data: Path, tmp_path: Path) -> None:
        shutil.copyfile(source / "kgnb.db", tmp_path / "红楼梦.db")
        restore.restore_data_folder(settings(data, tmp_path / "红楼梦.db"))
        assert rows(data) == rows(source)

    def test_logs_and_locks_alone_are_no_data(self, source: Path, data: Path) -> None:
        (data / "logs").mkdir(parents=True)
        (data / "logs" / "worker.log").write_text("here", "utf-8")
        (data / ".lock").touch()
        restore.restore_data_folder(settings(data, source))
        assert rows(data) == rows(source)

    def test_without_the_setting_nothing_happens(self, data: Path) -> None:
        assert restore.restore_data_folder(Settings.load(data=data)) is None
        assert not data.exists()


def test_the_next_run_pays_nothing_twice_and_has_the_same_graph(tmp_path: Path) -> None:
    """A session ends in the middle; its output is all that the next one has, on another machine."""
    places = [Place(tmp_path / name) for name in ("first", "worker", "build", "whole")]
    first, worker, build, whole = places
    book = novel(tmp_path / "book.txt", 40, lines=6)
    try:
        with llm(latency=1.2 * stretch()) as server:
            for place in places:
                place.path.mkdir()
                place.env |= server.env()
            assert first.run("submit", book, "--provider", "dryrun").code == 0
            ran = first.run("worker", env={"KGNB_SESSION_SECONDS": f"{16 * stretch()}"})
            assert ran.code == 0, ran
            report = json.loads((first.data / "kgnb-report.json").read_text("utf-8"))
            done, left = report["local"]["outcomes"]["completed"], report["left"]["chapters"]
            ended = "SELECT count(*) FROM knowledge_graph_chapter_status WHERE status = 'completed'"
            recorded = first.sql(ended)[0][0]
            assert (report["why"], recorded + left) == ("session", 40)
            stored = first.sql("SELECT count(*) FROM kgnb_replies")[0][0]  # some of chapters handed back
            assert 0 < done <= recorded <= stored  # one may end while the session does
            assert str(first.data / "kgnb-report.html") in ran.out
            assert f"kgnb worker --data {first.data}" in (first.data / "kgnb-report.html").read_text("utf-8")
            assert first.left_over(20 * SLOWEST) == []
            assert files_containing(first.path, [KEY]) == []

            shutil.copytree(first.data, tmp_path / "input" / "kgnb-data")
            archive = zipped(tmp_path / "run.zip", tmp_path / "input", "")
            server.server.latency = 0.01
            asked = server.stats.requests
            ran = worker.run("worker", "--drain", "--slots", "8", "--resume-from", tmp_path / "input")
            assert ran.code == 0, ran
            assert server.stats.requests == asked + 40 - stored  # no stored reply is asked for again
            assert worker.sql("SELECT status FROM knowledge_graph_tasks") == [("completed",)]
            resumed = build.build(book, "--provider", "dryrun", "--slots", "8", "--resume-from", archive)
            assert (resumed["completed"], resumed["failed"]) == (40, 0)
            assert server.stats.requests == asked + 2 * (40 - stored)
            whole.build(book, "--slots", "8")
            assert worker.graph() == whole.graph()
    finally:
        for place in places:
            place.kill_everything()


def test_the_command_line_refuses_in_one_line(tmp_path: Path) -> None:
    place = Place(tmp_path)
    ran = place.run(
        "build", novel(tmp_path / "b.txt", 2), "--provider", "rules", "--resume-from", tmp_path / "no"
    )
    ran.refused("KGNB_RESUME_FROM", str(tmp_path / "no"))
