"""Questions in Cypher are answered alike by Neo4j and by the engine of this process."""

from __future__ import annotations

import re
import sqlite3
import sys
from collections.abc import AsyncIterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

import kgnb
from kgnb.app.api import BookGraph
from kgnb.core.errors import InputError
from kgnb.graph.model import Graph, GraphEdge, GraphNode
from kgnb.render import export
from kgnb.stores.embedded.cypher import CypherEngine
from kgnb.stores.graph.store import GraphStore
from tests.conftest import Bolt, outside
from tests.support.commands import STORY
from tests.support.cypher_texts import READS, WRITES

ROOT = Path(__file__).resolve().parents[2]
ASKED = re.compile(r'book\.ask\(\s*(?:"""(.*?)"""|"(.*?)")', re.S)
QUESTIONS = [
    "MATCH (c:Character {novel_id: $novel}) RETURN c ORDER BY c.name LIMIT 3",
    "MATCH (a:Character)-[r:KNOWS]->(b) RETURN r, a.name AS a, b.name AS b ORDER BY a, b LIMIT 3",
    "MATCH p = (:Character {name: '甲'})-[:KNOWS*1..2]-(:Character {name: '丙'}) "
    "RETURN p, length(p) AS steps ORDER BY steps",
    "MATCH p = shortestPath((:Character {name: '甲'})-[*..6]-(:Character {name: '丙'})) "
    "RETURN length(p) AS n",
    "MATCH (n) RETURN labels(n)[0] AS label, count(*) AS n ORDER BY label",
    "MATCH ()-[e]->() RETURN type(e) AS type, count(*) AS n ORDER BY n DESC, type",
    "MATCH (c:Character) OPTIONAL MATCH (c)-[r:SPOUSE]-(d) "
    "RETURN c.name AS a, d.name AS b ORDER BY a LIMIT 5",
    "MATCH (n:Character) WHERE EXISTS { (n)--() } RETURN count(n) AS n",
    "MATCH (n:Character) CALL (n) { MATCH (n)--(m) RETURN count(m) AS d } "
    "RETURN n.name AS a, d ORDER BY d, a",
    "MATCH (n:Character) RETURN n.name AS a, COUNT { (n)--() } AS d ORDER BY d DESC, a LIMIT 5",
    "MATCH ()-[r:KNOWS]->() UNWIND r.chapters AS ch RETURN ch, count(*) AS n ORDER BY ch",
    "MATCH (c:Character) RETURN c {.name, .aliases} AS c ORDER BY c.name LIMIT 3",
    "MATCH (c:Character) WHERE size(c.aliases) > 0 AND c.name =~ '.+' RETURN toUpper(c.name) AS a ORDER BY a",
    "MATCH (l:Location {type: '城'}) RETURN l, l.type AS type",
    "RETURN {a: [1, 2.5, null, true], b: {c: '文'}} AS m",
]


COMMON = (
    """MATCH (c:Character {novel_id: $novel})-[:APPEARS_IN]->(ch:Chapter)
    RETURN c.name AS name, count(ch) AS chapters
    ORDER BY chapters DESC, name LIMIT 10""",
    """MATCH (a:Character {novel_id: $novel})-[r]->(b:Character)
    RETURN a.name AS source, type(r) AS relations, b.name AS target, r.strength AS strength,
    r.count AS chapters ORDER BY chapters DESC, strength DESC, source, target LIMIT 10""",
    """MATCH (c:Character {novel_id: $novel})-[:APPEARS_IN]->(ch:Chapter)
    WITH c, ch ORDER BY ch.chapter_number
    WITH c, collect(ch.title) AS chapter
    RETURN c.name AS name, chapter ORDER BY size(chapter) DESC, name LIMIT 1""",
)
"""What people ask most: who appears most, which two are closest, in which chapters somebody is."""


def documented() -> list[str]:
    """The questions of the documents, and the commonest."""
    texts = [(ROOT / name).read_text("utf-8") for name in ("docs/quickstart.md", "docs/en/quickstart.md")]
    return [*COMMON, *(long or short for text in texts for long, short in ASKED.findall(text))]


@pytest.fixture(scope="module")
def book(tmp_path_factory: pytest.TempPathFactory) -> BookGraph:
    with closing(kgnb.build(STORY, "rules", data=tmp_path_factory.mktemp("data"), progress=False)) as one:
        return one


