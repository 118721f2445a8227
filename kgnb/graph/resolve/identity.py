"""Which names are one person's, from everything known about a book: evidence of text and replies.

The clustering is the name scan's (:mod:`kgnb.extract.clustering`). Two clusters' odds are the prior odds (the
text's evidence for an alias, as the name scan weighed it, or the chance that any two names are one person's)
times what the replies make of them, whose error rate is this model's on this book. A person's merges are
must-links, splits and namesakes cannot-links. Ambiguous names, which replies give to several persons more
often than errors explain, and generic words (老爷) join nobody. The result depends on the set of chapters,
never on their order.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations

from kgnb.extract.clustering import Clusters, Join, Names, cluster
from kgnb.extract.generic_words import is_generic, is_pointing
from kgnb.extract.weighing import logit, probability
from kgnb.graph.resolve.alias_evidence import AliasEvidence, ChapterMentions, Mention
from kgnb.graph.resolve.decisions import CombinedDecisions, pair
from kgnb.graph.resolve.name_parts import NameParts, tell_apart, without_epithet
from kgnb.graph.resolve.name_table import WRONG_LINK, NameTable, base_of, is_qualified

MERGE_ODDS = 4.0
"""Least odds to merge: two persons shown as one mislead more than one shown as two."""
LONG_BOOK = 12
"""Chapters of a book from which on those odds are needed. They rise from even ones: the few replies about a
short text hold few errors, and seldom say a thing twice."""
LARGE_SHARE = 0.25
"""Share of a person's mentions with which a generic word is its alias, however few they are."""
MAX_OWNERS = 60
"""A word that is an alias of more names than this is ambiguous, without comparing every two of them."""
EPITHET = 0.9
"""Probability that Young Ann Peel, without an Old one, is the book's Ann Peel."""


@dataclass(frozen=True, slots=True)
class MergeReason:
    """Why two names are one person's.

    ``kind`` and ``detail``: ``reply`` and the number of chapters that join the two, ``table`` and the
    pre-scan's reason, or ``hand`` and the decision's id. ``joined`` and ``apart``: numbers of chapters whose
    replies give the two to one person, and list them as two; ``certainty``: the probability from all of
    it, 0-1.
    """

    one: str
    other: str
    kind: str
    detail: str
    joined: int
    apart: int
    certainty: float


