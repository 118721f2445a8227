"""Finds the lists asked for in a reply's JSON, and turns their items into mappings of kgnb's own fields.

Shapes are read that models are known to give in place of the one asked for (docs/providers.md lists them with
their sources); any other item is kept as it is, so that its validation rejects and counts it.
"""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Iterable, Mapping
from itertools import product
from pathlib import Path
from typing import Any

from kgnb.extract.model import LISTS, MAX_NAME

MAX_DEPTH = 6
"""Most levels of nesting that are searched."""
MAX_ENDS = 20
"""Most relations that an item with lists as its ends becomes, so that a reply can't grow much."""
STRAYS = ""
"""Key, in place of a list's name, of items whose list is unknown; they are lost."""

_FILE = tomllib.loads(Path(__file__).with_suffix(".toml").read_text("utf-8"))
_KIND_OF = {word: kind for kind, words in _FILE["lists"].items() for word in words.split()}
_TELLS_KIND = frozenset(("kind", "type", "label", "labels", "category", "entitytype", "类型"))
_WRAPPERS = frozenset(("entities", "nodes", "items", "properties", "data", "result", "output", "实体"))
"""Keys of objects and lists that may hold the lists asked for beside a list outside them."""
_NOTHING = frozenset(("无", "未知", "不详", "暂无", "未提及", "none", "null", "n/a", "unknown", "string"))
"""Words for nothing, with which models fill fields that strict decoding wants; "string": of a schema."""
_NO_TIE = _NOTHING | {"无关系", "没有关系", "no relation"}
_INNER = ("properties", "attributes")
"""Keys of an object with an item's further fields, as in property graphs."""
_SEPARATORS = re.compile(r"[、，,；;／/|\n]")
_REMARK = re.compile(r"(?<=\w)\s*[(（\[].*", re.DOTALL)
"""A remark behind a key's word: ``强度(1-10)``, ``aliases[]``."""
_ENDS = frozenset(("source", "target"))
_NUMBERS = frozenset(("protagonist_score", "strength", "confidence"))
_TEXT_LISTS = {
    kind: frozenset(name for name, field in item.model_fields.items() if field.annotation == list[str])
    for kind, item in LISTS.items()
}


def _plain(key: str) -> str:
    """Return a key in lower case without separators and remarks: ``sourceName`` and ``source_name（源）`` →
    "sourcename"."""
    return "".join(filter(str.isalnum, _REMARK.sub("", key))).lower()


def _fields_of(kind: str) -> dict[str, str]:
    """Return word → field for the keys of a kind's items; a field's own name is surest."""
    fields = {*LISTS[kind].model_fields, "id"}
    others = {**_FILE["fields"], "relations": "" if kind == "relations" else _FILE["lists"]["relations"]}
    words = {form: name for name in fields for form in (name, _plain(name))}
    for name, told in others.items():
        if name in fields or name == "relations":
            words = {**dict.fromkeys(told.split(), name), **words}
    return words


_FIELD_OF = {kind: _fields_of(kind) for kind in LISTS}


# --- the lists ----------------------------------------------------------------------------------------------


def lists_in(value: Any) -> dict[str, list[Any]] | None:
    """Return list name → items found in a reply's ``value``; None if it holds none of the lists asked for.

    {"人物": [{"name": "Tom"}]} → {"characters": [{"name": "Tom"}]}; {"a": 1} → None. Items that belong to no
    list are under :data:`STRAYS`; None if there are no others, or if ``value`` is itself the list of such
    items.
    """
    found: dict[str, list[Any]] = {}
    _collect(value, found, 0)
    is_lost = isinstance(value, list) and STRAYS in found
    return found if found.keys() - {STRAYS} and not is_lost else None


def has_stray(value: Any) -> bool:
    """Return whether ``value`` holds an item that belongs to no list: [{"name": "Tom"}] → True."""
    found: dict[str, list[Any]] = {}
    _collect(value, found, 0)
    return STRAYS in found


