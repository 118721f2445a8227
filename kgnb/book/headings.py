"""Find the heading lines of Chinese and English books; offsets are in characters.

A heading is a short line of its own. Levels: 1 volume or part, 2 chapter, 3 section.
"""

from __future__ import annotations

import re
import unicodedata
from bisect import bisect
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from heapq import merge
from itertools import chain, islice, pairwise
from typing import NamedTuple

from kgnb.book import boilerplate

VOLUME, CHAPTER, SECTION = 1, 2, 3
MAX_HEADINGS = 100_000
"""A text with more has none: it is a list. The longest web novels have some 10,000 chapters."""
MOST_MISSING = 3
"""Headings in a row that a book may lack: joined lines hide some."""

_GAP = r"[ \t\u3000\xa0]"
_CAPITAL_NUMERALS = "壹贰貳叁叄肆伍陆陸柒捌玖拾佰"
_NUMERALS = f"零〇○一二三四五六七八九十百千万萬两兩廿卅{_CAPITAL_NUMERALS}"
_NUM = rf"[0-9０-９{_NUMERALS}]{{1,9}}"
_LEAD = r"[ \t\u3000\xa0【\[〖《（(「☆★◎●■◆※=\-_*#~、]*"
_ORNAMENTS = " \t\u3000\xa0☆★◎●■◆※=-_*#~"
_BRACKETS = ("【】", "[]", "〖〗", "《》", "（）", "()", "「」")
_TAIL = " \t\u3000\xa0】]〗》）)」☆★◎●■◆※=-_*#~"
_LEVELS = dict.fromkeys("卷部集篇", VOLUME) | dict.fromkeys("節节折", SECTION)

_NUMBERED = re.compile(
    rf"^{_LEAD}(?:正文|正篇|VIP章节|VIP卷)(?:{_GAP}*[：:])?{_GAP}*(?P<a>第{_GAP}?{_NUM}{_GAP}?[回章節节卷集部篇话話折幕][^\n]*)$"
    rf"|^{_LEAD}(?P<b>第{_GAP}?{_NUM}{_GAP}?[回章節节卷集部篇话話折幕][^\n]{{0,70}})$",
    re.M,
)
_PARTS = re.compile(
    rf"(?P<volume>第{_GAP}?{_NUM}{_GAP}?[卷部集篇][^\n第]{{0,24}}?[ \t\u3000\xa0·:：]+)?"
    rf"第{_GAP}?(?P<number>{_NUM}){_GAP}?(?P<unit>[回章節节卷集部篇话話折幕])(?P<rest>.*)"
)
_SECOND_HEADING = re.compile(rf"第{_GAP}?{_NUM}{_GAP}?[回章節节]")
_SEPARATOR = re.compile(r"[ \t\u3000\xa0：:.．、·・—–\-_～~|｜/／】\])）》」〗（(【《「『]")
# A unit that begins a word ("第一回合", "第二部分") makes no heading; nor does a sentence about a chapter.
_UNIT_IN_WORD = re.compile(
    r"回合|回来|回去|章程|節目|节目|节课|节车|节奏|部分|部队|部门|部下|集团|集合|集中|卷入|篇文|篇章|话题|话就|折磨"
    r"|[回章節节卷集部篇话話折幕][，,。的是讲]"
)

_VOLUME = re.compile(
    rf"^{_LEAD}(?P<title>(?:卷之?{_NUM}|[上中下][卷部篇册冊])(?P<rest>[^\n]{{0,40}}))$", re.M
)
_SPECIAL = re.compile(
    rf"^{_LEAD}(?:正文{_GAP}*)?(?P<title>(?P<word>楔{_GAP}*子|自序|代序|序{_GAP}*[章言幕曲]|序|引{_GAP}*[子言]|前{_GAP}*言|开篇|尾{_GAP}*[声聲]"
    rf"|[终終]{_GAP}*[章曲幕]|最[终終][章回]|后{_GAP}*记|後{_GAP}*記|跋|附{_GAP}*[录錄]|番外篇?|外传|外傳|大[结結]局|[结結]语|完本感言)"
    r"(?P<rest>[^\n]{0,50}))$",
    re.M,
)

