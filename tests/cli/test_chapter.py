"""What became of a chapter's reply is seen: in main's ledger, in `kgnb status`, and by `kgnb chapter`."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import datetime
from typing import Any

import pytest

from tests.conftest import lent_folder
from tests.support.commands import Place, llm

BOOK = """书名：小传
作者：无名

第一章 相逢
　　刘备与关羽相逢于涿县城中，二人共饮，刘备大喜，说道：“云长真壮士也。”

第二章 无事
　　是日天晴，城中无事，百姓安居，鸡犬相闻，直到黄昏时分才下起雨来。
"""
ESCAPES = "\x1b[31m红\x1b]0;title\x07\u202e\x9b2J"


def answer(text: str) -> str:
    if "无事" in text:
        return '{"characters": [], "note": "' + "x" * 70_000 + '"}'
    tie = {"source": "刘备", "target": "关羽", "type": "FRIEND", "evidence": "刘备与关羽"}
    found = {
        "characters": [{"name": "刘备", "description": ESCAPES}, {"name": "关羽"}, {"name": "哈利·波特"}],
        "relations": [
            tie,
            {**tie, "type": "ENEMY", "evidence": "刘备拔剑便砍"},
            {**tie, "target": "哈利·波特"},
            {"source": "刘备"},
        ],
    }
    return "好的：" + json.dumps(found, ensure_ascii=False).replace("\\u001b", "\x1b")


@pytest.fixture(scope="module")
def place(embedded: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    """A book of two chapters, built; its engines kept up."""
    one = Place(tmp_path_factory.mktemp("chapter"), {"KGNB_LANG": "zh"})
    book = one.path / "book.txt"
    book.write_text(BOOK)
    with lent_folder(embedded, one.data), llm(answer=answer) as server:
        one.build(book, "--provider", "dryrun", env=server.env())
        yield one


def test_the_ledger_says_where_something_may_be_missing(place: Place) -> None:
    rows = place.sql("SELECT status, error_message FROM knowledge_graph_chapter_status ORDER BY chapter_id")
    assert [status for status, _ in rows] == ["completed", "completed"]
    assert rows[0][1] == "kgnb：可能有遗漏（部分条目作废）"
    assert rows[1][1] == "kgnb：可能有遗漏（有段落没抽到内容）"
    assert place.sql("SELECT error_message FROM knowledge_graph_tasks") == [(None,)]


def test_status_counts(place: Place) -> None:
    (task,) = place.run("status", "--json").json["tasks"]
    assert task["flags"] == {"empty": 1, "partial": 1, "repaired": 1, "unverified": 1}
    assert (task["unverified"], task["rejected"], task["dropped"]) == (1, 1, 1)
    text = place.run("status").out
    for word in ("有段落没抽到内容 1 章", "回复已修补 1 章", "引文未核实 1 条", "书中没有的人物 1 个"):
        assert word in text


def test_the_graph_has_what_the_book_has(place: Place) -> None:
    graph = place.graph()
    names = {n["properties"]["name"] for n in graph["nodes"].values() if n["label"] == "Character"}
    assert names == {"刘备", "关羽"}
    ties = {type_: facts for (_, type_, _), facts in graph["edges"].items() if type_ in ("FRIEND", "ENEMY")}
    assert ties["FRIEND"]["evidence"] == "刘备与关羽"
    assert isinstance(ties["FRIEND"]["chapter_id"], int)
    assert (ties["ENEMY"]["unverified"], ties["ENEMY"]["confidence"]) == (True, 0.5)
    assert not ties["ENEMY"].get("evidence")


def test_a_chapter_is_shown(place: Place) -> None:
    shown = place.run("chapter", "1", "1").out
    for word in ("第 1 章", "已完成", "dryrun", "刘备、关羽、哈利·波特", "本章原文里没有的名字：哈利·波特"):
        assert word in shown
    assert "“刘备与关羽”" in shown
    assert "—ENEMY→ 关羽（未核实）" in shown
    found = place.run("chapter", "1", "2", "--json").json
    for name in ("started_at", "completed_at"):
        assert datetime.fromisoformat(found[name]).tzinfo
    assert (found["status"], found["flags"], found["chars"]) == ("completed", ["empty", "unverified"][:1], 34)
    assert "raw" not in found


def test_the_raw_reply_is_shown_bounded_and_commands_no_terminal(place: Place) -> None:
    shown = place.run("chapter", "1", "1", "--raw").out
    assert "── 回复 1/1 ──" in shown
    assert "好的：{" in shown
    assert "\\x1b[31m红" in shown
    assert all(c.isprintable() or c == "\n" for c in shown)
    ran = place.run("chapter", "1", "1", "--raw", "--json")
    assert all(c.isprintable() or c == "\n" for c in ran.out)
    (reply,) = ran.json["raw"]
    assert ESCAPES.replace("\x07", "\\u0007") in reply
    (long,) = place.run("chapter", "1", "2", "--raw", "--json").json["raw"]
    assert len(long) == 64 * 1024


def test_what_is_not_there_is_said(place: Place) -> None:
    place.run("chapter", "1", "9").refused("第 9 章", "kgnb status")
    place.run("chapter", "9", "1").refused("9", "kgnb status")


def test_ties_that_the_graph_leaves_out_are_not_shown(place: Place) -> None:
    before = place.run("chapter", "1", "1", "--json").json
    refused = [before["extraction"]["relations"][i] for i in before["left_out"]]
    assert [(tie["target"], tie.get("type", "KNOWS")) for tie in refused] == [("哈利·波特", "FRIEND")]
    place.run("fix", "小传", "--no-tie", "刘备", "关羽", "FRIEND")
    shown = place.run("chapter", "1", "1").out
    assert "—ENEMY→" in shown
    assert "—FRIEND→" not in shown
    assert "图谱没有采用的关系（存疑、与别处矛盾或已被更正）：2 条" in shown
