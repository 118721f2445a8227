"""Persons from replies that err: wrong aliases join nobody, however long the book is."""

from __future__ import annotations

import random

import pytest

from kgnb.extract.binomial import binomial_tail
from kgnb.graph.resolve.alias_evidence import (
    ChapterMentions,
    Mention,
    PairCounts,
    is_error,
    log_odds,
)
from kgnb.graph.resolve.decisions import CombinedDecisions, Decision, combine_decisions
from kgnb.graph.resolve.identity import Persons
from kgnb.graph.resolve.name_parts import is_short_form, parts
from kgnb.graph.resolve.name_table import name_table

PEOPLE = {chr(0x4E00 + 16 * i) * 2: [chr(0x4E01 + 16 * i) * 2, chr(0x4E02 + 16 * i) * 2] for i in range(12)}
"""Twelve people of three names each; no name shares a character with another."""


def replies(chapters: int, *, wrong: float, seed: int, word: str = "") -> list[ChapterMentions]:
    """Replies that list eight people each, name six of ten aliases, and err; ``word``: one in six gets it."""
    draw = random.Random(seed)
    found = []
    for number in range(chapters):
        mentions = []
        for name in draw.sample(list(PEOPLE), 8):
            aliases = {alias for alias in PEOPLE[name] if draw.random() < 0.6}
            if draw.random() < wrong:
                other = draw.choice([one for one in PEOPLE if one != name])
                aliases.add(draw.choice([other, *PEOPLE[other]]))
            if word and draw.random() < 1 / 6:
                aliases.add(word)
            mentions.append(Mention(name, frozenset(aliases)))
        found.append(ChapterMentions(number, tuple(mentions)))
    return found


def resolved(chapters: list[ChapterMentions]) -> Persons:
    return Persons(chapters, name_table([]), CombinedDecisions())


@pytest.mark.parametrize("chapters", [12, 100, 600])
@pytest.mark.parametrize("wrong", [0.02, 0.05])
def test_a_wrong_alias_joins_nobody_whatever_the_books_length(chapters: int, wrong: float) -> None:
    persons = resolved(replies(chapters, wrong=wrong, seed=chapters))
    assert {name: persons.person(name) for name in PEOPLE} == {name: name for name in PEOPLE}
    if chapters > 12:
        assert all(persons.person(alias) == name for name, also in PEOPLE.items() for alias in also)


def test_a_word_of_many_people_is_no_bridge_and_nobodys_name() -> None:
    persons = resolved(replies(60, wrong=0.02, seed=1, word="那厮"))
    assert not persons.is_unambiguous("那厮")
    assert len({persons.person(name) for name in PEOPLE}) == len(PEOPLE)


def test_one_wrong_bearer_among_many_right_ones_makes_no_word_ambiguous() -> None:
    right, wrong = Mention("刘备", frozenset({"玄德"})), Mention("曹操", frozenset({"玄德"}))
    chapters = [ChapterMentions(n, (right, Mention("曹操", frozenset()))) for n in range(20)]
    persons = resolved([*chapters, ChapterMentions(20, (right, wrong))])
    assert persons.person("玄德") == "刘备"
    assert persons.person("曹操") == "曹操"
    assert not persons.accepts_alias("曹操", "玄德")


def test_chapters_that_list_two_people_outweigh_a_share_of_errors_of_any_number() -> None:
    for n in (10, 100, 1_000, 10_000):
        assert log_odds(PairCounts(joined=n // 50, apart=n - n // 50, chapters=n)) < 0
        assert log_odds(PairCounts(joined=n // 2, apart=n // 10, alone=n // 3, chapters=n)) > 0


def test_an_action_of_the_two_on_each_other_speaks_against_one_person() -> None:
    counts = PairCounts(joined=2, apart=1, chapters=3)
    assert log_odds(counts) > log_odds(counts._replace(acting=1)) + 3


def test_binomial_tail_is_exact() -> None:
    assert binomial_tail(1, 2, 0.05) == pytest.approx(1 - 0.95**2)
    assert binomial_tail(3, 3, 0.05) == pytest.approx(0.05**3)
    assert binomial_tail(2, 50, 0.05) == 1.0
    assert binomial_tail(60, 10_000, 0.001) < 1e-20
    assert is_error(1, 20)
    assert not is_error(5, 20)


def test_parts_of_names() -> None:
    assert parts("Mrs. Lizzy Bennet") == {"lizzy", "elizabeth", "bennet"}
    assert parts("诸葛孔明") == {"诸葛", "葛孔", "孔明"}
    assert parts("The Aged Man") == {"aged"}
    assert parts("林夫人") == {"林夫"}
    assert is_short_form("牛王", "牛魔王")
    assert not is_short_form("王牛", "牛魔王")
    assert not is_short_form("Ann", "Anne")


def test_a_merge_tells_its_counts() -> None:
    one = (Mention("刘备", frozenset({"玄德"})),)
    two = (Mention("刘备", frozenset()), Mention("玄德", frozenset()))
    persons = resolved([ChapterMentions(n, one if n < 5 else two) for n in range(6)])
    reason = persons.reasons("刘备")[0]
    assert (reason.kind, reason.detail, reason.counts.apart) == ("reply", "5", 1)
    assert 0.999 < reason.certainty <= 1


@pytest.mark.parametrize("seed", range(30))
def test_a_persons_merges_and_splits_always_hold(seed: int) -> None:
    draw = random.Random(seed)
    names = [name for name, also in PEOPLE.items() for name in (name, *also)]
    decisions = [
        Decision(number, draw.choice(["merge", "split"]), tuple(draw.sample(names, draw.choice([2, 3]))))
        for number in range(1, 9)
    ]
    combined = combine_decisions(decisions)
    persons = Persons(replies(20, wrong=0.05, seed=seed), name_table([]), combined)
    assert all(persons.person(one) == persons.person(other) for one, other in combined.merged)
    assert not any(persons.person(one) == persons.person(other) for one, other in combined.separated)
