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
        """Whether the passages decide: no link holds wherever the names stand."""
        return self.links.get("姓", (0.0,))[0] != 1.0 and TEXTUAL.isdisjoint(self.links)

    @cached_property
    def votes(self) -> tuple[int, int, int]:
        """Places of forms of address at which the other is nearest of those who may be meant; at which
        somebody is; and all."""
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
        """Whether their sentences tell nothing: a given name that is told once or twice may stand beside the
        full one."""
        rare = self.expected < 1 and self.together < 2 and "名" in self.links
        return rare or not self.by_passages


Evidence = Callable[[Pair], float | None]

# --- what the passages say ---


def near(pair: Pair) -> float | None:
    """The short one's passages are the full one's, too."""
    if not pair.by_passages:
        return None
    return pair.people.index.coverage(pair.short.names, pair.full.names) - 0.5


def never_near(pair: Pair) -> float | None:
    """Hardly any of the short one's passages is the full one's."""
    cover = near(pair)
    return max(0.0, -0.25 - cover) * 4 if cover is not None else None


def keeps_apart(pair: Pair) -> float | None:
    """They share fewer sentences than chance would have it, as two names of one person do."""
    if pair.is_too_rare or (pair.expected < 0.3 and not pair.together):
        return None
    return max(-1.0, min(1.0, math.log((pair.expected + 1) / (pair.together + 1)) / 1.5))


def surely_apart(pair: Pair) -> float | None:
    """They share fewer sentences than chance would have it, by standard deviations."""
    if pair.is_too_rare:
        return None
    return max(-1.0, min(1.0, (pair.expected - pair.together) / math.sqrt(pair.expected + 1) / 2))


def is_nearest(pair: Pair) -> float | None:
    """Of all who may be meant by a surname and a title, this one is nearest to it."""
    mine, near, _ = pair.votes
    return mine / near - 0.5 if near and "名与称" not in pair.links else None


def only_fitting(pair: Pair) -> float | None:
    """Of all who have the character of a form of address, only this one keeps to its passages and out of its
    sentences."""
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
    """A given name stands behind other surnames or is counted, too: it is another word."""
    return _most(pair, pair.people.strangeness, 10)


def stands_as_person(pair: Pair) -> float | None:
    """A given name stands where persons stand: 对建国说, 建国的媳妇."""
    return _most(pair, pair.people.telling, 2)


def _most(pair: Pair, share: Callable[[str], float], factor: float) -> float | None:
    if "名" not in pair.links:
        return None
    found = [share(name) for name in pair.short.names if name not in pair.people.accepted]
    return min(1.0, factor * max(found)) if found else None


def is_like_name(pair: Pair) -> float | None:
    """What stands beside a form of address stands beside names."""
    if not pair.by_passages:
        return None
    found = [pair.people.likeness(n) for n in pair.short.names if n not in pair.people.accepted]
    return max(-1.0, min(1.0, max(found) / 2)) if found else None


# --- who they are ---


def sexes_clash(pair: Pair) -> float | None:
    """The text speaks of one as of a man, of the other as of a woman, or a title is of the other sex."""
    sexes, one, other = pair.people.sexes, pair.full.names, pair.short.names
    if sexes.differ(one, other):
        return 1.0
    if not pair.by_passages:
        return None
    fit = all(sexes.fits(n, other) for n in one) and all(sexes.fits(n, one) for n in other)
    return None if fit else 0.5


def two_names(pair: Pair) -> float | None:
    """Both have a name that is no form of address, and none is within the other's."""
    if not pair.by_passages or not pair.links.keys().isdisjoint(("姓与互斥", "同位")):
        return None
    return 1.0 if _differ(pair.full.own, pair.short.own) else None


def surnames_clash(pair: Pair) -> float | None:
    """They have different surnames."""
    one, other = pair.full.surnames, pair.short.surnames
    return 1.0 if pair.by_passages and one and other and one.isdisjoint(other) else None


def is_unseen(pair: Pair) -> float | None:
    """None of the short one's names looks like a person's by itself."""
    return None if pair.people.accepted.keys() & pair.short.names else 1.0


def is_anybody(pair: Pair) -> float | None:
    """The short one is only called by a word for many people."""
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
    """Whether the text says that they are two: both have a full name, or a form is for somebody's kin."""
    if len(pair.full.names) + len(pair.short.names) > MANY:
        return True
    if not pair.by_passages:
        return False
    full, short = pair.full, pair.short
    two = "姓与互斥" not in pair.links and "姓" not in pair.links and _differ(full.fulls, short.fulls)
    of_kin = any(map(_is_of_kin, short.names)) and not any(map(_is_of_kin, full.names))
    return two or (bool(full.fulls) and of_kin and pair.links.keys().isdisjoint(("长辈", "同位")))


def _differ(one: frozenset[str], other: frozenset[str]) -> bool:
    """Whether both are names, none of which is within one of the other's."""
    return bool(one and other) and not any(a in b or b in a for a in one for b in other)


def _is_of_kin(name: str) -> bool:
    """Whether the title is a wife's or an elder's: 何太太, 何大娘 and 何太公, but not 何姑娘."""
    title = max((t for t in words.WOMENS_TITLES | _OF_KIN if name.endswith(t)), key=len, default="")
    return title in _OF_KIN
