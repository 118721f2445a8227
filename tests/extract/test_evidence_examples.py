"""The examples in the docstrings of English evidence about names, and that order changes no person."""

from __future__ import annotations

import doctest
import random
import re
from collections import Counter

import pytest

from kgnb.extract.clustering import Clusters
from kgnb.extract.en import links, pair_evidence, resolver, vetoes
from kgnb.extract.en.candidates import Candidate
from kgnb.extract.en.pair_evidence import PAIR_EVIDENCE, Pair
from kgnb.extract.en.paragraphs import Paragraphs
from kgnb.extract.en.people import People
from kgnb.extract.en.persons import split_name
from kgnb.extract.weighing import measure, read_weights


def book(names: list[str], text: str) -> People:
    """A book of these names."""
    candidates = {name: Candidate(name) for name in names}
    longest = sorted(names, key=len, reverse=True)
    for match in re.finditer("|".join(rf"\b{re.escape(name)}(?!\w)" for name in longest), text):
        candidates[match[0]].offsets.append(match.start())
        candidates[match[0]].before[text[: match.start()].split(" ")[-2:][0]] += 1
    return links.with_links(People(text, candidates, Paragraphs(text), Counter()))


def pair(one: str, other: str, text: str = "", others: str = "") -> Pair:
    """Two persons, each of some names, in a book of their names alone or of ``text``."""
    groups = [tuple(sorted(names.split(", "))) for names in (one, other)]
    names = [*groups[0], *groups[1], *(others.split(", ") if others else ())]
    told = (
        text
        + "\n"
        + " ".join(f"{name}." for name in names if not re.search(rf"{re.escape(name)}(?!\w)", text))
    )
    return Pair(*groups, book(names, told))


def test_the_examples_of_all_evidence_hold() -> None:
    for module, more in (
        (pair_evidence, {"pair": pair}),
        (vetoes, {"pair": pair}),
        (links, {"split_name": split_name}),
    ):
        assert doctest.testmod(module, extraglobs=more).failed == 0
    assert all(">>>" in (f.__doc__ or "") for f in PAIR_EVIDENCE)


def test_every_weight_is_that_of_some_evidence() -> None:
    kinds = {*resolver.RESOLVER.reasons}
    assert read_weights("en", "pairs").keys() - kinds <= {"bias", *(f.__name__ for f in PAIR_EVIDENCE)}


@pytest.mark.parametrize(
    ("kind", "one", "other", "text", "others"),
    [
        ("same_full", "Miss Lucy Dale", "Lucy Dale", "", ""),
        ("bare_word", "Miss Anne", "Anne", "", ""),
        ("same_word", "Mr. Dale", "Dr. Dale", "", ""),
        ("first_name", "Anne Dale", "Anne", "", ""),
        ("titled_first_name", "Anne Dale", "Miss Anne", "", ""),
        ("surname", "Tom Dale", "Dale", "", ""),
        ("titled_surname", "Tom Dale", "Mr. Dale", "", ""),
        ("nickname", "Elizabeth Dale", "Lizzy", "", ""),
        ("rank", "Admiral Dale", "Admiral", "", ""),
        ("of_place", "Duke of Brayton", "Lord Brayton", "", ""),
        ("stated", "Mr. Dale", "Moss", "Mr. Dale, alias Moss, came.", ""),
        ("married", "Mrs. Dale", "Anne Moss", "Mr. Dale married Anne Moss.", "Mr. Dale"),
        ("answers", "Mrs. Dale", "Cicely", '"Come, Cicely," said Tom.\n"No," said Mrs. Dale.\n' * 9, "Tom"),
        ("wife", "Mrs. Dale", "Anne", "Mrs. Dale sat. Mr. Dale rose. Anne met her husband. " * 4, "Mr. Dale"),
    ],
)
def test_two_names_are_linked(kind: str, one: str, other: str, text: str, others: str) -> None:
    assert measure((), pair(one, other, text, others))[kind] == 1.0


@pytest.mark.parametrize("seed", range(5))
def test_shuffled_names_are_the_same_people(seed: int) -> None:
    names = [
        "Tom Dale",
        "Tom",
        "Mr. Dale",
        "Dale",
        "Ann Dale",
        "Ann",
        "Miss Dale",
        "Annie",
        "Dr. Moss",
        "Moss",
    ]
    text = " ".join(f"{random.Random(k).choice(names)} sat." for k in range(200))

    def clusters(order: list[str]) -> Clusters:
        return resolver.RESOLVER.clusters(book(order, text))

    found, again = clusters(names), clusters(random.Random(seed).sample(names, len(names)))
    assert (again.members, again.joins) == (found.members, found.joins)
