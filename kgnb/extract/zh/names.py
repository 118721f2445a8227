"""Persons' names of a Chinese book: candidates, and a classifier that learns from the book itself.

There is no list of names. Candidates come from the clauses around quotations (speakers) and from the surname
table. The surest speakers teach the log odds of the characters left and right of a name in *this* book; all
candidates are scored by them. The English twin has words for characters, and honorifics for surnames.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial

from kgnb.extract.fork import beside
from kgnb.extract.neighbour_odds import log_odds, mean_log_odds, pooled_counts
from kgnb.extract.zh import vocabulary as words
from kgnb.extract.zh.bigram_index import BigramIndex
from kgnb.extract.zh.candidates import (
    Candidate,
    candidates,
    cohesive_bigrams,
    pet_names,
    starting_bigrams,
    with_neighbours,
)
from kgnb.extract.zh.clauses import Clauses, least_of
from kgnb.extract.zh.introductions import is_full_name, words_across
from kgnb.extract.zh.name_evidence import (
    NAMED,
    acts_as_person,
    fixed_phrase_penalty,
    foreign_score,
    has_fixed_side,
    has_unlikely_end,
    most_frequent,
    own_score,
    share_of,
    word_penalty,
)
from kgnb.extract.zh.surnames import form_score, head_of, is_role, is_wife, surname_of, titled_surname

SEED_CAP = 60
"""Occurrences of a seed that count for the log odds."""
PSEUDO_COUNT = 200.0
"""Smoothing of the log odds, in characters."""
SURNAME_LIFT = 5.0
"""How much more often a surname precedes its bearer's name than it precedes anything."""
MOST_OF_SIDE = 1.5
"""Most that the neighbours on one side are worth."""
SHRINKAGE = 2.0
"""Occurrences without evidence that are added to each candidate's: of three, the mean says little."""
UNKNOWN_WORD = 0.8
"""Worth of a cohesive bigram that no dictionary knows and that no preposition of place precedes."""
RARE = 1.0
"""Weight of a word from which on a character twice is no pet name."""
RELATED = 0.75
"""Worth of a kin noun before a surnamed candidate (父亲何恭), twice at most."""
FAMILY = 0.5
"""Worth of a surname whose every mention begins one of the book's surest names."""
USUAL, UNUSUAL = 1.5, 0.5
"""Lift beside names of characters that any Chinese text has there often, and seldom."""
_BEFORE = dict.fromkeys("\n。”“、" + "".join(words.BEFORE_NAMES), USUAL) | dict.fromkeys(
    words.NEVER_BEFORE_NAMES, UNUSUAL
)
_BEHIND = dict.fromkeys(words.BEHIND_NAMES, USUAL) | dict.fromkeys(words.NEVER_BEHIND_NAMES, UNUSUAL)
_TITLE_ENDS = frozenset(title[-1] for title in words.TITLES_AFTER_SURNAME)
OF_PLACE, PLACE = 0.3, 2.0
"""Least share of mentions before 酒店, 大学 and the like that makes a name theirs; worth against a person."""
SHARED = 0.2
"""Most of a word's mentions outside the longer names that it begins, of one that is nobody's name."""
LIKE_NAMES = 0.5
"""Least mean log odds of what precedes a dictionary's word that is a name."""
SURE_SCORE = 1.8
"""Score of a candidate that others are learnt from."""


# --- the classifier -----------------------------------------------------------------------------------------


