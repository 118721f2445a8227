"""Finished graphs of replies that err as language models do, each on a book of its own."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from kgnb.core.labels import Lang
from kgnb.core.model import Chapter, Novel, TaskConfig
from kgnb.extract import evidence, name_scan, reply
from kgnb.extract.model import NameEntry
from kgnb.graph.model import ExtractionRow, RecordRow
from kgnb.graph.project.projection import novel_builder
from kgnb.graph.resolve.name_table import Link, name_table

People = dict[str, list[str]]
"""One reply: name → aliases."""


def people_of(
    lang: Lang, texts: Sequence[str], replies: Sequence[People], table: Sequence[NameEntry] = ()
) -> dict[str, set[str]]:
    """The finished graph's people: name → aliases. Chapter n has reply n and text n, repeated in turn.

    ``table``: the name table, where not the pre-scan's.
    """
    chapters = [(n, texts[n % len(texts)]) for n in range(len(replies))]
    rows = []
    for (number, text), people in zip(chapters, replies, strict=True):
        characters = [{"name": name, "aliases": aliases} for name, aliases in people.items()]
        answer = json.dumps({"characters": characters}, ensure_ascii=False)
        page = evidence.ChapterText(text)
        found = evidence.verify(reply.parse(answer, provider="p").extraction, page)
        found = evidence.mark_absent(found, page)
        rows.append(RecordRow(ExtractionRow(1, 1, number, number, "", "", found, "p", "m", 1)))
    places = [Chapter(n, 1, n, "", len(text)) for n, text in chapters]
    graph = novel_builder(
        Novel(1, ""),
        places,
        rows,
        table or name_scan.scan(chapters, lang),
        TaskConfig(),
        lambda names: evidence.names_in_texts(names, list(texts)),
    ).graph()
    nodes = [node for node in graph.nodes.values() if node.label == "Character"]
    return {str(node.properties["name"]): {*node.properties["aliases"]} for node in nodes}


ZH = (
    "林远舟字伯川，是个画师。沈知白字仲文，是个郎中。伯川见了仲文，拱手便笑。",
    "沈知白道：“远舟兄今日可好？”林远舟道：“好。”陆小寒在旁边听着，不说话。",
    "陆小寒问林远舟要一幅画，林远舟不肯。沈知白笑道：“伯川小气。”",
)
RIGHT: People = {"林远舟": ["伯川"], "沈知白": ["仲文"], "陆小寒": []}


@pytest.mark.parametrize("chapters", [3, 12, 40])
def test_two_people_whose_aliases_one_chapter_swaps(chapters: int) -> None:
    swapped: People = {"林远舟": ["仲文"], "沈知白": ["伯川"], "陆小寒": []}
    found = people_of("zh", ZH, [RIGHT] * (chapters - 1) + [swapped])
    assert found.keys() == {"林远舟", "沈知白", "陆小寒"}
    assert "伯川" in found["林远舟"] - found["沈知白"]
    assert "仲文" in found["沈知白"] - found["林远舟"]


@pytest.mark.parametrize("word", ["他", "那人", "兄弟", "那个男人", "此人"])
def test_a_pronoun_or_a_word_for_anybody_joins_nobody_and_is_no_name(word: str) -> None:
    first: People = {"林远舟": ["伯川", word], "沈知白": ["仲文"]}
    second: People = {"林远舟": ["伯川"], "沈知白": ["仲文", word]}
    found = people_of("zh", ZH, [first, second, RIGHT] * 6)
    assert found.keys() == {"林远舟", "沈知白", "陆小寒"}


@pytest.mark.parametrize("word", ["the man", "he", "that fellow", "my dear", "her friend"])
def test_a_pronoun_or_a_description_joins_nobody(word: str) -> None:
    first: People = {"John Harland": ["Mr. Harland", word], "Alice Moor": []}
    second: People = {"John Harland": [], "Alice Moor": ["Alice", word]}
    found = people_of("en", EN, [first, second] * 8)
    assert found.keys() == {"John Harland", "Alice Moor"}


@pytest.mark.parametrize(
    ("lang", "name", "word"),
    [("en", "John Harland", w) for w in ("that boy", "my dear", "that old man", "his friend", "this Boy")]
    + [("zh", "林远舟", w) for w in ("那汉子", "这丫头", "這個漢子", "我儿", "一个老者", "此人")],
)
def test_a_word_that_points_at_somebody_is_no_other_name(lang: Lang, name: str, word: str) -> None:
    replies: list[People] = [{name: [word]}, {name: []}]
    assert people_of(lang, EN if lang == "en" else ZH, replies)[name].isdisjoint([word])


@pytest.mark.parametrize(
    ("name", "word"),
    [("Queen Ann", "Her Majesty"), ("John Harland", "the captain"), ("John Harland", "the old man")],
)
def test_what_only_one_at_a_time_is_called_may_be_an_other_name(name: str, word: str) -> None:
    assert word in people_of("en", [f"{name}, {word}, came."], [{name: [word]}])[name]


EPITHETS = (
    "Old Ann Peel sat by the fire.",
    "Ann Peel sang to Sam Hale.",
    "Young Ann Peel came in with Sam Hale.",
)


@pytest.mark.parametrize("epithet", ["Young", "Old", "Little", "Big", "Poor"])
def test_a_full_name_with_an_epithet_is_who_bears_it_without(epithet: str) -> None:
    form = f"{epithet} Ann Peel"
    found = people_of("en", EPITHETS, [{"Ann Peel": []}, {form: [], "Sam Hale": []}] * 8)
    assert found.keys() == {"Ann Peel", "Sam Hale"}
    assert form in found["Ann Peel"]


@pytest.mark.parametrize("name", ["Peel", "Mr. Peel"])
def test_a_surname_with_an_epithet_may_be_a_sons(name: str) -> None:
    text = f"{name} sat by the fire. Young {name} came in."
    assert people_of("en", [text], [{name: []}, {f"Young {name}": []}] * 8).keys() == {name, f"Young {name}"}


def test_epithets_that_tell_two_people_apart_join_nobody() -> None:
    people: People = {"Ann Peel": [], "Old Ann Peel": [], "Young Ann Peel": []}
    assert people_of("en", EPITHETS, [{name: []} for name in people] * 4).keys() == people.keys()
    both: People = {"Ann Peel": [], "Young Ann Peel": []}  # mother and daughter
    assert people_of("en", EPITHETS, [both] * 12).keys() == both.keys()


@pytest.mark.parametrize("at_once", [True, False])
def test_a_groups_name_given_to_its_members_joins_nobody(at_once: bool) -> None:
    group = "林沈陆"
    replies = []
    for number in range(18):
        chosen = list(RIGHT) if at_once and number % 3 == 0 else [list(RIGHT)[number % 3]]
        replies.append({name: [*also, group] if name in chosen else also for name, also in RIGHT.items()})
    found = people_of("zh", ZH, replies)
    assert found.keys() == {"林远舟", "沈知白", "陆小寒"}
    assert all("伯川" not in found[name] for name in ("沈知白", "陆小寒"))


EN = (
    "Mr. Harland came in late. John Harland was his only son. Alice Moor saw John Harland and smiled.",
    "Old George Harland sat by the fire. Mr. Harland said nothing. Alice Moor read to George Harland.",
    "John Harland went to London with Alice. Mr. Harland followed them. Alice Moor wept.",
)


def test_a_father_and_a_son_of_one_title_stay_two() -> None:
    father: People = {"George Harland": ["Mr. Harland"], "John Harland": [], "Alice Moor": ["Alice"]}
    son: People = {"George Harland": [], "John Harland": ["Mr. Harland"], "Alice Moor": ["Alice"]}
    found = people_of("en", EN, [father, son, father] * 5)
    assert {"George Harland", "John Harland", "Alice Moor"} <= found.keys()
    assert "John Harland" not in found["George Harland"]
    found = people_of("zh", ZH, [{"林远舟": ["老爷"], "沈知白": []}, {"林远舟": [], "沈知白": ["老爷"]}] * 8)
    assert found.keys() == {"林远舟", "沈知白"}


def test_chapters_in_two_scripts_have_the_same_people() -> None:
    traditional: People = {"林遠舟": ["伯川"], "沈知白": ["仲文"], "陸小寒": []}
    found = people_of("zh", ZH, [RIGHT, traditional] * 6)
    assert found.keys() == {"林远舟", "沈知白", "陆小寒"}
    assert "林遠舟" in found["林远舟"]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Mr. Harland", "Mr Harland"),
        ("Mr. Harland", "MR. HARLAND"),
        ("Miss O'Hara", "Miss O’Hara"),
        ("Miss O'Hara", "Miss O´Hara"),
        ("Jean-Luc Petit", "Jean Luc Petit"),
        ("St. Clare", "St Clare"),
        ("José Peña", "Jose\u0301 Pen\u0303a"),
        ("Dr. Moor", "Dr.  Moor"),
        ("Mr. Harland", "dear Mr. Harland"),
        ("Alice Moor", "poor Alice Moor"),
    ],
)
def test_a_spelling_of_an_english_name_is_no_second_person(one: str, other: str) -> None:
    text = f"{one} came in late. Nobody saw {one} but the cook. {one} said good night to Tom Pike."
    found = people_of("en", [text], [{one: [], "Tom Pike": []}, {other: [], "Tom Pike": []}] * 4)
    assert found.keys() == {one, "Tom Pike"}


@pytest.mark.parametrize(
    ("one", "other"),
    [("玛丽·安", "玛丽•安"), ("玛丽·安", "玛丽・安"), ("阿Q", "阿Ｑ"), ("林远舟", "林 远舟")],
)
def test_a_spelling_of_a_chinese_name_is_no_second_person(one: str, other: str) -> None:
    text = f"{one}来了。{one}笑道：“好。”沈知白看见{one}，也笑了。沈知白道：“坐。”"
    found = people_of("zh", [text], [{one: [], "沈知白": []}, {other: [], "沈知白": []}] * 4)
    assert len(found) == 2
    assert any({one, other} == {name, *aliases} for name, aliases in found.items())


def test_an_apostrophe_tells_two_people_apart() -> None:
    texts = ["Mr. Darcy met Colonel D'Arcy. Darcy bowed. D'Arcy laughed at Darcy."]
    replies: list[People] = [{"Darcy": ["Mr. Darcy"], "D'Arcy": ["Colonel D'Arcy"]}] * 6
    assert len(people_of("en", texts, replies)) == 2


def test_titles_of_one_person_are_one_and_of_a_couple_two() -> None:
    texts = [
        "Miss Jane Moor sang. Jane was happy. Jane Moor loved Captain Pike. Captain Pike bowed to Miss Moor.",
        "Mrs. Pike was Jane Moor before. Captain Pike told Mrs. Pike so. Captain Robert Pike laughed.",
    ]
    first: People = {"Jane Moor": ["Jane", "Miss Moor"], "Captain Pike": ["Robert Pike"]}
    second: People = {"Jane Moor": ["Mrs. Pike"], "Captain Robert Pike": ["Captain Pike"]}
    third: People = {"Miss Jane Moor": ["Jane"], "Robert Pike": ["Captain Pike", "Mrs. Pike"]}
    found = people_of("en", texts, [first, second, first, second, first, second, third, second])
    assert len(found) == 2
    assert {len(names & {"Mrs. Pike", "Miss Moor"}) for names in found.values()} == {0, 2}


STATED = [
    NameEntry("林远舟", ("伯川",), mentions=9, reasons=(("伯川", "林远舟", "字", 0.99),)),
    NameEntry("沈知白", mentions=9),
]


@pytest.mark.parametrize("chapters", [4, 1_200])
def test_an_alias_heard_once_is_not_believed_against_the_text(chapters: int) -> None:
    """The text says whose it is, and the replies list him beside the one to whom the error gives it."""
    wrong: People = {"沈知白": ["伯川"], "林远舟": []}
    found = people_of(
        "zh", ZH, [wrong, *[{"林远舟": [], "沈知白": []}] * chapters, *[{"陆小寒": []}] * 10], STATED
    )
    assert "伯川" not in found["沈知白"]


def test_an_alias_that_the_text_states_needs_few_replies() -> None:
    once: People = {"林远舟": ["伯川"], "沈知白": []}
    twice: People = {"林远舟": [], "伯川": [], "沈知白": []}
    found = people_of("zh", ZH, [once, *[twice] * 2, *[{"沈知白": []}] * 11], STATED)
    assert found.keys() == {"林远舟", "沈知白"}


def test_a_relative_is_told_from_the_one_whose_first_name_is_in_the_alias() -> None:
    texts = ["Miss Moor came with Dolly. Alice was tired. Dolly saw Alice. Miss Moor slept.", *EN]
    right: People = {"Alice": ["Miss Moor"], "Dolly": []}
    wrong: People = {"Alice": ["Miss Moor", "Dolly Moor"], "Dolly": []}
    found = people_of("en", texts, [right] * 40 + [wrong])
    assert found.keys() == {"Alice", "Dolly"}
    assert "Dolly Moor" not in found["Alice"]


def test_a_persons_links_are_read_once_for_all_its_names() -> None:
    class Counted(dict[str, tuple[Link, ...]]):
        reads = 0

        def get(self, *args: Any) -> Any:
            self.reads += 1
            return super().get(*args)

    aliases = [f"伯川{number}" for number in range(100)]
    table = name_table([NameEntry("林远舟", tuple(aliases))])
    table = replace(table, links_of=(links := Counted(table.links_of)))
    assert table.other_names(aliases) == {"林远舟"}
    assert links.reads == 1
