"""Which Chinese names are one person's: examples of the evidence, and that no order matters."""

from __future__ import annotations

import random
from functools import lru_cache

import pytest

from kgnb.book.reader import story_path
from kgnb.extract.weighing import measure, read_weights
from kgnb.extract.zh.names import NameClassifier
from kgnb.extract.zh.pair_evidence import PAIR_EVIDENCE, Pair, are_apart
from kgnb.extract.zh.people import People
from kgnb.extract.zh.resolver import RESOLVER, people_of
from tests.support.casts import scenes

TALK = scenes([("何守谦", "林秀英"), ("周德海", "林秀英"), ("何守谦", "周德海")])


@lru_cache
def people(told: str) -> People:
    return people_of(TALK + told)


def pair(told: str, one: str, other: str) -> Pair:
    return Pair((one,), (other,), people(told))


@pytest.mark.parametrize(
    ("of", "told", "one", "other"),
    [
        ("字", "何守谦，字子安。子安走了。\n", "何守谦", "子安"),
        ("号", "何守谦人称“铁算盘”。铁算盘走了。\n", "何守谦", "铁算盘"),
        ("排行", "门外正是：二少爷何守谦。\n二少爷走了。\n", "何守谦", "二少爷"),
        ("封", "天子封何守谦为越王。\n越王走了。\n", "何守谦", "越王"),
        ("名", "守谦道：“走。”\n守谦笑道：“好。”\n" * 6, "何守谦", "守谦"),
        ("姓与称", "何先生道：“走。”\n何先生笑道：“好。”\n" * 6, "何守谦", "何先生"),
        ("同位", "何守谦何员外来了。\n" * 3 + "何员外道：“走。”\n" * 6, "何守谦", "何员外"),
        ("名与称", "谦哥道：“走。”\n谦哥笑道：“好。”\n" * 6, "何守谦", "谦哥"),
        ("near", "何先生道：“走。”\n何先生笑道：“好。”\n" * 6, "何守谦", "何先生"),
        ("two_names", "", "何守谦", "林秀英"),
        ("surnames_clash", "", "何守谦", "林秀英"),
        ("is_unseen", "何守谦，字子安。子安走了。\n", "何守谦", "子安"),
    ],
)
def test_a_piece_of_evidence_speaks_where_the_text_gives_it(of: str, told: str, one: str, other: str) -> None:
    value = measure(PAIR_EVIDENCE, pair(told, one, other)).get(of)
    assert value is not None
    assert 0 < value <= 1


@pytest.mark.parametrize("of", ["字", "号", "姓与称", "长辈", "同位"])
def test_two_whom_nothing_links_have_no_evidence_of_a_link(of: str) -> None:
    assert of not in measure(PAIR_EVIDENCE, pair("", "何守谦", "林秀英"))


def test_two_full_names_are_two_people() -> None:
    assert are_apart(pair("", "何守谦", "林秀英"))


def test_a_wife_is_not_her_husband() -> None:
    told = "何太太道：“走。”\n何太太笑道：“好。”\n" * 6
    assert are_apart(pair(told, "何守谦", "何太太"))


def test_each_weight_is_of_a_piece_of_evidence() -> None:
    named = {name for name in read_weights("zh", "pairs") if name.isascii()}  # not the kinds of links
    assert named - {"bias"} <= {one.__name__ for one in PAIR_EVIDENCE}


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_the_order_of_names_and_links_changes_nobody(seed: int) -> None:
    text = story_path().read_text("utf-8") + TALK + "何守谦，字子安。子安走了。何先生道：“走。”\n" * 4
    classifier = NameClassifier(text)
    expected = RESOLVER.persons(found := People(text, classifier), RESOLVER.clusters(found))
    shuffled, rng = People(text, classifier), random.Random(seed)
    for table in (shuffled.links, shuffled.accepted):
        items = list(table.items())
        rng.shuffle(items)
        table.clear()
        table.update(items)  # type: ignore[arg-type]
    rng.shuffle(shuffled.candidates)
    assert RESOLVER.persons(shuffled, RESOLVER.clusters(shuffled)) == expected


def test_an_office_that_is_also_a_surname_is_no_given_name() -> None:
    told = (
        "何守谦，字子安。子安走了。\n林司徒道：“走。”\n林司徒笑道：“好。”\n"
        + "司徒道：“走。”\n司徒来了。\n" * 9
    )
    assert "姓" not in people(told).links.get(("司徒", "林司徒"), {})


def names_of(told: str, name: str) -> set[str]:
    found = people(told)
    persons = RESOLVER.persons(found, RESOLVER.clusters(found))
    return {alias for one in persons for alias in one.names if name in one.names}


def test_a_surname_with_characters_of_a_nickname_is_its_bearers() -> None:
    told = "大哥何守谦，人称“矮脚虎”。矮脚虎走了。\n何矮虎道：“走。”\n何矮虎笑道：“好。”\n" * 4
    assert "何矮虎" in names_of(told, "何守谦")


def test_an_office_before_a_name_is_no_nickname() -> None:
    assert "副先锋" not in names_of("副先锋何守谦来了。副先锋走了。林秀英见副先锋来了。\n" * 6, "何守谦")


def test_a_son_told_without_his_surname_has_his_fathers() -> None:
    far = "那日天晴，众人都在庄上吃酒，说些闲话。\n" * 30
    sons = "周德海有二子：长子名守业，字子成；次子名守礼，字子安。子安走了。\n"
    told = far + sons + far + scenes([("周守礼", "林秀英"), ("何守谦", "周守礼")])
    assert "子安" in names_of(told, "周守礼")
