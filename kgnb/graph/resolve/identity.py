"""Which names are one person's, from everything known about a book (coreference by constrained clustering).

Evidence in order of precedence: a person's decisions; replies ("何恭, also called 子安"), weighed over the
whole book by alias_evidence; the name table, a statistical guess that gives way to replies. Two classes of
names are merged (union-find) where the odds are better than even. Ambiguous names, which replies give to
several persons more often than errors explain, and generic words (老爷) cause no merge. The result depends on
the set of chapters, never on their order.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator, Sequence
from itertools import combinations

from kgnb.extract.generic_words import is_generic, is_pointing
from kgnb.graph.resolve.alias_evidence import (
    AliasEvidence,
    ChapterMentions,
    Mention,
    PairCounts,
    is_error,
    log_odds,
    weight_apart,
)
from kgnb.graph.resolve.decisions import CombinedDecisions, pair
from kgnb.graph.resolve.name_classes import NO_COUNTS, MergeReason, NameClasses
from kgnb.graph.resolve.name_parts import NameParts, tell_apart, without_epithet
from kgnb.graph.resolve.name_table import WRONG_LINK, NameTable

MERGE_ODDS = 4.0
"""Least odds to merge: two persons shown as one mislead more than one shown as two."""
LONG_BOOK = 12
"""Chapters of a book from which on those odds are needed. They rise from even ones: the few replies about a
short text hold few errors, and seldom say a thing twice."""
LARGE_SHARE = 0.25
"""Share of a person's mentions with which a generic word is its alias, however few they are."""
MAX_OWNERS = 60
"""A word that is an alias of more names than this is ambiguous, without comparing every two of them."""
EPITHET_ODDS = math.log(9)
"""The logarithm of the odds that Young Ann Peel, without an Old one, is the book's Ann Peel."""
STATED_REASONS = frozenset({"字", "号", "姓", "stated", "same words", "title and first name"})
"""Reasons of the name table that the text states, or that follow from the words of the names."""


