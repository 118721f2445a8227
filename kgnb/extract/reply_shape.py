"""Finds the lists asked for in any shape of a reply: nested, under other keys, as maps, in pieces."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from operator import itemgetter
from typing import Any, TypeGuard

from kgnb.core.labels import CHARACTER_RELATIONS
from kgnb.extract.model import LISTS, MAX_NAME
from kgnb.extract.reply_keys import (
    OF_ENDS,
    field_of,
    is_unwanted,
    kind_at_end,
    kind_called,
    kind_of_name_key,
    plain,
    rank_of,
)

MAX_DEPTH = 6
"""Most levels of nesting that are searched."""
MAX_ENDS = 20
"""Most ends, and keys, of a relation that is split into several, so that a reply can't grow much."""

_TELLS_KIND = ("kind", "type", "label", "labels", "category", "entitytype", "类型")
_CODE = re.compile(r"[a-z]*[_-]?\d+", re.IGNORECASE)
"""An item's number or id: ``1``, ``p1``, ``char_01``."""
NO_TIE = frozenset(("无", "无关系", "没有关系", "none", "no relation"))
_NOTHING = NO_TIE | {"未知", "不详", "暂无", "未提及", "null", "n/a", "unknown", "not mentioned", "string"}
"""Words for nothing; "string" is from a copied schema."""
_SEPARATORS = re.compile(r"[、，,；;／/|\n]")
_BETWEEN = re.compile(r"-{2,}>?|->|→|—+|\s-\s|-\[|\]-?>?|[:：|(),，（）]")
_BULLET = re.compile(r"\s*(?:[-*•]|\d+[.、)])\s+")
_AROUND = " \t'\"“”‘’"
_TYPE = re.compile(r"[A-Z][A-Z_]+")
_TOLD = re.compile(
    r"(?P<name>[^：:（）()]+?)\s*(?:(?!(?<=\d):\d)[：:](?!//)\s*(?P<after>.+)|[（(](?P<within>[^（）()]+)[）)])",
    re.DOTALL,
)
"""A text that is an item's name and description: ``何恭：太守``, ``何恭（太守）``; not ``12:30 到站``."""
STRAYS = ""
"""Key, in place of a list's name, of items whose kind is unknown; they are lost."""
ENDS = frozenset(("source", "target"))
_WANTED = {kind: {"name", *(ENDS | {"type", "pair"} if kind == "relations" else ())} for kind in LISTS}
"""Kind → fields without which an item is invalid: words for nothing stay in them, to be rejected later."""


def lists_in(value: Any, depth: int = 0) -> dict[str, list[Any]] | None:
    """Return list name → items found in ``value``; None if it holds none of the lists asked for.

    {"人物": [{"name": "Tom"}]} → {"characters": [{"name": "Tom"}]}; {"a": 1} → None. A nested list counts
    only if the level above has no list of its kind. Items of unknown kind are under :data:`STRAYS`; None if
    there are no others. ``depth``: level of nesting of ``value``, 0 for a whole reply.
    """
    found = _lists_in(value, depth)
    return found if depth or found is None or found.keys() != {STRAYS} else None


def _lists_in(value: Any, depth: int) -> dict[str, list[Any]] | None:
    if isinstance(value, str):
        value = _decoded(value)
    if depth > MAX_DEPTH or (depth == 0 and has_stray(value)):
        return None
    if isinstance(value, list):
        parts = [lists_in(one, depth + 1) for one in value]
        lost = [one for one, part in zip(value, parts, strict=True) if part is None and _is_item(one)]
        return united([*parts, {STRAYS: lost} if lost and depth else None])
    if not isinstance(value, dict):
        return None
    if depth and (single := _single_item(value)):
        return single
    value = {key: given for key, given in value.items() if not is_unwanted(key)}
    named = _is_named(value)
    kinds = {key: kind for key, given in value.items() if (kind := _kind_of_key(key, given, named))}
    if named and all(isinstance(value[key], str | int) for key in kinds):
        kinds = {}  # an item: its group, its place
    found: dict[str, list[Any]] = {}
    for key, kind in kinds.items():
        found.setdefault(kind, []).extend(items_of(value[key], kind))
    deeper = united(lists_in(given, depth + 1) for key, given in value.items() if key not in kinds and given)
    return {**(deeper or {}), **found} or None


def _kind_of_key(key: str, given: Any, of_item: bool) -> str | None:
    """Return the kind of the items under a key, None if it is no list's. ``of_item``: whether the key is an
    item's own; then names in the list are not items."""
    are_names = not of_item and isinstance(given, list) and str in map(type, given)
    return kind_called(key) or (kind_at_end(key) if are_names or _is_list_of_items(given) else None)


