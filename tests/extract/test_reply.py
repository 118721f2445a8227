from __future__ import annotations

import json
import random
import re
from typing import Any

import pytest

from kgnb.core.errors import ReplyUnparsable
from kgnb.extract import mend_json, reply
from kgnb.extract.merge_chunks import merge
from kgnb.extract.model import MAX_CHAPTER_ITEMS, Extraction
from kgnb.llm.fake import model as fake_model

FULL = {
    "characters": [
        {
            "name": "刘备",
            "aliases": ["玄德"],
            "description": "汉室宗亲",
            "traits": ["仁"],
            "title": "",
            "protagonist_score": 90,
        },
        {
            "name": "关羽",
            "aliases": ["云长"],
            "description": "",
            "traits": [],
            "title": "",
            "protagonist_score": 70,
        },
    ],
    "locations": [{"name": "涿县", "description": "", "type": "城"}],
    "organizations": [{"name": "黄巾军", "description": "", "type": "军"}],
    "events": [
        {
            "name": "桃园结义",
            "description": "结为兄弟",
            "importance": "high",
            "participants": ["刘备", "关羽"],
            "location": "涿县",
            "evidence": "念刘备、关羽",
        }
    ],
    "relations": [
        {
            "source": "刘备",
            "target": "关羽",
            "type": "SIBLING",
            "description": "结义",
            "strength": 9,
            "evidence": "结为兄弟",
        }
    ],
}
TEXT = json.dumps(FULL, ensure_ascii=False)
WANTED = Extraction.model_validate(FULL)


def parse(text: str) -> reply.Parsed:
    return reply.parse(text, provider="p")


@pytest.mark.parametrize(
    "text",
    [
        TEXT,
        f"\ufeff \n{TEXT}\n",
        f"[{TEXT}]",
        json.dumps({"result": FULL}),
        json.dumps(FULL, indent=2),
    ],
)
def test_json_alone_is_taken_as_it_is(text: str) -> None:
    assert parse(text) == reply.Parsed(WANTED, repaired=False, rejected=0)


@pytest.mark.parametrize(
    "text",
    [
        f"```json\n{TEXT}\n```",
        f"```\n{TEXT}\n```\n以上。",
        f"好的，结果如下：\n{TEXT}\n希望有用 {{笑}}。",
    ],
)
def test_json_is_found_in_whatever_wraps_it_and_the_chapter_says_so(text: str) -> None:
    assert parse(text) == reply.Parsed(WANTED, repaired=True, rejected=0)


@pytest.mark.parametrize(
    "text",
    [
        TEXT[:-1] + ",}",
        TEXT.replace("}, {", "} {", 1),
        TEXT.replace('"', "'"),
        TEXT.replace('"结义"', '"他说"结义"了"'),
        f"```json\n{TEXT[:-1]},}}\n```\n完。",
        TEXT.replace('"strength": 9', "strength: 9"),
    ],
)
def test_slightly_broken_json_is_mended_and_says_so(text: str) -> None:
    parsed = parse(text)
    assert parsed.repaired
    assert [c.name for c in parsed.extraction.characters] == ["刘备", "关羽"]
    assert [r.target for r in parsed.extraction.relations] == ["关羽"]
    assert parsed.extraction.events[0].participants == ["刘备", "关羽"]


SHORT = (
    '{"characters": [{"name": "刘备", "aliases": ["玄德"]}, {"name": "关羽"}], '
    '"relations": [{"source": "刘备", "target": "关羽", "type": "FRIEND_OF"}]}'
)
LIU, GUAN = '{"name": "刘备", "aliases": ["玄德"]}', '{"name": "关羽"}'
PEOPLE = f"[{LIU}, {GUAN}]"
DRAFT = '先看 {"characters": [{"name": "张三"}]}。'
TIES = '[{"source": "刘备", "target": "关羽", "type": "FRIEND_OF"}]'
TYPED = '{"type": "character", "name": "刘备", "aliases": ["玄德"]}, {"type": "Person", "name": "关羽"}'


def of(characters: str = PEOPLE, relations: str = TIES) -> str:
    return f'{{"characters": {characters}, "relations": {relations}}}'