class Persons:
    """The persons of a book: clusters of names, and the names that don't identify anybody by themselves."""

    def __init__(
        self, chapters: Sequence[ChapterMentions], table: NameTable, decisions: CombinedDecisions
    ) -> None:
        replies = [one for one in chapters if one.from_reply]
        self.evidence = AliasEvidence(replies, table)
        self._table = table
        self._decisions = decisions
        self._decided_names = decisions.names
        self._merged_names = {name for names in decisions.merged for name in names}
        self._separated_names = {name for names in decisions.separated for name in names}
        self._preferred = {name: place for place, name in enumerate(decisions.preferred)}
        self._chapters_of: dict[str, set[int]] = defaultdict(set)
        for one in chapters:
            for mention in one.mentions:
                self._chapters_of[mention.name].add(one.chapter)
            for name in frozenset[str]().union(*one.co_mentions) if one.from_reply else ():
                self._chapters_of[name].add(one.chapter)
        length = min(1.0, max(0, len(replies) - 1) / (LONG_BOOK - 1))
        self._least_odds = math.log(1 + (MERGE_ODDS - 1) * length)
        self._parts = NameParts(self.evidence.joined_names.keys() | self._chapters_of.keys())
        self._told = self._told_by_text()
        self._shared = self._shared_words(replies)
        self._clusters = Clusters()
        self._ambiguous: frozenset[str] = frozenset()
        self._cluster()
        self._ambiguous = frozenset(filter(self._is_ambiguous, self.evidence.owners))
        self._person = {
            name: shown
            for names in self._clusters.members
            for shown in [self._display_name(names)]
            for name in names
        }

    # --- results

    def person(self, name: str) -> str:
        """The name that the graph uses for the person called ``name``; see :meth:`is_unambiguous`."""
        return self._person.get(name, name)

    def names_of(self, name: str) -> Names:
        """All names of the person called ``name``, sorted."""
        return self._clusters.of.get(name) or (name,)

    def is_unambiguous(self, name: str) -> bool:
        """Whether the name means the same person throughout the book."""
        if name in self._decided_names:
            return True
        return not (name in self._shared or name in self._ambiguous or is_generic(name))

    def occurs(self, name: str) -> bool:
        """Whether a chapter or the name table has the name; one of a decision may be in a later chapter."""
        known = self._chapters_of, self.evidence.joined_names, self._table.labels
        return any(name in names for names in known)

    def chapters_calling(self, person: str, alias: str) -> set[int]:
        """Positions of the chapters whose replies give ``alias`` to the person."""
        return self.evidence.joining_chapters(self.names_of(person), (alias,))

    def accepts_alias(self, person: str, alias: str) -> bool:
        """Whether to believe replies that give ``alias`` to the person.

        They are believed where it is a name of the person, and where it is ambiguous and they say so more
        often than errors explain; never against a decision.
        """
        if pair(person, alias) in self._decisions.separated:
            return False
        if self.person(alias) == person:
            return True
        if self.is_unambiguous(alias) or is_pointing(alias):
            return False
        names = self.names_of(person)
        made_by_decision = not self.evidence.uses(names)
        given, listed = self.evidence.count_given(names, alias)
        if made_by_decision or not self.evidence.is_error(given, listed):
            return True
        if is_generic(alias):
            return given >= LARGE_SHARE * listed
        return self._odds(names, (alias,)) >= self._least_odds

    def reasons(self, person: str) -> Iterator[MergeReason]:
        """Why the person's names are one's, a reason for each join."""
        names = self.names_of(person)
        return (self._reason(join) for join in self._clusters.joins if join.one[0] in names)

    def _reason(self, join: Join) -> MergeReason:
        hand = self._decisions.merged
        pairs = [pair(one, other) for one in join.one for other in join.other]
        by_hand = [(one, other) for one, other in pairs if (one, other) in hand]
        if by_hand:
            one, other = min(by_hand)
            return MergeReason(one, other, "hand", str(hand[one, other]), 0, 0, 1.0)
        counts = self.evidence.count(join.one, join.other)
        told = self._best_told(join.one, join.other)
        if told:
            _, one, other = told
            kind, detail = "table", self._told[one][other][1]
        else:
            one, other = max(pairs, key=lambda p: (self.evidence.count(p[:1], p[1:]).joined, p))
            kind, detail = "reply", str(counts.joined)
        return MergeReason(one, other, kind, detail, counts.joined, counts.apart, probability(join.odds))

    # --- ambiguous names

    def _shared_words(self, replies: Iterable[ChapterMentions]) -> set[str]:
        """Words that replies give to two persons at once, more often than errors explain."""
        found: Counter[str] = Counter()
        for reply in replies:
            bearers: dict[str, list[Mention]] = defaultdict(list)
            for mention in reply.mentions:
                for alias in mention.aliases:
                    bearers[alias].append(mention)
            found.update(a for a, ms in bearers.items() if len(ms) > 1 and self._of_two(a, ms))
        count = self.evidence.count_chapters
        return {word for word, times in found.items() if not self.evidence.is_error(times, count(word))}

    def _of_two(self, alias: str, mentions: Iterable[Mention]) -> bool:
        """Whether two of the mentions, other than the word's own, are two persons'."""
        by_name = {mention.name: mention for mention in mentions if mention.name != alias}
        return len(by_name) > MAX_OWNERS or any(
            self._are_distinct(one, other) for one, other in combinations(by_name.values(), 2)
        )

    def _are_distinct(self, one: Mention, other: Mention) -> bool:
        if one.name in other.aliases or other.name in one.aliases:
            return False
        joined = other.name in self.evidence.joined_names.get(one.name, ())
        return not (joined and self._odds((one.name,), (other.name,)) > 0)

    def _is_ambiguous(self, alias: str) -> bool:
        """Whether errors of replies don't explain that several persons have the alias."""
        owners = self.evidence.owners.get(alias, ())
        if len(owners) < 2:
            return False
        claims = self._claims_by_person(alias)
        total, most = sum(claims), max(claims, default=0)
        uses = self.evidence.count_uses(alias)
        others = total - most
        is_error = self.evidence.is_error
        return others > 0 and (not is_error(others, uses) or (others >= most and not is_error(total, uses)))

    def _claims_by_person(self, alias: str) -> list[int]:
        """For each person other than the alias's own: how many mentions give them the alias."""
        owners, own = self.evidence.owners[alias], self.names_of(alias)
        names = {n for n in owners if not (n in self._shared or is_generic(n) or n in own)}
        alike = (
            (one, other)
            for one in (sorted(names) if len(names) <= MAX_OWNERS else ())
            for other in self.evidence.joined_names[one] & names
            if one < other and self._odds((one,), (other,)) > -self._least_odds
        )
        persons = cluster(names, (), lambda *_: None, joined=[*alike, *self._joined_among(names)])
        return [sum(owners[name] for name in members) for members in persons.members]

    def _joined_among(self, names: Iterable[str]) -> Iterator[tuple[str, str]]:
        """Each of the names with the first of its person's."""
        first: dict[Names, str] = {}
        for name in sorted(names):
            yield first.setdefault(self.names_of(name), name), name

    # --- merging

    def _told_by_text(self) -> dict[str, dict[str, tuple[float, str]]]:
        """Name → another that the text or their words give to the same person → log odds, reason."""
        told: dict[str, dict[str, tuple[float, str]]] = defaultdict(dict)
        forms: dict[str, list[str]] = defaultdict(list)
        for name in sorted(self._chapters_of):
            if (full := without_epithet(name)) in self._chapters_of:
                forms[full].append(name)
        for full, names in forms.items():
            for name in names if not tell_apart(names) else ():
                told[full][name] = told[name][full] = logit(EPITHET), "same words"
        for name, alias, reason, certainty in self._table.links:
            told[name][alias] = told[alias][name] = logit(certainty), reason
        return told

    def _cluster(self) -> None:
        """Join the names; they and the pairs are those that anything joins at all."""
        joined = self.evidence.joined_names
        self._circles = {name: frozenset(joined[name] | {name}) for name in joined if is_generic(name)}
        pairs = {
            pair(one, other) for of in (joined, self._told) for one in of for other in of[one] if one != other
        }
        merged = self._decisions.merged
        cluster(
            {name for names in (*pairs, *merged) for name in names},
            pairs,
            self._odds,
            apart=self._are_apart,
            joined=merged,
            least=self._least_odds,
            found=self._clusters,
        )

    def _are_apart(self, names: Names, others: Names) -> bool:
        """Whether the two must not be joined: by a decision, as namesakes, or as a word of several people."""
        for mine, theirs in ((names, others), (others, names)):
            if any(is_qualified(n, o) for n in mine if base_of(n) for o in theirs):
                return True
        if any(
            pair(a, b) in self._decisions.separated
            for a in self._separated_names.intersection(names)
            for b in self._separated_names.intersection(others)
        ):
            return True
        if all(
            map(self._is_circle, (names, others))
        ):  # 奶妈 and 奶娘, given to each other and to nobody else
            return self._circles[names[0]] != self._circles[others[0]]
        return any(len(one) == 1 and self._joins_nobody(*one) for one in (names, others))

    def _joins_nobody(self, name: str) -> bool:
        return not self.is_unambiguous(name) or (name not in self._decided_names and self._is_ambiguous(name))

    def _is_circle(self, names: Names) -> bool:
        return names[0] in self._circles and self._decided_names.isdisjoint(names)

    def _odds(self, names: Names, others: Names) -> float:
        """The logarithm of the odds that both are one person's.

        What is said of a name is no evidence about another with which a person merged it: of those the one
        counts that fits best.
        """
        return max(
            self._evident_odds(mine, theirs)
            for mine in self._without_merges(names)
            for theirs in self._without_merges(others)
        )

    def _without_merges(self, names: Names) -> list[Names]:
        merged = self._merged_names.intersection(names)
        if len(merged) < 2:
            return [names]
        rest = tuple(name for name in names if name not in merged)
        return [(*rest, name) for name in sorted(merged)]

    def _evident_odds(self, names: Names, others: Names) -> float:
        counts = self.evidence.count(names, others)
        odds = self.evidence.weight(counts)
        if told := self._best_told(names, others):
            return odds + told[0]
        odds += self.evidence.prior(counts) + self._parts.weight(names, others)
        return odds + self._weight_of_others(names, others) if odds > 0 else odds

    def _best_told(self, names: Names, others: Names) -> tuple[float, str, str] | None:
        """What the text says most clearly of two of the names: log odds, and the two."""
        found = (
            (odds, name, other)
            for name in names
            if name in self._told
            for other, (odds, _) in self._told[name].items()
            if other in others
        )
        return max(found, default=None)

    def _weight_of_others(self, names: Names, others: Names) -> float:
        """The weight of the text's giving a name of one side to somebody of neither, as far as the replies
        list that person and the other side apart.

        Dawid and Skene, "Maximum likelihood estimation of observer error-rates", Applied Statistics 28
        (1979), for witnesses with error rates of their own.
        """
        weight = 0.0
        for mine, theirs in ((names, others), (others, names)):
            thirds = self._table.other_names(mine)
            if thirds and thirds.isdisjoint(theirs):
                counts = self.evidence.count(thirds, theirs)
                if counts.apart:
                    are_one = probability(self.evidence.weight_apart(counts))
                    weight += math.log(WRONG_LINK + (1 - WRONG_LINK) * are_one)
        return weight

    # --- display name

    def _display_name(self, names: Sequence[str]) -> str:
        """The name of a class that the graph shows.

        A name that a decision prefers; else, among those that replies use (if any is), an unambiguous one,
        then the one with most mentions in the name table, then the one in most chapters.
        """
        preferred = [name for name in names if name in self._preferred and self.occurs(name)]
        if preferred:
            return min(preferred, key=self._preferred.__getitem__)
        counts = self._table.mention_counts

        def rank(name: str) -> tuple[bool, int, int, int, str]:
            chapters = self._chapters_of.get(name, ())
            ambiguous = not self.is_unambiguous(name)
            return (ambiguous, -counts.get(name, -1), -len(chapters), min(chapters, default=0), name)

        used = [n for n in names if self.evidence.uses((n,))]
        return min(used or list(filter(self.occurs, names)) or names, key=rank)
