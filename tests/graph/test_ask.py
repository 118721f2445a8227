"""Questions in words: what is asked for, and what the graph and the text answer."""

from __future__ import annotations

import doctest

import pytest

from kgnb.app import ask as ask_module
from kgnb.extract.model import NameEntry
from kgnb.graph.ask import passages as passages_module
from kgnb.graph.ask.answers import answer
from kgnb.graph.ask.model_answer import later_names, verified
from kgnb.graph.ask.passages import PASSAGE_CHARS, Passage, best, passages, terms, with_neighbours
from kgnb.graph.ask.question import read_question, tie_words
from kgnb.graph.model import Graph, GraphEdge, GraphNode
from kgnb.graph.query import GraphQuery


def novel() -> GraphQuery:
    graph = Graph()
    for number in (1, 2, 3):
        node = GraphNode("Chapter", str(number), {"chapter_number": number, "title": f"第{number}回"})
        graph.nodes[node.ref] = node
    people = {
        "刘备": (["玄德"], [1, 2, 3]),
        "关羽": (["云长"], [1, 2]),
        "刘禅": (["阿斗"], [3]),
        "曹操": ([], [2]),
        "Elizabeth Bennet": (["Lizzy", "Elizabeth"], [1, 2]),
        "Mr. Darcy": (["Darcy"], [2]),
    }
    for name, (aliases, chapters) in people.items():
        facts = {"name": name, "aliases": aliases, "chapters": chapters, "description": ""}
        graph.nodes["Character", name] = GraphNode("Character", name, facts)
        for number in chapters:
            edge = GraphEdge(("Character", name), "APPEARS_IN", ("Chapter", str(number)), {})
            graph.edges[edge.ref] = edge
    graph.nodes["Location", "荆州"] = GraphNode("Location", "荆州", {"name": "荆州", "chapters": [2]})
    for a, kind, b, chapters, quote in (
        ("关羽", "SIBLING", "刘备", [1], "念刘备、关羽、张飞，结为兄弟"),
        ("刘备", "PARENT_OF", "刘禅", [3], "玄德之子阿斗"),
        ("曹操", "KNOWS", "刘备", [2], "煮酒论英雄"),
        ("Elizabeth Bennet", "LOVES", "Mr. Darcy", [2], "she loved him"),
    ):
        facts = {
            "chapters": chapters,
            "count": 1,
            "strength": 5,
            "evidence": quote,
            "chapter_id": chapters[0],
        }
        edge = GraphEdge(("Character", a), kind, ("Character", b), facts)
        graph.edges[edge.ref] = edge
    return GraphQuery(graph)


@pytest.mark.parametrize(
    ("question", "intent", "names"),
    [
        ("刘备是谁？", "who", ["刘备"]),
        ("玄德", "who", ["刘备"]),
        ("刘备和云长是什么关系", "relation", ["刘备", "关羽"]),
        ("阿斗的父亲是谁", "kin", ["刘禅"]),
        ("谁是阿斗的爹", "kin", ["刘禅"]),
        ("刘备第一次在第几章出现", "first", ["刘备"]),
        ("刘备在多少章里出现", "chapters", ["刘备"]),
        ("关羽最后一次出场是哪一章", "last", ["关羽"]),
        ("刘备和曹操什么时候认识的", "since", ["刘备", "曹操"]),
        ("谁在荆州？", "there", ["荆州"]),
        ("关羽去过哪里", "where", ["关羽"]),
        ("书里有多少人物", "people", []),
        ("曹操为什么杀关羽", "", ["曹操", "关羽"]),
        ("Who is Lizzy?", "who", ["Elizabeth Bennet"]),
        ("who is in love with Darcy", "", ["Mr. Darcy"]),
        ("Who is Elizabeth in love with?", "", ["Elizabeth Bennet"]),
        (
            "What is the relationship between Elizabeth and Darcy?",
            "relation",
            ["Elizabeth Bennet", "Mr. Darcy"],
        ),
        ("When does Elizabeth first meet Mr. Darcy?", "since", ["Elizabeth Bennet", "Mr. Darcy"]),
        ("In which chapter does Darcy appear?", "first", ["Mr. Darcy"]),
        ("Who is Elizabet Bennett?", "who", ["Elizabeth Bennet"]),
    ],
)
def test_what_is_asked(question: str, intent: str, names: list[str]) -> None:
    read = read_question(question, novel())
    assert [one.name for one in read.entities] == names
    if intent:
        assert read.intent == intent


