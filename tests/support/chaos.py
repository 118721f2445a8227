"""A bad day: nodes killed and replaced, servers stopped and started, an LLM that fails, and main itself."""

from __future__ import annotations

import contextlib
import random
import threading
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, NamedTuple

import sqlalchemy as sa

from tests.support.chaos_plan import Figures, Plan
from tests.support.cluster import QUEUE, Cluster, Node, cluster, server_start, server_stop
from tests.support.commands import Llm, llm, novel
from tests.support.main_system import LEAVING, LEAVING_QUEUE, MainSystem
from tests.support.paths import ROOT
from tests.support.redis_servers import RedisCluster, RedisServers, RedisUnderSentinels
from tests.support.witness import COMPLETE, POISON, Witness, api_key

FAR = """
import os
import kgnb.stores.process_id as process
process.host_id = lambda: os.environ["FAR_MACHINE"]
"""
REDIS: dict[str, Callable[[Path], AbstractContextManager[Any]]] = {
    "server": lambda _: contextlib.nullcontext(),
    "cluster": RedisCluster,
    "sentinels": RedisUnderSentinels,
}
OLD_NOVEL = ["孙明远独自行路，并无他人同往。"] * 20
FIRST_NOVEL = 2
"""The first book's; the first one of all is an old worker's."""
IDLE_KILL = 5
"""Every how many kills the node may be one that hasn't asked for anything yet."""
PATIENCE = 6
"""Times of ``kill_every`` that a kill waits until the node that came last has asked for something."""


# --- the day ------------------------------------------------------------------------------------------------


def books(folder: Path, plan: Plan) -> list[Path]:
    return [
        novel(folder / f"book-{seed}.txt", chapters, seed=seed, lines=plan.lines)
        for seed, chapters in enumerate([*plan.chapters, plan.deleted], 1)
        if chapters
    ]


def submit(place: Cluster, plan: Plan, files: list[Path], *, moving: bool) -> list[int]:
    """Queues the plan's tasks: those of the books in their order, twins one after the other, and last the
    one that will be deleted."""
    tasks = []
    for number, book in enumerate(files):
        leaves = moving and number == plan.moved
        tasks.append(place.submit(book, provider=LEAVING if leaves else "dryrun"))
        if number == plan.twins:
            tasks.append(place.submit(book, "--again"))
    return tasks


def chapter_text(book: Path, number: int) -> str:
    text = book.read_text("utf-8").partition(f"第{number}章")[2]
    return text.partition("\n")[2].partition(f"第{number + 1}章")[0]


class GoodDay(NamedTuple):
    """What a day without trouble gives: each book's graph, and the prompts that were asked."""

    graphs: list[dict[str, Any]]
    prompts: set[str]


def good_day(folder: Path, plan: Plan) -> GoodDay:
    """The same books, worked by one node that nothing disturbs; the poison chapter is in no task."""
    with llm(latency=0.02) as server, cluster(folder / "good", server) as place:
        MainSystem(place).add_task(OLD_NOVEL, done=True)
        tasks = submit(place, plan, books(folder, plan), moving=False)
        if plan.poison is not None:
            book, number = plan.poison
            ids = (
                "SELECT json_arrayagg(id) FROM chapters WHERE novel_id = :novel AND chapter_number <> :number"
            )
            change = f"UPDATE knowledge_graph_tasks SET chapter_ids = ({ids}) WHERE novel_id = :novel"
            place.sql(change, novel=FIRST_NOVEL + book, number=number)
        node = place.start_node("calm", 16)
        place.wait_until(lambda: place.finished(*tasks), plan.limit, "the good day", every=0.2)
        assert server.stats.requests == plan.prompts
        node.kill9()
        return GoodDay(_graphs(place, plan, tasks), set(server.stats.prompts))


