"""The pure way from rows to the graph: every rule of design.md 1, and that no order matters."""

from __future__ import annotations

import hashlib
import random
import weakref
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from kgnb.core.model import Chapter, TaskConfig
from kgnb.extract.model import Extraction, NameEntry
from kgnb.graph.model import RecordRow
from kgnb.graph.project.graph_builder import event_id
from kgnb.graph.project.projection import novel_builder
from kgnb.graph.resolve.alias_evidence import ChapterMentions, Mention
from kgnb.graph.resolve.decisions import CombinedDecisions
from kgnb.graph.resolve.identity import Persons
from kgnb.graph.resolve.name_table import name_table
from kgnb.stores.graph import cypher
from kgnb.stores.graph.diff import GraphDiff
from tests.support.built_graphs import (
    NOVEL,
    chapter,
    characters,
    edge,
    node,
    people,
    row,
    settled,
    tie,
    ties,
)
from tests.support.costs import memory

# --- nodes


def test_a_chapter_gives_every_label_and_structural_edge() -> None:
    graph = settled(
        {
            "characters": [
                {"name": "关羽", "title": "将军", "traits": ["义", "勇"], "protagonist_score": "85"}
            ],
            "locations": [{"name": "华容道", "type": "道路"}],
            "organizations": [{"name": "蜀汉", "description": "刘备所建"}],
            "events": [
                {
                    "name": "义释曹操",
                    "importance": "high",
                    "participants": ["关羽", "曹操"],
                    "location": "华容道",
                    "evidence": "云长长叹一声",
                }
            ],
            "relations": [tie("关羽", "蜀汉", "BELONGS_TO", description="五虎上将")],
            "things": [{"name": "青龙偃月刀", "kind": "兵器"}],
        },
        config=TaskConfig(thing_kinds=("兵器",)),
    )
    key = "1_101_" + hashlib.md5("义释曹操".encode()).hexdigest()[:8]
    assert node(graph, "Novel", "1").properties == {
        **{"id": 1, "title": "三国演义", "author": "罗贯中", "task_id": [7]}
    }
    assert node(graph, "Chapter", "101").properties == {
        **{"id": 101, "title": "第1回", "novel_id": 1, "chapter_number": 1, "word_count": 3000},
        "task_id": [7],
    }
    assert node(graph, "Character", "关羽").properties == {
        **{"name": "关羽", "novel_id": 1, "description": "", "title": "将军", "traits": sorted(["义", "勇"])},
        **{"aliases": [], "protagonist_score": 85, "is_protagonist": True, "chapters": [1], "count": 1},
        **{"extracted_by": "ai", "confidence": 1.0, "task_id": [7]},
    }
    assert node(graph, "Event", key).properties == {
        **{"id": key, "name": "义释曹操", "novel_id": 1, "chapter_id": 101, "chapter_number": 1},
        **{"description": "", "importance": "high", "participants": sorted(["关羽", "曹操"])},
        **{"sequence": 1, "evidence": "云长长叹一声"},
        **{"extracted_by": "ai", "confidence": 1.0, "task_id": [7]},
    }
    assert node(graph, "Thing", "青龙偃月刀").properties["kind"] == "兵器"
    assert set(graph.edges) == {
        (("Character", "关羽"), "APPEARS_IN", ("Chapter", "101")),
        (("Character", "曹操"), "APPEARS_IN", ("Chapter", "101")),
        (("Character", "关羽"), "PARTICIPATES_IN", ("Event", key)),
        (("Character", "曹操"), "PARTICIPATES_IN", ("Event", key)),
        (("Event", key), "OCCURS_IN", ("Location", "华容道")),
        (("Character", "关羽"), "BELONGS_TO", ("Organization", "蜀汉")),
    }
    belongs = graph.edges[("Character", "关羽"), "BELONGS_TO", ("Organization", "蜀汉")]
    assert belongs.properties["position"] == "五虎上将"
    assert all(e.properties["novel_id"] == 1 and e.properties["task_id"] == [7] for e in graph.edges.values())