def has_stray(value: Any, depth: int = 0) -> bool:
    """Return whether ``value`` is an item of unknown kind, or a list that contains one.

    [{"name": "Tom"}] → True; [1] → False.
    """
    if isinstance(value, list) and depth <= MAX_DEPTH:
        return any(has_stray(one, depth + 1) for one in value)
    return _is_item(value) and not (lists_in(value, 1) or {}).keys() - {STRAYS}


def _is_item(value: Any) -> bool:
    return isinstance(value, dict) and _is_named(value)


def united(parts: Iterable[dict[str, list[Any]] | None]) -> dict[str, list[Any]] | None:
    """Return list name → items of all parts in order; None if all parts are None or empty.

    [{"a": [1]}, None, {"a": [2]}] → {"a": [1, 2]}.
    """
    found: dict[str, list[Any]] = {}
    for part in parts:
        for kind, items in (part or {}).items():
            found.setdefault(kind, []).extend(items)
    return found or None


def _decoded(text: str) -> Any:
    """Return the value of the JSON in a string, perhaps in a fence; None if it is no JSON object or list."""
    text = text.strip("` \t\r\n").removeprefix("json").lstrip()
    if text[:1] not in ("{", "["):
        return None
    try:
        return json.loads(text, strict=False)
    except (ValueError, RecursionError):
        return None


def _single_item(value: dict[str, Any]) -> dict[str, list[Any]] | None:
    """Return kind → [the item] for an item outside a list that states its kind, kind → its list for a named
    list; else None."""
    is_wrapper = any(map(_is_list_of_items, value.values()))
    if _fields_of(value) >= ENDS and not is_wrapper:
        return {"relations": [value]}
    told = (text_in(given) for key, given in value.items() if plain(key) in _TELLS_KIND)
    kind = next(filter(None, (kind_called(one) for one in told if isinstance(one, str))), None)
    kind = kind or next(filter(None, map(kind_of_name_key, value)), None)
    if kind is None:
        return None
    if _is_named(value, kind):
        return {kind: [value]}
    lists = [given for given in value.values() if isinstance(given, list)]
    return {kind: lists[0]} if len(lists) == 1 else None


def items_of(value: Any, kind: str) -> list[Any]:
    """Return the value given for a list, as a list of items: it may be empty, a single item, or a mapping by
    name.

    None → []; "Tom" → ["Tom"]; {"Tom": "a boy"} → [{"id": "Tom", "name": "Tom", "description": "a boy"}].
    Relations may be mapped by their pair: {"刘备-关羽": "结义兄弟"} → [{"pair": "刘备-关羽", "type":
    "结义兄弟"}].
    """
    if isinstance(value, list):
        return [
            one for part in value for one in (part if _is_list_of_items(part) else _unwrapped(part, kind))
        ]
    if value is None or value == "":
        return []
    if not isinstance(value, dict) or "name" in value or "source" in value:
        return [value]
    lists = {key: inner for key, inner in value.items() if _is_list_of_items(inner)}
    if len(lists) == len(value) or value.get("type") == "array":
        # {"items": […]}, {"main": […]}, {"ALLY": […]}, or the list's schema, which some repeat first
        return [
            _of_group(one, key, kind) for key, inner in lists.items() if not is_unwanted(key) for one in inner
        ]
    if kind == "relations" and (ties := _ties_by_end(value)):
        return ties
    if all(one is None or isinstance(one, str | dict) for one in value.values()):
        keys, told = (("pair",), "type") if kind == "relations" else (("id", "name"), "description")
        return [
            dict.fromkeys(keys, name) | (one if isinstance(one, dict) else {told: one})
            for name, one in value.items()
        ]
    return [value]


def _unwrapped(part: Any, kind: str) -> list[Any]:
    """Return [the item] of an object that holds it under its kind or name, or the relations that an object
    lists for one end."""
    if kind == "relations" and isinstance(part, dict) and len(part) <= MAX_ENDS:
        inner = {key: given for key, given in part.items() if _is_list_of_items(given)}
        own = {*map(plain, inner)} & OF_ENDS or _fields_of(inner) & (_FIELDS[kind] - {"type"})
        if len(inner) == 1 and not own:
            beside = {key: given for key, given in part.items() if key not in inner}
            return [{**beside, **one} for one in next(iter(inner.values()))]
    if not isinstance(part, dict) or len(part) != 1:
        return [part]
    ((key, inner),) = part.items()
    if not isinstance(inner, dict):
        return [part]
    if kind_called(key) == kind or plain(key) in ("entity", "node", "item"):
        return [inner]
    return [part] if field_of(key, kind) in _FIELDS[kind] else items_of(part, kind)


