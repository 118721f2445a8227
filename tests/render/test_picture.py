"""Pictures: what is chosen, where it stands, and that hostile names stay text."""

from __future__ import annotations

import base64
import hashlib
import html as htmllib
import itertools
import json
import math
import random
import re
import sys
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from kgnb.core.errors import InputError
from kgnb.core.labels import CHARACTER_RELATIONS
from kgnb.core.messages import texts, use_language
from kgnb.graph.book_history import book_history
from kgnb.graph.importance import edge_weight
from kgnb.graph.model import RELATION_GROUPS, Graph, GraphEdge, GraphNode, group_of
from kgnb.render import query_results
from kgnb.render.explorer import page as explorer
from kgnb.render.picture import layout, scene, selection, static
from tests.support.browser import chromium, watched

EVIL = (
    "</script><script>window.pwned=1</script>",
    "<img src=x onerror=window.pwned=1>",
    "\u2028window.pwned=1//'\"`${window.pwned=1}",
    "@@DATA@@@@SCRIPT@@",
    "\x00\x0b\ud800&lt;b&gt;<!--<script>",
    "__proto__",
    "javascript:window.pwned=1",
)


def add(graph: Graph, source: str, kind: str, target: str, **facts: Any) -> None:
    for name in (source, target):
        graph.nodes.setdefault(("Character", name), GraphNode("Character", name, {"name": name}))
    edge = GraphEdge(("Character", source), kind, ("Character", target), facts)
    graph.edges[edge.ref] = edge


def sanguo() -> Graph:
    graph = Graph()
    for a, b in (("关羽", "刘备"), ("刘备", "张飞"), ("关羽", "张飞")):
        add(graph, a, "SIBLING", b, strength=10, count=60, chapters=[1, 2], evidence="桃园结义")
    add(graph, "刘备", "ENEMY", "曹操", strength=8, count=40)
    add(graph, "关羽", "HATES", "曹操", strength=1, count=1)
    add(graph, "关羽", "KNOWS", "曹操", strength=4, count=9, label="旧识")
    for n in range(120):
        add(graph, "曹操", "LEADS", f"将{n}", strength=3, count=1)
    for n in range(1, 9):
        graph.nodes["Chapter", str(n)] = GraphNode("Chapter", str(n), {"id": n, "chapter_number": n})
        for who in ("刘备", "关羽", "张飞", "曹操")[: 1 + n % 4]:
            edge = GraphEdge(("Character", who), "APPEARS_IN", ("Chapter", str(n)), {})
            graph.edges[edge.ref] = edge
    liu = graph.nodes["Character", "刘备"].properties
    liu |= {"aliases": ["玄德"], "description": "汉室宗亲", "traits": ["仁"], "protagonist_score": 95}
    graph.nodes["Organization", "蜀"] = GraphNode("Organization", "蜀", {"name": "蜀"})
    member = GraphEdge(("Character", "刘备"), "BELONGS_TO", ("Organization", "蜀"), {"position": "君主"})
    graph.edges[member.ref] = member
    return graph


def hostile() -> Graph:
    graph = Graph()
    for a, b in itertools.combinations(EVIL, 2):
        add(graph, a, "KNOWS", b, strength=5, count=1, label=a, description=b, evidence=a + b)
    add(graph, EVIL[0], "EVIL_TYPE", EVIL[1], strength=9, count=3)
    for evil in EVIL:
        graph.nodes["Character", evil].properties |= {
            "title": evil,
            "description": evil,
            "aliases": list(EVIL),
            "traits": [evil],
            "protagonist_score": 50,
        }
    return graph


def crowd(size: int) -> Graph:
    chance, graph = random.Random(size), Graph()
    for n in range(1, size):
        for _ in range(3):
            facts = {"strength": chance.randint(1, 10), "count": chance.randint(1, 30)}
            add(
                graph,
                f"人物{n}",
                chance.choice(CHARACTER_RELATIONS),
                f"人物{int(n * chance.random() ** 2)}",
                **facts,
            )
    return graph