def _collect(value: Any, found: dict[str, list[Any]], depth: int) -> None:
    """Add the items in ``value``, at any depth, to ``found``."""
    if isinstance(value, str):
        value = _decoded(value)
    if depth > MAX_DEPTH:
        return
    if isinstance(value, list):
        for one in value:
            _collect(one, found, depth + 1)
    elif isinstance(value, dict) and (kind := _stated_kind(value)) is not None:
        found.setdefault(kind, []).append(value)
    elif isinstance(value, dict):
        _collect_from_keys(value, found, depth)


def _collect_from_keys(value: dict[str, Any], found: dict[str, list[Any]], depth: int) -> None:
    is_named = bool({_FIELD_OF["things"].get(_plain(key)) for key in value} & {"name", "id"})
    kinds = {key: kind for key, given in value.items() if (kind := _kind_of_key(key, given, is_named))}
    for key, kind in kinds.items():
        found.setdefault(kind, []).extend(items_of(value[key]))
    before = sum(map(len, found.values()))
    for key, given in value.items():
        if key in kinds:
            continue
        inside: dict[str, list[Any]] = {}
        _collect(given, inside, depth + 1)
        # Beside a list, other keys may hold what the reply decided against.
        is_lost = bool(kinds) and _plain(key) not in _WRAPPERS
        for kind, items in inside.items():
            found.setdefault(STRAYS if is_lost else kind, []).extend(items)
    if is_named and not kinds and sum(map(len, found.values())) == before:
        found.setdefault(STRAYS, []).append(value)


def _kind_of_key(key: str, given: Any, is_named: bool) -> str | None:
    """Return the list that a key names; None if it names none, or is an item's own field (its group, its
    place), or if its value is the JSON schema of a list."""
    is_schema = isinstance(given, dict) and given.get("type") == "array" and not _has_items(given)
    is_field = is_named and isinstance(given, str | int)
    return None if is_schema or is_field else _KIND_OF.get(_plain(key))


def _has_items(given: dict[str, Any]) -> bool:
    """Return whether an object has a list under "items", as a JSON schema of a list has."""
    return isinstance(given.get("items"), list)


def _stated_kind(item: Mapping[str, Any]) -> str | None:
    """Return the list that an item outside any list belongs to, by what it states as its kind, or by its two
    ends; None for any other object."""
    is_wrapper = any(map(_is_list_of_items, item.values()))
    if not is_wrapper and {_FIELD_OF["relations"].get(_plain(key)) for key in item} >= _ENDS:
        return "relations"
    if {_FIELD_OF["things"].get(_plain(key)) for key in item}.isdisjoint(("name", "id")):
        return None
    told = (as_text(given) for key, given in item.items() if _plain(key) in _TELLS_KIND)
    return next(filter(None, map(_kind_called, told)), None)


def _kind_called(word: Any) -> str | None:
    """Return the list with this name: ``人物`` and ``Persons`` → "characters"; None for any other value."""
    return _KIND_OF.get(_plain(word)) if isinstance(word, str) else None


def items_of(value: Any) -> list[Any]:
    """Return the value given for a list as a list of items; it may be empty, a single item, a list of lists
    or a list's JSON schema around the items.

    None → []; "Tom" → ["Tom"]; [[{"name": "Tom"}]] → [{"name": "Tom"}].
    """
    if isinstance(value, str) and (decoded := _decoded(value)) is not None:
        value = decoded
    if isinstance(value, dict) and _has_items(value):
        value = value["items"]
    if isinstance(value, list):
        return [one for part in value for one in (part if _is_list_of_items(part) else [part])]
    return [] if value is None or value == "" else [value]


def _is_list_of_items(value: Any) -> bool:
    """Return whether a value is a list with at least one object in it."""
    return isinstance(value, list) and dict in map(type, value)


