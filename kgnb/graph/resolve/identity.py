"""Which names are one person's, from everything known about a book (coreference by constrained clustering).

Evidence in order of precedence: a person's decisions; replies ("关羽, also called 云长"), each chapter one
vote; the name table, a statistical guess that gives way to replies. Two classes of names are merged
(union-find) unless the conflicts between them outweigh the votes: chapters that co-mention the two, or list
them as two persons. Ambiguous names, which replies give to several persons, and generic words (老爷) cause no
merge. The result depends on the set of chapters, never on their order.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import chain, combinations
from typing import NamedTuple

from kgnb.extract.generic_words import is_generic
from kgnb.graph.resolve.decisions import CombinedDecisions, Pair, pair
from kgnb.graph.resolve.name_table import NameTable, base_of, is_qualified

CONFLICT_WEIGHT = 3
"""Votes for a merge that one co-mention of the two outweighs."""
MAX_PAIRED_ALIASES = 24
"""A mention with more aliases votes for each alias and its name only, not for each pair of aliases."""
MAX_OWNERS = 60
"""A word that is an alias of more names than this is ambiguous, without comparing every two of them."""
STATED_REASONS = frozenset({"字", "号", "姓", "same words", "title and first name"})
"""Reasons of the name table that the text states, or that follow from the words of the names."""


class Mention(NamedTuple):
    """One person in a reply's list of characters."""

    name: str
    aliases: frozenset[str]


@dataclass(frozen=True, slots=True)
class ChapterMentions:
    """What one chapter's reply says of persons' names."""

    chapter: int
    """Position of the chapter in the novel."""
    mentions: tuple[Mention, ...] = ()
    co_mentions: tuple[frozenset[str], ...] = ()
    """Names that act together in a relation or an event, so they are different persons."""
    from_reply: bool = True
    """False for the rules, which only repeat the name table: they neither vote nor conflict."""


@dataclass(frozen=True, slots=True)
class MergeReason:
    """Why two names are one person's.

    ``kind`` and ``detail``: ``reply`` and the number of chapters that vote for it, ``table`` and the
    pre-scan's reason, or ``hand`` and the decision's id.
    """

    one: str
    other: str
    kind: str
    detail: str


class AliasEvidence:
    """Votes and conflicts between names, counted over the replies. Chapters are positions in the novel."""

    def __init__(self, chapters: Sequence[ChapterMentions]) -> None:
        self.chapters_of: dict[str, set[int]] = defaultdict(set)
        """Name → chapters that list or co-mention it."""
        self.votes: dict[str, dict[str, set[int]]] = defaultdict(dict)
        """Name → other name of the same mention → chapters; symmetric."""
        self.owners: dict[str, dict[str, set[int]]] = defaultdict(dict)
        """Alias → name of the mention that has it → chapters."""
        self._co_mentions = [one.co_mentions for one in chapters]
        for one in chapters:
            for mention in one.mentions:
                self._count(one.chapter, mention)
            for name in frozenset[str]().union(*one.co_mentions):
                self.chapters_of[name].add(one.chapter)
        self.names = frozenset(self.votes) | frozenset(self.chapters_of)
        """Every name that a reply uses."""

    def _count(self, chapter: int, mention: Mention) -> None:
        self.chapters_of[mention.name].add(chapter)
        aliases = mention.aliases - {mention.name, base_of(mention.name)}
        for alias in aliases:
            self._vote(mention.name, alias, chapter)
            self.owners[alias].setdefault(mention.name, set()).add(chapter)
        if len(aliases) < MAX_PAIRED_ALIASES:
            for one, other in combinations(aliases, 2):
                self._vote(one, other, chapter)

    def _vote(self, one: str, other: str, chapter: int) -> None:
        self.votes[one].setdefault(other, set()).add(chapter)
        self.votes[other].setdefault(one, set()).add(chapter)

    @cached_property
    def _co_mentions_of(self) -> dict[str, set[int]]:
        """Name → running numbers of the co-mentions that it is in."""
        found: dict[str, set[int]] = defaultdict(set)
        for number, names in enumerate(chain.from_iterable(self._co_mentions)):
            for name in names:
                found[name].add(number)
        return found

    def voting_chapters(self, names: Iterable[str], others: Iterable[str]) -> set[int]:
        """Chapters with a mention that has one of ``names`` and one of ``others``."""
        few, many = sorted((frozenset(names), frozenset(others)), key=len)
        found: set[int] = set()
        for name in few:
            votes = self.votes.get(name, {})
            for other in votes.keys() & many:
                found |= votes[other]
        return found

    def common_chapters(self, names: Iterable[str], others: Iterable[str]) -> set[int]:
        """Chapters that list or co-mention one of ``names`` and one of ``others``."""
        return _union(self.chapters_of, names) & _union(self.chapters_of, others)

    def count_co_mentions(self, names: Iterable[str], others: Iterable[str]) -> int:
        """How often one of ``names`` is co-mentioned with one of ``others``."""
        return len(_union(self._co_mentions_of, names) & _union(self._co_mentions_of, others))

    def supports_merge(self, names: Iterable[str], others: Iterable[str]) -> bool:
        """Majority vote: whether at least as many chapters vote for one person as the conflicts weigh."""
        names, others = frozenset(names), frozenset(others)
        votes = self.voting_chapters(names, others)
        conflicts = len(self.common_chapters(names, others) - votes)
        conflicts += CONFLICT_WEIGHT * self.count_co_mentions(names, others)
        return len(votes) >= max(1, conflicts)


