"""The graph store on each engine it speaks to: fences, exactness, races and hostile words."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import itertools
import random
import subprocess
import sys
import warnings
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

import neo4j
import pytest
from pydantic import SecretStr

from kgnb.core.errors import GraphConflict, InputError, ServiceDown, ServiceRefused
from kgnb.core.model import TaskConfig
from kgnb.extract.model import Extraction
from kgnb.graph.model import RELATION_TYPE, ExtractionRow, Graph, GraphEdge, GraphNode, RecordRow
from kgnb.graph.project.projection import novel_builder
from kgnb.stores.graph import cypher
from kgnb.stores.graph import store as graph_module
from kgnb.stores.graph.store import GraphStore
from kgnb.stores.targets import GraphTarget
from tests.conftest import Bolt
from tests.support.patience import SLOWEST
from tests.support.proxy import Proxy
from tests.support.random_novels import HOSTILE, WORDS, Novel, begun, refresh
from tests.support.stored_graphs import TIMES, stored_graph


def timeless(graph: Graph) -> Graph:
    """The graph without ``created_at`` and ``updated_at``: what two engines must agree on."""
    bare = Graph()
    for node in graph.nodes.values():
        bare.nodes[node.ref] = GraphNode(node.label, node.key, _timeless(node.properties))
    for edge in graph.edges.values():
        bare.edges[edge.ref] = GraphEdge(edge.source, edge.type, edge.target, _timeless(edge.properties))
    return bare


def _timeless(properties: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in properties.items() if name not in TIMES}


class Spy:
    """Everything in the database, read past the store."""

    def __init__(self, bolt: Bolt) -> None:
        self.bolt = bolt

    def __call__(self, text: str, **params: Any) -> list[list[Any]]:
        bolt = self.bolt
        with (
            bolt.driver() as driver,
            driver.session(database=bolt.database or None) as session,
        ):
            return session.run(text, params).values()

    def everything(self) -> list[Any]:
        nodes = self("MATCH (n) RETURN labels(n), properties(n)")
        edges = self("MATCH (a)-[e]->(b) RETURN a.name, b.name, a.id, b.id, type(e), properties(e)")
        for row in [*nodes, *edges]:
            row[-1].pop(cypher.LOCK, None)
            row[-1] = sorted(row[-1].items())
        return sorted(map(repr, [*nodes, *edges]))


@pytest.fixture
def spy(bolt: Bolt) -> Spy:
    return Spy(bolt)


# --- the fence


async def test_a_graph_is_read_back_as_it_was(store: GraphStore) -> None:
    wanted = Novel.make(1).exact()
    assert await refresh(store, wanted, 1) == len(wanted.nodes) + len(wanted.edges)
    stored = await stored_graph(store, 1)
    assert timeless(stored) == wanted
    now = datetime.now(UTC)
    for thing in (*stored.nodes.values(), *stored.edges.values()):
        for name in TIMES:
            at = datetime.fromisoformat(str(thing.properties[name]))
            assert timedelta(minutes=-5) < now - at < timedelta(minutes=5)


async def test_a_store_closed_while_it_works_opens_again(store: GraphStore) -> None:
    for _ in range(2):
        work = [asyncio.create_task(store.refreshed_state(1)) for _ in range(8)]
        work += [asyncio.create_task(store.extend_refresh(1, 0, 1.0)) for _ in range(3)]
        await asyncio.sleep(0.01)  # some work, some wait for their turn
        await store.close()
        assert not (await asyncio.wait(work, timeout=30 * SLOWEST))[1]
    assert await asyncio.gather(*[store.refreshed_state(1) for _ in range(8)]) == [""] * 8
    await asyncio.gather(*[store.extend_refresh(1, 0, 1.0) for _ in range(3)])


async def test_a_stale_number_writes_nothing(store: GraphStore, spy: Spy) -> None:
    number = await begun(store, 1)
    before = spy.everything()
    with pytest.raises(GraphConflict):
        await store.apply(1, Novel.make(1).exact(), number=number - 1)
    assert spy.everything() == before


async def test_numbers_only_rise(store: GraphStore) -> None:
    first = await begun(store, 9)
    assert first > 1_790_000_000_000_000  # above any number that a graph had before it was emptied
    second = await begun(store, 9)
    assert second > first
    assert list((await stored_graph(store, 9)).nodes) == [("Novel", "9")]
    fences = {cypher.NUMBER, cypher.DONE, cypher.STATE, cypher.LEASE, cypher.HOLDER, cypher.LOCK}
    assert not fences & (await stored_graph(store, 9)).nodes["Novel", "9"].properties.keys()


async def test_one_refresh_of_a_novel_at_a_time(store: GraphStore) -> None:
    first = await begun(store, 1, 60)
    assert await store.begin_refresh(1, 60) == ("held", first)
    assert await store.begin_refresh(1, 60, after=first) == ("held", first)
    assert (await store.begin_refresh(2, 60))[0] == "mine"  # another novel
    assert await store.refreshed_state(1) == ""
    await store.end_refresh(1, first, "a")
    assert await store.refreshed_state(1) == "a"
    second = await begun(store, 1, 60)  # whoever came while the first one ran: it may have missed a row
    await store.extend_refresh(1, second, 0.0)  # given up
    assert await store.begin_refresh(1, 60, after=second) != ("done", second)
    assert await store.refreshed_state(1) == ""  # it may be a mix of both
    _, third = await store.begin_refresh(1, 60)
    await store.end_refresh(1, third, "b")
    assert await store.refreshed_state(1) == "b"
    assert await store.begin_refresh(1, 60, after=first) == ("done", third)
    assert await store.begin_refresh(1, 60, after=second) == ("done", third)


async def test_a_refresh_lease_expires_and_shuts_its_holder_out(store: GraphStore) -> None:
    dead = await begun(store, 1, 0.2)
    while (turn := await store.begin_refresh(1, 60))[0] == "held":
        await asyncio.sleep(0.05)
    await store.end_refresh(1, dead, "dead")  # it was frozen, and has no say any more
    assert await store.begin_refresh(1, 60, after=dead) == ("held", turn[1])
    with pytest.raises(GraphConflict):
        await store.apply(1, Novel.make(1).exact(), number=dead)


async def test_who_has_a_task_waits_for_nobody_who_refreshed_for_it_before(store: GraphStore) -> None:
    _, dead = await store.begin_refresh(1, 600, task=7)
    assert await store.begin_refresh(1, 600) == ("held", dead)
    assert await store.begin_refresh(1, 600, task=8) == ("held", dead)
    turn, number = await store.begin_refresh(1, 600, task=7)
    assert (turn, number > dead) == ("mine", True)
    with pytest.raises(GraphConflict):
        await store.apply(1, Novel.make(1).exact(), number=dead)


async def test_nothing_of_a_refresh_brings_a_deleted_novel_back(store: GraphStore, spy: Spy) -> None:
    number = await begun(store, 1, 60)
    spy("MATCH (n:Novel) DELETE n")
    await store.extend_refresh(1, number, 60)
    await store.end_refresh(1, number, "a")
    assert spy("MATCH (n) RETURN count(n)") == [[0]]


# --- refreshing


async def test_refresh_makes_it_exact_and_then_has_nothing_to_do(store: GraphStore) -> None:
    novel = Novel.make(1, count=8)
    other = Novel.make(2, count=3, seed=5)
    await refresh(store, other.exact(), 2)
    untouched = await stored_graph(store, 2)
    await refresh(store, novel.exact(novel.rows[1:]), 1)
    exact = novel.exact()
    assert await refresh(store, exact, 1) > 0
    stored = await stored_graph(store, 1)
    assert timeless(stored) == exact
    assert await refresh(store, exact, 1) == 0
    assert await stored_graph(store, 1) == stored  # times too
    assert await stored_graph(store, 2) == untouched


async def test_many_edges_of_equal_values_fit_the_engines_memory(store: GraphStore) -> None:
    graph = Novel.make(1, count=1).exact()
    edge = next(e for e in graph.edges.values() if e.type == "KNOWS")
    for i in range(1_200):
        ref = ("Character", f"卒{i}")
        graph.nodes[ref] = GraphNode(*ref, graph.nodes[edge.source].properties | {"name": ref[1]})
        graph.edges[ref, "KNOWS", edge.target] = GraphEdge(ref, "KNOWS", edge.target, edge.properties)
    await refresh(store, graph, 1)
    assert timeless(await stored_graph(store, 1)) == graph


async def test_refresh_removes_what_is_gone(store: GraphStore, spy: Spy) -> None:
    novel = Novel.make(1, count=6)
    await refresh(store, novel.exact(), 1)
    first = await stored_graph(store, 1)
    fewer = novel.exact(novel.rows[:2])
    changed = await refresh(store, fewer, 1)
    assert timeless(await stored_graph(store, 1)) == fewer
    gone = len(first.nodes) + len(first.edges) - len(fewer.nodes) - len(fewer.edges)
    assert changed >= gone > 0
    for ref, thing in (await stored_graph(store, 1)).nodes.items():
        if ref in first.nodes:
            assert thing.properties["created_at"] == first.nodes[ref].properties["created_at"]
    before = len(first.nodes)
    assert await refresh(store, Graph(), 1) < before + len(first.edges)
    assert spy("MATCH (n) RETURN count(n)") == [[0]]


async def test_refresh_leaves_an_old_workers_graph(store: GraphStore, spy: Spy) -> None:
    old, new = Novel.make(1, seed=1, task=3), Novel.make(1, count=2, seed=2, task=7)
    await refresh(store, old.exact(), 1)
    before = await stored_graph(store, 1)
    number = await begun(store, 1)
    await store.apply(1, new.exact(), number=number, foreign={3})
    after = await stored_graph(store, 1)
    assert before.nodes.keys() <= after.nodes.keys()
    assert before.edges.keys() <= after.edges.keys()
    both = new.exact().nodes.keys() & before.nodes.keys()
    assert both
    assert all(after.nodes[ref].properties["task_id"] == [3, 7] for ref in both)
    again = await store.apply(1, new.exact(), number=number, foreign={3})
    assert again == 0
    await store.apply(1, Graph(), number=number, foreign={3})  # the new task was deleted
    left = await stored_graph(store, 1)
    assert (left.nodes.keys(), left.edges.keys()) == (before.nodes.keys(), before.edges.keys())
    assert all(one.properties["task_id"] == [3] for one in (*left.nodes.values(), *left.edges.values()))
    assert await store.apply(1, Graph(), number=number, foreign={3}) == 0
    await store.apply(1, new.exact(), number=number)
    assert timeless(await stored_graph(store, 1)) == new.exact()


async def test_refresh_mends_what_others_broke(store: GraphStore, spy: Spy) -> None:
    exact = Novel.make(1).exact()
    await refresh(store, exact, 1)
    spy("MATCH (n:Character {name: '人1'}) SET n.description = 'x', n.traits = null, n.mine = 1")
    spy("MATCH (:Character)-[e:APPEARS_IN]->(:Chapter {id: 1001}) SET e.confidence = 0.1")
    pair = "MATCH (a:Character {name: '人1'}), (b:Character {name: '人2'})"
    spy(f"{pair} CREATE (a)-[:HATES {{novel_id: 1}}]->(b)")
    spy(
        "MATCH (a:Character)-[e:PARTICIPATES_IN]->(b) WITH a, b, e LIMIT 3 "
        "CREATE (a)-[f:PARTICIPATES_IN]->(b) SET f = properties(e)"
    )
    spy("CREATE (:Location {name: '错', novel_id: 1})")
    spy("MATCH (n:Organization {novel_id: 1}) DETACH DELETE n")
    spy("MATCH (n:Character {name: '人3'}) CREATE (n)-[:SEEN {by: 'me'}]->(:Note {novel_id: 1})")
    assert await refresh(store, exact, 1) > 0
    assert timeless(await stored_graph(store, 1)) == exact
    assert await refresh(store, exact, 1) == 0
    twice = "MATCH (a)-[e:PARTICIPATES_IN]->(b) WITH a, b, count(e) AS c WHERE c > 1 RETURN count(*)"
    assert spy(twice) == [[0]]
    assert spy("MATCH (n:Character {name: '人1'}) RETURN n.mine") == [[1]]  # not kgnb's: left alone
    assert spy("MATCH (n:Character {name: '人3'})-[e:SEEN]->(:Note) RETURN e.by") == [["me"]]


async def test_refresh_in_small_batches(store: GraphStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(graph_module, "BATCH", 7)
    novel = Novel.make(1, count=3)
    await refresh(store, novel.exact(), 1)
    assert timeless(await stored_graph(store, 1)) == novel.exact()
    await refresh(store, novel.exact(novel.rows[:1]), 1)
    assert timeless(await stored_graph(store, 1)) == novel.exact(novel.rows[:1])


async def test_a_refresh_cut_short_is_mended_by_the_next(
    store: GraphStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(graph_module, "BATCH", 20)
    novel = Novel.make(1, count=6)
    pick = random.Random(1)
    cut = 0
    for round_ in range(8):
        wanted = novel.exact(pick.sample(novel.rows, pick.randint(1, 5)))
        task = asyncio.create_task(refresh(store, wanted, 1))
        await asyncio.sleep(pick.uniform(0.0, 0.12))
        cut += task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        if round_ % 4 == 3:
            await refresh(store, wanted, 1)
            assert timeless(await stored_graph(store, 1)) == wanted
    assert cut > 2
    await refresh(store, novel.exact(), 1)
    assert timeless(await stored_graph(store, 1)) == novel.exact()


async def test_a_refresh_stops_when_another_one_starts(
    store: GraphStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(graph_module, "BATCH", 10)
    novel = Novel.make(1, count=6)
    number = await begun(store, novel.facts.id)
    began, go_on, fenced = asyncio.Event(), asyncio.Event(), store.write_fenced

    async def one_and_wait(*args: Any, **given: Any) -> int:
        if args[2] == number and began.is_set():
            await go_on.wait()
        done = await fenced(*args, **given)
        began.set()
        return done

    monkeypatch.setattr(store, "write_fenced", one_and_wait)
    slow = asyncio.create_task(store.apply(1, novel.exact(), number=number))
    await began.wait()
    await refresh(store, novel.exact(novel.rows[:2]), 1)
    go_on.set()
    with pytest.raises(GraphConflict):
        await slow
    assert timeless(await stored_graph(store, 1)) == novel.exact(novel.rows[:2])


# --- hostile words


def test_only_whole_types_reach_a_statement() -> None:
    for word in [*WORDS, "KNOWS ", "KNOWS\n", "knows", "", "KNOWS`]->() //"]:
        assert not RELATION_TYPE.fullmatch(word)
        with pytest.raises(ValueError, match="not a relationship type"):
            cypher.put_edges(word, [])
        for of_kind in (cypher.remove_edges, cypher.keep_edges):
            with pytest.raises(ValueError, match="not a relationship type"):
                of_kind((word, "Character", "Character"), [])
        with pytest.raises(ValueError, match="not a relationship type"):
            cypher.make_types([word])


async def test_hostile_names_are_only_names(store: GraphStore, spy: Spy) -> None:
    people = [{"name": n, "description": n, "aliases": [n + "x"], "title": n} for n in HOSTILE]
    found = Extraction.model_validate(
        {
            "characters": people,
            "locations": [{"name": n} for n in HOSTILE],
            "organizations": [{"name": n} for n in HOSTILE],
            "events": [{"name": n, "participants": HOSTILE, "location": n, "evidence": n} for n in HOSTILE],
            "relations": [
                {"source": a, "target": b, "type": t, "evidence": t, "description": a}
                for a, b, t in zip(HOSTILE, HOSTILE[1:], itertools.cycle(WORDS), strict=False)
            ],
        }
    )
    novel = Novel.make(1, count=1)
    one = ExtractionRow(7, 1, novel.chapters[0].id, 1, "h", "p", found, "deepseek", "m", 1)
    exact = novel.exact([RecordRow(one)])
    await refresh(store, exact, 1)
    assert timeless(await stored_graph(store, 1)) == exact
    assert {n.key for n in exact.nodes.values() if n.label == "Character"} == set(HOSTILE)
    types = {row[0] for row in spy("MATCH ()-[e]->() RETURN DISTINCT type(e)")}
    assert types == {"APPEARS_IN", "PARTICIPATES_IN", "KNOWS"}


async def test_a_configured_type_is_written(store: GraphStore) -> None:
    config = TaskConfig(relation_types=("SWORN_BROTHER_2",))
    novel = Novel.make(1, count=1)
    found = Extraction.model_validate(
        {"relations": [{"source": "刘备", "target": "关羽", "type": "SWORN_BROTHER_2"}]}
    )
    one = ExtractionRow(7, 1, novel.chapters[0].id, 1, "h", "p", found, "deepseek", "m", 1)
    exact = novel_builder(novel.facts, novel.chapters, [RecordRow(one)], [], config).graph()
    await refresh(store, exact, 1)
    assert timeless(await stored_graph(store, 1)) == exact
    assert [type_ for _, type_, _ in exact.edges if type_.startswith("SWORN")] == ["SWORN_BROTHER_2"]


# --- other writers


def fail(monkeypatch: pytest.MonkeyPatch, code: str, times: int) -> None:
    """Have the server refuse so many statements."""
    run, refusals = neo4j.AsyncSession.run, iter(range(times))

    async def refusing(self: neo4j.AsyncSession, *args: Any, **kwargs: Any) -> Any:
        if next(refusals, None) is not None:
            raise neo4j.exceptions.Neo4jError._hydrate_neo4j(code=code, message="refused")
        return await run(self, *args, **kwargs)

    monkeypatch.setattr(neo4j.AsyncSession, "run", refusing)


async def test_what_another_writer_took_away_meanwhile_is_tried_again(
    store: GraphStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    fail(monkeypatch, "Neo.ClientError.Statement.EntityNotFound", 2)
    assert await store.bolt.execute("RETURN 1") == [[1]]


@pytest.mark.parametrize(
    ("code", "key"),
    [
        ("Neo.ClientError.General.WriteOnReadOnlyAccessDatabase", "graph.read_only"),
        ("Neo.TransientError.General.DatabaseUnavailable", "graph.failed"),
        ("Neo.DatabaseError.Transaction.TransactionCommitFailed", "graph.failed"),
    ],
)
async def test_a_database_that_takes_no_writes_is_waited_for(
    store: GraphStore, monkeypatch: pytest.MonkeyPatch, code: str, key: str
) -> None:
    """Not blamed on its address, as a server that can't be reached."""
    fail(monkeypatch, code, 1)
    with pytest.raises(ServiceDown) as caught:
        await store.probe()
    assert caught.value.key == key
    await store.probe()