def html(graph: Graph, *, title: str, scene: scene.Scene | None = None) -> str:
    return explorer.html(graph, book_history(graph, (), {}), title=title, scene=scene)


def data_of(page: str) -> dict[str, Any]:
    found = re.search(r'<script type="application/json" id="data">(.*?)</script>', page, re.S)
    assert found is not None
    data: dict[str, Any] = json.loads(found[1])
    return data


# --- who is shown -------------------------------------------------------------------------------------------


def test_the_heroes_are_shown_and_tied() -> None:
    chosen = selection.select(sanguo(), 30)
    names = [p.name for p in chosen.people]
    assert names[0] == "刘备"
    assert set(names[:4]) == {"刘备", "关羽", "张飞", "曹操"}
    assert len(names) == 30
    drawn = {frozenset((names[t.a], names[t.b])) for t in chosen.ties if t.drawn}
    for pair in itertools.combinations(("刘备", "关羽", "张飞"), 2):
        assert frozenset(pair) in drawn


def test_a_pair_is_one_tie_with_its_strongest_relation_first() -> None:
    chosen = selection.select(sanguo(), 10)
    names = [p.name for p in chosen.people]
    tie = next(t for t in chosen.ties if {names[t.a], names[t.b]} == {"关羽", "曹操"})
    assert [e.type for e in tie.edges] == ["KNOWS", "HATES"]
    assert tie.weight == pytest.approx(sum(edge_weight(e) for e in tie.edges))


def test_few_ties_each_but_nobody_is_cut_off() -> None:
    chosen = selection.select(crowd(80), 80)
    drawn = [t for t in chosen.ties if t.drawn]
    assert len(drawn) < 80 * 4
    linked = {i for t in drawn for i in (t.a, t.b)}
    assert linked == {i for t in chosen.ties for i in (t.a, t.b)}


def test_every_relation_type_has_a_group_and_a_word() -> None:
    grouped = [kind for kinds in RELATION_GROUPS.values() for kind in kinds]
    assert sorted(grouped) == sorted(CHARACTER_RELATIONS)
    assert set(scene.EDGE_COLOURS) == set(RELATION_GROUPS)
    assert all(f"relation.{kind}" in texts("zh") for kind in CHARACTER_RELATIONS)
    assert all(f"picture.{group}" in texts("zh") for group in RELATION_GROUPS)
    assert group_of("MADE_UP") == "other"


def test_strange_numbers_do_no_harm() -> None:
    graph = Graph()
    add(graph, "甲", "FRIEND", "乙", strength=float("nan"), count=-3)
    add(graph, "甲", "ENEMY", "丙", strength="9", count=float("inf"))
    graph.nodes["Character", "甲"].properties["protagonist_score"] = float("nan")
    assert len(data_of(html(graph, title="x"))["people"]) == 3


# --- where it stands ----------------------------------------------------------------------------------------


def boxes_of(shown: scene.Scene) -> list[tuple[float, float, float, float]]:
    made = []
    for s in shown.spots:
        half = max(s.radius, scene.text_width(s.label) * s.font / 2)
        made.append((s.x - half, s.y - s.radius, s.x + half, s.y + s.radius + s.font * 1.3))
    return made


@pytest.mark.parametrize("size", [1, 2, 12, 80, 300])
def test_no_name_covers_another(size: int) -> None:
    shown = scene.lay_out(crowd(size), size)
    for a, b in itertools.combinations(boxes_of(shown), 2):
        assert a[2] <= b[0] or b[2] <= a[0] or a[3] <= b[1] or b[3] <= a[1]


def test_the_layout_is_deterministic() -> None:
    graph = crowd(300)
    first = scene.lay_out(graph, 300)
    graph.nodes = dict(reversed(graph.nodes.items()))
    graph.edges = dict(reversed(graph.edges.items()))
    second = scene.lay_out(graph, 300)
    assert [(s.label, s.x, s.y) for s in first.spots] == [(s.label, s.x, s.y) for s in second.spots]


