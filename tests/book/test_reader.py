"""Books from files: encodings, headings, EPUB, errors."""

from __future__ import annotations

import io
import os
import random
import zipfile
from pathlib import Path
from unittest import mock

import pytest

from kgnb.book import chapters, chunking, docx, headings
from kgnb.book import encoding as text_encoding
from kgnb.book.model import Book
from kgnb.book.reader import normalise, read_book, story_path
from kgnb.core.errors import InputError
from tests.support.costs import memory
from tests.support.fuzzing import grows_evenly
from tests.support.novels import TEXTS, sanguo_text

ZH = "　　他站在门口，听见雨声一阵紧过一阵。她说：“你怎么才来？”他没有回答，只是把伞收了起来。\n" * 8
EN = "It was late. He said that nothing was to be done about it, and so\nwe left the house.\n\n" * 10
TAO_YUAN_MING = """晉太元中，武陵人捕魚為業。緣溪行，忘路之遠近。
忽逢桃花林，夾岸數百步，中無雜樹，芳草鮮美，落英繽紛。
漁人甚異之，復前行，欲窮其林。林盡水源，便得一山，山有小口，
彷彿若有光。便捨船，從口入。
初極狹，纔通人。復行數十步，豁然開朗。土地平曠，屋舍儼然，
有良田、美池、桑竹之屬。阡陌交通，雞犬相聞。
見漁人，乃大驚，問所從來。具答之。便要還家，設酒殺雞作食。村中聞有此人，咸來問訊。
問今是何世，乃不知有漢，無論魏晉。此人一一為具言所聞，皆歎惋。餘人各復延至其家，
皆出酒食。停數日，辭去。
"""


def book(tmp_path: Path, text: str | bytes, name: str = "b.txt") -> Book:
    path = tmp_path / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode("utf-8"))
    return read_book(path)


def titles(read: Book) -> list[str]:
    return [c.title for c in read.chapters]


# --- encodings ----------------------------------------------------------------------------------------------


def simplified() -> str:
    return story_path().read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("encoding", "text"),
    [
        *[(e, simplified()) for e in ("utf-8", "utf-8-sig", "gb18030", "gbk", "utf-16")],
        *[(e, TAO_YUAN_MING) for e in ("utf-8", "big5", "big5hkscs", "cp950", "gb18030", "utf-16")],
        *[(e, EN) for e in ("ascii", "utf-16", "cp1252")],
        ("cp1252", "“It’s the café,” he said — naïve. " + EN),
        ("utf-8", "Il était une fois, à l’école, un élève très sage.\n" * 3),
        ("ascii", "Google+ and 2+2-, +AMA+ or C++: R+D-, Ca2+.\n" + EN),
        ("ascii", "A set ~{x, y~} and ~{another one\n" + EN),
    ],
    ids=lambda v: v if len(v) < 12 else v[:4].strip(),
)
def test_every_encoding_gives_the_same_text(encoding: str, text: str) -> None:
    assert text_encoding.decode(text.encode(encoding)) == text


@pytest.mark.parametrize(
    "encoding", ["utf-16-le", "utf-16-be", "utf-32", "utf-32-le", "euc_jp", "cp932", "iso2022_jp"]
)
def test_an_encoding_that_no_such_book_has_is_refused_rather_than_misread(encoding: str) -> None:
    text = "第1章 東京\n「こんにちは」と山田太郎は言った。どこで生れたかとんと見当がつかぬ。\n" * 3
    assert text_encoding.decode(text.encode(encoding)) is None


@pytest.mark.parametrize(("encoding", "text"), [("gb18030", simplified()), ("big5", TAO_YUAN_MING)])
@pytest.mark.parametrize("length", [6, 10, 25, 80])
def test_short_pieces_are_told_apart(encoding: str, text: str, length: int) -> None:
    text = "".join(text.split())
    chance = random.Random(length)
    for _ in range(120):
        start = chance.randrange(len(text) - length)
        piece = text[start : start + length]
        assert text_encoding.decode(piece.encode(encoding)) == piece


def test_the_word_that_notepad_got_wrong() -> None:
    assert text_encoding.decode("联通".encode("gb18030")) == "联通"
    assert text_encoding.decode("山僻小路".encode("gb18030")) == "山僻小路"  # valid UTF-8 by accident


def test_a_lone_accented_letter_of_dos_is_no_kana() -> None:
    assert "teau" in (text_encoding.decode(f"A château. {EN}".encode("cp437")) or "")


@pytest.mark.parametrize("encoding", ["utf-8", "gb18030"])
def test_a_damaged_byte_costs_a_few_characters_only(encoding: str) -> None:
    data = simplified().encode(encoding)
    middle = data.index("\n".encode(encoding), 3_000)
    text = text_encoding.decode(data[:middle] + b"\xff" + data[middle:])
    assert text is not None
    assert text.replace("\ufffd", "") == simplified()


@pytest.mark.parametrize("size", [30, 300, 30_000])
def test_noise_is_no_text(size: int) -> None:
    for seed in range(6):
        noise = random.Random(seed).randbytes(size)
        assert text_encoding.decode(noise) is None
        assert text_encoding.decode(noise.replace(b"\0", b"\7")) is None


