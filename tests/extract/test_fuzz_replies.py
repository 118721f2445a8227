"""Any reply is an extraction or ReplyUnparsable; none that is cut off is mended; what is verified stands."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from kgnb.core.errors import ReplyUnparsable
from kgnb.core.model import Chapter, TaskConfig
from kgnb.extract import evidence, reply, rules
from kgnb.extract.evidence import ChapterText, letters
from kgnb.extract.evidence_quote import EVIDENCE_CHARS
from kgnb.extract.merge_chunks import merge
from kgnb.extract.model import LISTS, MAX_ITEMS, MAX_TEXT, Character, Extraction
from kgnb.extract.name_scan import scan
from kgnb.extract.renaming import in_original_script
from kgnb.graph.model import ExtractionRow, RecordRow
from kgnb.graph.project.projection import novel_builder
from kgnb.stores.graph.cypher import KEYS
from tests.support.fuzzing import SENTENCES, TEXTS, WORDS, fuzz, grows_evenly

HUGE = 10**400
"""A whole number that no float holds; JSON has no bound."""

SCALARS = st.one_of(
    *(st.none(), st.booleans(), st.integers(), st.floats(), WORDS),
    st.sampled_from([HUGE, -HUGE, 1e308, "9" * 5000, "NaN", "-inf", "8/10", " 7 ", "刘备、玄德；关羽\n张飞"]),
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(WORDS, inner, max_size=4),
    max_leaves=8,
)
KINDS = list(LISTS)
FIELDS = sorted({field for item in LISTS.values() for field in item.model_fields})
ITEMS = st.dictionaries(st.sampled_from(FIELDS), WORDS | st.lists(WORDS, max_size=4) | VALUES, max_size=8)
REPLIES = st.dictionaries(
    st.sampled_from([*KINDS, "absent", "x"]), st.lists(ITEMS | VALUES, max_size=4) | VALUES
)

KEYS_OF_REPLIES = tomllib.loads(Path(reply.__file__).with_name("reply_items.toml").read_text("utf-8"))
WORDS_OF_REPLIES = " ".join([*KEYS_OF_REPLIES["lists"].values(), *KEYS_OF_REPLIES["fields"].values()])
OTHER_KEYS = st.sampled_from(f"{WORDS_OF_REPLIES} 刘备-关羽 excluded properties items".split())
OTHER_VALUES = st.sampled_from(
    ["刘备", "刘备/玄德", "刘备、关羽", "N/A", "1", 1, 2.0, True, None, "FRIEND_OF", '{"人物": ["甲"]}']
)
OTHER_SHAPES = st.recursive(
    OTHER_VALUES,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(OTHER_KEYS, inner, max_size=5),
    max_leaves=12,
)

PLAIN = st.sampled_from(
    ["刘备", "玄德", "劉備", "关羽", "云长", "二爷", "张虎", "Mr. Darcy", "the captain", "Liu Bei"]
)
QUOTES = st.sampled_from([*SENTENCES, "", "刘备……关羽", "大喜", "smiled", "a..." * 40, "玄德，大喜！"])


def people() -> st.SearchStrategy[dict[str, Any]]:
    names = st.lists(PLAIN, max_size=3)
    return st.fixed_dictionaries(
        {"name": PLAIN, "aliases": names, "description": QUOTES, "protagonist_score": st.integers()}
    )


HONEST = st.fixed_dictionaries(
    {
        "characters": st.lists(people(), max_size=4),
        "locations": st.lists(st.fixed_dictionaries({"name": PLAIN, "type": PLAIN}), max_size=2),
        "events": st.lists(
            st.fixed_dictionaries(
                {"name": PLAIN, "participants": st.lists(PLAIN, max_size=3), "evidence": QUOTES}
            ),
            max_size=3,
        ),
        "relations": st.lists(
            st.fixed_dictionaries(
                {
                    **{"source": PLAIN, "target": PLAIN, "evidence": QUOTES, "strength": st.integers(-3, 20)},
                    "type": st.sampled_from(["FRIEND", "PARENT_OF", "结拜", "knows"]),
                }
            ),
            max_size=3,
        ),
    }
)
FOUND = HONEST.map(Extraction.model_validate)


def parse(text: str) -> reply.Parsed | None:
    try:
        return reply.parse(text, provider="p")
    except ReplyUnparsable:
        return None


def strings(value: object) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, (list, dict)):
        for part in value.values() if isinstance(value, dict) else value:
            yield from strings(part)


def is_sound(found: Extraction) -> bool:
    """What holds of every extraction: it is printable and bounded, and reads back as itself."""
    plain = found.model_dump(mode="json")
    assert all(text.isprintable() and len(text) <= MAX_TEXT for text in strings(plain))
    return Extraction.model_validate_json(json.dumps(plain)) == found


@fuzz()
@given(REPLIES | VALUES | OTHER_SHAPES | st.dictionaries(OTHER_KEYS, OTHER_SHAPES), st.booleans())
@example({"characters": [{"name": "刘备/玄德", "aliases": None}]}, True)
@example({"characters": [{"name": "刘备", "protagonist_score": HUGE}]}, True)
@example({"relations": [{"source": "刘备", "target": "关羽", "strength": -HUGE}]}, True)
@example({"characters": [{"name": "刘备", "aliases": "玄德" + " " * 5_000 + "、皇叔"}]}, True)
def test_any_json_is_an_extraction_or_none(value: object, plain: bool) -> None:
    parsed = parse(json.dumps(value, ensure_ascii=plain))
    if parsed is not None:
        assert is_sound(parsed.extraction)
        assert parsed.rejected >= 0


DIRT = st.sampled_from(
    [
        *"{}[]\":,\\'",
        "```json\n",
        "```",
        "<think>",
        "</think>",
        "\n",
        " ",
        "//",
        "…",
        "null",
        '"}',
        "},{",
        '"name":',
        "\x00",
        "9" * 5000,
    ]
)


@fuzz()
@given(HONEST, st.lists(st.tuples(st.floats(0, 1), st.integers(0, 6), DIRT), max_size=6), st.booleans())
def test_any_broken_json_is_an_extraction_or_none(
    said: Any, changes: list[tuple[float, int, str]], prose: bool
) -> None:
    text = json.dumps(said, ensure_ascii=False)
    for place, gone, put in changes:
        at = round(place * len(text))
        text = text[:at] + put + text[at + gone :]
    parsed = parse(f"好的：{text}\n完毕。" if prose else text)
    if parsed is not None:
        assert is_sound(parsed.extraction)


@fuzz()
@given(
    st.lists(st.one_of(DIRT, WORDS, st.sampled_from(KINDS), st.integers().map(str)), max_size=60).map("".join)
)
def test_any_text_is_an_extraction_or_none(text: str) -> None:
    for one in (text, '{"characters":[' + text + "]}", '{"characters":[{"name":"' + text + '"}]}'):
        parsed = parse(one)
        if parsed is not None:
            assert is_sound(parsed.extraction)


@fuzz()
@given(HONEST, st.floats(0, 1), st.sampled_from(["", "```json\n", "<think>x</think>", "好的："]))
def test_what_is_cut_off_is_never_mended(said: Any, place: float, before: str) -> None:
    text = json.dumps(said, ensure_ascii=False)
    cut = text[: int(place * (len(text) - 1))]
    assert parse(before + cut) is None
    whole = parse(before + text)
    assert whole is not None
    assert whole.extraction == Extraction.model_validate(said)


# --- against the text


@fuzz()
@given(FOUND, TEXTS | st.lists(QUOTES, max_size=8).map("".join))
def test_what_is_verified_stands_in_the_text(found: Extraction, text: str) -> None:
    page = ChapterText(text)
    checked = evidence.mark_absent(evidence.verify(found, page), page)
    assert is_sound(checked)
    plain = letters(text)
    for claim in (*checked.events, *checked.relations):
        if not claim.unverified:
            assert len(claim.evidence) <= EVIDENCE_CHARS
            assert letters(claim.evidence)
            assert all(letters(part) in plain for part in claim.evidence.split("……"))
    for name in checked.absent:
        assert name not in text


@fuzz()
@given(FOUND, TEXTS)
def test_a_reply_in_the_texts_script_says_the_same(found: Extraction, text: str) -> None:
    written = in_original_script(found, text)
    assert is_sound(written)
    assert len(written.characters) == len(found.characters)
    assert in_original_script(written, text) == written


# --- several chunks


@fuzz()
@given(st.lists(FOUND, max_size=4))
def test_merged_chunks_are_an_extraction(parts: list[Extraction]) -> None:
    merged = merge(parts)
    assert is_sound(merged)
    said = {name for part in parts for c in part.characters for name in (c.name, *c.aliases)}
    assert {name for c in merged.characters for name in (c.name, *c.aliases)} == said


def alone(found: Extraction) -> Extraction:
    """The extraction with people who share no word with anybody."""
    return found.model_copy(
        update={"characters": [c.model_copy(update={"aliases": []}) for c in found.characters]}
    )


@fuzz()
@given(st.lists(FOUND.map(alone), min_size=3, max_size=3))
def test_how_a_chapter_was_split_does_not_matter(parts: list[Extraction]) -> None:
    one, two, three = parts
    whole = merge(parts)
    assert merge([merge([one, two]), three]) == whole
    assert merge([one, merge([two, three])]) == whole


def test_a_merged_list_has_its_bound() -> None:
    parts = [
        Extraction(
            characters=[
                Character(name="刘备", aliases=["玄德", "皇叔", *(f"{part}-{n}" for n in range(400))])
            ]
        )
        for part in range(3)
    ]
    merged = merge(parts)
    assert [len(c.aliases) for c in merged.characters] == [402] * 3  # they share too little to be one
    same = [
        Extraction(characters=[Character(name="刘备", traits=[f"{part}-{n}" for n in range(400)])])
        for part in range(3)
    ]
    assert len(merge(same).characters[0].traits) == MAX_ITEMS
    assert is_sound(merge(same))


class Novel:
    id, title, author = 1, "书", ""


@fuzz(40)
@given(st.lists(FOUND, min_size=1, max_size=4), st.randoms(use_true_random=False))
def test_no_order_of_rows_changes_the_graph(parts: list[Extraction], pick: Any) -> None:
    chapters = [Chapter(10 + n, 1, n, f"第{n}章", 3000) for n in range(len(parts))]
    rows = [
        RecordRow(ExtractionRow(1, 1, 10 + n, n, "h", "p", part, "deepseek", "m", 1))
        for n, part in enumerate(parts)
    ]
    graph = novel_builder(Novel(), chapters, rows, [], TaskConfig()).graph()
    assert {node.label for node in graph.nodes.values()} <= KEYS.keys()
    assert all(edge.source in graph.nodes and edge.target in graph.nodes for edge in graph.edges.values())
    pick.shuffle(rows)
    assert novel_builder(Novel(), chapters, rows, [], TaskConfig()).graph() == graph


# --- time


def _shared(n: int) -> dict[str, Any]:
    """Twenty people a word, who have half of their names in common."""
    people = []
    for group in range(max(1, n // 20)):
        common = [f"c{group}-{i}" for i in range(100)]
        people += [
            {"name": f"p{group}-{p}", "aliases": [*common, *(f"{group}-{p}-{i}" for i in range(120))]}
            for p in range(20)
        ]
    return {"characters": people, "events": [{"name": "e", "participants": common}]}


EVEN = {
    "spaces in a list": (lambda n: {"characters": [{"name": "a", "aliases": "a" + " " * n + "b"}]}, 10_000),
    "aliases": (
        lambda n: {
            "characters": [{"name": f"n{i}", "aliases": [f"a{j}" for j in range(n)]} for i in range(9)]
        },
        125,
    ),
    "open brackets": (
        lambda n: {"relations": [{"source": "a", "target": "b", "evidence": "abcd" + "[" * 500}] * n},
        20,
    ),
    "people who share words": (_shared, 40),
}


@pytest.mark.parametrize("kind", EVEN)
def test_a_reply_takes_time_by_its_length(kind: str) -> None:
    make, size = EVEN[kind]
    page = ChapterText("哈" * 4_000)

    def work(n: int) -> None:
        found = reply.parse(json.dumps(make(n)), provider="p").extraction
        evidence.mark_absent(evidence.verify(merge([found]), page), page)

    assert grows_evenly(work, size)


LOOKED_AHEAD_FROM = ['a"b', '"a":"b" ', '"+', '”"```']  # by json-repair, up to the reply's end


@pytest.mark.parametrize("piece", ['"', '\\"', ",", '":"', "[]", "#", *LOOKED_AHEAD_FROM])
def test_mending_takes_time_by_its_length(piece: str) -> None:
    def work(n: int) -> None:
        for before, after in (('[{"name":"', '"}]'), ('["', '"'), ("[", "]")):
            parse('{"characters":' + before + piece * n + after + "}")

    assert grows_evenly(work, 1_600 // len(piece))


def test_a_long_reply_with_common_faults_is_mended() -> None:
    said = {
        "characters": [
            {"name": f"人物{n}", "description": '他"说"了', "aliases": ["甲", "乙"]} for n in range(400)
        ]
    }
    text = json.dumps(said, ensure_ascii=False).replace('\\"', '"').replace("}, {", "} {")
    parsed = parse(text)
    assert parsed is not None
    assert (parsed.repaired, parsed.rejected, len(parsed.extraction.characters)) == (True, 0, 400)
    assert all(type(c.name) is str and type(c.description) is str for c in parsed.extraction.characters)


def test_a_quote_is_found_in_a_text_that_repeats_itself() -> None:
    """Marks before a quote's first piece are not looked at again for each place where it stands."""

    def work(n: int) -> None:
        ChapterText("哈" * 10 * n).find_quote("“" * n + "哈哈哈哈……嘿嘿嘿嘿")

    assert grows_evenly(work, 400)


