"""Finds the passages of a book that a question is about: people by any of their names, other words by BM25.

No index is kept: a scan of a novel of 850,000 characters for a dozen words takes a tenth of a second, less
than an index of it takes to load.
"""

from __future__ import annotations

import math
import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

from kgnb.core.labels import Lang, language_of

PASSAGE_CHARS = {"zh": 400, "en": 1_200}
"""Most characters of a passage, by language: a few hundred words."""
SHOWN_CHARS = {"zh": 100, "en": 300}
"""Most characters of a passage that a person is shown, unless two sentences are longer."""
PASSAGES = 10
"""Passages that are shown where the graph has no answer: ten short ones have it somewhat more often than
five of twice the length (bench/questions.py, the books that the number was chosen on)."""
SENT_PASSAGES = 30
"""Passages that an LLM answers from: 12,000 characters of Chinese, a few chapters' worth of tokens."""
K1, B = 1.2, 0.75
"""Saturation of repeated words and weight of a passage's length: Robertson and Zaragoza, "The
Probabilistic Relevance Framework: BM25 and Beyond", Foundations and Trends in Information Retrieval 3
(2009), their usual values."""
NAME_WEIGHT = 2.0
"""Weight of a named person relative to a word: a question is about the people that it names."""
CHAPTER_WEIGHT, CHAPTER_BEST = 0.5, 4
"""Weight of a chapter's score in that of its passages, and how many of its best ones make it: a question may
use words that stand elsewhere in the scene. Callan, "Passage-Level Evidence in Document Retrieval", SIGIR
1994, found passage and document together better than either."""

ALIKE_CREDIT, CHARACTER_CREDIT, GIVEN_CREDIT = 0.7, 0.6, 0.6
"""Credit (0-1) of a word of the same meaning, of one character of a Chinese word, and of a person's given
name of one character; the question's own words have 1."""
LOOKED_INTO = 150
"""Number of best passages whose single sentences are scored."""

_CHINESE_END = re.compile(r"[。！？!?…]+[”’」』）)\"']*\n?|\n")
_ENGLISH_END = re.compile(
    r"(?:[!?…]|(?<!\b[Mm]r)(?<!\b[Mm]rs)(?<!\b[Dd]r)(?<!\b[Ss]t)(?<!\b[A-Za-z])\.)+[”’\"')_]*(?=\s|$)\n?|\n"
)
_HAN = re.compile(r"[\u3400-\u9fff\U00020000-\U000323af]+")
_WORD = re.compile(r"[^\W\d_]{3,}")
_ENDINGS = ("ations", "ation", "ings", "ing", "als", "al", "ied", "ies", "ion", "ed", "es", "s", "e", "y")


@dataclass(frozen=True, slots=True)
class Passage:
    """A piece of a chapter.

    ``chapter``: its number; ``score``: fit to the question, higher is better; ``book``: title of the book
    where several books are searched.
    """

    chapter: int
    text: str
    score: float = 0.0
    book: str = ""


def passages(chapters: Iterable[tuple[int, str]], lang: Lang = "zh") -> list[Passage]:
    """Return the chapters, (number, text), cut into passages of at most ``PASSAGE_CHARS[lang]`` characters.

    A passage holds paragraphs of one chapter, joined by a newline. A paragraph longer than the limit is cut
    behind a sentence, or at the limit where no sentence ends in its last two thirds.

    >>> [p.text for p in passages([(1, "桃园结义。"), (2, "煮酒论英雄。\\n\\n三顾茅庐。")])]
    ['桃园结义。', '煮酒论英雄。\\n三顾茅庐。']
    """
    found, most = [], PASSAGE_CHARS[lang]
    for number, text in chapters:
        held, wrapped = "", lang == "en" and "\n\n" in text
        for paragraph in filter(str.strip, text.split("\n\n" if wrapped else "\n")):
            paragraph = " ".join(paragraph.split())
            if held and len(held) + len(paragraph) > most:
                found.append(Passage(number, held))
                held = ""
            held = f"{held}\n{paragraph}" if held else paragraph
            while len(held) > most:
                cut = _cut(held, most)
                found.append(Passage(number, held[:cut].strip()))
                held = held[cut:].strip()
        if held:
            found.append(Passage(number, held))
    return found


