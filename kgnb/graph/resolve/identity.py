"""Which names are one person's, over all that is known of a book.

Heard are, in this order: a person's decisions; what replies say ("关羽, also called 云长"); the name table, a
statistical guess that gives way to replies. Two classes of names are joined on a word for it, unless more
speaks against it than for it: the two act beside each other, or replies list them as two. A word that replies
give to several people joins nobody and is nobody's by itself, and so is a word for many people (老爷). The
answer depends on the set of sightings only, never on their order.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import chain, combinations
from typing import NamedTuple

from kgnb.extract.generic_words import is_generic
from kgnb.graph.resolve.decisions import CombinedDecisions, pair
from kgnb.graph.resolve.name_table import NameTable, base_of, is_qualified

BESIDE = 3
"""Chapters that call two names one, for each time that these two act beside each other, to believe it."""
MOST_PAIRED = 24
"""Aliases of one item that are taken for each other's; a longer list joins its name only."""
MOST_GIVERS = 60
"""A word that is given to more names than this joins none of them."""
SURE = frozenset({"字", "号", "姓", "same words", "title and first name"})
"""Reasons of the name table that the text itself states, or the names' own words."""


class Mention(NamedTuple):
    """One person of a reply."""

    name: str
    aliases: frozenset[str]


@dataclass(frozen=True, slots=True)
class ChapterMentions:
    """What one chapter says of people's names."""

    chapter: int
    """Position of the chapter in the novel."""
    items: tuple[Mention, ...] = ()
    groups: tuple[frozenset[str], ...] = ()
    """Names that act beside each other: different people."""
    told: bool = True
    """By a reply. The rules only repeat what the name table says."""


@dataclass(frozen=True, slots=True)
class MergeReason:
    """Why two names are one person's. ``kind``: ``reply`` (``detail``: chapters that say so), ``table`` (the
    pre-scan's reason) or ``hand`` (the decision's id)."""

    one: str
    other: str
    kind: str
    detail: str


class AliasEvidence:
    """What the replies say of names, looked up from all sides. Numbers are positions of chapters."""

    def __init__(self, sightings: Sequence[ChapterMentions]) -> None:
        self.named: dict[str, set[int]] = defaultdict(set)
        """Name → chapters where somebody is called so, in a list or beside others."""
        self.links: dict[str, dict[str, set[int]]] = defaultdict(dict)
        """Name → name in the same item → chapters."""
        self.givers: dict[str, dict[str, set[int]]] = defaultdict(dict)
        """Alias → name of the item that has it → chapters."""
        self._groups = [sighting.groups for sighting in sightings]
        for sighting in sightings:
            for item in sighting.items:
                self._hear(sighting.chapter, item)
            for name in frozenset[str]().union(*sighting.groups):
                self.named[name].add(sighting.chapter)
        self.told = frozenset(self.links) | frozenset(self.named)

    def _hear(self, chapter: int, item: Mention) -> None:
        self.named[item.name].add(chapter)
        others = item.aliases - {item.name, base_of(item.name)}
        for alias in others:
            self._link(item.name, alias, chapter)
            self.givers[alias].setdefault(item.name, set()).add(chapter)
        if len(others) < MOST_PAIRED:
            for one, other in combinations(others, 2):
                self._link(one, other, chapter)

    def _link(self, one: str, other: str, chapter: int) -> None:
        self.links[one].setdefault(other, set()).add(chapter)
        self.links[other].setdefault(one, set()).add(chapter)

    @cached_property
    def _beside(self) -> dict[str, set[int]]:
        """Name → numbers of the groups that it is in."""
        found: dict[str, set[int]] = defaultdict(set)
        for number, group in enumerate(chain.from_iterable(self._groups)):
            for name in group:
                found[name].add(number)
        return found

    def linking(self, mine: Iterable[str], theirs: Iterable[str]) -> set[int]:
        """Chapters that call a name of ``mine`` and one of ``theirs`` the same person's."""
        few, many = sorted((frozenset(mine), frozenset(theirs)), key=len)
        found: set[int] = set()
        for name in few:
            near = self.links.get(name, {})
            for other in near.keys() & many:
                found |= near[other]
        return found

    def listed(self, mine: Iterable[str], theirs: Iterable[str]) -> set[int]:
        """Chapters where both stand."""
        return self._chapters(mine) & self._chapters(theirs)

    def _chapters(self, names: Iterable[str]) -> set[int]:
        return set().union(*(self.named.get(name, ()) for name in names))

    def beside(self, mine: Iterable[str], theirs: Iterable[str]) -> int:
        """How often a name of ``mine`` acts beside one of ``theirs``."""
        one = set().union(*(self._beside.get(n, ()) for n in mine))
        return len(one.intersection(set().union(*(self._beside.get(n, ()) for n in theirs))))

    def believed(self, mine: Iterable[str], theirs: Iterable[str]) -> bool:
        """Whether replies that call the two one person outweigh what speaks for two."""
        mine, theirs = frozenset(mine), frozenset(theirs)
        linking = self.linking(mine, theirs)
        against = len(self.listed(mine, theirs) - linking) + BESIDE * self.beside(mine, theirs)
        return len(linking) >= max(1, against)


