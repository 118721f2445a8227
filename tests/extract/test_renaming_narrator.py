"""What an LLM is told about who tells a book, and what its words for him mean."""

from __future__ import annotations

import pytest

from kgnb.core.labels import Lang
from kgnb.core.model import Prompt, TaskConfig
from kgnb.extract import evidence, merge_chunks
from kgnb.extract.model import MAX_ITEMS, Extraction, NameEntry
from kgnb.extract.prompt import OVERHEAD, PromptBuilder
from kgnb.extract.renaming import is_for_narrator, with_narrator
from kgnb.extract.rules import narrator_of

TELLER = NameEntry("向晚舟", ("晚舟",), mentions=9, narrator=True)
NAMES = [NameEntry("许文澜", mentions=20), TELLER, NameEntry("孟启明", mentions=5)]
TOLD = "我放下笔走出去，我看见许文澜站在码头上。我没有说话，我等着。"
SPOKEN = "“我放下笔走出去，我看见他了。我没有说话，我等着。”许文澜说。孟启明听着。"
ENGLISH = [NameEntry("Tom Harrow", ("Tom",), mentions=9, narrator=True), NameEntry("Nora", mentions=9)]


def request(text: str, names: list[NameEntry], lang: Lang = "zh", title: str = "") -> Prompt:
    """The request for a chapter in one chunk."""
    narrator = narrator_of(text, lang=lang, names=names, title=title)
    return PromptBuilder(lang, names, TaskConfig()).prompt(text, narrator=narrator)


def line(text: str, names: list[NameEntry], lang: Lang = "zh") -> str:
    user = request(text, names, lang).user
    first = user.partition("\n")[0]
    return first if not first.startswith("<") else ""


class TestRequest:
    def test_who_says_i_is_told(self) -> None:
        assert line(TOLD, NAMES).endswith("：向晚舟=我、许文澜")
        assert line(f"{TOLD}“晚舟！”", NAMES).endswith("：向晚舟=我/晚舟、许文澜")
        text = "I saw Nora. I called to her, and I ran. I was late."
        assert line(text, ENGLISH, "en").endswith(": Tom Harrow=I, Nora")

    def test_a_chapter_with_a_name_for_its_title_is_told_by_its_bearer(self) -> None:
        nobody = [NameEntry(n.name, n.aliases, mentions=9) for n in NAMES]
        for names in (NAMES, nobody):
            user = request(TOLD * 2, names, title="第三章 孟启明").user
            assert user.partition("\n")[0].endswith("：孟启明=我、许文澜")

    def test_nothing_is_told_of_a_passage_that_he_does_not_tell(self) -> None:
        assert line(SPOKEN, NAMES).endswith("：许文澜、孟启明")
        assert line(f"{TOLD}向晚舟也来了。", NAMES).endswith("：许文澜、向晚舟=晚舟")

    def test_the_request_of_any_other_book_is_as_before(self) -> None:
        names = [NameEntry(n.name, n.aliases, mentions=n.mentions) for n in NAMES]
        assert line(TOLD, names).endswith("：许文澜")

    def test_it_stays_within_its_room(self) -> None:
        many = [NameEntry(f"名字{i}号", mentions=9) for i in range(300)]
        text = TOLD + "".join(n.name for n in many)
        prompt = request(text, [*many, *NAMES])
        assert "：向晚舟=我、" in prompt.user
        assert len(prompt.system) + len(prompt.user) - len(text) <= OVERHEAD

    def test_names_that_are_no_safe_text_are_left_out(self) -> None:
        bad = NameEntry("向\n晚舟", mentions=9, narrator=True)
        assert "我" not in line(TOLD, [bad, *NAMES[:1]])