# --- without an LLM

SAYING = [
    "道：“",
    "”刘备道，",
    "笑道：“好。”",
    "袭人",
    "宝玉",
    "黛玉的哥哥",
    "said Darcy.",
    "Mr. Bingley",
    "Elizabeth's sister ",
    "，",
    "。",
]
TALES = st.lists(st.sampled_from(SAYING) | PLAIN | QUOTES | st.text(max_size=5), max_size=60).map("".join)


@fuzz(30)
@given(TALES, st.sampled_from(["zh", "en"]))
def test_rules_read_any_text(text: str, lang: Any) -> None:
    book = text * 3
    names = scan([(1, book), (2, text)], lang)
    assert all(entry.name for entry in names)
    found = rules.extract(book, lang=lang, names=names)
    assert Extraction.model_validate(found.model_dump()) == found
    known = {form for entry in names for form in (entry.name, *entry.aliases)}
    assert {c.name for c in found.characters} <= known


TALE = {
    **{"one word": "刘备", "speech": "刘备道：“好。”", "quotes": "“", "kin": "刘备的哥哥的", "digits": "1"},
    **{
        "capitals": "A",
        "names": "Mr. Darcy ",
        "initials": "A. ",
        "of": "of the Duke of ",
        "said": "said Al, ",
    },
    **{"dots": ".", "letters": "a", "spaces": " " * 50},
}


@pytest.mark.parametrize("kind", TALE)
def test_rules_take_time_by_the_texts_length(kind: str) -> None:
    def work(n: int) -> None:
        for lang in ("zh", "en"):
            text = "x" + TALE[kind] * (n // len(TALE[kind])) + "x"
            rules.extract(text, lang=lang, names=scan([(1, text)], lang))

    work(100)  # what is read once a process
    assert grows_evenly(work, 8_000)