@dataclass(slots=True)
class NameClasses:
    """Union-find over names, with the reason for each join."""

    apart: dict[tuple[str, str], int] = field(default_factory=dict)
    members: dict[str, list[str]] = field(default_factory=dict)
    reasons: list[MergeReason] = field(default_factory=list)
    _root: dict[str, str] = field(default_factory=dict)
    _held: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        self._held = {name for both in self.apart for name in both}

    def find(self, name: str) -> str:
        """The root of the class of ``name``; itself where nothing is known of it."""
        return self._root.get(name, name)

    def of(self, name: str) -> list[str]:
        """The names of the class of ``name``."""
        return self.members.get(self.find(name), [name])

    def may_join(self, one: str, other: str) -> bool:
        """Whether the two are in two classes, of which nobody decided and no name says that they are two."""
        mine, theirs = self.of(one), self.of(other)
        if mine is theirs or self.find(one) == self.find(other):
            return False
        for names, others in ((mine, theirs), (theirs, mine)):
            if any(is_qualified(n, o) for n in names if base_of(n) for o in others):
                return False
        return not self._held or not any(
            pair(a, b) in self.apart
            for a in self._held.intersection(mine)
            for b in self._held.intersection(theirs)
        )

    def join(self, reason: MergeReason) -> None:
        """Makes the classes of the reason's names one."""
        a, b = sorted((self.find(reason.one), self.find(reason.other)))
        if a == b:
            return
        moved = self.of(b)
        self.members[a] = [*self.of(a), *moved]
        self.members.pop(b, None)
        self._root.setdefault(a, a)
        self._root.update(dict.fromkeys(moved, a))
        self.reasons.append(reason)