def _decoded(text: str) -> Any:
    """Return the value of the JSON in a string, perhaps in a fence; None if it is no JSON object or list."""
    text = text.strip("` \t\r\n").removeprefix("json").lstrip()
    if text[:1] not in ("{", "["):
        return None
    try:
        return json.loads(text, strict=False)
    except (ValueError, RecursionError):
        return None


# --- the items ----------------------------------------------------------------------------------------------


def with_own_fields(lists: Mapping[str, list[Any]]) -> dict[str, list[Any]]:
    """Return ``lists`` (list name → items) with items that have kgnb's own fields, and names in place of ids.

    A relation from 1 to 2, ids of Tom and Ann, → from "Tom" to "Ann"; ["Tom"] of characters → [{"name":
    "Tom"}]. Items without content, such as a copy of the format, are left out, as are relations that have a
    word for nothing at an end.
    """
    found = {
        kind: [own for item in items if not _is_blank(own := _own(item, kind))]
        for kind, items in lists.items()
    }
    ties = found.pop("relations", [])
    entities = [one for items in found.values() for one in items if isinstance(one, dict)]
    for item in entities:  # some list a person's relations in the person's own object
        source = {"source": item["name"]} if item.get("name") else {}
        inner = (_own(one, "relations") for one in items_of(item.pop("relations", None)))
        ties += [{**source, **one} if isinstance(one, dict) else one for one in inner]
    names = _names_by_id(entities)
    found["characters"] = [one for item in found.get("characters", ()) for one in _each_person(item)]
    persons = (one for one in found["characters"] if isinstance(one, dict))
    people = {name for one in persons if isinstance(name := one.get("name"), str)}
    for event in found.get("events", ()):
        if isinstance(event, dict):
            event["participants"] = [names.get(str(one), one) for one in event.get("participants") or ()]
    return {**found, "relations": [one for tie in ties for one in _each_tie(tie, names, people)]}


def _own(item: Any, kind: str) -> Any:
    """Return an item with its fields under kgnb's names and in the form of their types.

    Of characters: {"姓名": "何恭", "别名": "子安、何使君"} → {"name": "何恭", "aliases": ["子安", "何使君"]}.
    """
    if isinstance(item, str) and kind != "relations":
        return {} if says_nothing(item) else {"name": item}
    if not isinstance(item, dict):
        return item
    inner = next((one for key in _INNER if isinstance(one := item.get(key), dict)), {})
    own: dict[str, Any] = {}
    for key, given in {**inner, **item}.items():
        field = _FIELD_OF[kind].get(key) or _FIELD_OF[kind].get(_plain(key), key)
        if field == "type" and kind == "relations" and _kind_called(given) is not None:
            continue  # what the item is, beside what the relation is
        if field in _TEXT_LISTS[kind]:
            own[field] = [*own.get(field, ()), *split_names(given)]
        elif field not in own or key == field:
            own[field] = given
    told = own.get("type")
    if kind == "relations" and isinstance(told, str) and told.strip().lower() in _NO_TIE:
        return {}
    if isinstance(known := own.get("id"), str) and not known[-1:].isdigit():
        own.setdefault("name", known)  # of a graph's nodes; no p1
    kept = {*_TEXT_LISTS[kind], "relations"}
    return {key: given if key in kept else _cleared(given, key) for key, given in own.items()}


def _cleared(value: Any, key: str) -> Any:
    """Return a field's value as a text, "" for a word for nothing; a relation's ends may stay lists."""
    if isinstance(value, list) and key not in (*_ENDS, "name"):
        texts = [text for one in value if isinstance(text := as_text(one), str)]
        value = "；".join(texts if key == "description" else texts[:1]) or value
    value = as_text(value)
    is_nothing = says_nothing(value) if key in (*_ENDS, "name") else _is_word_for_nothing(value)
    return "" if is_nothing else value