def test_after_a_change_whoever_needs_not_move_stays() -> None:
    graph = crowd(60)
    before = scene.lay_out(graph, 60)
    gone = before.spots[20].person.node.ref
    del graph.nodes[gone]
    graph.edges = {ref: edge for ref, edge in graph.edges.items() if gone not in (edge.source, edge.target)}
    add(graph, "来客", "FRIEND_OF", before.spots[0].person.name, strength=9, count=20)
    after = scene.lay_out(graph, 60, before)
    old = {spot.person.node.ref: spot for spot in before.spots}
    stayed = [
        spot
        for spot in after.spots
        if (was := old.get(spot.person.node.ref)) and math.hypot(spot.x - was.x, spot.y - was.y) < spot.radius
    ]
    assert len(stayed) >= 50
    for a, b in itertools.combinations(boxes_of(after), 2):
        assert a[2] <= b[0] or b[2] <= a[0] or a[3] <= b[1] or b[3] <= a[1]


def test_tied_people_stand_nearer() -> None:
    boxes = [layout.Box(20, 15, 30)] * 40
    links = [(i, j, 1.0) for g in range(4) for i, j in itertools.combinations(range(g * 10, g * 10 + 10), 2)]
    points = layout.place(boxes, links)

    def mean(pairs: list[tuple[int, int]]) -> float:
        spans = [abs(complex(*points[a]) - complex(*points[b])) for a, b in pairs]
        return sum(spans) / len(spans)

    together = [(a, b) for a, b, _ in links]
    apart = [p for p in itertools.combinations(range(40), 2) if p not in set(together)]
    assert mean(together) * 1.5 < mean(apart)


def test_people_without_ties_stand_in_rows_below() -> None:
    graph = crowd(30)
    for n in range(25):
        graph.nodes["Character", f"路人{n}"] = GraphNode("Character", f"路人{n}", {"name": f"路人{n}"})
    shown = scene.lay_out(graph, 60)
    alone = [s for s in shown.spots if s.label.startswith("路人")]
    tied = [s for s in shown.spots if not s.label.startswith("路人")]
    assert len(alone) == 25
    assert min(s.y for s in alone) > max(s.y for s in tied)
    assert len({s.y for s in alone}) < 8
    assert {s.fill for s in alone} == {scene.NODE_COLOURS[-1]}
    for a, b in itertools.combinations(boxes_of(shown), 2):
        assert a[2] <= b[0] or b[2] <= a[0] or a[3] <= b[1] or b[3] <= a[1]


def test_nobody() -> None:
    assert layout.place([], []) == []
    assert data_of(html(Graph(), title="空"))["people"] == []
    ElementTree.fromstring(static.svg(Graph(), title="空"))


# --- the page -----------------------------------------------------------------------------------------------


def test_the_line_under_the_title_counts_the_relations_that_the_tables_list() -> None:
    graph = sanguo()
    everything = len(query_results.relations(graph))
    drawn = scene.lay_out(graph, 5)
    named = {frozenset((e.source, e.target)) for t in drawn.ties if t.drawn for e in t.edges}
    shown = sum(
        frozenset((e.source, e.target)) in named for e in graph.edges.values() if e.type != "APPEARS_IN"
    )
    assert shown > len(named)  # two relations of one pair
    assert static.summary(drawn) == f"图中 5 位人物、{shown} 条关系；全书 124 位人物、{everything} 条关系"
    assert len(data_of(english_page(graph))["ties"]) == everything


def english_page(graph: Graph) -> str:
    use_language("en")
    return html(graph, title="x")


def test_the_page_speaks_two_languages() -> None:
    zh, en = html(sanguo(), title="x"), english_page(sanguo())
    assert 'lang="zh-CN"' in zh
    assert "搜索人物" in zh
    assert 'lang="en"' in en
    assert data_of(en)["kinds"]["SIBLING"] == "sibling"
    shell = re.sub(r"<script.*?</script>", "", en, flags=re.S)
    assert "graph.html" in shell  # what a viewer without scripts shows
    assert not re.search("[\u4e00-\u9fff]", shell)


