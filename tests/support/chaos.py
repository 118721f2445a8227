"""A bad day: nodes killed and replaced, servers stopped and started, an LLM that fails; and its figures."""

from __future__ import annotations

import contextlib
import hashlib
import json
import random
import threading
import time
from collections import Counter, defaultdict
from dataclasses import asdict, dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import sqlalchemy as sa

from kgnb.llm.fake.http import Request, Response
from kgnb.llm.fake.server import Faults
from kgnb.stores.ledger.reply_cache import reply_key
from kgnb.worker.extractor import REPLY_TRIES
from tests.support.cluster import Cluster, Node, cluster, server_start, server_stop
from tests.support.commands import Llm, llm, novel
from tests.support.paths import ROOT

FAULTS = Faults(rate_429=0.10, rate_500=0.05, broken=0.05, truncated=0.05)
FAR = """
import os
import kgnb.core.process_id as process
process.host_id = lambda: os.environ["FAR_MACHINE"]
"""
IDLE_KILL = 5
"""Every how many kills the node may be one that hasn't asked for anything yet."""
PATIENCE = 6
"""Times of ``kill_every`` that a kill waits until the node that came last has asked for something."""
COMPLETE = ("ok", "broken")
"""Outcomes that hold a usable reply: "broken" can be mended."""


@dataclass(frozen=True)
class Plan:
    """What happens. Times in seconds; ``outages``: server → share of the chapters done at which it stops."""

    chapters: tuple[int, ...] = (120, 80)
    lines: int = 6
    nodes: int = 3
    slots: int = 4
    latency: float = 0.3
    retry_after: float = 1.0
    faults: Faults = FAULTS
    lease: float = 5.0
    kill_every: float = 2.0  # at least
    outages: tuple[tuple[str, float], ...] = (("redis", 0.15), ("mariadb", 0.4), ("neo4j", 0.65))
    down: float = 1.0  # at least
    flush_at: float = 2.0  # share of the chapters done at which Redis loses everything; above 1: never
    limit: float = 300.0
    seed: int = 7

    @property
    def total(self) -> int:
        return sum(self.chapters)


@dataclass
class Figures:
    """What came of it."""

    seconds: float = 0.0
    kills: int = 0
    idle_kills: int = 0  # of nodes that had not asked for anything yet
    outages: dict[str, float] = field(default_factory=dict)  # server → seconds from stop to answering again
    chapters: int = 0
    completed: int = 0
    lost: int = 0
    doubled: int = 0
    dead: int = 0
    requests: int = 0
    outcomes: dict[str, int] = field(default_factory=dict)
    split: int = 0  # prompts cut off twice, whose chunk was split
    strange: int = 0  # prompts that the good day didn't ask: halves of split chunks, at most two each
    again: int = 0  # complete answers to a prompt that had one: what kills cost
    again_unforced: int = 0  # those whose earlier one didn't go to a node that was killed
    stored_again: int = 0  # requests for a reply that was in the cache when they came
    unsure: int = 0  # answered before, but SQL was down when they came; a kill explains them, or see above
    forced: int = 0  # requests that faults, kills and splits (two each) forced, beyond one a chapter
    same_graph: bool = False
    nodes: int = 0
    edges: int = 0

    def line(self) -> str:
        return json.dumps(asdict(self), ensure_ascii=False)


# --- who asked what -----------------------------------------------------------------------------------------


class Asked(NamedTuple):
    """One request: when (time.monotonic), for what, by which node, and what was answered."""

    at: float
    prompt: str
    life: str
    outcome: str


class Witness:
    """Watches a dry-run server: notes each request's node (by its API key), and whether its reply was stored
    when it came."""

    def __init__(self, llm: Llm, cluster: Cluster) -> None:
        self.asked: list[Asked] = []
        self.stored_again: list[Asked] = []
        self.unsure: list[Asked] = []
        self._server = llm.server
        self._cluster = cluster
        self._respond = llm.server.respond
        llm.server.respond = self._witnessed  # type: ignore[method-assign]

    def _witnessed(self, request: Request) -> Response:
        prompt = _prompt(request.body) if request.method == "POST" else ""
        stats = self._server.stats
        stored = self._is_stored(prompt) if stats.answered[prompt] else False
        before = stats.outcomes.copy()
        response = self._respond(request)
        if prompt:
            outcome = next(iter(stats.outcomes - before))
            life = request.headers.get("authorization", "").removeprefix("Bearer sk-")
            one = Asked(time.monotonic(), prompt, life, outcome)
            self.asked.append(one)
            if stored is None:
                self.unsure.append(one)
            elif stored:
                self.stored_again.append(one)
        return response

    def _is_stored(self, prompt: str) -> bool | None:
        """None: SQL is down, where nothing can be stored meanwhile but may have been before."""
        key = reply_key("dryrun", "dryrun", prompt)
        try:
            return self._cluster.number("SELECT count(*) FROM kgnb_replies WHERE id = :key", key=key) > 0
        except sa.exc.OperationalError:
            return None

    def again(self, killed: dict[str, float]) -> tuple[int, int]:
        """Complete answers to prompts that had one, and those of them that no kill (life → when) explains."""
        answers: dict[str, list[Asked]] = defaultdict(list)
        for one in self.asked:
            if one.outcome in COMPLETE:
                answers[one.prompt].append(one)
        repeats = [(one, later) for every in answers.values() for one, later in pairwise(every)]
        unforced = [pair for pair in repeats if killed.get(pair[0].life, float("inf")) > pair[1].at]
        return len(repeats), len(unforced)


