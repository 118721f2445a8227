"""From a reply's text to an :class:`~kgnb.extract.model.Extraction`, and several chunks' into one.

A reply is hostile input: bounded in size and depth, validated item by item. It may be wrapped in prose, a
markdown fence or a reasoning block, and be slightly broken. What must never happen is that a reply that was
cut off is mended into a shorter one: broken JSON is repaired only when its outermost object is closed in the
text, and items that the repair loses are counted as rejected.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, NoReturn, TypeVar

from pydantic import BaseModel, ValidationError

from kgnb.core.errors import ReplyUnparsable
from kgnb.core.model import SYMMETRIC_RELATIONS
from kgnb.extract.bounded_str import BoundedStr
from kgnb.extract.model import (
    MAX_ITEMS,
    Character,
    Event,
    Extraction,
    Location,
    Organization,
    Relation,
    Thing,
)
from kgnb.extract.namesakes import Namesakes, names_of

MAX_REPLY = 1_000_000
"""Characters of a reply that are looked at; an honest one has a few thousand."""
MAX_REPAIR = 200_000
"""Characters of broken JSON that are mended: the repair is slow, pure Python."""
MAX_LOOKS = 60
"""Looks at each character of broken JSON while it is mended: common faults take 2, hostile ones thousands."""
MAX_DEPTH = 24
"""Nesting of broken JSON that is mended; the object asked for has four levels."""
MAX_STARTS = 32
"""Places in prose at which an object is looked for."""


@dataclass(frozen=True, slots=True)
class Parsed:
    """A reply's content; ``repaired``: its JSON was broken or had to be taken out of a fence or prose;
    ``rejected``: items that could not be used."""

    extraction: Extraction
    repaired: bool = False
    rejected: int = 0


def parse(text: str, *, provider: str) -> Parsed:
    """The extraction in a reply of ``provider``.

    Raises ReplyUnparsable when there is no object with at least one of the lists asked for, or when the
    object is cut off.
    """
    if len(text) > MAX_REPLY:
        _unparsable(provider)
    body = _without_thoughts(text)
    found = _strict(body)
    if found is not None:
        return _validated(found, repaired=False, lost=0)
    found = _in_prose(body) if _whole(body) else None
    if found is not None:
        return _validated(found, repaired=True, lost=0)
    mended = _mended(body)
    if mended is None:
        _unparsable(provider)
    return _validated(mended.value, repaired=True, lost=mended.lost)


def _unparsable(provider: str) -> NoReturn:
    raise ReplyUnparsable("provider.unparsable", provider=provider)


# --- finding the object -------------------------------------------------------------------------------------

_THOUGHTS_OPEN = re.compile(r"<(?:think|thinking|thought|reasoning)>", re.IGNORECASE)
_THOUGHTS_END = re.compile(r"</(?:think|thinking|thought|reasoning)>", re.IGNORECASE)

_KINDS: dict[str, type[BaseModel]] = {
    "characters": Character,
    "locations": Location,
    "organizations": Organization,
    "events": Event,
    "relations": Relation,
    "things": Thing,
}


def _without_thoughts(text: str) -> str:
    """The reply after a reasoning model's thoughts; nothing when it never came to an end of them."""
    text = text.strip().lstrip("\ufeff")
    if text[:1] == "{":
        return text
    *_, last = _THOUGHTS_END.split(text)  # some servers cut the opening tag off
    last = last.strip()
    return "" if _THOUGHTS_OPEN.match(last) else last


def _strict(body: str) -> dict[str, Any] | None:
    """The object, where the reply is JSON and nothing else."""
    try:
        return _object(_DECODER.decode(body))
    except (ValueError, RecursionError):
        return None


def _in_prose(body: str) -> dict[str, Any] | None:
    """The object of valid JSON within a markdown fence or prose (the longest one there)."""
    found: list[tuple[int, dict[str, Any]]] = []
    at = 0
    for _ in range(MAX_STARTS):
        at = body.find("{", at)
        if at < 0:
            break
        try:
            value, end = _DECODER.raw_decode(body, at)
        except (ValueError, RecursionError):
            at += 1
            continue
        known = _object(value)
        if known is not None:
            found.append((end - at, known))
        at = end
    return _chosen(found)


def _chosen(found: Sequence[tuple[int, dict[str, Any]]]) -> dict[str, Any] | None:
    """Of several objects: all when each gives other lists, else the longest (a draft and a final answer)."""
    if not found:
        return None
    kinds = [kind for _, value in found for kind in _KINDS.keys() & value.keys()]
    if len(kinds) == len(set(kinds)):
        return _joined([value for _, value in found])
    return max(found, key=lambda item: item[0])[1]


