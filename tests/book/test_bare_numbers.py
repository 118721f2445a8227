"""Headings that are mere numbers, of which some are missing, and numbers that are none."""

from __future__ import annotations

from pathlib import Path

import pytest

from kgnb.book import headings
from kgnb.book.reader import read_book
from tests.support.paths import NOVELS

ZH = "　　他站在门口，听见雨声一阵紧过一阵。她没有回答，只是把伞收了起来。\n" * 8
EN = "It was late. He said that nothing was to be done about it, and so\nwe left the house.\n\n" * 4
CUT = "It was late. He said that nothing was to be done about it, and\n" * 5  # a page ends anywhere
HAN = "零一二三四五六七八九十"
ROMAN = ["", "I", "II", "III", "IV", "V", "VI", "VII", "VIII", "IX", "X"]


def text_of(*lines: str, body: str = ZH) -> str:
    return "".join(f"{line}\n\n{body}\n" for line in lines)


def found(text: str) -> list[str]:
    return [h.title for h in headings.find(text)]


def numbers(*gone: int, last: int = 10) -> list[int]:
    return [n for n in range(1, last + 1) if n not in gone]


@pytest.mark.parametrize(
    ("lines", "body"),
    [
        ([HAN[n] for n in numbers(8)], ZH),
        ([HAN[n] for n in numbers(5, 6)], ZH),
        ([f"{n}、夜雨" for n in numbers(3)], ZH),
        ([str(n) for n in numbers(2, 6)], EN),
        ([ROMAN[n] for n in numbers(7)], EN),
        ([f"{n}. The Storm" for n in numbers(4, 7)], EN),
        ([f"{n} 旧事" for n in "壹贰叁肆伍陆柒捌玖拾"], ZH),
        ([f"{n} 舊事" for n in "壹貳叄肆伍陸"], ZH),
        ([f"{n}. Miss Harriet Cole, at Bath, to her sister Mrs. Edward Thorne" for n in ROMAN[1:5]], EN),
        ([f"{n}—The Storm" for n in ROMAN[1:5]], EN),
        ([f"{n} the storm" for n in range(1, 5)], EN),
        (["1", "2", "3", "4", "4", "6", "7"], ZH),  # the fifth is numbered wrong: it stays in the fourth
    ],
    ids=lambda v: "-".join(v) if isinstance(v, list) else "",
)
def test_the_sequence_goes_on_after_missing_ones(lines: list[str], body: str) -> None:
    assert found(text_of(*lines, body=body)) == list(dict.fromkeys(lines))


def test_a_number_of_the_same_writing_that_comes_later_is_not_missing() -> None:
    text = text_of("一", "二", "三", *HAN[5:], "四", "五", "六")
    assert found(text) == ["一", "二", "三", "四", "五", "六"]


def test_a_wrapped_line_about_myself_is_no_first_chapter() -> None:
    first = "I. The Storm", "He left.\n\nI went back to the house\nand found nobody.\n\n" + EN
    text = f"{first[0]}\n\n{EN}{first[1]}" + text_of("II. The Calm", "III. The Boat", body=EN)
    (start, *_), titles = (h.start for h in headings.find(text)), found(text)
    assert (start, titles) == (0, ["I. The Storm", "II. The Calm", "III. The Boat"])


def test_the_first_may_be_missing() -> None:
    assert found("那年的雨\n" + ZH + text_of("二", "三", "四", "五")) == ["二", "三", "四", "五"]


def test_volumes_may_begin_anew(tmp_path: Path) -> None:
    volumes = {
        "第一部 风": ["1 夜", "2 夜", "3 夜", "4 夜"],
        "第二部 雨": ["1 夜", "2 夜", "4 夜", "5 夜", "6 夜"],
    }
    story = "".join(f"{volume}\n\n{text_of(*lines)}" for volume, lines in volumes.items())
    contents = "".join("\n".join([volume, *lines, ""]) for volume, lines in volumes.items())
    (path := tmp_path / "b.txt").write_text(story, encoding="utf-8")
    book = read_book(path)
    assert [c.title for c in book.chapters] == [
        *("第一部 风 1 夜", "2 夜", "3 夜", "4 夜"),
        *("第二部 雨 1 夜", "2 夜", "4 夜", "5 夜", "6 夜"),
    ]
    assert book.missing == (3,)
    assert found(f"目录\n{contents}\n{story}") == [*volumes, *found(story)]


FIVE = list("一二三四五")


@pytest.mark.parametrize(
    ("text", "titles"),
    [
        (text_of(*FIVE, "7", "8", "9"), FIVE),  # scores, ages, footnotes in another writing
        (text_of("1", "2", "3", "1931", "1932", "1933"), ["1", "2", "3"]),
        (text_of(*FIVE, "七"), FIVE),  # nothing follows
        (text_of(*FIVE, "一", "二", "三"), FIVE),  # a list in the last chapter
        (text_of(*map(str, (1, 2, 3, 5, 6, 8, 9, 11, 12))), ["1", "2", "3"]),  # many are missing
        (text_of(*map(str, numbers(11, 12, 13, 14, last=30))), [str(n) for n in range(1, 11)]),
        (text_of(*"1234", "6、盐", "7、米", "8、油", "9、茶"), list("1234")),
        (text_of(*map(str, range(2, 40)), body=CUT), []),  # pages
        (text_of(*map(str, range(5, 60, 5)), body=EN), []),  # verses of a poem
        ("".join(f"{n}\n{'她来了。' * 9}\n" for n in range(2, 30)), []),  # a list
    ],
    ids=["writing", "years", "end", "list", "few", "row", "titles", "pages", "verses", "short"],
)
def test_other_numbers_are_text(text: str, titles: list[str]) -> None:
    assert found(text) == titles


def test_pages_that_lack_some_numbers_are_not_taken_for_more_chapters() -> None:
    pages = text_of(*(str(n) for n in numbers(4, last=30)), body=CUT)
    assert found(pages) == ["1", "2", "3"]


def test_the_book_knows_which_chapters_lack_a_heading(tmp_path: Path) -> None:
    path = tmp_path / "b.txt"
    for unit in ("第{}章 夜", "{}"):
        path.write_text(text_of(*(unit.format(n) for n in numbers(4, 8, 9, last=16))), encoding="utf-8")
        assert read_book(path).missing == (4, 8, 9)
    path.write_text(text_of("第1章", "第2章", "第90章", "第91章"), encoding="utf-8")
    assert read_book(path).missing == ()  # an excerpt
    for order, gone in (((1, 3, 2, 4, 5), ()), ((2, 4, 3, 1), ()), ((1, 2, 4, 1, 2, 3, 4), (3,))):
        path.write_text(text_of(*(f"第{n}章 夜" for n in order)), encoding="utf-8")
        assert read_book(path).missing == gone, order


def test_a_novel_whose_file_lost_some() -> None:
    path = NOVELS / "text" / "luotuoxiangzi.txt"
    if not path.is_file():
        pytest.skip(f"{path.name} is not there (set KGNB_NOVELS)")
    book = read_book(path)
    assert (len(book.chapters), book.chapters[-1].title, book.missing) == (21, "二十四", (8, 9, 18))