def test_normalising() -> None:
    assert normalise("a\r\r\n\r\r\nb\r\rc") == "a\n\nb\n\nc"
    assert normalise("\r\na\rb\u2028c\u200b\ufeff\x00\u202ed") == "\na\nb\ncd"
    assert normalise("cafe\u0301 Ａ") == "caf\u00e9 Ａ"


def test_the_same_text_has_the_same_hash_whatever_its_bytes(tmp_path: Path) -> None:
    text = simplified()
    hashes = {
        book(tmp_path, data, f"{i}.txt").sha256
        for i, data in enumerate(
            [text.encode("utf-8-sig"), text.encode("gb18030"), text.replace("\n", "\r\n").encode()]
        )
    }
    assert len(hashes) == 1
    assert book(tmp_path, text + "！").sha256 not in hashes


# --- headings -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("form", "title"),
    [
        ("第{}章 风起", "第3章 风起"),
        ("第{}章：风起", "第3章：风起"),
        ("第{}章风起", "第3章风起"),
        ("【第{}章】风起", "第3章 风起"),
        ("正文 第{}章 风起", "第3章 风起"),
        ("☆、第{}章 风起", "第3章 风起"),
        ("第 {} 章　风起（上）", "第 3 章 风起（上）"),
        ("（第{}回）", "第3回"),
        ("第{}节", "第3节"),
        ("第{}卷 天下 第1章 风起", "第3卷 天下 第1章 风起"),
        ("{}. 风起", "3. 风起"),
        ("{}、风起", "3、风起"),
        ("{}", "3"),
        ("Chapter {}", "Chapter 3"),
        ("Chapter {} Wind Rises", "Chapter 3 Wind Rises"),
        ("=== 第{}话 ===", "第3话"),
    ],
)
def test_web_novel_headings(tmp_path: Path, form: str, title: str) -> None:
    read = book(tmp_path, "".join(f"{form.format(i)}\n{ZH}" for i in range(1, 6)))
    assert len(read.chapters) == 5
    assert read.chapters[2].title == title
    assert all(c.text == ZH.rstrip() for c in read.chapters)


@pytest.mark.parametrize(
    "form", ["第{}回 甲", "第{}章", "第{}卷", "第{}部 甲", "第{}集", "第{}篇"], ids=lambda f: f.strip("{}")
)
def test_chinese_and_full_width_numerals(tmp_path: Path, form: str) -> None:
    numerals = ["一", "二", "十", "十一", "二十", "一百零八", "１２", "廿三", "一二〇", "两千"]
    read = book(tmp_path, "".join(f"{form.format(n)}\n{ZH}" for n in numerals))
    assert titles(read) == [form.format(n) for n in numerals]


@pytest.mark.parametrize(
    ("digits", "value"),
    [
        *[("十", 10), ("二十一", 21), ("一百零八", 108), ("一二〇", 120), ("１２", 12), ("廿三", 23)],
        *[("两千", 2000), ("XIV", 14), ("MCMXCIV", 1994), ("三万零五", 30_005), ("x", None)],
    ],
)
def test_numbers(digits: str, value: int | None) -> None:
    assert headings.number_of(digits) == value


@pytest.mark.parametrize(
    "word",
    [
        "楔子",
        "序",
        "序章",
        "序　章",
        "序幕",
        "引子",
        "前言",
        "尾声",
        "终章 秋",
        "后记",
        "番外一 小王",
        "番外：夏",
    ],
)
def test_special_headings(tmp_path: Path, word: str) -> None:
    read = book(tmp_path, f"第一章 甲\n{ZH}{word}\n{ZH}第二章 乙\n{ZH}")
    assert titles(read) == ["第一章 甲", word.replace("　", " "), "第二章 乙"]


@pytest.mark.parametrize(
    "line",
    [
        "第一回合两人打得难解难分",
        "第三章是我最喜欢的，你呢？",
        "第三章 说的是旧事。",
        "第三章、第四章都丢了",
        "第二部分还没写完",
        "“第二章 乙”",
        "后记她没有看",
        "序言里这么写着",
        "第二章里他死了，",
        "番外的事以后再说",
    ],
)
def test_sentences_are_no_headings(tmp_path: Path, line: str) -> None:
    read = book(tmp_path, f"第一章 甲\n{ZH}{line}\n{ZH}第二章 乙\n{ZH}")
    assert titles(read) == ["第一章 甲", "第二章 乙"]
    assert line in read.chapters[0].text


def test_volumes_join_the_chapter_that_follows(tmp_path: Path) -> None:
    text = "《青云》\n作者：王小二\n\n"
    for volume in "一二":
        text += f"第{volume}卷 卷名{volume}\n\n" + "".join(f"第{c}章 题{volume}{c}\n{ZH}" for c in "一二")
    read = book(tmp_path, text)
    assert (read.title, read.author) == ("青云", "王小二")
    assert titles(read) == [
        "第一卷 卷名一 第一章 题一一",
        "第二章 题一二",
        "第二卷 卷名二 第一章 题二一",
        "第二章 题二二",
    ]