def _whole(body: str) -> bool:
    """Whether valid objects within the text can be the reply, not pieces of a larger one that was cut off."""
    return body.count("{") <= body.count("}") and body.count("[") <= body.count("]")


def _object(value: Any) -> dict[str, Any] | None:
    """The object asked for in a decoded value: itself, within a list, or wrapped under one key."""
    if isinstance(value, list):
        parts = [known for known in (_object(v) for v in value if isinstance(v, dict)) if known is not None]
        return _joined(parts) if parts else None
    if not isinstance(value, dict):
        return None
    if not _KINDS.keys().isdisjoint(value):
        return value
    inner = [v for v in value.values() if isinstance(v, dict) and not _KINDS.keys().isdisjoint(v)]
    return inner[0] if len(inner) == 1 else None


def _joined(parts: Sequence[dict[str, Any]]) -> dict[str, Any]:
    if len(parts) == 1:
        return parts[0]
    return {kind: [i for part in parts for i in _items(part.get(kind))] for kind in _KINDS}


def _pairs(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object of JSON; a list given twice under one key counts in whole, where Python keeps the last."""
    value = dict(pairs)
    if len(value) != len(pairs):
        for kind in _KINDS.keys() & value.keys():
            value[kind] = [item for key, given in pairs if key == kind for item in _items(given)]
    return value


_DECODER = json.JSONDecoder(object_pairs_hook=_pairs, strict=False)


# --- mending ------------------------------------------------------------------------------------------------


class _Mended(NamedTuple):
    value: dict[str, Any]
    lost: int


def _mended(body: str) -> _Mended | None:
    """Broken JSON made whole, if it was closed; ``lost``: objects that the repair could not keep."""
    source = _closed(body)
    if source is None:
        return None
    import json_repair  # needed by few replies, so not loaded with the package

    try:
        metered = BoundedStr(source, [MAX_LOOKS * (len(source) + 1_000)])
        whole = json_repair.repair_json(metered, return_objects=True, skip_json_loads=True)
    except (RecursionError, OverflowError):
        return None
    value = _object(whole)
    if value is None:
        return None
    kept = _objects(whole)
    lost = max(0, source.count("{") - kept)
    return _Mended(value, lost) if lost < kept else None


def _objects(value: Any) -> int:
    if isinstance(value, list):
        return sum(map(_objects, value))
    return 1 + sum(map(_objects, value.values())) if isinstance(value, dict) else 0


def _closed(body: str) -> str | None:
    """The outermost object's source if the text closes it; None for one that was cut off.

    Strings are no guide in broken JSON (an unescaped quote is its commonest fault), so braces are counted
    wherever they stand; a novel has none.
    """
    start, end = body.find("{"), body.rfind("}") + 1
    if start < 0 or end <= start or end - start > MAX_REPAIR:
        return None
    source, depth, brackets = body[start:end], 0, 0
    for match in _BRACES.finditer(source):
        char = match.group()
        depth += (char == "{") - (char == "}")
        brackets += (char == "[") - (char == "]")
        if depth < 0 or depth > MAX_DEPTH or brackets > MAX_DEPTH:
            return None
    top_level_list = "[" in body[:start]
    if depth or (top_level_list and "]" not in body[end:]):
        return None
    # A quote or a bracket behind the last brace: the text went on, and was cut off.
    return None if _MORE.match(body, end) else source


_BRACES = re.compile(r"[{}\[\]]")
_MORE = re.compile(r"\s*,|\s*[\"\[]")


# --- validation ---------------------------------------------------------------------------------------------

_LISTS: dict[str, tuple[str, ...]] = {
    "characters": ("aliases", "traits"),
    "events": ("participants",),
    "things": ("aliases",),
}
_SEPARATORS = re.compile(r"[、，,；;／/|\n]")


def _validated(value: dict[str, Any], *, repaired: bool, lost: int) -> Parsed:
    plain = {kind: _items(value[kind]) for kind in _KINDS if kind in value}
    for kind, keys in _LISTS.items():
        for item in plain.get(kind, ()):
            if isinstance(item, dict):
                _split_lists(item, keys)
    try:
        if all(len(items) <= MAX_ITEMS for items in plain.values()):
            return Parsed(Extraction.model_validate(plain), repaired, lost)
    except ValidationError:
        pass
    rejected = lost
    kept: dict[str, Any] = {}
    for kind, items in plain.items():
        kept[kind] = [item for item in map(_reader(_KINDS[kind]), items[:MAX_ITEMS]) if item is not None]
        rejected += len(items) - len(kept[kind])
    return Parsed(Extraction(**kept), repaired, rejected)


def _items(value: Any) -> list[Any]:
    """What stands where a list is asked for, as a list: nothing, one item, or a mapping of names."""
    if isinstance(value, list):
        return value
    if value is None or value == "":
        return []
    if isinstance(value, dict) and "name" not in value and "source" not in value:
        return [{"name": name, **inner} for name, inner in value.items() if isinstance(inner, dict)] or [
            value
        ]
    return [value]


def _split_lists(item: dict[str, Any], keys: Iterable[str]) -> None:
    """Makes a list of ``"玄德、刘皇叔"`` where a list is asked for, and names of ``[{"name": …}]``."""
    for key in keys:
        value = item.get(key)
        if isinstance(value, str):
            item[key] = [part.strip() for part in _SEPARATORS.split(value)]
        elif isinstance(value, list) and any(isinstance(part, dict) for part in value):
            item[key] = [part.get("name") if isinstance(part, dict) else part for part in value]


def _reader(model: type[BaseModel]) -> Callable[[Any], BaseModel | None]:
    def read(item: Any) -> BaseModel | None:
        if isinstance(item, str) and model is not Relation:
            item = {"name": item}
        try:
            return model.model_validate(item)
        except ValidationError:
            return None

    return read


# --- merging ------------------------------------------------------------------------------------------------

_Item = TypeVar("_Item", Character, Location, Organization, Event, Relation, Thing)


def merge(extractions: Sequence[Extraction]) -> Extraction:
    """One extraction of several, in order of first position: lists united, scores at their maximum, texts
    from the first that has one. How a text was split does not matter: merging is associative, but for people
    who share a word.

    Characters of one name whose other names differ stay apart (namesakes.py).
    Who is ``absent`` is to be asked of the whole text, afterwards."""
    if len(extractions) == 1 and _is_clear(extractions[0]):
        return extractions[0]
    who = Namesakes(extractions)
    extractions = [who.clear(e) for e in extractions]
    return Extraction.model_construct(
        characters=_merged((e.characters for e in extractions), who.key),
        locations=_merged((e.locations for e in extractions), _by_name),
        organizations=_merged((e.organizations for e in extractions), _by_name),
        events=_merged((e.events for e in extractions), _by_name),
        relations=_merged((e.relations for e in extractions), _by_ends),
        things=_merged((e.things for e in extractions), _by_name),
    )


def _is_clear(one: Extraction) -> bool:
    """Whether it has nothing twice and no name for two people: as it is, it is merged."""
    names = [name for character in one.characters for name in names_of(character)]
    keys: list[list[Any]] = [names, list(map(_by_ends, one.relations))]
    keys += ([item.name for item in items] for items in (one.locations, one.organizations))
    keys += ([item.name for item in items] for items in (one.events, one.things))
    return not one.absent and all(len(set(each)) == len(each) for each in keys)


def _by_name(item: Any) -> str:
    name: str = item.name
    return name


def _by_ends(item: Relation) -> tuple[str, str, str]:
    kind = item.type.upper()
    source, target = item.source, item.target
    if kind in SYMMETRIC_RELATIONS and target < source:
        source, target = target, source
    return source, kind, target


def _merged(lists: Iterable[Sequence[_Item]], key: Callable[[_Item], Any]) -> list[_Item]:
    first: dict[Any, _Item] = {}
    for items in lists:
        for item in items:
            at = key(item)
            known = first.get(at)
            first[at] = item if known is None else _united(known, item)
    return list(first.values())


def _united(one: _Item, other: _Item) -> _Item:
    united: dict[str, Any] = {name: _union(mine, getattr(other, name)) for name, mine in one}
    if isinstance(one, (Event, Relation)) and isinstance(other, (Event, Relation)):
        united |= _proof(one, other)
    changes = {name: value for name, value in united.items() if value != getattr(one, name)}
    return one.model_copy(update=changes) if changes else one


def _proof(one: Event | Relation, other: Event | Relation) -> dict[str, Any]:
    """A quote that was found in the text comes before one that was not, whichever was first."""
    if one.unverified == other.unverified:
        return {}
    return {"evidence": other.evidence if one.unverified else one.evidence, "unverified": False}


def _union(mine: Any, others: Any) -> Any:
    if isinstance(mine, list):
        return list(dict.fromkeys([*mine, *others]))[:MAX_ITEMS]
    if isinstance(mine, str):
        return mine or others
    return max(mine, others)