def test_over_chapters_lists_unite_texts_come_first_scores_are_maxima() -> None:
    graph = settled(
        {"characters": people("刘备", traits=["仁"], protagonist_score=40, confidence=0.4)},
        {"characters": people("刘备", traits=["义", "仁"], description="中山靖王之后", protagonist_score=90)},
        {"characters": people("刘备", description="蜀主", title="皇叔", protagonist_score=70)},
    )
    liu = node(graph, "Character", "刘备").properties
    assert liu["traits"] == sorted(["仁", "义"])
    assert (liu["description"], liu["title"]) == ("中山靖王之后", "皇叔")
    assert (liu["protagonist_score"], liu["confidence"]) == (90, 1.0)
    assert (liu["chapters"], liu["count"]) == ([1, 2, 3], 3)


def test_things_need_an_enabled_kind() -> None:
    content = {"things": [{"name": "赤兔"}], "characters": people("吕布"), "relations": [tie("吕布", "赤兔")]}
    assert ("Thing", "赤兔") not in settled(content).nodes
    graph = settled(content, config=TaskConfig(thing_kinds=("马",)))
    assert ("Thing", "赤兔") in graph.nodes
    assert not ties(graph)  # no type in the contract joins a person and a thing


def test_rules_and_ai_are_told_apart_and_other_tasks_only_add_their_id() -> None:
    rows = [
        RecordRow(row(1, {"characters": people("刘备")}, provider="rules"), frozenset({3, 9})),
        RecordRow(row(2, {"characters": people("刘备", "张飞")})),
    ]
    graph = novel_builder(NOVEL, [chapter(1), chapter(2)], rows, [], TaskConfig()).graph()
    assert node(graph, "Character", "刘备").properties["task_id"] == [3, 7, 9]
    assert node(graph, "Character", "刘备").properties["extracted_by"] == "ai"
    assert node(graph, "Character", "张飞").properties["task_id"] == [7]
    assert node(graph, "Chapter", "101").properties["task_id"] == [3, 7, 9]
    appears = graph.edges[("Character", "刘备"), "APPEARS_IN", ("Chapter", "101")].properties
    assert (appears["extracted_by"], appears["task_id"]) == ("rule", [3, 7, 9])


def test_a_row_without_its_chapter_and_a_chapter_without_row_leave_nothing() -> None:
    rows = [RecordRow(row(1, {"characters": people("甲")})), RecordRow(row(9, {"characters": people("乙")}))]
    graph = novel_builder(NOVEL, [chapter(1), chapter(2)], rows, [], TaskConfig()).graph()
    assert set(graph.nodes) == {("Novel", "1"), ("Chapter", "101"), ("Character", "甲")}


def test_protagonists() -> None:
    hero, star, extra = ({"name": n, "protagonist_score": s} for n, s in (("主", 95), ("客", 99), ("众", 79)))
    graph = settled(*[{"characters": [hero, extra]}] * 8, {"characters": [star]})
    assert [n for n in "主客众" if node(graph, "Character", n).properties["is_protagonist"]] == ["主"]
    low = settled({"characters": [{"name": "甲", "protagonist_score": 30}, {"name": "乙"}]})
    assert node(low, "Character", "甲").properties["is_protagonist"] is True
    assert node(low, "Character", "乙").properties["is_protagonist"] is False
    none = settled({"characters": people("甲", "乙")})
    assert not any(n.properties.get("is_protagonist") for n in none.nodes.values())


# --- relations


def test_strength_is_the_rounded_mean_of_the_chapters_maxima() -> None:
    graph = settled(
        {"relations": [tie("甲", "乙", strength=2), tie("乙", "甲", strength="9")]},
        {"relations": [tie("甲", "乙", strength=4)]},
        {"characters": people("甲", "乙")},
    )
    friend = edge(graph, "乙", "FRIEND", "甲").properties
    assert (friend["strength"], friend["chapters"], friend["count"]) == (7, [1, 2], 2)  # (9 + 4) / 2 = 6.5