@pytest.mark.parametrize("title", EVIL)
def test_hostile_text_stays_data(title: str) -> None:
    page = html(hostile(), title=title)
    assert page.lower().count("<script") == page.lower().count("</script>") == 3
    assert "<img" not in page
    assert {p["forms"][0][0] for p in data_of(page)["people"]} == {scene.printable(e) for e in EVIL}
    heading = re.search(r"<h1>(.*?)</h1>", page, re.S)
    assert heading is not None
    assert htmllib.unescape(heading[1]) == scene.printable(title)
    assert "\u2028" not in page.replace(heading[0], "").replace(page[: page.index("</title>")], "")
    page.encode("utf-8")


def test_only_the_two_scripts_may_run_and_nothing_may_be_fetched() -> None:
    page = html(hostile(), title="x")
    policy = re.search(r'Content-Security-Policy" content="([^"]*)"', page)
    assert policy is not None
    assert policy[1].startswith("default-src 'none'")
    assert "unsafe-eval" not in policy[1]
    assert "script-src 'unsafe-inline'" not in policy[1]
    for script in re.findall(r"<script>(.*?)</script>", page, re.S):
        digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
        assert f"'sha256-{digest}'" in policy[1]
    assert not re.search(r"""(?:src|href)\s*=\s*["']?(?:https?:)?//""", page)


def test_the_page_is_light() -> None:
    graph = crowd(300)
    everybody = scene.lay_out(graph, 300)
    assert len(html(graph, title="x", scene=everybody).encode()) < 1_000_000
    large = crowd(1_000)
    for edge in large.edges.values():
        edge.properties["evidence"] = "说明两个人是什么关系的一句原文，" * 8
    assert len(html(large, title="x").encode()) < 2_000_000


def test_it_says_how_the_ties_were_found() -> None:
    graph = sanguo()
    assert "规则" not in html(graph, title="x").split("<main>")[0]
    for edge in graph.edges.values():
        edge.properties |= {"extracted_by": "rule"}
    assert "found by rules, without a model" in english_page(graph).split("<main>")[0]


# --- still images -------------------------------------------------------------------------------------------


def test_svg_is_valid_and_holds_the_names() -> None:
    root = ElementTree.fromstring(static.svg(sanguo(), title="三国演义"))
    texts = [e.text for e in root.iter() if e.tag.endswith("text")]
    assert {"三国演义", "刘备", "关羽", "张飞", "曹操", "亲属", "敌对"} <= set(texts)
    people = static.STILL_PEOPLE
    assert {f"曹操等 {people - 3} 人", "刘备等 3 人"} <= set(texts)  # what the two colours of circles mean
    assert sum(e.tag.endswith("circle") for e in root.iter()) == people + 2
    left, top, width, height = map(float, str(root.get("viewBox")).split())
    for circle in (e for e in root.iter() if e.tag.endswith("circle")):
        x, y, r = (float(circle.get(k, "")) for k in ("cx", "cy", "r"))
        assert left + r <= x <= width - r
        assert top + r <= y <= height - r


@pytest.mark.parametrize("title", EVIL)
def test_svg_with_hostile_names(title: str) -> None:
    root = ElementTree.fromstring(static.svg(hostile(), title=title).encode("utf-8"))
    tags = {e.tag.rpartition("}")[2] for e in root.iter()}
    assert tags == {"svg", "title", "rect", "text", "line", "circle"}
    assert not [k for e in root.iter() for k in e.keys() if k.startswith("on") or "href" in k]  # noqa: SIM118


