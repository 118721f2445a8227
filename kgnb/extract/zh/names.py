"""Who stands in a Chinese book: names found by how the language treats them, with no list of names.

Candidates come from speech frames and the surname table. The frames' most certain speakers teach a model of
what stands left and right of a name in *this* book; it judges all other candidates.
"""

from __future__ import annotations

import importlib.util
import math
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from kgnb.extract.bigram_index import BigramIndex, by_head
from kgnb.extract.zh import vocabulary as words

HAN = "\u3400-\u9fff"
_SPACES = re.compile(r"\s+")
_BEFORE_QUOTE = re.compile(rf"(?<![{HAN}])([{HAN}]{{2,10}})[：:，,]?\s*[“「『\"]")
_AFTER_QUOTE = re.compile(rf"[”」』\"]\s*([{HAN}]{{2,14}})(?![{HAN}])")
_SENTENCE_TO_QUOTE = re.compile(
    rf"(?:^|[。！？!?”」\n])([{HAN}]{{3,14}})[，,][^。！？!?：:“”「」\n]{{0,40}}[：:]\s*[“「『\"]"
)
_SPEECH = re.compile(f"[{words.SPEECH_END}]")

Contexts = dict[str, "Context"]


@dataclass(slots=True)
class Context:
    """What stands beside one candidate: character → count, and how often in all."""

    count: int = 0
    left: dict[str, int] = field(default_factory=dict)
    right: dict[str, int] = field(default_factory=dict)


@dataclass(slots=True)
class Candidate:
    """A string that may be a name, and the evidence."""

    word: str
    context: Context
    speaks: int = 0
    surname: bool = False
    score: float = 0.0

    @property
    def count(self) -> int:
        """Occurrences in the book."""
        return self.context.count


def flatten(text: str) -> str:
    """The text with each run of white space as one line end."""
    return _SPACES.sub("\n", text)


def speech_clauses(text: str) -> Iterable[str]:
    """Clauses that lead a quotation in or follow it and hold a verb of speech."""
    for match in _BEFORE_QUOTE.finditer(text):
        if match[1][-1] in words.SPEECH_END:
            yield match[1]
    for match in _AFTER_QUOTE.finditer(text):
        if _SPEECH.search(match[1], 2) or not words.ACTS.isdisjoint(match[1][2:5]):
            yield match[1]
    for match in _SENTENCE_TO_QUOTE.finditer(text):
        yield match[1]


def speakers(text: str) -> dict[str, int]:
    """Clause beginnings that look like a speaker → times, each followed by what may follow one."""
    nexts: dict[str, Counter[str]] = {}
    for clause in speech_clauses(text):
        for n in (2, 3, 4):
            if len(clause) > n:
                nexts.setdefault(clause[:n], Counter())[clause[n]] += 1
    found = {}
    for word, after in nexts.items():
        good = sum(v for c, v in after.items() if c in words.SPEECH_HEAD or c in words.ACTS)
        total = after.total() - after["儿"]  # 凤姐儿道 says nothing against 凤姐
        if good >= 2 and good >= 0.5 * total:
            found[word] = good
    return found


def surname_pairs(grams: BigramIndex, least: int) -> set[str]:
    """Pairs of a surname and one character, or of a compound surname, that occur ``least`` times."""
    return {
        p
        for p, n in grams.pairs.items()
        if n >= least and (p[0] in words.SURNAMES or p in words.COMPOUND_SURNAMES) and _is_han(p)
    }


def surname_words(grams: BigramIndex, least: int, pairs: set[str]) -> set[str]:
    """Strings of a surname and one or two characters that occur ``least`` times."""
    one = {p for p in pairs if p[0] in words.SURNAMES}
    text, counts = grams.text, Counter[str]()
    counts.update([text[a : a + 3] for a in grams.places(one)])
    at = grams.places(pairs & words.COMPOUND_SURNAMES)
    for size in (3, 4):
        counts.update([text[a : a + size] for a in at if text[a : a + 2] not in one or size > 3])
    return one | {w for w, n in counts.items() if n >= least and len(w) > 2 and _is_han(w[2:])}


def _is_han(word: str) -> bool:
    return all("\u3400" <= c <= "\u9fff" for c in word)


