"""The report of a session: what it tells, in both languages, and what it must not."""

from __future__ import annotations

import asyncio
import dataclasses
import json
import re
import time
from pathlib import Path
from typing import Any

import pytest

from kgnb.app.session_report import SessionReport
from kgnb.core import colab
from kgnb.core.errors import ServiceDown
from kgnb.core.host import Host, detect_host
from kgnb.core.messages import use_language
from kgnb.core.secret_mask import masked
from kgnb.core.settings import Settings
from kgnb.stores.embedded.data_folder import DataFolder, try_lock
from kgnb.worker.counters import Counters
from kgnb.worker.session import Session
from tests.support.data_folders import change, data_folder, rows
from tests.support.statuses import a_status, a_task

CANARIES = {
    "redis_password": "canary-redis-1d7f3a",
    "db_password": "canary sql/9+&5c2e",
    "neo4j_password": "canary-bolt-77b0",
    "openai_api_key": "sk-canary-51ce09",
}
HOSTILE = "<script>alert('名')</script>"


def task(**more: Any) -> dict[str, Any]:
    facts: dict[str, Any] = {
        "task_id": 7, "name": "红楼梦", "provider": "deepseek", "model": "deepseek-flash",
        "chapters": 120, "completed": 80, "failed": 3, "skipped": 2, "percent": 70.8,
        "prompt_tokens": 1_000_000, "completion_tokens": 234_567, "cost": 3.25,
        "rate": None, "seconds_left": None,
    }  # fmt: skip
    found: dict[str, Any] = a_status(a_task(**facts | more), nodes=[])["tasks"][0]
    return found


def farewell(data: Path, *, output: Path | None = None, **given: Any) -> SessionReport:
    place: Host = dataclasses.replace(detect_host(), output_dir=output)
    settings = Settings.load(data=data, **given)
    one = SessionReport(
        settings, place, Session(time.time() - 3600, 43_200, 900), Counters().summary, node="节点甲"
    )
    one.cluster = {"tasks": [task()], "queues": [], "providers": []}
    return one


def written(one: SessionReport, why: str = "session", error: str = "") -> tuple[dict[str, Any], str]:
    path = one.write(why, error)
    assert path is not None
    return json.loads(path.with_suffix(".json").read_text("utf-8")), path.read_text("utf-8")


@pytest.mark.parametrize(
    ("language", "words"),
    [
        ("zh", ["运行报告", "会话时间将尽", "35 章未完成", "接着做", "死信", "红楼梦"]),
        (
            "en",
            ["session report", "about to end", "chapters 35, tasks 1", "Go on in a cell", "Dead letters"],
        ),
    ],
)
def test_it_tells_what_was_done_what_is_left_and_how_to_go_on(
    tmp_path: Path, language: Any, words: list[str]
) -> None:
    use_language(language)
    one = farewell(tmp_path / "my data")
    one.dead = [
        {"task_id": 7, "chapter": 12, "title": "第十二回", "reason": "拒绝回答", "failures": 3}
        for _ in range(250)
    ]
    facts, page = written(one)
    assert facts["left"] == {"tasks": 1, "chapters": 35}
    assert (len(facts["dead"]), facts["dead_count"]) == (200, 250)
    assert facts["go_on"]["command"] == f"kgnb worker --data '{tmp_path / 'my data'}'"
    assert all(word in page for word in [*words[:3], "1,234,567", "3.2500", "第十二回", "拒绝回答"]), page
    assert f'lang="{language}"' in page
    assert not re.search(r"<script|https?://|<link|<img", page)


def test_all_done_needs_no_going_on(tmp_path: Path) -> None:
    one = farewell(tmp_path)
    one.cluster = {"tasks": [task(status="completed", completed=118, skipped=2, failed=0)], "queues": [],
                   "providers": []}  # fmt: skip
    facts, page = written(one, "drained")
    assert facts["left"] == {"tasks": 0, "chapters": 0}
    assert "没有未完成的任务" in page
    assert "怎样继续" not in page


def test_on_colab_it_goes_on_from_the_copy_wherever_that_is(tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "kgnb.db").touch()  # another run's: this one is copied beside it
    beside = f", resume_from='{tmp_path}/other-2'"
    copies = [("copy", "copy_to="), ("other", beside)]
    for copy, given in (
        (str(colab.COPY), "data='drive'"),
        *((f"{tmp_path}/{one}", text) for one, text in copies),
    ):
        one = farewell(tmp_path, copy_to=copy)
        one.host = dataclasses.replace(one.host, kind="colab")
        assert given in one.facts("stopped", "", tmp_path)["go_on"]["cell"]


def test_a_shared_queue_is_gone_on_with_by_any_node(tmp_path: Path) -> None:
    facts, _ = written(farewell(tmp_path, redis_host="queue.example"))
    assert facts["go_on"]["command"] == "kgnb worker"


