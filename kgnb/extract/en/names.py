"""Persons' names of an English book: a classifier that learns from the book itself.

Candidates are capitalised phrases. The surest persons (speakers, bearers of an honorific) give the log odds
of the words before and behind a name in *this* book; these tell persons from places and other capitalised
words. No list of names decides: a common first name only adds to the score. The Chinese twin has characters
in place of words, and surnames in place of honorifics.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Container, Iterable, Mapping
from heapq import nlargest

from kgnb.extract.en import vocabulary as words
from kgnb.extract.en.candidates import (
    FIRST_NAMES,
    OPENING_MARKS,
    PARTICLES,
    Candidate,
    Candidates,
    is_titled,
    place_share,
    usual_title,
)
from kgnb.extract.en.introductions import is_introduced
from kgnb.extract.en.paragraphs import Paragraphs
from kgnb.extract.en.patronymics import is_given_and_patronymic
from kgnb.extract.en.vocabulary import key
from kgnb.extract.neighbour_odds import log_odds, mean_log_odds, pooled_counts

# Port Moresk, New Brayton, St. Bride but not St. John Rivers; socialism, charity, shires; the Fish-Footman.
_PLACE_HEAD = re.compile(r"(?:Port|Fort|Mount|Lake|Cape|New|Boulevard|Rue) |(?:San|Santa|Saint|St\.?) \S+$")
_NOTION = re.compile("[a-z](?:ism|ology|osophy|ity|tion|ssion|xion|ernment|shire)$")
_AGENT = re.compile(r"-\w*(?:[Mm]an|[Ww]oman|[Bb]oy|[Gg]irl|[Mm]aid)$")
_NO_PERSON_ENDS = words.PLACE_ENDS | words.ORG_ENDS
_PLACES_AND_GODS = words.KNOWN_PLACES | words.DEITIES
_IN_CLAUSE, _GOES_ON = re.compile("[a-z], $"), re.compile(r",? (?:and|or|[A-Z])")
RARE = 3
"""Most occurrences of a name whose score an introducing phrase raises; a more frequent name has neighbours
enough."""
STATED_SCORE = 1.5
"""Added to the score of a rare name that a phrase introduces as a person's ("her sister Grace") or that a
speech calls."""
KIND, KIND_SHARE = 5, 0.25
"""Least occurrences of a candidate, and least share of them behind "a" or "an", if it is a word for many
people (an Uplander)."""
SEED_CAP = 80
"""Most occurrences of a seed that count for the log odds."""
PSEUDO_COUNT = 100.0
"""Smoothing of the log odds: number of words observed in advance at the usual frequencies."""
MAX_LOG_ODDS = 1.5
"""Greatest absolute value of a word's log odds; they are clipped to it."""
PREDICATE_EXCESS = 4.0
"""Prior excess of verbs of human action behind names: 4.0 means five times as frequent as elsewhere, 1.0
twice."""
MARKS = '.,;:?()"-–—…\n'
MARK_LOG_ODDS = 1.3
"""Log odds of a punctuation mark behind a name, where there are many seeds. An exclamation mark has 0: it
mostly stands behind words that are no names."""
OPENING_LOG_ODDS = 0.5
"""Log odds of a punctuation mark before a name, where there are many seeds."""
UNSEEN_LOG_ODDS = -0.7
"""Log odds of a word beside no seed, where there are many seeds; nearer to 0 with fewer."""
STANDARD_ERROR = 0.5
"""Standard error of the log odds of one occurrence; that of a mean over n occurrences is smaller by the
square root of n."""
MAX_PERSONS = 10_000
"""Most names taken for persons', the most frequent first; a long novel has about a thousand. Bounds the
comparisons for a text in which every word is another name."""


