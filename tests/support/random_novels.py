"""Small random novels with hostile names, and their graphs."""

from __future__ import annotations

import random
from dataclasses import dataclass

from kgnb.core.model import Chapter, TaskConfig
from kgnb.extract.model import Extraction
from kgnb.graph.model import ExtractionRow, Graph, RecordRow
from kgnb.graph.project.projection import novel_builder
from kgnb.stores.graph.store import GraphStore


@dataclass(frozen=True)
class Facts:
    id: int
    title: str = "三国演义"
    author: str = "罗贯中"


HOSTILE = [
    "'; MATCH (n) DETACH DELETE n; //",
    '"}) DETACH DELETE n //',
    "`KNOWS`",
    "<img src=x onerror=alert(1)>",
    "$novel",
    "r[0]",
    "\\u0027\\",
    "名" * 100,
    "é́ ñ 𠮷 😀",
    "null",
]


WORDS = ["KNOWS]->() DETACH DELETE n //", "FRIEND`", "义父", "'", "$p", "X" * 60]


def _extraction(pick: random.Random, pool: list[str]) -> Extraction:
    cast = pick.sample(pool, 7)
    types = ["FRIEND", "ENEMY", "LEADS", "PARENT_OF", *WORDS]
    return Extraction.model_validate(
        {
            "characters": [
                {"name": n, "traits": pick.sample("仁义礼智信", 2), "protagonist_score": pick.randint(0, 100)}
                for n in cast
            ],
            "locations": [
                {"name": pick.choice(["城'", '谷"', "山"]), "description": pick.choice(["", "险"])}
            ],
            "organizations": [{"name": pick.choice(["军", "帮"])}],
            "things": [{"name": "赤兔", "kind": "马"}],
            "events": [
                {"name": f"{pick.choice(HOSTILE)[:20]}{i}", "participants": cast[:3], "location": "山"}
                for i in range(2)
            ],
            "relations": [
                {
                    "source": pick.choice(cast),
                    "target": pick.choice([*cast, "军"]),
                    "type": pick.choice(types),
                    "description": pick.choice(HOSTILE),
                    "strength": pick.randint(1, 10),
                    "evidence": pick.choice(HOSTILE),
                }
                for _ in range(8)
            ],
        }
    )


CONFIG = TaskConfig(thing_kinds=("马",), relation_types=(*TaskConfig().relation_types, *WORDS))


@dataclass
class Novel:
    """A small random novel: what each chapter gave, and its graph."""

    facts: Facts
    chapters: list[Chapter]
    rows: list[RecordRow]

    @classmethod
    def make(cls, novel_id: int, count: int = 6, seed: int = 0, task: int = 7) -> Novel:
        pick = random.Random(seed)
        pool = [*(f"人{i}" for i in range(8)), *HOSTILE]
        chapters, rows = [], []
        for number in range(1, count + 1):
            chapters.append(Chapter(novel_id * 1000 + number, novel_id, number, f"第{number}回 '\"", 3000))
            found = _extraction(pick, pool)
            rows.append(
                RecordRow(
                    ExtractionRow(
                        *(task, novel_id, chapters[-1].id, number, "h", "p", found, "deepseek", "m", 1)
                    )
                )
            )
        return cls(Facts(novel_id), chapters, rows)

    def exact(self, rows: list[RecordRow] | None = None) -> Graph:
        return novel_builder(
            self.facts, self.chapters, self.rows if rows is None else rows, [], CONFIG
        ).graph()


async def begun(store: GraphStore, novel_id: int, seconds: float = 0.0) -> int:
    """The number of a refresh that begins now; its lease ends in ``seconds``."""
    turn, number = await store.begin_refresh(novel_id, seconds)
    assert turn == "mine"
    return number


async def refresh(store: GraphStore, graph: Graph, novel_id: int) -> int:
    number = await begun(store, novel_id)
    return await store.apply(novel_id, graph, number=number)
