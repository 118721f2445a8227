"""Several nodes on one set of real servers: each a `kgnb worker` of its own, killed and frozen by signals;
the servers are stopped and started by services.sh."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from redis.connection import parse_url

from kgnb.app import transfer as export_use_case
from kgnb.app.context import open_app
from kgnb.app.graphs import graph_of
from kgnb.app.tasks import find_task
from kgnb.core.settings import Settings
from kgnb.stores.queue.types import QueueName
from tests.conftest import outside
from tests.support.commands import Llm, Place, Running, timeless
from tests.support.paths import ROOT
from tests.support.patience import SLOWEST
from tests.support.redis_servers import REDIS_DOWN, RedisServers, follower
from tests.support.services import database_url, graph_driver, service_variables
from tests.support.stored_graphs import TIMES, stored_graph

QUEUE = QueueName("kg:task:queue:dryrun")
"""Where `submit` puts the tasks of the provider that the tests use."""
SERVERS = ("redis", "mariadb", "neo4j")
FOLDER = Path(os.environ.get("KGNB_SERVICES_DIR") or ROOT / ".services")


# --- servers ------------------------------------------------------------------------------------------------


def server_stop(*names: str) -> None:
    """Stops real servers, as an operator does (SIGTERM); what is on disk stays."""
    _services("stop", names)


def server_start(*names: str) -> None:
    """Starts them again and waits until they answer."""
    _services("start", names)


def _services(command: str, names: Sequence[str]) -> None:
    ran = subprocess.run(
        ["bash", ROOT / "scripts" / "services.sh", command, *names],
        env={**os.environ, "KGNB_SERVICES_DIR": str(FOLDER)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        timeout=150 * SLOWEST,
    )
    assert ran.returncode == 0, ran.stderr


def stoppable() -> None:
    """Skips (in CI: fails) unless the servers under test are those of services.sh, which can stop them."""
    ports = {
        "redis": parse_url(outside("KGNB_TEST_REDIS_URL")).get("port"),
        "mariadb": sa.make_url(outside("KGNB_TEST_SQL_URL")).port,
        "neo4j": outside("KGNB_TEST_NEO4J_URI").rpartition(":")[2],
    }
    ours = [name for name in SERVERS if _port(name) == str(ports[name])]
    if len(ours) < len(SERVERS):
        reason = f"the servers aren't those of {FOLDER}: start them with scripts/services.sh"
        (pytest.fail if os.environ.get("CI") == "true" else pytest.skip)(reason)


def _port(name: str) -> str:
    with contextlib.suppress(OSError):
        return (FOLDER / name / "port").read_text().strip()
    return ""


# --- nodes --------------------------------------------------------------------------------------------------


class Node(Running):
    """A `kgnb worker` under way. ``name`` is what it was told to be called, ``life`` unique among all."""

    name: str
    life: str
    log_file: Path

    @property
    def pid(self) -> int:
        return self.process.pid

    @property
    def alive(self) -> bool:
        return self.process.poll() is None

    def log(self) -> str:
        """Everything that it and a crash wrote so far."""
        return self.log_file.read_text("utf-8", "replace")

    def kill9(self) -> float:
        """-9 to the node and its helpers; returns when (time.monotonic())."""
        self.kill()
        at = time.monotonic()
        self.process.wait(10 * SLOWEST)
        return at

    def freeze(self) -> None:
        os.killpg(self.pid, signal.SIGSTOP)

    def thaw(self) -> None:
        os.killpg(self.pid, signal.SIGCONT)

    def leave(self, timeout: float = 20) -> tuple[int, float]:
        """SIGTERM; returns its exit code and the seconds that it took."""
        began = time.monotonic()
        self.send(signal.SIGTERM)
        return self.process.wait(timeout * SLOWEST), time.monotonic() - began


@dataclass
class Cluster:
    """A main system's servers, empty at first, and the nodes on them. ``env`` is every command's."""

    path: Path
    env: dict[str, str]
    redis: Any
    """A client of its Redis."""

    def __post_init__(self) -> None:
        self.nodes: list[Node] = []
        """Every node ever started, oldest first."""
        self.nice = 0
        """Above 0, nodes leave the cores to the servers, as if those had machines of their own."""
        self.place = Place(self.path, self.env)
        self.engine = sa.create_engine(database_url(self.env), pool_pre_ping=True, pool_size=2)

    # --- nodes

    def start_node(self, name: str, slots: int | None = 2, *args: str, **env: str) -> Node:
        """Starts a node; it is at work once :meth:`joined`. ``slots`` None: as the environment has it."""
        life = f"{name}.{len(self.nodes) + 1}"
        log = self.path / f"{life}.log"
        with log.open("wb") as out:
            node = self.place.start(
                *("worker", *(("--slots", str(slots)) if slots else ()), *args),
                env={"KG_WORKER_NODE_NAME": name, **env},
                running=Node,
                stdout=out,
                stderr=subprocess.STDOUT,
                nice=self.nice,
            )
        assert isinstance(node, Node)
        node.name, node.life, node.log_file = name, life, log
        self.nodes.append(node)
        return node

    @property
    def living(self) -> list[Node]:
        return [node for node in self.nodes if node.alive]

    def joined(self, *nodes: Node, seconds: float = 40) -> None:
        """Waits until these nodes show themselves in Redis."""
        for node in nodes:
            self.wait_until(
                lambda node=node: self.shown(node) or not node.alive, seconds, f"{node.life} joins"
            )
            assert node.alive, node.log()

    def shown(self, node: Node) -> bool:
        """Whether its hash is there, written by this very process."""
        return self.redis.hget(f"kg:nodes:{node.name}", "pid") == str(node.pid)

    # --- what main does and sees

    def submit(self, book: Path, *args: str, provider: str = "dryrun") -> int:
        """Adds a book and queues it; returns the task's id."""
        ran = self.place.run("submit", book, "--provider", provider, *args)
        assert ran.code == 0, ran
        return int(ran.out)

    def sql(self, query: str, **values: Any) -> list[tuple[Any, ...]]:
        """Rows of a statement, which is committed; raises sqlalchemy's OperationalError in an outage."""
        with self.engine.begin() as connection:
            result = connection.execute(sa.text(query), values)
            return [tuple(row) for row in result] if result.returns_rows else []

    def number(self, query: str, **values: Any) -> int:
        """The one number of a query."""
        return int(self.sql(query, **values)[0][0] or 0)

    def status(self, task: int) -> str:
        return str(self.sql("SELECT status FROM knowledge_graph_tasks WHERE id = :id", id=task)[0][0])

    def chapters(self, task: int) -> dict[str, int]:
        """How many chapters of a task are in each status."""
        table = "knowledge_graph_chapter_status"
        query = f"SELECT status, count(*) FROM {table} WHERE kg_task_id = :id GROUP BY status"
        return {str(status): int(count) for status, count in self.sql(query, id=task)}

    def finished(self, *tasks: int) -> bool:
        """Whether these tasks are closed and their graphs refreshed; False in an outage of SQL."""
        settled = "SELECT count(*) FROM kgnb_tasks WHERE task_id = :id AND settled = 1"
        try:
            return all(
                self.status(t) in ("completed", "failed") and self.number(settled, id=t) == 1 for t in tasks
            )
        except sa.exc.OperationalError:
            return False

    def graph(self, task: int) -> dict[str, Any]:
        """The exported graph of a task's novel, which Neo4j has too, node by node and edge by edge; read in
        this process, which is quicker."""
        target = self.path / f"graph-{task}.json"
        asyncio.run(_export(self.env, self.path / "data", task, target))
        return timeless(json.loads(target.read_text("utf-8")))

    # --- the queue

    def held(self, queue: str = QUEUE, *, node: str = "", chapters: bool = True) -> dict[str, dict[str, Any]]:
        """Live leases: member → record (token, node, deliveries …), of one node, chapters only or all."""
        raw = self.redis.hgetall(f"kgnb:held:{{{queue}}}")
        records = {member: json.loads(record) for member, record in raw.items()}
        return {
            member: record
            for member, record in records.items()
            if (not node or record["node"] == node) and (not chapters or member.startswith("c:"))
        }

    def open_chapters(self, task: int, queue: str = QUEUE) -> set[str]:
        """Chapters of an open task that wait, are leased or delayed."""
        return set(self.redis.smembers(f"kgnb:rest:{{{queue}}}:{task}"))

    def dead(self, queue: str = QUEUE) -> dict[str, dict[str, Any]]:
        """The dead list: member → entry (reason, deliveries, failures …)."""
        raw = self.redis.hgetall(f"kgnb:dead:{{{queue}}}")
        return {member: json.loads(entry) for member, entry in raw.items()}

    # --- waiting and ending

    def wait_until(
        self, condition: Callable[[], object], seconds: float, what: str = "", *, every: float = 0.05
    ) -> float:
        """Waits for ``condition``, outages of Redis and SQL included; returns the seconds it took. A slow
        machine has :data:`SLOWEST` times as long."""
        began = time.monotonic()
        while True:
            with contextlib.suppress(*REDIS_DOWN, sa.exc.OperationalError):
                if condition():
                    return time.monotonic() - began
            if time.monotonic() - began > seconds * SLOWEST:
                raise AssertionError(f"not within {seconds * SLOWEST} s: {what}\n{self.logs()}")
            time.sleep(every)

    def logs(self, lines: int = 12) -> str:
        """The end of each living node's log and of the last dead ones', to be shown by a failed test."""
        shown = [n for n in self.nodes if n.alive] + [n for n in self.nodes if not n.alive][-3:]
        return "\n".join(f"--- {n.life}\n" + "\n".join(n.log().splitlines()[-lines:]) for n in shown)

    def wipe(self) -> None:
        """Empties Redis and the graph."""
        self.redis.flushall()
        with graph_driver(self.env) as driver:
            driver.execute_query("MATCH (n) DETACH DELETE n")

    def close(self) -> None:
        """Kills what still runs."""
        for node in self.living:
            with contextlib.suppress(ProcessLookupError):
                node.thaw()
                node.kill9()
        self.place.kill_everything()
        self.engine.dispose()
        self.redis.close()