class Persons:
    """The persons of a book: classes of names, and the names that don't identify one person by themselves."""

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
        self.classes = NameClasses(decisions.separated)
        # Without merges by hand: what replies say of one name is no evidence about the other.
        self._evident_classes = NameClasses()
        for (one_name, other), number in decisions.merged.items():
            self.classes.merge(MergeReason(one_name, other, "hand", str(number)))
        length = min(1.0, max(0, len(replies) - 1) / (LONG_BOOK - 1))
        self._least_odds = math.log(1 + (MERGE_ODDS - 1) * length)
        self._is_long = length == 1
        self._parts = NameParts(self.evidence.joined_names.keys() | self._chapters_of.keys())
        self._shared = self._shared_words(replies)
        self._ambiguous: set[str] = set()
        candidates = self._candidates()
        self._merge_by_replies(candidates)
        self._merge_by_table()
        self._merge_by_replies(candidates)
        self._merge_by_epithets()
        self._merge_generic_words()
        self._person: dict[str, str] = {}
        for names in self.classes.members.values():
            self._person.update(dict.fromkeys(names, self._display_name(names)))

    # --- results

    def person(self, name: str) -> str:
        """Return the display name of the person called ``name``; ``name`` itself where it was never merged.

        Not meaningful for an ambiguous name: see :meth:`is_unambiguous`.
        """
        return self._person.get(name, name)

    def names_of(self, name: str) -> list[str]:
        """Return all names of the class of ``name``, with ``name``."""
        return self.classes.members_of(name)

    def reasons(self, person: str) -> Iterator[MergeReason]:
        """Yield the reason of each merge in the class of ``person``; nothing for a person of a single
        name.
        """
        names = set(self.names_of(person))
        return (reason for reason in self.classes.reasons if reason.one in names)

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

    def chapters_calling(self, person: str, alias: str) -> set[int]:
        """Return the positions (from 0) of the chapters whose replies list ``alias`` for a name of
        ``person``.
        """
        return self.evidence.joining_chapters(self.classes.members_of(person), (alias,))

    def accepts_alias(self, person: str, alias: str) -> bool:
        """Return whether ``alias`` counts as another name of ``person``.

        False where a decision separates the two. Else True where the alias is in the person's class, or is
        ambiguous and replies give it to the person more often than errors of replies explain.
        """
        if pair(person, alias) in self._decisions.separated:
            return False
        if self.person(alias) == person:
            return True
        if self.is_unambiguous(alias) or is_pointing(alias):
            return False
        names = self.classes.members_of(person)
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
        return len(by_name) > MAX_OWNERS or any(
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

    def _find_ambiguous(self) -> None:
        """Collect the aliases that replies give to several persons."""
        self._ambiguous = {
            alias
            for alias, owners in self.evidence.owners.items()
            if alias not in self._shared and self._is_ambiguous(alias, owners)
        }

    def _is_ambiguous(self, alias: str, owners: Counter[str]) -> bool:
        """Return whether several persons have the alias, more often than errors of replies explain."""
        if len(owners) < 2:
            return False
        claims = self._claims_by_person(alias, owners)
        total, most = sum(claims), max(claims, default=0)
        uses = self.evidence.count_uses(alias)
        others = total - most
        if others == 0:
            return False
        return not is_error(others, uses) or (others >= most and not is_error(total, uses))

    def _claims_by_person(self, alias: str, owners: Counter[str]) -> list[int]:
        """Return, for each person outside the alias's own class, the number of mentions that have the
        alias.
        """
        own = self.classes.find(alias)
        clear = (n for n in owners if not (n in self._shared or is_generic(n)))
        names = {n for n in clear if self.classes.find(n) != own}
        persons = NameClasses()
        roots: dict[str, str] = {}
        for name in sorted(names):
            root = roots.setdefault(self.classes.find(name), name)
            persons.merge(MergeReason(root, name, "", ""))
            for other in self.evidence.joined_names[name] & names if len(names) <= MAX_OWNERS else ():
                if self._odds((name,), (other,))[0] > -self._least_odds:
                    persons.merge(MergeReason(name, other, "", ""))
        claims: Counter[str] = Counter()
        for name in names:
            claims[persons.find(name)] += owners[name]
        return list(claims.values())

    # --- merging

    def _candidates(self) -> list[tuple[str, str]]:
        """Pairs of names that a mention joins, best odds first."""
        found = []
        for one, others in self.evidence.joined_names.items():
            later = (other for other in others if one < other)
            found += [(-self._odds((one,), (other,))[0], one, other) for other in later]
        return [(one, other) for _, one, other in sorted(found)]

    def _merge_by_replies(self, candidates: Sequence[tuple[str, str]]) -> None:
        """Merge up to a fixed point: a merge may make another alias unambiguous."""
        unlikely: dict[tuple[str, str], int] = {}  # → sizes of the classes that were compared
        merged = True
        while merged:
            merged = False
            self._find_ambiguous()
            for pair_ in candidates:
                size = sum(len(self._evident_classes.members_of(name)) for name in pair_)
                if unlikely.get(pair_) != size and self._may_merge(*pair_):
                    if self._merge_if_likely(*pair_):
                        merged = True
                    else:
                        unlikely[pair_] = size

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

    def _merge_if_likely(self, one: str, other: str) -> bool:
        """Merge the classes of the two names if the odds suffice; return whether they were merged."""
        classes = self._evident_classes
        odds, counts = self._odds(classes.members_of(one), classes.members_of(other))
        if odds < self._least_odds:
            return False
        certainty = round(1 / (1 + math.exp(-odds)), 4)
        self._merge(MergeReason(one, other, "reply", str(counts.joined), counts, certainty))
        return True

    def _may_merge(self, one: str, other: str) -> bool:
        """Return whether two unambiguous names are in different classes that nothing forbids to merge."""
        return self.is_unambiguous(one) and self.is_unambiguous(other) and self.classes.may_merge(one, other)

    def _merge(self, reason: MergeReason) -> None:
        self.classes.merge(reason)
        self._evident_classes.merge(reason)

    def _merge_by_table(self) -> None:
        for name, alias, reason, certainty in self._table.links:
            if self._may_merge(name, alias) and self._replies_allow(name, alias, reason):
                self._merge(MergeReason(name, alias, "table", reason, certainty=certainty))

    def _replies_allow(self, name: str, alias: str, reason: str) -> bool:
        """Return whether nothing in the replies speaks against a link of the name table."""
        names = self._evident_classes.members_of(name)
        others = self._evident_classes.members_of(alias)
        stated = reason in STATED_REASONS
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

    def _merge_by_epithets(self) -> None:
        """Merge Young Ann Peel and Ann Peel unless there is an Old Ann Peel, or chapters show two people."""
        forms: dict[str, list[str]] = defaultdict(list)
        for name in sorted(self._chapters_of):
            if (full := without_epithet(name)) in self._chapters_of:
                forms[full].append(name)
        for full, names in forms.items():
            for name in names if not tell_apart(names) else ():
                classes = map(self._evident_classes.members_of, (full, name))
                counts = self.evidence.count(*classes)
                odds = EPITHET_ODDS + weight_apart(counts)
                if odds >= self._least_odds and self._may_merge(full, name):
                    certainty = round(1 / (1 + math.exp(-odds)), 4)
                    self._merge(MergeReason(full, name, "table", "same words", counts, certainty))

    def _merge_generic_words(self) -> None:
        """Merge generic words (奶妈, 奶娘) that replies give to each other and to nobody else."""
        joined = self.evidence.joined_names
        for one in sorted(n for n in joined if is_generic(n) and n not in self._decided_names):
            circle = joined[one] | {one}
            for other in sorted(o for o in joined[one] if is_generic(o) and joined[o] | {o} == circle):
                if self.classes.may_merge(one, other):
                    self._merge_if_likely(one, other)

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