def _of_group(item: dict[str, Any], key: str, kind: str) -> dict[str, Any]:
    """Return an item with the key of its list as its type or, of a relation without a source, as
    its source."""
    if _is_type(key):
        return {"type": key, **item}
    no_source = kind == "relations" and ENDS & _fields_of(item) == {"target"}
    return {"source": key, **item} if no_source and OF_ENDS.isdisjoint(map(plain, item)) else item


def _ties_by_end(value: dict[str, Any]) -> list[Any]:
    """Return relations mapped by source and target or by type; [] for other maps.

    ``{"刘备": {"关羽": "LEADS"}}``, ``{"LEADS": [["刘备", "关羽"]]}``.
    """
    ties: list[Any] = []
    for key, inner in value.items():
        if isinstance(inner, dict) and not _FIELDS["relations"].intersection(_fields_of(inner)):
            ties += [
                {"source": key, "target": one, **told} if isinstance(told, dict) else [key, told, one]
                for one, told in inner.items()
            ]
        elif isinstance(inner, list) and all(isinstance(one, list) and len(one) == 2 for one in inner):
            ties += [[one, key, other] for one, other in inner]
        else:
            return []
    return ties


def _fields_of(tie: Iterable[str]) -> set[str]:
    """Return the fields of a relation that an object's keys mean."""
    return {field_of(key, "relations") for key in tie}


def _is_list_of_items(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(one, dict) for one in value)


# --- items --------------------------------------------------------------------------------------------------

_FIELDS = {kind: frozenset(item.model_fields) for kind, item in LISTS.items()}
_LISTS = {
    kind: frozenset(name for name, field in item.model_fields.items() if field.annotation == list[str])
    for kind, item in LISTS.items()
}


def _is_named(item: Iterable[str], kind: str = "things") -> bool:
    """Return whether one of an object's keys means a name or an id."""
    return any(field_of(key, kind) in ("name", "id") for key in item)


def mended_item(item: Any, kind: str) -> dict[str, Any]:
    """Return ``item`` as a mapping of its kind's fields: keys by their own names, names as texts, lists as
    lists.

    Of characters: {"姓名": "何恭", "别名": "子安、何使君"} → {"name": "何恭", "aliases": ["子安", "何使君"]};
    "何恭：太守" → {"name": "何恭", "description": "太守"}; 3 → {}. The result may also have ``id`` and
    ``relations``, and a relation ``parts`` or ``pair``.
    """
    if isinstance(item, str) and (bullet := _BULLET.match(item)):
        item = item[bullet.end() :]
    if isinstance(item, str) and kind != "relations":
        told = _TOLD.fullmatch(item) if len(item) <= MAX_NAME * 2 else None
        if told is None or (kind == "characters" and told["within"]):  # the remark may distinguish two people
            return {"name": item}
        return {"name": told["name"], "description": told["after"] or told["within"]}
    if isinstance(item, str) and "<" not in item:  # no arrow back
        item = [part for one in _BETWEEN.split(item) if (part := one.strip(_AROUND))]
    if isinstance(item, list) and kind == "relations":
        return _triple(item) or {"parts": item}
    if not isinstance(item, dict):
        return {}
    own: dict[str, Any] = item if item.keys() <= _FIELDS[kind] else _renamed(item, kind)
    if kind == "events" and not own.get("name") and (told := own.get("title") or own.get("description")):
        own["name"] = told[:MAX_NAME] if isinstance(told, str) else told
    lists = _LISTS[kind]
    for key in lists:
        given = own.get(key)
        if given and not (key == "participants" and has_roles(given)):
            own[key] = split_names(given)
    for key, given in own.items():
        if type(given) is str and given.lower() in _NOTHING and key not in _WANTED[kind]:
            own[key] = ""
    types = list(map(type, own.values()))
    if dict in types or types.count(list) > len(lists & own.keys()):
        kept = {*lists, "relations"}
        return {key: value if key in kept else _one_text(value, key) for key, value in own.items()}
    return own


def has_roles(participants: Any) -> TypeGuard[dict[str, str]]:
    """Return whether participants are a mapping between names and roles: ``{"刘备": "守方"}`` or ``{"守方":
    "刘备"}``."""
    if not isinstance(participants, dict) or "name" in participants:
        return False
    return all(isinstance(one, str) for one in participants.values())


