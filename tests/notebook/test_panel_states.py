"""Every state that a run can be in, in JupyterLab: what head and row say, and the button that mends it.

One page and one kernel for all of them; pictures are left in .artifacts.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from kgnb.llm.fake import model as fake_model
from kgnb.llm.fake.server import Faults
from tests.support import jupyter_lab, screenshots
from tests.support.commands import KEY, Llm, llm, novel
from tests.support.engines import engine_of, send_signal
from tests.support.jupyter_lab import ARTEFACTS, Lab, open_notebook, run_all, tab

POISON = "北冥有鱼"
CELLS = (
    "import asyncio, kgnb\n"
    "from kgnb.notebook import node_thread\n"
    "from kgnb.worker import chapter_worker\n"
    "node_thread.STATUS_SECONDS = 0.5\n"
    "chapter_worker.RETRY_SECONDS = (0.1, 0.1)\n"
    "node = kgnb.Node.from_env().start()\n"
    "panel = kgnb.panel(node)\n"
    "panel",
)
DIE = "[task.get_loop().call_soon_threadsafe(task.cancel) for task in asyncio.all_tasks(node._run._loop)];"
BUDGET = 'panel.controller.use_settings(panel.controller.settings_with({{"budget_tokens": "{}"}}))'
ENGLISH = "from kgnb.core.messages import use_language\nuse_language('en'); panel.show_node(node); panel"


class Page:
    """The panel as a person sees it."""

    def __init__(self, page: Any, place: Path, server: Llm) -> None:
        self.page, self.server, self.place, self._books = page, server, place, 0
        self.panel = page.locator(f"{jupyter_lab.CELL} .kgnb-panel").first

    def head(self, *words: str) -> None:
        """Wait until the head says all of ``words``."""
        chosen = "".join(f":has-text('{word}')" for word in words)
        self.panel.locator(f".kgnb-head + .kgnb-note{chosen}").first.wait_for()

    def calm(self) -> None:
        """Wait until the head reports nothing."""
        head = self.panel.locator(".kgnb-head:not(:has(+ .kgnb-note))")
        head.first.wait_for()

    def row(self, *words: str) -> None:
        """Wait until the newest task's row says all of ``words``."""
        tab(self.page, "运行")
        chosen = "".join(f":has-text('{word}')" for word in words)
        newest = self.panel.locator(f".kgnb-row:has(.kgnb-task):nth-child(1){chosen}")
        newest.first.wait_for()

    def press(self, label: str) -> None:
        self.panel.locator(f"button:visible:has-text('{label}')").first.click()

    def mend(self, label: str) -> None:
        """Press the head's button."""
        button = self.panel.locator(f"button.mod-warning:visible:has-text('{label}')")
        button.first.click()

    def edit(self, press: Callable[[], None]) -> None:
        """Press what fills the provider's form, and wait until it has."""
        tab(self.page, "提供方")
        self.fill("mine", "x")
        press()
        filled = "() => [...document.querySelectorAll('input')].some(e => e.value == 'dryrun' && "
        filled += "e.placeholder == 'mine')"
        self.page.wait_for_function(filled)

    def send(self, label: str) -> None:
        """Press a form's button, not sooner than a person could: while the kernel is busy, typed texts are
        sent later than a press."""
        self.page.wait_for_timeout(200)
        jupyter_lab.idle(self.page)
        self.press(label)

    def save(self) -> None:
        self.send("测试并保存")

    def says(self, words: str) -> None:
        said = self.panel.locator(f".kgnb-said:has-text('{words}')")
        said.first.wait_for()

    def fill(self, hint: str, value: str) -> None:
        self.panel.locator(f"input[placeholder*='{hint}']:visible").first.fill(value)
        self.page.keyboard.press("Tab")

    def submit(self, chapters: int = 2, *, poison: bool = False) -> None:
        self._books += 1
        book = novel(self.place / f"b{self._books}.txt", chapters, seed=self._books, lines=3)
        if poison:
            book.write_text(book.read_text("utf-8") + POISON, "utf-8")  # in the last chapter
        tab(self.page, "运行")
        self.fill("book.txt", str(book))
        self.send("提交")

    def run(self, code: str) -> None:
        jupyter_lab.type_cell(self.page, code)
        jupyter_lab.idle(self.page)

    def picture(self, name: str) -> None:
        ARTEFACTS.mkdir(exist_ok=True)
        self.panel.screenshot(path=ARTEFACTS / f"state-{name}.png")


def answer(passage: str) -> str:
    return "没有什么可说的。" if POISON in passage else fake_model.answer(passage)


@pytest.fixture
def shown(tmp_path: Path, running_engines: None) -> Iterator[Page]:
    if why := jupyter_lab.missing():
        pytest.fail(why) if os.environ.get("CI") == "true" else pytest.skip(why)
    with llm(key=KEY, answer=answer) as server, jupyter_lab.page(width=900, height=1300) as page:
        env = server.env(key="sk-wrong") | {"KGNB_DATA": str(tmp_path / "data")}
        lab = Lab(tmp_path, KGNB_LLM_TRIES="1", **env)
        lab.write("panel.ipynb", *CELLS)
        try:
            open_notebook(page, lab, "panel.ipynb")
            run_all(page)
            page.wait_for_selector(".kgnb-head:has-text('运行中')")
            yield Page(page, tmp_path, server)
        finally:
            ARTEFACTS.mkdir(exist_ok=True)
            page.screenshot(path=ARTEFACTS / "state-last.png")
            lab.close()


