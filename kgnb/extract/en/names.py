"""Who stands in an English book: capitalised spans, judged by honorifics, speech and what stands beside them.

The surest persons (speakers, bearers of an honorific) teach a model of the words before and after a person in
*this* book; it tells persons from places and from other capitalised words.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from kgnb.extract.en import vocabulary as words

_QUOTES = str.maketrans({"’": "'", "‘": "'", "“": '"', "”": '"', "_": " ", "\u00a0": " "})
_HONORIFIC = "|".join(sorted((w.capitalize() for w in words.HONORIFICS), key=len, reverse=True))
_CAP = r"[A-Z][a-zà-ÿ]+(?:'[A-Z][a-z]+)?(?!'[a-z]{2})(?:-[A-Z]?[a-z]+)*|[A-Z]\.(?= ?[A-Z][a-z])"
_JOIN = "of|de|du|la|le|von|van|der|den|the|del|di|da|bin|ibn"
SPAN = re.compile(
    rf"(?:(?:{_HONORIFIC})\b\.? ){{0,2}}(?:{_CAP})(?: (?:(?:{_JOIN}) ){{0,2}}(?:{_CAP})){{0,4}}"
)
_WORD = re.compile(r"[A-Za-zà-ÿ]+(?:'[A-Za-z]+)?")
_JOINERS = frozenset(_JOIN.split("|"))
_LINKS = frozenset(("of", "the"))
"""What no name begins with after its title: the Duke of, but Miss de Bourgh."""
_START = frozenset(".!?\":;-(\n[*'")


@dataclass(slots=True)
class Span:
    """One capitalised name as it stands in the book, with the words around it."""

    name: str
    at: list[int] = field(default_factory=list)
    before: Counter[str] = field(default_factory=Counter)
    after: Counter[str] = field(default_factory=Counter)
    the: int = 0  # how often an article stands before it
    opens: int = 0  # how often a sentence begins with it
    speaks: int = 0
    score: float = 0.0

    @property
    def count(self) -> int:
        """Occurrences in the book."""
        return len(self.at)


def flatten(text: str) -> str:
    """The text with plain quotes, one space between words and one line end between paragraphs."""
    text = re.sub(r"[ \t]+", " ", re.sub(r"\r\n?", "\n", text.translate(_QUOTES)))
    return re.sub(r" ?\n ?", " ", re.sub(r"\n ?\n\s*", "\x00", text)).replace("\x00", "\n")


def key(word: str) -> str:
    """A word as the tables hold it."""
    return word.rstrip(".").lower()


class Spans:
    """All capitalised names of one text."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.lower = Counter(w for w in _WORD.findall(text) if w[0].islower())
        self.middle = self._middle()
        self.found: dict[str, Span] = {}
        for match in SPAN.finditer(text):
            self._take(match)

    def _middle(self) -> Counter[str]:
        """Words that stand capitalised inside a sentence."""
        return Counter(re.findall(r"(?<=[a-z,;] )[A-Z][a-zà-ÿ]+", self.text))

    def proper(self, word: str) -> bool:
        """Whether the word is a name's by how the book capitalises it."""
        return self.middle[word] > 0 and self.middle[word] >= 0.5 * self.lower[word.lower()]

    def _opening(self, at: int) -> bool:
        """Whether a sentence or a quotation begins here, where every word has a capital."""
        text = self.text
        return at == 0 or text[at - 1] in _START or text[max(0, at - 2) : at].strip()[-1:] in _START

    def _take(self, match: re.Match[str]) -> None:
        start, parts = match.start(), match[0].split(" ")
        opening = self._opening(start)
        while parts and not self._begins(parts, opening):
            start += len(parts[0]) + 1
            parts = parts[1:]
            while parts and parts[0] in _JOINERS:
                start += len(parts[0]) + 1
                parts = parts[1:]
            opening = False
        while (
            parts
            and (key(parts[-1]) in words.NO_NAMES or parts[-1] in _JOINERS)
            and not (len(parts) == 1 and key(parts[0]) in words.RANKS)
        ):
            parts = parts[:-1]
        if parts and (len(parts) > 1 or len(parts[0]) > 1):
            for piece, offset in self._pieces(parts):
                self._add(piece, start + offset)

    def _begins(self, parts: list[str], opening: bool) -> bool:
        word = parts[0]
        if key(word) in words.HONORIFICS:
            named = len(parts) > 1 and parts[1] not in _LINKS
            return named or key(word) in words.RANKS
        if key(word) in words.MONTHS and len(parts) > 1 and not opening:
            return True  # the March Hare
        if key(word) in words.NO_NAMES or key(word) in words.ENDEARMENTS or key(word) in words.SPEECH:
            return False
        return not opening or self.proper(word) or (self.lower[word.lower()] == 0)

    def _pieces(self, parts: list[str]) -> Iterable[tuple[str, int]]:
        """A span is cut before an honorific in its middle: "Jane Mrs. Long" are two."""
        begin, offset = 0, 0
        at = 0
        for i, part in enumerate(parts):
            if (
                i > begin
                and key(part) in words.HONORIFICS
                and key(parts[i - 1]) not in words.HONORIFICS
                and parts[i - 1] not in _JOINERS
            ):
                yield " ".join(parts[begin:i]), offset
                begin, offset = i, at
            at += len(part) + 1
        yield " ".join(parts[begin:]), offset

    def _add(self, name: str, at: int) -> None:
        text, end = self.text, at + len(name)
        span = self.found.get(name)
        if span is None:
            span = self.found[name] = Span(name)
        span.at.append(at)
        span.opens += self._opening(at)
        before = text[max(0, at - 16) : at].split(" ")
        after = text[end : end + 16].split(" ", 2)
        previous = before[-2] if len(before) > 1 else ""
        if previous.lower().strip('"') in ("the", "a", "an"):
            span.the += 1
            previous = before[-3] if len(before) > 2 else ""
        following = after[0] or (after[1] if len(after) > 1 else "")
        previous, following = previous.lower(), following.lower()
        if previous in words.SPEECH or following.rstrip(",.:;") in words.SPEECH:
            span.speaks += 1
        span.before[previous] += 1
        span.after[following] += 1