def _graphs(place: Cluster, plan: Plan, tasks: list[int]) -> list[dict[str, Any]]:
    """Of each book."""
    novels = {
        task: place.number("SELECT novel_id FROM knowledge_graph_tasks WHERE id = :id", id=task)
        for task in tasks
    }
    first = {novel_id: task for task, novel_id in reversed(novels.items())}
    return [place.graph(task) for _, task in sorted(first.items())][: len(plan.chapters)]


def bad_day(folder: Path, plan: Plan, good: GoodDay) -> Figures:
    """Runs the plan to its end; the figures say how it went, in comparison with the ``good`` one."""
    options = {"latency": plan.latency, "retry_after": plan.retry_after, "faults": plan.faults}
    with (
        llm(seed=plan.seed, **options) as server,
        REDIS[plan.redis](folder / "redis") as own,
        cluster(folder / "bad", server, own, KGNB_LEASE_SECONDS=f"{plan.lease:g}") as place,
    ):
        place.nice = 5
        day = _Day(plan, place, server, books(folder, plan), own)
        try:
            figures = day.run(good)
        finally:
            day.main.close()
        graphs = _graphs(place, plan, day.kept)
        figures.same_graph = graphs == good.graphs
        figures.nodes = sum(len(graph["nodes"]) for graph in graphs)
        figures.edges = sum(len(graph["edges"]) for graph in graphs)
        return figures


