"""Which names are one person's, from everything known about a book (coreference by constrained clustering).

A reader's merges and splits are must-links and cannot-links. Evidence for two clusters of names being one
person's: replies ("何恭, also called 子安"), weighed over the whole book by alias_evidence; the name table, a
statistical guess that gives way to replies; an epithet before a full name. Two clusters are joined, best odds
first, where the odds suffice (:func:`kgnb.extract.clustering.cluster`). Ambiguous names, which replies give
to several persons more often than errors explain, and generic words (老爷) are no evidence. The result
depends on the set of chapters, never on their order.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import combinations

from kgnb.extract.clustering import Join, Names, cluster
from kgnb.extract.generic_words import is_generic, is_pointing
from kgnb.extract.weighing import probability
from kgnb.graph.resolve.alias_evidence import (
    NO_COUNTS,
    AliasEvidence,
    ChapterMentions,
    Mention,
    PairCounts,
    is_error,
    log_odds,
    weight_apart,
)
from kgnb.graph.resolve.decisions import CombinedDecisions, pair
from kgnb.graph.resolve.name_parts import NameParts, tell_apart, without_epithet
from kgnb.graph.resolve.name_table import WRONG_LINK, Link, NameTable, base_of, is_qualified

MERGE_ODDS = 4.0
"""Least odds to merge: two persons shown as one mislead more than one shown as two."""
LONG_BOOK = 12
"""Chapters of a book from which on those odds are needed. They rise from even ones: the few replies about a
short text hold few errors, and seldom say a thing twice."""
LARGE_SHARE = 0.25
"""Share of a person's mentions with which a generic word is its alias, however few they are."""
MAX_COMPARED = 100
"""Most names with which replies join a name that are compared with it, or with each other: a bound for what
made-up replies cost."""
MAX_NAMES = 150
"""Most names that evidence gives one person: a bound likewise."""
EPITHET_ODDS = math.log(9)
"""The logarithm of the odds that Young Ann Peel, without an Old one, is the book's Ann Peel."""
EPITHET = "epithet"
STATED_REASONS = frozenset({"字", "号", "姓", "stated", "same words", "title and first name"})
"""Reasons of the name table that the text states, or that follow from the words of the names."""


_Weighed = tuple[float, "MergeReason"]
"""Log odds that two clusters are one person's, and why."""


@dataclass(frozen=True, slots=True)
class MergeReason:
    """Reason for which two names were merged.

    ``kind`` and ``detail``: ``reply`` and the number of chapters that join the two; ``table`` and the
    pre-scan's reason; or ``hand`` and the decision's id. ``counts``: chapters for and against in replies.
    ``certainty``: probability (0-1) that the merge is right: from the replies, else the pre-scan's; 1 for
    ``hand``.
    """

    one: str
    other: str
    kind: str
    detail: str
    counts: PairCounts = NO_COUNTS
    certainty: float = 1.0


