"""What speaks for two persons of a Chinese book being one, or against it.

Each function looks at two persons, each of them some names, and returns a value of about -1 to 1, or None.
Its weight stands under its name in data/weights.toml, beside those of the links between the names (links.py).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import cached_property

from kgnb.extract import pairs
from kgnb.extract.zh import vocabulary as words
from kgnb.extract.zh.people import People, Person
from kgnb.extract.zh.surnames import is_role

TEXTUAL = frozenset(("字", "号", "译名", "绰号", "全称", "名头", "头", "儿"))
"""Links that hold wherever the names stand."""
MANY = 40
"""Most names of a person: a bound for what a made-up text costs."""
_OF_KIN = words.WIFE_TITLES | words.ELDERS  # kin of whom the book names in full by that surname


class Pair(pairs.Pair[Person, People]):
    """Two persons of a Chinese book."""

    textual = TEXTUAL

    @cached_property
    def by_passages(self) -> bool:
        """Whether the places of the names matter as evidence: False if a stated or formal link holds wherever
        they stand.
        """
        return self.links.get("姓", (0.0,))[0] != 1.0 and TEXTUAL.isdisjoint(self.links)

    @cached_property
    def votes(self) -> tuple[int, int, int]:
        """(mine, near, places) of the forms of address of both persons: places where the other person is the
        nearest of those who may be meant, where anybody is near, and all places. (0, 0, 0) without forms of
        address.
        """
        mine = near = places = 0
        for this, that in ((self.full, self.short), (self.short, self.full)):
            for form in this.names:
                found = self.people.votes.get(form)
                own = sum(found.nearest[name] for name in that.names) if found else 0
                if found and own:
                    mine, near = mine + own, near + found.nearest.total()
                    places += len(self.people.offsets[form])
        return mine, near, places

    @property
    def is_too_rare(self) -> bool:
        """Whether their shared sentences prove nothing: a given name with too few occurrences, or
        :attr:`by_passages` is False.
        """
        rare = self.expected < 1 and self.together < 2 and "名" in self.links
        return rare or not self.by_passages


Evidence = Callable[[Pair], float | None]

# --- what the passages say ---


def near(pair: Pair) -> float | None:
    """Return the share of the short name's passages in or next to which the full name occurs, minus 0.5: -0.5
    to 0.5. None if places do not matter.
    """
    if not pair.by_passages:
        return None
    return pair.people.index.coverage(pair.short.names, pair.full.names) - 0.5


def never_near(pair: Pair) -> float | None:
    """Return 0 to 1, for how far the share of :func:`near` is below a quarter: 1.0 if the names never share a
    passage, 0.0 from a quarter on. None if places do not matter.
    """
    cover = near(pair)
    return max(0.0, -0.25 - cover) * 4 if cover is not None else None


def keeps_apart(pair: Pair) -> float | None:
    """Return log((expected + 1) / (shared + 1)) / 1.5 of the sentences that contain both, clipped to -1 and
    1; above 0: fewer than by chance, as for two names of one person. None for too few data.
    """
    if pair.is_too_rare or (pair.expected < 0.3 and not pair.together):
        return None
    return max(-1.0, min(1.0, math.log((pair.expected + 1) / (pair.together + 1)) / 1.5))


def surely_apart(pair: Pair) -> float | None:
    """Return (expected - shared sentences) in units of two standard deviations, clipped to -1 and 1; above 0:
    fewer than by chance, as for two names of one person. None for too few data.
    """
    if pair.is_too_rare:
        return None
    return max(-1.0, min(1.0, (pair.expected - pair.together) / math.sqrt(pair.expected + 1) / 2))


def is_nearest(pair: Pair) -> float | None:
    """Return the share of a form's places (何公) at which the other person is the nearest of those it may
    mean, minus 0.5: -0.5 to 0.5. None without such places.
    """
    mine, near, _ = pair.votes
    return mine / near - 0.5 if near and "名与称" not in pair.links else None


def only_fitting(pair: Pair) -> float | None:
    """Return 0.5 if, of all who have the character of a form of address (明哥), only this person occurs near
    the form and not in the same sentences; less if others do too, -0.5 if this person does not. None without
    such a form.
    """
    if "名与称" not in pair.links:
        return None
    mine, values = {*pair.full.names, *pair.short.names}, [-0.5]
    for form in mine.intersection(pair.people.votes):
        fitting = pair.people.fitting(form)
        if fitting & mine:
            others = fitting - mine
            values.append(0.5 if not others else len(fitting & mine) / len(fitting) - 0.5)
    return max(values)


def stands_behind_others(pair: Pair) -> float | None:
    """Return a value above 0 if a given name also stands behind other surnames or is counted, so that it is
    another word; None without such a name.
    """
    return _most(pair, pair.people.strangeness, 10)


def stands_as_person(pair: Pair) -> float | None:
    """Return a value above 0 if a given name stands where persons do: 对建国说, 建国的媳妇; None without such
    a name.
    """
    return _most(pair, pair.people.telling, 2)


def _most(pair: Pair, share: Callable[[str], float], factor: float) -> float | None:
    """Return the highest ``share`` of the short one's unaccepted given names times ``factor``, at most 1.0;
    None without any.
    """
    if "名" not in pair.links:
        return None
    found = [share(name) for name in pair.short.names if name not in pair.people.accepted]
    return min(1.0, factor * max(found)) if found else None


def is_like_name(pair: Pair) -> float | None:
    """Return -1 to 1: how much the neighbours of the short name are those of names; above 0 speaks for a
    name. None if it is an accepted name, or places do not matter.
    """
    if not pair.by_passages:
        return None
    found = [pair.people.likeness(n) for n in pair.short.names if n not in pair.people.accepted]
    return max(-1.0, min(1.0, max(found) / 2)) if found else None


# --- who they are ---


def sexes_clash(pair: Pair) -> float | None:
    """Return 1.0 if the text uses 他 for one and 她 for the other, 0.5 if a title of one does not fit the
    other's sex, else None.
    """
    sexes, one, other = pair.people.sexes, pair.full.names, pair.short.names
    if sexes.differ(one, other):
        return 1.0
    if not pair.by_passages:
        return None
    fit = all(sexes.fits(n, other) for n in one) and all(sexes.fits(n, one) for n in other)
    return None if fit else 0.5


def two_names(pair: Pair) -> float | None:
    """Return 1.0 if both have a name that is no form of address, and neither is a part of the other (何恭,
    李明), else None.
    """
    if not pair.by_passages or not pair.links.keys().isdisjoint(("姓与互斥", "同位")):
        return None
    return 1.0 if _differ(pair.full.own, pair.short.own) else None


def surnames_clash(pair: Pair) -> float | None:
    """Return 1.0 if both have surnames, but none in common, else None."""
    one, other = pair.full.surnames, pair.short.surnames
    return 1.0 if pair.by_passages and one and other and one.isdisjoint(other) else None


def is_unseen(pair: Pair) -> float | None:
    """Return 1.0 if no name of the short one is accepted as a person's name by itself, else None."""
    return None if pair.people.accepted.keys() & pair.short.names else 1.0