def read_contexts(grams: BigramIndex, candidates: Iterable[str]) -> Contexts:
    """What stands left and right of every occurrence of each candidate (2 to 5 characters long)."""
    found: Contexts = {w: Context() for w in candidates}
    heads, text = by_head(found), grams.text
    end = len(text)
    for at in grams.places(heads):
        left = text[at - 1] if at else "\n"
        for n in heads.get(text[at : at + 2], ()):
            context = found.get(text[at : at + n])
            if context is not None:
                context.count += 1
                right = text[at + n] if at + n < end else "\n"
                context.left[left] = context.left.get(left, 0) + 1
                context.right[right] = context.right.get(right, 0) + 1
    return found


class NeighbourModel:
    """How much more often a character stands beside a name than elsewhere, learnt from sure names."""

    def __init__(self, text: str, seeds: Sequence[Context]) -> None:
        base = Counter(text)
        total = len(text) or 1
        self._base = {c: n / total for c, n in base.items()}
        self._left = self._odds(c.left for c in seeds)
        self._right = self._odds(c.right for c in seeds)

    def _odds(self, sides: Iterable[Mapping[str, int]]) -> dict[str, float]:
        # A seed counts at most 60 times: a hero's habits are not everyone's.
        seen: Counter[str] = Counter()
        for side in sides:
            weight = min(1.0, 60 / max(1, sum(side.values())))
            for char, n in side.items():
                seen[char] += n * weight  # type: ignore[assignment]
        total = sum(seen.values()) or 1.0
        smooth = 200.0
        return {
            c: math.log((seen.get(c, 0) + smooth * p) / (total + smooth) / p) for c, p in self._base.items()
        }

    def sides(self, context: Context) -> tuple[float, float]:
        """Mean log odds of the left and of the right neighbours."""
        return self.side(context.left, self._left), self.side(context.right, self._right)

    @staticmethod
    def side(seen: Mapping[str, int], odds: Mapping[str, float]) -> float:
        """Mean log odds of one side's neighbours."""
        total = sum(seen.values()) or 1
        return sum(n * max(-3.0, odds.get(c, 0.0)) for c, n in seen.items()) / total


def _dictionary(wanted: set[str]) -> Iterable[tuple[str, int, str]]:
    """Entries (word, frequency, part of speech) of jieba's dictionary for ``wanted``.

    The file is read as data: jieba itself, its cache and its logging stay out of it. Without jieba: nothing.
    """
    spec = importlib.util.find_spec("jieba")
    if spec is None or not spec.origin:
        return
    with (Path(spec.origin).parent / "dict.txt").open(encoding="utf-8") as lines:
        for line in lines:
            word, _, rest = line.partition(" ")
            if word in wanted:
                frequency, _, tag = rest.strip().partition(" ")
                yield word, int(frequency), tag


def weights(wanted: set[str]) -> tuple[dict[str, float], set[str]]:
    """What the dictionary knows of ``wanted``: no persons' names → how surely (0 to 4); place names."""
    words_known: dict[str, float] = {}
    places = set()
    for word, frequency, tag in _dictionary(wanted):
        if tag == "ns":
            places.add(word)
        if not tag.startswith("nr"):
            words_known[word] = 0.8 * math.log10(max(3, frequency))
    return words_known, places


