"""Queue items, exports, imports, shown lines, settings: what they hold is data and reads back as itself."""

from __future__ import annotations

import asyncio
import csv
import io
import json
import math
import re
import zipfile
from collections.abc import Callable
from typing import Any
from xml.etree import ElementTree

import redis
from hypothesis import example, given
from hypothesis import strategies as st
from pydantic import SecretStr

from kgnb.core.amounts import parse_amounts, parse_prices
from kgnb.core.errors import SettingsError
from kgnb.core.safe_text import LONGEST, one_line
from kgnb.core.settings import Settings
from kgnb.graph.model import Graph, GraphEdge, GraphNode
from kgnb.render import export
from kgnb.render.export.cypher_format import literal
from kgnb.render.picture.scene import printable
from kgnb.stores.queue.store import Queue
from kgnb.stores.queue.types import ClaimRequest, DeadItem, QueueName, parse_member
from tests.support.fuzzing import WORDS, fuzz, grows_evenly

HUGE = 10**400
ANY = st.text(max_size=30) | WORDS
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | ANY
    | st.sampled_from([HUGE, 2**53, 2**53 - 1, 1e300])
)
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(ANY, inner, max_size=3), max_leaves=6
)


# --- the queue

KEY = QueueName("kg:task:queue:fuzz")
ITEMS = st.one_of(
    st.binary(max_size=40),
    VALUES.map(lambda value: json.dumps(value).encode()),
    st.fixed_dictionaries(
        {"task_id": VALUES},
        optional={"v": VALUES, "provider": ANY, "kgnb": VALUES, "pad": st.lists(VALUES, max_size=3)},
    ).map(lambda value: json.dumps(value).encode()),
    st.tuples(st.integers(1, 99), st.binary(max_size=6)).map(lambda p: b'{"task_id": %d, "x": "%b"}' % p),
    st.sampled_from(
        [
            b'{"task_id": 7',
            b'{"task_id": 07}',
            b'{"task_id": 0x7}',
            b'{"task_id": 7.0}',
            b'{"task_id": +7}',
            b"\xef\xbb\xbf{}",
        ]
    ),
)


@fuzz()
@given(
    st.text(max_size=12)
    | st.sampled_from(
        [
            "t:1",
            "c:1:2",
            "c:x:1",
            "t:",
            "c:1:",
            "t:²",
            "t:" + "9" * 5000,
            "g:ab",
            "t: 1",
            "c:1:2:3",
            "panel.at",
        ]
    )
)
def test_any_member_is_split(member: str) -> None:
    kind, task, chapter = parse_member(member)
    assert member.startswith(kind)
    assert task >= 0
    assert chapter >= 0
    entry = {"item": member, "reason": member, "deliveries": 0, "failures": 0, "at": 1, "token": ""}
    assert DeadItem.read(KEY, member, json.dumps(entry).encode()).task_id == task


def test_the_queue_counts_what_it_hands_out(embedded: Any) -> None:
    """Each item is a task for poll.lua and for what counts waiting items, or garbage for both."""
    url = embedded.redis_url
    server = redis.Redis.from_url(url.get_secret_value() if isinstance(url, SecretStr) else url)

    async def poll() -> tuple[set[int], set[int], int]:
        queue = Queue(SecretStr(server_url), node="fuzz", lease_seconds=30, max_open_tasks=1_000)
        try:
            known = await queue.find_tasks([KEY])
            found = await queue.poll([ClaimRequest(KEY, tasks=1_000)])
            await queue.dead_items(KEY)
            return {claim.task_id for claim in found.claims}, set(known), found.newer
        finally:
            await queue.close()

    server_url = url.get_secret_value() if isinstance(url, SecretStr) else url

    @fuzz(40)
    @given(st.lists(ITEMS, min_size=1, max_size=30))
    def check(items: list[bytes]) -> None:
        server.flushall()
        server.rpush(KEY, *items)
        claimed, known, newer = asyncio.run(poll())
        assert claimed <= known if newer else claimed == known
        left = server.lrange(KEY, 0, -1)
        assert len(left) == newer

    with server:
        check()


# --- what a person reads


@fuzz()
@given(ANY | st.text(min_size=10, max_size=40).map(lambda text: text * 200), st.integers(0, LONGEST))
def test_a_shown_line_is_one_line(text: str, most: int) -> None:
    shown = one_line(text, most)
    assert len(shown.splitlines()) <= 1
    assert "\x1b" not in shown
    assert len(shown) <= 10 * most + 1
    assert one_line(shown, len(shown)) == shown
    if text.isprintable():
        assert shown.startswith(text[:most])


# --- exports

PROPERTIES = st.dictionaries(
    st.sampled_from(["name", "title", "aliases", "count", "score", "label", "type", "id", "p.kind", "a:b"])
    | ANY,
    st.one_of(
        ANY,
        st.integers(-(2**63), 2**63 - 1),
        st.floats(),
        st.booleans(),
        st.lists(ANY, max_size=3),
        st.lists(st.integers(), max_size=3),
    ),
    max_size=5,
)
NAMES = st.lists(ANY, min_size=1, max_size=5, unique=True)


@st.composite
def graphs(draw: st.DrawFn) -> Graph:
    graph = Graph()
    for name in draw(NAMES):
        label = draw(st.sampled_from(["Character", "Location", "Organization", "Thing"]))
        node = GraphNode(label, name, {**draw(PROPERTIES), "name": name, "novel_id": 1})
        graph.nodes[node.ref] = node
    refs = list(graph.nodes)
    for _ in range(draw(st.integers(0, 5))):
        kind = draw(st.sampled_from(["FRIEND", "KNOWS", "结拜", "A B"]))
        edge = GraphEdge(draw(st.sampled_from(refs)), kind, draw(st.sampled_from(refs)), draw(PROPERTIES))
        graph.edges[edge.ref] = edge
    return graph


