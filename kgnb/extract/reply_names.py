"""Resolves names in a reply: ids, several names in one text, pairs of names and sentences become names."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from kgnb.extract.model import MAX_NAME
from kgnb.extract.reply_shape import (
    ENDS,
    MAX_ENDS,
    NO_TIE,
    has_roles,
    items_of,
    mended_item,
    says_nothing,
    split_names,
    text_in,
)

_NUMBERS = ("protagonist_score", "strength", "confidence")
_TELL_NOTHING = {"id", "name", "type", *_NUMBERS}
"""Fields of an item that say nothing about a person without a name."""
_NAME = re.compile(r"[^\W\d_][\w·•・.'’ -]+")
_PAIR = re.compile(r"<[-=]+>|(?<![<=-])[-=]+>?|[→↔—–~～&+/／、,，与和]|\band\b")
_REMARK = re.compile(r"([^（）()]+?)\s*[（(]([^（）()]+)[）)]")
"""A name with a remark: ``何恭（太守）``. Two names that differ in the remark alone belong to two people."""
_AND = re.compile(r"[、，,&＆和与及]|\band\b")
_AFTER_CODE = re.compile(r"[\s(（:：]")
_SAYS = (
    re.compile(r"(?P<source>.+?) ?(?:是|\b(?:is|are)\b) ?(?P<target>.+?)(?:的|['’]s\b) ?(?P<type>.+)"),
    re.compile(
        r"(?P<source>.+?)(?:[和与跟]|\sand\s)(?P<target>.+?)(?:是|\sare\s(?!(?:not|no|never)\b))(?P<type>.+)"
    ),
    re.compile(r"(?P<source>.+?) is (?!(?:not|no|never)\b)(?:the |an? )?(?P<type>.+?) of (?P<target>.+)"),
)


def mended(lists: Mapping[str, list[Any]]) -> dict[str, list[dict[str, Any]]]:
    """Return ``lists`` (list name → items) with each item mended, relations taken out of other items, and
    names in place of ids.

    A relation from "c1" to "c2", ids of Tom and Ann, → from "Tom" to "Ann". Items without content, such as a
    copy of the format, are left out. A person called 未知 (unknown) with a description gets the name "", so
    that the item counts as rejected.
    """
    found = {
        kind: [
            {**own, "name": ""} if _has_no_name(own) else own
            for item in items
            if not _is_blank(item) and not _is_nobody(own := mended_item(item, kind))
        ]
        for kind, items in lists.items()
    }
    ties = found.pop("relations", [])
    names = _Names(found)
    found["characters"] = names.characters
    for item in (item for items in found.values() for item in items):
        if "id" in item:
            names.add(item["id"], item.get("name"))
        if isinstance(inner := item.get("relations"), list | dict):
            told = (mended_item(one, "relations") for one in items_of(inner, "relations"))
            ties += [{"source": item.get("name"), **one} for one in told]
    for event in found.get("events", ()):
        if has_roles(given := event.get("participants")):
            given = [*given] if names.people.intersection(given) else [*given.values()]
        event["participants"] = [name for one in given or () for name in names.each(one)]
        event["location"] = names.of(event.get("location"))
    return {**found, "relations": [one for tie in ties for one in names.ties(tie)]}


def _split_remark(name: str) -> tuple[str, str]:
    """Return a name without its remark, and the remark ("" for none): ``何恭（太守）`` → ("何恭", "太守")."""
    told = _REMARK.fullmatch(name) if len(name) <= MAX_NAME else None
    return (told[1], told[2]) if told else (name, "")


class _Names:
    """The names of a reply, to replace ids, several names in one text, and pairs."""

    def __init__(self, found: Mapping[str, Sequence[dict[str, Any]]]) -> None:
        self._by_id: dict[str, Any] = {}
        characters = found.get("characters", ())
        self._listed = {name for one in characters if isinstance(name := one.get("name"), str)}
        self._without_remarks = Counter(_split_remark(name)[0] for name in self._listed)
        self.characters = [one for item in characters for one in self._each_person(item)]
        self.people = _names_in(self.characters)
        self._entities = self.people.union(*map(_names_in, found.values()))

    def _each_person(self, item: dict[str, Any]) -> list[dict[str, Any]]:
        """Return the person of an item, or a person for each of several names in its text.

        ``林远/阿远`` are two names of one person, unless the list has either by itself.
        """
        name = item.get("name")
        if not isinstance(name, str) or len(name) > MAX_NAME:
            return [item]
        if "、" in name:
            return [
                {**item, "name": one, "aliases": []} for one in split_names(name)
            ]  # their owner is unknown
        short, remark = _split_remark(name)
        # With other fields, the remark may distinguish the person from a namesake in other chapters.
        if remark and len(item) == 1 and self._without_remarks[short] == 1:
            self.add(name, short)  # elsewhere in the reply with the remark or without it
            return [{"name": short, "description": remark}]
        first, *others = map(str.strip, name.replace("／", "/").split("/"))
        if not others or not all(map(_NAME.fullmatch, (first, *others))):  # N/A, http://…
            return [item]
        if self._listed.intersection((first, *others)):
            return [{**item, "name": one, "aliases": []} for one in (first, *others)]
        self.add(name, first)
        return [{**item, "name": first, "aliases": [*others, *(item.get("aliases") or ())]}]

    def add(self, key: Any, name: Any) -> None:
        """Store the name for an item's id; an id that several items have stands for none."""
        if isinstance(key, str | int) and isinstance(name, str):
            self._by_id[str(key)] = name if self._by_id.get(str(key), name) == name else None

    def of(self, value: Any) -> Any:
        """Return the name of the entity with an id, None for a number that is no id, any other value
        unchanged."""
        is_text = isinstance(value, str)
        if isinstance(value, int | float) or (is_text and value.isdecimal() and value not in self.people):
            return self._by_id.get(str(value))
        if not is_text or not self._by_id:
            return value
        if value in self._by_id or value in self._entities:
            return self._by_id.get(value, value)
        code = _AFTER_CODE.split(value, 1)[0]  # "C1 (刘备)"
        return name if isinstance(name := self._by_id.get(code), str) and code != name in value else value

    def ties(self, tie: dict[str, Any]) -> list[dict[str, Any]]:
        """Return a relation for each combination of its ends; [] if the reply says that there is none."""
        if _is_no_tie(tie):
            return []
        if "target" not in tie and isinstance(parts := tie.get("parts"), list):
            tie = self._told(parts)
        if isinstance(pair := tie.get("pair"), str) and not tie.keys() >= ENDS:
            tie = {**tie, **self._pair(pair, tie)}
        sources, targets = (self.each(tie.get(end)) for end in ("source", "target"))
        if max(len(tie), len(sources) * len(targets)) > MAX_ENDS:
            return [tie]
        return [{**tie, "source": source, "target": target} for source in sources for target in targets]

    def each(self, value: Any) -> list[Any]:
        """Return the entities of one value: the items of a list, or the people that a text joins by "and" or
        a comma."""
        parts = [text_in(one) for one in value] if isinstance(value, list) else []
        if isinstance(value, str) and value not in self.people:
            split = [part.strip() for part in _AND.split(value)]
            parts = split if self.people.issuperset(split) else []
        return [self.of(one) for one in parts or [value]]

    def _told(self, parts: list[Any]) -> dict[str, Any]:
        """Return the relation that a text ("甲与乙：夫妻") or list states between two known entities; {}
        unless both are known."""
        if len(parts) == 1 and isinstance(parts[0], str) and len(parts[0]) <= MAX_NAME:
            said = filter(None, (form.fullmatch(parts[0]) for form in _SAYS))
            return next((tie for one in said if self._joins(tie := one.groupdict())), {})
        if len(parts) == 2 and isinstance(parts[0], str):  # "甲与乙：夫妻"
            tie = {**self._pair(parts[0], {}), "type": parts[1]}
            return tie if tie.keys() >= ENDS and self._joins(tie) else {}
        orders = (("source", "type", "target"), ("source", "target", "type"))
        ties = (dict(zip((*order, "description"), parts, strict=False)) for order in orders)
        return next((tie for tie in ties if 3 <= len(parts) <= 4 and self._joins(tie)), {})

    def _joins(self, tie: Mapping[str, Any]) -> bool:
        """Return whether both ends are known entities and the type is not: three people are no relation."""
        ends = [one for end in ENDS for one in self.each(tie[end])]
        known = [isinstance(one, str) and one in self._entities for one in (tie["type"], *ends)]
        return not known[0] and all(known[1:])

    def _pair(self, text: str, tie: Mapping[str, Any]) -> dict[str, str]:
        """Return the ends in a text ``刘备-关羽``, if both are known people, or else if one is.

        In an object with a ``source``, a text that is no pair of known people is the other end.
        """
        source, text = tie.get("source"), text.strip("()（）[] ")
        if text in self.people:
            return {"source" if "target" in tie else "target": text}
        signs = _PAIR.finditer(text[: 2 * MAX_NAME])
        cuts = [(text[: sign.start()].strip(), text[sign.end() :].strip()) for sign in signs]
        for least in (2,) if source else (2, 1):
            known = [ends for ends in cuts if sum(self.of(end) in self.people for end in ends) >= least]
            if len(known) == 1:
                return dict(zip(("source", "target"), known[0], strict=True))
        return {"target": text} if source else {}