def test_what_only_rules_counted_adds_up() -> None:
    said = {"relations": [tie("甲", "乙", strength=4)]}
    rows = [RecordRow(row(n, said, provider="rules")) for n in (1, 2, 3)]
    chapters = [chapter(n) for n in (1, 2, 3)]
    graph = novel_builder(NOVEL, chapters, rows, [], TaskConfig()).graph()
    assert edge(graph, "乙", "FRIEND", "甲").properties["strength"] == 6
    rows[0] = RecordRow(row(1, said))
    graph = novel_builder(NOVEL, chapters, rows, [], TaskConfig()).graph()
    assert edge(graph, "乙", "FRIEND", "甲").properties["strength"] == 4


def test_evidence_and_description_are_the_earliest() -> None:
    graph = settled(
        {"relations": [tie("甲", "乙")]},
        {"relations": [tie("乙", "甲", evidence="二", description="交")]},
        {"relations": [tie("甲", "乙", evidence="三", description="好")]},
    )
    friend = edge(graph, "乙", "FRIEND", "甲").properties
    assert (friend["evidence"], friend["description"]) == ("二", "交")


@pytest.mark.parametrize(
    "type_", ["FRIEND", "ENEMY", "KNOWS", "SPOUSE", "SIBLING", "FAMILY", "ALLY", "RIVAL"]
)
def test_symmetric_types_are_stored_once_in_name_order(type_: str) -> None:
    graph = settled({"relations": [tie("b", "a", type_)]}, {"relations": [tie("a", "b", type_)]})
    assert ties(graph) == {("a", type_, "b")}


@pytest.mark.parametrize("type_", ["LOVES", "HATES", "LEADS", "FOLLOWS", "PARENT_OF", "MASTER_OF", "SERVES"])
def test_other_types_keep_their_direction(type_: str) -> None:
    graph = settled({"relations": [tie("b", "a", type_), tie("a", "b", type_)]})
    assert ties(graph) == {("a", type_, "b"), ("b", type_, "a")}


@pytest.mark.parametrize("word", ["friend", "Friend", " FRIEND "])
def test_types_match_whatever_their_case(word: str) -> None:
    assert ties(settled({"relations": [tie("a", "b", word)]})) == {("a", "FRIEND", "b")}


@pytest.mark.parametrize("word", ["Parent of", "parent-of", "PARENT_OF"])
def test_types_match_with_blanks_and_hyphens(word: str) -> None:
    assert ties(settled({"relations": [tie("b", "a", word)]})) == {("b", "PARENT_OF", "a")}


HOSTILE = [
    "义父",
    "KNOWS]->() DETACH DELETE n //",
    "FRIEND`",
    "X" * 41,
    "<script>alert(1)</script>",
    "APPEARS_IN",
    "9LIVES",
    "ＦＲＩＥＮＤ",
]


@pytest.mark.parametrize("word", HOSTILE)
def test_any_other_word_becomes_knows_with_its_label(word: str) -> None:
    config = TaskConfig(relation_types=("FRIEND", word))  # even where a row of the config enables it
    graph = settled({"relations": [tie("a", "b", word)]}, config=config)
    assert ties(graph) == {("a", "KNOWS", "b")}
    assert edge(graph, "a", "KNOWS", "b").properties.get("label", word) == word
    assert ("label" in edge(graph, "a", "KNOWS", "b").properties) == (word != "APPEARS_IN")