_WORD_NUMBERS = (
    r"(?:the )?(?:last|hundred|(?:twen|thir|for|fif|six|seven|eigh|nine)t(?:y|ieth)"
    r"|one|two|three|four(?:teen)?|five|six(?:teen)?|seven(?:teen)?|eight(?:een)?|nine(?:teen)?|ten|eleven|twelve"
    r"|thirteen|fifteen|first|second|third|(?:four|fif|six|seven|eigh|nin|ten|eleven|twelf)th)"
)
_ENGLISH = re.compile(
    r"^[ \t_*#=\-]*(?P<title>"
    r"(?P<word>CHAPTER|Chapter|PART|Part|BOOK|Book|VOLUME|Volume|LETTER|Letter|STAVE|Stave)[ \t]+"
    rf"(?P<number>[0-9]{{1,4}}|[IVXLCDM]{{1,9}}|(?i:{_WORD_NUMBERS}(?:[- ]{_WORD_NUMBERS})?))\b"
    r"(?P<rest>[^\n]{0,90}))$",
    re.M,
)
_ENGLISH_SPECIAL = re.compile(
    r"^[ \t_*#=\-]*(?P<title>(?P<word>"
    r"PROLOGUE|EPILOGUE|PREFACE|INTRODUCTION|FOREWORD|AFTERWORD|INTERLUDE|POSTSCRIPT"
    r"|Prologue|Epilogue|Preface|Introduction|Foreword|Afterword|Interlude|Postscript)(?P<rest>[^\n]{0,70}))$",
    re.M,
)
_BARE_NUMBER = re.compile(
    rf"^{_LEAD}(?P<title>(?P<number>[0-9０-９]{{1,4}}|[一二三四五六七八九十百零〇]{{1,6}}"
    rf"|[{_CAPITAL_NUMERALS}零]{{1,6}}|[IVXLC]{{1,8}})"
    r"(?P<rest>[.、．:：)） \t\u3000】\]—][^\n]{0,75})?)$",
    re.M,
)
_UNDERLINED = re.compile(
    rf"^{_GAP}*(?P<title>(?=[^\n]{{0,39}}\w)[^\s\-=─—－＝][^\n]{{0,39}})\n{_GAP}*(?:-{{4,}}|={{4,}}|─{{4,}}|—{{4,}}|－{{4,}}|＝{{4,}}){_GAP}*$",
    re.M,
)
_GLUED = re.compile(rf"^{_GAP}*(?P<title>第(?P<number>{_NUM})[回章節节])(?=[^\n]{{60}})", re.M)
_SENTENCE_END = ("。", "，", "；", "、", "：", ",", ";", "”", "」", "』")
_PROSE_END = (*_SENTENCE_END, ".", "!", "?", "！", "？", "…")
_BEFORE_HEADING = (".", "!", "?", '"', "”", "’", "。", "！", "？", "…", "」", "*", "_", "：", "）")


@dataclass(frozen=True, slots=True)
class Heading:
    """A heading line: ``text[start:end]`` is the whole line with its line break.

    ``number`` is None for 楔子, PROLOGUE and the like. ``marked``: by the file's markup (Markdown, EPUB) or a
    line below it. ``sure``: without it, it counts only if its number is the next one.
    """

    start: int
    end: int
    title: str
    level: int
    number: int | None = None
    marked: bool = False
    sure: bool = True


def tidy(title: str) -> str:
    """Return a title as one line with single spaces, without ornaments, of at most 200 characters."""
    line = re.sub(r"\s+", " ", title).strip(_ORNAMENTS)
    for left, right in map(tuple, _BRACKETS):
        if line.startswith(left) and line.endswith(right) and line.count(left) == 1:
            line = line[1:-1]
        elif right in line and left not in line:  # the left one is before the heading: "【第1章】 标题"
            line = line.replace(right, " ")
    return re.sub(r"\s+", " ", line).strip(_ORNAMENTS)[:200]


def find(text: str, marked: Sequence[Heading] = ()) -> list[Heading]:
    """Return the headings of a text in order; ``marked``: those of the file's markup. [] for none, and for
    more than :data:`MAX_HEADINGS` (100,000).
    """
    found = {h.start: h for h in chain(_underlined(text), marked)}
    for heading in islice(chain(_chinese(text), _english(text)), MAX_HEADINGS + 1):
        known = found.get(heading.start)
        level, number = heading.level, heading.number
        found[heading.start] = replace(known, level=level, number=number) if known else heading
    if len(found) > MAX_HEADINGS:
        return []
    headings = _without_doubtful([found[k] for k in sorted(found)])
    if not any(h.marked or (h.level >= CHAPTER and h.number is not None) for h in headings):
        bare = _glued(text) or _bare_numbers(text, [h.start for h in headings if h.level == VOLUME])
        taken = {h.start for h in bare}
        headings = sorted([h for h in headings if h.start not in taken] + bare, key=lambda h: h.start)
    return headings