_CHILD = """
import asyncio, json, sys
from pydantic import SecretStr
sys.path.insert(0, "tests")
from tests.support.random_novels import Novel, refresh
from kgnb.core.errors import GraphConflict
from kgnb.stores.graph.store import GraphStore
from kgnb.stores.targets import GraphTarget

async def main(uri, user, password, database, step):
    store = GraphStore(GraphTarget(uri, user, SecretStr(password), database))
    novel = Novel.make(1, count=12)
    await store.prepare()
    for last in range(1, 13)[::step]:
        try:
            await refresh(store, novel.exact(novel.rows[:last]), 1)
        except GraphConflict:
            pass
    await store.close()

asyncio.run(main(*json.loads(sys.stdin.readline())))
"""


async def test_two_processes_end_exact(store: GraphStore, bolt: Bolt, spy: Spy) -> None:
    import json

    children = [
        subprocess.Popen([sys.executable, "-c", _CHILD], stdin=subprocess.PIPE, text=True) for _ in range(2)
    ]
    for child, step in zip(children, (1, -1), strict=True):
        assert child.stdin is not None
        child.stdin.write(json.dumps([bolt.uri, bolt.user, bolt.password, bolt.database, step]) + "\n")
        child.stdin.close()
    assert [await asyncio.to_thread(child.wait, 60) for child in children] == [0, 0]
    stored, novel = await stored_graph(store, 1), Novel.make(1, count=12)
    assert spy("MATCH ()-[e]->() RETURN count(e)") == [[len(stored.edges)]]
    await refresh(store, novel.exact(), 1)
    assert timeless(await stored_graph(store, 1)) == novel.exact()


