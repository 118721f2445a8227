"""Exports taken up by the programs that they are for: a Cypher script by Neo4j, tables by its bulk import."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import neo4j
import pytest

from kgnb.graph.model import Graph, GraphEdge, GraphNode
from kgnb.render import export
from tests.conftest import Bolt, outside
from tests.support.paths import ROOT
from tests.support.patience import SLOWEST

EVIL = [
    "'; MATCH (n) DETACH DELETE n; //",
    "\\u0027}) DETACH DELETE n //",
    "ends in \\",
    "`KNOWS` $x {y}",
    "=cmd|'/c calc'!A1",
    '两行\n"引号", 逗号\t｜',
    "𠮷 é😀",
]


def novel() -> Graph:
    """A novel whose every text is hostile."""
    made = Graph()
    for chapter in (7, 8):
        facts: dict[str, Any] = {
            "id": chapter,
            "title": EVIL[0],
            "novel_id": 3,
            "chapter_number": chapter - 6,
        }
        made.nodes["Chapter", str(chapter)] = GraphNode("Chapter", str(chapter), facts)
    made.nodes["Novel", "3"] = GraphNode("Novel", "3", {"id": 3, "title": EVIL[1], "author": EVIL[2]})
    for place, name in enumerate(EVIL):
        facts = {"name": name, "novel_id": 3, "aliases": [*EVIL[:place]], "chapters": [1, 2][: place % 3]}
        facts |= {"is_protagonist": not place, "confidence": place / 10 or 1, "description": EVIL[-place]}
        made.nodes["Character", name] = GraphNode("Character", name, facts)
        ends = (("Character", name), ("Chapter", str(7 + place % 2)))
        edge = GraphEdge(ends[0], "APPEARS_IN", ends[1], {"novel_id": 3, "chapters": [1]})
        made.edges[edge.ref] = edge
    for one, other in pairwise(EVIL):
        facts = {"novel_id": 3, "label": other, "strength": 4, "evidence": one, "confidence": 0.5}
        edge = GraphEdge(("Character", one), "KNOWS", ("Character", other), facts)
        made.edges[edge.ref] = edge
    wrong = GraphEdge(("Character", EVIL[0]), "X]->() DELETE n //", ("Character", EVIL[1]), {"novel_id": 3})
    made.edges[wrong.ref] = wrong
    return made


@dataclass
class Database:
    driver: neo4j.Driver

    def __call__(self, text: str) -> list[list[Any]]:
        return [list(record.values()) for record in self.driver.execute_query(text).records]


@pytest.fixture
def database() -> Iterator[Database]:
    """Neo4j, emptied before and after."""
    names = ("URI", "USER", "PASSWORD")
    at = Bolt(*(outside(f"KGNB_TEST_NEO4J_{name}") for name in names))
    with at.driver() as driver:
        driver.execute_query("MATCH (n) DETACH DELETE n")
        yield Database(driver)
        driver.execute_query("MATCH (n) DETACH DELETE n")


def test_a_cypher_script_makes_the_same_graph_once(database: Database, tmp_path: Path) -> None:
    made = novel()
    script = export.write(made, {}, tmp_path / "g.cypher", "cypher").read_text("utf-8")
    statements = [s for s in script.split(";\n") if s]
    for statement in statements + statements:
        database.driver.execute_query(statement)
    nodes = {
        (label, str(p["name"] if label == "Character" else p["id"])): p
        for label, p in database("MATCH (n) RETURN labels(n)[0], properties(n)")
    }
    assert nodes == {ref: node.properties for ref, node in made.nodes.items()}
    ties = database(
        "MATCH (a)-[r]->(b) RETURN coalesce(a.name, a.id), type(r), coalesce(b.name, b.id), r{.*}"
    )
    found = {(a, type_, str(b)): facts for a, type_, b, facts in ties}
    assert len(found) == len(ties)
    safe = [edge for edge in made.edges.values() if "DELETE" not in edge.type]
    assert found == {(e.source[1], e.type, e.target[1]): e.properties for e in safe}


def _admin() -> list[str]:
    """Neo4j's admin tool, from the jars that the services run on."""
    folder = Path(os.environ.get("KGNB_SERVICES_DIR") or ROOT / ".services") / "neo4j"
    found = sorted(folder.glob("classpath-*"))
    javas = [*map(str, Path("/usr/lib/jvm").glob("*/bin/java")), shutil.which("java") or ""]
    for java in filter(None, javas):
        version = subprocess.run([java, "-version"], capture_output=True, text=True, check=True).stderr
        if found and re.search(r'version "(17|21)[."]', version):
            return [java, "-Xmx400m", "-cp", found[0].read_text().strip(), "org.neo4j.cli.AdminTool"]
    pytest.skip("Neo4j's jars, or a Java 17 or 21, aren't here (scripts/services.sh start)")


def test_the_bulk_import_takes_the_tables(tmp_path: Path) -> None:
    outside("KGNB_TEST_NEO4J_URI")
    made = novel()
    with zipfile.ZipFile(export.write(made, {}, tmp_path / "g.zip", "csv")) as archive:
        archive.extractall(tmp_path / "tables")
    command = (tmp_path / "tables" / "import.txt").read_text().replace("\\\n", " ")
    arguments = command.replace("'", "").split()
    assert arguments.pop(0) == "neo4j-admin"
    (tmp_path / "conf").mkdir()
    run = subprocess.run(
        [*_admin(), *arguments],
        cwd=tmp_path / "tables",
        env={**os.environ, "NEO4J_HOME": str(tmp_path), "NEO4J_CONF": str(tmp_path / "conf")},
        capture_output=True,
        text=True,
        timeout=120 * SLOWEST,
        check=False,
    )
    assert run.returncode == 0, run.stdout[-2000:] + run.stderr[-2000:]
    counts = {n: int(k) for k, n in re.findall(r"(\d+) (nodes|relationships|properties)", run.stdout)}
    assert (counts["nodes"], counts["relationships"]) == (len(made.nodes), len(made.edges))
