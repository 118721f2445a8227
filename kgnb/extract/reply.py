"""Parse an LLM's reply into an :class:`~kgnb.extract.model.Extraction`.

A reply is hostile input: bounded in size and depth, validated item by item. It may be wrapped in prose, a
markdown fence or a reasoning block, and be slightly broken. A truncated reply must never be repaired into a
shorter one: broken JSON is repaired only when its outermost object is closed in the text, and items that the
repair loses count as rejected.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, ValidationError

from kgnb.core.errors import ReplyUnparsable
from kgnb.extract import model
from kgnb.extract.bounded_str import BoundedStr

MAX_REPLY = 1_000_000
"""Longest reply parsed, in characters; an honest one has a few thousand."""
MAX_REPAIR = 200_000
"""Longest broken JSON repaired, in characters: the repair is slow, pure Python."""
MAX_READS = 60
"""Reads per character while JSON is repaired: common faults take 2, hostile ones thousands."""
MAX_DEPTH = 24
"""Deepest nesting of JSON repaired; the object asked for has four levels."""
MAX_STARTS = 32
"""Places in prose at which a JSON object is tried."""


@dataclass(frozen=True, slots=True)
class Parsed:
    """A reply's content. ``repaired``: its JSON was broken, or stood in a fence or in prose; ``rejected``:
    number of items that could not be used."""

    extraction: model.Extraction
    repaired: bool = False
    rejected: int = 0


def parse(text: str, *, provider: str) -> Parsed:
    """Return the extraction in a reply of ``provider``.

    Raises ReplyUnparsable when no object has one of the lists asked for, or when the object is truncated.
    """
    body = without_thoughts(text) if len(text) <= MAX_REPLY else ""
    if (found := _strict(body)) is not None:
        return _validated(found, repaired=False, lost=0)
    if _is_balanced(body) and (found := _in_prose(body)) is not None:
        return _validated(found, repaired=True, lost=0)
    if (repaired := _repaired(body)) is None:
        raise ReplyUnparsable("provider.unparsable", provider=provider)
    value, lost = repaired
    return _validated(value, repaired=True, lost=lost)


# --- finding the object -------------------------------------------------------------------------------------

_THOUGHTS_OPEN = re.compile(r"<(?:think|thinking|thought|reasoning)>", re.IGNORECASE)
_THOUGHTS_END = re.compile(r"</(?:think|thinking|thought|reasoning)>", re.IGNORECASE)

_KINDS: dict[str, type[BaseModel]] = {
    "characters": model.Character,
    "locations": model.Location,
    "organizations": model.Organization,
    "events": model.Event,
    "relations": model.Relation,
    "things": model.Thing,
}


def is_complete(text: str) -> bool:
    """Whether a reply is one whole JSON object, whatever its limit: some models go on with white space."""
    return text[:1] == "{" and _strict(text) is not None


def without_thoughts(text: str) -> str:
    """The reply after a reasoning model's thoughts; empty when they never end."""
    text = text.strip().lstrip("\ufeff")
    if text[:1] == "{":
        return text
    *_, last = _THOUGHTS_END.split(text)  # some servers cut the opening tag off
    last = last.strip()
    return "" if _THOUGHTS_OPEN.match(last) else last


def _strict(body: str) -> dict[str, Any] | None:
    """The object of a reply that is JSON and nothing else."""
    try:
        return _object(_DECODER.decode(body))
    except (ValueError, RecursionError):
        return None


def _in_prose(body: str) -> dict[str, Any] | None:
    """The object of valid JSON within a markdown fence or prose.

    Objects that give different lists are joined; else the longest is taken (a draft and a final answer).
    """
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
    if not found:
        return None
    kinds = [kind for _, value in found for kind in _KINDS.keys() & value.keys()]
    if len(kinds) == len(set(kinds)):
        return _joined([value for _, value in found])
    return max(found, key=lambda item: item[0])[1]


def _is_balanced(body: str) -> bool:
    """Whether all brackets close: else valid objects in the text are pieces of a larger, truncated one."""
    return body.count("{") <= body.count("}") and body.count("[") <= body.count("]")


def _object(value: Any) -> dict[str, Any] | None:
    """The object asked for: the value itself, its parts in a list, or one wrapped under some key."""
    if isinstance(value, list):
        parts = [known for v in value if isinstance(v, dict) and (known := _object(v)) is not None]
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