def missing(found: Sequence[Heading]) -> tuple[int, ...]:
    """Return the numbers of the chapters, a few in a row, that lack a heading between two others; () for
    none.

    Chapters in another order lack none: a number is missing that the book has less often than those two. Of
    [1, 2, 4, 1, 2, 3, 4] that is 3; of [1, 3, 2, 4] none.
    """
    numbers = [h.number for h in found if h.level == CHAPTER and h.number is not None]
    times = Counter(numbers)
    gaps = ((a, b) for a, b in pairwise(numbers) if b - a - 1 <= MOST_MISSING)
    lacking = (n for a, b in gaps for n in range(a + 1, b) if times[n] < max(times[a], times[b]))
    return tuple(dict.fromkeys(lacking))


def number_of(digits: str) -> int | None:
    """Return the value of an Arabic, full-width, Chinese or Roman numeral; None if it is none."""
    if digits.isdecimal():
        return int(digits)
    if re.fullmatch(r"[IVXLCDM]+", digits):
        return _roman(digits)
    return _chinese_number(digits) if set(digits) <= set(_NUMERALS) else None


def _chinese_number(digits: str) -> int:
    """Return the value of a Chinese numeral: 一百二十 → 120, 一二〇 → 120."""
    values = [int(unicodedata.numeric(c)) for c in digits.replace("○", "〇").replace("两", "二")]
    if max(values) < 10:
        return int("".join(map(str, values)))
    total, digit = 0, 0
    for value in values:
        if value < 10:
            digit = value
        elif value in (20, 30):  # 廿, 卅
            total += value
        elif value == 10_000:
            total, digit = (total + digit) * value, 0
        else:
            total, digit = total + (digit or 1) * value, 0
    return total + digit


def _roman(digits: str) -> int:
    """Return the value of a Roman numeral: XIV → 14."""
    values = [{"I": 1, "V": 5, "X": 10, "L": 50, "C": 100, "D": 500, "M": 1000}[c] for c in digits]
    return sum(-v if v < max(values[i:]) else v for i, v in enumerate(values))


def _heading(
    found: re.Match[str], title: str, level: int, number: int | None, *, sure: bool = True
) -> Heading:
    """Return the heading at a match; its line break belongs to it."""
    end = min(found.end() + 1, len(found.string))
    return Heading(found.start(), end, tidy(title), level, number, sure=sure)


def _chinese(text: str) -> Iterator[Heading]:
    """Yield the numbered and special headings of a Chinese text (第一章, 楔子), those of one kind after the
    other.
    """
    for found in _NUMBERED.finditer(text):
        title = found["a"] or found["b"]
        parts = _PARTS.fullmatch(title)
        if parts and len(title) <= 80 and (sure := _is_title(parts["unit"], parts["rest"])) is not None:
            level = _LEVELS.get(parts["unit"], CHAPTER)
            yield _heading(found, title, level, number_of(parts["number"]), sure=sure)
    for found in _VOLUME.finditer(text):
        if _is_separated_title(found["rest"]):
            yield _heading(found, found["title"], VOLUME, None)
    for found in _SPECIAL.finditer(text):
        numbered = found["word"].startswith("番外") and re.match(rf"{_NUM}|之", found["rest"])
        if numbered or _is_separated_title(found["rest"]):
            yield _heading(found, found["title"], CHAPTER, None)


def _is_title(unit: str, rest: str) -> bool | None:
    """Return True for a title for sure, False for one if its number fits (no space after "第三章"), None for
    a sentence. ``rest`` follows the unit.
    """
    body = rest.strip(_TAIL)
    if not body:
        return True
    if len(body) > 45 or body.endswith(_SENTENCE_END) or "。" in body or _SECOND_HEADING.search(body):
        return None
    if _SEPARATOR.match(rest):
        return True
    return None if _UNIT_IN_WORD.match(unit + rest) or len(body) > 30 else False


def _is_separated_title(rest: str) -> bool:
    """Return whether nothing follows the heading word, or a title of at most 30 characters behind a space or
    mark.
    """
    body = rest.strip(_TAIL)
    short = len(body) <= 30 and "。" not in body and not body.endswith(_SENTENCE_END)
    return not body or (short and bool(_SEPARATOR.match(rest)))