@pytest.mark.parametrize(
    ("word", "type_"),
    [
        ("夫妻", "SPOUSE"),
        ("MARRIED_TO", "SPOUSE"),
        ("spouse of", "SPOUSE"),
        ("SPOUSE|LOVES", "SPOUSE"),
        ("夫婦", "SPOUSE"),
        ("同乡、朋友", "FRIEND"),
        ("Enemies", "ENEMY"),
        ("LEADS_TO", "KNOWS"),  # whose way round may be either
        ("父亲", "KNOWS"),
    ],
)
def test_a_word_for_a_type_is_that_type(word: str, type_: str) -> None:
    graph = settled({"relations": [tie("a", "b", word)]})
    assert ties(graph) == {("a", type_, "b")}
    assert ("label" in edge(graph, "a", type_, "b").properties) == (type_ == "KNOWS")
    only = TaskConfig(relation_types=("LOVES",))
    assert ties(settled({"relations": [tie("a", "b", "夫妻")]}, config=only)) == {("a", "KNOWS", "b")}


def test_a_configured_type_becomes_its_own() -> None:
    config = TaskConfig(relation_types=("SWORN_BROTHER",))
    assert ties(settled({"relations": [tie("b", "a", "sworn brother")]}, config=config)) == {
        ("b", "SWORN_BROTHER", "a")
    }
    assert ties(settled({"relations": [tie("b", "a", "SWORN_BROTHER")]})) == {("a", "KNOWS", "b")}


def test_several_labels_of_a_pair() -> None:
    graph = settled(
        {"relations": [tie("a", "b", "同乡"), tie("b", "a", "义父")]}, {"relations": [tie("a", "b", "同乡")]}
    )
    knows = edge(graph, "a", "KNOWS", "b").properties
    assert (knows["label"], knows["labels"]) == ("同乡", sorted(["同乡", "义父"]))


def test_ends_by_kind() -> None:
    graph = settled(
        {
            "characters": people("孔明", "司马懿"),
            "organizations": [{"name": "蜀"}, {"name": "魏"}],
            "locations": [{"name": "五丈原"}],
            "events": [{"name": "对峙"}],
            "relations": [
                tie("孔明", "蜀", "丞相", description="总揽国政"),
                tie("魏", "司马懿", "LEADS", description="大都督"),
                tie("孔明", "魏", "ENEMY"),
                tie("孔明", "对峙", "主帅"),
                tie("五丈原", "对峙", "KNOWS"),
                tie("蜀", "魏", "ENEMY"),
                tie("孔明", "五丈原", "死于"),
                tie("孔明", "孔明", "KNOWS"),
            ],
        }
    )
    found = {(s[1], t, o[1]): e.properties for (s, t, o), e in graph.edges.items() if t != "APPEARS_IN"}
    happening = event_id(1, 101, "对峙")
    assert set(found) == {
        ("孔明", "BELONGS_TO", "蜀"),
        ("司马懿", "BELONGS_TO", "魏"),
        ("孔明", "PARTICIPATES_IN", happening),
        (happening, "OCCURS_IN", "五丈原"),
    }
    assert found["孔明", "BELONGS_TO", "蜀"]["position"] == "丞相"
    assert found["孔明", "BELONGS_TO", "蜀"]["description"] == "总揽国政"
    assert found["司马懿", "BELONGS_TO", "魏"]["position"] == "大都督"
    assert found["孔明", "PARTICIPATES_IN", happening]["role"] == "主帅"


def test_a_name_that_only_a_relation_has_is_a_person_of_less_confidence() -> None:
    graph = settled({"characters": people("甲"), "relations": [tie("甲", "乙"), tie("甲", "众人")]})
    assert characters(graph) == {"甲", "乙"}
    assert node(graph, "Character", "乙").properties["confidence"] == 0.5
    assert (("Character", "乙"), "APPEARS_IN", ("Chapter", "101")) in graph.edges