@pytest.mark.parametrize(
    "text",
    [
        f"~~~\n{SHORT}\n~~~",
        f"I use the form {{...}}.\n{SHORT}",
        f"[Note] 结果 1] 如下 {SHORT}",
        f"<answer>{SHORT}</answer>",
        f"\\boxed{{{SHORT}}}",
        f"const result = {SHORT};",
        f"{SHORT}}}",
        f"{SHORT}]}}",
        SHORT.replace("[{", "[\n{").replace(", {", ",\n{").replace("\n", "\n> ").join(("> ", "")),
        f"{{{SHORT}}}",
        SHORT.replace('"', "'")[:-1] + ", 'events': None}",
        SHORT.replace("[{", "[ // people\n{").replace('"relations"', '/* ties */ "relations"'),
        SHORT.replace('"name"', "name").replace('"characters"', "characters"),
        SHORT.replace('"name": "关羽"', '"name": 关羽'),
        SHORT.replace('"关羽"}]', '"关羽}]'),
        SHORT.replace('], "rel', ']; "rel'),
        SHORT.replace('"aliases"', '"confidence": +0.9, "protagonist_score": .8, "aliases"'),
        of(PEOPLE.replace('"关羽"}', '"关羽", "confidence": NaN}, ...')),
        of(PEOPLE.replace('"aliases"', '"description": "一\\x 二\\\' 三\n四", "aliases"')),
        of(PEOPLE.replace('"aliases"', '"description": "人称"皇叔"的人", "aliases"')),
        SHORT.replace('"', '\\"'),
        SHORT.replace(" ", "\u00a0"),
        json.dumps(json.loads(SHORT)).replace("\\", "\\\\"),
        SHORT.replace(" ", "\u3000"),
        SHORT.replace('": ', '"：').replace(", ", "，"),
        SHORT.translate(str.maketrans("{}[]", "｛｝［］")),
        SHORT.replace('"刘备"', "“刘备”").replace('"关羽"', "“关羽”"),
        re.sub(r'"([^"]*)"', r"“\1”", SHORT),
        re.sub(r'"([^"]*)"', r"「\1」", SHORT),
        SHORT.replace('"', "“"),
        of(PEOPLE.replace('["玄德"]', '["玄德"、"玄德"]')),
        SHORT.replace("{", "{{").replace("}", "}}"),
        of(PEOPLE, TIES.replace('"FRIEND_OF"', '“FRIEND_OF”，"evidence"："他说：“走！”，再见"')),
        f'{{"response": {{"data": {{"extraction": {SHORT}}}}}}}',
        f'{{"status": "ok", "meta": {{"n": 2}}, "data": {SHORT}}}',
        json.dumps(SHORT),
        json.dumps({"output": SHORT}),
        json.dumps({"output": f"```json\n{SHORT}\n```"}),
        f'{{"name": "extraction", "arguments": {SHORT}}}',
        f'{{"entities": {{"characters": {PEOPLE}}}, "relations": {TIES}}}',
        f'[{{"characters": {PEOPLE}}}, {{"relations": {TIES}}}]',
        '{"characters": [{"name": "刘备", "aliases": ["玄德"]}]}\n{"characters": [{"name": "关羽"}]}\n'
        f'{{"relations": {TIES}}}',
        f'[{TYPED}, {{"type": "FRIEND_OF", "source": "刘备", "target": "关羽"}}]',
        f'{{"entities": [{TYPED}], "relations": {TIES}}}',
        f"```json\n[{TYPED}]\n```\n```json\n{TIES}\n```",
        f'{{"type": "object", "properties": {{"characters": {{"type": "array"}}}}}}\n{SHORT}',
        f'{{"characters": [{LIU[:-1]}, "relations": [{{"target": "关羽", "type": "FRIEND_OF"}}]}}, {GUAN}]}}',
        f'[{TYPED}, {{"type": "relation", "source": "刘备", "target": "关羽", "relation": "FRIEND_OF"}}]',
        '{"nodes": [{"id": "刘备", "label": "Character", "aliases": ["玄德"]}, '
        '{"id": "关羽", "label": "Character"}], '
        '"edges": [{"from": "刘备", "to": "关羽", "label": "FRIEND_OF"}]}',
        of(
            PEOPLE.replace('"name"', '"id": 1, "name"', 1).replace('{"name"', '{"id": "2", "name"'),
            ('[{"source": 1, "target": 2, "type": "FRIEND_OF"}]'),
        ),
        SHORT.replace('"source"', '"source_name"').replace('"target"', '"targetEntity"'),
        SHORT.replace('"source"', '"源实体"').replace('"target"', '"目标人物"').replace('"type"', '"谓语"'),
        SHORT.replace('"name"', '"character_name"').replace("characters", "cast"),
        SHORT.replace('"name"', '"\u200bname"').replace("characters", "chars").replace("relations", "rels"),
        SHORT.replace("relations", "triples"),
        SHORT.replace("characters", "Characters").replace('"name"', '"Name"').replace("source", "Source"),
        SHORT.replace("characters", "人物").replace("relations", "关系").replace('"name"', '"姓名"'),
        SHORT.replace("characters", "character").replace("relations", "relationships"),
        SHORT.replace('"source"', '"from"').replace('"target"', '"to"').replace('"type"', '"relation"'),
        SHORT.replace("aliases", "alias"),
        SHORT.replace("characters", "characters(人物)").replace('"name"', '"name（姓名）"'),
        SHORT.replace('"source"', '"source(源)"').replace("aliases", "aliases[]"),
        SHORT.replace('"source"', '"头实体"').replace('"target"', '"尾实体"').replace("aliases", "其他称呼"),
        of(f'{{"items": {PEOPLE}}}', f'{{"items": {TIES}}}'),
        of(f"[{PEOPLE}]"),
        of(PEOPLE.replace('"aliases"', '"title": "无", "traits": ["None"], "description": "N/A", "aliases"')),
        of(PEOPLE.replace('["玄德"]', '["玄德", "无", "..."]')),
        of(f'[{LIU}, {GUAN}, "无", {{"name": "...", "aliases": ["..."]}}, {{"name": "string"}}]'),
        f'{of()[:-1]}, "locations": "无", "organizations": [{{"name": "未知", "description": "未提及"}}]}}',
        of(relations=f'{TIES[:-1]}, {{"source": "刘备", "target": null, "type": "KNOWS"}}]'),
        of(relations=f'{TIES[:-1]}, {{"source": "刘备", "target": "未知", "type": "KNOWS"}}]'),
        of(relations=f'{TIES[:-1]}, {{"source": "关羽", "target": "刘备", "type": "无关系"}}]'),
        f'[{TYPED}, {{"Type": "Relation", "Source": "刘备", "Target": "关羽", "Relation": "FRIEND_OF"}}]',
        f"[{TYPED}, {TIES[1:-1]}]".replace('"type": "c', '"Type": "C').replace('"type": "P', '"Type": "P'),
        of(f'[{LIU[:-1]}, "relationships": [{{"with": "关羽", "type": "FRIEND_OF"}}]}}, {GUAN}]', "[]"),
        f'[{TYPED}, {{"from": "刘备", "to": "关羽", "relation": "FRIEND_OF"}}]',
        of('[{"name": "刘备", "aliases": {"字": "玄德"}}, {"name": "关羽", "aliases": "无"}]'),
        of(PEOPLE.replace('"aliases"', '"protagonist_score": "95分", "confidence": "高", "aliases"')),
        of(relations=TIES.replace('"FRIEND_OF"', '["FRIEND_OF", "LEADS"], "evidence": ["念刘备", "关羽"]')),
        of(PEOPLE.replace('"aliases"', '"title": ["皇叔", "主公"], "description": {"zh": "仁"}, "aliases"')),
        of(f'[{{}}, {LIU}, null, {GUAN}, {{"name": "", "aliases": [], "protagonist_score": 0}}]'),
        of(relations=TIES.replace('"关羽"', '["关羽"]')),
        of(PEOPLE.replace('"关羽"', '["关羽"]')),
        of(relations='[{"source": {"name": "刘备"}, "target": {"name": "关羽"}, "type": "FRIEND_OF"}]'),
    ],
)
def test_what_a_person_can_read_is_read(text: str) -> None:
    parsed = parse(text)
    people = {c.name: c.aliases for c in parsed.extraction.characters}
    ties = [(r.source, r.type, r.target) for r in parsed.extraction.relations]
    assert (people, ties, parsed.rejected) == (
        {"刘备": ["玄德"], "关羽": []},
        [("刘备", "FRIEND_OF", "关羽")],
        0,
    )