@pytest.mark.parametrize(
    ("question", "told", "quote"),
    [
        ("阿斗的父亲是谁", "刘备", "玄德之子阿斗"),
        ("刘备的儿子是谁", "刘禅", "玄德之子阿斗"),
        ("刘备的兄弟是谁", "关羽", "念刘备、关羽、张飞，结为兄弟"),
        ("刘备和曹操什么时候认识的", "第 2 章", "煮酒论英雄"),
        ("刘备和关羽是什么关系", "兄弟姐妹", "念刘备、关羽、张飞，结为兄弟"),
        ("关羽最后一次出场是哪一章", "第 2 章", ""),
        ("What is Elizabeth to Darcy?", "Mr. Darcy", "she loved him"),
    ],
)
def test_what_the_graph_answers(question: str, told: str, quote: str) -> None:
    query = novel()
    sentences = answer(read_question(question, query), query)
    assert told in sentences[0].text
    assert quote in [source.quote for source in sentences[0].citations] or not quote


@pytest.mark.parametrize(
    "question",
    [
        "关羽的妻子是谁",
        "曹操为什么杀吕布",
        "刘备在哪里被刺客杀伤",
        "刘备什么时候哭了",
        "关羽最后一次喝酒是哪一章",
        "What was Elizabeth's first name?",
        "When does Darcy propose?",
        "Where does Darcy buy his horse?",
        "",
        "？",
        "{a}{0}%s",
        "阿斗的" + "父" * 600,
    ],
)
def test_no_answer_is_no_answer(question: str) -> None:
    query = novel()
    sentences = answer(read_question(question, query), query)
    assert not sentences


def test_a_long_paragraph_is_cut_between_sentences() -> None:
    text = "".join("曹操与刘备煮酒论英雄，" * (n % 7 + 1) + "天下大势。" for n in range(60))
    assert all(one.text.endswith("。") for one in passages([(1, text)]))


@pytest.mark.parametrize(
    ("question", "words"),
    [
        ("Whom did Lizzy marry?", "husband"),
        ("What is Lizzy to Darcy?", "aunt"),
        ("阿斗的爹是谁", "父亲"),
        ("刘备和关羽是什么关系", "师父"),
    ],
)
def test_a_question_for_a_tie_looks_for_all_its_words(question: str, words: str) -> None:
    assert words in "|".join(tie_words(read_question(question, novel()))).split("|")


def test_neighbours_of_the_best_passages_are_among_those_retrieved() -> None:
    every = [Passage(n // 3, f"第{n}段") for n in range(30)]
    found = with_neighbours([every[10], every[20], every[2]], every, 4)
    assert [one.text for one in found] == ["第9段", "第10段", "第11段", "第20段"]


def test_passages_are_whole_sentences_and_lose_nothing() -> None:
    text = "".join(f"第{n}句话说的是一件很长很长的事情。" for n in range(200)) + "\n\n" + "无标点" * 300
    found = passages([(7, text)])
    assert all(len(one.text) <= PASSAGE_CHARS["zh"] and one.chapter == 7 for one in found)
    assert "".join("".join(one.text.split()) for one in found) == "".join(text.split())


def test_the_passage_with_the_rare_words_and_the_people_comes_first() -> None:
    told = [(1, "曹操大喜。"), (2, "曹操拔剑杀了吕伯奢。"), (3, "吕伯奢沽酒而回。")]
    found = passages([*told, *((n, "曹操引军而去，天下大势。") for n in range(4, 40))])
    words = terms("曹操为什么杀吕伯奢", ["曹操", "为什么"])
    ranked = best(found, words, [["曹操", "孟德"]])
    assert [one.chapter for one in ranked][:2] == [2, 3]
    assert best([], words) == []


@pytest.mark.parametrize("module", [passages_module, ask_module])
def test_examples_in_docstrings(module: object) -> None:
    assert doctest.testmod(module).failed == 0  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("蒙面人救了他。", True),
        ("蒙面人就是林冲。", False),  # both are known by then, not that they are one
        ("林冲救了他。", True),
        ("豹子头救了他。", False),  # a name that no passage has
        ("武松救了他。", False),  # isn't in the book by then
        ("小乙死在燕青手里。", True),  # one person's names, known before
    ],
)
def test_nothing_is_said_that_is_known_only_later(text: str, shown: bool) -> None:
    names = [
        NameEntry("林冲", aliases=("蒙面人", "豹子头"), since={"蒙面人": 40, "豹子头": 40}, first_chapter=1),
        NameEntry("武松", first_chapter=50),
        NameEntry("燕青", aliases=("小乙",), since={"小乙": 2}, first_chapter=1),
    ]
    found = [Passage(3, "那蒙面人一枪刺来，救了林冲的旧友。小乙与燕青都看呆了。")]
    said = verified([(text, ["那蒙面人一枪刺来"])], found, later_names(names, 30))
    assert bool(said) == shown