def _without_doubtful(headings: list[Heading]) -> list[Heading]:
    """Return the headings without lines that only look like it: unsure ones whose number is not the
    next one.
    """
    certain = {(h.level, h.number) for h in headings if h.sure and h.number is not None}
    kept: list[Heading] = []
    last: dict[int, int] = {}
    for heading in headings:
        if not heading.sure:
            after_volume = bool(kept) and kept[-1].level < heading.level
            expected = last.get(heading.level, 0) + 1
            fits = heading.number == expected or (heading.number == 1 and after_volume)
            if not fits or ((heading.level, heading.number) in certain and not after_volume):
                continue
        if heading.number is not None:
            last[heading.level] = heading.number
        kept.append(heading)
    return kept


def _english(text: str) -> Iterator[Heading]:
    """Yield the numbered and special headings of an English text (CHAPTER I, Epilogue), in order."""
    end = 0  # of the last heading
    alone = False  # whether no line since the last heading was a false one
    lines = merge(_ENGLISH.finditer(text), _ENGLISH_SPECIAL.finditer(text), key=lambda m: m.start())
    for found in lines:
        rest = found["rest"].strip(" \t_*#=")
        if found.start() < end:
            continue  # the line is the title of the heading before
        after_heading = alone and not text[end : found.start()].strip()
        if not _is_english_title(rest) or not (after_heading or _after_break(text, found.start())):
            alone = False
            continue
        alone = True
        number = number_of(found["number"]) if "number" in found.groupdict() else None
        level = VOLUME if found["word"].lower() in ("part", "book", "volume") else CHAPTER
        heading = _heading(found, found["title"], level, number)
        if not rest.strip(".:—–- "):
            heading = _with_title_below(text, heading)
        end = heading.end
        yield heading


def _is_english_title(rest: str) -> bool:
    """Return whether what follows a chapter's number may be its title: short, and not the rest of a
    sentence.
    """
    body = rest.lstrip(".:—–-)] \t")
    if not body:
        return True
    separated = rest[0] in ".:—–-)]"
    if len(body) > 75 or body[-1] in ",;" or (len(body) > 50 and body[-1] == "."):
        return False
    return separated or not body[0].islower()


def _after_break(text: str, start: int) -> bool:
    """Return whether the line before is blank or ends a sentence, so that this one continues no wrapped
    prose.
    """
    before = text[max(0, start - 200) : start].rstrip(" \t\u3000")
    return re.search(r"\n[ \t\u3000]*\n$", before) is not None or _after_sentence(text, start)


def _after_sentence(text: str, start: int) -> bool:
    """Return whether the text before an offset ends as a sentence does, or is empty."""
    before = text[max(0, start - 200) : start].rstrip("\n \t\u3000")
    return not before or before.endswith(_BEFORE_HEADING)


_TITLE_LINE = re.compile(r"[ \t]{0,40}\n?[ \t]{0,40}(?P<title>[^\n]{1,60})\n[ \t]*(?:\n|$)")


def _with_title_below(text: str, heading: Heading) -> Heading:
    """Return the heading with a capitalised line of its own below it joined ("CHAPTER I.", then its title);
    the heading itself without such a line.
    """
    found = _TITLE_LINE.match(text, heading.end)
    if not found:
        return heading
    title = found["title"].strip()
    words = [w for w in re.findall(r"[^\W\d_][\w'’]*", title) if len(w) > 3]
    capital = title[0].isupper() and sum(w[0].isupper() for w in words) >= len(words) * 0.6
    if title[-1:] in ".,;!?\"”’'" or not capital or title[0] in "\"“'‘" or _ENGLISH.match(title):
        return heading
    return replace(heading, end=found.end("title") + 1, title=f"{heading.title} {title}")


def _underlined(text: str) -> list[Heading]:
    """Return titles with a line of dashes below them, each another one; [] for a single one, which may be
    anything.
    """
    lines = list(islice(_UNDERLINED.finditer(text), MAX_HEADINGS + 1))
    times = Counter(tidy(m["title"]) for m in lines)
    found = [m for m in lines if times[tidy(m["title"])] == 1 and _is_underlined_title(m)]
    return [replace(_heading(m, m["title"], CHAPTER, None), marked=True) for m in found if len(found) > 1]