# Shapes that no model is known to give: what is lost of them is counted, or the reply is asked for again.
@pytest.mark.parametrize(
    "text",
    [
        f"人物：\n```json\n{PEOPLE}\n```\n\n**人物关系**\n```json\n{TIES}\n```",
        f'"characters": {PEOPLE},\n"relations": {TIES}',
        SHORT.replace('": ', '" => '),
        SHORT.replace('"source"', '"人物A"').replace('"target"', '"人物 B"'),
        SHORT.replace("characters", "mainCharacters").replace("relations", "relation_list"),
        of(relations='{"FRIEND_OF": [["刘备", "关羽"]]}'),
        of(relations='{"刘备": {"关羽": "FRIEND_OF"}}'),
        of(relations='{"(刘备, 关羽)": "FRIEND_OF"}'),
        of(relations='["刘备 -> 关羽: FRIEND_OF"]'),
        of(relations='["刘备是关羽的FRIEND_OF"]'),
        of(relations='[["刘备", "FRIEND_OF", "关羽"]]'),
        of(relations='[{"characters": ["刘备", "关羽"], "type": "FRIEND_OF"}]'),
        of(relations='[{"source": "刘备", "targets": [{"name": "关羽", "type": "FRIEND_OF"}]}]'),
        of(f'{{"main": [{LIU}], "minor": [{GUAN}]}}'),
        of('{"刘备": {"aliases": ["玄德"]}, "关羽": {}}'),
        "## 人物\n| 姓名 | 别名 |\n|---|---|\n| 刘备 | 玄德 |\n| 关羽 ||",
    ],
)
def test_what_is_not_read_is_counted(text: str) -> None:
    try:
        parsed = parse(text)
    except ReplyUnparsable:
        return
    assert parsed.rejected


# A reply of a model that reads Chinese documents, as in Graphify-Labs/graphify#2286.
def test_curly_quotes_may_stand_at_either_end() -> None:
    text = "{“nodes”:[{“id”:“刘备”,”label”:“人物“,”aliases”:[“玄德”]}],”relations”:[]}"
    (person,) = parse(text).extraction.characters
    assert (person.name, person.aliases) == ("刘备", ["玄德"])


def test_a_reply_that_was_cut_off_anywhere_is_never_mended() -> None:
    for text in (TEXT, json.dumps(FULL, ensure_ascii=False, indent=1), f"[{TEXT}, {TEXT}]"):
        for end in range(len(text)):
            for cut in (text[:end], f"```json\n{text[:end]}", f"```json\n{text[:end]}\n```"):
                with pytest.raises(ReplyUnparsable):
                    parse(cut)