def says_nothing(value: Any) -> bool:
    """Return whether a value is empty, a word for nothing, or punctuation alone: ``无``, ``N/A``, ``...`` →
    True; "Tom" → False."""
    if not value or not isinstance(value, str):
        return not value
    return value.strip().lower() in _NOTHING or (value.isprintable() and not any(map(str.isalnum, value)))


def text_in(value: Any) -> Any:
    """Return the name, else the only text, in an object or a list of one; any other value unchanged.

    [{"name": "Tom"}] → "Tom"; {"a": 1} → {"a": 1}.
    """
    if isinstance(value, list) and len(value) == 1:
        value = value[0]
    if not isinstance(value, dict):
        return value
    texts = {field_of(key, "characters"): text for key, text in value.items() if isinstance(text, str)}
    named = (texts[field] for field in ("name", "aliases", "id") if field in texts)
    return next(named, next(iter(texts.values())) if len(texts) == 1 else value)


def _one_text(value: Any, key: str) -> Any:
    """Return a field's value as one text: of several the first, for a description all; a relation's ends may
    stay lists."""
    if not isinstance(value, list) or key in ("name", "source", "target"):
        return text_in(value)
    texts = [text for one in value if isinstance(text := text_in(one), str)]
    return "；".join(texts) if key == "description" else "".join(texts[:1])


def _renamed(item: dict[str, Any], kind: str) -> dict[str, Any]:
    inner = (item.get(key) for key in ("properties", "attributes"))
    fields, item = _FIELDS[kind], {**next((one for one in inner if isinstance(one, dict)), {}), **item}
    told = {key: given for key, given in item.items() if key in fields}
    own = {key: given for key, given in told.items() if key != "type" or not kind_called(str(given))}
    others = [(field_of(key, kind), rank_of(key, kind), key) for key in item if key not in told]
    more: dict[str, list[Any]] = {"aliases": [], "traits": []}  # they count under all their keys
    for field, _, key in sorted(others, key=itemgetter(1)):  # a name by the surest key
        if field in more:
            more[field] += split_names(item[key])
        elif field != "type" or not kind_called(str(item[key])):
            own.setdefault(field, item[key])
    own |= {field: [*split_names(own.get(field) or ""), *given] for field, given in more.items() if given}
    if isinstance(known := own.get("id"), str) and not _CODE.fullmatch(known):
        own.setdefault("name", known)
    family, name = own.get("surname"), own.get("name")
    if isinstance(family, str) and isinstance(name, str) and not says_nothing(family):
        own["name"] = _with_surname(name, family)
    if kind == "relations" and not own.keys() >= ENDS:
        pairs = [given for key, given in item.items() if plain(key) in OF_ENDS and given != own.get("type")]
        both = [given for given in pairs if isinstance(given, list)]
        if len(pairs) == 1 and isinstance(pairs[0], str):
            own.setdefault("pair", pairs[0])
        elif len(both) == 1 and len(both[0]) == 2 and not own.keys() & ENDS:
            own["source"], own["target"] = both[0]  # "characters": ["刘备", "关羽"]
    return {**told, **own}


def _with_surname(name: str, family: str) -> str:
    if family.lower() in name.lower():
        return name
    return f"{name} {family}" if family.isascii() else family + name


def _triple(item: list[Any]) -> dict[str, Any]:
    """Return ``["何恭", "FRIEND_OF", "程勇"]`` as a relation, at whatever place its type stands; {} if no
    item is a type."""
    types = [one for one in item if isinstance(one, str) and _TYPE.fullmatch(one)]
    ends = [one for one in item if one not in types]
    if len(types) == 1 and len(ends) in (2, 3) and (types[0] == item[1] or _is_type(types[0])):
        return {"type": types[0], **dict(zip(("source", "target", "description"), ends, strict=False))}
    return {}


def _is_type(word: str) -> bool:
    """Return whether a word in capitals can only be a relation's type: ``FBI`` may be a name."""
    return "_" in word or word in CHARACTER_RELATIONS


def split_names(value: Any, depth: int = 0) -> list[Any]:
    """Return the names in a value as a list: "子安、何使君" → ["子安", "何使君"]; [{"name": "Tom"}, "无"] →
    ["Tom"]; 3 → [3]."""
    if isinstance(value, str):
        parts = (part.strip() for part in _SEPARATORS.split(value))
        return [part for part in parts if not says_nothing(part)]
    if isinstance(value, dict):
        inner = value.values() if depth < MAX_DEPTH else ()
        return (
            [value["name"]] if "name" in value else [one for v in inner for one in split_names(v, depth + 1)]
        )
    if not isinstance(value, list):
        return [value]
    return [text_in(part) for part in value if not isinstance(part, str) or not says_nothing(part)]
