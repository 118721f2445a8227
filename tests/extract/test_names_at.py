"""Names as they are known in a chapter: in the table, in rows of the rules, in prompts."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from kgnb.core.model import TaskConfig
from kgnb.extract import rules
from kgnb.extract.model import NameEntry
from kgnb.extract.names_at import names_at
from kgnb.extract.prompt import PromptBuilder

LIU = NameEntry(
    "刘备",
    ("玄德", "先主"),
    mentions=30,
    first_chapter=1,
    last_chapter=9,
    chapters=9,
    reasons=(("玄德", "刘备", "字", 0.99), ("先主", "刘备", "stated", 0.95)),
    since={"玄德": 1, "刘备": 3, "先主": 7},
)
GUAN = NameEntry("关羽", mentions=20)


def forms(entries: list[NameEntry]) -> list[tuple[str, ...]]:
    return [(one.name, *one.aliases) for one in entries]


def test_an_entry_has_the_forms_that_are_known_then() -> None:
    assert names_at([LIU, GUAN], 9) == [LIU, GUAN]
    now, guan, later = names_at([LIU, GUAN], 5)
    assert (now.name, now.aliases, now.reasons) == ("刘备", ("玄德",), (("玄德", "刘备", "字", 0.99),))
    assert guan is GUAN
    assert (later.name, later.aliases, later.first_chapter, later.mentions) == ("先主", (), 7, 1)
    assert forms(names_at([LIU], 1)) == [("玄德",), ("刘备",), ("先主",)]
    assert forms(names_at([LIU], 0)) == [("玄德",), ("刘备",), ("先主",)]  # the order of chapters has changed


def test_a_word_for_many_people_is_no_person_before_it_is_somebodys() -> None:
    entry = NameEntry("何恭", ("老爷", "子安"), since={"何恭": 1, "老爷": 5, "子安": 5})
    assert forms(names_at([entry], 2)) == [("何恭", "老爷"), ("子安",)]
    entry = NameEntry("贾迎春", ("迎春", "二小姐"), since={"二小姐": 2, "贾迎春": 23, "迎春": 23})
    assert forms(names_at([entry], 2)) == [("贾迎春", "二小姐"), ("迎春",)]


def test_a_form_of_two_is_the_ones_who_has_it_now() -> None:
    other = NameEntry("何恭", ("先主",), mentions=3)
    assert forms(names_at([LIU, other], 5)) == [("刘备", "玄德"), ("何恭", "先主")]


def test_rows_of_the_rules_call_people_as_they_are_known() -> None:
    text = "玄德见了关羽。先主大喜。"

    def found(chapter: int | None) -> list[tuple[str, list[str]]]:
        row = rules.extract(text, lang="zh", names=[LIU, GUAN], chapter=chapter)
        return sorted((one.name, one.aliases) for one in row.characters)

    assert found(2) == [("先主", []), ("关羽", []), ("玄德", [])]
    assert found(3) == [("先主", []), ("关羽", []), ("刘备", ["玄德"])]
    assert found(7) == found(None) == [("关羽", []), ("刘备", ["玄德", "先主"])]


def test_prompts_call_people_as_they_are_known() -> None:
    prompts = PromptBuilder("zh", [LIU, GUAN], TaskConfig())

    def listed(chapter: int | None) -> str:
        return prompts.prompt("玄德见了关羽。先主大喜。", chapter=chapter).user.partition("\n")[0]

    assert listed(2).endswith("玄德、先主、关羽")
    assert listed(5).endswith("刘备=玄德、先主、关羽")
    assert listed(7) == listed(None)
    assert listed(7).endswith("刘备=玄德/先主、关羽")


TEXT_FORMS = ("刘备", "玄德", "關羽", "云长", "张飞", "翼德", "老爷", "诸葛亮", "孔明")


@st.composite
def tables(draw: st.DrawFn) -> list[NameEntry]:
    clusters: dict[int, list[str]] = {}
    for form in draw(st.permutations(TEXT_FORMS)):
        clusters.setdefault(draw(st.integers(0, 4)), []).append(form)
    return [
        NameEntry(own[0], tuple(own[1:]), mentions=9 - n, since={f: draw(st.integers(1, 6)) for f in own})
        for n, own in clusters.items()
    ]


@settings(deadline=None)
@given(tables(), st.integers(0, 6), st.lists(st.sampled_from(TEXT_FORMS), max_size=12))
def test_the_index_of_a_chapter_is_that_of_its_names(
    entries: list[NameEntry], chapter: int, mentioned: list[str]
) -> None:
    text = "".join(
        f"{form}来了，{other}笑道。" for form, other in zip(mentioned, mentioned[::-1], strict=True)
    )
    by_chapter = rules.extract(text, lang="zh", names=entries, chapter=chapter)
    assert by_chapter == rules.extract(text, lang="zh", names=names_at(entries, chapter))
