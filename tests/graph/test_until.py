"""A graph until a chapter is what a reader of that chapter knows: later chapters change nothing in it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from kgnb.core.model import Chapter, Novel, TaskConfig
from kgnb.extract.model import Extraction, NameEntry
from kgnb.extract.names_at import names_at
from kgnb.graph.model import ExtractionRow, Graph, RecordRow
from kgnb.graph.project.projection import project
from kgnb.graph.project.record import Record
from kgnb.graph.resolve.decisions import Decision

CHAPTERS = 5
FORMS = ("刘备", "玄德", "刘使君", "关羽", "云长", "美髯公", "曹操", "孟德", "主公", "老爷", "張飛", "张飞")
names = st.sampled_from(FORMS)


def row(number: int, content: dict[str, Any], provider: str = "rules") -> RecordRow:
    found = Extraction.model_validate(content)
    return RecordRow(
        ExtractionRow(7, 1, 100 + number, number, "h", "p", found, provider, "m", token=1), other_tasks=(9,)
    )


def record(rows: Sequence[RecordRow], entries: Sequence[NameEntry] = (), *decisions: Decision) -> Record:
    chapters = [Chapter(100 + n, 1, n, f"第{n}回", 3000) for n in range(1, CHAPTERS + 1)]
    texts = [(n, f"{n}：刘备。") for n in range(1, CHAPTERS + 1)]
    return Record(Novel(1, "书", "人"), TaskConfig(), chapters, rows, entries, decisions, texts)


@st.composite
def contents(draw: st.DrawFn) -> dict[str, Any]:
    people = draw(st.lists(names, unique=True, max_size=5))
    return {
        "characters": [
            {
                "name": name,
                "aliases": draw(st.lists(names, unique=True, max_size=2)),
                "description": draw(st.sampled_from(["", "甲", "乙"])),
                "protagonist_score": draw(st.integers(0, 100)),
                "mentions": draw(st.integers(0, 9)),
            }
            for name in people
        ],
        "relations": [
            {"source": draw(names), "target": draw(names), "type": kind, "strength": draw(st.integers(1, 10))}
            for kind in draw(st.lists(st.sampled_from(["FRIEND", "PARENT_OF", "SPOUSE", "朋友"]), max_size=4))
        ],
        "events": draw(
            st.lists(
                st.fixed_dictionaries({"name": st.just("结义"), "participants": st.lists(names)}), max_size=1
            )
        ),
        "absent": draw(st.lists(st.sampled_from(people), unique=True, max_size=2)) if people else [],
    }


rows = st.lists(
    st.tuples(contents(), st.sampled_from(["rules", "deepseek"])), min_size=CHAPTERS, max_size=CHAPTERS
).map(lambda chapters: [row(n, content, provider) for n, (content, provider) in enumerate(chapters, 1)])


@st.composite
def tables(draw: st.DrawFn) -> list[NameEntry]:
    """Disjoint sets of forms, each form with the chapter from which it is known whose it is."""
    clusters: dict[int, list[str]] = {}
    for form in draw(st.permutations(FORMS)):
        clusters.setdefault(draw(st.integers(0, 4)), []).append(form)
    entries = []
    for forms in clusters.values():
        since = {form: draw(st.integers(1, CHAPTERS)) for form in forms} if len(forms) > 1 else {}
        first = min(since.values(), default=draw(st.integers(0, CHAPTERS)))
        mentions = draw(st.integers(0, 9))
        reasons = tuple(
            (form, forms[0], draw(st.sampled_from(["字", "stated", "surname"])), 0.9) for form in forms[1:]
        )
        entries.append(
            NameEntry(
                forms[0],
                tuple(forms[1:]),
                "Character",
                mentions,
                first,
                CHAPTERS,
                3,
                reasons=reasons,
                since=since,
            )
        )
    return entries


@st.composite
def decided(draw: st.DrawFn) -> Decision:
    kind = draw(st.sampled_from(["merge", "split"]))
    return Decision(0, kind, tuple(draw(st.lists(names, min_size=2, max_size=3, unique=True))))


decisions = st.lists(decided(), max_size=3).map(
    lambda found: [replace(one, id=number) for number, one in enumerate(found, 1)]
)
until = st.integers(0, CHAPTERS)


def same_until(entries: Sequence[NameEntry], other: Sequence[NameEntry], number: int) -> list[NameEntry]:
    """``entries``, with what is only known later taken from ``other``."""
    kept = [one for one in names_at(entries, number) if one.first_chapter <= number]
    forms = {form for one in kept for form in (one.name, *one.aliases)}
    later = [
        replace(
            one,
            name=left[0],
            aliases=tuple(left[1:]),
            reasons=(),
            first_chapter=number + 1,
            since=dict.fromkeys(left, number + 1),
        )
        for one in other
        if (left := [form for form in (one.name, *one.aliases) if form not in forms])
    ]
    return kept + later


@settings(deadline=None)
@given(rows, tables(), decisions, until)
def test_until_a_chapter_is_the_graph_of_a_record_that_ends_there(
    found: list[RecordRow], entries: list[NameEntry], made: list[Decision], number: int
) -> None:
    whole = record(found, entries, *made)
    ended = replace(
        whole,
        chapters=whole.chapters[:number],
        rows=found[:number],
        names=[one for one in names_at(entries, number) if one.first_chapter <= number],
        texts=[text for text in whole.texts if text[0] <= number],
    )
    assert project(whole, number) == project(ended)
    assert project(whole, CHAPTERS) == project(replace(whole, names=names_at(entries, CHAPTERS)))


@settings(deadline=None)
@given(rows, rows, tables(), tables(), decisions, until)
def test_later_chapters_change_nothing(
    found: list[RecordRow],
    later: list[RecordRow],
    entries: list[NameEntry],
    others: list[NameEntry],
    made: list[Decision],
    number: int,
) -> None:
    one = record(found, entries, *made)
    changed = [*found[:number], *later[number:]]
    other = record(changed, same_until(entries, others, number), *made)
    assert project(one, number) == project(other, number)


def named(graph: Graph) -> dict[str, list[str]]:
    return {key: node.texts("aliases") for (label, key), node in graph.nodes.items() if label == "Character"}


def people(*found: str) -> dict[str, Any]:
    return {"characters": [{"name": name, "mentions": 1} for name in found]}


def test_who_is_who_is_told_only_from_its_chapter_on() -> None:
    entry = NameEntry(
        "刘备", ("玄德", "先主"), mentions=30, first_chapter=1, since={"玄德": 1, "刘备": 3, "先主": 4}
    )
    told = record(
        [row(1, people("玄德", "关羽")), row(2, people("刘备")), row(4, people("刘备", "先主"))], [entry]
    )
    assert named(project(told, 1)) == {"玄德": [], "关羽": []}
    assert named(project(told, 2)) == {"玄德": [], "刘备": [], "关羽": []}
    assert named(project(told, 3)) == {"刘备": ["玄德"], "关羽": []}
    assert named(project(told, 4)) == named(project(told)) == {"刘备": ["先主", "玄德"], "关羽": []}


def test_a_decision_tells_no_name_of_a_later_chapter() -> None:
    merged = Decision(1, "merge", ("皇叔", "玄德", "刘备"))
    told = replace(
        record([row(1, people("玄德")), row(2, people("刘备")), row(3, people("皇叔"))], [], merged),
        texts=[(1, "玄德到了。"), (2, "刘备到了。"), (3, "皇叔到了。")],
    )
    assert named(project(told, 1)) == {"玄德": []}
    assert list(named(project(told, 2)).values()) in ([["玄德"]], [["刘备"]])
    assert named(project(told, 3)) == named(project(told)) == {"皇叔": ["刘备", "玄德"]}


def test_importance_of_the_rules_people_is_that_of_the_chapters_so_far() -> None:
    hero = {"characters": [{"name": "关羽", "mentions": 9}, {"name": "刘备", "mentions": 1}]}
    told = record([row(1, people("刘备", "关羽")), row(2, hero)])
    first, last = project(told, 1), project(told)
    scores = [
        [g.nodes["Character", n].properties["protagonist_score"] for n in ("刘备", "关羽")]
        for g in (first, last)
    ]
    assert scores == [[100, 100], [45, 100]]


def test_no_text_of_a_later_chapter_is_searched() -> None:
    told = record([row(1, {"characters": [{"name": "张三"}], "absent": ["张三"]}, "deepseek")])
    told = replace(told, texts=[(1, "无人"), (2, "张三来了")])
    assert named(project(told, 1)) == {}
    assert named(project(told, 2)) == {"张三": []}