def plain(value: Any) -> Any:
    return json.loads(json.dumps(value, default=str), parse_constant=lambda _: None)


@fuzz(40)
@given(graphs())
def test_json_reads_back(graph: Graph) -> None:
    text = io.StringIO()
    export.to_json(graph, {}, text)
    read = json.loads(text.getvalue())
    assert {n["id"]: n["properties"] for n in read["nodes"]} == {
        f"{n.label}:{n.key}": plain(n.properties) for n in graph.nodes.values()
    }
    assert len(read["edges"]) == len(graph.edges)


@fuzz(40)
@given(graphs())
def test_tables_are_rectangles_without_formulas(graph: Graph) -> None:
    out = io.BytesIO()
    export.to_csv(graph, out)
    rows = 0
    with zipfile.ZipFile(out) as archive:
        for name in archive.namelist():
            if name.endswith(".csv"):
                table = list(csv.reader(io.StringIO(archive.read(name).decode("utf-8-sig"), newline="")))
                rows += len(table) - 1
                assert {len(row) for row in table} == {len(table[0])}
                assert not [
                    c for row in table for c in row if c.lstrip(" ")[:1] in tuple("=@\t\r\n＝＋＠") and c
                ]
                assert not [
                    c
                    for row in table
                    for c in row
                    if re.match(r" *[-+]", c) and not re.fullmatch(r"[-+]?[\d.e+-]+|[-+]?inf", c)
                ]
    assert rows == len(graph.nodes) + len(graph.edges)


@fuzz(40)
@given(graphs())
def test_graphml_is_xml(graph: Graph) -> None:
    text = io.StringIO()
    export.to_graphml(graph, text)
    root = ElementTree.fromstring(text.getvalue().encode("utf-8", "replace"))
    kinds = [element.tag.rpartition("}")[2] for element in root.iter()]
    assert (kinds.count("node"), kinds.count("edge")) == (len(graph.nodes), len(graph.edges))


def read_literal(text: str) -> Any:
    """What Cypher reads: a quoted text with its escapes, numbers, lists."""
    if not text.startswith("'"):
        return json.loads(text)
    found = re.fullmatch(r"'((?:[^'\\]|\\.)*)'", text)
    assert found, text
    escapes = {"n": "\n", "r": "\r", "t": "\t"}
    return re.sub(r"\\(.)", lambda m: escapes.get(m[1], m[1]), found[1])


@fuzz()
@given(ANY | st.text("\\'\"\n\r\t`{}$;/\u2028 "))
def test_a_text_in_a_script_reads_back(text: str) -> None:
    kept = "".join(c for c in text if c.isprintable() or c in "\n\r\t")
    assert read_literal(literal(text)) == kept


@fuzz()
@given(st.integers() | st.floats() | st.booleans() | st.none())
def test_a_number_in_a_script_reads_back(value: Any) -> None:
    expected = None if isinstance(value, float) and not math.isfinite(value) else value
    assert read_literal(literal(value)) == expected


@fuzz(40)
@given(graphs())
def test_a_script_has_only_statements_of_ours(graph: Graph) -> None:
    text = io.StringIO()
    export.to_cypher(graph, text)
    bare = re.sub(r"'(?:[^'\\]|\\.)*'", "''", text.getvalue())
    for statement in filter(str.strip, bare.split(";\n")):
        assert re.match(r"\n?(?:CREATE CONSTRAINT kgnb_\w+ IF NOT EXISTS|UNWIND \[\n)", statement), statement
    assert not re.search(r"DETACH|DELETE|CALL|//|`", bare)


# --- settings

AMOUNTS = st.lists(
    st.sampled_from(
        [*"=,/ .-+e_", "60", "openai", "name/model", "2/8", "inf", "nan", "1e999", "0", "١", "\x00"]
    ),
    max_size=12,
).map("".join)


@fuzz()
@given(AMOUNTS | st.text(max_size=20))
@example("9" * 5_000)
def test_any_amount_is_a_number_or_refused(text: str) -> None:
    found, refused = attempted(parse_amounts, text)
    assert refused.startswith(("must", "names")) or all(n > 0 and math.isfinite(n) for n in found.values())
    assert all(name == name.strip().lower() for name in found)
    found, refused = attempted(parse_prices, text)
    assert refused.startswith(("must", "names")) or all(
        0 <= n < math.inf for two in found.values() for n in two
    )


def attempted(read: Callable[[str], dict[str, Any]], text: str) -> tuple[dict[str, Any], str]:
    """What was read, and why nothing could be."""
    try:
        return read(text), ""
    except ValueError as error:
        return {}, str(error)


SETTINGS = [
    "prices",
    "budget",
    "rpm",
    "slots_each",
    "redis_host",
    "neo4j_uri",
    "openai_base_url",
    "log_level",
    "redis_port",
    "llm_timeout",
    "redis_ca",
    "providers",
    "kinds",
]


@fuzz()
@given(
    st.sampled_from(SETTINGS),
    AMOUNTS
    | ANY
    | st.sampled_from(
        ["redis://[x", "redis://a:b", "bolt://a@b", "http://[", "rediss://:p@h:1/2", "1" * 400]
    ),
)
def test_any_setting_is_taken_or_named(name: str, value: str) -> None:
    try:
        settings = Settings.load(**{name: value})
    except SettingsError:
        return
    assert settings.redis_url.get_secret_value()
    assert settings.slots_for("x", "abx") >= 1
    assert repr(settings)


def test_printing_takes_time_by_its_length() -> None:
    assert grows_evenly(lambda n: [one_line("\x00" * n, n), printable("\x00" * n), literal("'" * n)], 20_000)
