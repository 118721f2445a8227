"""Which names are one person's: what replies say, what the table may add, words that several people bear."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Any

import pytest

from kgnb.core.model import TaskConfig
from kgnb.extract.generic_words import is_generic
from kgnb.extract.model import NameEntry
from kgnb.graph.model import RecordRow
from kgnb.graph.name_index import NameIndex
from kgnb.graph.project.projection import novel_builder
from kgnb.graph.resolve.alias_evidence import ChapterMentions, Mention
from kgnb.graph.resolve.decisions import Decision, combine_decisions
from kgnb.graph.resolve.identity import Persons
from kgnb.graph.resolve.name_listing import list_names
from kgnb.graph.resolve.name_table import base_of, is_qualified, name_table
from tests.support.built_graphs import NOVEL, chapter, characters, node, people, row, settled, tie, ties


def person(name: str, *aliases: str) -> dict[str, Any]:
    return {"name": name, "aliases": list(aliases)}


def said(*items: dict[str, Any], relations: list[dict[str, Any]] | None = None) -> dict[str, Any]:
    return {"characters": list(items), "relations": relations or []}


def aliases(graph: Any, name: str) -> list[str]:
    return list(node(graph, "Character", name).properties["aliases"])


@pytest.mark.parametrize(
    "word",
    [
        "老爷",
        "二爷",
        "三小姐",
        "the Captain",
        "My dear Papa",
        "师父",
        "that boy",
        "my dear",
        "that guy",
        "那汉子",
        "這個丫頭",
    ],
)
def test_words_for_many_people(word: str) -> None:
    assert is_generic(word)


@pytest.mark.parametrize(
    "word", ["曹操", "林姑娘", "Captain Rowe", "Mrs. Bennet", "老子", "that Tom", "Darling", "Guy", "何兄"]
)
def test_words_for_one(word: str) -> None:
    assert not is_generic(word)


def test_namesakes_are_told_by_their_brackets() -> None:
    assert base_of("张虎（张辽之子）") == "张虎"
    assert base_of("John Smith (the miller)") == "John Smith"
    assert base_of("张虎") == ""
    assert is_qualified("张虎", "张虎（张辽之子）")
    assert is_qualified("张虎（甲）", "张虎（乙）")
    assert not is_qualified("张虎（甲）", "张龙")
    graph = settled(said(person("张虎", "铁枪"), person("张虎（张辽之子）", "张虎", "小虎")))
    assert characters(graph) == {"张虎", "张虎（张辽之子）"}
    assert node(graph, "Character", "张虎（张辽之子）").properties["base_name"] == "张虎"
    assert "base_name" not in node(graph, "Character", "张虎").properties


class TestReplies:
    def test_three_forms_that_name_each_other(self) -> None:
        names = ("甲", "乙", "丙")
        graph = settled(said(*(person(n, *(o for o in names if o != n)) for n in names)))
        assert len(characters(graph)) == 1

    def test_a_word_of_two_people_is_each_chapters_own(self) -> None:
        graph = settled(
            said(person("沈砚秋", "大司空"), person("韩立春", "大司空")),
            said(person("大司空", "沈砚秋"), person("赵某"), relations=[tie("大司空", "赵某")]),
            said(person("大司空", "韩立春"), person("赵某"), relations=[tie("大司空", "赵某", "ENEMY")]),
        )
        assert characters(graph) == {"沈砚秋", "韩立春", "赵某"}
        assert ties(graph) == {("沈砚秋", "FRIEND", "赵某"), ("赵某", "ENEMY", "韩立春")}
        assert aliases(graph, "沈砚秋") == aliases(graph, "韩立春") == ["大司空"]

    def test_without_a_word_of_whom_it_is_who_is_called_so_nearby(self) -> None:
        bare = said(person("大司空"))
        other = said(person("某甲"))
        first, last = said(person("沈砚秋", "大司空")), said(person("韩立春", "大司空"))
        graph = settled(first, bare, *[other] * 20, bare, last)
        assert characters(graph) == {"沈砚秋", "韩立春", "某甲"}
        assert node(graph, "Character", "沈砚秋").properties["chapters"] == [1, 2]
        assert node(graph, "Character", "韩立春").properties["chapters"] == [23, 24]

    def test_between_the_two_it_is_nobodys(self) -> None:
        bare = said(person("大司空"))
        graph = settled(said(person("沈砚秋", "大司空")), bare, said(person("韩立春", "大司空")))
        assert characters(graph) == {"沈砚秋", "韩立春", "大司空"}

    def test_a_kin_word_is_whose_its_own_reply_says(self) -> None:
        graph = settled(
            said(person("老爷", "贾政")), said(person("老爷", "贾赦")), said(person("贾政"), person("贾赦"))
        )
        assert characters(graph) == {"贾政", "贾赦"}
        assert node(graph, "Character", "贾政").properties["chapters"] == [1, 3]

    def test_one_careless_reply_outweighs_nothing(self) -> None:
        good = said(person("刘备", "玄德"), person("关羽", "云长"))
        graph = settled(*[good] * 4, said(person("刘备", "关羽")))
        assert characters(graph) == {"刘备", "关羽"}
        assert "关羽" not in aliases(graph, "刘备")

    def test_who_talks_to_each_other_is_two_unless_many_replies_say_one(self) -> None:
        one = said(person("甲", "乙"))
        beside = said(person("甲"), person("乙"), relations=[tie("甲", "乙")])
        assert characters(settled(one, beside, said(person("乙")))) == {"甲", "乙"}
        assert characters(settled(*[one] * 6, beside)) == {"甲"}

    def test_letter_case_and_the_article_make_no_other_person(self) -> None:
        graph = settled(
            said(person("the Cat", "Cheshire Cat")), said(person("The cat")), said(person("The Cat"))
        )
        assert len(characters(graph)) == 1


class TestTable:
    LIU = NameEntry(
        "刘备", ("玄德", "阿斗"), reasons=(("玄德", "刘备", "字", 0.99), ("阿斗", "刘备", "互斥", 0.6))
    )

    def test_it_adds_what_replies_leave_open(self) -> None:
        graph = settled(said(person("刘备")), said(person("玄德")), names=[self.LIU])
        assert characters(graph) == {"刘备"}

    @pytest.mark.parametrize(
        "contents",
        [
            [said(person("刘备", "皇叔")), said(person("阿斗", "刘禅"))],  # both are somebody else's names
            [said(person("刘备")), said(person("刘备"), person("阿斗"))],  # a reply lists them as two
            [{"relations": [tie("刘备", "阿斗", "PARENT_OF")]}],
        ],
    )
    def test_replies_outweigh_it(self, contents: list[dict[str, Any]]) -> None:
        graph = settled(*contents, names=[self.LIU])
        assert len(characters(graph)) == 2

    def test_a_person_is_called_by_a_name_that_replies_use(self) -> None:
        entry = NameEntry(
            "Elizabeth Bennet",
            ("Elizabeth",),
            reasons=(("Elizabeth", "Elizabeth Bennet", "first name", 0.9),),
        )
        graph = settled(said(person("Elizabeth")), names=[entry])
        assert characters(graph) == {"Elizabeth"}
        assert aliases(graph, "Elizabeth") == ["Elizabeth Bennet"]


def heard(
    *chapters: dict[str, str],
    beside: str = "",
    names: Sequence[NameEntry] = (),
    merged: tuple[str, ...] = (),
) -> set[str]:
    """Who is one, of people with names of one letter. Each chapter's reply says for each name its aliases;
    those of ``beside`` act beside each other in the first one."""
    groups = (frozenset(beside),) if beside else ()
    said = [
        ChapterMentions(
            n, tuple(Mention(name, frozenset(also)) for name, also in one.items()), groups if n == 1 else ()
        )
        for n, one in enumerate(chapters, 1)
    ]
    decisions = combine_decisions([Decision(1, "merge", merged)] if merged else [])
    found = Persons(said, name_table(names), decisions)
    every = {*"".join(name + also for one in chapters for name, also in one.items())}
    every |= {name for entry in names for name in (entry.name, *entry.aliases)} | {*beside}
    people: dict[str, str] = {}
    for name in sorted(every):
        people[found.person(name)] = people.get(found.person(name), "") + name
    return set(people.values())


def entry(name: str, **aliases: str) -> NameEntry:
    return NameEntry(name, tuple(aliases), reasons=tuple((a, name, why, 0.9) for a, why in aliases.items()))


class TestJoins:
    def test_a_join_makes_a_word_clear_and_that_the_next_one(self) -> None:
        chapters = [{"M": "X"}, {"M": "Y"}, {"X": "A"}, {"Y": "A"}, {"A": "Z"}, {"Z": "B"}, {"X": "B"}]
        assert heard(*chapters * 2) == {"ABMXYZ"}
        assert heard(*chapters[1:] * 2) == {"A", "B", "MY", "X", "Z"}

    def test_a_word_is_clear_once_the_table_and_a_person_make_its_bearers_one(self) -> None:
        chapters, table = [{"D": "C"}, {"A": "C"}], [entry("A", B="字")]
        assert heard(*chapters, names=table, merged=("D", "B")) == {"ABCD"}
        assert heard(*chapters, names=table) == {"AB", "C", "D"}

    def test_the_table_adds_nothing_to_a_word_of_two_people(self) -> None:
        table = [entry("M", T="字")]
        assert heard({"A": "M"}, {"B": "M"}, names=table) == {"A", "B", "M", "T"}
        assert heard({"A": "M"}, names=table) == {"AMT"}

    @pytest.mark.parametrize(("reason", "people"), [("stated", {"AMT"}), ("first name", {"AM", "T"})])
    def test_what_the_text_states_needs_no_reply(self, reason: str, people: set[str]) -> None:
        assert heard({"A": "M"}, names=[entry("M", T=reason)]) == people

    @pytest.mark.parametrize("word", "AZ")
    def test_a_word_of_two_people_joins_neither_whichever_name_comes_first(self, word: str) -> None:
        assert heard({"M": word, "N": word}) == {"M", "N", word}
        assert heard({"M": word}, {"N": word}) == {"M", "N", word}

    def test_what_speaks_for_two_speaks_for_all_their_names(self) -> None:
        assert heard({"A": "CD"}, beside="CD") == {"AC", "D"}
        assert heard({"A": "CD"}) == {"ACD"}

    def test_two_that_are_not_joined_hold_no_others_back(self) -> None:
        assert heard({"A": "B", "C": "D"}, beside="AB") == {"A", "B", "CD"}
        assert heard({"A": "B", "C": "D"}, beside="CD") == {"AB", "C", "D"}

    def test_aliases_of_one_item_are_one_even_where_its_name_is_a_word_of_two(self) -> None:
        assert heard({"X": "M", "Y": "M"}, {"M": "BC"}) == {"BC", "M", "X", "Y"}

    def test_what_most_chapters_say_is_heard_first(self) -> None:
        assert heard({"C": "AB"}, {"B": "C"}, beside="CA") == {"A", "BC"}
        assert heard({"C": "AB"}, {"A": "C"}, beside="CB") == {"AC", "B"}

    def test_what_is_said_of_one_is_not_said_of_whom_a_person_made_the_same(self) -> None:
        assert heard({"D": "B"}, beside="CB", merged=("D", "C")) == {"BCD"}

    def test_the_table_joins_no_two_who_act_beside_each_other_through_a_third_name(self) -> None:
        assert heard({}, beside="AB", names=[entry("C", A="字", B="互斥")]) == {"AC", "B"}


def test_long_lists_of_a_hostile_reply_take_no_time() -> None:
    many = [f"n{i}" for i in range(500)]
    contents = [{"characters": [person(f"p{k}", *many) for k in range(60)]} for _ in range(3)]
    graph = settled(*contents, {"characters": people("甲")})
    assert {"甲", "p0"} <= characters(graph)


def test_thousands_of_decisions_are_combined() -> None:
    rng = random.Random(1)
    decisions = [
        Decision(i, "split" if i % 3 == 0 else "merge", tuple(f"n{rng.randrange(4_000)}" for _ in range(60)))
        for i in range(1, 300)
    ]
    combined = combine_decisions(decisions)
    assert combined.merged
    assert not combined.merged.keys() & combined.separated.keys()
    chain = [Decision(i, "merge", (f"a{i}", f"a{i + 1}")) for i in range(1, 3_000)]
    assert combine_decisions(chain).preferred[0] == "a2999"


def test_a_name_is_found_as_people_type_it_the_exact_form_first() -> None:
    index = NameIndex([(1, "José", ["Jean-Luc"]), (2, "Jose", ["王某"]), (3, "劉備", ["玄德", "José"])])
    typed = ("José", " Jose ", "JOSE", "jean luc", "刘备", "玄 德", "", "？")
    assert list(map(index.bearers, typed)) == [[1], [2], [1, 2], [1], [3], [3], [], []]
    assert list(map(index.form, ("刘备", "jean-luc", "nobody"))) == ["劉備", "Jean-Luc", "nobody"]
    assert (index.nearest("刘")[0], index.nearest("Jsoe")[0]) == ("劉備", "Jose")


def test_a_misspelt_name_suggests_whom_the_book_speaks_of_most_among_the_nearest() -> None:
    minor = [(f"刘{word}", f"刘{word}", ()) for word in "焉琦璋表岱繇琮晔"]
    index = NameIndex([("刘备", "刘备", ["玄德", "刘"]), ("Jane", "Jane Bennet", ["Miss Bennet"]), *minor])
    assert index.nearest("刘倍")[0] == "刘备"
    assert index.nearest("玄得") == ["玄德"]
    assert index.nearest("Jane Benett") == ["Jane Bennet"]
    assert index.nearest("Bennet") == ["Jane Bennet", "Miss Bennet"]
    assert (index.nearest("Zarathustra"), index.nearest("刘" * 9_999)) == ([], [])


@pytest.mark.parametrize("read", [False, True])
def test_the_listed_person_tells_whose_entry_does(read: bool) -> None:
    entries = [NameEntry("何恭", ("子安",), mentions=9, narrator=True), NameEntry("程勇", mentions=8)]
    rows = [row(1, {"characters": [person("子安", "何恭"), person("程勇")]})] if read else []
    builder = novel_builder(NOVEL, [chapter(1)], [RecordRow(one) for one in rows], entries, TaskConfig())
    listed = list_names(builder.graph(), builder.names, entries, ("Character",))
    assert {one.name: one.narrator for one in listed} == {"何恭": True, "程勇": False}
    assert [one.as_dict()["narrator"] for one in listed] == [True, False]
