"""Exports: shape, order, hostile text."""

from __future__ import annotations

import csv
import dataclasses
import io
import json
import xml.etree.ElementTree as ElementTree
import zipfile
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from kgnb.core.errors import InputError
from kgnb.core.model import Provider
from kgnb.extract.model import Character, Extraction, Flag, NameEntry
from kgnb.graph.model import Graph, GraphEdge, GraphNode
from kgnb.render import export
from kgnb.render.formats import FORMATS
from tests.support.paths import ROOT

HOSTILE = '=cmd|"/c calc"!A1</data><script>alert(1)</script>&\x00\x0b\ud800\u2028]]>\'"'


def graph(*names: str) -> Graph:
    """A small graph of every label; the first two people are tied."""
    made = Graph()
    people = [GraphNode("Character", n, {"name": n, "novel_id": 1, "aliases": ["甲", "乙"]}) for n in names]
    others = [
        GraphNode("Novel", "1", {"id": 1, "title": "书"}),
        GraphNode("Chapter", "7", {"id": 7, "title": "第一章", "chapter_number": 1}),
        GraphNode("Event", "1_7_abcdef12", {"id": "1_7_abcdef12", "name": "大战", "confidence": 0.5}),
        GraphNode("Organization", "济世堂", {"name": "济世堂", "open": True}),
    ]
    for node in [*people, *others]:
        made.nodes[node.ref] = node
    ties = [
        GraphEdge(p.ref, "APPEARS_IN", ("Chapter", "7"), {"novel_id": 1, "confidence": 1}) for p in people
    ]
    facts: dict[str, Any] = {
        "strength": 8,
        "count": 2,
        "chapters": [7, 9],
        "label": "结拜",
        "confidence": 0.25,
    }
    ties.append(GraphEdge(people[0].ref, "FRIEND", people[1].ref, facts))
    for edge in reversed(ties):
        made.edges[edge.ref] = edge
    return made


RECORD: dict[str, Any] = {
    "novel": {"id": 1, "title": "书", "created_at": datetime(2026, 1, 2, 3, 4, 5)},
    "chapters": [{"id": 7, "title": "第一章"}],
    "tasks": [],
    "extractions": (
        {"extraction": e, "flags": frozenset({Flag.SPLIT, Flag.REPAIRED})} for e in [Extraction()]
    ),
    "names": (NameEntry("刘备", aliases=("玄德",)),),
}


def test_json_shape(tmp_path: Path) -> None:
    record = {
        **RECORD,
        "extractions": [{"row": Extraction(characters=[Character(name="关羽")]), "flags": {Flag.SPLIT}}],
    }
    path = export.write(graph("刘备", "关羽"), record, tmp_path / "g.json", "json")
    read = json.loads(path.read_text(encoding="utf-8"))
    assert set(read) == {"nodes", "edges", "record"}
    assert [n["id"] for n in read["nodes"]] == sorted(n["id"] for n in read["nodes"])
    liu = next(n for n in read["nodes"] if n["name"] == "刘备")
    assert liu == {
        "id": "Character:刘备",
        "label": "Character",
        "name": "刘备",
        "properties": {"name": "刘备", "novel_id": 1, "aliases": ["甲", "乙"]},
    }
    friend = next(e for e in read["edges"] if e["type"] == "FRIEND")
    assert (friend["source"], friend["target"]) == ("Character:刘备", "Character:关羽")
    assert friend["properties"]["chapters"] == [7, 9]
    ids = {n["id"] for n in read["nodes"]}
    assert all(e["source"] in ids and e["target"] in ids for e in read["edges"])
    assert list(read["record"]) == ["novel", "chapters", "tasks", "extractions", "names"]
    assert read["record"]["novel"]["created_at"] == "2026-01-02T03:04:05"
    assert read["record"]["extractions"][0]["row"]["characters"][0]["name"] == "关羽"
    assert read["record"]["extractions"][0]["flags"] == ["split"]
    assert read["record"]["names"] == [
        {**dataclasses.asdict(NameEntry("刘备")), "aliases": ["玄德"], "reasons": []}
    ]


def test_json_takes_rows_as_they_come() -> None:
    out = io.StringIO()
    export.to_json(graph("甲", "乙"), RECORD, out)
    assert set(json.loads(out.getvalue())["record"]["extractions"][0]["flags"]) == {"repaired", "split"}


