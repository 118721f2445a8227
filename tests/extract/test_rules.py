"""A chapter without an LLM: who stands in it, who keeps company, and what the text says of a tie."""

from __future__ import annotations

import pickle
import re

import pytest

from kgnb.core.labels import CHARACTER_RELATIONS, Lang
from kgnb.extract import rules
from kgnb.extract.evidence_quote import EVIDENCE_CHARS
from kgnb.extract.model import NameEntry, Relation
from kgnb.extract.strength import combined_strength, strength_of

ZH = [
    NameEntry("刘备", ("玄德",), "Character", 400, 1, 9, 9),
    NameEntry("关羽", ("云长",), "Character", 200, 1, 9, 9),
    NameEntry("张飞", (), "Character", 100, 1, 9, 9),
    NameEntry("吕布", (), "Character", 80, 1, 9, 9),
    NameEntry("涿县", (), "Location", 8, 1, 9, 9),
    NameEntry("天机阁", (), "Organization", 3, 1, 9, 9),
]
EN = [
    NameEntry("Anne Elliot", ("Anne",), "Character", 400, 1, 9, 9),
    NameEntry("Sir Walter", (), "Character", 100, 1, 9, 9),
    NameEntry("Mary", (), "Character", 90, 1, 9, 9),
    NameEntry("Bath", (), "Location", 50, 1, 9, 9),
]


def ties(text: str, lang: Lang = "zh") -> set[tuple[str, str, str]]:
    found = rules.extract(text, lang=lang, names=ZH if lang == "zh" else EN).relations
    return {(r.source, r.type, r.target) for r in found}


def test_who_stands_in_the_chapter() -> None:
    found = rules.extract("玄德到涿县，见张飞。玄德大喜。", lang="zh", names=ZH)
    assert [c.name for c in found.characters] == ["刘备", "张飞"]
    assert found.characters[0].aliases == ["玄德"]
    assert found.characters[0].mentions == 2
    assert found.characters[1].mentions == 1
    assert [p.name for p in found.locations] == ["涿县"]
    assert found.organizations == []
    assert all(0 < c.confidence < 1 for c in found.characters)


def test_company_is_known_with_strength_and_evidence() -> None:
    once = rules.extract("刘备见了关羽。", lang="zh", names=ZH).relations
    often = rules.extract("刘备见了关羽。" * 20, lang="zh", names=ZH).relations
    assert [(r.source, r.type, r.target) for r in once] == [("关羽", "KNOWS", "刘备")]
    assert once[0].strength < often[0].strength <= 10
    assert once[0].evidence == "刘备见了关羽。"


def test_people_of_distant_sentences_keep_no_company() -> None:
    assert ties("刘备来了。" + "天下大雨。" * 30 + "关羽走了。") == set()


@pytest.mark.parametrize(
    ("text", "tie"),
    [
        ("刘备之子张飞来了。", ("刘备", "PARENT_OF", "张飞")),
        ("张飞的父亲刘备来了。", ("刘备", "PARENT_OF", "张飞")),
        ("张飞是刘备的儿子。", ("刘备", "PARENT_OF", "张飞")),
        ("刘备的妻子张飞来了。", ("刘备", "SPOUSE", "张飞")),
        ("刘备、关羽、张飞结为兄弟。", ("关羽", "SIBLING", "张飞")),
        ("张飞与吕布交战五十合。", ("吕布", "ENEMY", "张飞")),
        ("关羽一刀斩了吕布。", ("关羽", "ENEMY", "吕布")),
        ("关羽拜刘备为师。", ("刘备", "MASTER_OF", "关羽")),
        ("刘备是关羽的师父。", ("刘备", "MASTER_OF", "关羽")),
        ("刘备部将关羽大怒。", ("刘备", "LEADS", "关羽")),
        ("关羽爱慕张飞。", ("关羽", "LOVES", "张飞")),
        ("吕布投靠了刘备。", ("吕布", "SERVES", "刘备")),
        ("刘备令关羽引兵去了。", ("刘备", "LEADS", "关羽")),
        ("刘备和张飞是大学同学。", ("刘备", "FRIEND", "张飞")),
        ("关羽、张飞兄弟二人去了。", ("关羽", "SIBLING", "张飞")),
        ("刘备与吕布是夫妻。", ("刘备", "SPOUSE", "吕布")),
        ("刘备与吕布是父子。", ("刘备", "PARENT_OF", "吕布")),
    ],
)
def test_what_the_text_says_of_a_tie(text: str, tie: tuple[str, str, str]) -> None:
    assert tie in ties(text)