class Judge:
    """Decides which candidates of one book are names."""

    def __init__(self, text: str, also: Iterable[str] = ()) -> None:
        """``also``: words beyond the candidates that :attr:`known` and :attr:`places` shall tell of."""
        self.text = text
        self.grams = BigramIndex(text)
        self.pairs = self.grams.pairs
        least = 2 if len(text) < 100_000 else 3 if len(text) < 1_000_000 else 5
        spoken = speakers(text)
        pairs = surname_pairs(self.grams, least)
        self.grams.look_for(pairs.union(w[:2] for w in spoken))
        surnamed = surname_words(self.grams, least, pairs)
        words_seen = sorted(w for w in surnamed.union(spoken) if possible(w))
        contexts = read_contexts(self.grams, words_seen)
        givens = {w[-2:] for w in words_seen if len(w) > 2}
        self.known, self.places = weights(givens.union(words_seen, also))
        self.candidates = {
            w: Candidate(w, c, spoken.get(w, 0), has_surname(w))
            for w, c in contexts.items()
            if c.count >= least
        }
        for word, candidate in self.candidates.items():
            longer = self.candidates.get(word + "儿")  # 凤姐儿 is 凤姐: its 儿 stands beside nobody
            if longer and longer.count < 0.9 * candidate.count:
                candidate.context.right.pop("儿", None)
        self.model = NeighbourModel(text, [c.context for c in self._seeds()])
        for candidate in self.candidates.values():
            candidate.score = self._score(candidate)

    def _seeds(self) -> list[Candidate]:
        """Speakers that carry a surname and are no word, no title and no longer form of another speaker."""
        sure = [
            c
            for c in self.candidates.values()
            if c.speaks >= 2 and c.surname and c.word not in self.known and not _ends_badly(c.word)
        ]
        if len(sure) < 3:  # a book without speech: its most frequent words that look like a full name
            full = [c for c in self.candidates.values() if c.word[0] in words.COMMON_SURNAMES]
            full = [c for c in full if c.word not in self.known and not _monotony(c.context)]
            sure = sorted(full, key=lambda c: (-c.count, c.word))[:30]
        names = {c.word for c in sure}
        return [c for c in sure if c.word[:-1] not in names]

    def _score(self, candidate: Candidate) -> float:
        word, context = candidate.word, candidate.context
        left, right = self.model.sides(context)
        score = min(left, 1.5) + min(right, 1.5) + min(2.0, 0.5 * math.log1p(candidate.speaks))
        score += _surname_bonus(word) - _monotony(context)
        # Whoever talks on every other page has a name, even one that reads like a word: 袭人, 湘云.
        talks = candidate.speaks >= max(10, 0.05 * candidate.count)
        if _ends_badly(word):
            score -= 1.2 if talks or word[0] in words.COMMON_SURNAMES else 3.0
        if len(word) == 3 and word[1] == word[2] and not candidate.speaks:
            score -= 1.5  # 方渐渐, 乌压压: mostly no 李圆圆
        score -= 6.0 * _share(context.left, words.DETERMINERS) + 6.0 * _share(context.right, words.PLURALS)
        if word in self.known:
            excused = talks or (word[0] in words.COMMON_SURNAMES and len(word) == 2)
            score -= self.known[word] * (0.5 if excused else 1.0)
        return score

    def names(self) -> dict[str, Candidate]:
        """The accepted candidates: those over the bar that are no piece or prolongation of another."""
        bar = 0.5 if len(self.text) < 100_000 else 0.7  # a short text teaches its model less
        passed = {w: c for w, c in self.candidates.items() if c.score >= bar and not self._fragment(c)}
        kept: dict[str, Candidate] = {}
        for word in sorted(passed, key=len):
            if not self._prolonged(passed[word], kept):
                kept[word] = passed[word]
        return kept

    def givens(self, names: Mapping[str, Candidate]) -> dict[str, str]:
        """Full name → its given name of two characters, where that is no common word."""
        return {
            w: w[-2:]
            for w, c in names.items()
            if has_surname(w)
            and (len(w) == 3 or (w[:2] in words.COMPOUND_SURNAMES and len(w) == 4))
            and self.known.get(w[-2:], 0.0) < 1.5
        }

    def doubtful(self, names: Mapping[str, Candidate]) -> set[str]:
        """Surname and given name that fell just short: names if a title stands before them (后主刘禅)."""
        return {
            w
            for w, c in self.candidates.items()
            if w not in names
            and len(w) == 2
            and w[0] in words.COMMON_SURNAMES
            and c.score >= 0
            and not self._fragment(c)
        }

    def addresses(self, names: Mapping[str, Candidate]) -> dict[str, str]:
        """Surname plus two characters that also stand without it (袁公路, 刘皇叔) → those two.

        How a person is addressed stands mostly in speech, where names have other neighbours: these need not
        look like a name, but another name has to answer for them.
        """
        found = {}
        heads = (
            words.COMMON_SURNAMES
            | words.COMPOUND_SURNAMES
            | {w[0] for w, c in names.items() if c.count >= 20}
        )
        for word, candidate in self.candidates.items():
            tail = word[-2:]
            if len(word) not in (3, 4) or not has_surname(word) or candidate.score < -0.5:
                continue
            head = word[:-2]
            shorter = names.get(word[:-1])
            if shorter and shorter.count > 2 * candidate.count:
                continue
            rarer = candidate.score < 1.3 or self.pairs[tail] > 3.5 * candidate.count
            counted = tail[0] in words.DETERMINERS and tail[-1] == "人"  # 秦二人
            if rarer and head in heads and tail[-1] not in "州郡县城国" and not counted:
                found[word] = tail
        return found

    def _fragment(self, candidate: Candidate) -> bool:
        """Whether the candidate nearly always stands inside one longer candidate."""
        word, n = candidate.word, candidate.count
        if word in words.COMPOUND_SURNAMES:
            return True
        for char, times in candidate.context.left.items():
            if times >= 0.7 * n and char + word in self.candidates:
                return True
        for char, times in candidate.context.right.items():
            longer = self.candidates.get(word + char)
            if times >= 0.6 * n and longer and longer.score > candidate.score - 0.5:
                return True
        return False

    @staticmethod
    def _full_form(word: str, tail: str) -> bool:
        """Whether the longer word is the tail with a surname (关云长) rather than with some verb (封孙权)."""
        head = word[: len(word) - len(tail)]
        common = head in words.COMMON_SURNAMES or head in words.COMPOUND_SURNAMES
        return common and len(tail) == 2 and tail[0] not in words.COMMON_SURNAMES

    def _prolonged(self, candidate: Candidate, kept: Mapping[str, Candidate]) -> bool:
        """Whether the candidate is a shorter name plus what happens to stand beside it."""
        word = candidate.word
        for size in range(2, len(word)):
            head, tail = kept.get(word[:size]), kept.get(word[-size:])
            if head and candidate.count < 0.5 * head.count:
                return True
            if tail and candidate.count < 0.5 * tail.count and not self._full_form(word, tail.word):
                return True
        return False


