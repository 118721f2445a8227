"""Read a book file: encoding, title and author, chapters. Blocking: call it in a thread."""

from __future__ import annotations

import os
import re
import stat
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path

from kgnb.book import boilerplate, docx, encoding, epub, headings
from kgnb.book import chapters as chapter_division
from kgnb.book.headings import Heading
from kgnb.book.model import Book, Line, text_hash
from kgnb.core.errors import InputError
from kgnb.core.input_file import reading
from kgnb.core.labels import Lang, language_of
from kgnb.core.messages import environment_language

MAX_BYTES = 200 * 1024 * 1024
"""Largest file read, in bytes: the longest web novels have about 60 MB."""

_TEXT = (".txt", ".text", "")
_MARKDOWN = (".md", ".markdown")
_PACKED = (".zip", ".rar", ".7z", ".gz", ".tar", ".tgz", ".bz2", ".xz")


def story_path(lang: Lang | None = None) -> Path:
    """Return the path of a short story that comes with the package (Chinese: six chapters, English: five).

    ``lang``: by default the language of kgnb's texts (KGNB_LANG).
    """
    lang = lang or environment_language()
    return Path(__file__).parent / "data" / ("story.txt" if lang == "zh" else f"story.{lang}.txt")


def read_book(
    path: str | Path, *, title: str | None = None, author: str | None = None, edition_of: int = 0
) -> Book:
    """Return the book in a .txt (UTF-8, UTF-16, GB18030, Big5, Windows-1252), .md, .epub or .docx file.

    ``title`` and ``author`` override those of the file; ``edition_of``: see :class:`Book`. Without headings
    the chapters are parts of about 5,000 characters; no chapter has more than 60,000 bytes of UTF-8. Raises
    :class:`InputError`.
    """
    file = Path(path).expanduser()
    source = _read(file, _load(file))
    if not source.text.strip():
        raise InputError("book.empty", path=file)
    sha256 = text_hash(source.text)  # encodes a copy of the text: before the chapters take memory too
    text = _without_licence(source.text)
    lang = language_of(text)
    found = headings.find(text, source.marked)
    stem = readable(file.stem)
    given_title, given_author = _one_line(readable(title or "")), _one_line(readable(author or ""))
    stated_title, stated_author = _stated(text[: min(found[0].start if found else 2_000, 4_000)], stem)
    return Book(
        title=given_title or _one_line(source.title or stated_title or stem),
        author=given_author or _one_line(source.author or stated_author),
        lang=lang,
        chapters=tuple(chapter_division.divide(text, found, lang)),
        sha256=sha256,
        left_out=boilerplate.count(text),
        missing=headings.missing(found),
        foreign=is_foreign(text, lang),
        given_title=given_title,
        given_author=given_author,
        title_stated=bool(given_title or _one_line(source.title or stated_title)),
        edition_of=edition_of,
    )


@dataclass(frozen=True, slots=True)
class _Source:
    """A file's normalised text, with title, author and headings of its markup."""

    text: str
    title: str = ""
    author: str = ""
    marked: Sequence[Heading] = ()


def readable(name: str) -> str:
    """Return a file's name, or a word of the command line, with its undecodable bytes read as GB18030, else
    UTF-8; any other text unchanged.

    Archives packed in China have names in GBK.
    """
    if name.isascii() or not any("\ud800" <= c <= "\udfff" for c in name):
        return name
    try:
        data = os.fsencode(name)
    except UnicodeEncodeError:  # half of a character, from a program: no byte stands behind it
        return name.encode("utf-8", "replace").decode()
    try:
        return data.decode("gb18030")
    except UnicodeDecodeError:
        return data.decode("utf-8", "replace")


def _one_line(text: str) -> str:
    """Return the text on one line, at most 200 characters."""
    return re.sub(r"\s+", " ", text).strip()[:200]


# --- the file -----------------------------------------------------------------------------------------------