def as_text(value: Any) -> Any:
    """Return the name in an object or the only text in a list; any other value unchanged.

    [{"name": "Tom"}] → "Tom"; {"a": 1} → {"a": 1}.
    """
    if isinstance(value, list) and len(value) == 1:
        value = value[0]
    if isinstance(value, dict):
        texts = {_FIELD_OF["characters"].get(_plain(key)): text for key, text in value.items()}
        (only,) = value.values() if len(value) == 1 else (None,)
        return texts.get("name") or texts.get("id") or (only if isinstance(only, str) else value)
    return value


def split_names(value: Any) -> list[Any]:
    """Return the names in a value as a list: "子安、何使君" → ["子安", "何使君"]; [{"name": "Tom"}, "无"] →
    ["Tom"]; 3 → [3]."""
    if isinstance(value, str):
        value = _SEPARATORS.split(value)
    parts = map(as_text, value if isinstance(value, list) else [value])
    texts = (one.strip() if isinstance(one, str) else one for one in parts)
    return [one for one in texts if one is not None and not says_nothing(one)]


def says_nothing(value: Any) -> bool:
    """Return whether a text is empty, a word for nothing or punctuation alone: ``无``, ``N/A``, ``...`` →
    True; "Tom" and 0 → False."""
    is_mark = isinstance(value, str) and value.isprintable() and not any(map(str.isalnum, value))
    return is_mark or _is_word_for_nothing(value)


def _is_word_for_nothing(value: Any) -> bool:
    """Return whether a value is a word for nothing: "None", " 无 " → True; None and 0 → False."""
    return isinstance(value, str) and value.strip().lower() in _NOTHING


def _is_blank(item: Any) -> bool:
    """Return whether an item has no content: None, {"name": "", "aliases": [], "protagonist_score": 0}."""
    if not isinstance(item, dict):
        return item is None or (isinstance(item, str) and says_nothing(item))
    return not any(given for key, given in item.items() if key not in _NUMBERS)


def _each_person(item: Any) -> list[Any]:
    """Return the persons of an item whose name is a list of names, ``关羽、张飞``: whose the aliases are is
    unknown."""
    name = item.get("name") if isinstance(item, dict) else None
    if not isinstance(name, str) or "、" not in name or len(name) > MAX_NAME:
        return [item]
    return [{**item, "name": one, "aliases": []} for one in split_names(name)]


# --- ids and ends -------------------------------------------------------------------------------------------


def _names_by_id(items: Iterable[Mapping[str, Any]]) -> dict[str, str]:
    """Return id → name of items that have both; an id that several names have stands for none."""
    found: dict[str, str] = {}
    shared: set[str] = set()
    for item in items:
        key, name = str(item.get("id")), item.get("name")
        if "id" in item and isinstance(name, str) and found.setdefault(key, name) != name:
            shared.add(key)
    return {key: name for key, name in found.items() if key not in shared}


def _each_tie(tie: Any, names: Mapping[str, str], people: set[Any]) -> list[Any]:
    """Return a relation for each combination of its ends; [] if an end is a word for nothing."""
    if not isinstance(tie, dict) or not tie.keys() >= _ENDS:
        return [tie]
    if any(tie[end] in ("", None) for end in _ENDS):
        return []
    ends = [_each(tie[end], names, people) for end in ("source", "target")]
    if len(ends[0]) * len(ends[1]) > MAX_ENDS:
        return [tie]
    return [{**tie, "source": source, "target": target} for source, target in product(*ends)]


def _each(value: Any, names: Mapping[str, str], people: set[Any]) -> list[Any]:
    """Return the names at a relation's end: of a list, of an id, or of people joined by a comma."""
    parts = [as_text(one) for one in value] if isinstance(value, list) else [value]
    if isinstance(value, str) and "、" in value and people.issuperset(several := split_names(value)):
        parts = several
    return [names.get(str(one), None if isinstance(one, int | float) else one) for one in parts or [None]]
