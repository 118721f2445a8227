"""Merge the extractions of a chapter's chunks into one."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from operator import attrgetter
from typing import Any, TypeVar

from pydantic import BaseModel

from kgnb.core.labels import SYMMETRIC_RELATIONS
from kgnb.extract.model import MAX_CHAPTER_ITEMS, MAX_ITEMS, Event, Extraction, Relation
from kgnb.extract.namesakes import Namesakes

_Item = TypeVar("_Item", bound=BaseModel)


def merge(extractions: Sequence[Extraction]) -> Extraction:
    """Return one extraction from several of the same chapter, items in the order of first occurrence.

    Items of the same name (relations: same ends and type) become one: lists are united, numbers are the
    maximum, a text is the first that is not empty. Merging is associative, so the division of a chapter does
    not matter, except for people who share a word: characters of one name but different other names stay
    apart (namesakes.py). ``absent`` is empty: evidence.mark_absent sets it afterwards, by the whole text.
    """
    namesakes = Namesakes(extractions)
    extractions = [namesakes.disambiguate(e) for e in extractions]
    return Extraction.model_construct(
        characters=_merged((e.characters for e in extractions), namesakes.identity),
        locations=_merged((e.locations for e in extractions), _by_name),
        organizations=_merged((e.organizations for e in extractions), _by_name),
        events=_merged((e.events for e in extractions), _by_name),
        relations=_merged((e.relations for e in extractions), _by_ends),
        things=_merged((e.things for e in extractions), _by_name),
        absent=[],  # given, as pydantic looks a default's factory up by its signature each time
    )


_by_name = attrgetter("name")


def _by_ends(item: Relation) -> tuple[str, str, str]:
    """Return (source, TYPE, target), the ends sorted for a symmetric type: relations with the same key are
    merged.
    """
    kind = item.type.upper()
    source, target = item.source, item.target
    if kind in SYMMETRIC_RELATIONS and target < source:
        source, target = target, source
    return source, kind, target


def _merged(lists: Iterable[Sequence[_Item]], key: Callable[[_Item], Any]) -> list[_Item]:
    """Return the items of all lists, those with the same key united, in the order of first occurrence, at
    most MAX_CHAPTER_ITEMS.
    """
    found: dict[Any, _Item] = {}
    for items in lists:
        for item in items:
            identity = key(item)
            known = found.get(identity)
            found[identity] = item if known is None else _united(known, item)
    return list(found.values())[:MAX_CHAPTER_ITEMS]


def _united(one: _Item, other: _Item) -> _Item:
    """Return one item from two of the same person or claim; of claims the quote of the better one."""
    united: dict[str, Any] = {name: _union(mine, getattr(other, name)) for name, mine in one}
    claims = (Event, Relation)
    if isinstance(one, claims) and isinstance(other, claims):
        best = max(one, other, key=_rank_of_quote)  # the first of equals
        united |= {"evidence": best.evidence, "unverified": best.unverified}
    changes = {name: value for name, value in united.items() if value != getattr(one, name)}
    return one.model_copy(update=changes) if changes else one


def _rank_of_quote(claim: Event | Relation) -> tuple[bool, bool, int]:
    """Return a key that is greatest for the best quote: found in the text, not empty, with both ends of its
    relation."""
    ends = (claim.source, claim.target) if isinstance(claim, Relation) else ()
    return not claim.unverified, claim.evidence != "", sum(end in claim.evidence for end in ends)


def _union(mine: Any, others: Any) -> Any:
    """Return the union of two values: lists without repetition, the first text that is not empty, the higher
    number.
    """
    if isinstance(mine, list):
        return list(dict.fromkeys([*mine, *others]))[:MAX_ITEMS]
    if isinstance(mine, str):
        return mine or others
    return max(mine, others)
