"""Replies (and a book) that mean harm: everything in them ends as plain data, or is rejected and counted.

They come over HTTP, as a model's do, into a real build; what is looked at is what people get: the graph on
each engine, every export, the picture and the panel.
"""

from __future__ import annotations

import csv
import io
import json
import math
import zipfile
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from pydantic import SecretStr

from kgnb.app.names import BookNames
from kgnb.core.errors import ReplyError, RequestRejected
from kgnb.core.model import Novel, Provider, TaskConfig
from kgnb.extract import evidence, reply
from kgnb.extract.prompt import PromptBuilder
from kgnb.graph.book_history import BookHistory, book_history
from kgnb.graph.model import Graph, GraphEdge, GraphNode
from kgnb.llm.client import LlmClient
from kgnb.llm.fake.server import FakeServer
from kgnb.notebook.panel.graph_tab import draw
from kgnb.render.explorer import page as explorer
from kgnb.render.picture import static
from kgnb.stores.graph.cypher import KEYS
from tests.conftest import lent_folder, outside
from tests.support.commands import Place, llm

NAMES = {
    "甲": "x'}) DETACH DELETE n //",
    "乙": "<img src=x onerror=alert(1)>",
    "丙": "</script><script>alert(1)</script>",
    "丁": "=cmd|'/c calc'!A1",
    "戊": '{{7*7}}${jndi:ldap://x}"]}\\',
    "己": "n`) SET n.a=1 WITH n CALL db.x() YIELD y //",
}
"""What a chapter (told by its first character) and its reply call a person; harmless only as text."""
UNSEEN = "\u202e关\u2066羽\x00\x1b[31m\ufeff\x9b2J\ud800"
LONG = "名" * 500

ODD = """{"characters": [
  {"name": "刘备", "protagonist_score": NaN, "confidence": Infinity, "unverified": 1},
  {"name": "曹操", "protagonist_score": 1e400, "confidence": -Infinity, "confidence": "high", "aliases": {}},
  {"name": {"$ne": null}}, [["孙权"]], 17, null, true, {"name": "%(long)s"},
  {"name": "刘备", "name": "孙权"}],
 "characters": [{"name": "关羽", "__class__": "x", "constructor": {"prototype": {}}}],
 "events": {"大战": {"participants": "刘备、曹操", "importance": ["high"]}},
 "locations": 7, "organizations": "=HYPERLINK(1)",
 "relations": [{"source": "刘备", "target": "曹操", "strength": NaN, "type": ["ENEMY"]},
  {"source": "刘备", "target": "曹操", "strength": "-9e99", "type": "ENEMY"},
  {"source": "", "target": "曹操"},
  "刘备-曹操", {"source": "刘备", "target": "%(long)s"}], "deep": %(deep)s}"""


def evil(name: str) -> str:
    """A reply that says one thing everywhere."""
    claim = {"description": name + UNSEEN, "evidence": name, "type": name, "kind": name}
    people = [
        {"name": n, "aliases": [name + "!", LONG], "title": name, "traits": [name], **claim}
        for n in (name, "刘备")
    ]
    found = {
        "characters": people,
        "locations": [{"name": name + "城", **claim}],
        "organizations": [{"name": name + "军", **claim}],
        "events": [{"name": name + "战", "participants": [name, LONG], "location": name + "城", **claim}],
        "relations": [
            {"source": "刘备", "target": name, "strength": 1e308, **claim},
            {"source": name, "target": "刘备", **claim, "type": "SERVES"},
            {"source": name, "target": name + "军", **claim},
        ],
    }
    return json.dumps(found)


def answer(text: str) -> str:
    for mark, name in NAMES.items():
        if mark in text:
            return evil(name)
    if "庚" in text:
        nobody = {"name": "未知", "aliases": ["黑衣人"], "relations": [{"target": "刘备", "type": "ENEMY"}]}
        people = [{"name": UNSEEN}, {"name": "\u200b\u202e"}, {"name": "刘备"}, nobody, {"name": "未知"}]
        return json.dumps({"characters": people})
    return ODD % {"long": LONG, "deep": "[" * 400 + "]" * 400}


