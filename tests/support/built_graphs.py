"""Graphs of a few chapters written as replies are, for tests of the way from rows to the graph."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from kgnb.core.model import Chapter, TaskConfig
from kgnb.extract.model import Extraction, NameEntry
from kgnb.graph.model import ExtractionRow, Graph, GraphEdge, GraphNode, RecordRow
from kgnb.graph.project.projection import novel_builder


@dataclass(frozen=True)
class Facts:
    id: int = 1
    title: str = "三国演义"
    author: str = "罗贯中"


NOVEL = Facts()


def chapter(number: int) -> Chapter:
    return Chapter(100 + number, 1, number, f"第{number}回", 3000)


def row(number: int, content: dict[str, Any], *, task: int = 7, provider: str = "deepseek") -> ExtractionRow:
    return ExtractionRow(
        task_id=task,
        novel_id=1,
        chapter_id=100 + number,
        chapter_number=number,
        text_hash="h",
        prompt_hash="p",
        extraction=Extraction.model_validate(content),
        provider=provider,
        model="m",
        token=1,
    )


def settled(
    *contents: dict[str, Any],
    names: list[NameEntry] | None = None,
    config: TaskConfig | None = None,
    **more: Any,
) -> Graph:
    """The graph of chapters 1, 2, …"""
    rows = [RecordRow(row(n, c)) for n, c in enumerate(contents, 1)]
    chapters = [chapter(n) for n in range(1, len(contents) + 1)]
    return novel_builder(NOVEL, chapters, rows, names or [], config or TaskConfig(), **more).graph()


def people(*names: str, **each: Any) -> list[dict[str, Any]]:
    return [{"name": n, **each} for n in names]


def tie(source: str, target: str, type_: str = "FRIEND", **more: Any) -> dict[str, Any]:
    return {"source": source, "target": target, "type": type_, **more}


def node(graph: Graph, label: str, key: str) -> GraphNode:
    return graph.nodes[label, key]


def edge(graph: Graph, source: str, type_: str, target: str) -> GraphEdge:
    return graph.edges[("Character", source), type_, ("Character", target)]


def characters(graph: Graph) -> set[str]:
    return {n.key for n in graph.nodes.values() if n.label == "Character"}


def ties(graph: Graph) -> set[tuple[str, str, str]]:
    return {(s[1], t, o[1]) for s, t, o in graph.edges if s[0] == o[0] == "Character"}
