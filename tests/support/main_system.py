"""Main, the book system, beside kgnb's nodes: its providers, novels and tasks, and an old worker."""

from __future__ import annotations

import json
import subprocess
import sys
from contextlib import suppress

import neo4j
import redis
import sqlalchemy as sa
from pydantic import SecretStr

from kgnb.core.model import beijing_now
from kgnb.stores.ledger import tables as t
from kgnb.worker.api_keys import ApiKeys
from tests.support.cluster import QUEUE, Cluster
from tests.support.commands import environment
from tests.support.old_worker import HERO, through
from tests.support.paths import ROOT
from tests.support.patience import SLOWEST
from tests.support.services import graph_driver
from tests.support.witness import api_key

LEAVING = "Leaving"
"""The provider that is deleted in mid-run."""
LEAVING_QUEUE = "kg:task:queue:leaving"
OLD_NODE = "old-1"
PAID = ("kgnb_replies",)
"""What outlives its task: replies that were paid for."""


class MainSystem:
    """What main does by itself; an outage only delays it."""

    def __init__(self, place: Cluster) -> None:
        self._place = place
        self._old: subprocess.Popen[str] | None = None
        t.METADATA.create_all(place.engine, t.MAIN)

    def _execute(self, *statements: sa.Executable) -> None:
        """Each is committed by itself: whoever works meanwhile sees what is gone already."""
        for statement in statements:
            through(lambda statement=statement: self._commit(statement))

    def _commit(self, statement: sa.Executable) -> None:
        with self._place.engine.begin() as c:
            c.execute(statement)

    def _cypher(self, text: str, **values: object) -> list[neo4j.Record]:
        def run() -> list[neo4j.Record]:
            with graph_driver(self._place.env) as driver:
                return driver.execute_query(text, **values).records

        return through(run)

    # --- a provider

    def add_leaving(self, url: str) -> None:
        """The provider that will go; its key is each node's own, so that its requests tell whose they are."""
        row = {"name": LEAVING, "display_name": LEAVING, "base_url": url, "api_key": "", "models": ["dryrun"]}
        self._execute(sa.insert(t.ai_providers).values(**row, is_active=1))

    def key_file(self, life: str, url: str) -> str:
        """A file with the key of ``life`` for it."""
        path = self._place.path / "keys" / f"{life}.json"
        ApiKeys(path).save(LEAVING, SecretStr(api_key(life, LEAVING)), url, outside=self._place.place.data)
        return str(path)

    def delete_leaving(self) -> None:
        """Its row goes; what waits in its queue waits for another provider."""
        self._execute(sa.delete(t.ai_providers).where(t.ai_providers.c.name == LEAVING))
        while item := through(lambda: self._place.redis.rpop(LEAVING_QUEUE)):
            moved = json.dumps(json.loads(item) | {"provider": "dryrun"})
            through(lambda moved=moved: self._place.redis.lpush(QUEUE, moved))

    # --- a novel

    def delete_novel(self, novel: int, task: int) -> None:
        """The graph first, then SQL, while nodes work on it."""
        self._cypher(
            "MATCH (n) WHERE n.novel_id = $novel OR (n:Novel AND n.id = $novel) DETACH DELETE n", novel=novel
        )
        self._execute(
            sa.delete(t.tasks).where(t.tasks.c.id == task),
            sa.delete(t.chapter_status).where(t.chapter_status.c.kg_task_id == task),
            sa.delete(t.chapters).where(t.chapters.c.novel_id == novel),
            sa.delete(t.novels).where(t.novels.c.id == novel),
        )

    def left_of(self, novel: int, task: int) -> dict[str, int]:
        """How much of a deleted novel the tables and the graph still have."""
        found: dict[str, int] = {}
        for table in t.METADATA.sorted_tables:
            columns = {"novel_id": novel, "task_id": task, "kg_task_id": task}
            where = [table.c[name] == value for name, value in columns.items() if name in table.c]
            if where and table.name not in PAID:
                query = sa.select(sa.func.count()).select_from(table).where(sa.or_(*where))
                with self._place.engine.connect() as c:
                    found[table.name] = c.scalar(query) or 0
        text = "MATCH (n) WHERE n.novel_id = $novel OR (n:Novel AND n.id = $novel) RETURN count(n)"
        found["graph"] = self._cypher(text, novel=novel)[0][0]
        return {name: count for name, count in found.items() if count}

    # --- a task that an old worker works

    def add_task(self, texts: list[str], *, done: bool) -> tuple[int, int]:
        """A novel of main's own, and its task, of which nothing is kgnb's; returns their ids."""
        now = beijing_now()
        with self._place.engine.begin() as c:
            novel = {"title": "旧书", "author": "旧人", "total_chapters": len(texts), "created_at": now}
            novel_id = c.execute(sa.insert(t.novels).values(**novel)).inserted_primary_key[0]
            rows = [
                {"novel_id": novel_id, "title": f"第{n}章", "content": text, "chapter_number": n}
                for n, text in enumerate(texts, 1)
            ]
            c.execute(sa.insert(t.chapters), rows)
            task = {
                "task_name": "旧书",
                "novel_id": novel_id,
                "use_ai": 1,
                "status": "completed" if done else "created",
                "created_at": now,
            }
            added = c.execute(sa.insert(t.tasks).values(**task, total_chapters=len(texts)))
            return novel_id, added.inserted_primary_key[0]

    def queue_task(self, task: int) -> None:
        through(lambda: self._place.redis.lpush(QUEUE, json.dumps({"task_id": task, "provider": "dryrun"})))

    def start_old_worker(self, pace: float) -> None:
        """Starts one and waits until it waits for an item: Redis then gives it the next one."""
        command = [sys.executable, "-m", "tests.support.old_worker", OLD_NODE, QUEUE, str(pace)]
        log = (self._place.path / "old.log").open("w")
        self._old = subprocess.Popen(
            command,
            env=environment(**self._place.env),
            cwd=ROOT,
            text=True,
            stdout=subprocess.PIPE,
            stderr=log,
        )
        log.close()
        in_cluster = isinstance(self._place.redis, redis.RedisCluster)
        everywhere = {"target_nodes": redis.RedisCluster.ALL_NODES} if in_cluster else {}
        self._place.wait_until(
            lambda: "'cmd': 'brpop'" in str(self._place.redis.client_list(**everywhere)),
            60,
            "the old worker waits",
        )

    def old_worker_ended(self) -> bool:
        return self._old is None or self._old.poll() is not None

    def old_worker_report(self) -> dict[str, int]:
        """What it says at its end."""
        assert self._old is not None
        out, _ = self._old.communicate(timeout=10 * SLOWEST)
        assert self._old.returncode == 0, (self._place.path / "old.log").read_text()
        return json.loads(out)

    def work_of_kgnb(self, novel: int, task: int) -> dict[str, int]:
        """What kgnb wrote for a task of an old worker's: there may be nothing."""
        own = {table.name for table in t.OWN}
        return {name: count for name, count in self.left_of(novel, task).items() if name in own}

    def old_graph(self, novel: int) -> int:
        """Of how many chapters the old worker's graph is complete."""
        text = "MATCH (:Character {name: $hero, novel_id: $novel})-[:APPEARS_IN]->(c:Chapter) RETURN count(c)"
        return self._cypher(text, hero=HERO, novel=novel)[0][0]

    def close(self) -> None:
        if self._old is not None:
            with suppress(ProcessLookupError):
                self._old.kill()
            self._old.wait(10 * SLOWEST)
