"""Evidence in a book's replies that two names are one person's or two persons', and its weight."""

from __future__ import annotations

import math
from array import array
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import NamedTuple

from kgnb.extract.binomial import binomial_tail
from kgnb.graph.resolve.name_table import base_of

WRONG_ALIAS = 0.05
"""Error rate assumed of replies: the share of listed persons that are given another person's name, or a word
for many people, as an alias. Above what language models do on novels, about 2 %."""
NAMES_A_REPLY = 40
"""Names among which a wrong alias is picked: it hits one given pair in WRONG_ALIAS / NAMES_A_REPLY."""
LISTED_TWICE = 0.25
"""Share of chapters that list one person as two, as each chunk of a chapter is a request of its own."""
LISTED_BESIDE_ALIAS = 0.15
"""Likelihood ratio of a chapter that gives somebody an alias and also lists the bearer of that alias alone,
against one that only gives the alias: four of ten true aliases of long chapters, eight of ten wrong ones."""
ACTING_TOGETHER = 0.02
"""Likelihood ratio of a chapter in which the two have a relation or an event with each other."""
SIGNIFICANCE = 0.02
"""Level of the test whether a word's other bearers are more than errors of replies."""
MAX_CACHED_USES = 200_000
"""Mentions and co-mentions that are kept by name for the next comparison: some 20 MB."""
MAX_PAIRED_ALIASES = 24
"""Of a mention with more aliases only each alias and its name are candidates for a merge, not each pair."""


_NO_ALIASES: frozenset[str] = frozenset()  # shared: an empty set takes 216 bytes, and most have none


class Mention(NamedTuple):
    """One person in a reply's list of characters."""

    name: str
    aliases: frozenset[str]

    @classmethod
    def of(cls, name: str, aliases: Iterable[str]) -> Mention:
        """Return the mention of ``name``; ``name`` itself is removed from the aliases."""
        others = [alias for alias in aliases if alias != name]
        return cls(name, frozenset(others) if others else _NO_ALIASES)


@dataclass(frozen=True, slots=True)
class ChapterMentions:
    """Persons' names in one chapter's reply."""

    chapter: int
    """Position of the chapter in the novel."""
    mentions: tuple[Mention, ...] = ()
    co_mentions: tuple[frozenset[str], ...] = ()
    """Names that act together in a relation or an event, so they are different persons."""
    from_reply: bool = True
    """False for the rules, which only repeat the name table: they are no evidence."""


class PairCounts(NamedTuple):
    """Numbers of chapters that speak for or against two (sets of) names being one person's."""

    joined: int = 0
    """Chapters with a mention that has both."""
    contradicted: int = 0
    """Joining chapters that also list one of the two by itself."""
    apart: int = 0
    """Chapters that list both, and never in one mention."""
    acting: int = 0
    """Chapters in which they have a relation or an event with each other."""
    alone: int = 0
    """Chapters of the rarer of the two without the other."""
    chapters: int = 0
    """Chapters with either."""


NO_COUNTS = PairCounts()


def log_odds(counts: PairCounts) -> float:
    """Return the natural logarithm of the odds that two names are one person's; merge them above 0.

    The ratio of two likelihoods, times the prior odds. If the two are one person, a chapter of the rarer name
    joins the other to it with an unknown probability, uniform between 0 and 1 (a beta-binomial likelihood);
    if they are two, only errors join them. The prior odds fall with the number of chapters, as each is an
    occasion for an error: the multiple comparisons that a long book makes.

    Dunning, "Accurate methods for the statistics of surprise and coincidence", Computational Linguistics 19
    (1993), for likelihood ratios of rare words; Kass and Raftery, "Bayes factors", JASA 90 (1995), for the
    integrated likelihood.
    """
    error = WRONG_ALIAS / NAMES_A_REPLY
    joined, alone = counts.joined, counts.alone
    one_person = math.lgamma(joined + 1) + math.lgamma(alone + 1) - math.lgamma(joined + alone + 2)
    two_persons = joined * math.log(error) + alone * math.log1p(-error)
    prior = -math.log(NAMES_A_REPLY) - math.log1p(counts.chapters / 4)
    return one_person - two_persons + weight_apart(counts) + prior


def weight_apart(counts: PairCounts) -> float:
    """Return the log likelihood ratio, 0 or negative, from chapters that treat the two as two persons.

    Example: one chapter that lists both apart gives about -1.3; no such chapter gives 0.
    """
    return (
        counts.contradicted * math.log(LISTED_BESIDE_ALIAS)
        + counts.apart * math.log(LISTED_TWICE / (1 - WRONG_ALIAS))
        + counts.acting * math.log(ACTING_TOGETHER)
    )


def is_error(times: int, of: int) -> bool:
    """Return whether errors of replies alone explain that ``times`` of ``of`` replies say something.

    One-sided binomial test with the error rate ``WRONG_ALIAS`` (0.05): 1 of 10 is True, 5 of 10 is False.
    """
    return binomial_tail(times, of, WRONG_ALIAS) >= SIGNIFICANCE


class _Uses(NamedTuple):
    """Where replies use a set of names: numbers of mentions and of co-mentions, chapter → mentions."""

    mentions: set[int]
    groups: set[int]
    chapters: Counter[int]


