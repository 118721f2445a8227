"""The lists asked for, in whatever shape a reply gives them: nested, under other keys, as maps, in pieces."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from operator import itemgetter
from typing import Any, TypeGuard

from kgnb.core.model import CHARACTER_RELATIONS
from kgnb.extract.model import LISTS, MAX_NAME
from kgnb.extract.reply_keys import OF_BOTH, field_of, is_unwanted, kind_at_end, kind_called, rank_of

MAX_DEPTH = 6
"""Levels of wrapping that are looked into."""

MAX_ENDS = 20
"""Most ends, and keys, of a relation that is made one for each: no reply may grow by being read."""

_TELLS_KIND = ("kind", "type", "label", "labels", "category", "entity_type", "类型")
_NUMBERS = ("protagonist_score", "strength", "confidence")
_CODE = re.compile(r"[a-z]*[_-]?\d+", re.IGNORECASE)
"""What numbers an item, as an id: ``1``, ``p1``, ``char_01``."""
_NOTHING = frozenset(
    ("无", "未知", "无关系", "没有关系", "none", "no relation", "null", "n/a", "unknown", *"-?")
)
_SEPARATORS = re.compile(r"[、，,；;／/|\n]")
_NAME = re.compile(r"[^\W\d_][\w·•・.'’ -]+")
_PAIR = re.compile(r"<[-=]+>|(?<![<=-])[-=]+>?|[→↔—–~～&+/／、,，与和]|\band\b")
_BETWEEN = re.compile(r"-{2,}>?|->|→|—+|\s-\s|-\[|\]-?>?|[:：|(),，（）]")
_TYPE = re.compile(r"[A-Z][A-Z_]+")


def lists_in(value: Any, depth: int = 0) -> dict[str, list[Any]] | None:
    """The items by kind that ``value`` holds; None when it has none of the lists asked for.

    A list that is nested deeper counts where no other of its kind is given outside of it. Also None for a
    list without a key of which some items would be lost, as nothing says what they are.
    """
    if isinstance(value, str):
        value = _decoded(value)
    if depth > MAX_DEPTH or (depth == 0 and has_stray(value)):
        return None
    if isinstance(value, list):
        return united(lists_in(one, depth + 1) for one in value)
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
    """The kind of the items under a key. ``of_item``: of an item, names in such a list are not items."""
    are_names = not of_item and isinstance(given, list) and str in map(type, given)
    return kind_called(key) or (kind_at_end(key) if are_names or _is_list_of_items(given) else None)


def has_stray(value: Any, depth: int = 0) -> bool:
    """Whether ``value`` is an item that nothing says the kind of, or a list with one."""
    if isinstance(value, list) and depth <= MAX_DEPTH:
        return any(has_stray(one, depth + 1) for one in value)
    return isinstance(value, dict) and _is_named(value) and lists_in(value, 1) is None


def united(parts: Iterable[dict[str, list[Any]] | None]) -> dict[str, list[Any]] | None:
    """The items of all parts; None where every part is None."""
    found: dict[str, list[Any]] = {}
    for part in parts:
        for kind, items in (part or {}).items():
            found.setdefault(kind, []).extend(items)
    return found or None


def _decoded(text: str) -> Any:
    """The JSON that a string holds, perhaps in a fence, if it does."""
    text = text.strip("` \t\r\n").removeprefix("json").lstrip()
    if text[:1] not in ("{", "["):
        return None
    try:
        return json.loads(text, strict=False)
    except (ValueError, RecursionError):
        return None


def _single_item(value: dict[str, Any]) -> dict[str, list[Any]] | None:
    """An item that stands outside of a list and says itself what it is; or a list that is named so."""
    is_wrapper = any(map(_is_list_of_items, value.values()))
    if {field_of(key, "relations") for key in value} >= {"source", "target"} and not is_wrapper:
        return {"relations": [value]}
    told = (_text(value.get(key)) for key in _TELLS_KIND)
    kind = next(filter(None, (kind_called(one) for one in told if isinstance(one, str))), None)
    if kind is None:
        return None
    if _is_named(value, kind):
        return {kind: [value]}
    lists = [given for given in value.values() if isinstance(given, list)]
    return {kind: lists[0]} if len(lists) == 1 else None


def items_of(value: Any, kind: str) -> list[Any]:
    """The value given for a list, as a list: it may be nothing, a single item, or a mapping by name.

    Relations may be mapped by their pair: ``{"刘备-关羽": "结义兄弟"}``.
    """
    if isinstance(value, list):
        return [one for part in value for one in (part if _is_list_of_items(part) else (part,))]
    if value is None or value == "":
        return []
    if not isinstance(value, dict) or "name" in value or "source" in value:
        return [value]
    lists = {key: inner for key, inner in value.items() if _is_list_of_items(inner)}
    if len(lists) == len(value) or value.get("type") == "array":
        # {"items": […]}, {"main": […]}, {"ALLY": […]}, or the list's schema, which some repeat first
        return [
            {"type": key, **one} if _is_type(key) else one
            for key, inner in lists.items()
            if not is_unwanted(key)
            for one in inner
        ]
    if all(one is None or isinstance(one, str | dict) for one in value.values()):
        keys, told = (("pair",), "type") if kind == "relations" else (("id", "name"), "description")
        return [
            dict.fromkeys(keys, name) | (one if isinstance(one, dict) else {told: one})
            for name, one in value.items()
        ]
    return [value]


def _is_list_of_items(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(one, dict) for one in value)


# --- items --------------------------------------------------------------------------------------------------

_FIELDS = {kind: frozenset(item.model_fields) for kind, item in LISTS.items()}
_LISTS = {
    kind: frozenset(name for name, field in item.model_fields.items() if field.annotation == list[str])
    for kind, item in LISTS.items()
}


def _is_named(item: Iterable[str], kind: str = "things") -> bool:
    """Whether the keys of an object tell its name, if only by an id."""
    return any(field_of(key, kind) in ("name", "id") for key in item)


def mended_item(item: Any, kind: str) -> dict[str, Any]:
    """``item`` with the fields of its kind: keys by their own names, names as texts, lists as lists.

    It may have an ``id`` and ``relations`` besides. Empty for what is no item.
    """
    if isinstance(item, str) and kind != "relations":
        return {"name": item}
    if isinstance(item, str) and "<" not in item:  # no arrow back
        item = [part.strip() for part in _BETWEEN.split(item) if part.strip()]
    if isinstance(item, list) and kind == "relations":
        return _triple(item)
    if not isinstance(item, dict):
        return {}
    own: dict[str, Any] = item if item.keys() <= _FIELDS[kind] else _renamed(item, kind)
    if kind == "events" and not own.get("name") and (told := own.get("title") or own.get("description")):
        own["name"] = told[:MAX_NAME] if isinstance(told, str) else told
    lists = _LISTS[kind]
    for key in lists:
        given = own.get(key)
        if given and (type(given) is not list or dict in map(type, given)):
            own[key] = given if key == "participants" and _has_roles(given) else _split(given)
    types = list(map(type, own.values()))
    if dict in types or types.count(list) > len(lists & own.keys()):
        kept = {*lists, "relations"}
        return {key: value if key in kept else _one_text(value, key) for key, value in own.items()}
    return own


def _has_roles(participants: Any) -> TypeGuard[dict[str, str]]:
    """Whether they are given as ``{"刘备": "守方"}`` or ``{"守方": "刘备"}``."""
    if not isinstance(participants, dict) or "name" in participants:
        return False
    return all(isinstance(one, str) for one in participants.values())


# --- names --------------------------------------------------------------------------------------------------


def mended(lists: Mapping[str, list[Any]]) -> dict[str, list[dict[str, Any]]]:
    """``lists`` with each item mended, relations taken out of other items, and names in place of ids.

    Items without any content, such as a copy of the format, are left out.
    """
    found = {
        kind: [mended_item(item, kind) for item in items if not _is_blank(item)]
        for kind, items in lists.items()
    }
    ties = found.pop("relations", [])
    names = _Names(found.get("characters", ()))
    found["characters"] = names.characters
    for item in (item for items in found.values() for item in items):
        if "id" in item:
            names.add(item["id"], item.get("name"))
        if isinstance(inner := item.get("relations"), list | dict):
            told = (mended_item(one, "relations") for one in items_of(inner, "relations"))
            ties += [{"source": item.get("name"), **one} for one in told]
    for event in found.get("events", ()):
        if _has_roles(given := event.get("participants")):
            given = [*given] if names.people.intersection(given) else [*given.values()]
        event["participants"] = [names.of(one) for one in given or ()]
        event["location"] = names.of(event.get("location"))
    return {**found, "relations": [one for tie in ties for one in names.ties(tie)]}


class _Names:
    """The names in a reply, and what stands in place of them: ids, several in one text, pairs."""

    def __init__(self, characters: Sequence[dict[str, Any]]) -> None:
        self._by_id: dict[str, Any] = {}
        self._listed = {name for one in characters if isinstance(name := one.get("name"), str)}
        self.characters = [one for item in characters for one in self._each_person(item)]
        self.people = {name for one in self.characters if isinstance(name := one.get("name"), str)}

    def _each_person(self, item: dict[str, Any]) -> list[dict[str, Any]]:
        """A person, or each of several whose names stand in one text.

        In ``林远/阿远`` both are one's, unless the list has either by itself.
        """
        name = item.get("name")
        if not isinstance(name, str) or len(name) > MAX_NAME:
            return [item]
        if "、" in name:
            return [{**item, "name": one, "aliases": []} for one in _split(name)]  # whose would they be?
        first, *others = map(str.strip, name.replace("／", "/").split("/"))
        if not others or not all(map(_NAME.fullmatch, (first, *others))):  # N/A, http://…
            return [item]
        if self._listed.intersection((first, *others)):
            return [{**item, "name": one, "aliases": []} for one in (first, *others)]
        self.add(name, first)
        return [{**item, "name": first, "aliases": [*others, *(item.get("aliases") or ())]}]

    def add(self, key: Any, name: Any) -> None:
        """Note an item's id; it is no one's if each list counts from one."""
        if isinstance(key, str | int) and isinstance(name, str):
            self._by_id[str(key)] = name if self._by_id.get(str(key), name) == name else None

    def of(self, value: Any) -> Any:
        """The name of the entity with an id, None for a number that is no id; any other value as it is."""
        is_text = isinstance(value, str)
        if isinstance(value, int | float) or (is_text and value.isdecimal() and value not in self.people):
            return self._by_id.get(str(value))
        return self._by_id.get(value, value) if is_text else value

    def ties(self, tie: dict[str, Any]) -> list[dict[str, Any]]:
        """A relation, or one between each of its ends; none where a pair is said to have none."""
        if isinstance(pair := tie.get("pair"), str):
            if _says_nothing(tie.get("type", pair) or tie.get("description")):
                return []
            if not tie.keys() >= {"source", "target"}:
                tie = {**tie, **self._pair(pair, tie.get("source"))}
        sources, targets = (self._ends(tie.get(end)) for end in ("source", "target"))
        if max(len(tie), len(sources) * len(targets)) > MAX_ENDS:
            return [tie]
        return [{**tie, "source": source, "target": target} for source in sources for target in targets]

    def _ends(self, value: Any) -> list[Any]:
        """The entities that stand for one end: in a list, or people in one text."""
        parts = [_text(one) for one in value] if isinstance(value, list) else []
        if isinstance(value, str) and "、" in value and self.people.issuperset(split := _split(value)):
            parts = split
        return [self.of(one) for one in parts or [value]]

    def _pair(self, text: str, source: Any) -> dict[str, str]:
        """The ends that ``刘备-关羽`` tells: both known people, or else one of them.

        With a ``source``, whose object this stands in, a text that isn't two known people is the other end.
        """
        if text in self.people:
            return {"target": text}
        signs = _PAIR.finditer(text[: 2 * MAX_NAME])
        cuts = [(text[: sign.start()].strip(), text[sign.end() :].strip()) for sign in signs]
        for least in (2,) if source else (2, 1):
            known = [ends for ends in cuts if sum(self.of(end) in self.people for end in ends) >= least]
            if len(known) == 1:
                return dict(zip(("source", "target"), known[0], strict=True))
        return {"target": text} if source else {}


def _is_blank(item: Any) -> bool:
    """Whether an item says nothing: ``{}``, ``{"name": "", "aliases": [], "protagonist_score": 0}``."""
    if not isinstance(item, dict):
        return item in (None, "")
    return not any(given for key, given in item.items() if key not in _NUMBERS)


def _says_nothing(value: Any) -> bool:
    """Whether it is empty, or a word for nothing: ``无``, ``N/A``."""
    return not value or (isinstance(value, str) and value.strip().lower() in _NOTHING)


def _text(value: Any) -> Any:
    """The name, or else the only text, in an object or a list of one that stands in place of it."""
    if isinstance(value, list) and len(value) == 1:
        value = value[0]
    if not isinstance(value, dict):
        return value
    texts = {field_of(key, "characters"): text for key, text in value.items() if isinstance(text, str)}
    named = (texts[field] for field in ("name", "aliases", "id") if field in texts)
    return next(named, next(iter(texts.values())) if len(texts) == 1 else value)


def _one_text(value: Any, key: str) -> Any:
    """A field's value as one text; of several, which a relation has at its ends only, the first counts."""
    if not isinstance(value, list) or key in ("name", "source", "target"):
        return _text(value)
    texts = [text for one in value if isinstance(text := _text(one), str)]
    return "；".join(texts) if key == "description" else "".join(texts[:1])


