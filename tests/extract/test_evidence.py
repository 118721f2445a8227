"""Quotes and names are looked up in the text; what isn't there is told, lowered or left out."""

from __future__ import annotations

import re
from typing import Any

import pytest

from kgnb.core.labels import CHARACTER_RELATIONS
from kgnb.extract import evidence, name_scan, reply, rules
from kgnb.extract.evidence import UNVERIFIED_FACTOR, ChapterText
from kgnb.extract.evidence_quote import EVIDENCE_CHARS
from kgnb.extract.merge_chunks import merge
from kgnb.extract.model import Extraction, NameEntry, Relation
from kgnb.graph.model import RELATION_GROUPS, group_of
from tests.support.built_graphs import characters, edge, node, people, settled, ties
from tests.support.paths import STORIES

TEXT = """　　玄德大喜，以己志告之，公同到张飞庄上议大事。飞曰：“吾庄后有一桃园，
花开正盛；明日当于园中祭告天地，我三人结为兄弟，协力同心，然后可图大事！”
玄德、云长齐声应曰：“如此甚好。”次日，于桃园中，备下乌牛白马祭礼等项。
爱丽丝·格林 said: “It’s no use, Dr. Élan Smith!” Ｔｈｅ ｅｎｄ。"""


@pytest.mark.parametrize(
    ("said", "stands"),
    [
        ("我三人结为兄弟", "我三人结为兄弟"),
        ("玄德大喜以己志告之", "玄德大喜，以己志告之"),
        ("吾庄后有一桃园, 花开正盛;", "吾庄后有一桃园， 花开正盛；"),
        ("「如此甚好。」", "“如此甚好。”"),
        ("如此甚好", "如此甚好"),
        ("協力同心", "协力同心"),
        ("It's no use, dr elan smith", "It’s no use, Dr. Élan Smith"),
        ("the end.", "Ｔｈｅ ｅｎｄ。"),
        ("玄德大喜……议大事。", "玄德大喜……议大事。"),
        ("次日...备下乌牛白马", "次日……备下乌牛白马"),
    ],
)
def test_a_quote_is_found_whatever_its_marks_and_comes_back_as_it_stands(said: str, stands: str) -> None:
    assert ChapterText(TEXT).find_quote(said) == stands


@pytest.mark.parametrize(
    "said",
    [
        "",
        "……",
        "德",  # says nothing
        "no",
        "玄德大怒，以己志告之",
        "议大事……玄德大喜",  # in the wrong order
        "玄德……云长……张飞……祭礼……如此",  # too many gaps to mean anything
        "玄德大喜" * 400,
    ],
)
def test_what_does_not_stand_in_the_text_is_not_found(said: str) -> None:
    assert ChapterText(TEXT).find_quote(said) == ""


def test_of_several_places_the_first_counts_and_of_a_later_piece_the_one_behind() -> None:
    text = "“兄弟同心”，众人道。三人桃园结义，说道，兄弟同心。"
    assert ChapterText(text).find_quote("《兄弟同心》") == "“兄弟同心”"
    assert ChapterText(text).find_quote("，兄弟同心。") == "，兄弟同心。"  # word for word
    assert ChapterText(text).find_quote("桃园结义……“兄弟同心”") == "桃园结义……，兄弟同心。"


