"""Books through real nodes with a perfect LLM: by one node in order, by three in random order."""

from __future__ import annotations

import random
import re
import signal
import subprocess
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from redis import Redis

from kgnb.book.model import BookChapter
from kgnb.book.reader import read_book
from kgnb.stores.embedded.connect import open_queue
from tests.support.commands import Place, Running, llm
from tests.support.engines import redis_client
from tests.support.oracle import Oracle, Truth
from tests.support.patience import SLOWEST, happens_within

LIMIT = 4_000
"""Characters of a chunk that the nodes are told: as few as a config's default allows."""
DONE = re.compile(r"Task (\d+) chapter (\d+): completed")
SLOTS = 3
"""Of each of the three nodes."""


@dataclass(frozen=True)
class Shelved:
    """A book as a file, as a node reads it, and who knows its people."""

    file: Path
    chapters: tuple[BookChapter, ...]
    oracle: Oracle

    @cached_property
    def truth(self) -> Truth:
        """What its graph must say."""
        return self.oracle.rows([(c.number, c.text) for c in self.chapters], LIMIT)[1]


@dataclass
class Library:
    """Books whose people are known, and the model that knows them all; tasks are numbered in their order."""

    books: list[Shelved] = field(default_factory=list)

    def add(self, file: Path, oracle: Oracle) -> Shelved:
        read = read_book(file)
        assert read.lang == oracle.lang
        self.books.append(Shelved(file, read.chapters, oracle))
        return self.books[-1]

    def answer(self, passage: str) -> str:
        """The reply to a passage of any of the books."""
        return self._home(passage)[0].oracle(passage)

    def place(self, passage: str) -> tuple[int, int]:
        """(book, chapter) in which it stands."""
        own, number = self._home(passage)
        return self.books.index(own), number

    def _home(self, passage: str) -> tuple[Shelved, int]:
        return next((one, c.number) for one in self.books for c in one.chapters if passage in c.text)

    @property
    def tasks(self) -> range:
        return range(1, len(self.books) + 1)


def in_order(path: Path, library: Library) -> list[dict[str, Any]]:
    """The books' graphs as one node with one slot makes them."""
    asked: list[str] = []

    def answer(passage: str) -> str:
        asked.append(passage)
        return library.answer(passage)

    with llm(answer=answer) as model, _place(path, model.env()) as place:
        for own in library.books:
            built = place.run("build", own.file, "--provider", "dryrun", "--slots", "1", timeout=900)
            assert built.code == 0, built
        # A chapter's last chunks may be asked about while the next one begins.
        begun = list(dict.fromkeys(library.place(passage) for passage in asked))
        assert begun == sorted(begun)
        return [place.graph(task) for task in library.tasks]


def on_three_nodes(path: Path, library: Library) -> tuple[list[dict[str, Any]], list[set[tuple[str, str]]]]:
    """The books' graphs as three nodes make them at once, the chapters dealt out at random; and the
    (task, chapter) pairs that each node did."""
    logs = [path / f"{name}.log" for name in "abc"]
    with (
        llm(latency=0.4, answer=library.answer) as model,
        _place(path, model.env()) as place,
        open_queue(place.data) as engines,
        redis_client(engines) as redis,
    ):
        nodes = [_start_node(place, log) for log in logs]
        assert happens_within(90, lambda: len(redis.keys("kg:nodes:*")) == len(nodes)), _told(logs)
        with ThreadPoolExecutor() as pool:
            mixed = [pool.submit(_shuffle, redis, task) for task in library.tasks]
            for own in library.books:
                submitted = place.run("submit", own.file, "--provider", "dryrun")
                assert submitted.code == 0, submitted
            assert all(one.result() > 3 for one in mixed)
        settled = "SELECT count(*) FROM kgnb_tasks WHERE settled = 1"
        assert happens_within(900, lambda: place.sql(settled) == [(len(library.books),)]), _told(logs)
        for node in nodes:
            node.send(signal.SIGTERM)
        assert [node.process.wait(30 * SLOWEST) for node in nodes] == [0, 0, 0], _told(logs)
        graphs = [place.graph(task) for task in library.tasks]
    return graphs, [set(DONE.findall(log.read_text("utf-8"))) for log in logs]


def _place(path: Path, env: dict[str, str]) -> Place:
    path.mkdir(parents=True)
    return Place(path, {**env, "KGNB_LANG": "en", "KGNB_CPU_WORKERS": "1", "KGNB_CHUNK_CHARS": str(LIMIT)})


def _start_node(place: Place, log: Path) -> Running:
    with log.open("wb") as out:
        return place.start(
            *("worker", "--slots", str(SLOTS)),
            env={"KG_WORKER_NODE_NAME": log.stem},
            stdout=out,
            stderr=subprocess.STDOUT,
        )


def _shuffle(redis: Redis, task: int) -> int:
    """Deals a task's waiting chapters out at random once it is opened; returns how many those were."""
    key = f"kgnb:todo:{{kg:task:queue:dryrun}}:{task}"

    def mix(pipe: Any) -> int:
        waiting = pipe.lrange(key, 0, -1)
        pipe.multi()
        pipe.delete(key)
        pipe.rpush(key, *random.Random(7).sample(waiting, len(waiting)))
        return len(waiting)

    assert happens_within(300, lambda: redis.llen(key)), f"task {task} was never opened"
    return int(redis.transaction(mix, key, value_from_callable=True))


def _told(logs: list[Path]) -> list[str]:
    return [log.read_text("utf-8", "replace")[-2_000:] for log in logs]
