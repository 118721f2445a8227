"""How many chapters go into one graph transaction."""

from __future__ import annotations

from kgnb.chapter import PROJECT_ROWS, _first_rows, _Projection
from kgnb.model import Graph, GraphNode
from kgnb.store.queue import Claim


def chapter(number: int, rows: int) -> _Projection:
    people = [GraphNode("Character", f"{number}:{i}", {}) for i in range(rows)]
    graph = Graph({one.ref: one for one in people})
    return _Projection(Claim("kg:task:queue:a", "chapter", 7, number, 1, 1, 0), 1, graph)


def test_long_chapters_share_a_transaction_with_fewer_others() -> None:
    items = {n: chapter(n, PROJECT_ROWS // 3) for n in range(10, 15)}
    assert list(_first_rows(items)) == [10, 11, 12]


def test_the_longest_chapter_goes_alone_but_goes() -> None:
    items = {1: chapter(1, PROJECT_ROWS + 1), 2: chapter(2, 1)}
    assert list(_first_rows(items)) == [1]
    assert list(_first_rows({2: items[2], 1: items[1]})) == [2]