def test_a_volumes_motto_stays_with_its_first_chapter(tmp_path: Path) -> None:
    read = book(tmp_path, f"卷一 少年\n江湖夜雨十年灯。\n第一章 甲\n{ZH}第二章 乙\n{ZH}")
    assert titles(read) == ["卷一 少年 第一章 甲", "第二章 乙"]
    assert read.chapters[0].text.startswith("江湖夜雨十年灯。\n")


def contents(volumes: bool) -> tuple[str, str]:
    table, body = "", ""
    for volume in "上中" if volumes else [""]:
        head = f"{volume}卷\n" if volumes else ""
        table += head + "".join(f"第{c}章 题{volume}{c}……{i}\n" for i, c in enumerate("一二三四"))
        body += head + "".join(f"第{c}章 题{volume}{c}\n{ZH}" for c in "一二三四")
    return table, body


@pytest.mark.parametrize("volumes", [False, True], ids=["flat", "volumes"])
@pytest.mark.parametrize("preface", ["", ZH + ZH], ids=["", "preface"])
def test_a_table_of_contents_is_no_chapter(tmp_path: Path, volumes: bool, preface: str) -> None:
    table, body = contents(volumes)
    read = book(tmp_path, f"目录\n{table}\n{preface}\n{body}")
    expected = ["第一章 题一", "第二章 题二", "第三章 题三", "第四章 题四"]
    if volumes:
        expected = [f"第{c}章 题{v}{c}" for v in "上中" for c in "一二三四"]
        expected[0], expected[4] = f"上卷 {expected[0]}", f"中卷 {expected[4]}"
    assert titles(read) == (["卷首"] if preface else []) + expected
    assert [c.text for c in read.chapters if c.title != "卷首"] == [ZH.rstrip()] * len(expected)


def test_a_heading_said_twice_counts_once(tmp_path: Path) -> None:
    read = book(tmp_path, "".join(f"第{c}章 题{c}\n\n第{c}章 题{c}\n{ZH}" for c in "一二三"))
    assert titles(read) == ["第一章 题一", "第二章 题二", "第三章 题三"]


def test_text_before_the_first_heading(tmp_path: Path) -> None:
    assert titles(book(tmp_path, f"{ZH}第一章 甲\n{ZH}第二章 乙\n{ZH}")) == ["卷首", "第一章 甲", "第二章 乙"]
    assert titles(book(tmp_path, f"某网整理\n第一章 甲\n{ZH}第二章 乙\n{ZH}")) == ["第一章 甲", "第二章 乙"]


def test_english(tmp_path: Path) -> None:
    text = (
        "THE WIND\n\nContents\n\nCHAPTER I. Down\nCHAPTER II. Up\nEPILOGUE\n\n\nPART ONE\n\nCHAPTER I.\n"
        f"\nDown\n\n{EN}CHAPTER II.\nUp\n\n{EN}"
        "in the book of\nChapter 3 was the hardest to read, and\nPart of it was gone.\n\n"
        f"PART TWO: The End\n\nChapter Twenty-One\n\n{EN}EPILOGUE\n\n{EN}"
    )
    read = book(tmp_path, text)
    assert read.lang == "en"
    assert titles(read) == [
        "PART ONE CHAPTER I. Down",
        "CHAPTER II. Up",
        "PART TWO: The End Chapter Twenty-One",
        "EPILOGUE",
    ]


def test_roman_numbers_alone(tmp_path: Path) -> None:
    assert titles(book(tmp_path, "".join(f"{r}.\n\n{EN}\n" for r in ("I", "II", "III")))) == [
        "I.",
        "II.",
        "III.",
    ]


def test_gutenberg_header_and_licence_go(tmp_path: Path) -> None:
    read = book(
        tmp_path,
        "The Project Gutenberg eBook of Wind\n\nTitle: Wind\n\nAuthor: Ann O\n\n"
        f"*** START OF THE PROJECT GUTENBERG EBOOK WIND ***\n\nCHAPTER 1\n\n{EN}CHAPTER 2\n\n{EN}"
        "*** END OF THE PROJECT GUTENBERG EBOOK WIND ***\nlicence",
    )
    assert (read.title, read.author, titles(read)) == ("Wind", "Ann O", ["CHAPTER 1", "CHAPTER 2"])
    assert "licence" not in read.chapters[-1].text


def test_titles_with_a_line_below_them(tmp_path: Path) -> None:
    stories = ("自序", "故园(1)", "长街⑴ ", "远行")
    text = "".join(f"  {title}\n ----------------\n{ZH}\n" for title in stories)
    read = book(tmp_path, text + f"  阿木正传\n————————\n　　第一章　序\n\n{ZH}　　第二章　归来\n\n{ZH}")
    assert titles(read) == ["自序", "故园(1)", "长街⑴", "远行", "阿木正传 第一章 序", "第二章 归来"]
    assert "--" not in "".join(c.text for c in read.chapters)
    english = "".join(f"{title}\n======\n\n{EN}" for title in ("The Storm", "The House"))
    assert titles(book(tmp_path, english)) == ["The Storm", "The House"]