def test_a_broken_reply_that_was_cut_off_is_never_mended() -> None:
    broken = TEXT.replace("}, {", "} {", 1).replace('"结义"', '"他说"结义"了"')
    for end in range(len(broken)):
        with pytest.raises(ReplyUnparsable):
            parse(broken[:end])


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{}",
        "[]",
        "null",
        "42",
        '"characters"',
        "对不起，我不能这样做。",
        '{"error": "I can not do that"}',
        '{"message": {"content": "no"}}',
        '{"characters": [{"nom": "刘备",},]}',  # mended, it says nothing that can be used
        '[{"name": "刘备"}]',
        f"[{LIU}, {GUAN}, {TIES[1:-1]}]",  # people, or places?
        f"```json\n{PEOPLE}\n```\n```json\n{TIES}\n```",
        f"人物和关系：\n{PEOPLE}\n{TIES}",
        f"人物：\n{PEOPLE[:-1]},]\n关系：\n{TIES}",
        f"人物：\n{PEOPLE}\n关系：\n{TIES[:-1]}, {{]}}]",
        f"人物 [{GUAN}]\n" * 40,
        "{" * 100_000,
        "[" * 100_000,
        '{"characters":' + "[" * 50_000 + "]" * 50_000 + ",}",
        '{"a":' * 20_000 + "1" + "}" * 20_000,
        TEXT + " " * 1_000_001,
        "<think>" * 140_000,
    ],
)
def test_what_is_no_result_is_unparsable_and_soon_found_so(text: str) -> None:
    with pytest.raises(ReplyUnparsable):
        parse(text)


def test_empty_lists_are_a_result_and_missing_ones_are_empty() -> None:
    assert parse('{"characters": []}') == reply.Parsed(Extraction())
    assert parse('{"relations": null, "note": "nothing"}') == reply.Parsed(Extraction())
    assert parse('{"id": "x1", "characters": null}') == reply.Parsed(Extraction())


def test_wrong_items_are_rejected_and_counted_the_others_kept() -> None:
    parsed = parse(
        json.dumps(
            {
                "characters": [
                    {"name": "刘备"},
                    {"name": ""},
                    {"nom": "x"},
                    7,
                    None,
                    ["y"],
                    {"name": {"a": 1}},
                    "张飞",
                ],
                "relations": [
                    {"source": "刘备", "target": "张飞", "strength": "8"},
                    {"source": "刘备"},
                    "刘备-张飞",
                ],
                "locations": "涿县",
                "events": {"name": "结义", "participants": "刘备、张飞"},
                "organizations": 5,
            }
        )
    )
    found = parsed.extraction
    assert [c.name for c in found.characters] == ["刘备", "张飞"]
    assert [(r.source, r.target, r.strength) for r in found.relations] == [("刘备", "张飞", 8)]
    assert [place.name for place in found.locations] == ["涿县"]
    assert found.events[0].participants == ["刘备", "张飞"]
    assert found.organizations == []
    assert parsed.rejected == 4 + 2 + 1


def test_odd_types_of_fields() -> None:
    parsed = parse(
        json.dumps(
            {
                "characters": [
                    {
                        "name": "刘备",
                        "aliases": "玄德，刘皇叔",
                        "protagonist_score": "95.4",
                        "traits": None,
                        "x": {"y": []},
                    },
                    {"name": "关羽", "protagonist_score": "very high", "aliases": [{"alias": "云长"}, 5]},
                    {"name": "赵云", "protagonist_score": "约 60/100", "description": ["常山人", "武将"]},
                    {"name": "张飞", "protagonist_score": 1e9},
                ],
                "events": [
                    {"name": "战", "participants": [{"name": "刘备", "role": "主将"}, "关羽"]},
                ],
            }
        )
    )
    first, second, fourth, third = parsed.extraction.characters
    assert (first.aliases, first.protagonist_score) == (["玄德", "刘皇叔"], 95)
    assert (second.aliases, second.protagonist_score) == (["云长"], 0)
    assert third.protagonist_score == 100
    assert (fourth.protagonist_score, fourth.description) == (60, "常山人；武将")
    assert [(e.name, e.participants, e.location) for e in parsed.extraction.events] == [
        ("战", ["刘备", "关羽"], ""),
    ]
    assert parsed.rejected == 0


def test_a_list_given_twice_counts_in_whole() -> None:
    text = '{"characters": [{"name": "刘备"}], "relations": [], "characters": [{"name": "关羽"}]}'
    assert [c.name for c in parse(text).extraction.characters] == ["刘备", "关羽"]


def test_lists_in_objects_of_their_own_are_joined() -> None:
    text = '{"characters": [{"name": "刘备"}]}\n{"locations": [{"name": "涿县"}]}'
    found = parse(text).extraction
    assert ([c.name for c in found.characters], [p.name for p in found.locations]) == (["刘备"], ["涿县"])