def _renamed(item: dict[str, Any], kind: str) -> dict[str, Any]:
    inner = (item.get(key) for key in ("properties", "attributes"))
    fields, item = _FIELDS[kind], {**next((one for one in inner if isinstance(one, dict)), {}), **item}
    told = {key: given for key, given in item.items() if key in fields}
    own = {key: given for key, given in told.items() if key != "type" or not kind_called(str(given))}
    others = [(field_of(key, kind), rank_of(key, kind), key) for key in item if key not in told]
    for field, _, key in sorted(others, key=itemgetter(1)):  # a name by the surest key
        own.setdefault(field, item[key])
    if isinstance(known := own.get("id"), str) and not _CODE.fullmatch(known):
        own.setdefault("name", known)
    family, name = own.get("surname"), own.get("name")
    if isinstance(family, str) and isinstance(name, str) and not _says_nothing(family):
        own["name"] = _with_surname(name, family)
    if kind == "relations" and not {"source", "target"} & own.keys():
        pairs = [own[key] for key in own if key in OF_BOTH and isinstance(own[key], list)]
        if len(pairs) == 1 and len(pairs[0]) == 2:  # "characters": ["刘备", "关羽"]
            own["source"], own["target"] = pairs[0]
    return {**told, **own}


def _with_surname(name: str, family: str) -> str:
    if family.lower() in name.lower():
        return name
    return f"{name} {family}" if family.isascii() else family + name


