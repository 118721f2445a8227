"""A worker from before kgnb, as the wire contract has it: takes an item by BRPOP, works one task at a time
without a lease, marks its chapters itself, and leaves after its first task.

    python -m tests.support.old_worker NAME QUEUE SECONDS_A_CHAPTER

Finds one character in each chapter. Prints how many it did, and how often a key of its own was gone.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable
from datetime import datetime
from typing import TypeVar

import neo4j
import sqlalchemy as sa

from kgnb.core.model import beijing_now
from kgnb.stores.ledger import tables as t
from tests.support.redis_servers import REDIS_DOWN, follower

R = TypeVar("R")

WORKER_ID = 7
HERO = "孙明远"
GRAPH = """
MERGE (n:Novel {id: $novel}) SET n.task_id = [$task]
MERGE (c:Chapter {id: $chapter}) SET c.novel_id = $novel, c.chapter_number = $number, c.task_id = [$task]
MERGE (p:Character {name: $hero, novel_id: $novel}) SET p.task_id = [$task], p.extracted_by = 'ai'
MERGE (p)-[e:APPEARS_IN]->(c) SET e.novel_id = $novel, e.task_id = [$task]
"""
DOWN = (
    *REDIS_DOWN,
    sa.exc.OperationalError,
    neo4j.exceptions.DriverError,
    neo4j.exceptions.TransientError,
)


def through(call: Callable[[], R]) -> R:
    """Repeats a call that may be made twice until no outage stops it."""
    while True:
        try:
            return call()
        except DOWN:
            time.sleep(0.3)


class OldWorker:
    """One of them, with one slot."""

    def __init__(self, name: str, queue: str, pace: float, env: dict[str, str]) -> None:
        self._name, self._queue, self._pace = name, queue, pace
        self._node, self._worker = f"kg:nodes:{name}", f"kg:worker:{WORKER_ID}"
        self._redis = follower(env)
        login = {"username": env["DB_USER"], "password": env["DB_PASSWORD"], "database": env["DB_NAME"]}
        url = sa.URL.create("mysql+pymysql", host=env["DB_HOST"], port=int(env["DB_PORT"]), **login)
        self._sql = sa.create_engine(url, pool_pre_ping=True)
        auth = (env["NEO4J_USER"], env["NEO4J_PASSWORD"])
        self._graph = neo4j.GraphDatabase.driver(env["NEO4J_URI"], auth=auth)
        self._started = datetime.now().astimezone().isoformat()
        self._shown = False
        self.missing = 0

    def run(self) -> int:
        """Works the first task that it gets; returns the number of chapters."""
        self._beat()
        _, item = self._redis.brpop([self._queue])
        task = int(json.loads(item)["task_id"])
        self._beat(task)
        chapters = through(lambda: self._take(task))
        for chapter in chapters:
            self._mark(task, chapter.id, "running")
            time.sleep(self._pace)
            facts = {"novel": chapter.novel_id, "chapter": chapter.id, "number": chapter.chapter_number}
            through(lambda facts=facts: self._graph.execute_query(GRAPH, task=task, hero=HERO, **facts))
            self._mark(task, chapter.id, "completed")
            self._beat(task)
        now = beijing_now()
        self._set(
            t.tasks, t.tasks.c.id == task, status="completed", completed_at=now, current_chapter_id=None
        )
        self._beat()
        through(lambda: self._redis.delete(self._node, self._worker))
        return len(chapters)

    def _take(self, task: int) -> list[sa.Row]:
        """Its task's chapters, once the task runs and each has its row."""
        with self._sql.begin() as c:
            c.execute(sa.update(t.tasks).where(t.tasks.c.id == task).values(status="running"))
            novel = sa.select(t.tasks.c.novel_id).where(t.tasks.c.id == task).scalar_subquery()
            order = t.chapters.c.chapter_number
            chapters = c.execute(
                sa.select(t.chapters).where(t.chapters.c.novel_id == novel).order_by(order)
            ).all()
            rows = [
                {"kg_task_id": task, "chapter_id": chapter.id, "status": "pending"} for chapter in chapters
            ]
            c.execute(sa.delete(t.chapter_status).where(t.chapter_status.c.kg_task_id == task))
            c.execute(sa.insert(t.chapter_status), rows)
            return list(chapters)

    def _mark(self, task: int, chapter: int, status: str) -> None:
        s = t.chapter_status
        self._set(s, sa.and_(s.c.kg_task_id == task, s.c.chapter_id == chapter), status=status)

    def _set(self, table: sa.Table, where: sa.ColumnElement[bool], **values: object) -> None:
        def write() -> None:
            with self._sql.begin() as c:
                c.execute(sa.update(table).where(where).values(**values))

        through(write)

    def _beat(self, task: int | None = None) -> None:
        """Writes its two hashes; nobody else may have deleted them."""
        through(lambda: self._write_hashes(task))

    def _write_hashes(self, task: int | None) -> None:
        client, pid = self._redis, os.getpid()
        if self._shown and client.exists(self._node, self._worker) < 2:
            self.missing += 1
        now = datetime.now().astimezone().isoformat()
        node = {"node_id": self._name, "node_type": "worker", "workers_per_provider": 1, "pid": pid}
        node |= {"started_at": self._started, "last_heartbeat": now}
        worker: dict[str, object] = {"provider": "dryrun", "pid": pid, "node_name": self._name}
        worker |= {"last_heartbeat": time.time()}
        if task is not None:
            worker |= {"task_id": task, "start_time": time.time()}
        with client.pipeline(transaction=False) as pipe:
            pipe.hset(self._worker, mapping={name: json.dumps(value) for name, value in worker.items()})
            pipe.expire(self._worker, 7200)
            if task is None:
                pipe.hdel(self._worker, "task_id", "start_time")
            pipe.hset(self._node, mapping={name: json.dumps(value) for name, value in node.items()})
            pipe.expire(self._node, 180)
            pipe.execute()
        self._shown = True


if __name__ == "__main__":
    worker = OldWorker(sys.argv[1], sys.argv[2], float(sys.argv[3]), dict(os.environ))
    print(json.dumps({"chapters": worker.run(), "missing": worker.missing}))