async def test_a_write_reads_the_number_when_it_has_the_lock(store: GraphStore, bolt: Bolt) -> None:
    """What waits behind a refresh that begins writes nothing under the old number, and takes no lease."""
    novel = Novel.make(1, count=1)
    number = await begun(store, 1)
    begin = (
        f"MATCH (n:Novel {{id: 1}}) SET n.{cypher.NUMBER} = $number, n.{cypher.LEASE} = timestamp() + 60000"
    )
    with bolt.driver() as driver, driver.session(database=bolt.database or None) as session:
        with session.begin_transaction() as tx:
            tx.run(begin, number=number + 1).consume()
            work = [
                asyncio.create_task(store.apply(1, novel.exact(), number=number)),
                asyncio.create_task(store.begin_refresh(1, 60)),
            ]
            assert not (await asyncio.wait(work, timeout=0.5))[0]
            tx.commit()
        written, turn = await asyncio.gather(*work, return_exceptions=True)
    assert isinstance(written, GraphConflict)
    assert turn == ("held", number + 1)
    assert list((await stored_graph(store, 1)).nodes) == [("Novel", "1")]


# --- deleting, counting, asking


async def test_questions(store: GraphStore, spy: Spy) -> None:
    await refresh(store, Novel.make(1).exact(), 1)
    (answer,) = await store.query(
        "MATCH (c:Character {name: $name}) RETURN c.name AS name, [c.created_at] AS at, c", {"name": "人1"}
    )
    assert answer["name"] == answer["c"]["name"] == "人1"
    assert answer["at"][0] == answer["c"]["created_at"]
    assert answer["at"][0][:2] == "20"
    path = (
        "MATCH (a:Character {name: '人1'}), (b:Character {name: '人2'}) "
        "MATCH p = shortestPath((a)-[*..6]-(b)) RETURN length(p) AS steps"
    )
    assert (await store.query(path))[0]["steps"] >= 1
    with pytest.raises(InputError):
        await store.query("MATCH (n RETURN n")
    before = spy.everything()
    with contextlib.suppress(InputError):  # Neo4j says so; on the embedded engine it is rolled back
        await store.query("MATCH (n:Character) DETACH DELETE n")
    assert spy.everything() == before