def _union(sets: Mapping[str, set[int]], names: Iterable[str]) -> set[int]:
    return set().union(*(sets.get(name, ()) for name in names))


@dataclass(slots=True)
class NameClasses:
    """Union-find over names, with the reason for each merge."""

    separated: dict[Pair, int] = field(default_factory=dict)
    """Sorted pairs of names that a decision keeps apart."""
    members: dict[str, list[str]] = field(default_factory=dict)
    """Root → names of its class, for classes of two names or more."""
    reasons: list[MergeReason] = field(default_factory=list)
    _root: dict[str, str] = field(default_factory=dict)
    _separated_names: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        self._separated_names = {name for names in self.separated for name in names}

    def find(self, name: str) -> str:
        """The root of the class of ``name``; the name itself where it was never merged."""
        return self._root.get(name, name)

    def members_of(self, name: str) -> list[str]:
        """The names of the class of ``name``."""
        return self.members.get(self.find(name), [name])

    def may_merge(self, one: str, other: str) -> bool:
        """Whether the names are in two classes that neither a decision nor qualified names keep apart."""
        names, others = self.members_of(one), self.members_of(other)
        if names is others or self.find(one) == self.find(other):
            return False
        for mine, theirs in ((names, others), (others, names)):
            if any(is_qualified(n, o) for n in mine if base_of(n) for o in theirs):
                return False
        return not self._separated_names or not any(
            pair(a, b) in self.separated
            for a in self._separated_names.intersection(names)
            for b in self._separated_names.intersection(others)
        )

    def merge(self, reason: MergeReason) -> None:
        """Merge the classes of the reason's names; the smaller root stays."""
        a, b = sorted((self.find(reason.one), self.find(reason.other)))
        if a == b:
            return
        moved = self.members_of(b)
        self.members[a] = [*self.members_of(a), *moved]
        self.members.pop(b, None)
        self._root.setdefault(a, a)
        self._root.update(dict.fromkeys(moved, a))
        self.reasons.append(reason)