def possible(word: str) -> bool:
    """Whether the characters alone allow a name."""
    return (
        not (set(word) & words.NEVER_IN_NAMES)
        and word not in words.TITLES
        and word[0] not in words.DETERMINERS
    )


def has_surname(word: str) -> bool:
    """Whether the word can be read as surname and given name."""
    return (word[0] in words.SURNAMES and len(word) <= 3) or (
        word[:2] in words.COMPOUND_SURNAMES and 3 <= len(word) <= 4
    )


def _ends_badly(word: str) -> bool:
    """Whether the last character seldom ends a name; 王建军 may, 曹军 may not."""
    given = len(word) == 3 and word[0] in words.COMMON_SURNAMES and word[-1] in "军喜"
    return word[-1] in words.ENDS_NO_NAME and not given


def _surname_bonus(word: str) -> float:
    if word[:2] in words.COMPOUND_SURNAMES and len(word) >= 3:
        return 1.0
    if len(word) > 3:
        return -1.0
    if len(word) == 3 and word[0] not in words.SURNAMES:
        return -0.8
    return 0.7 if word[0] in words.COMMON_SURNAMES else 0.0 if word[0] in words.SURNAMES else -0.3


def _monotony(context: Context) -> float:
    """A penalty for what always stands in the same place (后人有诗, 言讫): a person goes about."""
    if context.count < 5:
        return 0.0
    root = math.sqrt(context.count)
    left, right = len(context.left) / root, len(context.right) / root
    if context.count < 12:
        return 1.5 if min(len(context.left), len(context.right)) == 1 else 0.0
    # Where many neighbours are about as frequent, a hero of thousands of mentions is no set phrase.
    right_set = right < 1.4 and _spread(context.right) < 6
    left_set = left < 0.8 and _spread(context.left) < 6
    return (3.0 if right_set else 0.0) + (3.0 if left_set else 0.0)


def _spread(side: Mapping[str, int]) -> float:
    """How many neighbours there would be if all were equally frequent (the inverse of Simpson's index)."""
    total = sum(side.values())
    return total * total / max(1, sum(n * n for n in side.values()))


def _share(side: Mapping[str, int], chars: frozenset[str]) -> float:
    total = sum(side.values()) or 1
    return sum(n for c, n in side.items() if c in chars) / total