def _cut(text: str, most: int) -> int:
    """Return the length of the passage to cut off: up to the last sentence end below ``most``, else
    ``most``.
    """
    good = [end + 1 for end in sentence_ends(text[:most]) if most // 3 < end + 1 < most]
    return good[-1] if good else most


def without(text: str, words: Iterable[str]) -> str:
    """Return the text with spaces in place of each occurrence of each word, longer words first; offsets stay.

    Chinese words are replaced anywhere, other words only as whole words and in any letter case:
    吕布为何杀丁原 without 吕布 and 为何 is "    杀丁原".
    """
    for word in sorted(words, key=len, reverse=True):
        blank = " " * len(word)
        text = (
            text.replace(word, blank)
            if _HAN.search(word)
            else re.sub(rf"(?i)\b{re.escape(word)}\b", blank, text)
        )
    return text


def terms(text: str) -> list[Term]:
    """Return the search terms of a text: Chinese ones first, then the stems of the other words.

    Each Chinese character gives the pair with its right neighbour (credit 1) and itself (less credit: an old
    text says 亡 for 身亡). Of any other word the common English ending is cut off.

    >>> [one.forms[0] for one in terms("杀吕布 marrying")]
    ['杀吕', '杀', '吕布', '吕', '布', 'marry']
    """
    found = []
    for run in _HAN.finditer(text):
        for at in range(run.start(), run.end()):
            if at + 1 < run.end():
                found.append(Term((text[at : at + 2],), frozenset((at, at + 1))))
            found.append(Term((text[at],), frozenset((at,)), CHARACTER_CREDIT))
    found += [
        Term((_stem(m[0]),), frozenset((m.start(),))) for m in _WORD.finditer(text) if not _HAN.search(m[0])
    ]
    return found


def _stem(word: str) -> str:
    """Return the word in lower case without one common English ending; at least three letters stay."""
    word = word.lower()
    for ending in _ENDINGS:
        if word.endswith(ending) and len(word) - len(ending) >= 3:
            return word.removesuffix(ending)
    return word


@dataclass(frozen=True)
class Term:
    """A search term of a question: alternative ``forms`` in lower case; a Latin form stands for all words
    that begin with this form.

    ``places``: offsets of the characters in the question that the term covers, or -1, -2, … for the first,
    second, … entity of the question. ``credit``: share of the place that a text with this term covers: 1 for
    the question's own words, less for words of the same meaning.
    """

    forms: tuple[str, ...]
    places: frozenset[int] = frozenset()
    credit: float = 1.0

    @property
    def person(self) -> bool:
        """Whether the term is an entity of the question (a character, a place, …): a place below 0."""
        return any(place < 0 for place in self.places)

    @cached_property
    def pattern(self) -> re.Pattern[str]:
        """The pattern of all forms; to be searched in a text in lower case."""
        words = sorted(self.forms, key=len, reverse=True)
        latin = "|".join(re.escape(w) for w in words if w.isascii())
        others = [re.escape(w) for w in words if not w.isascii()]
        return re.compile("|".join([*([rf"\b(?:{latin})"] if latin else []), *others]))


@dataclass(frozen=True, slots=True)
class Window:
    """Two neighbouring sentences of a passage (the first sentence of a passage also alone).

    ``share``: part of the question's places that the text covers, 0-1. ``weight``: sum of the weights
    of all terms in the text, words of the same meaning included.
    """

    passage: Passage
    text: str
    share: float
    weight: float = 0.0


class Search:
    """The passages ``every`` of a book, scored by the search terms ``asked``.

    ``headings``: chapter number → heading, which counts in the chapter's score as one more passage: a heading
    often names an act or a person in words that the text hasn't.
    """

    def __init__(
        self, every: Sequence[Passage], asked: Sequence[Term], headings: Mapping[int, str] | None = None
    ) -> None:
        self.every = every
        self._lowered = [p.text.lower() for p in every]
        self.terms = [*asked, *given_names(asked, self._lowered)]
        self._weights: list[float] = []
        self._scores = [0.0] * len(every)
        lengths = [len(text) for text in self._lowered]
        for term in self.terms:
            counts = [len(term.pattern.findall(text)) for text in self._lowered]
            factor = (NAME_WEIGHT if term.person else 1.0) * term.credit
            self._weights.append(factor * _rarity(sum(map(bool, counts)), len(every)))
            held = [float(n > 0) for n in counts] if term.person else saturated(counts, lengths)
            self._scores = [a + self._weights[-1] * b for a, b in zip(self._scores, held, strict=True)]
        self._with_chapters(headings or {})

    def _with_chapters(self, headings: Mapping[int, str]) -> None:
        of_chapter: defaultdict[int, list[float]] = defaultdict(list)
        for passage, score in zip(self.every, self._scores, strict=True):
            of_chapter[passage.chapter].append(score)
        for n in headings.keys() & of_chapter.keys():
            of_chapter[n].append(sum(self._weights[k] for k in self._held(headings[n].lower())))
        around = {n: sum(sorted(own)[-CHAPTER_BEST:]) / CHAPTER_BEST for n, own in of_chapter.items()}
        self._scores = [
            score and score + CHAPTER_WEIGHT * around[p.chapter]
            for score, p in zip(self._scores, self.every, strict=True)
        ]

    def best(self, limit: int) -> list[Passage]:
        """Return at most ``limit`` passages with their scores, the highest first; passages without any search
        term are left out.
        """
        return [replace(self.every[i], score=round(score, 3)) for score, i in self._ranked[:limit]]

    @cached_property
    def _ranked(self) -> list[tuple[float, int]]:
        """(score, position) of the passages with any search term, highest score first; the best also get the
        weight of their best two neighbouring sentences.
        """
        order = sorted((i for i, score in enumerate(self._scores) if score), key=lambda i: -self._scores[i])
        scores = list(self._scores)
        for i in order[:LOOKED_INTO]:
            held = [self._held(sentence) for sentence in sentences(self._lowered[i])]
            near = (a | b for a, b in zip([held[0], *held], held, strict=False))
            scores[i] += max(sum(self._weights[k] for k in both) for both in near)
        return sorted(((scores[i], i) for i in order), key=lambda one: (-one[0], one[1]))

    def shown(self, limit: int) -> list[Passage]:
        """Return at most ``limit`` passages, those of :meth:`best` in its order, each cut to its best window
        and as many whole sentences around it as fit into 100 (Chinese) or 300 characters.
        """
        found = self.best(limit)
        best: dict[Passage, Window] = {}
        for window in self.windows(found):
            best.setdefault(window.passage, window)
        return [replace(one, text=_around(best[one])) if one in best else one for one in found]

    @property
    def words(self) -> tuple[str, ...]:
        """The words to highlight in passages: forms of all terms of credit 1 (names, the question's own
        words).
        """
        return tuple(dict.fromkeys(f for t in self.terms if t.credit == 1 for f in t.forms))

    def _held(self, text: str) -> set[int]:
        """Return the positions of the terms that occur in a text in lower case."""
        return {k for k, term in enumerate(self.terms) if term.pattern.search(text)}

    def windows(self, found: Iterable[Passage]) -> list[Window]:
        """Return the windows of the passages ``found``: highest share of the question first, then
        highest weight.
        """
        whole: defaultdict[int, float] = defaultdict(float)
        for term, weight in zip(self.terms, self._weights, strict=True):
            for place in term.places if term.credit == 1 else ():
                whole[place] = max(whole[place], weight)
        total = sum(whole.values()) or 1.0
        made = []
        for passage in found:
            told = sentences(passage.text)
            for before, sentence in zip(["", *told], told, strict=False):
                held = self._held((before + sentence).lower())
                credits: defaultdict[int, float] = defaultdict(float)
                for k in held:
                    for place in self.terms[k].places:
                        credits[place] = max(credits[place], self.terms[k].credit)
                share = sum(whole[place] * credit for place, credit in credits.items()) / total
                weight = sum(self._weights[k] for k in held)
                made.append(Window(passage, before + sentence, share, weight))
        return sorted(made, key=lambda window: (-window.share, -window.weight, -window.passage.score))


def _around(window: Window) -> str:
    """Return the window's text with further whole sentences of the passage on both sides, at most
    ``SHOWN_CHARS`` characters.
    """
    text, most = window.passage.text, SHOWN_CHARS[language_of(window.text)]
    start = text.find(window.text)
    end = start + len(window.text)
    ends = [0, *(at + 1 for at in sentence_ends(text)), len(text)]
    for after, before in zip(
        [at for at in ends if at > end], [at for at in ends[::-1] if at < start], strict=False
    ):
        end = after if after - start <= most else end
        start = before if end - before <= most else start
    return text[start:end].strip()


def given_names(asked: Iterable[Term], texts: Sequence[str]) -> list[Term]:
    """Return a term for the given name of each two-character Chinese name in ``asked``: 布 for 吕布.

    Only where the given name is frequent: in the ``texts`` that contain the full name, the single character
    occurs more than twice as often as the full name does in all ``texts``.
    """
    found = []
    for term in asked:
        for name in term.forms if term.person else ():
            if len(name) != 2 or not _HAN.fullmatch(name):
                continue
            full = sum(text.count(name) for text in texts)
            if sum(text.count(name[1]) for text in texts if name in text) > 2 * full:
                found.append(Term((name[1],), term.places, GIVEN_CREDIT))
    return found


def sentences(text: str) -> list[str]:
    """Return the sentences of a text with their closing marks; a space before a sentence belongs to it.

    "He came. She left!" gives "He came." and " She left!".
    """
    ends = [end + 1 for end in sentence_ends(text)]
    return [text[a:b] for a, b in zip([0, *ends], [*ends, len(text)], strict=True) if text[a:b].strip()]


def sentence_ends(text: str) -> list[int]:
    """Return the offset of the last character of each sentence: 来了。走！ gives [2, 4].

    The end of the text counts only where a closing mark stands there. A Chinese text is read by Chinese
    marks.
    """
    pattern = _CHINESE_END if language_of(text) == "zh" else _ENGLISH_END
    return [m.end() - 1 for m in pattern.finditer(text)]


def _rarity(holding: int, of: int) -> float:
    """Return BM25's weight of a word that ``holding`` of ``of`` texts have; above 0, higher for a
    rarer word.
    """
    return math.log(1 + (of - holding + 0.5) / (holding + 0.5))


def with_neighbours(ranked: Sequence[Passage], every: Sequence[Passage], limit: int) -> list[Passage]:
    """Return at most ``limit`` passages, in the order of ``every``: the ``ranked`` ones, best first, and the
    passages right before and after the best ``limit // 4``.

    The neighbours replace the lowest ranked: a book often tells an act in one paragraph and explains it in
    the next. Every passage of ``ranked`` must be in ``every``.
    """
    place = {(one.chapter, one.text): i for i, one in enumerate(every)}
    at = [place[one.chapter, one.text] for one in ranked]
    around = [j for i in at[: limit // 4] for j in (i - 1, i + 1) if 0 <= j < len(every)]
    chosen = list(dict.fromkeys([*at[: limit // 4], *around, *at]))[:limit]
    return [every[i] for i in sorted(chosen)]


def bm25(counts: Sequence[Sequence[int]], lengths: Sequence[int]) -> list[float]:
    """Return the BM25 score of each text.

    ``counts``: a row for each word of the query, with the word's number of occurrences in each text;
    ``lengths``: length of each text.
    """
    scores = [0.0] * len(lengths)
    for of_word in counts:
        weight = _rarity(sum(map(bool, of_word)), len(lengths))
        scores = [s + weight * n for s, n in zip(scores, saturated(of_word, lengths), strict=True)]
    return scores


def saturated(counts: Sequence[int], lengths: Sequence[int]) -> list[float]:
    """Return, for each text, a word's term frequency as BM25 weighs it: from 0 to below ``K1`` + 1.

    ``counts``: occurrences in each text. Each repetition adds less than the last, and in a long text less
    than in a short one.
    """
    mean = max(1.0, sum(lengths) / max(1, len(lengths)))
    return [
        n and n * (K1 + 1) / (n + K1 * (1 - B + B * length / mean))
        for n, length in zip(counts, lengths, strict=True)
    ]