def test_an_empty_graph_is_valid_in_every_format(tmp_path: Path) -> None:
    for kind in FORMATS:
        export.write(Graph(), {}, tmp_path / f"g.{kind}", kind)
    assert json.loads((tmp_path / "g.json").read_text()) == {"nodes": [], "edges": [], "record": {}}
    assert ElementTree.parse(tmp_path / "g.graphml").getroot().tag.endswith("graphml")
    with pytest.raises(InputError, match=r"svg, md, docx, obsidian, cards, zip"):
        export.write(Graph(), {}, tmp_path / "g.pdf", "pdf")


@pytest.mark.parametrize("kind", FORMATS)
def test_the_same_graph_gives_the_same_bytes(tmp_path: Path, kind: str) -> None:
    one, other = graph("刘备", "关羽", "张飞"), graph("刘备", "关羽", "张飞")
    other.nodes = dict(reversed(other.nodes.items()))
    other.edges = dict(reversed(other.edges.items()))
    first = contents(export.write(one, {}, tmp_path / "a", kind))
    assert contents(export.write(other, {}, tmp_path / "b", kind)) == first


def contents(path: Path) -> dict[str, bytes]:
    """What was written: a file, or a folder of files."""
    files = [one for one in path.rglob("*") if one.is_file()] if path.is_dir() else [path]
    return {str(one.relative_to(path)): one.read_bytes() for one in files}


def test_no_secret_leaves() -> None:
    out = io.StringIO()
    export.to_json(Graph(), {"tasks": [Provider("x", api_key=SecretStr("sk-1234"))]}, out)
    assert "sk-1234" not in out.getvalue()


def sheets(path: Path) -> dict[str, list[list[str]]]:
    with zipfile.ZipFile(path) as archive:
        return {
            n: list(csv.reader(io.StringIO(archive.read(n).decode("utf-8-sig"), newline="")))
            for n in archive.namelist()
            if n.endswith(".csv")
        }


def test_csv(tmp_path: Path) -> None:
    found = sheets(export.write(graph("刘备", "关羽"), {}, tmp_path / "g.zip", "csv"))
    labels = ("Chapter", "Character", "Event", "Novel", "Organization")
    assert list(found) == [*(f"nodes_{label}.csv" for label in labels), "edges.csv"]
    head, *rows = found["nodes_Character.csv"]
    assert head == [":ID", ":LABEL", "name:string", "aliases:string[]", "novel_id:long"]
    assert rows[1] == ["Character:刘备", "Character", "刘备", "甲|乙", "1"]
    head, *rows = found["edges.csv"]
    assert head[:3] == [":START_ID", ":END_ID", ":TYPE"]
    assert all(len(row) == len(head) for row in rows)
    friend = dict(zip(head, next(r for r in rows if r[2] == "FRIEND"), strict=True))
    assert (friend["label:string"], friend["chapters:long[]"], friend["strength:long"]) == (
        "结拜",
        "7|9",
        "8",
    )
    assert friend["confidence:double"] == "0.25"  # beside a whole 1 elsewhere


def test_a_csv_file_is_one_table_of_the_relations(tmp_path: Path) -> None:
    path = export.write(graph("刘备", "=关羽"), {}, tmp_path / "g.csv", "csv")
    head, *rows = csv.reader(io.StringIO(path.read_bytes().decode("utf-8-sig"), newline=""))
    assert head[:3] == ["source", "type", "target"]
    assert {name for row in rows for name in (row[0], row[2])} == {"刘备", "'=关羽"}


def test_csv_says_how_it_is_imported(tmp_path: Path) -> None:
    path = export.write(graph("刘备", "关羽"), {}, tmp_path / "g.zip", "csv")
    with zipfile.ZipFile(path) as archive:
        command = archive.read("import.txt").decode()
    tables = [n for n in archive.namelist() if n.startswith("nodes_")]
    assert all(f"--nodes={name}" in command for name in tables)
    assert "--array-delimiter='|'" in command


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t=", "\r=", "\n=", " =", "＝"])
def test_no_cell_is_a_formula(tmp_path: Path, start: str) -> None:
    name = f'{start}HYPERLINK("http://x";"x")'
    made = graph(name, "乙")
    made.nodes["Character", "乙"].properties["aliases"] = [name]
    for rows in sheets(export.write(made, {}, tmp_path / "g.zip", "csv")).values():
        cells = [cell for row in rows for cell in row]
        assert not [c for c in cells if c.strip(" ")[:1] in tuple("=+-@\t\r\n＝＋－＠")]
        assert any(c.startswith("'") for c in cells) or "Character" not in cells