def test_what_a_bare_name_is_other_chapters_and_the_table_tell() -> None:
    content = {"events": [{"name": "战", "participants": ["甲", "曹军"], "location": "赤壁"}]}
    graph = settled(content, {"organizations": [{"name": "曹军"}]})
    assert characters(graph) == {"甲"}
    assert node(graph, "Organization", "曹军").properties["chapters"] == [1, 2]
    assert ("Location", "赤壁") in graph.nodes
    table = [NameEntry("曹军", kind="Organization"), NameEntry("赤壁", kind="Location")]
    assert characters(settled(content, names=table)) == {"甲"}


# --- names


def test_the_name_table_decides_on_aliases() -> None:
    table = [NameEntry("刘备", ("玄德", "主公")), NameEntry("曹操", ("孟德", "主公"))]
    graph = settled(
        {"characters": people("玄德"), "relations": [tie("玄德", "孟德", "ENEMY")]},
        {"characters": people("刘备", "主公")},
        names=table,
    )
    assert characters(graph) == {"刘备", "孟德", "主公"}  # of a person's names one that a reply has
    assert node(graph, "Character", "刘备").properties["aliases"] == ["玄德"]
    assert node(graph, "Character", "孟德").properties["aliases"] == ["曹操"]
    assert edge(graph, "刘备", "ENEMY", "孟德")


def test_a_replys_alias_joins_when_it_is_clear() -> None:
    graph = settled(
        {"characters": [{"name": "张飞", "aliases": ["翼德", "三弟"]}]},
        {"characters": people("翼德", "三弟"), "relations": [tie("翼德", "关羽")]},
        {"characters": people("张飞")},
    )
    assert characters(graph) == {"张飞", "关羽", "三弟"}  # a generic word joins nobody
    assert edge(graph, "关羽", "FRIEND", "张飞")
    assert node(graph, "Character", "张飞").properties["chapters"] == [1, 2, 3]


@pytest.mark.parametrize(
    "contents",
    [
        # two people are said to be called so
        [
            {
                "characters": [
                    {"name": "甲", "aliases": ["丙"]},
                    {"name": "乙", "aliases": ["丙"]},
                    {"name": "丙"},
                ]
            }
        ],
        # the two act beside each other
        [{"characters": [{"name": "甲", "aliases": ["丙"]}, {"name": "丙"}], "relations": [tie("甲", "丙")]}],
        [
            {"characters": [{"name": "甲", "aliases": ["丙"]}, {"name": "丙"}]},
            {"events": [{"name": "会", "participants": ["甲", "丙"]}]},
        ],
    ],
)
def test_an_unclear_alias_joins_nobody(contents: list[dict[str, Any]]) -> None:
    assert {"甲", "丙"} <= characters(settled(*contents))


def test_a_replys_word_outweighs_the_tables_silence() -> None:
    content = {"characters": [{"name": "刘备", "aliases": ["玄德"]}, {"name": "玄德"}]}
    graph = settled(content, names=[NameEntry("刘备"), NameEntry("玄德")])
    assert characters(graph) == {"刘备"}


def test_the_most_frequent_name_stands_for_a_joined_pair() -> None:
    graph = settled({"characters": [{"name": "字", "aliases": ["名"]}]}, *[{"characters": people("名")}] * 2)
    assert characters(graph) == {"名"}
    assert node(graph, "Character", "名").properties["aliases"] == ["字"]


def test_within_a_reply_an_alias_names_its_owner() -> None:
    graph = settled(
        {"characters": [{"name": "曹操", "aliases": ["丞相"]}], "relations": [tie("丞相", "关羽", "LEADS")]}
    )
    assert ties(graph) == {("曹操", "LEADS", "关羽")}
    assert characters(graph) == {"曹操", "关羽"}


# --- order and splitting