@pytest.mark.parametrize(
    ("text", "people", "rejected"),
    [
        ('{"characters": [{"id": 1}, {"id": 2, "name": "关羽"}]}', ["关羽"], 1),
        (
            '{"characters": [{"id": 1, "name": [1, 2]}, "关羽"], "relations": {"1-关羽": "x"}}',
            ["关羽"],
            2,
        ),
        ('{"characters": [{"name": "关羽", "relations": ["刘备的义弟"]}]}', ["关羽"], 1),
        ('{"characters": ["关羽"], "relations": [{"source": 1, "target": 2}, "刘备与关羽"]}', ["关羽"], 2),
        ('{"characters": ["关羽"], "relations": [["刘备", "朋友", "关羽"]]}', ["关羽"], 1),  # whose friend?
        ('{"characters": ["关羽"], "relations": [{"source": "关羽", "target": []}]}', ["关羽"], 1),
        ('{"characters": ["关羽"], "relations": [{"source": "关羽", "target": 2}]}', ["关羽"], 1),
        ('{"characters": ["关羽"], "relations": ["关羽 <-- LEADS -- 刘备"]}', ["关羽"], 1),
        ('{"characters": ["Dana"], "relations": [["FBI", "employs", "Dana"]]}', ["Dana"], 1),
        ('{"characters": ["刘备", "关羽"], "relations": ["刘备不是关羽的朋友"]}', ["刘备", "关羽"], 1),
        ('{"characters": ["Tom", "Huck"], "relations": ["Tom is not the son of Huck"]}', ["Tom", "Huck"], 1),
        ('{"characters": ["Tom", "Huck"], "relations": ["Tom and Huck are not kin"]}', ["Tom", "Huck"], 1),
        ('{"characters": ["Tom", "Huck"], "relations": ["Tom is no friend of Huck"]}', ["Tom", "Huck"], 1),
        ('{"characters": ["甲", "乙", "丙"], "relations": [["甲", "乙", "丙"]]}', ["甲", "乙", "丙"], 1),
        ('{"characters": ["刘备"], "relations": {"刘备": {"总结": "朋友很多"}}}', ["刘备"], 1),
        ('{"characters": ["刘备", {"role": "子", "father_name": "刘弘"}]}', ["刘备"], 1),
        ('{"characters": ["刘备"], "relations": [{"data_source": "第3回", "target": "刘备"}]}', ["刘备"], 1),
        ('{"nodes": [{"id": "n1", "label": "关羽", "type": "person"}], "edges": []}', [], 1),
        (  # whose number?
            '{"characters": [{"id": 1, "name": "刘备"}, {"id": 2, "name": "关羽"}], '
            '"locations": [{"id": 1, "name": "涿县"}], "relations": [{"source": 1, "target": 2}]}',
            ["刘备", "关羽"],
            1,
        ),
        (
            '{"characters": ["关羽"], "relations": [{"source": "关羽", "target": [' + "1," * 9_999 + "2]}]}",
            ["关羽"],
            1,
        ),
    ],
)
def test_what_cannot_be_read_without_doubt_is_told(text: str, people: list[str], rejected: int) -> None:
    parsed = parse(text)
    assert [c.name for c in parsed.extraction.characters] == people
    assert (parsed.extraction.relations, parsed.rejected) == ([], rejected)


def test_a_relation_to_several_is_one_to_each_and_a_list_given_twice_in_an_item_counts_in_full() -> None:
    tie = '{"source": "刘备", "target": ["关羽", "张飞"], "type": "FRIEND_OF"}'
    found = parse(of('[{"name": "刘备", "aliases": ["玄德"], "aliases": ["先主"]}]', f"[{tie}]"))
    assert [(r.source, r.target) for r in found.extraction.relations] == [("刘备", "关羽"), ("刘备", "张飞")]
    assert found.extraction.characters[0].aliases == ["玄德", "先主"]


@pytest.mark.parametrize(
    "relations",
    [
        '[{"from": 1, "to": 2, "type": "LEADS"}]',
        '[{"source": 1, "target": [2], "type": "LEADS"}]',
        '[{"source": "刘备", "target": "2", "type": "LEADS"}]',
        '[{"head": {"name": "刘备"}, "tail": 2.0, "type": "LEADS"}, {"from": 1, "to": 2, "type": "LEADS"}]',
    ],
)
@pytest.mark.parametrize("code", ['"P2"', "2"])
def test_ends_and_participants_that_are_ids_are_the_people_with_these_ids(relations: str, code: str) -> None:
    text = f"""{{"characters": [{{"ID": 1, "姓名": "刘备"}}, {{"id": 2, "name": "关羽"}}],
        "events": [{{"name": "结义", "participants": [1, 2]}}], "relations": {relations}}}"""
    found = parse(text.replace("2,", f"{code},").replace("2]", f"{code}]").replace('"2"', code)).extraction
    assert [(r.source, r.type, r.target) for r in found.relations] == [("刘备", "LEADS", "关羽")]
    assert found.events[0].participants == ["刘备", "关羽"]