def test_each_state_says_so_and_is_mended_by_its_button(shown: Page, tmp_path: Path) -> None:
    _wrong_key(shown)
    _wrong_model(shown)
    _wrong_address(shown)
    _no_chapter_left(shown)
    _limited(shown)
    _by_hand(shown)
    _budget(shown)
    _stopped_and_dead(shown)
    _service_down(shown, tmp_path)
    _poison(shown)
    _english(shown)


def _wrong_key(page: Page) -> None:
    page.submit()
    page.head("卡住", "拒绝了密钥")
    page.row("卡住", "拒绝了密钥")
    page.picture("wrong-key")
    page.edit(lambda: page.mend("换密钥"))
    page.panel.locator("input[type=password]:visible").first.fill(KEY)
    page.page.keyboard.press("Tab")
    page.save()
    page.row("已完成")
    page.calm()


def _edit(page: Page, hint: str, value: str, *, refused: bool = False) -> None:
    """Another model or address in the open form; one that is refused is saved by pressing again."""
    page.fill(hint, value)
    page.save()
    if refused:
        page.says("没有保存")
        page.press("仍然保存")


def _change(page: Page, hint: str, value: str) -> None:
    page.edit(lambda: page.press("修改"))
    page.panel.locator("input[type=password]:visible").first.fill(KEY)
    _edit(page, hint, value, refused=True)
    page.says("节点已启动")


def _wrong_model(page: Page) -> None:
    _change(page, "model-name", "no-such-model")
    page.submit()
    page.head("卡住", "没有模型")
    page.row("卡住", "没有模型")
    page.picture("wrong-model")
    page.edit(lambda: page.mend("换模型"))
    _edit(page, "model-name", "dryrun")
    page.row("已完成")
    page.calm()


def _wrong_address(page: Page) -> None:
    _change(page, "api.example.com", "http://127.0.0.1:9/v1")
    page.submit()
    page.head("卡住", "连不上提供方")
    page.row("卡住", "连不上提供方")
    page.picture("wrong-address")
    page.edit(lambda: page.mend("改地址"))
    page.fill("api.example.com", page.server.server.base_url)
    page.panel.locator("input[type=password]:visible").first.fill(KEY)  # for this host it isn't known
    page.page.keyboard.press("Tab")
    page.save()
    page.row("已完成")
    page.calm()


def _no_chapter_left(page: Page) -> None:
    page.fill("book.txt", str(next(page.place.glob("b3.txt"))))
    page.press("提交")
    page.says("早已做完")
    page.picture("no-chapter-left")
    page.calm()


def _limited(page: Page) -> None:
    page.server.server.retry_after, page.server.server.faults = 600.0, Faults(rate_429=1.0)
    page.submit()
    page.head("已暂停到", "限流")
    page.row("已暂停到", "限流")
    page.picture("limited")
    page.server.server.faults = Faults()
    page.mend("恢复提供方")
    page.row("已完成")
    page.calm()


def _by_hand(page: Page) -> None:
    page.server.server.latency = 1.0
    page.submit(30)
    page.row("进行中")
    page.press("暂停")
    page.head("已暂停", "有人暂停")
    page.row("已暂停", "有人暂停")
    page.picture("by-hand")
    page.server.server.latency = 0.0
    page.mend("继续任务")
    page.row("已完成")
    page.calm()


def _budget(page: Page) -> None:
    page.run(BUDGET.format("dryrun=1"))
    page.says("节点已启动")
    page.submit()
    page.head("已暂停到", "预算")
    page.row("已暂停到", "预算")
    page.picture("budget")
    page.run(BUDGET.format(""))
    page.says("节点已启动")
    page.mend("恢复提供方")
    page.row("已完成")
    page.calm()


def _stopped_and_dead(page: Page) -> None:
    for name, way in (("stopped", lambda: page.press("立即停止")), ("dead", lambda: page.run(DIE))):
        page.server.server.latency = 2.0
        page.submit(20)
        page.row("进行中")
        way()
        page.head("等待中", "没有节点在运行")
        page.row("等待中", "没有节点在运行")
        assert "还要" not in page.panel.locator(".kgnb-task").first.inner_text()
        page.picture(name)
        page.server.server.latency = 0.0
        page.mend("启动节点")
        page.row("已完成")
        page.calm()


def _service_down(page: Page, tmp_path: Path) -> None:
    page.server.server.latency = 2.0
    page.submit(20)
    page.row("进行中")
    redis = engine_of(tmp_path / "data")
    assert redis is not None
    send_signal(redis, signal.SIGSTOP)
    try:
        page.head("内置队列")
        page.row("卡住")
        page.picture("service-down")
        page.mend("改连接")
        page.press("测试连接")
    finally:
        send_signal(redis, signal.SIGCONT)
    page.server.server.latency = 0.0
    page.row("已完成")
    page.calm()


def _poison(page: Page) -> None:
    page.submit(poison=True)
    page.head("完成，有缺漏", "1 章没有做成", "没有完整的 JSON")
    page.row("完成，有缺漏", "第 2 章", "没有完整的 JSON")
    page.picture("poison")
    page.server.server.answer = fake_model.answer
    page.mend("重试")
    page.row("已完成")
    page.calm()


def _english(page: Page) -> None:
    """Nothing is cut off in the longer language."""
    page.run(ENGLISH)
    page.panel = page.page.locator(f"{jupyter_lab.CELL} .kgnb-panel:has-text('Refresh')").last
    page.panel.wait_for()
    for name in ("Run", "Providers", "Connect"):
        page.panel.locator(f".lm-TabBar-tab:has-text('{name}')").click()
        time.sleep(0.3)
        page.picture(f"english-{name.lower()}")
        screenshots.unclipped(page.panel)