def _prompt(body: bytes) -> str:
    """The prompt's hash, as kgnb and the server's stats have it."""
    said = {m["role"]: m["content"] for m in json.loads(body)["messages"]}
    return hashlib.sha256(f"{said.get('system', '')}\0{said['user']}".encode()).hexdigest()


# --- the day ------------------------------------------------------------------------------------------------


def books(folder: Path, plan: Plan) -> list[Path]:
    return [
        novel(folder / f"book-{seed}.txt", chapters, seed=seed, lines=plan.lines)
        for seed, chapters in enumerate(plan.chapters, 1)
    ]


class GoodDay(NamedTuple):
    """What a day without trouble gives: each book's graph, and the prompts that were asked."""

    graphs: list[dict[str, Any]]
    prompts: set[str]


def good_day(folder: Path, plan: Plan) -> GoodDay:
    """The same books, worked by one node that nothing disturbs."""
    with llm(latency=0.02) as server, cluster(folder / "good", server) as place:
        node = place.start_node("calm", 16)
        tasks = [place.submit(book) for book in books(folder, plan)]
        place.wait_until(lambda: place.finished(*tasks), plan.limit, "the good day", every=0.2)
        assert server.stats.requests == plan.total
        node.kill9()
        return GoodDay([place.graph(task) for task in tasks], set(server.stats.prompts))


def bad_day(folder: Path, plan: Plan, good: GoodDay) -> Figures:
    """Runs the plan to its end; the figures say how it went, in comparison with the ``good`` one."""
    options = {"latency": plan.latency, "retry_after": plan.retry_after, "faults": plan.faults}
    with (
        llm(seed=plan.seed, **options) as server,
        cluster(folder / "bad", server, KGNB_LEASE_SECONDS=f"{plan.lease:g}") as place,
    ):
        place.nice = 5
        day = _Day(plan, place, server)
        day.start()
        tasks = [place.submit(book) for book in books(folder, plan)]
        day.run(tasks)
        figures = day.figures(good)
        graphs = [place.graph(task) for task in tasks]
        figures.same_graph = graphs == good.graphs
        figures.nodes = sum(len(graph["nodes"]) for graph in graphs)
        figures.edges = sum(len(graph["edges"]) for graph in graphs)
        return figures