def test_people_named_in_one_text_are_each_their_own() -> None:
    people = '["刘备", {"name": "关羽、张飞", "aliases": ["云长"]}]'
    ties = """[{"source": "刘备", "target": "关羽、张飞", "type": "LEADS"},
        {"source": ["关羽", "张飞"], "target": "刘备", "type": "FOLLOWS"},
        {"source": "刘备", "target": "关羽、张飞结义", "type": "LEADS"}]"""
    found = parse(of(people, ties)).extraction
    assert [(c.name, c.aliases) for c in found.characters] == [("刘备", []), ("关羽", []), ("张飞", [])]
    assert [(r.source, r.type, r.target) for r in found.relations] == [
        *(("刘备", "LEADS", "关羽"), ("刘备", "LEADS", "张飞")),
        *(("关羽", "FOLLOWS", "刘备"), ("张飞", "FOLLOWS", "刘备")),
        ("刘备", "LEADS", "关羽、张飞结义"),
    ]


@pytest.mark.parametrize("name", ["未知", "Unknown", "不详", "..."])
@pytest.mark.parametrize(
    ("told", "rejected"),
    [
        ({"aliases": ["黑衣人"]}, 1),
        ({"description": "夜里来的刺客"}, 1),
        ({"relations": [{"target": "刘备", "type": "ENEMY"}]}, 2),  # the person and the tie
        ({"aliases": ["无"], "description": "未知", "protagonist_score": 5}, 0),
    ],
)
def test_what_is_told_of_somebody_unknown_counts_as_rejected(
    name: str, told: dict[str, Any], rejected: int
) -> None:
    parsed = parse(of(json.dumps([{"name": "刘备"}, {"name": name, **told}]), "[]"))
    assert [c.name for c in parsed.extraction.characters] == ["刘备"]
    assert (parsed.extraction.relations, parsed.rejected) == ([], rejected)


def test_a_longer_name_is_nobody_whose_name_stands_in_place_of_an_id() -> None:
    (tie,) = parse(
        of('{"Anna": {}, "Tom": {}}', '[{"source": "Anna Smith", "target": "Tom", "type": "KNOWS"}]')
    ).extraction.relations
    assert tie.source == "Anna Smith"


def test_a_relations_quotes_are_no_relations() -> None:
    tie = f'{TIES[1:-2]}, "evidence": [{{"text": "桃园"}}, {{"text": "结义"}}]}}'
    assert [r.evidence for r in parse(of(relations=f"[{tie}]")).extraction.relations] == ["桃园"]


@pytest.mark.parametrize("given", ["7", "null", '"x"', "[]", "[[], {}]"])
def test_a_relation_may_have_parts(given: str) -> None:
    parsed = parse(of(relations=f'[{TIES[1:-2]}, "parts": {given}}}, {{"parts": {given}}}]'))
    assert [(r.source, r.target) for r in parsed.extraction.relations] == [("刘备", "关羽")]


def test_a_relation_that_tells_both_ends_needs_no_type() -> None:
    for end in ("source", "from", "head"):
        (tie,) = parse(
            of(relations=f'[{{"{end}": "刘备", "target": "关羽", "type": ""}}]')
        ).extraction.relations
        assert (tie.source, tie.target) == ("刘备", "关羽")


def test_a_copy_of_the_format_has_nobody() -> None:
    for word in ("...", "string", "……"):
        tie = f'{{"source": "{word}", "target": "{word}", "type": "{word}"}}'
        parsed = parse(of(f'[{{"name": "{word}", "aliases": ["{word}"]}}]', f"[{tie}]"))
        assert parsed == reply.Parsed(Extraction())


def test_a_relation_in_a_persons_own_object_keeps_its_ends() -> None:
    tie = '{"from": "张飞", "to": "关羽", "type": "FOLLOWS"}'
    (found,) = parse(f'{{"characters": [{{"name": "刘备", "relations": [{tie}]}}]}}').extraction.relations
    assert (found.source, found.target) == ("张飞", "关羽")


def test_what_only_names_a_kind_beside_something_else_is_not_of_it() -> None:
    others = '"group_members": [{"name": "张飞"}], "nodes": [{"id": "刘备", "group": "蜀"}]'
    assert parse(f'{{"characters": ["关羽"], {others}}}').extraction.organizations == []
    with pytest.raises(ReplyUnparsable):
        parse('[{"name": "刘备", "location": "涿县"}]')


@pytest.mark.parametrize(
    "key", ["excluded_characters", "ignoredPeople", "排除的人物", "non-characters", "excluded", "未出现"]
)
def test_whom_a_reply_leaves_out_is_not_among_its_people(key: str) -> None:
    others = f'"{key}": [{{"name": "张飞", "type": "person"}}]'
    for text in (
        f'{{{others}, "characters": ["关羽"]}}',
        f'{{"result": {{"characters": ["关羽"], {others}}}}}',
    ):
        parsed = parse(text)
        assert ([c.name for c in parsed.extraction.characters], parsed.rejected) == (["关羽"], 1)


def test_a_schema_around_the_items_is_looked_through() -> None:
    people = '{"type": "array", "items": [{"name": "刘备"}]}'
    assert [c.name for c in parse(f'{{"characters": {people}}}').extraction.characters] == ["刘备"]