def _names_in(items: Iterable[Mapping[str, Any]]) -> set[str]:
    return {name for one in items if isinstance(name := one.get("name"), str)}


def _is_blank(item: Any) -> bool:
    """Return whether an item has no content: ``{}``, ``{"name": "", "aliases": [],
    "protagonist_score": 0}``."""
    if not isinstance(item, dict):
        return item is None or (isinstance(item, str) and says_nothing(item))
    return not any(given for key, given in item.items() if key not in _NUMBERS)


def _is_nobody(item: Mapping[str, Any]) -> bool:
    """Return whether an item's name is a word for nothing (未知) and no field describes it."""
    return _has_no_name(item) and not any(item[key] for key in item.keys() - _TELL_NOTHING)


def _has_no_name(item: Mapping[str, Any]) -> bool:
    """Return whether an item's name is a word for nothing (未知)."""
    return isinstance(name := item.get("name"), str) and name != "" and says_nothing(name)


def _is_no_tie(tie: Mapping[str, Any]) -> bool:
    """Return whether a relation has a word for nothing at an end, or as its type."""
    kind, pair = tie.get("type"), tie.get("pair")
    keyed = isinstance(pair, str) and "target" not in tie
    if keyed and says_nothing(tie.get("type", pair) or tie.get("description")):
        return True
    ends = [tie[end] for end in ENDS & tie.keys()]
    nobody = any(end is None or (isinstance(end, str) and end != "" and says_nothing(end)) for end in ends)
    return nobody or (isinstance(kind, str) and kind.strip().lower() in NO_TIE)