class NameClassifier:
    """Scores the candidates of one book; :meth:`persons` gives those that are persons' names.

    ``candidates``: name → candidate with its score; ``lower``: word without a capital → occurrences;
    ``paragraphs``: those of ``text``.
    """

    def __init__(self, text: str) -> None:
        self.text = text
        self.paragraphs = Paragraphs(text)
        found = Candidates(text)
        self.candidates, self.lower = found.found, found.lower
        self._words = Counter[str]()
        for token, n in found.tokens.items():
            self._words[token.lower()] += n
        self._total = max(1, self._words.total())
        seeds = [c for c in self.candidates.values() if c.speaks >= 3 or is_titled(c.name)]
        self._known = FIRST_NAMES | {key(c.name.split(" ")[-1]) for c in seeds if " " in c.name}
        known = sum(c.count for c in seeds)
        learnt = known / (known + PSEUDO_COUNT)
        self._unseen = UNSEEN_LOG_ODDS * learnt
        self._before = self._odds(c.before for c in seeds)
        self._before |= dict.fromkeys(MARKS + "!", OPENING_LOG_ODDS * learnt)  # any word may begin a sentence
        self._after = self._odds((c.after for c in seeds), words.PREDICATES)
        self._after |= dict.fromkeys(MARKS, MARK_LOG_ODDS * learnt) | {"!": 0.0}
        for candidate in self.candidates.values():
            candidate.score = self._score(candidate)
        self._score_relatives()
        self._score_stated()

    def _odds(self, sides: Iterable[Mapping[str, int]], likely: Iterable[str] = ()) -> dict[str, float]:
        """Return word → log odds of standing beside a seed rather than anywhere; ``likely`` words get a prior
        excess."""
        counts = pooled_counts(sides, SEED_CAP)
        for word in likely:
            counts[word] += PREDICATE_EXCESS * PSEUDO_COUNT * self._words[word] / self._total
        priors = {word: max(1, self._words[word]) / self._total for word in counts}
        return log_odds(counts, priors, PSEUDO_COUNT, -MAX_LOG_ODDS, MAX_LOG_ODDS)

    def _score(self, candidate: Candidate) -> float:
        """Return the candidate's score as a person's name, by neighbouring words, titles and speech; above 0
        speaks for a person.
        """
        name, count, speaks = candidate.name, candidate.count, candidate.speaks
        titled, last = is_titled(name), key(name.split(" ")[-1])
        noun = bool(_AGENT.search(name)) or (" " in name and last in words.RANKS)  # the Snow Queen
        score = mean_log_odds(candidate.before, self._before, self._unseen)
        score += mean_log_odds(candidate.after, self._after, self._unseen)
        score += 2.0 if titled else 1.0 if noun else 0.0
        score += min(2.5, 0.8 * math.log1p(speaks))
        score -= thing_penalty(candidate, titled=titled, noun=noun)
        many = count >= KIND and candidate.indefinite >= KIND_SHARE * count
        if many and not titled and key(name) not in self._known:
            score -= 3.0  # an Uplander is any of them; but she was a Dale
        speaking = speaks / count if candidate.articles < count else 0.0  # the Gazette said
        score -= _name_penalty(name, titled=titled, speaks=speaking)
        first = key(name.split(" ")[-1 if titled else 0])
        given = first in FIRST_NAMES and (speaks or titled or last not in words.STREET_ENDS)
        if given or _has_patronymic(name):  # not Robert Street
            score += 2.0 if " " in name else 1.0
        elif " " not in name and not speaks:
            score -= 1.5 * min(1.0, self.lower[name.lower()] / count)  # Death, Art, Coach and Horses
        if count >= 3 and not candidate.articles and not any(self.lower[w.lower()] for w in name.split(" ")):
            score += 0.5  # never a common word
        if count < 3 and not titled and not speaks and first not in FIRST_NAMES:
            score -= 0.7
        return score

    def _score_relatives(self) -> None:
        """Raise the scores of names that share a part with a sure name: Elizabeth Marlow with Elizabeth or
        Mr. Marlow."""
        sure = [c.name.split(" ") for c in self.candidates.values() if c.score >= 1.5 and c.count >= 3]
        firsts = {p[0]: self.candidates[p[0]].score for p in sure if len(p) == 1}
        titled = [p for p in sure if is_titled(" ".join(p))]
        lasts = {p[-1] for p in titled}
        surnames = {p[-1] for p in titled if "of" not in p}  # not Kent, of the Duke of Kent
        given = {n.split(" ")[1] for n in self.candidates if n.count(" ") == 2 and is_titled(n)}
        ranks = {
            usual_title(word)
            for c in self.candidates.values()
            if c.score >= 0.0 and is_titled(c.name)
            for word in c.name.split(" ")[:-1]
        }
        for candidate in self.candidates.values():
            parts = candidate.name.split(" ")
            related = len(parts) > 1 and (parts[0] in firsts or parts[-1] in lasts)
            castle_of = len(parts) > 2 and key(parts[0]) in _NO_PERSON_ENDS and parts[1] in PARTICLES
            if related and not (is_titled(candidate.name) or castle_of):
                candidate.score += 3.0
                if parts[1] == "of" and candidate.count > 1:  # the Knave of Hearts is as sure as the Knave
                    candidate.score = max(candidate.score, firsts.get(parts[0], 0.0))
            elif len(parts) == 1 and (parts[0] in surnames or parts[0] in given):
                candidate.score += 1.5
            elif candidate.articles and _is_rank(parts, ranks):
                candidate.stated, candidate.score = True, max(0.0, candidate.score)

    def _score_stated(self) -> None:
        """Raise the scores of rare names that a phrase introduces as a person's, or that a speech calls."""
        for name, rare in self.candidates.items():
            if rare.count > RARE or is_sure(rare) or place_share(rare):
                continue
            if any(
                is_introduced(self.text, at, at + len(name)) or self._is_addressed(at, name)
                for at in rare.offsets
            ):
                rare.stated = True
                rare.score += STATED_SCORE

    def _is_addressed(self, at: int, name: str) -> bool:
        """Return whether the name at ``at`` is called in the middle of a speech, "Come, Henry," and is no
        part of a list."""
        end = at + len(name)
        middle = _IN_CLAUSE.search(self.text, max(0, at - 3), at) and not _GOES_ON.match(self.text, end)
        return bool(middle) and not self.lower[name.lower()] and self.paragraphs.is_called(at, end)

    def persons(self) -> dict[str, Candidate]:
        """Return name → candidate of the persons' names, :data:`MAX_PERSONS` (10,000) at most, the most
        frequent first.

        These are the sure names, and likely names (score 0 or more) that share the first or last word with a
        sure name and occur twice or speak.
        """
        likely = {n: c for n, c in self.candidates.items() if c.score >= 0.0}
        sure = {name for name, c in likely.items() if is_sure(c)}
        firsts, lasts = {n.split(" ")[0] for n in sure}, {n.split(" ")[-1] for n in sure}
        persons = (
            c
            for name, c in likely.items()
            if name in sure
            or ((c.count > 1 or c.speaks) and (name.split(" ")[0] in firsts or name.split(" ")[-1] in lasts))
        )
        return {c.name: c for c in nlargest(MAX_PERSONS, persons, key=lambda c: c.count)}