def test_curly_quotes_in_a_text_stay_when_its_json_is_mended() -> None:
    text = '{"characters": [{"name": "刘备", "description": "人称“玄德”：仁厚"} {"name": "关羽"}]}'
    assert parse(text).extraction.characters[0].description == "人称“玄德”：仁厚"


def test_a_name_in_hundreds_of_brackets_is_none() -> None:
    text = '{"characters": [{"name": "刘备", "aliases": ' + '{"a":' * 900 + '"x"' + "}" * 901 + "]}"
    assert parse(text).extraction.characters[0].aliases == []


def test_more_items_than_any_honest_reply_has_are_rejected() -> None:
    text = json.dumps({"characters": [{"name": f"n{i}"} for i in range(700)]})
    parsed = parse(text)
    assert len(parsed.extraction.characters) == 500
    assert parsed.rejected == 200


def test_items_that_mending_loses_are_counted() -> None:
    names = [f'{{"name": "n{i}"}}' for i in range(10)]
    names[4] = '{"name" "n4" {]'
    text = '{"characters": [' + ", ".join(names) + "]}}"
    try:
        parsed = parse(text)
    except ReplyUnparsable:
        return  # refusing is as good as counting; dropping silently is not
    assert len(parsed.extraction.characters) + parsed.rejected >= 10


def test_of_a_cut_off_reply_each_whole_item_is_kept_and_no_half_one() -> None:
    text, whole = json.dumps(FULL), Extraction.model_validate(FULL)
    counts = []
    for end in (*range(0, len(text), 3), len(text) - 1):
        try:
            found = reply.parse_cut(text[:end], provider="p")
        except ReplyUnparsable:
            counts.append(0)
            continue
        assert found.rejected == 1
        kept = [(kind, getattr(found.extraction, kind)) for kind in FULL]
        assert all(items == getattr(whole, kind)[: len(items)] for kind, items in kept)
        counts.append(sum(len(items) for _, items in kept))
    assert counts == sorted(counts)
    assert counts[-1] == sum(map(len, FULL.values()))


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ('```json\n{"characters": [{"name": "x}]"}, {"name": "y", "aliases": ["q"', ["x}]"]),
        ('{"r": {"characters": ["a", "b\\"', ["a"]),
    ],
)
def test_a_cut_off_reply_may_be_wrapped(text: str, names: list[str]) -> None:
    assert [c.name for c in reply.parse_cut(text, provider="p").extraction.characters] == names


@pytest.mark.parametrize(
    "text", ["", "{", '{"characters": [' + "[" * 99_999, '[{"name": "a"}, ', "prose, [1]"]
)
def test_a_cut_off_reply_without_a_whole_item_is_none(text: str) -> None:
    with pytest.raises(ReplyUnparsable):
        reply.parse_cut(text, provider="p")