async def test_rows_are_not_formatted_for_a_log_that_nobody_reads(store: GraphStore) -> None:
    class Told(str):
        def __repr__(self) -> str:
            raise AssertionError("formatted")

    graph = Novel.make(1, count=1).exact()
    for part in (*graph.nodes.values(), *graph.edges.values()):
        part.properties |= {key: Told(text) for key, text in part.properties.items() if isinstance(text, str)}
    await refresh(store, graph, 1)
    assert timeless(await stored_graph(store, 1)) == graph


async def test_a_schema_that_is_there_costs_few_round_trips(store: GraphStore, bolt: Bolt) -> None:
    at = urlsplit(bolt.uri)
    with Proxy(str(at.hostname), at.port or 7687) as proxy:
        where = f"bolt://127.0.0.1:{proxy.port}"
        again = GraphStore(GraphTarget(where, bolt.user, SecretStr(bolt.password), bolt.database))
        await again.prepare()
        begun = proxy.trips
        assert begun <= 12  # three connections side by side
        await again.extend_refresh(1, 0, 1.0)
        assert proxy.trips == begun + 1  # one statement needs no transaction around it
        await again.close()


async def test_the_schema_can_be_made_twice_at_once(
    bolt: Bolt, spy: Spy, request: pytest.FixtureRequest
) -> None:
    if "neo4j" in request.node.name:  # it keeps what earlier tests made
        for kind, which in ("CONSTRAINT", ""), ("INDEX", "WHERE type <> 'LOOKUP'"):
            for (name,) in spy(f"SHOW {kind} YIELD name, type {which} RETURN name"):
                spy(f"DROP {kind} {name}")
    stores = [bolt.store() for _ in range(3)]
    await asyncio.gather(*(one.prepare() for one in stores))
    for one in stores:
        await one.close()
    gc.collect()  # what other tests left behind isn't meant
    with warnings.catch_warnings(record=True) as heard:
        warnings.simplefilter("always")
        stores.clear()
        del one
        gc.collect()
    assert not [str(one.message) for one in heard if "Driver" in str(one.message)]
    assert spy("MATCH (n) RETURN count(n)") == [[0]]
    spy("CREATE (:Character {name: 'a', novel_id: 1})")
    with pytest.raises(neo4j.exceptions.ClientError):
        spy("CREATE (:Character {name: 'a', novel_id: 1})")


