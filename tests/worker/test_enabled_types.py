"""What a task's config chooses: kinds of entities and types of relations, in the graph."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

import pytest
import sqlalchemy as sa

from kgnb.core.labels import CHARACTER_RELATIONS, EXTRACTED_LABELS
from kgnb.core.model import TaskConfig
from kgnb.stores.ledger import tables as t
from tests.support.built_graphs import characters, edge, people, settled, tie, ties
from tests.support.ledgers import execute, opened

CONTENT = {
    "characters": people("刘备", "关羽"),
    "locations": [{"name": "涿县"}],
    "organizations": [{"name": "蜀汉"}],
    "events": [{"name": "结义", "participants": ["刘备", "张飞"], "location": "涿县"}],
    "relations": [
        tie("刘备", "关羽", "SIBLING"),
        tie("关羽", "曹操", "SERVES"),
        tie("刘备", "蜀汉", "BELONGS_TO"),
    ],
    "things": [{"name": "赤兔", "kind": "马"}],
}


def labels(config: TaskConfig) -> set[str]:
    return {label for label, _ in settled(CONTENT, config=config).nodes} - {"Novel", "Chapter"}


def without(*off: str) -> TaskConfig:
    return TaskConfig(labels=tuple(label for label in EXTRACTED_LABELS if label not in off))


@pytest.mark.parametrize("off", EXTRACTED_LABELS)
def test_a_kind_that_is_switched_off_makes_no_node_by_any_way(off: str) -> None:
    assert labels(without(off)) == set(EXTRACTED_LABELS) - {off}


def test_all_kinds_but_things_are_on_by_default() -> None:
    assert labels(TaskConfig()) == set(EXTRACTED_LABELS)
    assert labels(TaskConfig(thing_kinds=("马",))) == {*EXTRACTED_LABELS, "Thing"}


def test_without_relations_people_and_what_happens_stay() -> None:
    graph = settled(CONTENT, config=TaskConfig(relation_types=()))
    assert characters(graph) == {"刘备", "关羽", "张飞"}
    assert {type_ for _, type_, _ in graph.edges} == {"APPEARS_IN", "PARTICIPATES_IN", "OCCURS_IN"}


@pytest.mark.parametrize(
    ("enabled", "expected"),
    [
        (CHARACTER_RELATIONS, {("关羽", "SIBLING", "刘备"), ("关羽", "SERVES", "曹操")}),
        (("SIBLING",), {("关羽", "SIBLING", "刘备"), ("关羽", "KNOWS", "曹操")}),
    ],
)
def test_a_type_that_is_switched_off_is_a_word(
    enabled: Collection[str], expected: set[tuple[str, str, str]]
) -> None:
    graph = settled(CONTENT, config=TaskConfig(relation_types=tuple(enabled)))
    assert ties(graph) == expected
    if "SERVES" not in enabled:
        assert edge(graph, "关羽", "KNOWS", "曹操").properties["label"] == "SERVES"


async def test_a_row_without_entities_leaves_people_and_their_ties(tmp_path: Path) -> None:
    async with opened(f"sqlite:///{tmp_path / 'kgnb.db'}") as ledger:
        kinds = [{"type": "法宝", "enabled": True}]
        row = {"is_default": 1, "enable_entity_extraction": 0, "entity_types": kinds}
        await execute(ledger, sa.insert(t.configs).values(**row))
        config = await ledger.providers.default_config()
    assert (config.labels, config.thing_kinds) == (("Character",), ())
    graph = settled(CONTENT, config=config)
    assert {label for label, _ in graph.nodes} == {"Novel", "Chapter", "Character"}
    assert len(ties(graph)) == 2