def write(path: Path) -> Path:
    parts = ["书名：<b>书</b>\n作者：'); --\n"]
    for number, (mark, name) in enumerate({**NAMES, "庚": "关羽", "辛": "曹操、孙权、关羽"}.items(), 1):
        parts.append(
            f"第{number}章 {name}\n{mark}。刘备见{name}，{name}见刘备，大喜，二人同往城中饮酒去也。\n"
        )
    path.write_text("\n".join(parts), "utf-8")
    return path


@pytest.fixture(scope="module", params=["embedded", "neo4j"])
def place(
    embedded: Any, request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Place]:
    """The book, built on each graph engine."""
    import neo4j

    one = Place(tmp_path_factory.mktemp("hostile"))
    if request.param == "neo4j":
        names = ("NEO4J_URI", "NEO4J_USER", "NEO4J_PASSWORD")
        one.env = {name: outside(f"KGNB_TEST_{name}") for name in names}
        uri, user, password = one.env.values()
        with neo4j.GraphDatabase.driver(uri, auth=(user, password)) as driver:
            driver.execute_query("MATCH (n) DETACH DELETE n")
    with lent_folder(embedded, one.data), llm(answer=answer) as server:
        one.build(write(one.path / "book.txt"), "--provider", "dryrun", env=server.env())
        yield one


@pytest.fixture(scope="module")
def graph(place: Place) -> Graph:
    """The exported graph."""
    made, exported = Graph(), place.graph()
    for key, node in exported["nodes"].items():
        made.nodes[key] = GraphNode(node["label"], key.partition(":")[2], node["properties"])
    found = Graph({node.ref: node for node in made.nodes.values()})
    for (source, type_, target), facts in exported["edges"].items():
        edge = GraphEdge(made.nodes[source].ref, type_, made.nodes[target].ref, facts)
        found.edges[edge.ref] = edge
    return found


def export(place: Place, kind: str) -> Path:
    target = place.path / f"out.{kind.replace('csv', 'zip')}"
    ran = place.run("export", "1", "--format", kind, "-o", target)
    assert ran.code == 0, ran
    return target


# --- the graph


def test_every_name_is_in_the_graph_as_it_is(graph: Graph) -> None:
    people = {key for label, key in graph.nodes if label == "Character"}
    assert people == {*NAMES.values(), "刘备", "关羽", "曹操", "孙权"}
    for name in NAMES.values():
        assert ("Location", f"{name}城") in graph.nodes
        assert ("Organization", f"{name}军") in graph.nodes
        facts = graph.edges[("Character", name), "SERVES", ("Character", "刘备")].properties
        assert facts["evidence"] in name
        assert facts["strength"] == 5
    assert {n.label for n in graph.nodes.values()} <= {*KEYS} - {"Thing"}


def test_types_are_known_ones_and_words_are_labels(graph: Graph) -> None:
    types = {type_ for _, type_, _ in graph.edges}
    assert types <= {"APPEARS_IN", "PARTICIPATES_IN", "OCCURS_IN", "BELONGS_TO", "KNOWS", "ENEMY", "SERVES"}
    labels = {e.properties.get("label") for e in graph.edges.values() if e.type == "KNOWS"}
    assert labels >= set(NAMES.values())


def test_nothing_unprintable_or_endless_is_stored(graph: Graph) -> None:
    for item in (*graph.nodes.values(), *graph.edges.values()):
        for value in item.properties.values():
            for part in value if isinstance(value, list) else [value]:
                text = str(part)
                assert text.isprintable()
                assert len(text) <= 2_000
                assert LONG not in text
            assert not (isinstance(value, float) and math.isnan(value))


def test_what_could_not_be_used_is_counted(place: Place) -> None:
    rejected = dict(place.sql("SELECT chapter_number, rejected FROM kgnb_extractions"))
    assert rejected[7] == 3  # a name of nothing but format characters; somebody unknown, and his tie
    assert rejected[8] >= 9
    (task,) = place.run("status", "--json").json["tasks"]
    assert task["rejected"] == sum(rejected.values())
    assert (task["failed"], task["completed"]) == (0, 8)


# --- what people take along


def test_tables_and_scripts_stay_data(place: Place) -> None:
    with zipfile.ZipFile(export(place, "csv")) as archive:
        for name in archive.namelist():
            if name.endswith(".csv"):
                rows = list(csv.reader(io.StringIO(archive.read(name).decode("utf-8-sig"))))
                assert len({len(row) for row in rows}) == 1
                assert not [cell for row in rows[1:] for cell in row if cell[:1] in ("=", "@", "\t", "\r")]
    root = ElementTree.parse(export(place, "graphml")).getroot()
    texts = {data.text for data in root.iter() if data.tag.endswith("data")}
    assert texts >= set(NAMES.values())