def _load(file: Path) -> bytes:
    """Return the file's content. Raises InputError for a folder, an unknown kind, a packed, too large or
    empty file.
    """
    with reading(file):
        info = file.stat()
        if stat.S_ISDIR(info.st_mode):
            raise InputError("book.folder", path=file)
        if not stat.S_ISREG(info.st_mode):
            raise InputError("book.no_file", path=file)
        if file.suffix.lower() in _PACKED:
            raise InputError("book.packed", path=file)
        if file.suffix.lower() not in (*_TEXT, *_MARKDOWN, ".epub", ".docx"):
            raise InputError("book.kind", path=file, kind=file.suffix)
        if info.st_size > MAX_BYTES:
            raise InputError("book.too_large", path=file, mb=info.st_size // 2**20, limit=MAX_BYTES // 2**20)
        data = file.read_bytes()
    if not data:
        raise InputError("book.empty", path=file)
    return data


def _read(file: Path, data: bytes) -> _Source:
    """Return text, title, author and marked headings of a file. Raises InputError."""
    if file.suffix.lower() == ".epub":
        book = epub.read(file, data)
        return _from_lines(book.lines, book.title, book.author)
    if file.suffix.lower() == ".docx":
        return _from_lines(docx.read(file, data))
    text = encoding.decode(data)
    del data  # up to 90 MB of a long book
    if text is None:
        raise InputError("book.binary", path=file)
    text = normalise(text)
    return _from_markdown(text) if file.suffix.lower() in _MARKDOWN else _Source(text)


# Zero-width characters, soft hyphen, bidi marks, controls except tab and line breaks, lone surrogates.
_INVISIBLE = re.compile(
    "[\u200b-\u200f\u202a-\u202e\u2060-\u2064\u2066-\u2069\ufeff\u00ad\x00-\x08\x0e-\x1f\x7f-\x84\x86-\x9f\ud800-\udfff]"
)
# "\r\r\n" is one break, written as text twice; a run without "\n" is searched once, not from each "\r".
_BREAKS = re.compile("(?<!\r)\r+\n|[\r\x0b\x0c\x85\u2028\u2029]")


MAX_MARKS = 30
"""Combining marks kept in a row: Unicode's Stream-Safe Text Format (UAX #15). Sorting more takes the square
of their number, and no language has them."""
_MARKS = re.compile(rf"[^\w\s]{{{MAX_MARKS + 1},}}")  # and other runs without a letter


def _with_few_marks(run: re.Match[str]) -> str:
    """Return a run of characters with at most MAX_MARKS combining marks on each."""
    if not any(map(unicodedata.combining, run[0])):
        return run[0]
    kept, marks = [], 0
    for character in run[0]:
        marks = marks + 1 if unicodedata.combining(character) else 0
        if marks <= MAX_MARKS:
            kept.append(character)
    return "".join(kept)


def normalise(text: str) -> str:
    """Return the text with line breaks as ``\\n``, in NFC, without invisible characters."""
    text = _INVISIBLE.sub("", _BREAKS.sub("\n", text))
    if not text.isascii():
        text = _MARKS.sub(_with_few_marks, text)
    return text if unicodedata.is_normalized("NFC", text) else unicodedata.normalize("NFC", text)


# --- markup -------------------------------------------------------------------------------------------------

_MARKDOWN_HEADING = re.compile(r"^(?P<level>#{1,3})[ \t]+(?P<title>[^\n]+)$", re.M)
_EMPHASIS = re.compile(r"(\*{1,3}|_{1,3}|`)(.+?)\1")
_FRONT_MATTER = re.compile(r"\A---\n(?P<body>.{0,4000}?)\n(?:---|\.\.\.)\n", re.S)


def _from_markdown(text: str) -> _Source:
    """Return the source of a Markdown text, with its front matter and headings."""
    fields: dict[str, str] = {}
    if front := _FRONT_MATTER.match(text):
        fields = dict(re.findall(r"^(title|author):[ \t]*[\"']?(.*?)[\"']?[ \t]*$", front["body"], re.M))
        text = text[front.end() :]
    marked = []
    for m in islice(_MARKDOWN_HEADING.finditer(text), headings.MAX_HEADINGS + 1):
        line_end, level = min(m.end() + 1, len(text)), len(m["level"])
        title = headings.tidy(_EMPHASIS.sub(r"\2", m["title"]))
        marked.append(Heading(m.start(), line_end, title, level, marked=True))
    title = fields.get("title", "")
    tops = [h for h in marked if h.level == 1]
    if tops and tops == marked[:1] and not text[: tops[0].start].strip() and not headings.find(tops[0].title):
        title = title or tops[0].title  # a single one at the top is the book's title
        by = tops[0].end
        text = text[by:]
        marked = [replace(h, start=h.start - by, end=h.end - by) for h in marked[1:]]
    return _Source(text, title, fields.get("author", ""), marked)


def _from_lines(read: list[Line], title: str = "", author: str = "") -> _Source:
    """Return the source of a document's lines, those with a level as headings."""
    lines: list[str] = []
    marked: list[Heading] = []
    at = 0
    for line in read:
        text = normalise(line.text).strip("\n") + "\n"
        if line.level and len(marked) <= headings.MAX_HEADINGS and (heading := headings.tidy(text)):
            marked.append(Heading(at, at + len(text), heading, line.level, marked=True))
        lines.append(text)
        at += len(text)
    return _Source("".join(lines), normalise(title), normalise(author), marked)


# --- title, author and language of plain text ---------------------------------------------------------------

_GUTENBERG_START = re.compile(r"^\*\*\* ?START OF (?:THE|THIS) PROJECT GUTENBERG [^\n]*\n", re.M)
_GUTENBERG_END = re.compile(r"^\*\*\* ?END OF (?:THE|THIS) PROJECT GUTENBERG ", re.M)
_BOOK_NAME = re.compile(r"^[ \t\u3000]*(?:书名|書名)?[：:]?[ \t\u3000]*《(?P<title>[^《》\n]{1,60})》", re.M)
_TITLE_FIELD = re.compile(
    r"^[ \t\u3000]*(?:书名|書名|Title)[ \t\u3000]*[：:][ \t\u3000]*(?P<title>[^\n]{1,120})$", re.M
)
_BY = re.compile(r"^[ \t]*(?:by|By|BY)[ \t]+(?P<author>[A-Z][^\n]{1,60})\n\s*(?:\n|\Z)", re.M)
_AUTHOR_FIELD = re.compile(
    r"(?:^|[ \t\u3000》【\[（(])(?:作[ \u3000]*者|Author)[ \t\u3000]*[：:][ \t\u3000]*"
    r"(?P<author>[^\n】\]）)]{1,60})",
    re.M,
)
_ONLY_LINE = re.compile(r"\s*(?P<title>[^\n：:。.，,；;]{1,60}?)\s*")
"""All that stands before the author: the title."""


def _without_licence(text: str) -> str:
    """Return the text without Project Gutenberg's header and licence, but with the header's title and author;
    another text as it is.
    """
    start = _GUTENBERG_START.search(text, 0, 20_000)
    end = _GUTENBERG_END.search(text, start.end() if start else 0)
    if not (start or end):
        return text
    head = "\n".join(
        m[0] for p in (_TITLE_FIELD, _AUTHOR_FIELD) if start and (m := p.search(text, 0, start.end()))
    )
    return head + "\n\n" + text[start.end() if start else 0 : end.start() if end else len(text)]


def _stated(head: str, stem: str) -> tuple[str, str]:
    """Return (title, author) that the lines before the first chapter, or the file's name, state; "" for what
    neither does.
    """
    author = _AUTHOR_FIELD.search(head) or _BY.search(head)
    title = (
        _BOOK_NAME.search(head)
        or _TITLE_FIELD.search(head)
        or re.search(r"《(?P<title>[^《》]+)》", stem)
        or (author and _ONLY_LINE.fullmatch(head, 0, author.start()))
    )
    author = author or re.search(r"作者[：:]\s*(?P<author>[^\s（(]+)", stem)
    return title["title"] if title else "", author["author"] if author else ""


_ENGLISH_WORDS = frozenset(["the", "and", "of", "to"])
MIN_ENGLISH = 0.03
"""Least share of these among the words of an English text: it has some 0.1, other languages next to none."""
MAX_KANA = 0.1
"""Largest share of kana in a Chinese text, which quotes some; in Japanese it is half."""


def is_foreign(text: str, nearest: Lang) -> bool:
    """Return whether a text is neither Chinese nor English; ``nearest``: the nearer of the two. False for a
    text below 50 words.
    """
    sample = text[:100_000]
    if nearest == "zh":
        kana, chinese = (
            len(re.findall(letters, sample)) for letters in ("[\u3041-\u30ff]", "[\u3400-\u9fff]")
        )
        return kana > MAX_KANA * (kana + chinese)
    words = re.findall(r"[^\W\d_]+", sample.lower())
    return len(words) >= 50 and sum(word in _ENGLISH_WORDS for word in words) < MIN_ENGLISH * len(words)