def test_hostile_names_are_only_text(tmp_path: Path) -> None:
    one = farewell(tmp_path)
    one.node = HOSTILE
    one.cluster = {"tasks": [task(name=HOSTILE, error=HOSTILE, provider=HOSTILE)],
                   "queues": [], "providers": []}  # fmt: skip
    one.dead = [{"task_id": 7, "chapter": None, "title": HOSTILE, "reason": HOSTILE}]
    _, page = written(one, error=HOSTILE)
    assert "<script" not in page
    assert page.count("&lt;script&gt;") == 7


def test_no_secret_gets_in_however_it_got_into_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MY_DEEPSEEK_KEY", "canary-environment-33")
    told = '{"deepseek": {"extra_headers": {"X-Key": "canary-header-51"}, "api_keys": ["canary-further-77"]}}'
    redis = "redis://u:canary-in-url-42@queue.example/0"
    one = farewell(tmp_path, redis_host=redis, provider_options=told, **CANARIES)
    one.secrets = {"canary-provider-68"}
    everything = [*CANARIES.values(), "canary-environment-33", "canary-in-url-42", "canary-provider-68"]
    everything += ["canary-header-51", "canary-further-77"]
    said = f"401: {' '.join(everything)} canary%20sql%2F9%2B%265c2e"
    one.cluster = {"tasks": [task(name=said, error=said)], "queues": [], "providers": [{"reason": said}]}
    one.dead = [{"task_id": 7, "chapter": 1, "title": "", "reason": said}]
    written(one, "failed", said)
    for path in tmp_path.rglob("*"):
        assert b"canary" not in path.read_bytes(), path


def test_a_secret_that_begins_another_leaves_nothing_of_it() -> None:
    assert masked("401: canary-1-canary", ["canary-1", "canary-1-canary"]) == "401: •••"


def test_an_outage_at_the_end_is_told(tmp_path: Path) -> None:
    one = farewell(tmp_path)

    class Gone:
        providers = type("P", (), {"all": staticmethod(list)})

        def __getattr__(self, _: str) -> Any:
            raise ServiceDown("queue.down", service="redis", where="queue.example", reason="refused")

    asyncio.run(one.read_status(Gone()))  # type: ignore[arg-type]
    facts, page = written(one)
    assert (facts["known"], facts["tasks"]) == (False, [])
    assert "queue.example" in facts["unknown"]
    assert "queue.example" in page
    assert "怎样继续" in page


def test_a_folder_that_cannot_be_written_stops_nobody(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "data").write_text("a file", "utf-8")
    assert farewell(tmp_path / "data").write("stopped") is None
    assert "kgnb-report.html" in caplog.text


class TestOutputFolder:
    """Where a place keeps one folder (/kaggle/working), everything must be in it at the end."""

    def test_the_record_of_a_data_folder_elsewhere_is_copied_there(self, tmp_path: Path) -> None:
        """Also while another process works in it."""
        data, output = data_folder(tmp_path / "elsewhere"), tmp_path / "working"
        output.mkdir()
        lock = try_lock(DataFolder(data).lock_file())
        facts, _ = written(farewell(data, output=output))
        assert rows(output / "kgnb-data") == rows(data)
        assert "resume_from='OWNER/NOTEBOOK'" in facts["go_on"]["cell"]
        change(data, "UPDATE novels SET title = '新'")
        written(farewell(data, output=output))
        assert rows(output / "kgnb-data") == rows(data)
        assert lock is not None
        assert [p.name for p in (output / "kgnb-data").iterdir()] == ["kgnb.db"]
        assert sorted(p.name for p in output.iterdir()) == [
            "kgnb-data",
            "kgnb-report.html",
            "kgnb-report.json",
        ]

    def test_beside_a_shared_database_there_is_nothing_to_keep(
        self, tmp_path: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        data, output = tmp_path / "elsewhere", tmp_path / "working"
        (data / "graph").mkdir(parents=True)
        written(farewell(data, output=output, db_host="db.example", db_password="x"))
        assert not (output / "kgnb-data").exists()
        assert str(data) not in caplog.text

    def test_one_within_it_stays(self, tmp_path: Path) -> None:
        output = tmp_path / "working"
        data = data_folder(output / "kgnb-data")
        written(farewell(data, output=output))
        assert sorted(p.name for p in output.iterdir()) == [
            "kgnb-data",
            "kgnb-report.html",
            "kgnb-report.json",
        ]

    def test_one_that_cannot_be_copied_is_told(
        self, tmp_path: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        data, output = data_folder(tmp_path / "elsewhere"), tmp_path / "working"
        (output / "kgnb-data").mkdir(parents=True)
        (output / "kgnb-data" / "kgnb.db").mkdir()
        facts, _ = written(farewell(data, output=output))
        assert str(data) in caplog.text
        assert str(data) in facts["go_on"]["cell"]