@pytest.mark.parametrize("seed", range(40))
def test_joins_do_not_depend_on_the_order_of_claims(seed: int) -> None:
    pick = random.Random(seed)
    names = list("甲乙丙丁戊己庚辛")
    sightings = []
    for chapter_ in range(5):
        items = [Mention(n, frozenset(pick.sample(names, pick.choice([0, 1, 2]))) - {n}) for n in names]
        groups = tuple(frozenset(pick.sample(names, 2)) for _ in range(1))
        sightings.append(ChapterMentions(chapter_, tuple(pick.sample(items, 4)), groups))
    table = name_table((NameEntry("甲"), NameEntry("乙", ("辛",))))

    def answer() -> dict[str, str]:
        joined = Persons(sightings, table, CombinedDecisions())
        return {name: joined.person(name) for name in names}

    expected = answer()
    for _ in range(6):
        pick.shuffle(sightings)
        assert answer() == expected


def _random_book(seed: int) -> tuple[list[Chapter], list[RecordRow], list[NameEntry]]:
    pick = random.Random(seed)
    names = [f"人{i}" for i in range(9)] + ["字1", "字2", "父亲", "城0", "军0"]
    types = ["FRIEND", "LEADS", "knows", "义父", "仇人"]
    rows = []
    numbers = [*range(1, 9), 8]  # two chapters with the same number
    chapters = [Chapter(100 + i, 1, number, f"{number}", 10) for i, number in enumerate(numbers)]
    for place in chapters:
        cast = [
            {
                "name": pick.choice(names),
                "aliases": pick.sample(names, pick.choice([0, 0, 1, 2])),
                "description": pick.choice(["", f"d{pick.random()}"]),
                "traits": pick.sample("仁义礼智信", 2),
                "protagonist_score": pick.randint(0, 100),
                "confidence": pick.choice([0.5, 0.8, 1]),
            }
            for _ in range(6)
        ]
        content = {
            "characters": cast,
            "locations": [{"name": f"城{pick.randint(0, 3)}", "type": pick.choice(["", "城"])}],
            "organizations": [{"name": f"军{pick.randint(0, 3)}"}],
            "events": [
                {
                    "name": f"事{pick.randint(0, 2)}",
                    "participants": pick.sample(names, 3),
                    "location": pick.choice(["", "城1", "谷"]),
                }
                for _ in range(2)
            ],
            "relations": [
                tie(
                    pick.choice(names),
                    pick.choice([*names, "军1", "事0"]),
                    pick.choice(types),
                    strength=pick.randint(1, 10),
                    evidence=pick.choice(["", f"e{pick.random()}"]),
                )
                for _ in range(8)
            ],
        }
        one = replace(row(1, content), chapter_id=place.id, chapter_number=place.number)
        rows.append(RecordRow(one, frozenset(pick.sample(range(20), pick.choice([0, 2])))))
    table = [
        NameEntry("人1", ("字1",)),
        NameEntry("人2", ("字2", "字1")),
        NameEntry("军0", kind="Organization"),
    ]
    return chapters, rows, table


@pytest.mark.parametrize("seed", range(25))
def test_no_order_matters(seed: int) -> None:
    chapters, rows, table = _random_book(seed)
    expected = novel_builder(NOVEL, chapters, rows, table, TaskConfig()).graph()
    assert expected.edges
    pick = random.Random(seed + 1000)
    for _ in range(3):
        for things in (chapters, rows, table):
            pick.shuffle(things)  # type: ignore[arg-type]
        again = novel_builder(NOVEL, chapters, rows, table, TaskConfig()).graph()
        assert again == expected
        assert list(again.nodes) == list(expected.nodes)


def test_rows_in_order_are_never_all_in_memory() -> None:
    chapters, rows, table = _random_book(1)
    rows.sort(key=lambda r: (r.row.chapter_number, r.row.chapter_id))
    seen: list[weakref.ref[Extraction]] = []
    most = 0

    class Pages:
        def __iter__(self) -> Iterator[RecordRow]:
            nonlocal most
            for one in rows:
                copy = one.row.extraction.model_copy(deep=True)
                seen.append(weakref.ref(copy))
                most = max(most, sum(ref() is not None for ref in seen))
                yield RecordRow(replace(one.row, extraction=copy), one.other_tasks)
                del copy

    assert (
        novel_builder(NOVEL, chapters, Pages(), table, TaskConfig()).graph()
        == novel_builder(NOVEL, chapters, iter(rows), table, TaskConfig()).graph()
    )
    assert most <= 3