class Judge:
    """Decides which spans of one book are persons."""

    def __init__(self, text: str) -> None:
        self.spans = Spans(text)
        self.base = Counter(text.lower().split(" "))
        self.total = max(1, self.base.total())
        seeds = [s for s in self.spans.found.values() if s.speaks >= 3 or titled(s.name)]
        self._before = self._odds(s.before for s in seeds)
        self._after = self._odds(s.after for s in seeds)
        for span in self.spans.found.values():
            span.score = self._score(span)
        self._kindred()

    def _kindred(self) -> None:
        """Elizabeth Bennet is a person because Elizabeth and Mr. Bennet are."""
        sure = [s.name.split(" ") for s in self.spans.found.values() if s.score >= 1.5 and s.count >= 3]
        firsts = {p[0] for p in sure if len(p) == 1}
        lasts = {p[-1] for p in sure if titled(" ".join(p))}
        for span in self.spans.found.values():
            parts = span.name.split(" ")
            if len(parts) > 1 and not titled(span.name) and (parts[0] in firsts or parts[-1] in lasts):
                place = key(parts[-1]) in words.PLACE_WORDS | words.ORG_WORDS
                span.score += 0.0 if place else 3.0
            elif len(parts) == 1 and parts[0] in lasts:
                span.score += 1.5
            elif len(parts) == 1 and any(
                w.capitalize() in firsts for w in words.NICKNAMES.get(key(parts[0]), ())
            ):
                span.score += 2.0

    def _odds(self, sides: Iterable[Mapping[str, int]]) -> dict[str, float]:
        seen: Counter[str] = Counter()
        for side in sides:
            weight = min(1.0, 80 / max(1, sum(side.values())))
            for word, n in side.items():
                seen[word] += n * weight  # type: ignore[assignment]
        total, smooth = sum(seen.values()) or 1.0, 100.0
        odds = {}
        for word, n in seen.items():
            p = max(1, self.base[word]) / self.total
            odds[word] = math.log((n + smooth * p) / (total + smooth) / p)
        return odds

    def _score(self, span: Span) -> float:
        score = _mean(span.before, self._before) + _mean(span.after, self._after)
        score += 2.0 if titled(span.name) else 0.0
        score += min(2.5, 0.8 * math.log1p(span.speaks))
        place = sum(n for w, n in span.before.items() if w in words.PLACE_BEFORE) / span.count
        if not titled(span.name) and span.speaks * 10 < span.count:
            score -= 3.0 * place + (1.5 if place >= 0.3 and span.count >= 5 else 0.0)
        if span.the > 0.5 * span.count and span.speaks < 0.15 * span.count:
            score -= 2.0 if not span.speaks else 1.0
        if not span.speaks and _exclaimed(span):
            score -= 1.5
        if key(span.name.split(" ")[-1]) in words.PLACE_WORDS | words.ORG_WORDS and not span.speaks:
            score -= 2.0
        if (
            span.count >= 3
            and not span.the
            and not any(self.spans.lower[w.lower()] for w in span.name.split(" "))
        ):
            score += 0.5  # never a common word
        if span.count < 3 and not titled(span.name) and not span.speaks:
            score -= 0.7
        return score

    def persons(self, bar: float = 0.0) -> dict[str, Span]:
        """The accepted persons by name."""
        return {
            name: s
            for name, s in self.spans.found.items()
            if s.score >= bar and (s.count >= 2 or s.speaks or s.score >= 3.0 or titled(name))
        }

    def _common(self, span: Span) -> bool:
        """Whether the name is a common word, now and then with a capital: the Park, the Captain, North."""
        word = span.name.lower()
        general = words.PLACE_WORDS | words.RANKS | words.COMPASS
        return " " not in word and (word in general or self.spans.lower[word] >= span.count)

    def places(self) -> dict[str, Span]:
        """Spans that are no person and stand where a place does."""
        return {
            name: s
            for name, s in self.spans.found.items()
            if s.count >= 2
            and s.speaks * 20 <= s.count
            and not titled(name)
            and _placed(s)
            and s.score < 1.5
            and not self._common(s)
        }


def _exclaimed(span: Span) -> bool:
    """Whether the word stands only where a sentence begins, and hardly goes on: Humph! Aye, aye."""
    stops = sum(n for word, n in span.after.items() if not word[:1].isalpha())
    return " " not in span.name and span.opens >= 0.85 * span.count and stops >= 0.6 * span.count


def _placed(span: Span) -> bool:
    share = sum(n for w, n in span.before.items() if w in words.PLACE_BEFORE) / span.count
    return share >= 0.35 or (share >= 0.1 and key(span.name.split(" ")[-1]) in words.PLACE_WORDS)


def titled(name: str) -> bool:
    """Whether the name begins with an honorific and goes on."""
    first, _, rest = name.partition(" ")
    return bool(rest) and key(first) in words.HONORIFICS


def _mean(side: Mapping[str, int], odds: Mapping[str, float]) -> float:
    total = sum(side.values()) or 1
    return sum(n * min(1.5, max(-1.5, odds.get(w, -0.7))) for w, n in side.items()) / total


def kind_of(name: str) -> str:
    """Location or Organization, by the last word."""
    return "Organization" if key(name.split(" ")[-1]) in words.ORG_WORDS else "Location"