def test_without_a_notebook_it_says_what_to_do_instead(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(InputError, match=r"graph\.html"):  # a plain script, with IPython
        explorer.display(hostile(), book_history(hostile(), (), {}), title="三国演义")
    monkeypatch.setitem(sys.modules, "IPython.display", None)
    with pytest.raises(InputError, match=r"graph\.html"):
        explorer.display(hostile(), book_history(hostile(), (), {}), title="三国演义")


def test_display_sends_a_still_image_and_a_sandboxed_frame(monkeypatch: pytest.MonkeyPatch) -> None:
    notebook = pytest.importorskip("IPython.display")
    sent: list[Any] = []
    monkeypatch.setattr(notebook, "display", lambda thing, **_: sent.append(thing))
    monkeypatch.setattr("IPython.get_ipython", object)
    explorer.display(hostile(), book_history(hostile(), (), {}), title=EVIL[0])
    assert ElementTree.fromstring(sent[0]["image/svg+xml"]).tag.endswith("svg")
    _, _, packed = sent[0]["text/markdown"].partition("base64,")  # for a notebook that isn't trusted
    assert base64.b64decode(packed.removesuffix(")")).decode() == sent[0]["image/svg+xml"]
    frame = sent[1].data
    assert frame.startswith('<div><iframe sandbox="allow-scripts allow-downloads"')
    assert frame.count("<") == 4  # the frame's own tags: all of the page is inside an attribute
    page = re.search(r'srcdoc="([^"]*)"', frame)
    assert page is not None
    assert htmllib.unescape(page[1]).startswith("<!doctype html>")


# --- in a browser -------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    yield from chromium()


def test_a_page_hidden_while_it_loaded_is_drawn_when_it_is_seen(browser: Any, tmp_path: Path) -> None:
    """Another tab of a notebook's panel takes the graph's room, not the window's."""
    path = tmp_path / "g.html"
    hidden = html(sanguo(), title="三国演义").replace("<main>", '<main style="display:none">')
    path.write_text(hidden, encoding="utf-8")
    page, said, _ = watched(browser, path)
    page.wait_for_selector("body[data-ready]", state="attached")
    page.evaluate("document.querySelector('main').style.display = ''")
    page.wait_for_function(  # everybody is inside the canvas, which has the room's size
        "() => { const graph = document.getElementById('graph'), cy = graph._cyreg.cy, box = cy.extent();"
        " return cy.width() === graph.clientWidth && cy.nodes().every(n => n.position('x') > box.x1"
        " && n.position('x') < box.x2 && n.position('y') > box.y1 && n.position('y') < box.y2) }"
    )
    assert said == []
    page.close()


@pytest.mark.parametrize("size", [(360, 740), (1280, 800)], ids=["phone", "desk"])
def test_the_first_view_holds_all_that_is_drawn_with_their_names(
    browser: Any, tmp_path: Path, size: tuple[int, int]
) -> None:
    path = tmp_path / "g.html"
    path.write_text(html(crowd(200), title="人群"), encoding="utf-8")
    page, _, _ = watched(browser, path, viewport={"width": size[0], "height": size[1]})
    page.wait_for_selector("body[data-ready]")
    shown = page.evaluate(
        "() => { const cy = document.getElementById('graph')._cyreg.cy, all = cy.nodes(), box ="
        " all.filter(n => n.numericStyle('text-opacity')).renderedBoundingBox();"
        " return [all.length, box.x1, box.y1, cy.width() - box.x2, cy.height() - box.y2] }"
    )
    assert shown[0] >= 16
    assert min(shown[1:]) >= 0
    assert shown[0] == 80 or size[0] == 360, "fewer where there is less room"
    page.close()


@pytest.mark.parametrize("framed", [False, True], ids=["file", "srcdoc"])
def test_hostile_names_are_inert_in_a_browser(browser: Any, tmp_path: Path, framed: bool) -> None:
    path = tmp_path / "g.html"
    shown = html(hostile(), title=EVIL[0])
    path.write_text(f"<!doctype html><body>{explorer.iframe(shown)}" if framed else shown, encoding="utf-8")
    page, said, asked = watched(browser, path)
    inside = page.frame_locator("iframe") if framed else page
    inside.locator("body[data-ready]").wait_for()
    for n in range(len(EVIL)):
        inside.locator("#panel").evaluate("p => p.scrollTop = 0")
        inside.locator("#search").fill("window.pwned" if n < 3 else "a")
        inside.locator("#found li").nth(n % 3).dispatch_event("mousedown")
    assert inside.locator("body").evaluate("() => window.pwned === undefined")
    assert inside.locator("#panel img, #panel script").count() == 0
    assert "onerror=window.pwned" in inside.locator("#panel").inner_text()
    assert said == []
    assert [url for url in asked if url not in (path.as_uri(), "about:srcdoc")] == []
    page.close()
