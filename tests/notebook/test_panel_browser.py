"""The panel in JupyterLab, clicked through in Chromium as a person would. Pictures are left in .artifacts,
the documents' own where screenshots says."""

from __future__ import annotations

import os
import shutil
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from kgnb.core.messages import texts
from tests.support import jupyter_lab, screenshots
from tests.support.commands import Place, llm, novel
from tests.support.jupyter_lab import ARTEFACTS, CELL, Lab, open_notebook, run_all, run_cell, tab
from tests.support.paths import ROOT
from tests.support.patience import until
from tests.support.screenshots import Shelf

CANARY = "canary-5be20c9417"
PANEL = f"{CELL}:has(.kgnb-panel)"
RUNNING = "SELECT count(*) FROM knowledge_graph_chapter_status WHERE status = 'running'"
COMPLETED = RUNNING.replace("running", "completed")


STOP = """async () => {
    const began = performance.now();
    const buttons = [...document.querySelectorAll('.kgnb-panel button')];
    const stop = buttons.find(b => b.innerText.trim() === '停止');
    stop.click();
    while (!/正在停止|已停止/.test(document.querySelector('.kgnb-head').innerText))
        await new Promise(done => setTimeout(done, 10));
    return (performance.now() - began) / 1000;
}"""


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    if why := jupyter_lab.missing():
        if os.environ.get("CI") == "true":
            pytest.fail(why)
        pytest.skip(why)
    one = Place(tmp_path)
    yield one
    assert one.left_over(20) == []


def says(page: Any, words: str) -> Any:
    """Waits until the panel shows ``words``."""
    found = page.locator(PANEL).first.locator(f"text={words}").first
    found.wait_for()
    return found


def click(page: Any, words: str) -> None:
    page.locator(PANEL).first.locator(f"button:visible:has-text('{words}')").first.click()


def picture(page: Any, name: str) -> None:
    ARTEFACTS.mkdir(exist_ok=True)
    panel = page.locator(PANEL).first
    panel.scroll_into_view_if_needed()
    time.sleep(0.3)
    panel.screenshot(path=ARTEFACTS / f"panel-{name}.png")


def document(page: Any, place: Place, name: str, until: Any = None) -> None:
    """A picture for the documents: the panel, down to ``until`` where that is given."""
    panel = page.locator(PANEL).first
    screenshots.dress(page, panel, place.path)
    page.mouse.move(5, 5)  # no button is pointed at
    panel.evaluate("e => e.scrollIntoView()")
    time.sleep(0.4)
    screenshots.unclipped(panel)
    box = panel.bounding_box()
    if until is not None:
        last = until.bounding_box()
        box["height"] = last["y"] + last["height"] + 8 - box["y"]
    screenshots.keep(page.screenshot(clip=box), name, place.path, width=1000)


def percent(page: Any) -> float:
    """How far the first task's bar is."""
    style = page.locator(f"{PANEL} .kgnb-bar i").first.get_attribute("style") or ""
    return float(style.partition("width:")[2].partition("%")[0])


def test_a_person_runs_the_worker_notebook(place: Place) -> None:
    shutil.copy(ROOT / "notebooks" / "worker.ipynb", place.path)
    shelf = screenshots.shelf(place.path)
    with llm(latency=0.6) as server, jupyter_lab.page(width=1430, height=1500) as page:
        env = {place.mark: "1", "KGNB_DATA": str(place.data), "KGNB_PRICES": "=2/8", **server.env()}
        env["KG_WORKER_NODE_NAME"] = "laptop"
        lab = Lab(place.path, **env)
        try:
            _shown(page, lab)
            _connected(page)
            _busy_book(page, place, shelf)
            _waits_for_a_cell(page, place)
            _known_book(page, place, shelf)
            _its_graph(page, place, shelf)
            _its_page(page, place, shelf)
            _left_and_come_back(page, lab)
            _stopped(page)
        except BaseException:
            ARTEFACTS.mkdir(exist_ok=True)
            page.screenshot(path=ARTEFACTS / "panel-failed.png")
            raise
        finally:
            lab.close()
    assert CANARY not in (place.path / "worker.ipynb").read_text("utf-8")


