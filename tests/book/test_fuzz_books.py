"""Any file is a book or an InputError, no word of a book is lost, and time grows as its length does."""

from __future__ import annotations

import io
import zipfile
from html import escape
from itertools import pairwise
from pathlib import Path
from unittest import mock

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from kgnb.book import chapters as chapter_division
from kgnb.book import chunking, epub, headings
from kgnb.book import encoding as text_encoding
from kgnb.book.chapters import CHAPTER_BYTES
from kgnb.book.markup import MAX_TAG, plain_tags
from kgnb.book.model import Book
from kgnb.book.reader import normalise, read_book
from kgnb.core.errors import InputError
from tests.support.fuzzing import EXAMPLES, PIECES, SENTENCES, TEXTS, fuzz, grows_evenly

ENCODINGS = [
    "utf-8",
    "utf-8-sig",
    "gb18030",
    "big5hkscs",
    "utf-16",
    "cp1252",
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("fuzz")


def read(file: Path, data: bytes) -> Book | None:
    file.write_bytes(data)
    try:
        return read_book(file)
    except InputError:
        return None


def visible(text: str) -> str:
    return "".join(text.split())


def within(part: str, whole: str) -> bool:
    """Whether the characters of ``part`` stand in ``whole``, in this order."""
    rest = iter(whole)
    return all(char in rest for char in part)


def is_sound(book: Book, text: str) -> bool:
    """What holds of every book, whatever it was read from."""
    assert book.chapters
    assert [c.number for c in book.chapters] == list(range(1, len(book.chapters) + 1))
    assert not any("\n" in c.title for c in book.chapters)
    assert all(0 < len(c.title) <= 255 for c in book.chapters)
    assert max(len(c.text.encode()) for c in book.chapters) <= CHAPTER_BYTES
    assert len(book.title) <= 200
    assert len(book.author) <= 200
    return within(visible("".join(c.text for c in book.chapters)), visible(text))


@fuzz(40)
@given(
    st.binary(max_size=400)
    | st.tuples(TEXTS, st.sampled_from(ENCODINGS)).map(lambda p: p[0].encode(p[1], "ignore"))
)
def test_bytes_are_a_text_or_none(data: bytes) -> None:
    text = text_encoding.decode(data)
    if text is not None:
        clean = normalise(text)
        clean.encode()  # no lone surrogates
        assert normalise(clean) == clean


@fuzz(40)
@given(TEXTS, st.sampled_from([".txt", ".md", ""]))
@example(
    "*** END OF THE PROJECT GUTENBERG EBOOK X ***\n*** START OF THE PROJECT GUTENBERG EBOOK X ***\n书", ".txt"
)
@example("*** END OF THE PROJECT GUTENBERG EBOOK X ***\n书", ".txt")
def test_any_text_is_a_book(folder: Path, text: str, kind: str) -> None:
    book = read(folder / f"a{kind}", text.encode("utf-8-sig", "ignore"))  # its mark leaves no doubt
    if book is not None:
        assert is_sound(book, normalise(text))


@fuzz(40)
@given(TEXTS, st.integers(4, 40), st.booleans())
def test_cutting_loses_nothing(text: str, limit: int, by_bytes: bool) -> None:
    text = normalise(text.encode("utf-8", "ignore").decode())
    if by_bytes:
        with mock.patch.object(chapter_division, "CHAPTER_BYTES", limit):
            parts = chapter_division.cut(text, "zh")
    else:
        parts = chapter_division.in_parts(text, limit, "en")
    assert visible("".join(parts)) == visible(text)
    assert all(len(part.encode() if by_bytes else part) <= limit for part in parts)


BODIES = st.lists(st.sampled_from(SENTENCES[:4]), min_size=1, max_size=6).map(
    lambda x: "话说" * 20 + "".join(x)
)


@fuzz(40)
@given(st.lists(BODIES, min_size=1, max_size=8), st.integers(1, 9_000), st.booleans())
def test_chapters_hold_what_stands_under_their_headings(
    folder: Path, bodies: list[str], first: int, contents: bool
) -> None:
    titles = [f"第{n}章 其{n}" for n in range(first, first + len(bodies))]
    lines = [f"{title}\n{body}\n" for title, body in zip(titles, bodies, strict=True)]
    front = "目录\n" + "\n".join(titles) + "\n\n" if contents and len(bodies) > 1 else ""
    book = read(folder / "c.txt", (front + "\n".join(lines)).encode())
    assert book is not None
    assert [(c.title, c.text) for c in book.chapters] == list(zip(titles, bodies, strict=True))


@fuzz(40)
@given(TEXTS)
@example("Chapter 1\nChapter 2\n\nIt was.")  # the second is no title of the first
@example("Chapter 1\n\nIntroduction\n\nIt was.")
def test_headings_stand_in_order_and_apart(text: str) -> None:
    found = headings.find(text)
    assert all(0 <= h.start < h.end <= len(text) for h in found)
    assert all(one.end <= next_.start + 1 for one, next_ in pairwise(found))
    assert all(h.title or h.marked for h in found)


@fuzz(40)
@given(TEXTS, st.integers(1, 60), st.sampled_from(["zh", "en"]))
def test_chunks_are_the_text(text: str, limit: int, lang: str) -> None:
    chunks = chunking.split(text, limit, lang)
    assert "".join(chunks) == text
    assert all(0 < len(part) <= limit for part in chunks)
    halves = chunking.halve(text, lang)
    assert halves is None or (all(halves) and "".join(halves) == text)


# --- EPUB

MARKUP = st.one_of(
    st.sampled_from(
        [
            *[
                "<p>",
                "</p>",
                "<h1>",
                "</h1>",
                "<br/>",
                "<nav>",
                "</nav>",
                "<svg>",
                "<rt>",
                "</rt>",
                "<script>",
                "</script>",
            ],
            *[
                "<!--",
                "-->",
                "<![CDATA[",
                "]]>",
                "<![if x]>",
                "<![foo",
                "<!DOCTYPE html>",
                "<!",
                "<?",
                "?>",
                "<",
                ">",
                "</",
            ],
            *[
                "<a href='x",
                '<a b="',
                "&#",
                "&#x",
                "&amp;",
                "&nbsp;",
                "&#" + "9" * 5000 + ";",
                "&#xd800;",
                "&#0;",
                "\x00",
            ],
            *[
                "<title>",
                "<dc:title>",
                "<item id='b' href='../c'",
                "<itemref idref='a'/>",
                "<text>",
                "<content src='a'/>",
            ],
        ]
    ),
    PIECES,
)
DOCUMENTS = st.lists(MARKUP, max_size=25).map("".join)


def packed(document: str, package: str = "", contents: str = "", **more: str) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        files = {
            "META-INF/container.xml": '<rootfile full-path="o/p.opf"/>',
            "o/p.opf": '<item id="a" href="a.html"/><item id="n" properties="nav" href="n.html"/>'
            f'<itemref idref="a"/>{package}',
            "o/a.html": document,
            "o/n.html": contents,
        }
        for name, text in (files | more).items():
            facts = zipfile.ZipInfo(name)  # of 1980: the same bytes in each run
            facts.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(facts, text.encode("utf-8", "ignore"))
    return out.getvalue()


@fuzz(40)
@given(DOCUMENTS, DOCUMENTS, DOCUMENTS)
@example("<p>a<![foo[x]]>b</p>", "", "")  # Python's parser fails on a section of a kind that it doesn't know
@example(f"<p>&#{'1' * 5000};</p>", "", "")  # and on a number that int() refuses
@example("<a <a", "<title>", "<a href='a.html'>第一章</a></a></a>")
def test_any_markup_is_a_book(folder: Path, document: str, package: str, contents: str) -> None:
    book = read(folder / "a.epub", packed(document, package, contents))
    if book is not None:
        is_sound(book, "")


PARAGRAPHS = st.lists(st.sampled_from(SENTENCES) | st.text(min_size=1, max_size=30), min_size=1, max_size=12)


@fuzz(40)
@given(PARAGRAPHS, st.sampled_from(["<p>", "<div>", "<p class='a>b'>", "<!-- > --><p>"]), st.booleans())
@example(["© 2020"], "<p>", False)  # no 漏: an EPUB is UTF-8, whatever else its bytes could be
def test_an_epubs_paragraphs_are_its_lines(paragraphs: list[str], tag: str, cdata: bool) -> None:
    def shown(text: str) -> str:
        return f"<![CDATA[{text}]]>" if cdata and "]]>" not in text else escape(text)

    paragraphs = [normalise(p.encode("utf-8", "ignore").decode()) for p in paragraphs]
    markup = "".join(f"{tag}{shown(p)}" for p in paragraphs)
    lines = epub.read(Path("b.epub"), packed(f"<body>{markup}</body>")).lines
    assert visible("".join(line.text for line in lines)) == visible("".join(paragraphs))


GOOD = packed("<h1>第一章</h1><p>刘备大喜。</p>", "<title>书</title>", "<a href='a.html'>一</a>")


@fuzz(40)
@given(
    st.lists(st.tuples(st.integers(0, len(GOOD) - 1), st.integers(0, 255)), min_size=1, max_size=8),
    st.integers(0, 60),
)
@example([(len(GOOD) - 5, 2)], 0)  # its table a little further on than it is: places before the beginning
def test_a_damaged_archive_is_told(folder: Path, changes: list[tuple[int, int]], cut: int) -> None:
    data = bytearray(GOOD)
    for at, byte in changes:
        data[at] = byte
    read(folder / "b.epub", bytes(data[: len(data) - cut]))


def test_a_name_that_is_no_utf8_is_told(folder: Path) -> None:
    data = packed("<p>x</p>", **{"o/é.html": "x"}).replace("é".encode(), b"\xff\xfe")
    assert read(folder / "n.epub", data) is None


def test_an_archive_of_endless_paragraphs_is_refused(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(epub, "MAX_TAGS", 1_000)
    assert read(folder / "e.epub", packed("<p>a" * 1_001)) is None
    assert read(folder / "f.epub", packed("<p>a" * 900)) is not None


# --- time

EVEN = {
    "a long table of contents": (
        lambda n: "\n".join(f"第{i}章" for i in range(n)) + "\n第1章\n" + "字" * 400,
        1_000,
    ),
    "lines that look like headings": (lambda n: "Chapter 1\n\n" + "Part two, x,\n" * n, 10_000),
    "one long line": (lambda n: "é\n" + "a" * n, 20_000),
    "a row of dots": (lambda n: "." * n + "x", 20_000),
    "a row of spaces": (lambda n: "第一章" + " " * n + "x", 40_000),
    "blank lines": (lambda n: "x\n" + " \n" * n + "x", 20_000),
    "quotes": (lambda n: "“”" * n, 20_000),
    "volumes without text": (lambda n: "卷一\n" * n, 1_000),
    "headings in Markdown": (lambda n: "# a\n" * n, 1_000),
    "combining marks": (lambda n: "x" + "\u0301\u0327" * n, 2_000),
}


@pytest.mark.parametrize("kind", EVEN)
def test_a_book_takes_time_by_its_length(folder: Path, kind: str) -> None:
    make, size = EVEN[kind]

    def work(n: int) -> None:
        book = read(folder / "t.md", make(n).encode())
        for chapter in book.chapters if book else ():
            chunking.split(chapter.text, 8_000, "en")

    assert grows_evenly(work, size)


@pytest.mark.parametrize(
    "piece",
    [
        "<!--",
        "<a ",
        "</",
        "<!a",
        "<![",
        "<?",
        "<a x='",
        "<svg></p>",
        "<p>a",
        "&#1;",
        "<script></",
        "<nav>",
        "a<b>",
        "<a href=b>c</a>",
        "<a " + "b=1 " * 50,
        "<a>" + "<b" * 50,
    ],
)
def test_markup_takes_time_by_its_length(piece: str) -> None:
    def work(n: int) -> None:
        epub.read(Path("t.epub"), packed(piece * n, f"<title>{piece * n}", piece * n))

    assert grows_evenly(work, 1_500)


def test_a_tag_with_endless_attributes_keeps_its_name() -> None:
    many = "a=1 " * MAX_TAG
    assert plain_tags(f"<p class='x'>a</p>b<p {many}>c<img {many}/>") == "<p class='x'>a</p>b<p>c<img/>"
    long = "字" * MAX_TAG
    assert plain_tags(f"<p>{long}</p>") == f"<p>{long}</p>"


def test_one_name_for_many_documents_is_kept_once() -> None:
    """16 bytes of contents may not hold 16 MB each."""
    contents = epub.contents_entries("<text>" + "名" * 100_000 + "</text>" + "<content src='a'/>" * 2_000)
    assert [len(label) for _, label in contents] == [200]


if EXAMPLES:  # a damaged download of a real size

    @fuzz(40)
    @given(
        st.lists(PIECES, min_size=500, max_size=2_000).map("".join),
        st.sampled_from(ENCODINGS),
        st.binary(max_size=3),
    )
    def test_large_texts(folder: Path, text: str, encoding: str, dirt: bytes) -> None:
        data = text.encode(encoding, "ignore")
        book = read(folder / "l.txt", data[: len(data) // 2] + dirt + data[len(data) // 2 :])
        if book is not None:
            is_sound(book, "")
