"""A reader's corrections outlive another reading, growth and a copy, reach Neo4j, and are undone."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import kgnb
from kgnb.cli import main as cli_main
from kgnb.core.errors import InputError
from kgnb.graph.model import Graph
from tests.conftest import Bolt
from tests.support.commands import STORY

TITLE = "青石渡"
MORE = "\n\n".join(
    f"第{number}章 续{number}\n\n沈砚在渡口等陆青禾。陆青禾说：“顾三娘也来了。”\n\n{number} 天之后，雨停了。"
    for number in ("七", "八", "九", "十", "十一", "十二", "十三", "十四", "十五", "十六")
)


@pytest.fixture
def corrected(tmp_path: Path, bolt: Bolt, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[int]]:
    """The numbers of corrections of a book whose graph is in Neo4j too."""
    for name, value in (("URI", bolt.uri), ("USER", bolt.user), ("PASSWORD", bolt.password)):
        monkeypatch.setenv(f"NEO4J_{name}", value)
    monkeypatch.setenv("KGNB_DATA", str(tmp_path / "data"))
    book, fix = build(STORY), kgnb.open(TITLE).fix
    gone = next(iter(untied(book)))
    yield [
        fix.rename("沈砚", "沈墨", reason="化名"),
        fix.tie("沈墨", "SPOUSE", "顾三娘", reason="第六章"),
        fix.untie(*gone),
        fix.not_a_person("周铁嘴", "Thing"),
        fix.alias("陆青禾", "禾姑娘"),
        fix.protagonist("顾三娘"),
        fix.note("陆青禾", "医女"),
    ]
    book.close()


def build(path: Path, **options: Any) -> Any:
    return kgnb.build(path, progress=False, provider="rules", **options)


def untied(book: Any) -> list[tuple[str, str]]:
    """Pairs of which the ties can be taken away."""
    people = {"沈砚", "陆青禾"}
    edges = book.graph().edges.values()
    return [(e.source[1], e.target[1]) for e in edges if {e.source[1], e.target[1]} == people]


def is_corrected(graph: Graph) -> None:
    people = {node.key: node for node in graph.nodes.values() if node.label == "Character"}
    assert "沈砚" in people["沈墨"].texts("aliases")
    assert "沈砚" not in people
    assert "周铁嘴" not in people
    assert ("Thing", "周铁嘴") in graph.nodes
    assert "禾姑娘" in people["陆青禾"].texts("aliases")
    assert people["陆青禾"].text("note") == "医女"
    assert people["顾三娘"].properties["is_protagonist"] is True
    types = {frozenset((e.source[1], e.target[1])): e.type for e in graph.edges.values()}
    assert types[frozenset(("沈墨", "顾三娘"))]
    assert any(
        e.type == "SPOUSE" and {e.source[1], e.target[1]} == {"沈墨", "顾三娘"} for e in graph.edges.values()
    )
    assert frozenset(("沈墨", "陆青禾")) not in types


def stored(bolt: Bolt) -> tuple[dict[str, Any], set[tuple[str, str, str]]]:
    """Neo4j's people, name → note; and the ties between them."""
    with bolt.driver() as driver:
        people = driver.execute_query("MATCH (c:Character) RETURN c.name AS name, c.note AS note").records
        ties = driver.execute_query(
            "MATCH (a:Character)-[t]->(b:Character) RETURN a.name AS a, type(t) AS t, b.name AS b"
        ).records
    return {row["name"]: row["note"] for row in people}, {(r["a"], r["t"], r["b"]) for r in ties}


def same_in_neo4j(bolt: Bolt, graph: Graph) -> None:
    people, ties = stored(bolt)
    mine = {node.key: node.text("note") or None for node in graph.nodes.values() if node.label == "Character"}
    assert {name: note or None for name, note in people.items()} == mine
    ends = [(e.source, e.type, e.target) for e in graph.edges.values()]
    assert ties == {(a[1], t, b[1]) for a, t, b in ends if a[0] == b[0] == "Character"}


def shape(graph: Graph) -> tuple[dict[Any, Any], set[Any]]:
    """What corrections change: nodes with names, kinds, notes, and edges."""
    nodes = {
        n.ref: (n.texts("aliases"), n.text("note"), n.properties.get("is_protagonist"))
        for n in graph.nodes.values()
        if n.label != "Novel"
    }
    return nodes, {e.ref for e in graph.edges.values() if e.source[0] != "Novel" != e.target[0]}


def test_they_outlive_all_that_happens_to_a_book(
    corrected: list[int], tmp_path: Path, bolt: Bolt, monkeypatch: pytest.MonkeyPatch
) -> None:
    book = kgnb.open(TITLE)
    is_corrected(book.graph())
    same_in_neo4j(bolt, book.graph())

    again = build(STORY, again=True)
    is_corrected(again.graph())
    same_in_neo4j(bolt, again.graph())

    longer = tmp_path / f"{TITLE}.txt"
    longer.write_text(f"{STORY.read_text('utf-8')}\n\n{MORE}", "utf-8")
    grown = build(longer)
    assert len([n for n in grown.graph().nodes.values() if n.label == "Chapter"]) == 16
    is_corrected(grown.graph())
    same_in_neo4j(bolt, grown.graph())

    other = tmp_path / "other"
    other.mkdir()
    assert cli_main.main(["copy", str(other / "kgnb.db")]) == 0
    copied = kgnb.open(TITLE, other)
    is_corrected(copied.graph())
    assert shape(copied.graph()) == shape(grown.graph())

    for number in corrected:
        assert grown.fix.undo(number)
    same_in_neo4j(bolt, grown.graph())
    for name in ("NEO4J_URI", "NEO4J_USER", "NEO4J_PASSWORD"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("KGNB_DATA", str(tmp_path / "new"))
    assert shape(kgnb.open(TITLE, tmp_path / "data").graph()) == shape(build(longer).graph()), (
        "as if never made"
    )


def test_two_that_contradict_each_other_say_so(corrected: list[int]) -> None:
    fix = kgnb.open(TITLE).fix
    for attempt, told in (
        (lambda: fix.rename("顾三娘", "沈墨"), "沈墨"),  # the name is taken
        (lambda: fix.tie("沈墨", "FRIEND", "周铁嘴"), "周铁嘴"),  # is no person any more
        (lambda: fix.note("周铁嘴", "说书的"), "周铁嘴"),
    ):
        with pytest.raises(InputError, match=told):
            attempt()
    book = kgnb.open(TITLE)
    assert corrected
    is_corrected(book.graph())