@pytest.mark.parametrize(
    "line",
    ["他走了。", "（本章完）", "“你来", "***", "<!", "A line of prose that goes on\nthrough the break"],
)
def test_a_line_of_dashes_alone_makes_no_title(tmp_path: Path, line: str) -> None:
    parts = [f"{ZH}\n{line}{'　' * i}\n--------\n\n" for i in range(4)]
    assert titles(book(tmp_path, "".join(parts) + ZH)) == ["第1部分"]
    once = book(tmp_path, f"{ZH}\n远行\n--------\n\n{ZH}")
    assert titles(once) == ["第1部分"]


def test_headings_whose_lines_go_on_with_the_chapter(tmp_path: Path) -> None:
    prose = ZH.replace("\n　　", "")
    read = book(tmp_path, "".join(f"　　第{n}章{prose.strip()}\n{ZH}" for n in "一二三四"))
    assert titles(read) == ["第一章", "第二章", "第三章", "第四章"]
    assert all(c.text.startswith("他站在门口") for c in read.chapters)
    cited = "".join(f"　　第{n}章{prose.strip()}\n{ZH}" for n in "一三五二九四")
    assert titles(book(tmp_path, cited)) == ["第1部分"]


# --- sizes --------------------------------------------------------------------------------------------------


def test_no_headings_no_loss(tmp_path: Path) -> None:
    paragraphs = [f"　　第{i}件事，{ZH[:60].strip()}" for i in range(700)]
    read = book(tmp_path, "\n".join(paragraphs))
    assert "\n".join(c.text for c in read.chapters) == "\n".join(paragraphs)
    assert all(4_000 <= len(c.text) <= 5_000 for c in read.chapters[:-1])
    assert titles(read)[:2] == ["第1部分", "第2部分"]