def is_sure(candidate: Candidate) -> bool:
    """Return whether a candidate is a person's name without support by other names.

    True for a title, an introducing phrase, a patronymic, a common first name with more evidence, or a score
    above its standard error, which is larger for few occurrences.
    """
    name, score = candidate.name, candidate.score
    first, _, rest = name.partition(" ")
    addressed = candidate.before['"'] and candidate.after[","]
    if (
        is_titled(name)
        or candidate.stated
        or _has_patronymic(name)
        or (key(first) in FIRST_NAMES and (rest or score >= 1.5 or addressed))
    ):
        return True
    if candidate.count == 1 and not candidate.speaks:
        return score >= 3.0
    return score >= STANDARD_ERROR / math.sqrt(candidate.count)


def _is_rank(parts: list[str], ranks: Container[str]) -> bool:
    """Return whether a name is a rank alone, the Captain, and ``ranks`` (usual titles before names) contain
    the rank."""
    return len(parts) == 1 and key(parts[0]) in words.RANKS and usual_title(parts[0]) in ranks


def _has_patronymic(name: str) -> bool:
    """Return whether a name, titles aside, begins with a first name and its patronymic: "Mr. Ivan Petrovich"
    → True.
    """
    return is_given_and_patronymic([word for word in name.split(" ") if key(word) not in words.HONORIFICS])


def thing_penalty(candidate: Candidate, *, titled: bool, noun: bool) -> float:
    """Return how much the neighbouring words lower the score, as those of a place, a thing or an exclamation;
    0 or more."""
    count, speaks, place = candidate.count, candidate.speaks, place_share(candidate)
    penalty = 3.0 * candidate.before["&"] / count  # Finch & Dale, a firm
    chance = speaks == 1 and count >= 5 and not candidate.articles  # no county but Surrey called so
    if not titled and (chance or speaks * 10 < count):
        mostly = place >= 0.15 and place + 0.5 * candidate.before["of"] / count >= 0.4
        penalty += 3.0 * place + (1.5 if count >= 5 and (place >= 0.3 or mostly) else 0.0)
    if candidate.articles > 0.5 * count and not noun:  # the Thames, but the Rabbit speaks
        penalty += max(0.0, 3.0 - 20.0 * speaks / count) * candidate.articles / count
    if not speaks and (_is_exclamation(candidate) or candidate.after['"'] >= 0.2 * count):
        penalty += 1.5  # Humph!; at the "Coach and Horses" he
    if not titled and count >= 5 and candidate.before["of"] >= 0.9 * count:
        penalty += 3.0  # the water side of Ridge
    owns = sum(n for word, n in candidate.after.items() if word[:1] == "'" or word == "s")
    if not titled and count >= 4 and owns >= 0.7 * count:
        penalty += 1.5  # Simpson's, Lovers' Vows
    return penalty


def _name_penalty(name: str, *, titled: bool, speaks: float) -> float:
    """Return how much the words of a name lower its score, as those of no person; ``speaks``: share of
    occurrences beside a verb of speech."""
    last = key(name.split(" ")[-1])
    place = key(name) in _PLACES_AND_GODS and speaks < 0.1
    named = titled or not FIRST_NAMES.isdisjoint(map(key, name.split(" ")))
    notion = _NOTION.search(name) and not (speaks or named)
    penalty = 3.0 if place or notion or key(name) in words.PEOPLES else 0.0
    if last in _NO_PERSON_ENDS and speaks < 0.2:
        penalty += 2.0 if titled or speaks or last not in words.STREET_ENDS else 3.0
    elif _PLACE_HEAD.match(name) and not speaks:  # but St. Clare said
        penalty += 2.0
    return penalty


def _is_exclamation(candidate: Candidate) -> bool:
    """Return whether a single word only begins sentences, or mostly does and a mark follows: Finally he;
    Humph!"""
    stops = sum(n for word, n in candidate.after.items() if not word[:1].isalpha())
    openings = sum(n for word, n in candidate.before.items() if word in OPENING_MARKS)
    count = candidate.count
    begins = openings == count >= 4 or (openings >= 0.85 * count and stops >= 0.6 * count)
    return begins and " " not in candidate.name
