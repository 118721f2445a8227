from __future__ import annotations

import random

import pytest

from kgnb.book import chunking

ZH_END = "。！？…”』」）\n"


def zh_text(seed: int, size: int) -> str:
    r = random.Random(seed)
    out = ""
    while len(out) < size:
        words = "".join(r.choice("天地玄黄宇宙洪荒日月盈昃辰宿列张寒来暑往") for _ in range(r.randint(3, 60)))
        end = r.choice(["。", "！", "？", "……", "，", "。”", "？”\n", "。\n\n　　"])
        out += ("“" if "”" in end else "") + words + end
    return out[:size]


def en_text(seed: int, size: int) -> str:
    r = random.Random(seed)
    out = ""
    while len(out) < size:
        words = " ".join(
            r.choice(["whale", "ship", "Mr. Starbuck", "sea", "e.g."]) for _ in range(r.randint(3, 25))
        )
        out += words + r.choice([". ", "! ", '?" ', ".\n\n", ", ", "... "])
    return out[:size]


@pytest.mark.parametrize("seed", range(60))
def test_nothing_is_lost_and_no_chunk_is_over_the_limit(seed: int) -> None:
    r = random.Random(seed)
    text, lang = (
        (zh_text(seed, r.randint(0, 30_000)), "zh")
        if seed % 2
        else (en_text(seed, r.randint(0, 30_000)), "en")
    )
    limit = r.choice([1, 7, 200, 1_000, 4_000, 8_000]) if len(text) < 3_000 else r.choice([200, 1_000, 8_000])
    parts = chunking.split(text, limit, lang)
    assert "".join(parts) == text
    assert all(0 < len(p) <= limit for p in parts)