def test_more_headings_than_any_book_has_are_a_list(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """They would take more memory and time than their text."""
    monkeypatch.setattr(headings, "MAX_HEADINGS", 20)
    forms = (("第{}章 风", "b.txt"), ("CHAPTER {}.", "b.txt"), ("{}", "b.txt"), ("## 风 {}", "b.md"))
    for heading, name in forms:
        texts = [f"{heading.format(n)}\n\n{'他走了。' * 55}\n\n" for n in range(1, 22)]
        assert len(book(tmp_path, "".join(texts[:20]), name).chapters) == 20
        assert titles(book(tmp_path, "".join(texts), name)) == ["第1部分"]


def test_long_chapters_are_split_at_paragraph_ends(tmp_path: Path) -> None:
    read = book(tmp_path, f"第一章 大\n{ZH * 200}第二章 小\n{ZH}")
    assert titles(read)[:3] == ["第一章 大", "第一章 大（2）", "第一章 大（3）"]
    assert titles(read)[-1] == "第二章 小"
    assert all(len(c.text.encode()) <= 60_000 for c in read.chapters)
    assert all(c.text.endswith("收了起来。") for c in read.chapters)
    assert "\n".join(c.text for c in read.chapters[:-1]) == (ZH * 200).rstrip()
    assert [c.number for c in read.chapters] == list(range(1, len(read.chapters) + 1))


def test_one_endless_paragraph(tmp_path: Path) -> None:
    for text in ("字" * 100_000, "他走了。她来了！" * 12_000, "😀" * 40_000):
        read = book(tmp_path, "第一章 甲\n" + text)
        assert "".join(c.text for c in read.chapters) == text
        assert all(len(c.text.encode()) <= 60_000 for c in read.chapters)


def test_a_little_too_long_is_cut_at_once(tmp_path: Path) -> None:
    """A limit that shrank a little at a time took 19 s for the second of these."""
    for count, parts in ((20_001, 2), (40_001, 3)):
        with mock.patch.object(chunking, "split", wraps=chunking.split) as split:
            read = book(tmp_path, "第一章 甲\n" + "字" * count)
        assert [len(c.text) // 1_000 for c in read.chapters] == [count // parts // 1_000] * parts
        assert split.call_count == 1


@pytest.mark.parametrize("encoding", ["utf-8", "gb18030"])
def test_four_times_the_book_takes_four_times_as_long(tmp_path: Path, encoding: str) -> None:
    path = tmp_path / "long.txt"

    def read(chapters: int) -> None:
        text = "".join(f"第{i}章 标题{i}\n{ZH * 7}" for i in range(1, chapters + 1))
        path.write_bytes(text.encode(encoding))
        assert len(read_book(path).chapters) == chapters

    assert grows_evenly(read, 165)  # up to five megabytes


@pytest.mark.parametrize(
    "line",
    [
        "正文{}x",
        "{}第一章{}x",
        "第一章{}x",
        "CHAPTER I.\n{}\n",
        "作者：{}",
        "# {}x",
        "{}",
        "番外{}",
        "卷一{}。",
        "1.{}x",
    ],
)
@pytest.mark.parametrize("name", ["b.txt", "b.md"])
def test_hostile_lines_take_no_time(tmp_path: Path, line: str, name: str) -> None:
    def read(blanks: int) -> None:
        book(tmp_path, "\n\n".join(line.replace("{}", " " * blanks) for _ in range(3)) + "\n" + ZH, name)

    assert grows_evenly(read, 50_000)


# --- titles -------------------------------------------------------------------------------------------------


def test_where_the_title_comes_from(tmp_path: Path) -> None:
    body = f"第一章 甲\n{ZH}第二章 乙\n{ZH}"
    assert book(tmp_path, body, "风 声.txt").title == "风 声"
    named = book(tmp_path, body, "《风声》作者：麦家.txt")
    assert (named.title, named.author) == ("风声", "麦家")
    assert book(tmp_path, "《雨声》\n" + body, "x.txt").title == "雨声"
    plain = book(tmp_path, "雨 声\n\n作者：何人\n\n" + body, "book(1).txt")
    assert (plain.title, plain.author) == ("雨 声", "何人")
    english = book(tmp_path, f"THE RAIN\nby A. Nobody\n\nChapter 1\n\n{EN}Chapter 2\n\n{EN}", "book(2).txt")
    assert (english.title, english.author) == ("THE RAIN", "A. Nobody")
    for head in (
        "最快的小说站，欢迎您。\n雨声\n作者：何人\n\n",
        "It was sold\nby Thomas Marsh\nthat year.\n\n",
    ):
        assert book(tmp_path, head + body, "book(3).txt").title == "book(3)"
    path = tmp_path / "x.txt"
    asked = read_book(path, title="问", author="我")
    assert (asked.title, asked.author) == ("问", "我")
    assert (
        "《红楼梦》"
        not in book(tmp_path, f"第一章 甲\n《红楼梦》是本好书。\n{ZH}第二章 乙\n{ZH}", "y.txt").title
    )


def test_the_story_that_comes_along() -> None:
    story = read_book(story_path())
    assert (story.title, story.lang, len(story.chapters)) == ("青石渡", "zh", 6)
    assert all(600 <= len(c.text) <= 1_100 for c in story.chapters)


# --- markdown -----------------------------------------------------------------------------------------------


def test_markdown(tmp_path: Path) -> None:
    read = book(tmp_path, f"# 书名\n\n## 第一章 甲\n{ZH}\n## 第二章 **乙**\n{ZH}\n## 没有号码\n{ZH}", "b.md")
    assert read.title == "书名"
    assert titles(read) == ["第一章 甲", "第二章 乙", "没有号码"]
    read = book(
        tmp_path,
        f"---\ntitle: 书\nauthor: 人\n---\n# 第一卷\n## 甲\n{ZH}\n## 乙\n{ZH}\n# 第二卷\n## 丙\n{ZH}",
        "b.md",
    )
    assert (read.title, read.author, titles(read)) == ("书", "人", ["第一卷 甲", "乙", "第二卷 丙"])


def test_markdown_without_marks_is_read_as_text(tmp_path: Path) -> None:
    assert titles(book(tmp_path, f"第一章 甲\n{ZH}第二章 乙\n{ZH}", "b.md")) == ["第一章 甲", "第二章 乙"]


# --- epub ---------------------------------------------------------------------------------------------------

CONTAINER = (
    '<?xml version="1.0"?><container xmlns="urn:oasis:names:tc:opendocument:xmlns:container"><rootfiles>'
    '<rootfile full-path="OEBPS/c.opf" media-type="application/oebps-package+xml"/></rootfiles></container>'
)


def page(body: str) -> str:
    return (
        '<?xml version="1.0" encoding="utf-8"?><!DOCTYPE html><html xmlns="http://www.w3.org/1999/xhtml"><head>'
        f"<title>不要</title><style>p{{}}</style><script/></head><body>{body}</body></html>"
    )


def paragraphs() -> str:
    return "".join(f"<p>{line.strip()}</p>\n" for line in ZH.splitlines())


def epub(
    tmp_path: Path, documents: dict[str, str], *, extra: dict[str, str] | None = None, ncx: str = ""
) -> Path:
    items = "".join(f'<item id="i{n}" href="{name}"/>' for n, name in enumerate(documents))
    spine = "".join(f'<itemref idref="i{n}"/>' for n in reversed(range(len(documents))))
    toc = '<item id="ncx" href="toc.ncx" media-type="application/x-dtbncx+xml"/>' if ncx else ""
    package = (
        '<package xmlns:dc="x"><metadata><dc:title>风 &amp; 雨</dc:title><dc:creator>甲</dc:creator>'
        f"<dc:creator>乙</dc:creator></metadata><manifest>{items}{toc}</manifest><spine>{spine}</spine></package>"
    )
    path = tmp_path / "b.epub"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("mimetype", "application/epub+zip")
        archive.writestr("META-INF/container.xml", CONTAINER)
        archive.writestr("OEBPS/c.opf", package)
        for name, text in documents.items():
            archive.writestr(f"OEBPS/{name}", text)
        for name, text in ({"OEBPS/toc.ncx": ncx} if ncx else {}).items() | (extra or {}).items():
            archive.writestr(name, text)
    return path


def test_epub_in_spine_order(tmp_path: Path) -> None:
    documents = {
        "2.xhtml": page(f"<h2>第二章 乙</h2>{paragraphs()}"),
        "1.xhtml": page(
            f"<h1>第一卷</h1><h2>第一章<br/>甲</h2><p>他<ruby>說<rt>shuo</rt></ruby>：&lt;好&gt;</p>{paragraphs()}"
        ),
    }
    read = read_book(epub(tmp_path, documents))
    assert (read.title, read.author) == ("风 & 雨", "甲、乙")
    assert titles(read) == ["第一卷 第一章 甲", "第二章 乙"]
    assert read.chapters[0].text.startswith("他說：<好>\n他站在门口")
    assert "不要" not in read.chapters[0].text


def test_epub_headings_from_its_table_of_contents(tmp_path: Path) -> None:
    entries = "".join(
        f'<navPoint><navLabel><text>{t}</text></navLabel><content src="{n}.xhtml#x"/></navPoint>'
        for n, t in ((1, "雨夜"), (2, "天明"))
    )
    documents = {
        "2.xhtml": page(f'<p class="t">天明</p>{paragraphs()}'),
        "1.xhtml": page(paragraphs()),
    }
    ncx = f'<?xml version="1.0"?><!DOCTYPE ncx PUBLIC "x" "y"><ncx><navMap>{entries}</navMap></ncx>'
    read = read_book(epub(tmp_path, documents, ncx=ncx))
    assert titles(read) == ["雨夜", "天明"]
    assert [c.text for c in read.chapters] == ["\n".join(s.strip() for s in ZH.splitlines())] * 2


def test_epub_whose_label_says_more_than_its_text(tmp_path: Path) -> None:
    ncx = '<ncx><navPoint><text>第一章 风起</text><content src="1.xhtml"/></navPoint></ncx>'
    read = read_book(epub(tmp_path, {"1.xhtml": page(f"<p>第一章</p>{paragraphs()}")}, ncx=ncx))
    assert titles(read) == ["第一章 风起"]


def test_epub_with_a_page_of_contents(tmp_path: Path) -> None:
    links = "".join(f'<p><a href="{n}.xhtml">第{n}章 题{n}</a></p>' for n in (1, 2, 3))
    documents = {f"{n}.xhtml": page(f"<h2>第{n}章 题{n}</h2>{paragraphs()}") for n in (3, 2, 1)}
    read = read_book(epub(tmp_path, documents | {"0.xhtml": page(f"<h1>目录</h1>{links}")}))
    assert titles(read) == ["第1章 题1", "第2章 题2", "第3章 题3"]


def test_entity_bombs_stay_small(tmp_path: Path) -> None:
    bomb = '<!DOCTYPE x [<!ENTITY a "ha"><!ENTITY b "&a;&a;"><!ENTITY s SYSTEM "file:///etc/passwd">]>'
    read = read_book(epub(tmp_path, {"1.xhtml": bomb + page(f"<h2>第一章</h2><p>&b;&s;</p>{paragraphs()}")}))
    assert "root:" not in read.chapters[0].text
    assert "haha" not in read.chapters[0].text


def key_of(path: Path | str) -> str:
    with pytest.raises(InputError) as caught:
        read_book(path)
    assert "\n" not in str(caught.value)
    return caught.value.key


def test_a_zip_bomb_is_refused(tmp_path: Path) -> None:
    assert key_of(epub(tmp_path, {"1.xhtml": "<p>" + "0" * (40 * 2**20)})) == "book.epub_bomb"


def encryption(name: str) -> dict[str, str]:
    return {
        "META-INF/encryption.xml": '<encryption><enc:EncryptedData xmlns:enc="e">'
        '<enc:EncryptionMethod Algorithm="http://www.idpf.org/2008/embedding"/><enc:CipherData>'
        f'<enc:CipherReference URI="{name}"/></enc:CipherData></enc:EncryptedData></encryption>'
    }


def test_the_story_is_in_the_language_of_the_texts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KGNB_LANG", "en")
    assert story_path() == story_path("en") != story_path("zh")
    assert read_book(story_path()).lang == "en"


def test_locked_and_broken_epubs(tmp_path: Path) -> None:
    text = {"1.xhtml": page(f"<h2>第一章</h2>{paragraphs()}")}
    assert key_of(epub(tmp_path, text, extra=encryption("OEBPS/1.xhtml"))) == "book.epub_locked"
    assert read_book(epub(tmp_path, text, extra=encryption("OEBPS/a.otf"))).chapters  # a font
    path = epub(tmp_path, text)
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    assert key_of(path) == "book.epub_broken"
    path.write_bytes(b"no zip at all")
    assert key_of(path) == "book.epub_broken"
    damaged = bytearray(whole)
    at = whole.index(b"OEBPS/1.xhtml") + 20
    damaged[at : at + 40] = b"\xaa" * 40
    path.write_bytes(damaged)
    assert key_of(path) == "book.epub_broken"
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("a.txt", "x")
    path.write_bytes(out.getvalue())
    assert key_of(path) == "book.epub_broken"
    assert key_of(epub(tmp_path, {"1.xhtml": page("")})) == "book.empty"


# --- languages ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "foreign"),
    [
        (ZH, False),
        (ZH + "她在纸上写：「さようなら」。\n", False),
        (EN, False),
        ("Il pleuvait. Le comte ne dit rien, et Jeanne regardait la mer sans lui répondre.\n" * 9, True),
        ("Иван Петрович смотрел в окно и молчал, а Мария уехала в Москву к брату.\n" * 9, True),
        ("一郎は窓の外を見ていた。雪が降っている。花子は何も言わなかった。\n" * 9, True),
        ("Non, dit-il.\n", False),  # too short to tell
    ],
)
def test_a_text_that_is_neither_chinese_nor_english(tmp_path: Path, text: str, foreign: bool) -> None:
    assert book(tmp_path, text).foreign is foreign


# --- Word ---------------------------------------------------------------------------------------------------


def word(tmp_path: Path, body: str, *, styles: str = "") -> Path:
    path = tmp_path / "雨夜.docx"
    kind = "http://schemas.openxmlformats.org/officeDocument/2006/relationships/officeDocument"
    rels = f'<Relationships><Relationship Type="{kind}" Target="word/document.xml"/></Relationships>'
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("_rels/.rels", rels)
        archive.writestr("word/document.xml", f"<w:document><w:body>{body}</w:body></w:document>")
        archive.writestr("word/styles.xml", f"<w:styles>{styles}</w:styles>")
    return path


def word_paragraph(*runs: str, style: str = "") -> str:
    properties = f'<w:pPr><w:pStyle w:val="{style}"/><w:tabs><w:tab w:val="left"/></w:tabs></w:pPr>'
    return f"<w:p>{properties}{''.join(f'<w:r>{run}</w:r>' for run in runs)}</w:p>"


def test_word_by_its_heading_styles_without_contents_and_deletions(tmp_path: Path) -> None:
    styles = (
        '<w:style w:styleId="1"><w:name w:val="heading 1"/></w:style>'
        '<w:style w:styleId="a5"><w:name w:val="卷"/><w:pPr><w:outlineLvl w:val="0"/></w:pPr></w:style>'
        '<w:style w:styleId="TOC1"><w:name w:val="toc 1"/></w:style>'
    )
    text = word_paragraph(
        "<w:t>他站在</w:t>",
        '<w:t xml:space="preserve">门口 &amp; </w:t><w:delText>窗外</w:delText>',
        "<w:ruby><w:rt><w:r><w:t>ting</w:t></w:r></w:rt><w:rubyBase><w:r><w:t>听</w:t></w:r></w:rubyBase></w:ruby>",
        "<w:t>见雨声。</w:t><w:br/><w:t>她没有回答。</w:t>",
    )
    body = (
        word_paragraph("<w:t>归人</w:t><w:tab/><w:t>1</w:t>", style="TOC1")
        + word_paragraph("<w:t>归人</w:t>", style="1")
        + text * 20
        + word_paragraph("<w:t>夜雨</w:t>", style="a5")
        + text.replace("雨声", "风声") * 20
    )
    read = read_book(word(tmp_path, body, styles=styles))
    assert (read.title, titles(read)) == ("雨夜", ["归人", "夜雨"])
    assert read.chapters[0].text.splitlines()[:2] == ["他站在门口 & 听见雨声。", "她没有回答。"]
    assert "风声" in read.chapters[1].text


def test_word_without_styles_is_divided_as_text_is(tmp_path: Path) -> None:
    lines = [f"第{n}章 归人\n{ZH}" for n in "一二三"]
    body = "".join(word_paragraph(f"<w:t>{line}</w:t>") for line in "\n".join(lines).splitlines())
    assert titles(read_book(word(tmp_path, body))) == ["第一章 归人", "第二章 归人", "第三章 归人"]


def test_word_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = word(tmp_path, word_paragraph(f"<w:t>{ZH}</w:t>"))
    assert read_book(path).chapters
    monkeypatch.setattr(docx, "MAX_PART", 500)
    assert key_of(path) == "book.docx_bomb"


def test_word_that_defines_entities_is_called_what_it_is(tmp_path: Path) -> None:
    path = word(tmp_path, word_paragraph(f"<w:t>{ZH}&lol9;</w:t>"))
    with zipfile.ZipFile(path) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    (name,) = (name for name in parts if name.endswith("document.xml"))
    bomb = "".join(f'<!ENTITY lol{n} "{f"&lol{n - 1};" * 10}">' for n in range(1, 10))
    parts[name] = f'<!DOCTYPE x [<!ENTITY lol0 "lol">{bomb}]>'.encode() + parts[name]
    with zipfile.ZipFile(path, "w") as archive:
        for part, data in parts.items():
            archive.writestr(part, data)
    assert key_of(path) == "book.docx_bomb"


@pytest.mark.parametrize("empty", ["<w:p/>", "<w:p><w:r><w:br/></w:r></w:p>", "<x:i/>"])
def test_too_many_empty_elements_are_no_book(
    tmp_path: Path, empty: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in ("markup", "epub"):
        monkeypatch.setattr(f"kgnb.book.{module}.MAX_TAGS", 20_000)
    text = word_paragraph(f"<w:t>{ZH}</w:t>")
    assert read_book(word(tmp_path, text + empty * 4_000)).chapters
    assert key_of(word(tmp_path, text + empty * 20_001)) == "book.docx_bomb"
    for each, refused in ((3_000, False), (5_000, True)):
        pages = {f"{n}.xhtml": page(paragraphs() + "<i/>" * each) for n in range(5)}
        path = epub(tmp_path, pages)
        if refused:
            assert key_of(path) == "book.epub_bomb"
        else:
            assert read_book(path).chapters


# --- errors -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "data", "key"),
    [
        ("a.txt", b"", "book.empty"),
        ("a.txt", " \n\u3000\n\ufeff".encode(), "book.empty"),
        ("a.txt", bytes(range(256)) * 40, "book.binary"),
        ("a.txt", b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" + bytes(range(256)) * 9, "book.binary"),
        ("a.pdf", b"%PDF-1.7", "book.kind"),
        ("a.doc", b"\xd0\xcf", "book.kind"),
        ("a.docx", b"PK", "book.docx_broken"),
        ("a.docx", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(600), "book.docx_locked"),
        ("a.ZIP", b"PK", "book.packed"),
        ("a.epub", b"", "book.empty"),
    ],
)
def test_bad_files(tmp_path: Path, name: str, data: bytes, key: str) -> None:
    path = tmp_path / name
    path.write_bytes(data)
    assert key_of(path) == key


def test_bad_paths(tmp_path: Path) -> None:
    assert key_of(tmp_path / "none.txt") == "file.missing"
    assert key_of(tmp_path) == "book.folder"
    assert key_of("/dev/null") == "book.no_file"
    assert key_of("a\0b.txt") == "file.unreadable"
    assert key_of("x" * 5_000 + ".txt") == "file.unreadable"
    os.mkfifo(tmp_path / "pipe.txt")
    assert key_of(tmp_path / "pipe.txt") == "book.no_file"
    huge = tmp_path / "huge.txt"
    with huge.open("wb") as file:
        file.truncate(201 * 2**20)  # sparse: no disk is used
    assert key_of(huge) == "book.too_large"


def test_no_permission(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text("x")
    path.chmod(0)
    user = os.geteuid()
    if user == 0:
        os.seteuid(65534)  # root may read everything: look as nobody
    try:
        assert key_of(path) == "file.permission"
    finally:
        os.seteuid(user)


# --- real books ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("encoding", ["utf-8", "gb18030", "utf-16"])
def test_sanguo(tmp_path: Path, encoding: str) -> None:
    read = book(tmp_path, sanguo_text().encode(encoding), "三国演义.txt")
    assert (read.title, read.lang, len(read.chapters)) == ("三国演义", "zh", 120)
    assert read.chapters[0].title == "第一回 宴桃园豪杰三结义 斩黄巾英雄首立功"
    assert read.chapters[-1].title == "第一百二十回 荐杜预老将献新谋 降孙皓三分归一统"
    assert all(c.title.startswith("第") and 2_000 < len(c.text) < 9_000 for c in read.chapters)


@pytest.mark.parametrize(
    ("name", "count", "first", "last"),
    [
        (
            "sanguo",
            120,
            "第一回 宴桃园豪杰三结义 斩黄巾英雄首立功",
            "第一百二十回 荐杜预老将献新谋 降孙皓三分归一统",
        ),
        ("PrideAndPrejudice", 61, "CHAPTER I.", "CHAPTER XIX."),
        ("Persuasion", 24, "Chapter 1", "Chapter 24"),
        (
            "AlicesAdventuresInWonderland",
            12,
            "CHAPTER I. Down the Rabbit-Hole",
            "CHAPTER XII. Alice's Evidence",
        ),
    ],
)
def test_novels(name: str, count: int, first: str, last: str) -> None:
    path = TEXTS / f"{name}.txt"
    if not path.is_file():
        pytest.skip(f"{path.name} is not there (set KGNB_NOVELS)")
    read = read_book(path)
    assert (len(read.chapters), read.chapters[0].title, read.chapters[-1].title) == (count, first, last)
    assert read.lang == ("zh" if name == "sanguo" else "en")
    assert min(len(c.text) for c in read.chapters) > 2_000


def test_millions_of_blank_lines_take_little_memory() -> None:
    used = memory(lambda: list(chapters.divide("\n" * 1_000_000 + "甲与乙。\n", [], "zh")))
    assert [only.text for only in used.result] == ["甲与乙。"]
    assert used.peak < 50e6


@pytest.mark.parametrize("name", ["utf-8", "gb18030"])
def test_a_text_padded_with_nul_bytes_is_still_a_text(name: str) -> None:
    text = "第一章 雨夜来客\n周德海推开门，看见林秀英坐在灯下。\n" * 20
    assert text_encoding.decode(text.encode(name) + bytes(4)) == text
    assert text_encoding.decode(bytes(range(256)) * 40) is None
