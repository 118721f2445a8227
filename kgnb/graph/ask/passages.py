"""Finds the passages of a book that a question is about: people by any of their names, other words by BM25.

No index is kept: a scan of a novel of 850,000 characters for a dozen words takes a tenth of a second, less
than an index of it takes to load.
"""

from __future__ import annotations

import math
import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from kgnb.core.labels import Lang

PASSAGE_CHARS = {"zh": 400, "en": 1_200}
"""Longest passage, by language: a few hundred words."""
K1, B = 1.2, 0.75
"""Saturation of repeated words and weight of a passage's length: Robertson and Zaragoza, "The
Probabilistic Relevance Framework: BM25 and Beyond", Foundations and Trends in Information Retrieval 3
(2009), their usual values."""
NAME_WEIGHT = 2.0
"""Weight of a person that a passage names, in words that it has: a question names whom it is about."""
CHAPTER_WEIGHT, CHAPTER_BEST = 0.5, 4
"""Weight of a chapter's score in that of its passages, and how many of its best ones make it: a question may
use words that stand elsewhere in the scene. Callan, "Passage-Level Evidence in Document Retrieval", SIGIR
1994, found passage and document together better than either."""

_SENTENCES = re.compile(r"[^。！？!?.…\n]*(?:[。！？!?…]+[”’」』）)\"']*|\.(?=\s)[”’\"')]*|\n|$)")
_HAN = re.compile(r"[\u3400-\u9fff\U00020000-\U000323af]+")
_WORD = re.compile(r"[^\W\d_]{3,}")


@dataclass(frozen=True, slots=True)
class Passage:
    """A piece of a chapter: chapter number, text, how well it fits a question (higher is better), and the
    book's title where several are searched."""

    chapter: int
    text: str
    score: float = 0.0
    book: str = ""


def passages(chapters: Iterable[tuple[int, str]], lang: Lang = "zh") -> list[Passage]:
    """Cut chapters (number, text) into passages of whole sentences, at paragraph ends where these are near.

    >>> [p.text for p in passages([(1, "桃园结义。"), (2, "煮酒论英雄。\\n\\n三顾茅庐。")])]
    ['桃园结义。', '煮酒论英雄。\\n三顾茅庐。']
    """
    found, most = [], PASSAGE_CHARS[lang]
    for number, text in chapters:
        held = ""
        for paragraph in filter(str.strip, text.split("\n")):
            if held and len(held) + len(paragraph) > most:
                found.append(Passage(number, held))
                held = ""
            held = f"{held}\n{paragraph.strip()}" if held else paragraph.strip()
            while len(held) > most:
                cut = _cut(held, most)
                found.append(Passage(number, held[:cut].strip()))
                held = held[cut:].strip()
        if held:
            found.append(Passage(number, held))
    return found