# --- outages


async def test_errors_are_told_apart(bolt: Bolt) -> None:
    secret = "hunter2-canary"
    wrong = GraphStore(GraphTarget(bolt.uri, bolt.user, SecretStr(secret)))
    with pytest.raises(ServiceRefused) as refused:
        await wrong.prepare()
    assert refused.value.service == "bolt"
    assert secret not in f"{refused.value} {refused.value!r} {vars(wrong)} {vars(wrong.bolt)}"
    await wrong.close()
    away = GraphStore(GraphTarget("bolt://127.0.0.1:1", "a", SecretStr("b")))
    with pytest.raises(ServiceDown) as down:
        await away.refreshed_state(1)
    assert down.value.service == "bolt"
    with pytest.raises(ServiceDown):
        await away.ping()
    with pytest.raises(ServiceDown):
        await away.begin_refresh(1, 1.0)
    await away.close()
    for uri in ("bolt://[:::", "ftp://x"):
        with pytest.raises(ServiceRefused):
            await GraphStore(GraphTarget(uri, "a", SecretStr("b"))).refreshed_state(1)


async def test_an_engine_that_never_answers_is_down() -> None:
    asked: list[asyncio.StreamReader] = []

    async def hang(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.append(reader)
        await reader.read(-1)
        writer.close()

    server = await asyncio.start_server(hang, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    store = GraphStore(GraphTarget(f"bolt://127.0.0.1:{port}", "a", SecretStr("b"), timeout=0.5))
    with pytest.raises(ServiceDown):
        await store.refreshed_state(1)
    with pytest.raises(ServiceDown):
        await store.begin_refresh(1, 1.0)
    asked.clear()
    with pytest.raises(ServiceDown):
        await stored_graph(store, 1)
    # The first three that are silent tell it for all eleven; each may let another one in before that.
    assert len(asked) <= 6
    await store.close()
    server.close()
