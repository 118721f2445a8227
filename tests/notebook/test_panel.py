"""The panel without a browser: clicks, refreshing, hostile names, secrets. Real engines, real kernels."""

from __future__ import annotations

import logging
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from datetime import datetime
from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbclient import NotebookClient

import kgnb
from kgnb.app.chapters import ListedChapter
from kgnb.core.errors import SettingsError
from kgnb.core.messages import say, use_language
from kgnb.core.settings import Settings
from kgnb.notebook import node as notebook_node
from kgnb.notebook.panel import alert, html
from kgnb.notebook.panel.controller import PanelController
from kgnb.notebook.panel.secret_inputs import AddressBox, SecretBox, without_login
from kgnb.notebook.panel.submit_box import SubmitBox, uploaded
from kgnb.worker import chapter_worker
from tests.support.commands import KEY, OURS, STORY, environment, llm, novel
from tests.support.kernels import pythons
from tests.support.panels import close_panel, refreshers, shown_panel
from tests.support.paths import ROOT
from tests.support.patience import SLOWEST, happens_within
from tests.support.run_notebooks import NOTEBOOKS, executed, of_code, outputs
from tests.support.statuses import a_node, a_provider, a_status, a_task

OLD = os.environ.get("KGNB_TEST_OLD_PYTHON", "")
CANARY = "canary-7d3f9a61"
EVIL = "<script>alert(1)</script>\"'&\n\x1b[31m"