@pytest.mark.parametrize(
    "word",
    [
        *("我", "“我”", "俺", "叙述者", "叙述者（我）", "我（叙述者）", "敘述者", "第一人称叙述者"),
        *(
            "无名的叙述者",
            "“我”（主人公）",
            "我（女主角）",
            "男主（我）",
            "I",
            "me",
            "narrator",
            "The Narrator",
            "narrator (unnamed)",
        ),
        *("the unnamed first-person narrator", "I (narrator)"),
    ],
)
def test_a_word_for_who_tells(word: str) -> None:
    assert is_for_narrator(word)


@pytest.mark.parametrize(
    "word",
    ["", "主人公", "我爸", "我们", "自我", "的", "Ian", "the speaker", "Mei", "I. Newton", "King I", "??"],
)
def test_any_other_word(word: str) -> None:
    assert not is_for_narrator(word)


REPLY = {
    "characters": [
        {"name": "我", "aliases": ["晚舟"], "protagonist_score": 90},
        {"name": "向晚舟（叙述者）", "description": "账房"},
        {"name": "许文澜", "aliases": ["我", "文澜"]},
    ],
    "events": [{"name": "走出去", "participants": ["叙述者", "许文澜"]}],
    "relations": [
        {"source": "我", "target": "许文澜", "type": "FRIEND", "evidence": "我看见许文澜站在码头上"},
        {"source": "我（晚舟）", "target": "孟启明", "type": "SERVES"},
    ],
}


def test_the_words_mean_who_tells_and_nobody_else() -> None:
    (found,) = [merge_chunks.merge([with_narrator(Extraction.model_validate(REPLY), TELLER)])]
    assert [(c.name, c.aliases) for c in found.characters] == [("向晚舟", ["晚舟"]), ("许文澜", ["文澜"])]
    assert (found.characters[0].protagonist_score, found.characters[0].description) == (90, "账房")
    assert found.events[0].participants == ["向晚舟", "许文澜"]
    assert [(r.source, r.target) for r in found.relations] == [("向晚舟", "许文澜"), ("向晚舟", "孟启明")]


def test_words_without_end_are_one_person_of_as_many_aliases_as_an_item_may_have() -> None:
    many = [{"name": "我", "aliases": [f"名{i}号{k}" for k in range(5)]} for i in range(300)]
    reply = {"characters": [*many, {"name": "孟启明", "aliases": ["我", "叙述者"]}]}
    told = with_narrator(Extraction.model_validate(reply), TELLER)
    assert max(len(c.aliases) for c in told.characters) == MAX_ITEMS
    found = merge_chunks.merge([told]).characters
    assert [(c.name, len(c.aliases)) for c in found] == [("向晚舟", MAX_ITEMS), ("孟启明", 0)]


def test_a_reply_without_the_words_stays() -> None:
    found = Extraction.model_validate({"characters": [{"name": "许文澜", "aliases": ["文澜"]}]})
    assert with_narrator(found, TELLER) == found


def test_who_tells_is_not_absent_from_what_he_tells() -> None:
    found = with_narrator(Extraction.model_validate(REPLY), TELLER)
    page = evidence.ChapterText(TOLD)
    assert evidence.mark_absent(found, page).absent == ["向晚舟", "孟启明"]
    assert evidence.mark_absent(found, page, "向晚舟").absent == ["孟启明"]


def test_who_tells_a_passage() -> None:
    assert narrator_of(TOLD, lang="zh", names=NAMES) == TELLER
    assert narrator_of(SPOKEN, lang="zh", names=NAMES) is None
    assert narrator_of(TOLD, lang="zh", names=NAMES[:1]) is None
    assert narrator_of(TOLD * 2, lang="zh", names=NAMES[2:], title="第三章 孟启明") == NAMES[2]


def test_who_tells_keeps_the_script_of_the_book() -> None:
    teller = NameEntry("葉晚晴", ("曉晴",), mentions=9, narrator=True)
    text = "我放下筆走出去，我看見許文瀾站在碼頭上。我沒有說話，我等著。"
    assert narrator_of(text, lang="zh", names=[teller]) == teller