class NameClassifier:
    """Scores the candidates of one book and decides which are persons' names."""

    def __init__(
        self, text: str, clauses: Callable[[], Clauses] | None = None, *, forks: bool = False
    ) -> None:
        """``clauses``: gives what the text's clauses tell, where they are read beside; ``forks``: whether to
        keep a second processor busy with a fork."""
        self.text = text
        self._least = least_of(text)
        found = self._read(clauses or partial(Clauses, text), forks)
        for name, sides in self.told.introduced.items():
            found[name].introduced = is_full_name(
                found[name], sides, self.common_words, self.bigrams, long_names=self.told.has_long_names
            )
        self.candidates = {
            w: c
            for w, c in found.items()
            if c.introduced or w in self.foreign.full or c.count - c.left.get("《", 0) >= self._least
        }  # what begins the title of a book (《何恭传》) is only cited
        for name, candidate in self.candidates.items():
            longer = self.candidates.get(name + "儿")  # 莲姐儿 is 莲姐: its 儿 is no neighbour
            if longer and longer.count < 0.9 * candidate.count:
                candidate.right.pop("儿", None)
        total = len(text) or 1
        self._priors = {c: n / total for c, n in self._counts.items()}
        self._own = {w: self._own_score(c) for w, c in self.candidates.items()}
        self._learn(self._seeds())
        sure = self._sure()
        self._favour_families(sure)
        self._learn(sure)
        for name, candidate in self.candidates.items():
            candidate.score = self._own[name] + self._context_score(candidate)
        self._favour()

    def _read(self, clauses: Callable[[], Clauses], forks: bool) -> dict[str, Candidate]:
        """Read the text's bigrams, clauses and words; return name → candidate for all strings that may be
        names.
        """
        text, least = self.text, self._least
        self.bigrams = BigramIndex(text)
        self._counts = self.bigrams.characters()
        frequent = self.bigrams.frequent(least)
        pairs = starting_bigrams(frequent)
        self._cohesive = cohesive = cohesive_bigrams(frequent, self._counts, 3 if len(text) < 100_000 else 5)
        self.told = told = clauses()
        self.foreign = told.foreign
        speaking = {*told.speaking, *told.called, *told.listed, *told.animals, *pet_names(frequent)}
        likely = candidates(self.bigrams, pairs, least, speaking, cohesive)
        names = sorted(self.foreign.names().union(likely, told.introduced, told.wives))
        parts = {part for w in names if len(w) > 2 for part in (w[:2], w[-2:])}
        doubled = {pair for pair in frequent if pair[0] == pair[1]}
        across = words_across(told.introduced)
        wanted = parts.union(names, doubled, across, told.like_places, told.behind_prepositions)
        with beside(forks, words.look_up, wanted) as looked_up:
            found = with_neighbours(self.bigrams, names, told.speaking, told.called)
            self.common_words, known_places = looked_up()
        self.known_places = known_places - doubled
        return found

    def _favour(self) -> None:
        """Favour who is listed beside speakers or named as kin, and a surname before an unknown word."""
        listed, kin = self.told.listed, self.told.related
        for name, candidate in self.candidates.items():
            related_to = 0 if name in self.common_words else min(kin[name], 2)  # 高兴的母亲
            wed = name + "嫂" in self.candidates  # 三斤嫂
            candidate.score += NAMED * (name in listed) + RELATED * (related_to + wed)
            if name in self.common_words and self._is_name(candidate):
                candidate.score += word_penalty(candidate, self.common_words) - min(0.0, form_score(name))
            surnamed = len(name) == 3 and surname_of(name) and self._is_unknown(name[1:], candidate)
            if surnamed and min(self.left_score(candidate), self.right_score(candidate)) > 0:
                candidate.score += UNKNOWN_WORD

    def _own_score(self, candidate: Candidate) -> float:
        """Return the candidate's score without its neighbours: of a transliterated name, else of
        any other.
        """
        of_place = self.told.of_places[candidate.name] >= OF_PLACE * candidate.count  # 青石大学
        against = PLACE if of_place else 0.0
        if candidate.name in self.foreign.bare:
            score = foreign_score(candidate, self.common_words, translated=self.foreign.is_translated)
            return score - against
        score = own_score(candidate, self.common_words) - against
        return score + (UNKNOWN_WORD if self._is_unknown(candidate.name, candidate) else 0.0)

    def _is_unknown(self, word: str, candidate: Candidate) -> bool:
        """Return whether a candidate is a cohesive bigram that no dictionary knows, and stands as no place
        does.
        """
        known = self.common_words.get(word, 0.0) >= (RARE if word[:1] == word[1:] else 0.01)  # 豆豆
        if word not in self._cohesive or known:
            return False
        whole = not (has_fixed_side(candidate.left) or has_fixed_side(candidate.right))
        return whole and share_of(candidate.left, words.BEFORE_PLACE) < 0.2

    def _learn(self, seeds: Sequence[Candidate]) -> None:
        """Learn the log odds of neighbours from ``seeds``."""
        self._left = self._odds((c.left for c in seeds), _BEFORE)
        self._right = self._odds((c.right for c in seeds), _BEHIND)

    def _sure(self) -> list[Candidate]:
        """Return the candidates that the first seeds make certain: seeds of the second round
        (self-training).
        """
        likely = {w: own for w, own in self._own.items() if own >= SURE_SCORE - 2 * MOST_OF_SIDE}
        sure = {
            w
            for w, own in likely.items()
            if w not in self.common_words and own + self._context_score(self.candidates[w]) >= SURE_SCORE
        }
        return [self.candidates[w] for w in sorted(sure) if w[:-1] not in sure]

    def _favour_families(self, sure: Iterable[Candidate]) -> None:
        """Favour names by how much of their surname's mentions begin the surest names of this book."""
        named = Counter[str]()
        for candidate in sure:
            named[surname_of(candidate.name)] += candidate.count
        for name in self._own:
            surname = surname_of(name)
            if surname and not (has_unlikely_end(name) or titled_surname(name) or name in self.common_words):
                mentions = self.bigrams.count(surname) if len(surname) > 1 else self._counts[surname]
                self._own[name] += FAMILY * named[surname] / max(1, mentions)

    def _odds(self, sides: Iterable[Mapping[str, int]], usual: Mapping[str, float]) -> dict[str, float]:
        """Return character → log odds of standing beside a name, from the neighbours of sure names.
        ``usual``: prior in the language.
        """
        counts = pooled_counts(sides, SEED_CAP)
        return log_odds(counts, self._priors, PSEUDO_COUNT, -MOST_OF_SIDE, math.inf, usual)

    def _seeds(self) -> list[Candidate]:
        """Return the candidates from which the neighbours of names are learnt: speakers with a surname that
        are no word, else the most frequent names by form.
        """
        sure = [
            c
            for c in self.candidates.values()
            if c.speaks >= 2
            and surname_of(c.name)
            and c.name not in self.common_words
            and not has_unlikely_end(c.name)
        ]
        if len(sure) < 3:  # a book without speech: its most frequent words that look like a full name
            full = (c for c in self.candidates.values() if c.name[0] in words.COMMON_SURNAMES)
            full = (c for c in full if c.name not in self.common_words and not fixed_phrase_penalty(c))
            sure = sorted(full, key=lambda c: (-c.count, c.name))[:30]
        names = {c.name for c in sure}
        return [c for c in sure if c.name[:-1] not in names]

    def _context_score(self, candidate: Candidate) -> float:
        """Return the candidate's score by its neighbours on both sides, smaller where there are few; above 0
        speaks for a name.
        """
        sure = candidate.count / (candidate.count + SHRINKAGE)
        left = sure * mean_log_odds(candidate.left, self._left, 0.0)
        right = sure * mean_log_odds(candidate.right, self._right, 0.0)
        return min(left, MOST_OF_SIDE) + min(right, MOST_OF_SIDE)

    def left_score(self, found: Candidate) -> float:
        """Return the mean log odds that the characters before a string precede a name; above 0 speaks for a
        name.
        """
        return mean_log_odds(found.left, self._left, 0.0)

    def right_score(self, found: Candidate) -> float:
        """Return the mean log odds that the characters behind a string follow a name; above 0 speaks for a
        name.
        """
        return mean_log_odds(found.right, self._right, 0.0)

    def _is_name(self, word: Candidate) -> bool:
        """Return whether a dictionary's word acts as a person and has the neighbours of names."""
        sides = self.left_score(word) >= LIKE_NAMES and self.right_score(word) >= -0.1
        return sides and acts_as_person(word)

    def frequency(self, char: str) -> float:
        """Return the character's share, 0 to 1, of the text's characters; 0.0 if it does not occur."""
        return self._priors.get(char, 0.0)

    def with_neighbours(self, strings: Iterable[str]) -> dict[str, Candidate]:
        """Return string → candidate with its occurrences and neighbours, for strings of two to five
        characters.
        """
        return with_neighbours(self.bigrams, strings, {}, {})

    # --- what is accepted ---

    def persons(self) -> dict[str, Candidate]:
        """Return name → candidate, of the candidates that are persons' names.

        These have a score of at least 0.5 (0.7 in long texts), or are surely transliterated names, and are no
        fragment or extension of another (何子 of 何子安, 何子安道).
        """
        threshold = 0.5 if len(self.text) < 100_000 else 0.7  # a short text gives weaker log odds
        passed = {
            w: c for w, c in self.candidates.items() if c.score >= threshold and not self.is_fragment(c)
        }
        kept: dict[str, Candidate] = {}
        for name in sorted(passed, key=len):
            if not self._is_extension(passed[name], kept):
                kept[name] = passed[name]
        counts = {name: c.count for name, c in self.candidates.items()}
        certain = [n for n in self.foreign.certain(kept, counts, self._least) if n in self.candidates]
        found = kept | {name: self.candidates[name] for name in certain}
        within = self.foreign.within(certain, counts)
        return {n: c for n, c in found.items() if c.count > within.get(n, 0)}

    def given_names(self, persons: Mapping[str, Candidate]) -> dict[str, str]:
        """Return full name → given name, for names of two given characters that are no common word:
        {"何子安": "子安"}.
        """
        return {
            w: w[-2:]
            for w in persons
            if surname_of(w)
            and (len(w) == 3 or (w[:2] in words.COMPOUND_SURNAMES and len(w) == 4))
            and not is_role(w[-2:])
        }

    def addresses(self, persons: Mapping[str, Candidate]) -> dict[str, str]:
        """Return form of address → its part behind the surname: 何子安 → 子安, 何使君 → 使君.

        People are addressed mostly in speech, where names have other neighbours: these forms need not look
        like a name, but need another name to belong to.
        """
        found = {}
        surnames = words.SURE_SURNAMES | {w[0] for w, c in persons.items() if c.count >= 20}
        for name, candidate in self.candidates.items():
            tail = name[-2:]
            if len(name) not in (3, 4) or not surname_of(name) or candidate.score < -0.5:
                continue
            title = tail in words.TITLES or tail in words.TITLES_AFTER_SURNAME
            if tail in words.SOVEREIGNS or (tail[-1] in words.LOCALIZERS and not title):
                continue  # 宋天子 is no 宋, and 子外 a piece of 圈子外
            if tail[-1] in words.RANK_ENDS and name[0] in words.BEFORE_PLACE:
                continue  # 于越王
            word = tail in self.common_words and candidate.score < 0.5
            word = word or tail[-1] in words.SPEECH_VERBS  # 某某云
            if not title and (word or not words.UNLIKELY_NAME_ENDS.isdisjoint(tail)):
                continue
            shorter = persons.get(name[:-1])
            if shorter and shorter.count > 2 * candidate.count:
                continue
            if self._begins_within(candidate):
                continue
            rarer = candidate.score < 1.3 or self.bigrams.count(tail) > 3.5 * candidate.count
            if rarer and name[:-2] in surnames and tail[-1] not in "州郡县城国":
                found[name] = tail
        return found

    def is_fragment(self, candidate: Candidate) -> bool:
        """Return whether most occurrences of a candidate are a part of one longer candidate or titled name,
        which is then the name (何子 of 何子安).
        """
        name, n = candidate.name, candidate.count
        if name in words.COMPOUND_SURNAMES:
            return True
        counted = "人将" if name[-1] in words.NUMERALS else ""
        counted += "夫公家" if len(name) == 3 and counted and name[1] in words.COMMON_SURNAMES else ""
        ends = _TITLE_ENDS.union(counted).intersection(candidate.right)
        least = 0.5 if name[:2] in words.COMPOUND_SURNAMES else 0.6  # 诸葛先 of 诸葛先生
        if sum(candidate.right[c] for c in ends if titled_surname(name + c) or c in counted) >= least * n:
            return True  # 何师 of 何师兄 and 何师弟, 秦二 of 秦二人, 李顾二 of 李顾二夫人
        if self._begins_within(candidate):
            return True
        after, right = most_frequent(candidate.right)
        if self._is_shared_beginning(candidate):
            return True
        longer = self.candidates.get(name + after)
        if name + "家的" in self.told.wives and n - right >= self._least:
            return False  # 何二旺 of 何二旺家的 is told of, too
        return (
            right >= 0.6 * n
            and longer is not None
            and longer.score > min(candidate.score - 0.5, SURE_SCORE - 0.5)
        )

    def _begins_within(self, candidate: Candidate) -> bool:
        """Return whether at least 70 % of the occurrences begin inside a title or another candidate: 王何恭
        in 国王何恭.
        """
        before, left = most_frequent(candidate.left)
        word = before + candidate.name
        return left >= 0.7 * candidate.count and (word in self.candidates or is_role(word[:2]))

    def _is_shared_beginning(self, candidate: Candidate) -> bool:
        """Return whether a surname and a character stand hardly anywhere but in several longer names: 何明 of
        何明珠 and 何明月.
        """
        name = candidate.name
        if len(name) != 2 or name[0] not in words.COMMON_SURNAMES:
            return False
        longer = {c: self.candidates.get(name + c) for c in candidate.right}
        names = [
            c
            for c, found in longer.items()
            if ((found and found.score > 0) or name[1] + c in self.candidates)
            and not has_unlikely_end(name + c)
        ]
        within = sum(candidate.right[c] for c in names)
        alone = candidate.count - within
        return len(names) > 1 and alone <= SHARED * candidate.count

    def _is_extension(self, candidate: Candidate, kept: Mapping[str, Candidate]) -> bool:
        """Return whether the candidate is a more frequent, shorter name of ``kept`` plus a neighbour."""
        name = candidate.name
        for size in range(2, len(name)):
            head, tail = kept.get(name[:size]), kept.get(name[-size:])
            wife = name[size:] in words.MARRIED or is_wife(name)  # 三斤嫂, 何二旺家的
            if head and candidate.count < 0.5 * head.count and not wife:
                return True
            if tail and candidate.count < 0.5 * tail.count and not self._adds_surname(candidate, tail):
                return True
        within = kept.get(name[1:3]) if len(name) == 4 else None
        return within is not None and candidate.count < 0.5 * within.count  # 何|子安|慌

    def _adds_surname(self, candidate: Candidate, tail: Candidate) -> bool:
        """Return whether the candidate is ``tail`` with a surname (何子安), not with a verb or noun (封何恭,
        马十三).
        """
        head = candidate.name.removesuffix(tail.name)
        titled = tail.name[0] == "老" and head_of(tail.name)  # 何老君 is 老君
        if head not in words.SURE_SURNAMES or len(tail.name) != 2 or titled:
            return False
        share, frequency = candidate.count / tail.count, self.frequency(head)
        if tail.name[0] in words.COMMON_SURNAMES:
            return share >= 0.15 and share >= 4 * SURNAME_LIFT * frequency  # 何云舒 is 云舒
        return len(head) > 1 or share >= SURNAME_LIFT * frequency