@pytest.mark.parametrize("seed", range(20))
@pytest.mark.parametrize("limit", [500, 2_000, 8_000])
def test_chunks_end_on_sentence_ends_and_are_even(seed: int, limit: int) -> None:
    text = zh_text(seed, 3 * limit + 37 * seed)
    parts = chunking.split(text, limit, "zh")
    for part in parts[:-1]:
        assert part.rstrip()[-1] in ZH_END
    fewest = -(-len(text) // limit)
    assert fewest <= len(parts) <= fewest + 1
    assert min(map(len, parts)) > 0.6 * len(text) / len(parts)


def test_a_little_over_the_limit_gives_two_halves() -> None:
    text = "他们在城外相见，说了许多旧事。" * 540
    assert len(text) == 8_100
    first, second = chunking.split(text, 8_000, "zh")
    assert abs(len(first) - 4_050) < 20
    assert abs(len(second) - 4_050) < 20


def test_at_the_limit_is_one_chunk() -> None:
    assert chunking.split("字" * 8_000, 8_000, "zh") == ["字" * 8_000]
    assert chunking.split("", 8_000, "zh") == []


def test_a_closing_quote_stays_with_its_sentence() -> None:
    text = "“" + "甲" * 48 + "。”" + "“" + "乙" * 48 + "！”" + "丙" * 40 + "。"
    for part in chunking.split(text, 60, "zh"):
        assert part[0] not in "。！”"
        assert part[-1] in "。”"


def test_a_paragraph_end_near_the_middle_is_preferred() -> None:
    text = "甲乙丙丁戊。" * 80 + "\n" + "己庚辛壬癸。" * 85
    first, _ = chunking.split(text, 600, "zh")
    assert first.endswith("\n")


def test_english_abbreviations_are_no_sentence_ends() -> None:
    text = (
        "He met Mr. Darcy and Dr. Grant at St. James with Mrs. Long and J. R. Smith and others there " * 4
    ).strip()
    text = f"{text}. {text}."
    first, second = chunking.split(text, len(text) - 50, "en")
    assert first.rstrip().endswith("there.")
    assert second.startswith("He met")


def test_without_a_sentence_end_it_cuts_at_a_comma_else_hard() -> None:
    assert [len(p) for p in chunking.split("字" * 100, 60, "zh")] == [50, 50]
    first, _ = chunking.split("字" * 45 + "，" + "字" * 54, 60, "zh")
    assert first.endswith("，")


def test_a_sentence_is_kept_whole_even_far_from_the_ideal_place() -> None:
    text = "短句。" + "字" * 95 + "。"
    first, second = chunking.split(text, 98, "zh")
    assert first == "短句。"
    assert second == "字" * 95 + "。"


def zh(size: int, end: str = "。") -> str:
    """A sentence of so many characters."""
    return "字" * (size - len(end)) + end


BORDERS: dict[str, tuple[str, int, list[str]]] = {
    "just the limit is one chunk": ("zh", 10, ["甲。" + "字" * 8]),
    "one over it is two": ("zh", 10, ["甲。", "字" * 9]),
    "twice the limit is two": ("zh", 10, ["字" * 10, "字" * 10]),
    "a comma is no reason for one chunk more": ("zh", 10, ["字字字字，字字字字字", "字" * 10]),
    "a sentence end just at the limit": ("zh", 100, [zh(50, "。”") * 2] * 2),
    "space after it may begin the next chunk": ("zh", 100, [zh(50) + zh(50), "\n" + zh(50) + zh(49)]),
    "one chunk more for whole sentences, and even": ("zh", 100, [zh(66), zh(33) + zh(34), zh(67)]),
    "a sentence of one character": ("zh", 100, ["。", zh(100)]),
    "a closing quote over the limit": ("zh", 100, [zh(40), zh(61, "。”"), zh(59)]),
    "space stays with the sentence before": ("zh", 12, ["字" * 6 + "。  ", "字" * 8 + "。"]),
    "marks in a row stay together": ("zh", 12, ["字" * 9 + "……", "字" * 9 + "。"]),
    "a paragraph's end that is hardly further": ("zh", 150, [zh(80, "。\n"), zh(10) + zh(110)]),
    "a sentence's end where the paragraph's is far": ("zh", 150, [zh(70, "。\n") + zh(30), zh(100)]),
    "a line's end before a comma": ("zh", 60, ["字" * 40 + "\n", "字" * 9 + "，" + "字" * 50]),
    "English in a Chinese book": ("zh", 30, ["He left the town. ", "She stayed there."]),
    "Chinese in an English book": ("en", 60, [zh(40), zh(45)]),
    "a mark within an English sentence": ("en", 40, ["He came home. ", "“Why?”—so she asked and left."]),
    "an abbreviation at a paragraph's end": ("en", 80, [f"{'So':32} Sr.\n\n", f"{'He left':11}\n{'her':48}"]),
}  # fmt: skip


@pytest.mark.parametrize("name", BORDERS)
def test_borders(name: str) -> None:
    lang, limit, parts = BORDERS[name]
    assert chunking.split("".join(parts), limit, lang) == parts


@pytest.mark.parametrize("word", ["Mr.", "Mrs.", "Dr.", "St.", "J.", "Capt."])
def test_an_abbreviation_near_the_middle_is_no_border(word: str) -> None:
    parts = ["They sailed at dawn. ", f"Soon after that they met {word} Darcy in the town by the sea."]
    assert chunking.split("".join(parts), 70, "en") == parts


@pytest.mark.parametrize(
    "halves",
    [
        (zh(3), zh(198)),
        (zh(99, "。 \n"), "　" + zh(103)),  # the indent is the next line's
        ("字" * 100, zh(100)),  # the only sentence end is the text's own
        (zh(48, "。\n") + zh(12), zh(140)),  # a paragraph's end, but in the first quarter
    ],
)
def test_a_half_is_never_empty_and_seldom_under_a_quarter(halves: tuple[str, str]) -> None:
    assert chunking.halve("".join(halves), "zh") == halves


def test_halve() -> None:
    text = "他们在城外相见，说了许多旧事。" * 20
    halves = chunking.halve(text, "zh")
    assert halves is not None
    assert "".join(halves) == text
    assert halves[0].endswith("。")
    assert abs(len(halves[0]) - len(halves[1])) <= 15
    assert chunking.halve(text[:199], "zh") is None
    assert chunking.halve("字" * 200, "zh") == ("字" * 100, "字" * 100)


def test_halving_ends() -> None:
    todo, leaves = [zh_text(5, 9_000)], 0
    while todo:
        halves = chunking.halve(todo.pop(), "zh")
        if halves is None:
            leaves += 1
        else:
            assert all(halves)
            todo += halves
    assert leaves < 200


def test_a_limit_below_one_is_refused() -> None:
    with pytest.raises(ValueError, match="one character"):
        chunking.split("abc", 0, "en")


@pytest.mark.parametrize("text", ["。" * 50_000, " " * 50_000, "\n" * 50_000, "a." * 25_000, "”" * 50_000])
def test_odd_texts_take_no_quadratic_time(text: str) -> None:
    parts = chunking.split(text, 1_000, "zh")
    assert "".join(parts) == text
    assert max(map(len, parts)) <= 1_000