class Persons:
    """The persons of a book: classes of names, and the names that don't identify anybody by themselves."""

    def __init__(
        self, chapters: Sequence[ChapterMentions], table: NameTable, decisions: CombinedDecisions
    ) -> None:
        replies = [one for one in chapters if one.from_reply]
        self.evidence = AliasEvidence(replies)
        self._table = table
        self._decisions = decisions
        self._decided_names = decisions.names
        self._chapters_of: dict[str, set[int]] = defaultdict(set)
        for one in chapters:
            for mention in one.mentions:
                self._chapters_of[mention.name].add(one.chapter)
        for name, found in self.evidence.chapters_of.items():
            self._chapters_of[name] |= found
        self.classes = NameClasses(decisions.separated)
        # Without merges by hand: what replies say of one name is no evidence about the other.
        self._evident_classes = NameClasses()
        for (one_name, other), number in decisions.merged.items():
            self.classes.merge(MergeReason(one_name, other, "hand", str(number)))
        self._shared = set(self._shared_aliases(replies))
        self._ambiguous: set[str] = set()
        votes = self._sorted_votes()
        self._merge_by_votes(votes)
        self._merge_by_table()
        self._merge_by_votes(votes)
        self._merge_generic_words()
        self._person: dict[str, str] = {}
        for names in self.classes.members.values():
            self._person.update(dict.fromkeys(names, self._display_name(names)))

    # --- results

    def person(self, name: str) -> str:
        """The name that the graph uses for the person called ``name``; see :meth:`is_unambiguous`."""
        return self._person.get(name, name)

    def is_unambiguous(self, name: str) -> bool:
        """Whether the name means the same person throughout the book."""
        if name in self._decided_names:
            return True
        return not (name in self._shared or name in self._ambiguous or is_generic(name))

    def chapters_calling(self, person: str, alias: str) -> set[int]:
        """Positions of the chapters whose replies give ``alias`` to the person."""
        return self.evidence.voting_chapters(self.classes.members_of(person), (alias,))

    def accepts_alias(self, person: str, alias: str) -> bool:
        """Whether to believe replies that give ``alias`` to the person.

        They are believed where it is a name of the person, is ambiguous, is nobody's own name, or comes with
        more than half of the chapters that list the person; never against a decision.
        """
        if pair(person, alias) in self._decisions.separated:
            return False
        if self.person(alias) == person or not self.is_unambiguous(alias):
            return True
        if self.classes.find(alias) == alias and alias not in self.classes.members:
            return alias not in self._chapters_of
        names = frozenset(self.classes.members_of(person))
        owners = self.evidence.owners.get(alias, {})
        given = _union(owners, names)
        return 2 * len(given) > len(self.evidence.common_chapters(names, names))

    # --- ambiguous names

    def _shared_aliases(self, replies: Iterable[ChapterMentions]) -> Iterator[str]:
        """Words that one chapter gives to two persons between whom there is no other evidence of identity."""
        for reply in replies:
            owners: dict[str, list[Mention]] = defaultdict(list)
            for mention in reply.mentions:
                for alias in mention.aliases:
                    owners[alias].append(mention)
            for alias, mentions in owners.items():
                if len(mentions) < 2:
                    continue
                by_name = {mention.name: mention for mention in mentions if mention.name != alias}
                if len(by_name) > MAX_OWNERS or any(
                    self._are_distinct(one, other) for one, other in combinations(by_name.values(), 2)
                ):
                    yield alias

    def _are_distinct(self, one: Mention, other: Mention) -> bool:
        if one.name in other.aliases or other.name in one.aliases:
            return False
        has_votes = other.name in self.evidence.votes.get(one.name, {})
        return not (has_votes and self.evidence.supports_merge((one.name,), (other.name,)))

    def _find_ambiguous(self) -> None:
        """Collect the aliases whose owners nothing connects into one person."""
        self._ambiguous = {
            alias
            for alias, owners in self.evidence.owners.items()
            if len(owners) > 1 and alias not in self._shared and self._count_persons(alias, owners) > 1
        }

    def _count_persons(self, alias: str, owners: Iterable[str]) -> int:
        """Number of connected components among the owners, apart from the class of the alias itself."""
        own = self.classes.find(alias)
        names = {n for n in owners if not (n in self._shared or is_generic(n))}
        if len(names) > MAX_OWNERS:
            return len(names)
        components = NameClasses()
        roots: dict[str, str] = {}
        for name in sorted(names):
            root = roots.setdefault(self.classes.find(name), name)
            components.merge(MergeReason(root, name, "", ""))
            for other in self.evidence.votes.get(name, {}).keys() & names:
                components.merge(MergeReason(name, other, "", ""))
        return len({components.find(n) for n in names if self.classes.find(n) != own})

    # --- merging

    def _sorted_votes(self) -> list[tuple[int, str, str]]:
        """(minus the number of votes, name, other name), most votes first."""
        return sorted(
            (-len(chapters), one, other)
            for one, votes in self.evidence.votes.items()
            for other, chapters in votes.items()
            if one < other
        )

    def _merge_by_votes(self, votes: Sequence[tuple[int, str, str]]) -> None:
        """Merge by the replies' votes up to a fixed point: a merge may make another alias unambiguous."""
        merged = True
        while merged:
            merged = False
            self._find_ambiguous()
            for count, one, other in votes:
                if self._may_merge(one, other) and self._supported(one, other):
                    self._merge(MergeReason(one, other, "reply", str(-count)))
                    merged = True

    def _may_merge(self, one: str, other: str) -> bool:
        return self.is_unambiguous(one) and self.is_unambiguous(other) and self.classes.may_merge(one, other)

    def _supported(self, one: str, other: str) -> bool:
        classes = self._evident_classes
        return self.evidence.supports_merge(classes.members_of(one), classes.members_of(other))

    def _merge(self, reason: MergeReason) -> None:
        self.classes.merge(reason)
        self._evident_classes.merge(reason)

    def _merge_by_table(self) -> None:
        for name, alias, reason in self._table.links:
            if self._may_merge(name, alias) and self._replies_allow(name, alias, reason):
                self._merge(MergeReason(name, alias, "table", reason))

    def _replies_allow(self, name: str, alias: str, reason: str) -> bool:
        """Whether the replies leave room for a link of the name table."""
        names = frozenset(self._evident_classes.members_of(name))
        others = frozenset(self._evident_classes.members_of(alias))
        used = self.evidence.names
        if used.isdisjoint(others):
            return used.isdisjoint(names) or reason in STATED_REASONS or not self._has_aliases(names)
        if used.isdisjoint(names):
            return not self._has_aliases(others)
        if self.evidence.count_co_mentions(names, others):
            return False
        if self._has_aliases(names) or self._has_aliases(others):
            return False
        return not self.evidence.common_chapters(names, others)

    def _has_aliases(self, names: Iterable[str]) -> bool:
        """Whether replies list another name together with one of these."""
        return any(name in self.evidence.votes for name in names)

    def _merge_generic_words(self) -> None:
        """Merge generic words (奶妈, 奶娘) that replies give to each other and to nobody else."""
        votes = self.evidence.votes
        for one in sorted(n for n in votes if is_generic(n) and n not in self._decided_names):
            circle = votes[one].keys() | {one}
            for other in sorted(votes[one]):
                if not is_generic(other) or votes[other].keys() | {other} != circle:
                    continue
                if self.classes.may_merge(one, other) and self._supported(one, other):
                    self._merge(MergeReason(one, other, "reply", str(len(votes[one][other]))))

    # --- display name

    def _display_name(self, names: Sequence[str]) -> str:
        """The name of a class that the graph shows.

        A name that a decision prefers; else, among those that replies use (if any is), an unambiguous one,
        then the one with most mentions in the name table, then the one in most chapters.
        """
        preferred = [name for name in self._decisions.preferred if name in names]
        if preferred:
            return preferred[0]
        counts = self._table.mention_counts

        def rank(name: str) -> tuple[bool, int, int, int, str]:
            chapters = self._chapters_of.get(name, ())
            ambiguous = not self.is_unambiguous(name)
            return (ambiguous, -counts.get(name, -1), -len(chapters), min(chapters, default=0), name)

        return min([n for n in names if n in self.evidence.names] or names, key=rank)
