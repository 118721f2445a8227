"""Parse an LLM's reply into an :class:`~kgnb.extract.model.Extraction`.

A reply is hostile input: bounded in size and depth, validated item by item. It may be wrapped in prose or a
markdown fence, and be slightly broken. A truncated reply must never be repaired into a shorter one: broken
JSON is repaired only when its outermost object is closed in the text, and items that the repair loses count
as rejected.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, replace
from typing import Any

from pydantic import BaseModel, ValidationError

from kgnb.core.errors import ReplyUnparsable
from kgnb.extract import model
from kgnb.extract.mend_json import MAX_REPAIR, closed_after_whole_items, repaired, with_ascii_punctuation
from kgnb.extract.reply_items import STRAYS, has_stray, items_of, lists_in, with_own_fields

MAX_REPLY = 1_000_000
"""Longest reply that is parsed, in characters; an honest reply has a few thousand."""
MAX_STARTS = 32
"""Most places in prose at which JSON is tried."""


@dataclass(frozen=True, slots=True)
class Parsed:
    """The content of a reply. ``repaired``: whether its JSON was broken or stood in a fence or in prose;
    ``rejected``: number of items that could not be used."""

    extraction: model.Extraction
    repaired: bool = False
    rejected: int = 0


def parse(text: str, *, provider: str) -> Parsed:
    """Return the extraction in a reply; ``provider``: name for the error message.

    ``{"characters": [{"name": "Tom"}]}`` → one character, not repaired; the same in a markdown fence →
    ``repaired`` True. Raises ReplyUnparsable if no object has one of the lists asked for, or if the object is
    truncated.
    """
    body = text.strip("\ufeff \t\r\n") if len(text) <= MAX_REPLY else ""
    if r"\\u" in body:  # as by models that saw escaped text
        body = _ESCAPED_TWICE.sub(r"\\", body)
    if (found := _strict(body)) is not None:
        return _validated(found, repaired=False, lost=0)
    mended = with_ascii_punctuation(body)
    for one in dict.fromkeys((body, mended)):
        if _is_balanced(one) and (found := _in_prose(one)) is not None:
            return _validated(found, repaired=True, lost=0)
    decoded, lost = repaired(mended) or (None, 0)
    if (found := lists_in(decoded)) is not None:
        parsed = _validated(found, repaired=True, lost=lost)
        if not parsed.rejected or any(getattr(parsed.extraction, kind) for kind in model.LISTS):
            return parsed
    raise ReplyUnparsable("provider.unparsable", provider=provider)


def parse_cut(text: str, *, provider: str) -> Parsed:
    """Return the whole items of a reply that was cut off; the cut item counts as rejected.

    ``{"characters": [{"name": "Tom"}, {"name": "An`` → Tom, 1 rejected. Raises ReplyUnparsable if there is no
    whole item.
    """
    found = parse(closed_after_whole_items(text[:MAX_REPAIR]), provider=provider)
    return replace(found, rejected=found.rejected + 1)


# --- finding the object -------------------------------------------------------------------------------------


def _strict(body: str) -> dict[str, list[Any]] | None:
    """Return list name → items of a reply that is JSON and nothing else; None for another reply."""
    try:
        return lists_in(_DECODER.decode(body))
    except (ValueError, RecursionError):
        return None


def _in_prose(body: str) -> dict[str, list[Any]] | None:
    """Return list name → items of all valid JSON in a markdown fence or prose; several objects are joined.

    None if something would be lost: a piece of broken JSON, or items of unknown kind.
    """
    found: dict[str, list[Any]] = {}
    at = 0
    for _ in range(MAX_STARTS):
        opens = _OPENS.search(body, at)
        if opens is None:
            return found or None
        at = opens.start()
        try:
            value, after = _DECODER.raw_decode(body, at)
        except (ValueError, RecursionError):
            at += 1
            continue
        lists = lists_in(value)
        if not _is_balanced(body[:at].rstrip("{ \r\n\t")) or (lists is None and has_stray(value)):
            return None  # a piece of a broken object or list; some double the first bracket
        for kind, items in (lists or {}).items():
            found.setdefault(kind, []).extend(items)
        at = after
    return None


_ESCAPED_TWICE = re.compile(r"(?<!\\)\\\\(?=u[0-9a-fA-F]{4})")
_OPENS = re.compile(r'\{|\[(?=\s*[\[{"])')


def _is_balanced(body: str) -> bool:
    """Return whether all brackets are closed; if not, valid objects in the text are pieces of a larger,
    truncated one."""
    return body.count("{") <= body.count("}") and body.count("[") <= body.count("]")


def _with_repeated_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return a JSON object from its (key, value) pairs; lists under the same key are joined, of which Python
    would keep the last."""
    value = dict(pairs)
    if len(value) == len(pairs):
        return value
    joined: dict[str, list[Any]] = {}
    for key, given in pairs:
        joined.setdefault(key, []).extend(items_of(given))
    return {key: joined[key] if isinstance(given, list) else given for key, given in value.items()}


_DECODER = json.JSONDecoder(object_pairs_hook=_with_repeated_keys, strict=False)


# --- validation ---------------------------------------------------------------------------------------------


def _validated(lists: dict[str, list[Any]], *, repaired: bool, lost: int) -> Parsed:
    """Return the reply's valid items as an extraction; ``lost`` grows by the items that are invalid or belong
    to no list.
    """
    kept: dict[str, Any] = {kind: [] for kind in model.Extraction.model_fields}
    lost += len(lists.pop(STRAYS, ()))
    for kind, items in with_own_fields(lists).items():
        valid = (_valid_item(item, model.LISTS[kind]) for item in items[: model.MAX_ITEMS])
        kept[kind] = [item for item in valid if item is not None]
        lost += len(items) - len(kept[kind])
    return Parsed(model.Extraction.model_construct(**kept), repaired, lost)


def _valid_item(item: Any, kind: type[BaseModel]) -> BaseModel | None:
    """Return the item as an object of ``kind``; None for an invalid one."""
    try:
        return kind.model_validate(item)
    except ValidationError:
        return None
