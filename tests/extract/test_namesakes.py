"""One word for several people within a chapter: passages are put together without mixing them up."""

from __future__ import annotations

from typing import Any

import pytest

from kgnb.extract.merge_chunks import merge
from kgnb.extract.model import Extraction


def passage(
    *people: tuple[str, list[str]], tie: tuple[str, str] | None = None, event: list[str] | None = None
) -> Extraction:
    given: dict[str, Any] = {"characters": [{"name": n, "aliases": a} for n, a in people]}
    if tie:
        given["relations"] = [{"source": tie[0], "target": tie[1], "type": "FRIEND"}]
    if event:
        given["events"] = [{"name": "宴", "participants": event}]
    return Extraction.model_validate(given)


def told(whole: Extraction) -> tuple[list[tuple[str, list[str]]], set[tuple[str, str]], list[list[str]]]:
    return (
        [(c.name, c.aliases) for c in whole.characters],
        {(r.source, r.target) for r in whole.relations},
        [e.participants for e in whole.events],
    )


FIRST = passage(("二爷", ["沈砚秋"]), ("阿云", []), tie=("二爷", "阿云"), event=["阿云", "二爷"])
SECOND = passage(("二爷", ["韩立春", "立春"]), ("石敢", []), tie=("石敢", "二爷"), event=["二爷"])


def test_two_of_one_name_stay_two_and_keep_their_own_ties() -> None:
    people, ties, events = told(merge([FIRST, SECOND]))
    assert people == [("二爷", ["沈砚秋"]), ("阿云", []), ("二爷", ["韩立春", "立春"]), ("石敢", [])]
    assert ties == {("沈砚秋", "阿云"), ("石敢", "韩立春")}
    assert events == [["阿云", "沈砚秋", "韩立春"]]


def test_a_passage_in_between_that_has_both_aliases_shows_that_they_are_one() -> None:
    between = passage(("曹操", ["孟德", "阿瞒"]), tie=("曹操", "关羽"))
    parts = [passage(("曹操", ["孟德"])), passage(("曹操", ["阿瞒"])), between, passage(("曹操", []))]
    people, ties, _ = told(merge(parts))
    assert people == [("曹操", ["孟德", "阿瞒"])]
    assert ties == {("曹操", "关羽")}


def test_titles_that_two_namesakes_share_make_them_not_one() -> None:
    parts = [
        passage(("二爷", ["大人", "沈砚秋"])),
        passage(("二爷", ["韩立春", "大人"]), tie=("二爷", "阿云")),
    ]
    people, ties, _ = told(merge(parts))
    assert people == [("二爷", ["大人", "沈砚秋"]), ("二爷", ["韩立春", "大人"])]
    assert ties == {("韩立春", "阿云")}


def test_a_word_that_another_passage_has_for_somebody_else_gives_way_to_a_name() -> None:
    one = passage(("沈砚秋", ["师父", "砚秋"]), ("阿云", []), tie=("师父", "阿云"), event=["师父"])
    people, ties, events = told(merge([one, passage(("霍云", ["师父"]))]))
    assert people == [("沈砚秋", ["师父", "砚秋"]), ("阿云", []), ("霍云", ["师父"])]
    assert ties == {("沈砚秋", "阿云")}
    assert events == [["沈砚秋"]]


def test_a_wrong_alias_renames_nobody() -> None:
    wrong = passage(("曹操", ["孟德", "曹丕"]), tie=("曹操", "关羽"))
    assert told(merge([wrong, passage(("曹丕", ["子桓"])), passage(("曹操", ["孟德", "阿瞒"]))]))[1] == {
        ("曹操", "关羽")
    }


def test_a_word_for_both_in_one_passage_is_left_as_it_is() -> None:
    both = passage(("二爷", ["沈砚秋"]), ("二爷", ["韩立春"]), tie=("二爷", "阿云"))
    people, ties, _ = told(merge([both]))
    assert people == [("二爷", ["沈砚秋"]), ("二爷", ["韩立春"])]
    assert ties == {("二爷", "阿云")}


@pytest.mark.parametrize("cut", [1, 2, 3])
def test_how_a_chapter_was_split_does_not_matter(cut: int) -> None:
    parts = [FIRST, SECOND, FIRST, passage(("立春", ["韩立春"]))]
    left, right = merge(parts[:cut]), merge(parts[cut:])
    assert told(merge([left, right])) == told(merge(parts))