def test_names_and_equal_edges_are_in_memory_once() -> None:
    names = [f"{surname}{given}" for surname in "张李王" for given in "三四五"]
    contents = [{"characters": people(*[f" {name}" for name in names])} for _ in range(3)]
    graph = settled(*contents)
    assert (
        len({id(character.key) for character in graph.nodes.values() if character.label == "Character"}) == 9
    )
    assert len({id(e.source[1]) for e in graph.edges.values()}) == 9
    assert len({id(e.properties) for e in graph.edges.values()}) == 3 < len(graph.edges) == 27


def test_an_old_workers_task_stays_on_its_own_edge_only() -> None:
    graph = settled({"characters": people("刘备", "关羽")})
    diff = GraphDiff(graph, foreign={3})
    here, values = ("Chapter", "101"), dict.fromkeys(cypher.EDGE_COLUMNS) | {"task_id": [3, 7]}
    diff.compare_edge(("Character", "刘备"), ["APPEARS_IN", [here[0]], 101, None, *values.values()])
    tasks = {key[0][1]: e.properties["task_id"] for key, e in graph.edges.items()}
    assert tasks == {"刘备": [3, 7], "关羽": [7]}


@pytest.mark.parametrize("seed", range(25))
def test_splitting_a_chapter_changes_nothing(seed: int) -> None:
    """A chapter whose chunk was split has each half's items, a name perhaps in both of them."""
    chapters, rows, table = _random_book(seed)
    expected = novel_builder(NOVEL, chapters, rows, table, TaskConfig()).graph()
    doubled = []
    for one in rows:
        whole = one.row.extraction
        twice = {
            field: [*getattr(whole, field), *getattr(whole, field)[1:]] for field in Extraction.model_fields
        }
        doubled.append(RecordRow(replace(one.row, extraction=Extraction(**twice)), one.other_tasks))
    assert novel_builder(NOVEL, chapters, doubled, table, TaskConfig()).graph() == expected


@pytest.mark.parametrize("seed", range(10))
def test_every_edge_has_its_ends_and_every_key_its_place(seed: int) -> None:
    chapters, rows, table = _random_book(seed)
    graph = novel_builder(NOVEL, chapters, rows, table, TaskConfig()).graph()
    for source, _, target in graph.edges:
        assert source in graph.nodes
        assert target in graph.nodes
    assert all(ref == n.ref for ref, n in graph.nodes.items())
    assert all(ref == e.ref for ref, e in graph.edges.items())


def test_nothing_is_made_of_nothing() -> None:
    graph = novel_builder(NOVEL, [], [], [], TaskConfig()).graph()
    assert list(graph.nodes) == [("Novel", "1")]
    assert node(graph, "Novel", "1").properties["task_id"] == []


def test_a_long_books_graph_takes_little_more_memory_while_it_is_made() -> None:
    def content(number: int) -> dict[str, Any]:
        present = [f"人{(7 * number + 13 * i) % 40}" for i in range(8)]
        events = [{"name": f"{number}之{i}", "participants": present[i : i + 3]} for i in range(6)]
        return {"characters": people(*present), "events": events}

    numbers = range(1, 301)
    chapters, rows = [chapter(n) for n in numbers], [RecordRow(row(n, content(n))) for n in numbers]
    used = memory(lambda: novel_builder(NOVEL, chapters, rows, [], TaskConfig()).graph())
    edges = len(used.result.edges)
    assert edges == 300 * (8 + 18)
    # 101 bytes; with the facts of all chapters beside their nodes and edges: 180. What is kept is no measure:
    # it holds what the first use of words and scripts leaves in caches, a quarter of it.
    assert used.peak - used.kept < 140 * edges
