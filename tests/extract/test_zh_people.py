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
