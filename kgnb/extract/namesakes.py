"""One word for several people: the 二爷 of one passage of a chapter isn't the 二爷 of the next.

Each passage's reply is clear by itself. Before several are put together, items of one name whose other names
differ are told apart, and what the passage says of that name is said of one that only its own item has.
Whether they are two people or one after all, the whole book decides (settle).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from kgnb.alias import is_generic
from kgnb.model import Character, Extraction

Bearer = tuple[str, int]
"""A name, and which of the people so called in a chapter it is: 0 where there is only one."""
Who = dict[tuple[str, frozenset[str]], Bearer]
"""(name, aliases) of each character → who it is."""


def bearers(extractions: Sequence[Extraction]) -> Who:
    """Who the characters are.

    Items of one name are the same one's where all aliases of one are the other's too; titles, which two
    namesakes may share, don't count beside other aliases. One without aliases is whoever comes first.
    """
    sets: dict[str, list[frozenset[str]]] = defaultdict(list)
    for extraction in extractions:
        for item in extraction.characters:
            sets[item.name].append(others(item))
    found: Who = {}
    for name, given in sets.items():
        groups = _groups([_telling(aliases) for aliases in given])
        for aliases in given:
            number = next((i for i, group in enumerate(groups) if _telling(aliases) <= group), 0)
            found[name, aliases] = (name, number)
    return found


def others(item: Character) -> frozenset[str]:
    """The names of a character that aren't its own one."""
    return frozenset(item.aliases) - {item.name}


def told_apart(extractions: Sequence[Extraction], who: Who) -> Sequence[Extraction]:
    """The extractions of a chapter's passages; where a name has several bearers, each passage's relations and
    participants call its one by an alias that is none of the others', if it has one."""
    several = {name for name, number in who.values() if number}
    if not several:
        return extractions
    owners: dict[tuple[str, str], set[Bearer]] = defaultdict(set)  # of those called so, who has an alias
    for (name, aliases), bearer in who.items():
        for alias in aliases:
            owners[name, alias].add(bearer)
    return [_renamed(e, _calls(e, several, who, owners)) for e in extractions]


def _telling(aliases: frozenset[str]) -> frozenset[str]:
    """Those that tell who somebody is; all where none does."""
    return frozenset(a for a in aliases if not is_generic(a)) or aliases


def _groups(given: Sequence[frozenset[str]]) -> list[frozenset[str]]:
    """The sets, each united with those that hold all of it."""
    groups: list[frozenset[str]] = []
    for aliases in given:
        if aliases:
            near = [group for group in groups if group <= aliases or aliases <= group]
            united = aliases.union(*near)
            at = groups.index(near[0]) if near else len(groups)
            groups = [group for group in groups if group not in near]
            groups.insert(at, united)
    return groups


def _calls(
    extraction: Extraction,
    several: set[str],
    who: Who,
    owners: dict[tuple[str, str], set[Bearer]],
) -> dict[str, str]:
    """name → alias to use instead, for the names that one item of this passage bears."""
    items: dict[str, list[Character]] = defaultdict(list)
    for item in extraction.characters:
        if item.name in several:
            items[item.name].append(item)
    calls: dict[str, str] = {}
    for name, borne in items.items():
        if len({who[name, others(item)] for item in borne}) == 1:
            own = [a for a in borne[0].aliases if a != name and len(owners[name, a]) == 1]
            clear = [a for a in own if not is_generic(a)]
            calls |= {name: clear[0]} if clear else {}
    return calls


def _renamed(extraction: Extraction, calls: dict[str, str]) -> Extraction:
    if not calls:
        return extraction
    relations = [
        r.model_copy(
            update={"source": calls.get(r.source, r.source), "target": calls.get(r.target, r.target)}
        )
        for r in extraction.relations
    ]
    events = [
        e.model_copy(update={"participants": list(dict.fromkeys(calls.get(p, p) for p in e.participants))})
        for e in extraction.events
    ]
    return extraction.model_copy(update={"relations": relations, "events": events})