def _shown(page: Any, lab: Lab) -> None:
    """After Run All a person with a small screen sees the panel, down to the button that submits a book."""
    size = page.viewport_size
    page.set_viewport_size({"width": 1366, "height": 768})
    open_notebook(page, lab, "worker.ipynb")
    began = time.monotonic()
    run_all(page)
    page.wait_for_selector(f"{PANEL} .kgnb-head")
    print(f"panel after {time.monotonic() - began:.1f} s")
    says(page, "运行中")
    jupyter_lab.idle(page)
    head, submit = (
        page.locator(f"{PANEL} .kgnb-head").first,
        page.locator(f"{PANEL} button:text('提交')").first,
    )
    place = page.locator(".jp-WindowedPanel-outer, .jp-Notebook").first.bounding_box()
    for one in (head.bounding_box(), submit.bounding_box()):
        assert place["y"] <= one["y"]
        assert one["y"] + one["height"] <= place["y"] + place["height"]
    page.set_viewport_size(size)


def _connected(page: Any) -> None:
    """Embedded with one click; a password is gone from its box; a test tells why it fails."""
    tab(page, "连接")
    panel = page.locator(PANEL).first
    panel.locator("input[type=password]:visible").first.fill(CANARY)
    panel.locator("input[placeholder*='内置']:visible").first.fill(f"redis://:{CANARY}@127.0.0.1:9")
    page.keyboard.press("Tab")
    page.wait_for_function(
        "() => [...document.querySelectorAll('.kgnb-panel input')].every(i => !i.value.includes('canary'))"
    )
    panel.locator("button:has-text('测试连接')").first.click()
    says(page, "127.0.0.1:9")
    panel.locator("button:has-text('测试连接')").nth(1).click()
    says(page, "毫秒应答")
    picture(page, "connect")
    click(page, "全部用内置引擎")
    says(page, "节点收尾后")
    says(page, "节点已启动")
    says(page, "运行中")


def _busy_book(page: Any, place: Place, shelf: Shelf) -> None:
    """A book from the person's machine: its bar moves, stops and goes on."""
    tab(page, "运行")
    panel = page.locator(PANEL).first
    book = novel(place.path / "长篇.txt", shelf.chapters)
    book.write_text(book.read_text("utf-8").replace("第1部演义", "云州演义", 1), "utf-8")
    with page.expect_file_chooser() as chooser:
        click(page, "选择文件")
    chooser.value.set_files(book)
    says(page, f"中文，{shelf.chapters} 章")  # it was read at once, and its title can be put right
    click(page, "估算")
    says(page, f"约 {shelf.chapters} 次请求")
    click(page, "提交")
    says(page, "已排队为任务")
    panel.locator(".kgnb-task:has-text('进行中')").first.wait_for()
    page.wait_for_function("() => parseFloat(document.querySelector('.kgnb-bar i').style.width) > 3")
    click(page, "章节")
    panel.locator("td:has-text('已完成')").first.wait_for()
    picture(page, "run")
    click(page, "收起")
    click(page, "暂停")
    says(page, "已暂停")
    panel.locator("button:visible:has-text('继续')").first.wait_for()
    until(lambda: place.sql(RUNNING) == [(0,)], what="nodes let go")
    ((done,),) = place.sql(COMPLETED)
    says(page, f"{done}/{shelf.chapters} 章")
    before = percent(page)
    time.sleep(2)
    assert percent(page) == before
    click(page, "继续")
    page.wait_for_function(f"() => parseFloat(document.querySelector('.kgnb-bar i').style.width) > {before}")


def _waits_for_a_cell(page: Any, place: Place) -> None:
    """While another cell runs the figures go on, and the panel says that clicks wait."""
    jupyter_lab.type_cell(page, "import os, time\nwhile not os.path.exists('go on'): time.sleep(0.1)")
    told = says(page, "点击要等它结束")
    first, before = told.inner_text(), percent(page)
    until(lambda: told.inner_text() != first, what="it counts the seconds")
    until(lambda: percent(page) > before, what="the bar goes on")
    (place.path / "go on").touch()
    told.wait_for(state="detached")