class AliasEvidence:
    """Counts of names over all replies. A chapter is its position in the novel."""

    def __init__(self, chapters: Sequence[ChapterMentions]) -> None:
        self.owners: dict[str, Counter[str]] = defaultdict(Counter)
        """Alias → names of the mentions that have it, with the number of these."""
        self.joined_names: dict[str, set[str]] = defaultdict(set)
        """Name → the other names of its mentions; symmetric."""
        self._headed: Counter[str] = Counter()  # name → mentions that list somebody under it
        self._mentions_of: dict[str, array[int]] = defaultdict(lambda: array("I"))
        self._groups_of: dict[str, array[int]] = defaultdict(lambda: array("I"))
        self._cached_uses: dict[frozenset[str], _Uses] = {}
        self._cached = 0  # mentions and co-mentions in there
        self._with_aliases = 0  # mentions that have any
        self._chapter_of_mention = array("I")
        self._chapter_of_group = array("I")
        for one in chapters:
            for mention in one.mentions:
                self._add_mention(one.chapter, mention)
            for group in one.co_mentions:
                for name in group:
                    self._groups_of[name].append(len(self._chapter_of_group))
                self._chapter_of_group.append(one.chapter)

    def _add_mention(self, chapter: int, mention: Mention) -> None:
        number = len(self._chapter_of_mention)
        self._chapter_of_mention.append(chapter)
        aliases = mention.aliases - {mention.name, base_of(mention.name)}
        for name in (mention.name, *aliases):
            self._mentions_of[name].append(number)
        for alias in aliases:
            self.owners[alias][mention.name] += 1
        self._headed[mention.name] += 1
        self._with_aliases += bool(aliases)
        pairs = [(mention.name, alias) for alias in aliases]
        pairs += combinations(aliases, 2) if len(aliases) < MAX_PAIRED_ALIASES else ()
        for one, other in pairs:
            self.joined_names[one].add(other)
            self.joined_names[other].add(one)

    def uses(self, names: Iterable[str]) -> bool:
        """Return whether any reply lists one of the names, or has it in a relation or an event."""
        return any(name in self._mentions_of or name in self._groups_of for name in names)

    @property
    def lists_aliases(self) -> bool:
        """Whether the share of mentions with an alias is above the error rate: the replies list aliases
        at all.
        """
        return not is_error(self._with_aliases, len(self._chapter_of_mention))

    def count_uses(self, alias: str) -> int:
        """Return the number of mentions named ``alias`` plus the number of mentions with this alias."""
        return self._headed[alias] + self.owners[alias].total()

    def count_chapters(self, name: str) -> int:
        """Return the number of chapters with a mention that has ``name`` as name or alias."""
        return len(self._uses((name,)).chapters)

    def count_given(self, names: Iterable[str], alias: str) -> tuple[int, int]:
        """Return (mentions that have one of ``names`` and the alias, all mentions that have one of
        ``names``).
        """
        mine = self._uses(names).mentions
        return len(mine & self._uses((alias,)).mentions), len(mine)

    def joining_chapters(self, names: Iterable[str], others: Iterable[str]) -> set[int]:
        """Return the chapters in which one mention has a name of ``names`` and a name of ``others``."""
        mine, theirs = self._uses(names), self._uses(others)
        return {self._chapter_of_mention[i] for i in mine.mentions & theirs.mentions}

    def count(self, names: Iterable[str], others: Iterable[str]) -> PairCounts:
        """Return numbers of chapters that speak for or against ``names`` and ``others`` being one person's:
        how many join them in a mention, list them apart, or let them act with each other; all 0 for unknown
        names.
        """
        mine, theirs = self._uses(names), self._uses(others)
        joined = Counter(self._chapter_of_mention[i] for i in mine.mentions & theirs.mentions)
        acting = {self._chapter_of_group[i] for i in mine.groups & theirs.groups}
        common = mine.chapters.keys() & theirs.chapters.keys()
        apart = (common | acting) - joined.keys()
        rarer = min(len(mine.chapters), len(theirs.chapters))
        return PairCounts(
            joined=len(joined),
            contradicted=sum(max(mine.chapters[c], theirs.chapters[c]) > n for c, n in joined.items()),
            apart=len(apart),
            acting=len(acting),
            alone=max(0, rarer - len(common)),
            chapters=len(mine.chapters) + len(theirs.chapters) - len(common),
        )

    def _uses(self, names: Iterable[str]) -> _Uses:
        """Return the mentions, co-mentions and chapters with one of ``names``; cached."""
        key = frozenset(names)
        found = self._cached_uses.get(key)
        if found is None:
            found = self._find_uses(key)
            self._cached += len(found.mentions) + len(found.groups)
            if self._cached > MAX_CACHED_USES:
                self._cached_uses.clear()
                self._cached = 0
            self._cached_uses[key] = found
        return found

    def _find_uses(self, names: Collection[str]) -> _Uses:
        """Return the mentions, groups and chapters that have any of the names; without cache."""
        mentions = {i for name in names for i in self._mentions_of.get(name, ())}
        groups = {i for name in names for i in self._groups_of.get(name, ())}
        return _Uses(mentions, groups, Counter(self._chapter_of_mention[i] for i in mentions))