class _Day:
    """The trouble-maker."""

    def __init__(self, plan: Plan, place: Cluster, server: Llm) -> None:
        self._plan = plan
        self._place = place
        self._server = server
        self._witness = Witness(server, place)
        self._random = random.Random(plan.seed)
        self._killed: dict[str, float] = {}
        self._outages: dict[str, float] = {}
        self._over = threading.Event()
        self._failed: list[BaseException] = []
        self._names = 0
        self._seconds = 0.0
        self._far = place.path / "far"
        self._far.mkdir()
        (self._far / "sitecustomize.py").write_text(FAR, "utf-8")

    def start(self) -> None:
        """The first nodes, while nothing is to do."""
        for _ in range(self._plan.nodes):
            self._start(self._new_name())

    def run(self, tasks: list[int]) -> None:
        """Until all tasks are closed and settled; raises AssertionError after the plan's limit."""
        plan, began = self._plan, time.monotonic()
        troubles = [threading.Thread(target=self._guarded, args=(trouble,)) for trouble in self._troubles()]
        for thread in troubles:
            thread.start()
        try:
            self._place.wait_until(
                lambda: self._failed or self._place.finished(*tasks), plan.limit, "the bad day", every=0.1
            )
            self._seconds = time.monotonic() - began
        finally:
            self._over.set()
            for thread in troubles:
                thread.join()
        if self._failed:
            raise self._failed[0]

    def _troubles(self) -> list[Any]:
        return [self._kill_and_replace, self._stop_and_start, self._lose_redis]

    def _guarded(self, trouble: Any) -> None:
        try:
            trouble()
        except BaseException as error:
            self._failed.append(error)

    def _note(self, what: str) -> None:
        """A line beside the nodes' logs, in their form."""
        with (self._place.path / "trouble.log").open("a") as diary:
            diary.write(f"{time.strftime('%H:%M:%S')} {what}\n")

    # --- kills

    def _new_name(self) -> str:
        self._names += 1
        return f"n{self._names}"

    def _start(self, name: str) -> Node:
        """Every other node is on a machine of its own by its own word, so that nobody there sees it die: its
        leases have to run out."""
        life = f"{name}.{len(self._place.nodes) + 1}"
        env = {"OPENAI_API_KEY": f"sk-{life}"}
        if self._random.random() < 0.5:
            env |= {"PYTHONPATH": f"{self._far}:{ROOT}", "FAR_MACHINE": life}
        return self._place.start_node(name, self._plan.slots, **env)

    def _kill_and_replace(self) -> None:
        replaced: Node | None = None
        while not self._over.wait(self._plan.kill_every):
            # On a slow machine dozens would be killed while they start, and for nothing. Now and then one is;
            # and an outage, when nobody asks, is no time without kills.
            for _ in range(PATIENCE):
                if replaced is None or self._has_asked(replaced) or self._over.wait(self._plan.kill_every):
                    break
            living = self._place.living
            if len(self._killed) % IDLE_KILL:
                living = [node for node in living if self._has_asked(node)] or living
            node = self._random.choice(living)
            self._killed[node.life] = node.kill9()
            self._note(f"killed {node.life}")
            replaced = self._start(self._random.choice([node.name, self._new_name()]))

    def _has_asked(self, node: Node) -> bool:
        return any(one.life == node.life for one in self._witness.asked)

    # --- outages

    def _done(self) -> float:
        """The share of the chapters that are done; 0 in an outage of SQL."""
        query = "SELECT count(*) FROM knowledge_graph_chapter_status WHERE status = 'completed'"
        with contextlib.suppress(sa.exc.DatabaseError):
            return self._place.number(query) / self._plan.total
        return 0.0

    def _reached(self, share: float) -> bool:
        while self._done() < share:
            if self._over.wait(0.1):
                return False
        return True

    def _stop_and_start(self) -> None:
        for name, share in self._plan.outages:
            if not self._reached(share):
                return
            began = time.monotonic()
            server_stop(name)
            self._note(f"stopped {name}")
            try:
                self._over.wait(self._plan.down)
            finally:
                server_start(name)
            self._note(f"started {name}")
            self._outages[name] = round(time.monotonic() - began, 1)

    def _lose_redis(self) -> None:
        if self._plan.flush_at <= 1 and self._reached(self._plan.flush_at):
            self._place.redis.flushall()
            self._outages["flush"] = 0.0

    # --- the reckoning

    def figures(self, good: GoodDay) -> Figures:
        place, stats = self._place, self._server.stats
        rows = place.sql("SELECT task_id, chapter_id FROM kgnb_extractions")
        marks = place.sql("SELECT kg_task_id, chapter_id, status FROM knowledge_graph_chapter_status")
        told = place.number("SELECT sum(completed_chapters) FROM knowledge_graph_tasks")
        total = self._plan.total
        again, unforced = self._witness.again(self._killed)
        failures = sum(count for outcome, count in stats.outcomes.items() if outcome not in COMPLETE)
        cut = Counter(one.prompt for one in self._witness.asked if one.outcome == "truncated")
        split = sum(times >= REPLY_TRIES for times in cut.values())
        return Figures(
            seconds=round(self._seconds, 1),
            kills=len(self._killed),
            idle_kills=len(set(self._killed) - {one.life for one in self._witness.asked}),
            outages=self._outages,
            chapters=total,
            completed=min(told, sum(status == "completed" for _, _, status in marks)),
            lost=total - len(set(rows)),
            doubled=(len(rows) - len(set(rows))) + (len(marks) - len({mark[:2] for mark in marks})),
            dead=len(place.dead()),
            requests=stats.requests,
            outcomes=dict(stats.outcomes),
            split=split,
            strange=len(set(stats.prompts) - good.prompts),
            again=again,
            again_unforced=unforced,
            stored_again=len(self._witness.stored_again),
            unsure=len(self._witness.unsure),
            forced=failures + again + 2 * split,
        )
