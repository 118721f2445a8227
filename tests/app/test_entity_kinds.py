"""Which kinds of entities are asked for: a config's row, KGNB_THING_KINDS, `--kinds`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import sqlalchemy as sa

from kgnb.core.labels import EXTRACTED_LABELS
from kgnb.core.model import TaskConfig
from kgnb.core.settings import Settings
from kgnb.extract.prompt import PromptBuilder
from kgnb.llm.fake import model as fake_model
from kgnb.stores.ledger import tables as t
from kgnb.stores.ledger.ledger import Ledger
from tests.support.built_graphs import people, settled, tie
from tests.support.commands import Place, llm, novel
from tests.support.ledgers import execute, new_task


async def configured(ledger: Ledger, **values: object) -> TaskConfig:
    await execute(ledger, sa.insert(t.configs).values(is_default=1, **values))
    return await ledger.providers.default_config()


class TestConfig:
    async def test_a_row_adds_kinds_and_switches_off_some_of_the_four(self, ledger: Ledger) -> None:
        kinds = [
            {"type": "Character", "name": "人物", "enabled": True},
            {"type": "Location", "name": "地点", "enabled": False},
            {"type": "事件", "enabled": False},
            {"type": "法宝", "enabled": True},
            {"type": "功法", "enabled": False},
        ]
        config = await configured(ledger, entity_types=kinds)
        assert config.labels == ("Character", "Organization")
        assert config.thing_kinds == ("法宝",)

    @pytest.mark.parametrize(
        "value", [None, [], "x", [{"type": k, "enabled": False} for k in EXTRACTED_LABELS]]
    )
    async def test_a_row_that_names_nothing_leaves_the_four(self, ledger: Ledger, value: object) -> None:
        config = await configured(ledger, entity_types=value)
        assert (config.labels, config.thing_kinds) == (EXTRACTED_LABELS, ())

    async def test_a_row_without_relations(self, ledger: Ledger) -> None:
        assert (await configured(ledger, enable_relation_extraction=0)).relation_types == ()
        assert (await configured(ledger, enable_relation_extraction=1)).relation_types

    async def test_this_process_own_kinds_come_before_the_rows(self, ledger: Ledger) -> None:
        own = Ledger(ledger.database, thing_kinds=("丹药", "丹药", "person", "x" * 99))
        assert (await own.providers.default_config()).thing_kinds[0] == "丹药"
        assert len((await own.providers.default_config()).thing_kinds) <= 2
        await configured(ledger, entity_types=["法宝"])
        assert (await own.providers.default_config()).thing_kinds[0] == "丹药"
        assert (await ledger.providers.default_config()).thing_kinds == ("法宝",)

    async def test_a_task_keeps_the_kinds_that_it_was_opened_with(self, ledger: Ledger) -> None:
        novel_id, task_id = await new_task(ledger)
        assert (await ledger.tasks.get(task_id)).thing_kinds is None
        await ledger.names.freeze(task_id, novel_id, [], kinds=["法宝"])
        await ledger.names.freeze(task_id, novel_id, [], kinds=["丹药"])
        assert (await ledger.tasks.get(task_id)).thing_kinds == ("法宝",)
        given = {"provider": "DeepSeek", "model": "chat", "use_ai": True, "name": "三国"}
        own = await ledger.tasks.create(novel_id, thing_kinds=["功法"], **given)
        await ledger.names.freeze(own, novel_id, [], kinds=["丹药"])
        assert (await ledger.tasks.get(own)).thing_kinds == ("功法",)
        found = await ledger.tasks.with_model(novel_id, "deepseek", "chat", ["功法"])
        assert [task.id for task in found] == [own]

    def test_the_setting_is_a_list_with_any_commas(self) -> None:
        assert Settings.load(kinds="法宝, 功法，丹药、境界;skills").kinds == (
            *("法宝", "功法", "丹药", "境界", "skills"),
        )
        assert Settings.load().kinds == ()


class TestPrompt:
    @pytest.mark.parametrize("lang", ["zh", "en"])
    def test_asks_only_for_what_is_enabled(self, lang: str) -> None:
        config = TaskConfig(labels=("Character", "Event"), relation_types=(), thing_kinds=("法宝",))
        asked = PromptBuilder(lang, [], config).prompt("文。")
        assert list(asked.schema["properties"]) == ["characters", "events", "things"]
        for word in ("locations", "organizations", "relations", "KNOWS"):
            assert word not in asked.system
        assert asked.hash != PromptBuilder(lang, [], TaskConfig()).prompt("文。").hash


CONTENT = {
    "characters": people("韩立"),
    "locations": [{"name": "七玄门"}],
    "events": [{"name": "入门", "participants": ["韩立"], "location": "七玄门"}],
    "things": [{"name": "掌天瓶", "kind": "法宝", "aliases": ["小瓶"]}],
    "relations": [tie("韩立", "掌天瓶"), tie("韩立", "七玄门")],
}


class TestSettle:
    def test_what_is_switched_off_is_no_node_by_any_way(self) -> None:
        graph = settled(CONTENT, config=TaskConfig(labels=("Character", "Event")))
        assert {n.label for n in graph.nodes.values()} == {"Novel", "Chapter", "Character", "Event"}
        assert {e.type for e in graph.edges.values()} == {"APPEARS_IN", "PARTICIPATES_IN"}

    def test_a_thing_has_its_kind_and_its_other_names(self) -> None:
        graph = settled(CONTENT, config=TaskConfig(thing_kinds=("法宝",)))
        thing = graph.nodes["Thing", "掌天瓶"].properties
        assert (thing["kind"], thing["aliases"], thing["novel_id"]) == ("法宝", ["小瓶"], 1)


def with_a_thing(text: str) -> str:
    found = json.loads(fake_model.answer(text))
    return json.dumps({**found, "things": [{"name": "玄铁剑", "kind": "法宝"}]}, ensure_ascii=False)


@pytest.mark.usefixtures("running_engines")
def test_build_asks_for_kinds_and_a_longer_edition_for_the_same_ones(tmp_path: Path) -> None:
    with llm(answer=with_a_thing) as server:
        place = Place(tmp_path, server.env())
        book, longer = novel(tmp_path / "a.txt", 2, seed=71), novel(tmp_path / "b.txt", 3, seed=71)

        def things(task: int) -> list[dict]:
            nodes = place.graph(task)["nodes"].values()
            return [n["properties"] for n in nodes if n["label"] == "Thing"]

        plain = place.build(book)
        assert things(plain["task_id"]) == []  # nobody asked for it
        first = place.build(book, "--kinds", "法宝,功法")
        assert (first["novel_id"], first["requests"]) == (plain["novel_id"], 2)
        (sword,) = things(first["task_id"])
        assert (sword["name"], sword["kind"], sword["chapters"]) == ("玄铁剑", "法宝", [1, 2])
        listed = place.run("names", str(first["task_id"]), "--all", "--json").json
        assert [one["name"] for one in listed if one["kind"] == "Thing"] == ["玄铁剑"]
        grown = place.build(longer)
        assert grown["requests"] == 1
        (sword,) = things(grown["task_id"])
        assert sword["chapters"] == [1, 2, 3]
        again = place.build(longer, env={"KGNB_THING_KINDS": "功法，法宝"})
        assert again["requests"] == 0
        by_rules = [place.build(book, "--provider", "rules", *more) for more in ((), ("--kinds", "功法"))]
        assert by_rules[0]["task_id"] == by_rules[1]["task_id"]  # which they don't find