@pytest.mark.parametrize(
    ("text", "tie"),
    [
        ("Anne Elliot was the daughter of Sir Walter.", ("Sir Walter", "PARENT_OF", "Anne Elliot")),
        ("Sir Walter's second daughter, Anne, went to Bath.", ("Sir Walter", "PARENT_OF", "Anne Elliot")),
        ("Mary was Anne's younger sister.", ("Anne Elliot", "SIBLING", "Mary")),
        ("Anne had married Sir Walter in May.", ("Anne Elliot", "SPOUSE", "Sir Walter")),
        ("Mary hated Anne.", ("Mary", "HATES", "Anne Elliot")),
    ],
)
def test_what_an_english_text_says_of_a_tie(text: str, tie: tuple[str, str, str]) -> None:
    assert tie in ties(text, "en")


def test_husband_and_wife_are_both_meant() -> None:
    hales = [
        NameEntry("Mr. Hale", (), "Character", 9),
        NameEntry("Mrs. Hale", (), "Character", 9),
        NameEntry("Anne", (), "Character", 9),
    ]
    found = rules.extract("Mrs. Hale met Mr. Hale. Mr. and Mrs. Hale left.", lang="en", names=hales)
    assert ("Mr. Hale", "SPOUSE", "Mrs. Hale") in {(r.source, r.type, r.target) for r in found.relations}
    found = rules.extract("Mr. Hale. Mrs. Hale. Anne saw the Hales.", lang="en", names=hales)
    ties = {(r.source, r.type, r.target) for r in found.relations}
    assert {("Anne", "KNOWS", "Mr. Hale"), ("Anne", "KNOWS", "Mrs. Hale")} <= ties
    found = rules.extract("Anne saw the Hales and Mr. Hale.", lang="en", names=hales)
    assert {r.target for r in found.relations} == {"Mr. Hale"}


def test_no_tie_is_read_into_mere_company() -> None:
    assert {t for _, t, _ in ties("刘备与关羽饮酒。张飞战船已到，吕布笑。")} == {"KNOWS"}
    assert {t for _, t, _ in ties("张飞命吕布坐了。刘备与吕布父子都来了。")} == {"KNOWS"}
    assert ("关羽", "FAMILY", "刘备") not in ties("刘备乃关羽叔父吕布之子。")


def test_a_footnotes_mark_ends_what_is_said_of_a_tie() -> None:
    assert ("关羽", "SIBLING", "刘备") in ties("关羽是刘备的弟弟①。")


def test_short_forms_act_for_whom_was_named_before() -> None:
    found = rules.extract("吕布见张飞。布大怒，云长亦怒。", lang="zh", names=ZH)
    assert ("关羽", "KNOWS", "吕布") in {(r.source, r.type, r.target) for r in found.relations}
    before = rules.extract("布大怒，云长亦怒。", lang="zh", names=ZH)
    assert [c.name for c in before.characters] == ["关羽"]


def test_a_quote_does_not_begin_with_the_mark_that_ends_the_sentence_before() -> None:
    found = rules.extract("众人曰：“善！”刘备见了关羽。", lang="zh", names=ZH)
    assert [r.evidence for r in found.relations] == ["刘备见了关羽。"]


def test_evidence_is_a_short_quote_from_the_chapter() -> None:
    text = "那日天色将晚，" * 30 + "刘备同着关羽走入帐中，" + "众人都不言语，" * 30 + "散了。"
    (tie,) = rules.extract(text, lang="zh", names=ZH).relations
    assert re.fullmatch(
        "…(那日天色将晚，)+刘备同着关羽走入帐中，(众人都不言语，)+众人都不言语…", tie.evidence
    )
    assert EVIDENCE_CHARS - 10 < len(tie.evidence) <= EVIDENCE_CHARS
    (tie,) = rules.extract("Anne " + "walked onwards " * 22 + "to Mary.", lang="en", names=EN).relations
    assert re.fullmatch(
        "Anne (walked onwards )+walked…(walked )?(onwards walked )*onwards to Mary.", tie.evidence
    )  # no half words