def _cut(text: str, most: int) -> int:
    """Where to end a passage: behind the last sentence that fits, else in the middle of one."""
    ends = [
        m.end() for m in _SENTENCES.finditer(text, 0, most) if m.end() < most and m[0]
    ]  # not cut off by the end
    good = [end for end in ends if end > most // 3 and text[end - 1] not in "，、,;；"]
    return good[-1] if good else most


def terms(question: str, without: Iterable[str] = ()) -> list[str]:
    """The words that a text is searched for: pairs of neighbouring Chinese characters, words of three letters
    or more.

    ``without``: names and question words, which are taken out first.

    >>> terms("曹操为什么杀吕伯奢", ["曹操", "为什么"])
    ['杀吕', '吕伯', '伯奢']
    """
    for word in sorted(without, key=len, reverse=True):
        question = (
            question.replace(word, " ")
            if _HAN.search(word)
            else re.sub(rf"(?i)\b{re.escape(word)}\b", " ", question)
        )
    pairs = [run[i : i + 2] for run in _HAN.findall(question) for i in range(max(1, len(run) - 1))]
    words = [_stem(word) for word in _WORD.findall(question) if not _HAN.search(word)]
    return list(dict.fromkeys([*pairs, *words]))


def with_characters(words: Sequence[str]) -> list[str]:
    """The words, and the single characters of Chinese ones: an old text says 亡 for 身亡.

    >>> with_characters(["身亡", "sword"])
    ['身亡', 'sword', '身', '亡']
    """
    return list(dict.fromkeys([*words, *(c for word in words if _HAN.match(word) for c in word)]))


def _stem(word: str) -> str:
    """The word without its commonest English endings: a passage has the word where it has this beginning."""
    word = word.lower()
    for ending in (
        "ations",
        "ation",
        "ings",
        "ing",
        "als",
        "al",
        "ied",
        "ies",
        "ion",
        "ed",
        "es",
        "s",
        "e",
        "y",
    ):
        if word.endswith(ending) and len(word) - len(ending) >= 3:
            return word.removesuffix(ending)
    return word


def best(
    found: Sequence[Passage], words: Sequence[str], people: Sequence[Sequence[str]] = (), limit: int = 8
) -> list[Passage]:
    """Return the ``limit`` passages that fit best, in the order of their score; none that has nothing of the
    question.

    ``words``: a word, or several for one thing, joined by |. ``people``: the names of each person asked for.
    """
    if not found:
        return []
    lowered = [p.text.lower() for p in found]
    forms = [[name.lower() for name in names] for names in people]
    scores = bm25([_counts(word, lowered) for word in words], [len(text) for text in lowered])
    for names in forms:
        here = [any(name in text for name in names) for text in lowered]
        weight = NAME_WEIGHT * math.log(1 + len(found) / (1 + sum(here)))
        scores = [score + weight * held for score, held in zip(scores, here, strict=True)]
    of_chapter: defaultdict[int, list[float]] = defaultdict(list)
    for passage, score in zip(found, scores, strict=True):
        of_chapter[passage.chapter].append(score)
    around = {n: sum(sorted(own)[-CHAPTER_BEST:]) / CHAPTER_BEST for n, own in of_chapter.items()}
    scores = [
        score and score + CHAPTER_WEIGHT * around[p.chapter] for score, p in zip(scores, found, strict=True)
    ]
    order = sorted((i for i, score in enumerate(scores) if score), key=lambda i: (-scores[i], i))
    return [replace(found[i], score=round(scores[i], 3)) for i in order[:limit]]


def _counts(word: str, texts: Iterable[str]) -> list[int]:
    """How often each text has the word, or one of several joined by |; a Latin one at the beginning of its
    words only."""
    if "|" not in word and not word.isascii():
        return [text.count(word) for text in texts]
    pattern = re.compile(
        (r"\b" if word.isascii() else "") + f"(?:{'|'.join(map(re.escape, word.split('|')))})"
    )
    return [len(pattern.findall(text)) for text in texts]


def with_neighbours(ranked: Sequence[Passage], every: Sequence[Passage], limit: int) -> list[Passage]:
    """The best passages and, of the very best, what stands before and after them, in the book's order: what
    happens is often told in one paragraph, and explained in the next."""
    place = {(one.chapter, one.text): i for i, one in enumerate(every)}
    at = [place[one.chapter, one.text] for one in ranked]
    around = [j for i in at[: limit // 4] for j in (i - 1, i + 1) if 0 <= j < len(every)]
    chosen = list(dict.fromkeys([*at[: limit // 4], *around, *at]))[:limit]
    return [every[i] for i in sorted(chosen)]


def bm25(counts: Sequence[Sequence[int]], lengths: Sequence[int]) -> list[float]:
    """Scores of texts of these lengths; ``counts``: of each word, how often each text has it."""
    mean, scores = max(1.0, sum(lengths) / max(1, len(lengths))), [0.0] * len(lengths)
    for of_word in counts:
        holding = sum(1 for n in of_word if n)
        weight = math.log(1 + (len(lengths) - holding + 0.5) / (holding + 0.5))
        for i, n in enumerate(of_word):
            if n:
                scores[i] += weight * n * (K1 + 1) / (n + K1 * (1 - B + B * lengths[i] / mean))
    return scores