def test_many_quotes_that_stand_twice_do_not_read_the_text_again_for_each(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    lines = [f"㍿第{number:04}回，何恭大喜。" for number in range(500)]  # one sign of several letters in each
    looked, letters = [0], evidence.letters

    def counted(text: str) -> str:
        looked[0] += len(text)
        return letters(text)

    monkeypatch.setattr(evidence, "letters", counted)
    text = "".join(lines) + "第0000回：何恭大喜" + "".join(lines)
    quotes = ChapterText(text)
    assert [quotes.find_quote(line[1:]) for line in lines] == [line[1:] for line in lines]
    assert looked[0] < 4 * len(text)


def test_a_long_quote_of_a_reply_keeps_both_ends_of_its_relation() -> None:
    idle = "那日天色将晚，" * 20
    text = f"{idle}刘备见了，{idle}关羽走入帐中，{idle}散了。"
    tie = Relation(source="刘备", target="关羽", type="FRIEND", evidence=text)
    (verified,) = evidence.verify(Extraction(relations=[tie]), ChapterText(text)).relations
    assert "刘备" in verified.evidence
    assert "关羽" in verified.evidence
    assert len(verified.evidence) <= EVIDENCE_CHARS


def test_a_long_quote_is_cut_and_a_short_text_has_none() -> None:
    text = "".join(chr(0x4E00 + i) for i in range(900))
    assert ChapterText(text).find_quote(text) == text[: EVIDENCE_CHARS - 2] + "…"
    clauses = "刘备与关羽、张飞同心，" * 30
    assert re.fullmatch(
        "(刘备与关羽、张飞同心，)+刘备与关羽(、张飞同心)?…", ChapterText(clauses).find_quote(clauses)
    )
    assert ChapterText("").find_quote("我三人结为兄弟") == ""
    assert ChapterText("\ud800\u202e兄弟同心").find_quote("兄弟\x00同心") == "兄弟同心"


@pytest.mark.parametrize(
    ("name", "there"),
    [
        ("玄德", True),
        ("張飛", True),
        ("张飞（翼德）", True),
        ("格林 said: (It’s no) use", True),
        ("爱丽丝 格林", True),
        ("Elan Smith", True),
        ("Smith, Élan", True),  # each word stands there
        ("Elan Smythe", False),
        ("哈利·波特", False),
        ("曹操", False),
        ("……", False),
    ],
)
def test_a_name_stands_there_or_not(name: str, there: bool) -> None:
    assert ChapterText(TEXT).has_name(name) is there


def extraction(**lists: Any) -> Extraction:
    return Extraction.model_validate(lists)


def test_events_and_relations_are_verified() -> None:
    found = evidence.verify(
        extraction(
            events=[
                {"name": "结义", "evidence": "我三人 结为兄弟", "confidence": 0.9},
                {"name": "大战", "evidence": "大战三百回合", "confidence": 0.9},
            ],
            relations=[
                {"source": "刘备", "target": "关羽", "evidence": "齐声应曰"},
                {"source": "刘备", "target": "张飞"},
            ],
        ),
        ChapterText(TEXT),
    )
    assert [(e.evidence, e.unverified, e.confidence) for e in found.events] == [
        ("我三人结为兄弟", False, 0.9),
        ("大战三百回合", True, 0.9 * UNVERIFIED_FACTOR),
    ]
    assert [(r.evidence, r.unverified, r.confidence) for r in found.relations] == [
        ("齐声应曰", False, 1.0),
        ("", True, UNVERIFIED_FACTOR),
    ]
    assert evidence.count_unverified(found) == 2


def test_a_reply_can_not_vouch_for_itself() -> None:
    claimed = {"source": "a", "target": "b", "evidence": "nowhere in it", "unverified": "no"}
    text = f'{{"relations": [{str(claimed).replace(chr(39), chr(34))}], "absent": "all"}}'
    parsed = reply.parse(text, provider="p")
    assert (parsed.rejected, parsed.extraction.absent) == (0, [])
    assert evidence.verify(parsed.extraction, ChapterText(TEXT)).relations[0].unverified


def test_of_two_chunks_the_quote_that_was_found_stays() -> None:
    claim = {"source": "刘备", "target": "关羽", "type": "ALLY"}
    good, bad = (
        evidence.verify(extraction(relations=[{**claim, "evidence": said}]), ChapterText(TEXT))
        for said in ("齐声应曰", "大战三百回合")
    )
    for parts in ([good, bad], [bad, good], [bad, good, bad]):
        (one,) = merge(parts).relations
        assert (one.evidence, one.unverified, one.confidence) == ("齐声应曰", False, 1.0)
    assert merge([bad, bad]).relations == bad.relations


def test_who_stands_nowhere_in_the_text_is_marked() -> None:
    found = evidence.mark_absent(
        extraction(
            characters=[
                {"name": "刘备", "aliases": ["玄德"]},
                {"name": "哈利·波特", "aliases": ["波特", "老爷"]},
                {"name": "云长"},
            ],
            locations=[{"name": "霍格沃茨"}],
            relations=[
                {"source": "波特", "target": "伏地魔"},
                {"source": "玄德", "target": "霍格沃茨"},
                {"source": "张飞", "target": "刘备"},
            ],
            events=[{"name": "大战", "participants": ["赫敏", "云长"]}],
        ),
        ChapterText("老爷看见玄德、云长、张飞。"),
    )
    assert found.absent == ["哈利·波特", "波特", "伏地魔", "赫敏"]


@pytest.mark.parametrize(
    ("characters", "absent"),
    [
        ([("波特", ["玄德"]), ("波特", [])], ["皇叔"]),  # one of its items has a word that stands there
        ([("波特", []), ("波特", ["玄德"])], ["皇叔"]),
        ([("刘备", ["玄德", "皇叔"])], []),
        ([("刘备", ["玄德", "皇叔"]), ("波特", ["皇叔"])], ["波特"]),
        ([("波特", ["皇叔"]), ("刘备", ["玄德", "皇叔"])], ["波特"]),
        ([("波特", ["皇叔"])], ["波特", "皇叔"]),
        ([("波特", ["老爷", "皇叔"])], ["波特", "皇叔", "老爷"]),
    ],
)
def test_an_alias_stands_there_as_soon_as_one_of_its_people_does(
    characters: list[tuple[str, list[str]]], absent: list[str]
) -> None:
    found = evidence.mark_absent(
        extraction(
            characters=[{"name": name, "aliases": aliases} for name, aliases in characters],
            relations=[{"source": "皇叔", "target": "云长"}, {"source": "老爷", "target": "云长"}],
        ),
        ChapterText("老爷看见玄德、云长、张飞。"),
    )
    assert found.absent == absent


def test_names_are_looked_for_in_the_book_until_all_are_found() -> None:
    read = []

    def texts() -> Any:
        for text in ("甲来", "乙来", "丙来"):
            read.append(text)
            yield text

    assert evidence.names_in_texts(["甲来", "乙", "丁"], texts()) == {"甲来", "乙"}
    assert len(read) == 3
    read.clear()
    assert evidence.names_in_texts(["甲", "乙"], texts()) == {"甲", "乙"}
    assert len(read) == 2
    assert evidence.names_in_texts([], texts()) == set()


LANGUAGE_OF = {"xianxia": "zh", "city": "zh", "fantasy": "en"}


@pytest.mark.parametrize("story", LANGUAGE_OF)
def test_what_rules_quote_always_stands_there(story: str) -> None:
    lang: Any = LANGUAGE_OF[story]
    text = (STORIES / f"{story}.txt").read_text("utf-8")
    found = rules.extract(text, lang=lang, names=name_scan.scan([(1, text)], lang))
    assert found.relations
    page = ChapterText(text)
    assert evidence.count_unverified(evidence.verify(found, page)) == 0
    assert evidence.mark_absent(found, page).absent == []


# --- in the graph -------------------------------------------------------------------------------------------


def checked(text: str, **lists: Any) -> dict[str, Any]:
    """What the record has of a reply about ``text``."""
    page = ChapterText(text)
    found = evidence.mark_absent(evidence.verify(extraction(**lists), page), page)
    return found.model_dump(exclude_defaults=True)


def test_an_edge_is_verified_by_any_chapter_and_quotes_the_first_that_has_both_names() -> None:
    claim = {"source": "刘备", "target": "关羽", "type": "ALLY"}
    graph = settled(
        checked("刘备见关羽。", relations=[{**claim, "evidence": "刘备与关羽义结金兰"}]),
        checked("刘备、关羽共饮。", relations=[{**claim, "evidence": "关羽共饮"}]),
        checked("刘备、关羽同心。", relations=[{**claim, "evidence": "刘备关羽同心"}]),
        checked("刘备与关羽来。", relations=[{**claim, "evidence": "刘备与关羽来"}]),
    )
    facts = edge(graph, "关羽", "ALLY", "刘备").properties
    assert (facts["evidence"], facts["chapter_id"], facts["chapters"]) == (
        "刘备、关羽同心",
        103,
        [1, 2, 3, 4],
    )
    assert (facts["confidence"], "unverified" in facts) == (1.0, False)


def test_what_nothing_speaks_for_says_so() -> None:
    claim = {"source": "刘备", "target": "关羽", "type": "ALLY", "evidence": "刘备与关羽义结金兰"}
    event = {"name": "大战", "participants": ["刘备"], "location": "涿县", "evidence": "大战三百回合"}
    content = checked("刘备、关羽到涿县。", characters=people("刘备"), relations=[claim], events=[event])
    graph = settled(content, content)
    for facts in (
        edge(graph, "关羽", "ALLY", "刘备").properties,
        *(n.properties for n in graph.nodes.values() if n.label == "Event"),
        *(e.properties for e in graph.edges.values() if e.type in ("PARTICIPATES_IN", "OCCURS_IN")),
    ):
        assert (facts["unverified"], facts["confidence"]) == (True, UNVERIFIED_FACTOR)
        assert "evidence" not in facts
    assert "unverified" not in node(graph, "Character", "刘备").properties
    assert node(graph, "Character", "刘备").properties["confidence"] == 1.0


STRANGE = {
    "characters": [{"name": "刘备"}, {"name": "哈利·波特", "aliases": ["波特", "少年"]}],
    "relations": [
        {"source": "刘备", "target": "波特", "type": "FRIEND"},
        {"source": "刘备", "target": "关羽", "type": "ALLY"},
        {"source": "刘备", "target": "关云长", "type": "KNOWS"},
    ],
    "events": [{"name": "相见", "participants": ["哈利·波特", "刘备"]}],
}


def test_who_stands_nowhere_in_the_book_is_left_out_and_told() -> None:
    asked: list[list[str]] = []

    def stands(names: Any) -> set[str]:
        asked.append(list(names))
        return evidence.names_in_texts(names, ["刘备见关羽。", "少年来也。关云长来也。"])

    graph = settled(checked("刘备见关羽。", **STRANGE), find_in_text=stands)
    assert characters(graph) == {"刘备", "关羽", "关云长"}
    assert graph.dropped == {"哈利·波特": frozenset({7})}
    assert ties(graph) == {("关羽", "ALLY", "刘备"), ("关云长", "KNOWS", "刘备")}
    (event,) = (n for n in graph.nodes.values() if n.label == "Event")
    assert event.properties["participants"] == ["刘备"]
    assert asked == [sorted(["哈利·波特", "波特", "关云长"])]  # 少年 speaks for nobody


def test_a_name_of_another_chapter_or_of_the_table_stands_in_the_book() -> None:
    only = {"characters": people("曹操", "孙权")}
    asked: list[Any] = []
    graph = settled(
        checked("无人。", **only),
        checked("曹操来。", characters=people("曹操")),
        names=[NameEntry("孙权", mentions=3)],
        find_in_text=lambda names: asked.append(names) or (),
    )
    assert characters(graph) == {"曹操", "孙权"}
    assert (graph.dropped, asked) == ({}, [])


def test_words_of_a_changing_tie_are_kept_by_chapter() -> None:
    words = ["宾客", "宾客", "门客", "宾客"]
    graph = settled(*({"relations": [{"source": "刘备", "target": "曹操", "type": word}]} for word in words))
    facts = edge(graph, "刘备", "KNOWS", "曹操").properties
    assert facts["label"] == "宾客"
    assert dict(zip(facts["labels"], facts["label_chapters"], strict=True)) == {"宾客": "1,2,4", "门客": "3"}


def test_groups_hold_every_type_once() -> None:
    grouped = [kind for kinds in RELATION_GROUPS.values() for kind in kinds]
    assert sorted(grouped) == sorted(CHARACTER_RELATIONS)
    assert list(RELATION_GROUPS) == ["family", "love", "hierarchy", "friendship", "enmity", "other"]
    assert (group_of("SPOUSE"), group_of("SWORN_BROTHER")) == ("family", "other")