def is_anybody(pair: Pair) -> float | None:
    """Return 1.0 if all names of the short one are words for many people (老爷), else None."""
    return 1.0 if all(map(is_role, pair.short.names)) else None


PAIR_EVIDENCE: tuple[Evidence, ...] = (
    near,
    never_near,
    keeps_apart,
    surely_apart,
    is_nearest,
    only_fitting,
    stands_behind_others,
    stands_as_person,
    is_like_name,
    sexes_clash,
    two_names,
    surnames_clash,
    is_unseen,
    is_anybody,
)


def are_apart(pair: Pair) -> bool:
    """Return whether two persons must not be joined whatever the evidence (a cannot-link).

    True if they have two different full names (何恭, 何明), if a full name meets a form for somebody's kin,
    or if together they have more than :data:`MANY` (40) names. False for links that the text states.
    """
    if len(pair.full.names) + len(pair.short.names) > MANY:
        return True
    if not pair.by_passages:
        return False
    full, short = pair.full, pair.short
    two = "姓与互斥" not in pair.links and "姓" not in pair.links and _differ(full.fulls, short.fulls)
    of_kin = any(map(_is_of_kin, short.names)) and not any(map(_is_of_kin, full.names))
    return two or (bool(full.fulls) and of_kin and pair.links.keys().isdisjoint(("长辈", "同位")))


def _differ(one: frozenset[str], other: frozenset[str]) -> bool:
    """Return whether both sets have names, and no name is a part of one of the other set; False if either is
    empty.
    """
    return bool(one and other) and not any(a in b or b in a for a in one for b in other)


def _is_of_kin(name: str) -> bool:
    """Return whether the title is a wife's or an elder's: 何太太, 何大娘, 何太公 → True; 何姑娘 → False."""
    title = max((t for t in words.WOMENS_TITLES | _OF_KIN if name.endswith(t)), key=len, default="")
    return title in _OF_KIN
