"""Chinese names in unlike styles: whom the rules find in a few made-up scenes, and whom they join."""

from __future__ import annotations

import pytest

from kgnb.extract import name_scan
from kgnb.extract.model import NameEntry
from kgnb.extract.zh.candidates import can_be_name
from tests.extract.test_name_scan import bearer, scenes


def people(text: str) -> dict[str, NameEntry]:
    return {e.name: e for e in name_scan.scan([(1, text)], "zh") if e.kind == "Character"}


def names(text: str) -> set[str]:
    return {form for e in people(text).values() for form in (e.name, *e.aliases)}


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("顾先生", "顾太太"),
        ("孟二奶奶", "杨掌柜"),
        ("小栓子", "老孟"),
        ("三顺子", "何大妈"),
        ("铁山大王", "白莲仙姑"),
        ("七斤嫂", "阿毛"),
        ("许四", "许四嫂"),
    ],
)
def test_people_whom_a_title_or_a_pet_name_names(one: str, other: str) -> None:
    found = people(scenes([(one, other), ("周德海", "林秀英")]))
    assert {one, other, "周德海", "林秀英"} <= set(found)


@pytest.mark.parametrize(
    "word", ["三大王", "二将", "那和尚", "曹宅", "金光寺", "又问", "四大金刚", "国王大喜", "李家"]
)
def test_roles_families_places_and_what_is_counted_are_nobodys_name(word: str) -> None:
    assert not can_be_name(word)


@pytest.mark.parametrize("word", ["七巧", "三宝", "诸葛瑾", "百里奚", "九如", "司马光"])
def test_a_numeral_or_a_compound_surname_may_begin_a_name(word: str) -> None:
    assert can_be_name(word)


def test_a_wife_is_not_her_husband() -> None:
    found = people(scenes([("许四", "林秀英"), ("许四嫂", "周德海")]))
    assert bearer(found, "许四") is not bearer(found, "许四嫂")