def test_hostile_names_survive_csv_and_json(tmp_path: Path) -> None:
    made = graph(HOSTILE, '乙,"丙"\n丁')
    read = json.loads(export.write(made, {}, tmp_path / "g.json", "json").read_text("utf-8"))
    assert HOSTILE.replace("\ud800", "?") in [n["name"] for n in read["nodes"]]
    rows = sheets(export.write(made, {}, tmp_path / "g.zip", "zip"))["nodes_Character.csv"]  # by its ending
    assert all(len(row) == len(rows[0]) for row in rows)
    assert '乙,"丙"\n丁' in [row[2] for row in rows]


def test_graphml_is_valid_and_typed(tmp_path: Path) -> None:
    networkx = pytest.importorskip("networkx")
    made = graph("刘备", HOSTILE)
    path = export.write(made, {}, tmp_path / "g.graphml", "graphml")
    read = networkx.read_graphml(path)
    assert (read.number_of_nodes(), read.number_of_edges()) == (len(made.nodes), len(made.edges))
    liu = read.nodes["Character:刘备"]
    assert (liu["label"], liu["kind"], liu["novel_id"], liu["aliases"]) == ("刘备", "Character", 1, "甲|乙")
    assert read.nodes["Organization:济世堂"]["open"] is True
    assert read.nodes["Event:1_7_abcdef12"]["confidence"] == 0.5
    evil = next(n for n in read.nodes if "script" in n)
    assert read.nodes[evil]["label"] == HOSTILE.translate({0: None, 11: None, 0xD800: None})
    edge = read.edges["Character:刘备", evil]
    assert (edge["type"], edge["strength"], edge["label"], edge["confidence"]) == ("FRIEND", 8, "结拜", 0.25)
    whole = read.edges["Character:刘备", "Chapter:7"]["confidence"]
    assert isinstance(whole, float)  # 1 and 0.25 share one type


def test_graphml_names_of_properties_are_data(tmp_path: Path) -> None:
    made = graph("甲", "乙")
    made.nodes["Character", "甲"].properties['x" for="edge"><evil/>'] = "v"
    made.nodes["Character", "甲"].properties["label"] = "own"
    root = ElementTree.parse(export.write(made, {}, tmp_path / "g.graphml", "graphml")).getroot()
    names = [k.get("attr.name") for k in root if k.tag.endswith("key") and k.get("for") == "node"]
    assert 'x" for="edge"><evil/>' in names
    assert len(names) == len(set(names))
    assert "label_" in names


def test_what_was_there_stays_when_writing_fails(tmp_path: Path) -> None:
    path = tmp_path / "g.json"
    path.write_text("old")

    def rows() -> Any:
        yield {"id": 1}
        raise RuntimeError("the database went away")

    with pytest.raises(RuntimeError):
        export.write(graph("甲", "乙"), {"tasks": rows()}, path, "json")
    assert path.read_text() == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["g.json"]


def test_no_folder_is_made_and_bad_places_are_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    places = tmp_path, tmp_path / "file" / "g.json", Path("/proc/none/g.json"), tmp_path / "nwe" / "g.json"
    for place in places:
        with pytest.raises(InputError):
            export.check_place(place)
        with pytest.raises(InputError) as caught:
            export.write(Graph(), {}, place, "json")
        assert caught.value.key == "exchange.unwritable"
        assert "\n" not in str(caught.value)
    with pytest.raises(InputError) as caught:
        export.write(Graph(), {}, tmp_path / "g.gexf", "gexf")
    assert "json, csv, graphml, cypher, html" in str(caught.value)
    with pytest.raises(InputError):
        export.write(Graph(), {}, tmp_path / "nwe" / "vault", "obsidian")
    assert not (tmp_path / "nwe").exists()


def test_files_follow_the_umask(tmp_path: Path) -> None:
    plain = tmp_path / "plain"
    plain.write_text("x")
    written = export.write(Graph(), {}, tmp_path / "g.json", "json")
    assert written.stat().st_mode == plain.stat().st_mode


@pytest.mark.parametrize("language", ["docs", "docs/en"])
def test_the_documents_name_every_format(language: str) -> None:
    names = "\\|".join(FORMATS).replace("csv", "csv\\|zip")  # all tables, where csv is one
    assert names in (ROOT / language / "reference.md").read_text("utf-8")
    readme = (ROOT / ("README.md" if language == "docs" else "README.en.md")).read_text("utf-8")
    (line,) = [line for line in readme.splitlines() if line.startswith("book.save(")]
    assert [name for name in FORMATS if f".{name}" not in line] == []
