"""A reader's corrections on a finished graph."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pytest

from kgnb.graph.model import Graph, GraphEdge, GraphNode
from kgnb.graph.project.corrections import correct
from kgnb.graph.resolve.decisions import Decision, combine_decisions


def person(name: str, *aliases: str, chapters: tuple[int, ...] = (1, 2)) -> GraphNode:
    facts: dict[str, Any] = {
        "name": name,
        "novel_id": 1,
        "aliases": list(aliases),
        "chapters": list(chapters),
        "count": 2,
    }
    return GraphNode("Character", name, facts | {"protagonist_score": 10, "is_protagonist": False})


def book() -> Graph:
    graph = Graph()
    for node in (person("沈砚", "沈算盘"), person("陆青禾"), person("青石渡", chapters=(2,))):
        graph.nodes[node.ref] = node
    event = GraphNode("Event", "1_1_x", {"name": "重逢", "participants": ["沈砚", "陆青禾"]})
    graph.nodes[event.ref] = event
    for a, kind, b in (
        ("沈砚", "KNOWS", "陆青禾"),
        ("沈砚", "PARENT_OF", "陆青禾"),
        ("陆青禾", "KNOWS", "青石渡"),
    ):
        edge = GraphEdge(("Character", a), kind, ("Character", b), {"strength": 3})
        graph.edges[edge.ref] = edge
    part = GraphEdge(("Character", "沈砚"), "PARTICIPATES_IN", event.ref, {})
    graph.edges[part.ref] = part
    return graph


def decision(number: int, kind: Any, *names: str, **facts: Any) -> Decision:
    return Decision(number, kind, names, **facts)


def ties(graph: Graph) -> set[tuple[str, str, str]]:
    return {(e.source[1], e.type, e.target[1]) for e in graph.edges.values() if e.target[0] == "Character"}


def test_a_renamed_person_keeps_all_that_is_theirs() -> None:
    graph = book()
    assert correct(graph, [decision(1, "rename", "沈算盘", "沈墨")]) == []
    node = graph.nodes["Character", "沈墨"]
    assert (node.text("name"), node.texts("aliases")) == ("沈墨", ["沈砚", "沈算盘"])
    assert ("Character", "沈砚") not in graph.nodes
    assert ("沈墨", "PARENT_OF", "陆青禾") in ties(graph)
    assert sorted(graph.nodes["Event", "1_1_x"].texts("participants")) == sorted(["沈墨", "陆青禾"])
    assert all(edge.ref == key for key, edge in graph.edges.items())


def test_what_is_no_person_is_another_kind_or_nothing() -> None:
    graph = book()
    assert correct(graph, [decision(1, "kind", "青石渡", detail="Location")]) == []
    assert graph.nodes["Location", "青石渡"].numbers("chapters") == [2]
    assert ("Character", "青石渡") not in graph.nodes
    assert not any("青石渡" in tie for tie in ties(graph))
    correct(graph, [decision(2, "kind", "陆青禾")])
    assert not any(key[1] == "陆青禾" for key in graph.nodes)


def test_a_tie_is_taken_away_and_another_put_in_its_place() -> None:
    graph = book()
    made = [
        decision(1, "untie", "陆青禾", "沈砚", detail="PARENT_OF"),
        decision(2, "tie", "陆青禾", "沈砚", detail="SIBLING"),
    ]
    assert correct(graph, made) == []
    assert ties(graph) == {
        ("沈砚", "KNOWS", "陆青禾"),
        ("沈砚", "SIBLING", "陆青禾"),
        ("陆青禾", "KNOWS", "青石渡"),
    }
    assert graph.edges[("Character", "沈砚"), "SIBLING", ("Character", "陆青禾")].numbers("chapters") == [
        1,
        2,
    ]
    correct(graph, [decision(3, "untie", "沈砚", "陆青禾")])
    assert ties(graph) == {("陆青禾", "KNOWS", "青石渡")}


def test_protagonist_and_note() -> None:
    graph = book()
    made = [
        decision(1, "protagonist", "陆青禾", detail="yes"),
        decision(2, "note", "陆青禾", detail="看她的眼神"),
    ]
    assert correct(graph, made) == []
    node = graph.nodes["Character", "陆青禾"]
    assert (node.properties["is_protagonist"], node.properties["protagonist_score"]) == (True, 80)
    assert node.text("note") == "看她的眼神"
    correct(graph, [decision(3, "note", "陆青禾"), decision(4, "protagonist", "陆青禾", detail="no")])
    assert "note" not in graph.nodes["Character", "陆青禾"].properties
    assert graph.nodes["Character", "陆青禾"].properties["is_protagonist"] is False


def test_what_finds_nothing_is_told() -> None:
    graph, before = book(), book()
    undone = decision(4, "kind", "沈砚", undone_at=datetime(2026, 1, 1))
    made = [decision(1, "rename", "无人", "甲"), decision(2, "tie", "沈砚", "沈砚", detail="FRIEND"), undone]
    made.append(decision(3, "rename", "沈砚", "陆青禾"))
    assert correct(graph, made) == [1, 2, 3]
    assert graph == before


@pytest.mark.parametrize("kind", ["rename", "tie", "untie"])
def test_a_correction_joins_no_names(kind: Any) -> None:
    combined = combine_decisions([decision(1, kind, "沈砚", "陆青禾", detail="FRIEND")])
    assert not combined.merged
    assert not combined.separated