class Persons:
    """The persons of a book: clusters of names, and the names that don't identify one person by
    themselves."""

    def __init__(
        self, chapters: Sequence[ChapterMentions], table: NameTable, decisions: CombinedDecisions
    ) -> None:
        replies = [one for one in chapters if one.from_reply]
        self.evidence = AliasEvidence(replies)
        self._table = table
        self._decisions = decisions
        self._decided_names = decisions.names
        self._preferred = {name: place for place, name in enumerate(decisions.preferred)}
        self._chapters_of: dict[str, set[int]] = defaultdict(set)
        for one in chapters:
            for mention in one.mentions:
                self._chapters_of[mention.name].add(one.chapter)
            for name in frozenset[str]().union(*one.co_mentions) if one.from_reply else ():
                self._chapters_of[name].add(one.chapter)
        length = min(1.0, max(0, len(replies) - 1) / (LONG_BOOK - 1))
        self._least_odds = math.log(1 + (MERGE_ODDS - 1) * length)
        self._is_long = length == 1
        self._parts = NameParts(self.evidence.joined_names.keys() | self._chapters_of.keys())
        self._shared = self._shared_words(replies)
        self._merged: dict[str, list[str]] = defaultdict(list)
        for one_name, other in decisions.merged:
            self._merged[one_name].append(other)
            self._merged[other].append(one_name)
        self._separated = {name for names in decisions.separated for name in names}
        self._links = self._links_of_names()
        self._qualified = {name for name in (*self._links, *decisions.names) if base_of(name)}
        self._clusters = cluster(
            self._links.keys() | {name for names in decisions.merged for name in names},
            ((one, other) for one, others in self._links.items() for other in others if one < other),
            lambda one, other: found[0] if (found := self._best_reason(one, other)) else None,
            apart=self._are_apart,
            joined=decisions.merged,
            least=self._least_odds,
        )
        self._reasons: dict[Names, list[MergeReason]] = defaultdict(list)
        for join in self._clusters.joins:
            self._reasons[self._clusters.of[join.one[0]]].append(self._reason_of(join))
        self._ambiguous = set(filter(self._is_ambiguous_alone, self.evidence.owners))
        self._person: dict[str, str] = {}
        for names in self._clusters.members:
            if len(names) > 1:
                self._person.update(dict.fromkeys(names, self._display_name(names)))

    # --- results

    def person(self, name: str) -> str:
        """Return the display name of the person called ``name``; ``name`` itself where it was never merged.

        Not meaningful for an ambiguous name: see :meth:`is_unambiguous`.
        """
        return self._person.get(name, name)

    def names_of(self, name: str) -> list[str]:
        """Return all names of the person called ``name``, with ``name``."""
        return list(self._clusters.of.get(name, (name,)))

    def reasons(self, person: str) -> Sequence[MergeReason]:
        """Return the reason of each merge of two names of ``person``; none for a person of a single name."""
        return self._reasons.get(self._clusters.of.get(person, ()), ())

    def is_unambiguous(self, name: str) -> bool:
        """Return whether the name means the same person in every chapter.

        False for generic words (the captain) and for words that replies give to several persons more often
        than by error; always True for a name that a reader's decision is about.
        """
        if name in self._decided_names:
            return True
        return not (name in self._shared or name in self._ambiguous or is_generic(name))

    def occurs(self, name: str) -> bool:
        """Return whether a chapter, a reply's alias or the name table has the name.

        False is possible for a name of a decision whose chapter isn't extracted yet.
        """
        known = self._chapters_of, self.evidence.joined_names, self._table.labels
        return any(name in names for names in known)

    def accepts_alias(self, person: str, alias: str) -> bool:
        """Return whether ``alias`` counts as another name of ``person``.

        False where a decision separates the two. Else True where the alias is a name of the person, or is
        ambiguous and replies give it to the person more often than errors of replies explain.
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
        if made_by_decision or not is_error(given, listed):
            return True
        if is_generic(alias):
            return given >= LARGE_SHARE * listed
        return self._odds(names, (alias,))[0] >= self._least_odds

    # --- ambiguous names

    def _shared_words(self, replies: Iterable[ChapterMentions]) -> set[str]:
        """Return the words that one chapter's reply gives to two persons, in more chapters than errors
        explain.
        """
        found: Counter[str] = Counter()
        for reply in replies:
            bearers: dict[str, list[Mention]] = defaultdict(list)
            for mention in reply.mentions:
                for alias in mention.aliases:
                    bearers[alias].append(mention)
            found.update(a for a, ms in bearers.items() if len(ms) > 1 and self._of_two(a, ms))
        count = self.evidence.count_chapters
        return {word for word, times in found.items() if not is_error(times, count(word))}

    def _of_two(self, alias: str, mentions: Iterable[Mention]) -> bool:
        """Return whether at least two of the mentions, without the one named ``alias``, are different
        persons.
        """
        by_name = {mention.name: mention for mention in mentions if mention.name != alias}
        return len(by_name) > MAX_COMPARED or any(
            self._are_distinct(one, other) for one, other in combinations(by_name.values(), 2)
        )

    def _are_distinct(self, one: Mention, other: Mention) -> bool:
        """Return whether two mentions of one reply are two persons: neither lists the other, nor do most
        chapters join them.
        """
        if one.name in other.aliases or other.name in one.aliases:
            return False
        joined = other.name in self.evidence.joined_names.get(one.name, ())
        return not (joined and self._odds((one.name,), (other.name,))[0] > 0)

    def _is_ambiguous(self, alias: str, own: Collection[str], names: Collection[str]) -> bool:
        """Return whether others than the person of ``names`` have the alias, more often than errors of
        replies explain. ``own``: other names of the alias's cluster, whose bearers' claims say nothing.
        """
        owners = self.evidence.owners.get(alias)
        if owners is None or len(owners) < 2:
            return False
        clear = [name for name in owners if name not in own and self._is_clear(name)]
        mine = sum(owners[name] for name in clear if name in names or self._may_be(name, names))
        others = sum(owners[name] for name in clear) - mine
        if others == 0:
            return False
        uses = self.evidence.count_uses(alias)
        return not is_error(others, uses) or (others >= mine and not is_error(mine + others, uses))

    def _may_be(self, owner: str, names: Collection[str]) -> bool:
        """Return whether a name is likely enough another name of the person of ``names``."""
        joined = self.evidence.joined_names[owner].intersection(names)
        return len(joined) <= MAX_COMPARED and any(
            self._odds((owner,), (name,))[0] > -self._least_odds for name in joined if self._is_clear(name)
        )

    def _is_ambiguous_alone(self, alias: str) -> bool:
        """Return whether an alias that joined nobody is given to others than its most frequent bearer."""
        owners = self.evidence.owners[alias]
        if len(owners) < 2 or len(self.names_of(alias)) > 1 or alias in self._shared:
            return False
        claims = Counter[str]()
        for name in filter(self._is_clear, sorted(owners)):
            claims[self.names_of(name)[0]] += owners[name]
        return any(self._is_ambiguous(alias, (), self.names_of(name)) for name, _ in claims.most_common(1))

    def _is_clear(self, name: str) -> bool:
        """Return whether a name isn't a word that one reply gives to two persons, nor a generic one."""
        return name in self._decided_names or not (name in self._shared or is_generic(name))

    # --- evidence

    def _links_of_names(self) -> dict[str, dict[str, tuple[Link, ...]]]:
        """Return name → other name that may be the same person's → links of the name table, and by an
        epithet; none for two that only replies join.
        """
        found: dict[str, dict[str, tuple[Link, ...]]] = defaultdict(dict)
        often = {one: self._often_joined(one) for one in self.evidence.joined_names}
        for one, others in often.items():
            found[one] = {other: () for other in others if one in often[other] and self._may_link(one, other)}
        for link in (*self._table.links, *self._epithets()):
            one, other, *_ = link
            if one != other and self._is_clear(one) and self._is_clear(other):
                found[one][other] = found[other][one] = (*found[one].get(other, ()), link)
        return found

    def _often_joined(self, name: str) -> Collection[str]:
        """Return the names that replies join with a name; of very many, those joined most often."""
        joined, owners = self.evidence.joined_names[name], self.evidence.owners
        if len(joined) <= MAX_COMPARED:
            return joined
        times = {n: owners[n][name] + owners[name][n] for n in joined if n in owners or name in owners}
        return set(sorted(times, key=lambda n: (-times[n], n))[:MAX_COMPARED])

    def _may_link(self, one: str, other: str) -> bool:
        """Return whether both names mean one person each, or are generic words (奶妈, 奶娘) that replies give
        to each other and to nobody else.
        """
        if self._is_clear(one) and self._is_clear(other):
            return True
        if not (is_generic(one) and is_generic(other) and self._decided_names.isdisjoint((one, other))):
            return False
        joined = self.evidence.joined_names
        return joined[one] | {one} == joined[other] | {other}

    def _epithets(self) -> Iterator[Link]:
        """Yield Young Ann Peel and Ann Peel, unless there is an Old Ann Peel."""
        forms: dict[str, list[str]] = defaultdict(list)
        for name in sorted(self._chapters_of):
            if (full := without_epithet(name)) in self._chapters_of:
                forms[full].append(name)
        for full, names in forms.items():
            for name in names if not tell_apart(names) else ():
                yield full, name, EPITHET, 0.0

    def _are_apart(self, one: Names, other: Names) -> bool:
        """Return whether a decision separates two persons, they are namesakes (张虎（张辽之子）, 张虎), or
        have too many names for one.
        """
        if len(one) + len(other) > MAX_NAMES:
            return True
        for mine, theirs in ((one, other), (other, one)):
            if any(is_qualified(n, o) for n in self._qualified.intersection(mine) for o in theirs):
                return True
        separated = self._decisions.separated
        names, others = self._separated.intersection(one), self._separated.intersection(other)
        return any(pair(a, b) in separated for a in names for b in others)

    def _best_reason(self, one: Names, other: Names) -> _Weighed | None:
        """Return the log odds of the best evidence that two clusters are one person's, and the reason."""
        few, many = sorted((one, other), key=len)
        ambiguous = cache(self._is_ambiguous)
        found: list[_Weighed | None] = []
        compared = set()
        for name, alias in self._links_between(few, many):
            links = self._links[name][alias]
            sides = self._evident(name, few), self._evident(alias, many)
            new = sides not in compared and alias in self.evidence.joined_names.get(name, ())
            if not (new or links) or ambiguous(name, few, many) or ambiguous(alias, many, few):
                continue
            if new:
                compared.add(sides)
                odds, counts = self._odds(*sides)
                why = MergeReason(name, alias, "reply", str(counts.joined), counts, probability(odds))
                found.append((odds, why))
            found += (self._by_table(k, *(sides if k[0] == name else sides[::-1])) for k in links)
        return max(filter(None, found), key=lambda one: one[0], default=None)

    def _links_between(self, names: Names, others: Names) -> Iterator[tuple[str, str]]:
        for name in names:
            near = self._links.get(name, {})
            yield from ((name, other) for other in others if other in near)

    def _evident(self, name: str, names: Names) -> Names:
        """Return those of a cluster's names that evidence links with ``name``: what replies say of one is no
        evidence about whom a decision made the same.
        """
        if self._decided_names.isdisjoint(names):
            return names
        known, near = {name}, [name]
        for one in near:  # grows while it is iterated
            new = (self._links.get(one, {}).keys() & names) - known
            known |= new
            near += sorted(new)
        return tuple(sorted(known))

    def _by_table(self, link: Link, names: Names, others: Names) -> _Weighed | None:
        """Return the reason of a link of the name table, which lacks no odds where replies allow it, or by
        an epithet.
        """
        name, alias, reason, certainty = link
        if reason == EPITHET:
            counts = self.evidence.count(names, others)
            odds = EPITHET_ODDS + weight_apart(counts)
            return odds, MergeReason(name, alias, "table", "same words", counts, probability(odds))
        if not self._replies_allow(names, others, stated=reason in STATED_REASONS):
            return None
        odds = self._least_odds + certainty
        return odds, MergeReason(name, alias, "table", reason, certainty=certainty)

    def _reason_of(self, join: Join) -> MergeReason:
        """Return the reason of a join: a decision, or the best evidence."""
        if join.odds == math.inf:
            few, many = sorted((join.one, join.other), key=len)
            by_hand = ((one, other) for one in few for other in self._merged[one] if other in many)
            one, other = min(by_hand)
            return MergeReason(one, other, "hand", str(self._decisions.merged[pair(one, other)]))
        found = self._best_reason(join.one, join.other)
        assert found is not None, "joined without evidence"
        return found[1]

    def _odds(self, names: Collection[str], others: Collection[str]) -> tuple[float, PairCounts]:
        """Return the log odds that both sets of names are one person's, and the counts from replies."""
        counts = self.evidence.count(names, others)
        odds = log_odds(counts) + self._parts.weight(names, others)
        return self._with_table(odds, names, others), counts

    def _with_table(self, odds: float, names: Collection[str], others: Collection[str]) -> float:
        """Return ``odds`` (a logarithm), changed by what the name table says: a witness that reads only the
        text.

        A share WRONG_LINK of the table's links is wrong. A link between the two sides raises the odds. A link
        from one side to a third person lowers them, as far as replies list that person and the other side
        apart. In a short book ``odds`` is returned unchanged. Dawid and Skene, "Maximum likelihood estimation
        of observer error-rates", Applied Statistics 28 (1979), for witnesses with error rates of their own.
        """
        if not self._is_long:
            return odds
        linked = [self._table.other_names(side) for side in (names, others)]
        if not linked[0].isdisjoint(others):
            return odds - math.log(WRONG_LINK)
        for thirds, other in ((linked[0], others), (linked[1], names)):
            counts = self.evidence.count(thirds, other) if thirds and odds > 0 else NO_COUNTS
            if counts.apart:
                ratio = math.exp(weight_apart(counts))
                odds += math.log(WRONG_LINK + (1 - WRONG_LINK) * ratio / (1 + ratio))
        return odds

    def _replies_allow(self, names: Names, others: Names, *, stated: bool) -> bool:
        """Return whether nothing in the replies speaks against a link of the name table."""
        if not self.evidence.uses(others):
            if stated or not self.evidence.uses(names):
                return True
            return not self._has_aliases(names) and self._parts.are_exclusive(others, names)
        if not self.evidence.uses(names):
            return not self._has_aliases(others)
        if self._has_aliases(names) or self._has_aliases(others):
            return False
        return (stated or not self.evidence.lists_aliases) and not self.evidence.count(names, others).apart

    def _has_aliases(self, names: Iterable[str]) -> bool:
        """Return whether any reply joins one of these names with another name."""
        return any(name in self.evidence.joined_names for name in names)

    # --- display name

    def _display_name(self, names: Sequence[str]) -> str:
        """Return the name of a class that the graph shows.

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