def _known_book(page: Any, place: Place, shelf: Shelf) -> None:
    panel = page.locator(PANEL).first
    panel.locator("input[placeholder*='book.txt']").fill(str(shelf.known))
    page.keyboard.press("Tab")
    panel.locator("select:visible:has(option:has-text('rules'))").first.select_option(label="rules")
    says(page, "中文，")
    click(page, "提交")
    done = panel.locator(f".kgnb-task:has-text('{shelf.title}'):has-text('已完成')")
    done.wait_for()
    document(page, place, "panel")
    for words, name in (("提供方", "providers"), ("实况", "live"), ("日志", "log")):
        tab(page, words)
        time.sleep(0.4)
        picture(page, name)


def _its_graph(page: Any, place: Place, shelf: Shelf) -> None:
    panel = page.locator(PANEL).first
    row = panel.locator(f".kgnb-row:has(.kgnb-task:has-text('{shelf.title}'))")
    tab(page, "运行")
    row.locator("button:has-text('看图谱')").click()
    frame = panel.frame_locator("iframe")
    frame.locator(f"text={shelf.hero}").first.wait_for()
    assert not (place.path / "graph-2.html").exists()
    click(page, "存成网页")
    link = panel.locator("a:has-text('graph-2.html')")
    address = link.evaluate("a => a.href")
    with urllib.request.urlopen(
        f"{address}{'&' if '?' in address else '?'}token={jupyter_lab.TOKEN}"
    ) as answer:
        assert b"cytoscape" in answer.read()
    picture(page, "graph")
    frame.locator("#search").fill(shelf.hero)
    frame.locator("#search").press("Enter")
    frame.locator(f"#panel h2:has-text('{shelf.hero}')").wait_for()
    frame.locator("details.tools > summary").click()
    frame.locator("#fit").click()
    frame.locator("details.tools > summary").click()
    time.sleep(0.4)  # until it stands still
    document(page, place, "panel-graph", until=panel.locator("iframe"))
    _is_corrected(page, shelf)


def _is_corrected(page: Any, shelf: Shelf) -> None:
    """A note on a person is in the person's card at once, and the card is open."""
    panel, words = page.locator(PANEL).first, texts("zh")
    panel.locator(f"input[placeholder='{words['panel.type_a_name']}']").fill(shelf.hero)
    kinds = panel.locator(f"select:visible:has(option:text-is('{words['explorer.fix_note']}'))")
    kinds.select_option(label=words["explorer.fix_note"])
    panel.locator(f"input[placeholder='{words['panel.hint_to']}']").fill("批注一则")
    page.keyboard.press("Tab")
    picture(page, "corrections")
    panel.locator(f"button:visible:text-is('{words['panel.fix']}')").click()
    panel.locator("select:visible:has(option:has-text('批注一则'))").wait_for()
    panel.frame_locator("iframe").locator("#panel p:has-text('批注一则')").wait_for()


def _its_page(page: Any, place: Place, shelf: Shelf) -> None:
    """The page that the panel wrote, opened as a file."""
    one = page.context.browser.new_page()
    one.set_viewport_size({"width": 1280, "height": 860})
    one.goto((place.path / "graph-2.html").as_uri())
    one.wait_for_selector("body[data-ready]")
    assert shelf.hero in one.inner_text("#panel")
    time.sleep(0.4)
    screenshots.keep(one.screenshot(), "graph", place.path, width=1280)
    one.close()


def _left_and_come_back(page: Any, lab: Lab) -> None:
    """The tab is closed and opened again; the node went on meanwhile, and its panel is shown again."""
    page.keyboard.press("Control+s")
    time.sleep(1.5)
    page.goto("about:blank")
    page.on("dialog", lambda dialog: dialog.accept())
    open_notebook(page, lab, "worker.ipynb")
    number = page.locator(".jp-Notebook .jp-Cell").evaluate_all(
        "cells => cells.findIndex(c => c.innerText.includes('kgnb.panel(node)') && c.innerText.length < 4000)"
    )
    run_cell(page, number)
    says(page, "运行中")


def _stopped(page: Any) -> None:
    tab(page, "运行")
    jupyter_lab.idle(page)
    print(f"stop shows after {page.evaluate(STOP):.2f} s")
    says(page, "已停止")
    page.keyboard.press("Control+s")
    time.sleep(1.5)