@pytest.mark.parametrize("size", [4_000, 180_000])
def test_reads_of_hostile_quotes_do_not_grow_with_the_reply(
    size: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    left: list[int] = []
    bounded = mend_json.BoundedText

    def spied(text: str, reads_left: list[int]) -> mend_json.BoundedText:
        monkeypatch.setattr(mend_json, "BoundedText", bounded)
        nonlocal left
        left = reads_left
        return bounded(text, reads_left)

    monkeypatch.setattr(mend_json, "BoundedText", spied)
    monkeypatch.setattr(mend_json, "MAX_READS", 1_000)
    unit = '": "": "-”'
    with pytest.raises(ReplyUnparsable):
        parse('{"characters": [' + unit * (size // len(unit)) + "]}")
    assert left == [-1]  # 1,000 reads, then it stopped


def test_json_nested_in_fences_without_end_is_unparsable() -> None:
    with pytest.raises(ReplyUnparsable):
        parse('{"characters": [' + '"```json' * 3_000 + "]}")


def test_very_many_keys_of_which_one_is_given_twice_take_bounded_time() -> None:
    keys = ", ".join(f'"{at}": []' for at in (*range(60_000), 1))
    assert parse(f'{{"characters": ["刘备"], {keys}}}').extraction.characters[0].name == "刘备"


# --- merging


def pieces(text: str, seed: int) -> list[Extraction]:
    r = random.Random(seed)
    sentences = [s + "。" for s in text.split("。") if s]
    parts, at = [], 0
    while at < len(sentences):
        size = r.randint(1, 40)
        parts.append(parse(fake_model.answer("".join(sentences[at : at + size]))).extraction)
        at += size
    return parts


def sanguo_like() -> str:
    r = random.Random(3)
    people = ["刘备", "关羽", "张飞", "曹操", "孙权", "诸葛亮", "赵云", "吕布"]
    return "".join(
        f"{r.choice(people)}与{r.choice(people)}在{r.choice('涿徐许')}城相见{r.randint(0, 99)}次，说道不悔。"
        for _ in range(300)
    )


@pytest.mark.parametrize("seed", range(8))
def test_how_a_text_was_split_does_not_matter(seed: int) -> None:
    text = sanguo_like()
    whole = merge([parse(fake_model.answer(text)).extraction])
    assert len(whole.characters) == 8
    assert len(whole.relations) > 10
    parts = pieces(text, seed)
    assert len(parts) > 5
    assert merge(parts) == whole
    middle = len(parts) // 3
    left, right = merge(parts[:middle]), merge(parts[middle:])
    assert merge([left, right]) == whole
    assert merge([whole]) == whole


def test_a_chapter_holds_no_more_than_a_record_may() -> None:
    parts = [
        Extraction.model_validate({"locations": [{"name": f"{n}村{i}"} for i in range(500)]})
        for n in range(11)
    ]
    assert merge(parts).locations == [one for part in parts for one in part.locations][:MAX_CHAPTER_ITEMS]


def test_what_merging_unites() -> None:
    one = Extraction.model_validate(
        {
            "characters": [{"name": "刘备", "aliases": ["玄德"], "protagonist_score": 50}, {"name": "关羽"}],
            "locations": [{"name": "涿县"}],
            "relations": [
                {"source": "关羽", "target": "刘备", "type": "friend", "strength": 4},
                {"source": "刘备", "target": "关羽", "type": "LEADS", "strength": 4},
            ],
            "events": [{"name": "结义", "participants": ["刘备"]}],
        }
    )
    two = Extraction.model_validate(
        {
            "characters": [
                {"name": "张飞"},
                {"name": "刘备", "aliases": ["皇叔", "玄德"], "description": "主公", "protagonist_score": 90},
            ],
            "locations": [{"name": "涿县", "type": "城"}],
            "relations": [
                {"source": "刘备", "target": "关羽", "type": "FRIEND", "strength": 9, "evidence": "结为兄弟"},
                {"source": "关羽", "target": "刘备", "type": "LEADS", "strength": 1},
            ],
            "events": [{"name": "结义", "participants": ["张飞", "刘备"], "location": "桃园"}],
        }
    )
    both = merge([one, two])
    assert [(c.name, c.aliases, c.description, c.protagonist_score) for c in both.characters] == [
        ("刘备", ["玄德", "皇叔"], "主公", 90),
        ("关羽", [], "", 0),
        ("张飞", [], "", 0),
    ]
    assert [(p.name, p.type) for p in both.locations] == [("涿县", "城")]
    assert [(r.source, r.target, r.type, r.strength, r.evidence) for r in both.relations] == [
        ("关羽", "刘备", "friend", 9, "结为兄弟"),
        ("刘备", "关羽", "LEADS", 4, ""),
        ("关羽", "刘备", "LEADS", 1, ""),
    ]
    assert [(e.participants, e.location) for e in both.events] == [(["刘备", "张飞"], "桃园")]
    assert merge([]) == Extraction()


@pytest.mark.parametrize(
    ("kind", "item", "wanted"),
    [
        ("characters", {"角色": "主角", "姓名": "刘备"}, {"name": "刘备"}),
        ("characters", {"名": "备", "姓名": "刘备"}, {"name": "刘备"}),
        ("characters", {"name": "刘备", "protagonist_score": "9/10"}, {"protagonist_score": 90}),
        (
            "relations",
            {"name": "桃园", "源": "刘备", "目标": "关羽", "关系": "FRIEND_OF"},
            {"type": "FRIEND_OF"},
        ),
    ],
)
def test_the_surest_of_several_keys_counts_wherever_it_stands(
    kind: str, item: dict[str, str], wanted: dict[str, object]
) -> None:
    for keys in (list(item), list(reversed(item))):
        (found,) = getattr(parse(json.dumps({kind: [{key: item[key] for key in keys}]})).extraction, kind)
        assert {key: getattr(found, key) for key in wanted} == wanted


def test_chapters_of_a_relation_are_not_its_ends() -> None:
    people = PEOPLE.replace('"name"', '"id": 1, "name"', 1).replace('{"name"', '{"id": 2, "name"')
    parsed = parse(of(people, '[{"type": "FRIEND_OF", "chapters": [1, 2]}]'))
    assert (parsed.extraction.relations, parsed.rejected) == ([], 1)


def test_items_of_no_kind_beside_others_count_as_rejected() -> None:
    entities = [
        {"name": "何恭", "type": "PER"},
        {"name": "青石镇", "type": "GPE"},
        {"name": "雨", "type": "WEATHER"},
    ]
    for answer in ({"entities": entities}, {"data": {"entities": entities}}):
        parsed = reply.parse(json.dumps(answer), provider="p")
        assert [one.name for one in parsed.extraction.characters] == ["何恭"]
        assert [one.name for one in parsed.extraction.locations] == ["青石镇"]
        assert parsed.rejected == 1
    with pytest.raises(ReplyUnparsable):
        reply.parse(json.dumps({"entities": entities[2:]}), provider="p")


def test_a_share_is_a_share_of_the_highest_number() -> None:
    answer = {
        "characters": [{"name": "何恭", "protagonist_score": 0.9}, {"name": "何旺", "protagonist_score": 1}],
        "relations": [{"source": "何恭", "target": "何旺", "type": "LEADS", "strength": 0.8}],
    }
    found = reply.parse(json.dumps(answer), provider="p").extraction
    assert [one.protagonist_score for one in found.characters] == [90, 1]
    assert found.relations[0].strength == 8