def _is_underlined_title(found: re.Match[str]) -> bool:
    """Return whether an underlined line is a title: no prose, and behind a break."""
    title = found["title"].rstrip()
    prose = title.endswith(_PROSE_END) or boilerplate.count(title)
    return not prose and _after_break(found.string, found.start())


def _glued(text: str) -> list[Heading]:
    """Return numbers whose chapter goes on in their line (第一章红海早过了，…), as 1, 2, 3 … of the whole
    book; [] for fewer than three.
    """
    kept: list[Heading] = []
    for found in _GLUED.finditer(text):
        if number_of(found["number"]) == len(kept) + 1:
            heading = _heading(found, found["title"], CHAPTER, len(kept) + 1)
            kept.append(replace(heading, end=found.end()))
    return kept if len(kept) >= 3 else []


def _bare_numbers(text: str, volumes: Sequence[int]) -> list[Heading]:
    """Return numbers without a unit ("12. 标题", "三", "IV"): only as a sequence 1, 2, 3 … with text in
    between; else [].

    ``volumes``: where volumes start; in each the numbers may begin anew. Some numbers may be missing if most
    of the others stand where a sentence has ended: those of pages don't.
    """
    lines = list(islice(_number_lines(text, volumes), MAX_HEADINGS + 1))
    if len(lines) > MAX_HEADINGS:
        return []
    numbers = _Numbers(lines)
    whole, broken = numbers.sequence(broken=False), numbers.sequence(broken=True)
    gone = missing([_FRONT.heading, *broken])
    ended = sum(_after_sentence(text, h.start) for h in broken)
    likely = len(gone) * 4 <= len(broken) and ended * 4 >= len(broken) * 3
    best = max(whole, broken, key=len) if likely else whole
    return best if len(best) >= 3 else []


class _Line(NamedTuple):
    """A line that begins with a number; ``form``: its digits' script, and whether nothing else is there."""

    heading: Heading
    number: int
    form: tuple[str, bool]
    volume: int


_FRONT = _Line(Heading(0, 0, "", CHAPTER, 0), 0, ("", True), 0)  # what is before the first number


def _number_lines(text: str, volumes: Sequence[int]) -> Iterator[_Line]:
    """Yield the lines that begin with a number and may be headings."""
    for found in _BARE_NUMBER.finditer(text):
        digits, rest = found["number"], found["rest"] or ""
        number = number_of(digits)
        sentence = "。" in rest or rest[1:].rstrip().endswith((*_SENTENCE_END, "."))
        if number is None or sentence or (digits == "I" and not _is_english_title(rest)):  # "I went home"
            continue
        script = "1" if digits.isdecimal() else "I" if digits.isascii() else "一"
        heading = _heading(found, found["title"], CHAPTER, number)
        yield _Line(heading, number, (script, not rest.strip()), bisect(volumes, found.start()))


class _Numbers:
    """The lines of a text that begin with numbers, and the sequences 1, 2, 3 … among them."""

    def __init__(self, lines: Sequence[_Line]) -> None:
        self.lines = lines
        self.latest = {(line.volume, line.form, line.number): line.heading.start for line in lines}

    def sequence(self, *, broken: bool) -> list[Heading]:
        """Return those whose numbers follow each other with text in between; ``broken``: or go on
        elsewhere.
        """
        kept: list[_Line] = []
        for line in self.lines:
            last = kept[-1] if kept else _FRONT
            if kept and line.number == last.number <= 1:
                kept[-1] = line  # the one before was in the table of contents
            elif line.number <= 1 and not kept:
                kept = [line]
            elif line.heading.start - last.heading.end >= 200 and (
                line.number == last.number + 1 or (broken and self._goes_on_elsewhere(last, line))
            ):
                kept.append(line)
        return [line.heading for line in kept]

    def _goes_on_elsewhere(self, last: _Line, line: _Line) -> bool:
        """Return whether the line begins a volume anew, or the numbers before it are missing in the
        volume.
        """
        if not self._comes_after(line, line, line.number + 1):
            return False
        if line.number == 1:
            return line.volume > last.volume
        between = range(last.number + 1, line.number)
        if not 0 < len(between) <= MOST_MISSING or last.form not in (line.form, _FRONT.form):
            return False
        return not any(self._comes_after(last, line, number) for number in between)

    def _comes_after(self, place: _Line, like: _Line, number: int) -> bool:
        """Return whether the number stands behind ``place``, written like ``like`` and in its volume."""
        return self.latest.get((like.volume, like.form, number), -1) > place.heading.start