async def _export(env: dict[str, str], data: Path, task: int, target: Path) -> None:
    given: dict[str, Any] = {**env, "KGNB_DATA": data, "_env_file": None}
    async with open_app(Settings(**given), queue=False) as app:
        novel_id = (await find_task(app, task)).novel_id
        await export_use_case.export(app, novel_id, "json", target)
        assert app.graph is not None
        stored, wanted = await stored_graph(app.graph, novel_id), await graph_of(app, novel_id)
        for one, other in ((stored.nodes, wanted.nodes), (stored.edges, wanted.edges)):
            assert one.keys() == other.keys()
            for key, thing in one.items():
                bare = {name: value for name, value in thing.properties.items() if name not in TIMES}
                assert bare == other[key].properties, key


@contextlib.contextmanager
def cluster(
    path: Path, llm: Llm | None = None, servers: RedisServers | None = None, **env: str
) -> Iterator[Cluster]:
    """An emptied Redis (``servers``: instead of the usual one) and Neo4j and a database of its own; ``path``
    is for logs and exports. ``env`` goes to every node and command, over the short times that suit tests; a
    lease lasts for longer than a node may stand still, unless the test is about leases."""
    path.mkdir(parents=True, exist_ok=True)
    with service_variables() as services:
        given = {
            **services,
            "KG_WORKER_GUARD_INTERVAL": "3",
            "KGNB_CPU_WORKERS": "threads",
            "KGNB_LANG": "en",
            **(llm.env() if llm else {}),
            **(servers.env if servers else {}),
            **env,
        }
        one = Cluster(path, given, follower(given))
        one.wipe()
        try:
            yield one
        finally:
            one.close()