def _with_repeated_lists(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """A JSON object in which a list given twice under one key counts in full; Python would keep the last."""
    value = dict(pairs)
    if len(value) != len(pairs):
        for kind in _KINDS.keys() & value.keys():
            value[kind] = [item for key, given in pairs if key == kind for item in _items(given)]
    return value


_DECODER = json.JSONDecoder(object_pairs_hook=_with_repeated_lists, strict=False)


# --- repairing ----------------------------------------------------------------------------------------------


def _repaired(body: str) -> tuple[dict[str, Any], int] | None:
    """The repaired object of broken but closed JSON, and how many objects the repair lost."""
    source = _closed_object(body)
    if source is None:
        return None
    import json_repair  # needed by few replies, so not loaded with the package

    try:
        bounded = BoundedStr(source, [MAX_READS * (len(source) + 1_000)])
        decoded = json_repair.repair_json(bounded, return_objects=True, skip_json_loads=True)
    except (RecursionError, OverflowError):
        return None
    value = _object(decoded)
    if value is None:
        return None
    kept = _count_objects(decoded)
    lost = max(0, source.count("{") - kept)
    return (value, lost) if lost < kept else None


def _count_objects(value: Any) -> int:
    if isinstance(value, list):
        return sum(map(_count_objects, value))
    return 1 + sum(map(_count_objects, value.values())) if isinstance(value, dict) else 0


def _closed_object(body: str) -> str | None:
    """The outermost object's source if the text closes it; None for a truncated one.

    Quotes are unreliable in broken JSON (an unescaped one is its commonest fault), so braces are counted
    everywhere; a novel has none.
    """
    start, end = body.find("{"), body.rfind("}") + 1
    if start < 0 or end <= start or end - start > MAX_REPAIR:
        return None
    source, depth, brackets = body[start:end], 0, 0
    for match in _BRACES.finditer(source):
        depth += (match[0] == "{") - (match[0] == "}")
        brackets += (match[0] == "[") - (match[0] == "]")
        if depth < 0 or depth > MAX_DEPTH or brackets > MAX_DEPTH:
            return None
    if depth or ("[" in body[:start] and "]" not in body[end:]):
        return None
    # A comma, quote or bracket after the last brace: the reply went on and was truncated.
    return None if _CONTINUES.match(body, end) else source


_BRACES = re.compile(r"[{}\[\]]")
_CONTINUES = re.compile(r"\s*,|\s*[\"\[]")


# --- validation ---------------------------------------------------------------------------------------------

_LISTS = {"characters": ["aliases", "traits"], "events": ["participants"], "things": ["aliases"]}
_SEPARATORS = re.compile(r"[、，,；;／/|\n]")


def _validated(value: dict[str, Any], *, repaired: bool, lost: int) -> Parsed:
    plain = {kind: _items(value[kind]) for kind in _KINDS if kind in value}
    for kind, keys in _LISTS.items():
        for item in plain.get(kind, ()):
            if isinstance(item, dict):
                _split_lists(item, keys)
    try:
        if all(len(items) <= model.MAX_ITEMS for items in plain.values()):
            return Parsed(model.Extraction.model_validate(plain), repaired, lost)
    except ValidationError:
        pass
    rejected = lost
    kept: dict[str, Any] = {}
    for kind, items in plain.items():
        valid = (_valid_item(item, _KINDS[kind]) for item in items[: model.MAX_ITEMS])
        kept[kind] = [item for item in valid if item is not None]
        rejected += len(items) - len(kept[kind])
    return Parsed(model.Extraction(**kept), repaired, rejected)


def _items(value: Any) -> list[Any]:
    """The value given for a list, as a list: it may be nothing, a single item, or a mapping by name."""
    if isinstance(value, list):
        return value
    if value is None or value == "":
        return []
    if isinstance(value, dict) and "name" not in value and "source" not in value:
        named = [{"name": name, **inner} for name, inner in value.items() if isinstance(inner, dict)]
        return named or [value]
    return [value]


def _split_lists(item: dict[str, Any], keys: Iterable[str]) -> None:
    """Replace ``"子安、何使君"`` by a list where one is asked for, and ``[{"name": …}]`` by names."""
    for key in keys:
        value = item.get(key)
        if isinstance(value, str):
            item[key] = [part.strip() for part in _SEPARATORS.split(value)]
        elif isinstance(value, list) and any(isinstance(part, dict) for part in value):
            item[key] = [part.get("name") if isinstance(part, dict) else part for part in value]


def _valid_item(item: Any, kind: type[BaseModel]) -> BaseModel | None:
    if isinstance(item, str) and kind is not model.Relation:
        item = {"name": item}
    try:
        return kind.model_validate(item)
    except ValidationError:
        return None