class Seen(HTMLParser):
    """Tags and attributes of a page as a browser reads them, and the text of its scripts."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))


def tags(page: str) -> list[tuple[str, dict[str, str | None]]]:
    seen = Seen()
    seen.feed(page)
    seen.close()
    return seen.tags


def harmless(page: str) -> bool:
    """No element of ours carries a handler, and no element is theirs."""
    found = tags(page)
    return not any(
        name.startswith("on") or str(value).startswith("javascript:") or value == "x"
        for _, attributes in found
        for name, value in attributes.items()
    ) and not any(tag == "b" for tag, _ in found)


def test_the_page_runs_nothing_of_theirs(place: Place, graph: Graph) -> None:
    page = export(place, "html").read_text("utf-8")
    novel = Graph({ref: n for ref, n in graph.nodes.items() if n.label == "Novel"})
    plain = explorer.html(novel, BookHistory({}, {}, {}, {}), title="书")
    assert harmless(page)
    assert sum(tag == "script" for tag, _ in tags(page)) == sum(tag == "script" for tag, _ in tags(plain))
    assert "<script>alert" not in page


def test_the_still_picture_is_valid_and_inert(graph: Graph) -> None:
    root = ElementTree.fromstring(static.svg(graph, title="</title><script>alert(1)</script>"))
    drawn = "".join(root.itertext())
    assert "DETACH DELETE" in drawn
    assert not [e.tag for e in root.iter() if e.tag.rpartition("}")[2] in ("script", "img", "foreignObject")]
    assert not [name for e in root.iter() for name in e.attrib if name.lower().startswith("on")]


def test_the_panels_tab_shows_text(graph: Graph) -> None:
    drawn = draw(
        graph,
        book_history(graph),
        BookNames(Novel(1, "<b>书</b>"), [], []),
        "",
        "<b>书</b>",
    )
    assert harmless(drawn.page)
    assert "<b>书" not in drawn.page
    assert {tag for tag, _ in tags(explorer.iframe(drawn.page))} == {"iframe"}


def test_the_terminal_shows_text(place: Place) -> None:
    for command in (["chapter", "1", "8", "--raw"], ["chapter", "1", "3"], ["status"]):
        ran = place.run(*command)
        assert ran.code == 0
        assert all(c.isprintable() or c == "\n" for c in ran.out)


# --- replies that are no reply: over HTTP, told soon, at no cost of memory

DEEP = 10_000


@pytest.mark.parametrize(
    "text",
    [
        '{"characters": [{"name": "' + "名" * 2_000_000 + '"}]}',
        '{"characters":' + "[" * DEEP + "]" * DEEP + "}",
        '{"characters":' * DEEP + "1" + "}" * DEEP,
        '{"relations": [' + '{"source":' * DEEP + "}" * DEEP + "]}",
        "\x00" * 3_000_000,
    ],
    ids=["6 MB", "lists", "objects", "broken", "zeros"],
)
async def test_what_is_no_reply_is_refused(text: str) -> None:
    async with FakeServer(answer=lambda _: text) as server:
        provider = Provider("p", server.base_url, SecretStr("k"), ("dryrun",))
        client = LlmClient(provider, timeout=20, tries=1, connections=1)
        asked = PromptBuilder("zh", [], TaskConfig()).prompt("刘备来也。")
        with pytest.raises((ReplyError, RequestRejected)):  # both are the chapter's own failure
            reply.parse((await client.ask(asked, "dryrun")).text, provider="p")
        await client.close()


def test_a_large_reply_leaves_little() -> None:
    big = "大" * 150_000
    item: dict[str, Any] = {"name": "刘备", "description": big, "traits": [big], "aliases": [big, "玄德"]}
    claim = {"source": "刘备", "target": big, "evidence": big}
    parsed = reply.parse(
        json.dumps({"characters": [item], "relations": [claim]}, ensure_ascii=False), provider="p"
    )
    assert parsed.rejected == 1
    (one,) = evidence.verify(parsed.extraction, evidence.ChapterText("刘备")).characters
    assert (one.aliases, one.traits, len(one.description)) == (["玄德"], [], 2_000)