def test_a_quote_of_a_tie_has_both_persons_and_the_word_however_far_apart_they_stand() -> None:
    idle = "The wind rose over the hills, and the leaves fell, and the evening was long. "
    people = [NameEntry("Mr. Dale", (), "Character", 9), NameEntry("Tom Dale", ("Tom",), "Character", 8)]
    text = (
        f"Mr. Dale was in. {idle * 3}Tom sat there, {'and sat there, ' * 20}until he saw his father. {idle}"
    )
    (tie,) = [r for r in rules.extract(text, lang="en", names=people).relations if r.type == "PARENT_OF"]
    pieces = tie.evidence.strip("…").split("…")
    assert len(tie.evidence) <= EVIDENCE_CHARS
    assert all(piece in text for piece in pieces)
    assert all(word in tie.evidence for word in ("Mr. Dale", "Tom", "his father"))
    said = "那日" + "天色将晚，" * 20
    text = f"张飞{said}见了关羽，{said}又见了刘备的弟弟关羽，{said}散了。"
    (tie,) = [r for r in rules.extract(text, lang="zh", names=ZH).relations if r.type == "SIBLING"]
    assert "刘备的弟弟关羽" in tie.evidence
    assert len(tie.evidence) <= EVIDENCE_CHARS


def test_english_names_match_whole_words_over_line_ends() -> None:
    found = rules.extract("Annexes! Mary-like.\nAnne\nElliot   met “Mary”.", lang="en", names=EN)
    assert [c.name for c in found.characters] == ["Anne Elliot", "Mary"]
    assert found.relations[0].evidence == 'Anne Elliot met "Mary".'
    found = rules.extract('"It is late." Anne Elliot met Mary.', lang="en", names=EN)
    assert found.relations[0].evidence == "Anne Elliot met Mary."


def test_types_are_known_ones_and_ends_are_characters_of_the_chapter() -> None:
    text = "刘备之弟关羽与吕布交战。张飞命关羽。关羽见吕布。天机阁。"
    found = rules.extract(text, lang="zh", names=ZH)
    people = {c.name for c in found.characters}
    assert {r.type for r in found.relations} <= set(CHARACTER_RELATIONS)
    assert all(r.source in people and r.target in people and r.source != r.target for r in found.relations)
    assert [o.name for o in found.organizations] == ["天机阁"]


def test_hostile_names_and_texts_stay_data() -> None:
    names = [NameEntry("a(b|c)*", ("[x", "\\"), "Character", 3), NameEntry("刘备", (), "Character", 2)]
    found = rules.extract("刘备 a(b|c)* [x <script>\x00\u202e 刘备", lang="zh", names=names)
    assert {c.name for c in found.characters} == {"a(b|c)*", "刘备"}
    assert rules.extract("", lang="zh", names=[]).characters == []
    assert rules.extract("刘备", lang="en", names=[]).relations == []


def test_a_crowded_chapter_stays_bounded() -> None:
    crowd = [NameEntry(f"甲{chr(0x4E40 + i)}", (), "Character", 5) for i in range(60)]
    found = rules.extract("、".join(n.name for n in crowd) + "都来了。", lang="zh", names=crowd)
    assert len(found.characters) == 60
    assert 0 < len(found.relations) <= rules.MAX_RELATIONS


def test_strength_grows_to_ten() -> None:
    values = [strength_of(w) for w in (1, 3, 8, 20, 60, 1000)]
    assert values == sorted(values)
    assert values[0] == 1
    assert values[-1] == 10


def test_what_chapters_give_adds_up_over_the_book() -> None:
    assert [combined_strength([n]) for n in range(1, 11)] == list(range(1, 11))
    assert combined_strength([3] * 40) > combined_strength([7])
    assert combined_strength([3, 5]) == combined_strength([5, 3]) >= 5
    assert combined_strength([10] * 100) == 10


def test_the_result_travels_between_processes() -> None:
    found = rules.extract("刘备见了关羽。", lang="zh", names=ZH)
    again = pickle.loads(pickle.dumps(found))
    assert again == found
    assert isinstance(again.relations[0], Relation)
    assert re.fullmatch(r"[A-Z_]+", again.relations[0].type)