class Persons:
    """The people of a book: classes of names, and the words that are nobody's by themselves."""

    def __init__(
        self, sightings: Sequence[ChapterMentions], table: NameTable, decisions: CombinedDecisions
    ) -> None:
        told = [s for s in sightings if s.told]
        self.hearsay = AliasEvidence(told)
        self._table = table
        self._by_hand = decisions
        self._pinned = decisions.names
        self._standing: dict[str, set[int]] = defaultdict(set)
        for sighting in sightings:
            for item in sighting.items:
                self._standing[item.name].add(sighting.chapter)
        for name, chapters in self.hearsay.named.items():
            self._standing[name] |= chapters
        self.classes = NameClasses(decisions.apart)
        self._heard = NameClasses()  # without the joins by hand: what is said of one isn't said of the other
        for (one, other), number in decisions.together.items():
            self.classes.join(MergeReason(one, other, "hand", str(number)))
        self._several = set(self._given_to_two(told))
        self._unclear: set[str] = set()
        said = self._said()
        self._join_told(said)
        self._join_table()
        self._join_told(said)
        self._join_generic()
        self._person: dict[str, str] = {}
        for names in self.classes.members.values():
            self._person.update(dict.fromkeys(names, self._best(names)))

    # --- the answer

    def person(self, name: str) -> str:
        """What the graph calls the person that bears ``name``, who may be nobody in particular."""
        return self._person.get(name, name)

    def is_clear(self, name: str) -> bool:
        """Whether the name alone says who is meant, throughout the book."""
        if name in self._pinned:
            return True
        return not (name in self._several or name in self._unclear or is_generic(name))

    def calling(self, person: str, alias: str) -> set[int]:
        """Chapters (positions) whose replies call the person so."""
        return self.hearsay.linking(self.classes.of(person), (alias,))

    def bears(self, person: str, alias: str) -> bool:
        """Whether a reply that gives ``alias`` to a person is to be believed: it is the person's, or a word
        that several may bear, or most of what is said of the person has it."""
        if pair(person, alias) in self._by_hand.apart:
            return False
        if self.person(alias) == person or not self.is_clear(alias):
            return True
        if self.classes.find(alias) == alias and alias not in self.classes.members:
            return alias not in self._standing
        mine = frozenset(self.classes.of(person))
        given = set().union(*(c for n, c in self.hearsay.givers.get(alias, {}).items() if n in mine))
        return 2 * len(given) > len(self.hearsay.listed(mine, mine))

    # --- what is nobody's

    def _given_to_two(self, told: Iterable[ChapterMentions]) -> Iterator[str]:
        """Words that one chapter gives to two people who have nothing else to do with each other."""
        for sighting in told:
            holders: dict[str, list[Mention]] = defaultdict(list)
            for item in sighting.items:
                for alias in item.aliases:
                    holders[alias].append(item)
            for word, items in holders.items():
                if len(items) < 2:
                    continue
                named = {item.name: item for item in items if item.name != word}
                if len(named) > MOST_GIVERS or any(
                    self._are_two(one, other) for one, other in combinations(named.values(), 2)
                ):
                    yield word

    def _are_two(self, one: Mention, other: Mention) -> bool:
        if one.name in other.aliases or other.name in one.aliases:
            return False
        linked = other.name in self.hearsay.links.get(one.name, {})
        return not (linked and self.hearsay.believed((one.name,), (other.name,)))

    def _find_unclear(self) -> None:
        """Words that are given to names of which nothing says that they are one person's."""
        self._unclear = {
            alias
            for alias, givers in self.hearsay.givers.items()
            if len(givers) > 1 and alias not in self._several and self._parts(alias, givers) > 1
        }

    def _parts(self, alias: str, givers: Iterable[str]) -> int:
        """How many people the names that are given this alias may be."""
        own = self.classes.find(alias)
        names = {n for n in givers if not (n in self._several or is_generic(n))}
        if len(names) > MOST_GIVERS:
            return len(names)
        parts = NameClasses()
        roots: dict[str, str] = {}
        for name in sorted(names):
            root = roots.setdefault(self.classes.find(name), name)
            parts.join(MergeReason(root, name, "", ""))
            for other in self.hearsay.links.get(name, {}).keys() & names:
                parts.join(MergeReason(name, other, "", ""))
        return len({parts.find(n) for n in names if self.classes.find(n) != own})

    # --- joining

    def _said(self) -> list[tuple[int, str, str]]:
        """(minus the chapters' number, name, name) of names that replies call one person's, most first."""
        return sorted(
            (-len(chapters), one, other)
            for one, near in self.hearsay.links.items()
            for other, chapters in near.items()
            if one < other
        )

    def _join_told(self, said: Sequence[tuple[int, str, str]]) -> None:
        """Joins by what replies say, until nothing more is clear: a join may make a word's bearers one."""
        joined = True
        while joined:
            joined = False
            self._find_unclear()
            for count, one, other in said:
                if not (self.is_clear(one) and self.is_clear(other) and self.classes.may_join(one, other)):
                    continue
                if not self._believed(one, other):
                    continue
                self._join(MergeReason(one, other, "reply", str(-count)))
                joined = True

    def _believed(self, one: str, other: str) -> bool:
        return self.hearsay.believed(self._heard.of(one), self._heard.of(other))

    def _join(self, reason: MergeReason) -> None:
        self.classes.join(reason)
        self._heard.join(reason)

    def _join_table(self) -> None:
        for name, alias, reason in self._table.links:
            clear = self.is_clear(name) and self.is_clear(alias) and self.classes.may_join(name, alias)
            if clear and self._uncontradicted(name, alias, reason):
                self._join(MergeReason(name, alias, "table", reason))

    def _uncontradicted(self, name: str, alias: str, reason: str) -> bool:
        """Whether replies leave room for what the table says."""
        mine, theirs = frozenset(self._heard.of(name)), frozenset(self._heard.of(alias))
        told = self.hearsay.told
        if told.isdisjoint(theirs):
            return told.isdisjoint(mine) or reason in SURE or not self._explained(mine)
        if told.isdisjoint(mine):
            return not self._explained(theirs)
        if self.hearsay.beside(mine, theirs) or self._explained(mine) or self._explained(theirs):
            return False
        return not self.hearsay.listed(mine, theirs)

    def _explained(self, names: Iterable[str]) -> bool:
        """Whether replies say what else a person of these names is called."""
        return any(name in self.hearsay.links for name in names)

    def _join_generic(self) -> None:
        """Joins words for many people (奶妈, 奶娘) that replies only ever give to each other."""
        links = self.hearsay.links
        for one in sorted(n for n in links if is_generic(n) and n not in self._pinned):
            circle = links[one].keys() | {one}
            for other in sorted(links[one]):
                if not is_generic(other) or links[other].keys() | {other} != circle:
                    continue
                if self.classes.may_join(one, other) and self._believed(one, other):
                    self._join(MergeReason(one, other, "reply", str(len(links[one][other]))))

    # --- the name

    def _best(self, names: Sequence[str]) -> str:
        """A name that a person chose; else, of those that replies use (if any do) and that are one person's,
        the table's; else the one that most chapters use."""
        mine = [n for n in names if n in self.hearsay.told] or names
        chosen = [name for name in self._by_hand.called if name in names]
        if chosen:
            return chosen[0]
        mentions = self._table.mentions

        def rank(name: str) -> tuple[bool, int, int, int, str]:
            chapters = self._standing.get(name, ())
            return (
                not self.is_clear(name),
                -mentions.get(name, -1),
                -len(chapters),
                min(chapters, default=0),
                name,
            )

        return min(mine, key=rank)
