"""With a perfect LLM the graph is perfect: each gold person once, with every name, and all ties between them.

The name table, made by statistics, may be missing, as the pre-scan has it, or wrong in every way: a word of a
reply outranks it.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from itertools import combinations
from pathlib import Path
from typing import Any, Literal

import pytest

from kgnb.extract import name_scan
from kgnb.extract.model import Extraction, NameEntry
from tests.support.oracle import Oracle, Person, Seen, Truth, problems, settled, strength
from tests.support.oracle_books import GoldBook, en_book, zh_book
from tests.support.oracle_run import LIMIT, Library, in_order, on_three_nodes

BOOKS = {"zh": zh_book, "en": en_book}
FORMS: Any = ("form", "person")


@lru_cache
def book(lang: str) -> GoldBook:
    return BOOKS[lang]()


@lru_cache
def scanned(lang: str) -> list[NameEntry]:
    return name_scan.scan(book(lang).chapters, book(lang).lang)


def wrong(oracle: Oracle, truth: Truth, rows: Sequence[tuple[int, Extraction]], table: Any = ()) -> list[str]:
    return problems(Seen.of_graph(settled(rows, table)), oracle, truth)


# --- the judge ----------------------------------------------------------------------------------------------

THREE = Oracle(
    [Person("甲", ("甲", "甲公", "大人")), Person("乙", ("乙", "大人")), Person("丙", ("丙",))], "zh"
)
TRUE = Truth({"甲", "乙"}, {("甲", "SERVES", "乙")}, {("甲", "宴")}, {("甲", 1), ("乙", 1)})


def seen(**changed: Any) -> Seen:
    true: dict[str, Any] = {
        "people": {"甲": frozenset({"甲", "甲公", "大人"}), "乙": frozenset({"乙", "大人"})},
        "ties": {("甲", "SERVES", "乙"): strength("甲", "乙")},
        "events": {("甲", "宴")},
        "appears": {("甲", 1), ("乙", 1)},
    }
    return Seen(**true | changed)


def test_the_true_graph_has_no_problems() -> None:
    assert problems(seen(), THREE, TRUE) == []
    by_other_name = {"甲公": frozenset({"甲", "甲公", "大人"}), "乙": frozenset({"乙", "大人"})}
    ties = {("甲公", "SERVES", "乙"): strength("甲", "乙")}
    other = seen(people=by_other_name, ties=ties, events={("甲公", "宴")}, appears={("甲公", 1), ("乙", 1)})
    assert problems(other, THREE, TRUE) == []


@pytest.mark.parametrize(
    "changed",
    [
        {"people": {"甲": frozenset({"甲", "甲公", "大人", "乙"})}},
        {"people": seen().people | {"甲公": frozenset({"甲公"})}},
        {"people": seen().people | {"丙": frozenset({"丙"})}},
        {"people": seen().people | {"大人": frozenset({"大人"})}},
        {"people": seen().people | {"甲": frozenset({"甲", "甲公"})}},
        {"people": {"甲": seen().people["甲"], "大人": frozenset({"乙", "大人"})}},
        {"people": {"甲": seen().people["甲"]}},
        {"ties": {}},
        {"ties": {("乙", "SERVES", "甲"): strength("甲", "乙")}},
        {"ties": {("甲", "SERVES", "乙"): 0}},
        {"ties": seen().ties | {("甲", "FRIEND", "乙"): strength("甲", "乙")}},
        {"events": {("乙", "宴")}},
        {"appears": {("甲", 1), ("乙", 2)}},
    ],
)
def test_anything_else_has(changed: dict[str, Any]) -> None:
    assert problems(seen(**changed), THREE, TRUE)


def test_what_stands_in_a_text_is_answered_and_nothing_else() -> None:
    said, told = THREE.reply("甲公说：大人来了。")
    every = ["甲", "甲公", "大人"]
    assert [(c["name"], c["aliases"]) for c in said["characters"]] == [("甲公", every), ("大人", every)]
    assert told.people == {"甲"}
    assert THREE.reply("大人来了。")[0]["characters"] == []  # whose word it is, the text doesn't tell
    assert len(THREE.reply("甲与乙，大人在上。")[0]["characters"]) == 2


# --- two hard books -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("shared", ["context", "all"])
@pytest.mark.parametrize("per", FORMS)
@pytest.mark.parametrize("lang", BOOKS)
def test_a_hard_book_gives_the_true_graph(lang: str, per: Any, shared: Any) -> None:
    oracle = Oracle(book(lang).people, book(lang).lang, per=per, shared=shared)
    rows, truth = oracle.rows(book(lang).chapters, LIMIT)
    assert len(truth.people) == len(oracle.people)
    assert len(truth.ties) > 100
    assert wrong(oracle, truth, rows) == []
    assert wrong(oracle, truth, rows, scanned(lang)) == []


@pytest.mark.parametrize("per", FORMS)
def test_names_spelt_as_the_text_has_them(per: Any) -> None:
    oracle = Oracle(book("en").people, "en", per=per, spelling="text")
    chapters = [(n, text.replace("the ", "The ") if n % 2 else text) for n, text in book("en").chapters]
    rows, truth = oracle.rows(chapters, LIMIT)
    assert wrong(oracle, truth, rows) == []
    assert wrong(oracle, truth, rows, scanned("en")) == []


@pytest.mark.parametrize("lang", BOOKS)
@pytest.mark.parametrize("limit", [400, 1_500, 20_000])
def test_it_does_not_matter_how_chapters_are_cut(lang: str, limit: int) -> None:
    oracle = Oracle(book(lang).people, book(lang).lang)
    rows, truth = oracle.rows(book(lang).chapters, limit)
    assert wrong(oracle, truth, rows, scanned(lang)) == []


@pytest.mark.parametrize("seed", range(2, 6))
@pytest.mark.parametrize("lang", BOOKS)
def test_other_books_of_the_same_people(lang: str, seed: int) -> None:
    other = BOOKS[lang](20, seed=seed)
    oracle = Oracle(other.people, other.lang)
    rows, truth = oracle.rows(other.chapters, LIMIT)
    assert wrong(oracle, truth, rows, name_scan.scan(other.chapters, other.lang)) == []


@pytest.mark.parametrize("lang", BOOKS)
def test_the_order_of_rows_and_names_changes_nothing(lang: str) -> None:
    oracle = Oracle(book(lang).people, book(lang).lang)
    rows, _ = oracle.rows(book(lang).chapters, LIMIT)
    graph = settled(rows, scanned(lang))
    for seed in range(5):
        rng = random.Random(seed)
        mixed = settled(rng.sample(rows, len(rows)), rng.sample(scanned(lang), len(scanned(lang))))
        assert mixed.nodes == graph.nodes
        assert mixed.edges == graph.edges


# --- small books, thousands of them -------------------------------------------------------------------------

OWN = [f"{a}{b}" for a in "甲乙丙丁戊己庚辛" for b in "明志清山海天文仁义礼智信"]
TITLES = ["老太太", "二爷", "将军", "师父", "公子", "夫人", "娘子", "大人"]


def small_people(rng: random.Random) -> list[Person]:
    """Four to nine people, each with a name of their own, more of them, and perhaps titles."""
    free = rng.sample(OWN, len(OWN))
    people = []
    for _ in range(rng.randint(4, 9)):
        own = [free.pop() for _ in range(rng.choice((1, 1, 2, 3, 4)))]
        titles = rng.sample(TITLES, rng.choice((0, 0, 0, 1, 2)))
        every = rng.sample([*own, *titles], len(own) + len(titles))
        people.append(Person(own[0], tuple(every)))
    return people


def small_chapters(people: Sequence[Person], rng: random.Random) -> list[tuple[int, str]]:
    """Chapters of a few lines; each line names one to three people by forms of any kind."""
    chapters = []
    for number in range(1, rng.randint(3, 9)):
        lines = []
        for _ in range(rng.randint(1, 6)):
            present = rng.sample(people, rng.randint(1, 3))
            lines.append("，".join(rng.choice(list(p.standing)) for p in present) + "。")
        chapters.append((number, "".join(lines)))
    return chapters


def bad_table(oracle: Oracle, truth: Truth, rng: random.Random) -> list[NameEntry]:
    """What statistics may have got wrong: names of different people joined, one person's names apart.

    Only what replies contradict: people whom one reply tells beside each other, or who both have other names.
    """
    kinds = ["Character"] * 6 + ["Location", "Organization"]
    table: dict[str, NameEntry] = {}
    for _ in range(rng.randint(0, 8)):
        name, *aliases = rng.sample(sorted(oracle.owners), min(len(oracle.owners), rng.randint(1, 3)))
        bearers = sorted(set().union(*(oracle.owners[n] for n in (name, *aliases))))
        if all(_told_apart(oracle, truth, pair) for pair in combinations(bearers, 2)):
            table.setdefault(name, NameEntry(name, tuple(aliases), rng.choice(kinds), rng.randint(1, 50)))
    return list(table.values())


def _told_apart(oracle: Oracle, truth: Truth, pair: tuple[str, ...]) -> bool:
    return pair in truth.together or all(len(oracle.people[key].names) > 1 for key in pair)


def small(seed: int, per: Literal["form", "person"], *, table: bool) -> list[str]:
    rng = random.Random(seed)
    people = small_people(rng)
    chapters = small_chapters(people, rng)
    oracle = Oracle(people, "zh", per=per, pairs=2)
    rows, truth = oracle.rows(chapters, rng.choice((20, 60, 4_000)))
    entries = bad_table(oracle, truth, rng) if table else []
    found = wrong(oracle, truth, rng.sample(rows, len(rows)), entries)
    return [f"seed {seed}: {one}" for one in found]


@pytest.mark.parametrize("table", [False, True])
@pytest.mark.parametrize("per", FORMS)
def test_small_books(per: Any, table: bool) -> None:
    found = [one for seed in range(400) for one in small(seed, per, table=table)]
    assert found == []


# --- three nodes --------------------------------------------------------------------------------------------


def test_three_nodes_in_random_order_make_the_graph_of_one_in_order(tmp_path: Path) -> None:
    library = Library()
    for own in (zh_book(40), en_book(20)):
        file = tmp_path / f"{own.lang}.txt"
        file.write_text(own.text, "utf-8")
        shelved = library.add(file, Oracle(own.people, own.lang))
        assert len(shelved.chapters) == len(own.chapters)
    with ThreadPoolExecutor() as pool:  # each waits most of the time
        first = pool.submit(in_order, tmp_path / "one", library)
        three, done = on_three_nodes(tmp_path / "three", library)
        one = first.result()
    for shelf, graph in zip(library.books, one, strict=True):
        assert problems(Seen.of_export(graph), shelf.oracle, shelf.truth) == []
    assert three == one
    assert sum(map(len, done)) == len(set().union(*done)) == 60  # each chapter once
    assert all(len(chapters) > 5 for chapters in done)