def _triple(item: list[Any]) -> dict[str, Any]:
    """``["何恭", "FRIEND_OF", "程勇"]`` as a relation, wherever its type stands."""
    types = [one for one in item if isinstance(one, str) and _TYPE.fullmatch(one)]
    ends = [one for one in item if one not in types]
    if len(types) == 1 and len(ends) in (2, 3) and (types[0] == item[1] or _is_type(types[0])):
        return {"type": types[0], **dict(zip(("source", "target", "description"), ends, strict=False))}
    return {}


def _is_type(word: str) -> bool:
    """Whether a word in capitals is a relation's type wherever it stands: ``FBI`` may be a name."""
    return "_" in word or word in CHARACTER_RELATIONS


def _split(value: Any, depth: int = 0) -> list[Any]:
    """``"子安、何使君"`` as a list, and ``[{"name": …}]`` or ``{"字": …}`` as names."""
    if isinstance(value, str):
        parts = (part.strip() for part in _SEPARATORS.split(value))
        return [part for part in parts if not _says_nothing(part)]
    if isinstance(value, dict):
        inner = value.values() if depth < MAX_DEPTH else ()
        return [value["name"]] if "name" in value else [one for v in inner for one in _split(v, depth + 1)]
    return [_text(part) for part in value] if isinstance(value, list) else [value]