@pytest.fixture(scope="module")
def graph(book: BookGraph) -> Graph:
    """The story's, and some that has every form of a value."""
    made = book.graph()
    facts: dict[str, Any] = {"novel_id": 1, "aliases": ["乙"], "title": "", "is_protagonist": True}
    for name in ("甲", "乙", "丙"):
        made.nodes["Character", name] = GraphNode("Character", name, facts | {"name": name})
    made.nodes["Location", "'城"] = GraphNode("Location", "'城", {"name": "'城", "type": "城", "novel_id": 1})
    for one, other in (("甲", "乙"), ("乙", "丙")):
        ends = ("Character", one), ("Character", other)
        edge = GraphEdge(ends[0], "KNOWS", ends[1], {"novel_id": 1, "chapters": [1, 2], "label": "{}"})
        made.edges[edge.ref] = edge
    return made


@pytest.fixture(scope="module")
def engine(graph: Graph) -> CypherEngine:
    return CypherEngine(graph)


@pytest.fixture
async def neo4j(graph: Graph, tmp_path: Path) -> AsyncIterator[GraphStore]:
    at = Bolt(*(outside(f"KGNB_TEST_NEO4J_{name}") for name in ("URI", "USER", "PASSWORD")))
    script = export.write(graph, {}, tmp_path / "g.cypher", "cypher").read_text("utf-8")
    with at.driver() as driver:
        driver.execute_query("MATCH (n) DETACH DELETE n")
        for statement in filter(None, script.split(";\n")):
            driver.execute_query(statement)
        store = at.store(timeout=60.0)
        yield store
        await store.close()
        driver.execute_query("MATCH (n) DETACH DELETE n")


async def test_questions_have_the_same_answers(engine: CypherEngine, neo4j: GraphStore) -> None:
    assert len(documented()) >= 5
    for text in [*documented(), *QUESTIONS]:
        told = engine.query(text, {"novel": 1})
        wanted = await neo4j.query(text, {"novel": 1})
        if "ORDER BY" in text:
            assert told == wanted, text
        else:
            assert len(told) == len(wanted), text
            assert [row.keys() for row in told] == [row.keys() for row in wanted]
        assert told, text


@pytest.mark.parametrize("text", WRITES)
def test_what_writes_or_reads_files_is_refused(engine: CypherEngine, text: str) -> None:
    with pytest.raises(InputError) as caught:
        engine.query(text, {})
    assert caught.value.key == "graph.writes"


def test_nothing_is_written_even_past_the_check(engine: CypherEngine) -> None:
    for text in ("MATCH (n) DETACH DELETE n", "CREATE (:X)", "MATCH (n:Novel) SET n.title = 'x'"):
        with pytest.raises(engine._failures):
            engine._reader.cypher(text)
    assert engine.query("MATCH (n:Novel) RETURN count(n) AS n", {}) == [{"n": 1}]


@pytest.mark.parametrize("text", [*READS[:3], *READS[5:8]])
def test_what_reads_is_answered(engine: CypherEngine, text: str) -> None:
    assert isinstance(engine.query(text, {"create": 1}), list)


@pytest.mark.parametrize("text", ["MATCH (n RETURN n", "RETURN $missing", "RETURN 1/0", ""])
def test_a_wrong_question_says_what_is_wrong(engine: CypherEngine, text: str) -> None:
    with pytest.raises(InputError) as caught:
        engine.query(text, {})
    assert caught.value.key == "graph.question"


def test_a_question_without_end_ends(engine: CypherEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kgnb.stores.embedded.cypher.SECONDS", 0.5)
    with pytest.raises(InputError):
        engine.query("MATCH (a), (b), (c), (d), (e) RETURN count(DISTINCT [a, b, c, d, e]) AS n", {})


def test_without_the_package_one_line_says_what_to_install(
    book: BookGraph, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "kglite", None)
    monkeypatch.setattr(book, "_cypher", None)
    with pytest.raises(InputError, match="pip install kglite") as caught:
        book.ask("RETURN 1 AS n")
    assert "\n" not in str(caught.value)


def test_a_changed_record_is_asked_as_it_is_now(book: BookGraph) -> None:
    name = "MATCH (n:Novel) RETURN n.title AS title"
    (before,) = book.ask(name)
    engine = book._cypher
    book.ask(name)
    assert book._cypher is engine
    with closing(sqlite3.connect(book._settings.sqlite_path)) as record, record:
        record.execute("UPDATE novels SET title = title || '新'")
    assert book.ask(name) == [{"title": before["title"] + "新"}]