class _Day:
    """The trouble-maker."""

    def __init__(
        self, plan: Plan, place: Cluster, server: Llm, files: list[Path], own: RedisServers | None
    ) -> None:
        self._plan = plan
        self._place = place
        self._server = server
        self._files = files
        self._own_redis = own
        poison = chapter_text(files[plan.poison[0]], plan.poison[1]) if plan.poison else ""
        twins = "" if plan.twins is None else files[plan.twins].read_text("utf-8")
        self._witness = Witness(server, place, poison=poison, twins=twins)
        self.main = MainSystem(place)
        self.kept: list[int] = []
        """The tasks whose novels are there in the end."""
        self._doomed = self._old = (0, 0)  # (novel, task)
        self._random = random.Random(plan.seed)
        self._killed: dict[str, float] = {}
        self._outages: dict[str, float] = {}
        self._deeds: list[threading.Thread] = []
        """What has to be done before the day can end."""
        self._over = threading.Event()
        self._failed: list[BaseException] = []
        self._names = 0
        self._seconds = self._swept = 0.0
        self._queued_again = 0
        self._far = place.path / "far"
        self._far.mkdir()
        (self._far / "sitecustomize.py").write_text(FAR, "utf-8")

    def run(self, good: GoodDay) -> Figures:
        """From the first nodes, while nothing is to do, until all tasks are closed, graphs refreshed; raises
        AssertionError after the plan's limit."""
        plan, place = self._plan, self._place
        if plan.moved is not None:
            self.main.add_leaving(self._server.server.base_url)
            place.env["KGNB_KEYS"] = self.main.key_file("main", self._server.server.base_url)
        self._old = self.main.add_task(OLD_NOVEL, done=not plan.old_worker)
        if plan.old_worker:
            self.main.start_old_worker(plan.requeue / 2)
            self.main.queue_task(self._old[1])
            self._deeds.append(self._begin(self._queue_old_task))
        for _ in range(plan.nodes):
            self._start(self._new_name())
        self.kept = submit(place, plan, self._files, moving=True)
        if plan.deleted:
            task = self.kept.pop()
            self._doomed = FIRST_NOVEL + len(plan.chapters), task
        self._make_trouble()
        if plan.deleted:
            patience = 8 * plan.lease + 30
            self._swept = place.wait_until(
                lambda: not self.main.left_of(*self._doomed), patience, "the sweep", every=0.5
            )
        return self._figures(good)

    def _make_trouble(self) -> None:
        plan, began = self._plan, time.monotonic()
        endless = [*map(self._begin, (self._kill_and_replace, self._stop_and_start, self._lose_redis))]
        if plan.moved is not None:
            self._deeds.append(self._begin(self._move_provider))
        if plan.deleted:
            self._deeds.append(self._begin(self._delete_novel))
        try:
            self._place.wait_until(
                lambda: self._failed or self._all_done(), plan.limit, "the bad day", every=0.1
            )
            self._seconds = time.monotonic() - began
        finally:
            self._over.set()
            for thread in (*self._deeds, *endless):
                thread.join()
        if self._failed:
            raise self._failed[0]

    def _all_done(self) -> bool:
        return not any(deed.is_alive() for deed in self._deeds) and self._place.finished(*self.kept)

    def _begin(self, trouble: Callable[[], None]) -> threading.Thread:
        thread = threading.Thread(target=self._guarded, args=(trouble,), daemon=True)
        thread.start()
        return thread

    def _guarded(self, trouble: Callable[[], None]) -> None:
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
        env = {"OPENAI_API_KEY": api_key(life)}
        if self._plan.moved is not None:
            env["KGNB_KEYS"] = self.main.key_file(life, self._server.server.base_url)
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

    def _done(self, *tasks: int) -> int:
        """How many chapters of these tasks are done; 0 in an outage of SQL."""
        with contextlib.suppress(sa.exc.DatabaseError):
            return sum(self._place.chapters(task).get("completed", 0) for task in tasks)
        return 0

    def _reached(self, share: float) -> bool:
        while self._done(*self.kept) < share * self._plan.total:
            if self._over.wait(0.1):
                return False
        return True

    def _stop_and_start(self) -> None:
        for name, share in self._plan.outages:
            if not self._reached(share):
                return
            began = time.monotonic()
            self._note(f"stops {name}")
            if self._own_redis and name == "redis":
                self._own_redis.fail_over(QUEUE, self._plan.down)
            elif name == "slot":
                assert isinstance(self._own_redis, RedisCluster)
                self._own_redis.move_slot(QUEUE, lambda: time.sleep(0.05))
            else:
                self._restart(name)
            self._note(f"started {name}")
            self._outages[name] = round(time.monotonic() - began + self._outages.get(name, 0.0), 1)

    def _restart(self, name: str) -> None:
        server_stop(name)
        try:
            self._over.wait(self._plan.down)
        finally:
            server_start(name)

    def _lose_redis(self) -> None:
        if self._plan.flush_at <= 1 and self._reached(self._plan.flush_at):
            self._place.redis.flushall()
            self._outages["flush"] = 0.0

    # --- what main does

    def _wait_for(self, task: int, chapters: int) -> bool:
        """Whether so many chapters of the task were done before the day was over."""
        while self._done(task) < chapters:
            if self._over.wait(0.1):
                return False
        return True

    def _task_of(self, book: int) -> int:
        return self.kept[book + (self._plan.twins is not None and book > self._plan.twins)]

    def _move_provider(self) -> None:
        assert self._plan.moved is not None
        if self._wait_for(self._task_of(self._plan.moved), self._plan.chapters[self._plan.moved] // 4):
            self.main.delete_leaving()
            self._note(f"deleted {LEAVING}")

    def _delete_novel(self) -> None:
        if self._wait_for(self._doomed[1], self._plan.deleted // 2):
            self.main.delete_novel(*self._doomed)
            self._note(f"deleted novel {self._doomed[0]}")

    def _queue_old_task(self) -> None:
        """Queues the old worker's task again until it is done, and once more, as if a moment before."""
        while not self.main.old_worker_ended() and not self._over.wait(self._plan.requeue):
            self.main.queue_task(self._old[1])
            self._queued_again += 1

    # --- the reckoning

    def _figures(self, good: GoodDay) -> Figures:
        place, stats, witness = self._place, self._server.stats, self._witness
        tasks = ", ".join(map(str, self.kept))
        rows = place.sql(f"SELECT task_id, chapter_id FROM kgnb_extractions WHERE task_id IN ({tasks})")
        flagged = f"SELECT count(*) FROM kgnb_extractions WHERE task_id IN ({tasks})"
        table = "knowledge_graph_chapter_status"
        marks = place.sql(f"SELECT kg_task_id, chapter_id, status FROM {table} WHERE kg_task_id IN ({tasks})")
        query = f"SELECT sum(completed_chapters) FROM knowledge_graph_tasks WHERE id IN ({tasks})"
        assert not witness.is_blind()
        again, splits = witness.again(self._killed), witness.splits()
        self._note(f"asked again without a kill: {again.unforced}; though stored: {witness.stored_again}")
        failures = sum(count for outcome, count in stats.outcomes.items() if outcome not in COMPLETE)
        dead = {**place.dead(), **place.dead(LEAVING_QUEUE)}
        failed = {f"c:{task}:{chapter}" for task, chapter, status in marks if status == "failed"}
        poison = self._poisoned_chapter()
        return Figures(
            seconds=round(self._seconds, 1),
            kills=len(self._killed),
            idle_kills=len(set(self._killed) - {one.life for one in witness.asked}),
            outages=self._outages,
            chapters=self._plan.total,
            completed=min(place.number(query), sum(status == "completed" for _, _, status in marks)),
            lost=self._plan.total - len(set(rows)),
            gaps=place.number(f"{flagged} AND flags LIKE '%partial%'"),
            doubled=(len(rows) - len(set(rows))) + (len(marks) - len({mark[:2] for mark in marks})),
            dead=len(dead.keys() - {poison}),
            prompts=self._plan.prompts,
            requests=stats.requests,
            outcomes=dict(stats.outcomes),
            split=splits,
            strange=len(witness.strange(good.prompts)),
            again=again.all,
            again_unforced=len(again.unforced),
            again_moved=again.moved,
            again_twins=again.twins,
            stored_again=len(witness.stored_again),
            unsure=len(witness.unsure),
            forced=failures + again.all + 2 * splits + witness.tests(),
            poison=stats.outcomes[POISON],
            poison_failed=dead.keys() == failed == {poison} and self._task_failed(poison),
            moved_to=self._moved_to(),
            twins_apart=self._twins_apart(),
            swept=round(self._swept, 1),
            old=self._old_figures(),
        )

    def _poisoned_chapter(self) -> str:
        """As the dead list names it."""
        if self._plan.poison is None:
            return ""
        book, number = self._plan.poison
        query = "SELECT id FROM chapters WHERE novel_id = :novel AND chapter_number = :number"
        chapter = self._place.number(query, novel=FIRST_NOVEL + book, number=number)
        return f"c:{self._task_of(book)}:{chapter}"

    def _task_failed(self, chapter: str) -> bool:
        return self._place.status(int(chapter.split(":")[1])) == "failed"

    def _moved_to(self) -> str:
        if self._plan.moved is None:
            return ""
        query = "SELECT provider FROM kgnb_tasks WHERE task_id = :id"
        return str(self._place.sql(query, id=self._task_of(self._plan.moved))[0][0])

    def _twins_apart(self) -> float:
        if self._plan.twins is None:
            return 0.0
        first = self._task_of(self._plan.twins)
        query = "SELECT settled_at FROM kgnb_tasks WHERE task_id IN (:first, :second) ORDER BY settled_at"
        one, other = (row[0] for row in self._place.sql(query, first=first, second=first + 1))
        return (other - one).total_seconds()

    def _old_figures(self) -> dict[str, int]:
        """``did``: chapters that the old worker worked, of those ``wanted``; ``queued``: how often its task
        was queued again. What kgnb may not do: delete its keys (``missing``), write ``rows`` for its task,
        undo chapters in its graph, change its task's status (``reopened``)."""
        if not self._plan.old_worker:
            return {}
        novel_id, task = self._old
        told = self.main.old_worker_report()
        return {
            "wanted": len(OLD_NOVEL),
            "did": told["chapters"],
            "queued": self._queued_again,
            "missing": told["missing"],
            "rows": sum(self.main.work_of_kgnb(novel_id, task).values()),
            "undone": len(OLD_NOVEL) - self.main.old_graph(novel_id),
            "reopened": int(self._place.status(task) != "completed"),
        }