@pytest.fixture(autouse=True)
def bare(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    """No setting of this process reaches a node; each test's panel and node are its own."""
    for name in os.environ:
        if name.upper().startswith(OURS):
            monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    yield
    close_panel()
    if notebook_node.current() is not None:
        notebook_node.current().stop(now=True)


def made(tmp_path: Path, **given: Any) -> kgnb.Node:
    return kgnb.Node(Settings.load(data=tmp_path / "data", node_name="me", **given))


def until(condition: Callable[[], object]) -> None:
    assert happens_within(40, condition), said()


def said() -> str:
    """What the panel says below its head, as text."""
    return re.sub("<[^>]*>", " ", shown_panel().messages.value)


def values(widget: Any) -> Iterator[tuple[Any, str]]:
    """Every text of every widget below."""
    for name in ("value", "description", "placeholder", "tooltip"):
        if isinstance(text := getattr(widget, name, None), str):
            yield widget, text
    for child in getattr(widget, "children", ()):
        yield from values(child)


STATUS: dict[str, Any] = {
    "state": "failed",
    "error": EVIL,
    "error_service": "",
    "name": EVIL,
    "place": "kaggle",
    "session_note": "",
    "session_left": 4_000.0,
    "session_ends_at": time.time() + 4_000,
    "session_leaves_at": time.time() - 1,
    "local": {
        "in_flight": {EVIL: 2},
        "open_tasks": [1],
        "outcomes": {"completed": 3, "failed": 1, "retry": 2},
        "errors": {"RateLimited": 4, EVIL: 1},
        "closed": {},
        "stuck": {1: EVIL},
        "per_minute": [0] * 58 + [7, 2],
        "requests": 5,
        "prompt_tokens": 1_200,
        "completion_tokens": 300,
        "down": {"redis": EVIL},
    },
    "cluster": a_status(
        a_task(name=EVIL, provider=EVIL, model=EVIL, completed=3, failed=1, percent=40.0, error=EVIL,
               failures=[{"chapter": 2, "title": EVIL, "reason": EVIL}]),
        nodes=[a_node(name=EVIL, age=40.0, started_at=EVIL, version=EVIL,
                      providers=[{"provider": EVIL, "busy": 1, "slots": 2, "in_flight": 1}])],
        providers=[a_provider(name=EVIL, url=EVIL, models=[EVIL], state="paused", reason=EVIL, failures=3,
                              paused_until=time.time() + 600, cost=1.25)],
    ) | {"queues": [{"queue": EVIL, "waiting": 1, "chapters": 2, "leased": 3, "delayed": 4, "dead": 5,
                     "open_tasks": 1}]},
    "cluster_error": EVIL,
}  # fmt: skip


class TestHtml:
    @pytest.mark.parametrize("lang", ["zh", "en"])
    def test_names_stay_text_whatever_is_in_them(self, lang: Any, caplog: pytest.LogCaptureFixture) -> None:
        from kgnb.notebook.log_buffer import LogBuffer

        use_language(lang)
        recent = LogBuffer()
        recent.handle(logging.LogRecord("kgnb", logging.ERROR, "", 0, EVIL, None, None))
        text = html.render_html(STATUS, recent.lines(), EVIL)
        assert "<script" not in text
        assert "\x1b" not in text
        assert text.count("&lt;script&gt;") >= 12  # each of them is shown
        tags = re.findall(r"<(/?)([a-z0-9]+)", text)
        for tag in {name for _, name in tags} - {"rect", "path"}:
            assert tags.count(("", tag)) == tags.count(("/", tag)), tag
        assert not re.search(r"\son\w+=", re.sub(r"&[^;]*;", "", text))

    def test_says_what_matters(self) -> None:
        text = html.render_html(STATUS)
        for part in (
            "40%",
            "限流（429）",
            "1.25",
            "1 小时",
            "4/10 章",
        ):
            assert part in text
        assert "40 秒前" in text
        assert 'class="warn"' in text  # an old heartbeat is a worry

    def test_an_opened_task_lists_what_needs_a_person_first(self) -> None:
        listed = [ListedChapter(n, f"回{n}", "completed") for n in range(1, 400)]
        listed[299:301] = [ListedChapter(300, EVIL, "failed", EVIL), ListedChapter(301, "回", "running")]
        text = html.chapters(listed)
        numbers = [int(n) for n in re.findall(r"<td[^>]*>(\d+)</td>", text)]
        assert numbers[:4] == [300, 301, 1, 2]
        assert len(numbers) == html.MAX_CHAPTERS
        assert "199 章没有列出" in text
        assert "<script" not in text
        assert "\x1b" not in text

    def test_a_chart_of_nothing_is_a_chart(self) -> None:
        assert html.chart([0] * 60).count("<rect") == 0
        assert html.chart([0] * 59 + [3]).count("<rect") == 1


class TestSecretInputs:
    def test_a_password_is_gone_from_its_widget_at_once(self) -> None:
        box = SecretBox("密码", "")
        box.box.value = CANARY
        assert box.box.value == ""
        assert CANARY not in repr(box.typed)
        assert all(CANARY not in text for _, text in values(box.box))
        assert box.typed is not None
        assert box.typed.get_secret_value() == CANARY
        box.forget()
        assert box.typed is None

    def test_so_is_one_in_a_url(self) -> None:
        taken = []
        box = AddressBox("地址", "", f"redis://me:{CANARY}@a:1/2", lambda *both: taken.append(both))
        assert box.value == "redis://a:1/2"
        box.box.value = f"redis://me:{CANARY}%2F@b:1"
        assert box.value == "redis://b:1"
        assert [(user, password.get_secret_value()) for user, password in taken] == [("me", f"{CANARY}/")]

    def test_every_part_of_a_login_is_taken_out(self) -> None:
        for url in (
            f"redis://:{CANARY}@h:1",
            f"{CANARY}@h",
            f"redis://{CANARY}@x@h/0",
            f"bolt://a:b:{CANARY}@h",
        ):
            assert CANARY not in without_login(url)[0]

    @pytest.mark.parametrize(
        "given",
        [
            {"redis_host": f"redis://:{CANARY}/x@h:1"},
            {"redis_host": f"redis://:a@h:{CANARY}"},
            {"redis_host": f"http://{CANARY}@h"},
            {"neo4j_uri": f"bolt://neo4j:{CANARY}@h"},
        ],
    )
    def test_no_setting_is_quoted_that_may_hold_one(self, given: dict[str, str]) -> None:
        with pytest.raises(SettingsError) as failed:
            Settings.load(**given)
        assert CANARY not in str(failed.value)
        assert CANARY not in repr(failed.value)
        assert failed.value.__cause__ is None

    def test_repr_shows_a_url_without_it(self) -> None:
        settings = Settings.load(redis_host=f"redis://me:{CANARY}@h:1")
        assert CANARY not in repr(settings)
        assert "redis://***@h:1" in repr(settings)


class TestUpload:
    def test_both_shapes_of_ipywidgets(self) -> None:
        one = type("Upload", (), {})()
        one.value = {"../../etc/书.txt": {"metadata": {}, "content": b"abc"}}  # 7
        assert uploaded(one) == ("书.txt", b"abc")
        one.value = ({"name": "..\\x\\b.txt", "content": memoryview(b"abc")},)  # 8
        assert uploaded(one) == ("b.txt", b"abc")
        one.value = ({"name": "..", "content": b""},)
        assert uploaded(one)[0] not in ("", "..")
        one.value = ({"name": "长" * 300 + ".txt", "content": b""},)
        assert len(uploaded(one)[0].encode()) < 255
        one.value = ()
        assert uploaded(one) == ("", b"")


def give(upload: Any, name: str, content: bytes) -> None:
    """As if a person had chosen a file."""
    if hasattr(upload, "_counter"):
        upload.metadata, upload.data = [{"name": name}], [content]
        upload.set_trait("_counter", 1)
    else:
        one = {"name": name, "type": "text/plain", "size": len(content), "content": memoryview(content)}
        upload.value = ({**one, "last_modified": datetime.now()},)


class TestOnePanel:
    def test_the_same_one_with_one_refresher_until_it_is_closed(self, tmp_path: Path) -> None:
        node = made(tmp_path)
        first = kgnb.panel(node)
        assert kgnb.panel() is first is kgnb.panel(node)
        assert len(refreshers()) == 1
        shown = first.root.children
        first.close()
        assert all(widget.comm is None for widget in shown)
        until(lambda: not refreshers())
        again = kgnb.panel(node)
        assert again is first
        assert again.root.comm is not None
        assert len(refreshers()) == 1

    def test_a_panel_whose_widgets_were_closed_comes_back(self, tmp_path: Path) -> None:
        import ipywidgets

        panel = kgnb.panel(made(tmp_path))
        getattr(ipywidgets.Widget, "close_all", lambda: panel.root.close())()
        kgnb.panel()
        assert panel.root.comm is not None
        assert "已停止" in panel.head.value

    def test_nothing_is_sent_when_nothing_changed(self, tmp_path: Path) -> None:
        node = made(tmp_path)
        node.status = lambda: STATUS  # type: ignore[method-assign]
        panel = kgnb.panel(node)
        panel.refresh()
        changes: list[Any] = []
        for widget, _ in values(panel.root):
            widget.observe(changes.append)
        for _ in range(3):
            panel.refresh()
        assert changes == []

    def test_a_bug_is_told_and_the_refresher_lives_on(self, tmp_path: Path) -> None:
        panel = kgnb.panel(made(tmp_path))
        live = panel.tabs["live"]
        whole, live.refresh = live.refresh, lambda _: 1 / 0
        until(lambda: "ZeroDivisionError" in said())
        live.refresh = whole
        until(lambda: "ZeroDivisionError" not in said())

    def test_a_tab_that_cannot_be_built_leaves_the_others(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("kgnb.notebook.panel.live_tab.LiveTab.__init__", lambda *_: 1 / 0)
        panel = kgnb.panel(made(tmp_path))
        until(lambda: "ZeroDivisionError" in said())
        panel.controller.show_message("又一件事")
        until(lambda: "又一件事" in said())

    def test_a_tab_that_is_built_for_a_click_knows_the_providers(self, tmp_path: Path) -> None:
        node = made(tmp_path, **Settings.for_slots(1_200))
        node.status = lambda: STATUS  # type: ignore[method-assign]
        (row,) = kgnb.panel(node).tabs["providers"].rows.rows.values()
        assert (row.name, row.slots.value) == (EVIL, 1_200)

    def test_english(self, tmp_path: Path) -> None:
        use_language("en")
        panel = kgnb.panel(made(tmp_path, lang="en"))
        shown = " ".join(text for _, text in values(panel.root))
        assert "stopped" in shown
        assert not re.search("[\u4e00-\u9fff]", shown), re.findall(".*[\u4e00-\u9fff].*", shown)


class TestConnect:
    def test_an_empty_address_is_the_embedded_engine(self, tmp_path: Path) -> None:
        node = made(tmp_path, redis_host="r", redis_password=CANARY, db_host="d", neo4j_uri="bolt://n")
        connect = kgnb.panel(node).tabs["connect"]
        connect.embed.click()
        settings = node.settings
        assert settings.embedded_redis
        assert settings.embedded_sql
        assert settings.embedded_graph
        assert settings.redis_password.get_secret_value() == ""
        assert connect.services[0].address.value == ""

    def test_a_known_password_goes_only_to_where_it_was_given_for(self, tmp_path: Path) -> None:
        given = {"db_host": "d", "db_password": CANARY, "neo4j_uri": "bolt://n", "neo4j_password": CANARY}
        node = made(tmp_path, redis_host=f"redis://u:{CANARY}@r:1/3", **given)
        connect = kgnb.panel(node).tabs["connect"]
        redis, sql, bolt = connect.services
        assert redis.address.value == "redis://r:1/3"
        assert redis.changes()["redis_host"] == f"redis://u:{CANARY}@r:1/3"
        sql.fields["db_port"].value = 3307
        assert "db_password" not in sql.changes()
        sql.fields["db_user"].value = "other"
        assert sql.changes()["db_password"].get_secret_value() == ""
        redis.address.box.value, bolt.address.box.value = "redis://evil:1", "bolt://evil"
        assert CANARY not in str(redis.changes())
        assert bolt.changes()["neo4j_password"].get_secret_value() == ""
        assert all(CANARY not in text for _, text in values(shown_panel().root))

    def test_a_typed_password_goes_into_a_url(self, tmp_path: Path) -> None:
        panel = kgnb.panel(node := made(tmp_path))
        connect = panel.tabs["connect"]
        redis = connect.services[0]
        redis.address.box.value = "rediss://r:1"
        redis.secret.box.value = "a/b@c"
        connect.apply.click()
        until(lambda: connect.apply.description == say("panel.use_anyway"))
        assert node.settings.embedded_redis  # refused: it is asked for
        connect.apply.click()
        assert node.settings.redis_host == "rediss://:a%2Fb%40c@r:1"
        assert "a/b" not in repr(node.settings)
        panel.refresh()
        assert "面板里填写" in redis.source.value

    @pytest.mark.parametrize(
        "address", ["redis://h:port", "redis://", "redis://[::1", f"redis://{CANARY}/x@h:y"]
    )
    def test_an_address_that_cannot_be_read_is_refused(self, tmp_path: Path, address: str) -> None:
        node = made(tmp_path)
        connect = kgnb.panel(node).tabs["connect"]
        connect.services[0].address.box.value = address
        connect.apply.click()
        shown_panel().refresh()
        assert "地址读不懂" in said()
        assert CANARY not in said()
        assert node.settings.embedded_redis

    def test_a_test_tells_latency_or_reason(self, tmp_path: Path) -> None:
        panel = kgnb.panel(made(tmp_path))
        redis, sql, _ = panel.tabs["connect"].services
        sql.test.click()
        until(lambda: "毫秒" in sql.result.value)
        redis.address.box.value = f"redis://:{CANARY}@127.0.0.1:9"
        redis.test.click()
        until(lambda: "bad" in redis.result.value)
        assert "127.0.0.1:9" in redis.result.value
        assert all(CANARY not in text for _, text in values(panel.root))

    def test_colab_asks_whether_it_is_paid(self, tmp_path: Path) -> None:
        from dataclasses import replace

        settings = Settings.load(data=tmp_path / "data", redis_host="127.0.0.1", redis_port=9)
        node = kgnb.Node(settings, replace(kgnb.Node(settings).host, kind="colab"))
        panel = kgnb.panel(node)
        connect, run = panel.tabs["connect"], panel.tabs["run"]
        assert connect.paid.layout.display != "none"
        run.start.click()
        panel.refresh()
        assert not node.is_alive
        assert "Colab" in said()
        connect.paid.value = True
        connect.apply.click()
        assert node.settings.colab_paid


class TestProviders:
    def test_a_key_in_memory_serves_and_is_written_nowhere(self, tmp_path: Path) -> None:
        with llm() as server:
            panel = kgnb.panel(node := made(tmp_path))
            tab = panel.tabs["providers"]
            form = tab.form
            form.name.value, form.url.value, form.model.value = "mine", server.server.base_url, "dryrun"
            form.key.box.value = CANARY
            form.add.click()
            until(lambda: node.settings.provider_name == "mine")
            assert tab.apply.layout.display == "none"  # there is nothing to tick
            panel.tabs["run"].start.click()
            until(lambda: "mine" in tab.rows.rows)
            until(lambda: not tab.apply.layout.display)
            tab.rows.rows["mine"].test.click()
            until(lambda: "答复" in said())
            assert server.stats.requests == 2  # before it was added, and now
            tab.rows.rows["mine"].pause.click()
            until(lambda: "暂停 10 分钟" in said())
            until(lambda: tab.rows.rows["mine"].pause.description == "继续")
            tab.rows.rows["mine"].pause.click()
            until(lambda: tab.rows.rows["mine"].pause.description == "暂停")
            tab.rows.rows["rules"].served.value = False
            tab.rows.rows["mine"].slots.value = 7
            tab.apply.click()  # the node leaves and starts anew
            until(lambda: node.state == "running" and node.settings.slots_for("mine") == 7)
            assert node.settings.providers == ("mine",)
            assert all(CANARY not in text for _, text in values(panel.root))
            node.stop(now=True)
        found = [p for p in tmp_path.rglob("*") if p.is_file() and CANARY.encode() in p.read_bytes()]
        assert found == []

    def test_a_known_provider_needs_its_key_only(self, tmp_path: Path) -> None:
        tab = kgnb.panel(made(tmp_path)).tabs["providers"].form
        tab.preset.value = "deepseek"
        assert (tab.name.value, tab.url.value) == ("deepseek", "https://api.deepseek.com")
        assert tab.model.value == "deepseek-flash"

    def test_a_login_in_an_address_is_refused_and_not_kept(self, tmp_path: Path) -> None:
        panel = kgnb.panel(made(tmp_path))
        tab = panel.tabs["providers"].form
        tab.name.value, tab.url.value, tab.model.value = "mine", f"http://me:{CANARY}@host/v1", "m"
        tab.add.click()
        panel.refresh()
        assert "http://host/v1" in said()
        assert all(CANARY not in text for _, text in values(panel.root))

    def test_what_failed_its_test_is_saved_only_unchanged(self, tmp_path: Path) -> None:
        with llm(key=KEY) as server:
            node = made(tmp_path)
            form = kgnb.panel(node).tabs["providers"].form
            form.name.value, form.url.value, form.model.value = "mine", server.server.base_url, "dryrun"
            form.key.box.value = "sk-wrong"
            form.add.click()
            until(lambda: form.add.description == say("panel.save_anyway"))
            form.key.box.value = "sk-wrong-too"
            until(lambda: form.add.description == say("panel.test_and_save"))
            assert node.settings.provider_name != "mine"

    def test_what_is_missing_is_said(self, tmp_path: Path) -> None:
        panel = kgnb.panel(made(tmp_path))
        panel.tabs["providers"].form.add.click()
        panel.refresh()
        assert "https://host/v1" in said()


class TestRun:
    def test_a_book_from_start_to_stop(self, tmp_path: Path) -> None:
        panel = kgnb.panel(node := made(tmp_path))
        run, graph = panel.tabs["run"], panel.tabs["graph"]
        box = run.book
        box.submit.click()
        panel.refresh()
        assert "还没选书" in said()
        box.path.value = str(tmp_path / "none.txt")
        until(lambda: "没有这个文件" in said())
        give(box.upload, "书.pdf", b"%PDF-1.7")
        until(lambda: "不支持 .pdf 格式：书.pdf。" in said())
        box.sample.value = "en"
        until(lambda: box.title.value == "The Ledger of Thornley Ferry")
        until(lambda: "英文，5 章" in box.about.value)
        box.path.value = ""
        assert (box.title.value, box.chosen) == ("", None)
        run.start.click()
        until(lambda: node.state == "running" and run.start.disabled)
        give(box.upload, "../青石渡.txt", STORY.read_bytes())
        assert not box.upload.value  # a saved notebook would hold the whole book
        until(lambda: (box.title.value, box.author.value) == ("青石渡", "kgnb"))
        box.author.value = "某人"
        box.reckon.click()
        until(lambda: "不花钱" in box.about.value)
        box.submit.click()
        assert not box.title.value
        until(
            lambda: (
                "已完成 100%" in next(iter(run.tasks.rows.values())).about.value if run.tasks.rows else False
            )
        )
        row = run.tasks.rows[1]
        assert "某人" in node.call(lambda app: app.ledger.task_stats.finished()).result()[0].author
        assert row.chapters.box.layout.display == "none"
        row.open.click()
        until(lambda: row.chapters.table.value.count("已完成") == 6)
        assert "雨夜来客" in row.chapters.table.value
        panel.open_tab("graph")  # and nothing is pressed: it is the book that was finished last
        until(lambda: "画好了" in said())
        until(lambda: "srcdoc" in graph.picture.value)
        graph.ask.question.value = "陆青禾是谁"
        graph.ask.ask.click()
        until(lambda: "kgnb-answer" in graph.ask.answer.value)
        assert "陆青禾" in graph.ask.answer.value
        page = tmp_path / f"graph-{graph.book.value}.html"
        assert not page.exists()  # to look at it writes nothing
        graph.save.click()
        until(lambda: page.exists() and page.stat().st_size > 100_000)
        assert page.name in graph.link.outputs[0]["data"]["text/html"]
        assert "陆青禾" in graph.drawn.page
        live = panel.tabs["live"]
        assert ">6</b>" in live.cards.value
        assert ">me</td>" in live.nodes.value
        assert panel.tabs["log"].lines.value.count("<div") > 5
        run.stop.click()
        until(lambda: "正在停止" in panel.head.value or "已停止" in panel.head.value)
        until(lambda: not node.is_alive)
        until(lambda: not run.start.disabled and "节点已停止" in said())

    def test_a_hand_on_tasks(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(chapter_worker, "RETRY_SECONDS", (0.1, 0.1))
        with llm(latency=0.5) as server:
            env = server.env()
            given = {
                "openai_base_url": env["OPENAI_BASE_URL"],
                "openai_api_key": KEY,
                "openai_model": "dryrun",
            }
            panel = kgnb.panel(node := made(tmp_path, provider_name="dryrun", slots=2, **given))
            run = panel.tabs["run"]
            run.start.click()
            until(lambda: node.state == "running")
            run.book.path.value = str(novel(tmp_path / "book.txt", 60))
            run.book.reckon.click()
            until(lambda: "约 60 次请求" in run.book.about.value)
            run.book.submit.click()
            until(lambda: run.tasks.rows and "进行中" in run.tasks.rows[1].about.value)
            row = run.tasks.rows[1]
            until(lambda: not row.pause.disabled and row.retry.disabled)  # its buttons change one by one
            row.pause.click()
            until(lambda: "任务 1 已暂停" in said())
            until(lambda: row.pause.description == "继续")
            row.pause.click()
            until(lambda: row.pause.description == "暂停" and "进行中" in row.about.value)
            row.cancel.click()
            until(lambda: "点「重试」" in said())
            until(lambda: not row.retry.disabled and row.cancel.disabled)
            row.delete.click()
            assert row.delete.description == say("panel.sure")
            assert 1 in run.tasks.rows  # one click deletes nothing
            row.delete.click()
            until(lambda: not run.tasks.rows)
            self.one_chapter_again(tmp_path, run, server)
            panel.tabs["run"].now.click()
            until(lambda: not node.is_alive)

    @staticmethod
    def one_chapter_again(tmp_path: Path, run: Any, server: Any) -> None:
        """A chapter whose replies are no good is listed with the reason, and done again when they are."""
        server.server.latency, good = 0.0, server.server.answer
        server.server.answer = lambda passage: "no" if "此章有毒" in passage else good(passage)
        book = novel(tmp_path / "poison.txt", 3, seed=2)
        book.write_text(book.read_text("utf-8") + "\n此章有毒。\n", "utf-8")
        run.book.path.value = str(book)
        run.book.submit.click()
        until(lambda: run.tasks.rows and "失败 1" in next(iter(run.tasks.rows.values())).about.value)
        (row,) = run.tasks.rows.values()
        row.open.click()
        until(lambda: [number for _, number in row.chapters.failed.options] == [3])
        assert row.chapters.table.value.index(">3</td>") < row.chapters.table.value.index(">1</td>")
        server.server.answer = good
        row.chapters.retry.click()
        until(lambda: "第 3 章已重新排队" in said())
        until(lambda: "已完成 100%" in row.about.value and row.chapters.table.value.count("已完成") == 3)
        until(lambda: row.chapters.again.layout.display == "none")


def test_the_graph_follows_the_book_finished_last_unless_another_was_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    panel = kgnb.panel(made(tmp_path))
    graph = panel.tabs["graph"]
    drawn: list[int] = []
    monkeypatch.setattr(graph, "_draw", lambda: drawn.append(graph.book.value))

    def look(**statuses: str) -> None:
        tasks = [
            {"task_id": int(n[1:]), "novel_id": int(n[1:]), "name": n, "status": status, "completed": 3}
            for n, status in reversed(statuses.items())
        ]
        graph.refresh({"cluster": {"tasks": tasks}})

    look(b1="completed", b2="running")
    assert drawn == []  # nobody looks
    panel.open_tab("graph")
    look(b1="completed", b2="running")
    look(b1="completed", b2="completed")
    assert drawn == [1, 2]
    graph.refresh({"cluster": None})  # while a node starts
    look(b1="completed", b2="completed")
    assert drawn == [1, 2]
    graph.show_book(1)
    look(b1="completed", b2="completed", b3="completed")
    assert drawn == [1, 2, 1]


def test_a_restart_does_not_hide_what_was_saved(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    controller = PanelController(made(tmp_path))
    monkeypatch.setattr(kgnb.Node, "is_alive", True)
    monkeypatch.setattr(kgnb.Node, "state", "running")
    monkeypatch.setattr(controller.node, "start", lambda: None)
    controller.use_settings(controller.settings_with({"slots": 3}))
    controller.show_message("已保存")
    controller.note_node()
    assert controller.message is not None
    assert controller.message.text == "已保存 节点已启动"


def test_a_cell_shows_the_panel_before_any_driver_is_loaded() -> None:
    code = "import sys, kgnb; kgnb.Node; from kgnb.notebook.panel import panel, run_tab; print(*sys.modules)"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    heavy = {"sqlalchemy", "neo4j", "redis", "aiohttp", "openai", "pandas", "kgnb.app.context"}
    assert not heavy & set(ran.stdout.split())


class TestAlert:
    """What the head reports; without the node's own troubles."""

    @staticmethod
    def told(*tasks: dict[str, Any], **more: Any) -> alert.Alert | None:
        local = {"down": {}}
        status = {"state": "running", "error": "", "error_service": "", "local": local, "cluster_error": ""}
        return alert.worst(status | {"cluster": a_status(*tasks, providers=[a_provider()], **more)})

    def test_a_task_that_only_a_person_can_help_comes_first(self) -> None:
        paused = a_task(task_id=2, status="paused")
        found = self.told(paused, a_task(), stuck={1: "no novel"})
        assert found is not None
        assert (found.tone, found.task_id, found.mend) == ("bad", 1, "")
        assert "no novel" in found.text

    def test_one_that_takes_its_turn_is_no_trouble(self) -> None:
        assert self.told(a_task(status="created"), nodes=[a_node(tasks=[])]) is None

    def test_failures_say_the_commonest_reason(self) -> None:
        failures = [{"chapter": n, "title": "", "reason": "没有 JSON"} for n in (1, 2)]
        error = say("ledger.chapters_failed", failed=2)
        done = a_task(status="failed", failed=2, completed=8, failures=failures, error=error, refreshed=True)
        found = self.told(done)
        assert found is not None
        assert found.text.endswith("2 章没有做成。没有 JSON")
        assert error not in html.task(a_status(done)["tasks"][0])


def test_what_was_read_since_the_node_left_is_shown(tmp_path: Path) -> None:
    node = made(tmp_path)
    stopped = {**STATUS, "state": "stopped", "cluster": a_status(a_task())}
    newer: Future[Any] = Future()
    newer.set_result(a_status(a_task(status="completed", completed=10)))
    node.status = lambda: dict(stopped)  # type: ignore[method-assign]
    node.call = lambda *_, **__: newer  # type: ignore[method-assign]
    controller = PanelController(node)
    assert controller.status()["cluster"]["tasks"][0]["status"] == "running"
    controller.read_status()
    assert controller.status()["cluster"]["tasks"][0]["status"] == "completed"


def test_a_list_of_providers_that_grows_takes_no_message_away(tmp_path: Path) -> None:
    controller = PanelController(made(tmp_path))
    box = SubmitBox(controller)
    box.refresh(["rules", "mine"])
    box.provider.value = "mine"
    controller.show_message("saved")
    box.refresh(["rules", "mine", "other"])
    assert box.provider.value == "mine"
    assert controller.message is not None


class TestWithoutWidgets:
    def test_the_same_facts_as_html(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setitem(sys.modules, "ipywidgets", None)
        node = made(tmp_path)
        node.status = lambda: STATUS  # type: ignore[method-assign]
        shown = kgnb.panel(node)
        assert "pip install ipywidgets" in shown._repr_html_()
        assert "40%" in shown._repr_html_()
        assert "me" not in refreshers()
        assert "<" not in repr(kgnb.panel(made(tmp_path)))
        assert not refreshers()


WATCH = """
def told():
    return "点击要等它结束" in p.messages.value
def watch():
    while not told():
        time.sleep(0.05)
watching = threading.Thread(target=watch, daemon=True)
watching.start()
watching.join(240)  # this cell runs
print(told())
"""
AWAIT = """
import asyncio
for _ in range(2400):
    if told():
        break
    await asyncio.sleep(0.1)
print(told())
"""
TYPE = """
import os
url, key = os.environ["MARK_URL"], os.environ["MARK_KEY"]
c = panel.tabs["connect"]
redis, sql, bolt = c.services
for service in c.services:
    service.secret.box.value = key
redis.address.box.value = url
sql.address.box.value, sql.fields["db_port"].value = "127.0.0.1", 9
bolt.address.box.value = "bolt://127.0.0.1:9"
for service in c.services:
    service.test.click()
time.sleep(3)
"""
ADD = """
p = panel.tabs["providers"].form
p.name.value, p.url.value, p.model.value = "x", "http://127.0.0.1:9/v1", "m"
p.key.box.value = key
p.add.click()
time.sleep(1.5)
c.apply.click()
time.sleep(1.5)
p.add.click()  # refused: only now it is used
c.apply.click()
time.sleep(1.5)
panel.tabs["run"].start.click()
"""
LOOK = """
time.sleep(3)
panel.refresh()
print(node.state, node.status(), panel.tabs["log"].lines.value)
"""


class TestInAKernel:
    def test_it_says_that_clicks_wait_for_the_running_cell(self, place: Any) -> None:
        start = "import kgnb, time, threading\np = kgnb.panel(kgnb.Node.from_env())\np"
        shown = executed(
            of_code(start, WATCH, "0", AWAIT, "print(p.controller.cell_watch.seconds == 0)"), place
        )
        text = "".join(content for kind, content in outputs(shown) if kind == "stdout")
        assert text.split() == ["True", "True", "True"]

    def test_a_secret_never_reaches_the_notebook(self, place: Any) -> None:
        """Typed and given, right and wrong, with the widgets' state stored as papermill and Lab do."""
        start = "import kgnb, time\nnode = kgnb.Node.from_env()\npanel = kgnb.panel(node)\npanel"
        made = of_code(start, TYPE, ADD, LOOK, "node.settings", "node.stop(now=True)")
        secrets = {"MARK_KEY": CANARY, "OPENAI_API_KEY": CANARY, "REDIS_PASSWORD": CANARY}
        env = environment(**{place.mark: "1", "KGNB_DATA": str(place.data)}, **secrets,
                          MARK_URL=f"redis://:{CANARY}@127.0.0.1:9")  # fmt: skip
        where = {"metadata": {"path": str(place.path)}}
        NotebookClient(made, timeout=60 * SLOWEST, kernel_name="python3", resources=where).execute(env=env)
        text = nbformat.writes(made)
        assert "application/vnd.jupyter.widget-state+json" in text
        assert text.count("127.0.0.1:9") > 3  # the errors are there, only without the password
        assert CANARY not in text
        exporters = pytest.importorskip("nbconvert")
        page, _ = exporters.HTMLExporter().from_notebook_node(made)
        assert "127.0.0.1:9" in page
        assert CANARY not in page
        logs = [path.read_text("utf-8") for path in place.data.rglob("*.log")]
        assert not any(CANARY in log for log in logs)


class TestWorkerNotebook:
    def test_is_short_and_committed_without_outputs(self) -> None:
        found = nbformat.read(NOTEBOOKS / "worker.ipynb", as_version=4)
        assert len(found.cells) < 15
        assert found.cells[-1].source == "kgnb.panel(node)"  # Run All ends where the panel is
        assert list(outputs(found)) == []
        assert found.metadata.kernelspec.name == "python3"
        assert "widgets" not in found.metadata

    @pytest.mark.parametrize("python", pythons())
    def test_a_batch_run_does_the_books_and_leaves_a_still_panel(
        self,
        place: Any,
        python: str,
    ) -> None:
        found = nbformat.read(NOTEBOOKS / "worker.ipynb", as_version=4)
        for cell in found.cells:
            cell.source = cell.source.replace(
                "node.run_until()", "node.submit(kgnb.story_path()); node.run_until()"
            )
        shown = executed(found, place, python, KAGGLE_KERNEL_RUN_TYPE="Batch", KAGGLE_URL_BASE="x")
        texts = list(outputs(shown))
        pages = [content for kind, content in texts if kind == "text/html"]
        assert "6/6 章" in pages[-1]
        assert "已停止" in pages[-1]
        assert not any("widget-view" in kind for kind, _ in texts)


def test_most_of_this_on_ipywidgets_7() -> None:
    if not OLD:
        reason = "KGNB_TEST_OLD_PYTHON is not set: a Python with ipywidgets 7.7.1 (scripts/test.sh makes one)"
        pytest.fail(reason) if os.environ.get("CI") == "true" else pytest.skip(reason)
    env = environment(PYTHONPATH=f"{ROOT}:{ROOT / 'tests'}")
    code = "import ipywidgets; print(ipywidgets.__version__)"
    version = subprocess.run([OLD, "-c", code], env=env, capture_output=True, text=True)
    assert version.stdout == "7.7.1\n", version
    command = [OLD, "-m", "pytest", "-q", "-p", "no:cacheprovider", __file__]
    chosen = ["-k", "(TestOnePanel or TestConnect or TestRun or TestSecret) and not hand"]
    ran = subprocess.run(
        [*command, *chosen], env=env, cwd=ROOT, capture_output=True, text=True, timeout=150 * SLOWEST
    )
    assert ran.returncode == 0, ran.stdout
