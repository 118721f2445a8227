"""Parse an LLM's reply into an :class:`~kgnb.extract.model.Extraction`.

A reply is hostile input: bounded in size and depth, validated item by item. It may be wrapped in prose, a
markdown fence or a reasoning block, and be slightly broken. A truncated reply must never be repaired into a
shorter one: broken JSON is repaired only when its outermost object is closed in the text, and items that the
repair loses count as rejected.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, replace
from typing import Any, SupportsIndex

from pydantic import BaseModel, ValidationError

from kgnb.core.errors import ReplyUnparsable
from kgnb.extract import model
from kgnb.extract.reply_keys import kind_in_heading
from kgnb.extract.reply_names import mended
from kgnb.extract.reply_punctuation import with_ascii_punctuation, with_tables_as_json
from kgnb.extract.reply_shape import (
    STRAYS,
    has_stray,
    items_of,
    lists_in,
    mended_item,
    united,
)

MAX_REPLY = 1_000_000
"""Longest reply that is parsed, in characters; an honest reply has a few thousand."""
MAX_REPAIR = 200_000
"""Longest broken JSON that is repaired, in characters: the repair is slow, pure Python."""
READS_A_CHARACTER = 60
"""Most reads of the text per character in a repair: common faults take 2, hostile texts thousands."""
MAX_READS = 2_000_000
"""Most reads in a repair: about a second."""
MAX_DEPTH = 24
"""Deepest nesting of JSON that is repaired; the object asked for has four levels."""
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
    body = without_thoughts(text) if len(text) <= MAX_REPLY else ""
    if r"\\u" in body:
        body = _ESCAPED_TWICE.sub(r"\\", body)
    if (found := _strict(body)) is not None:
        return _validated(found, repaired=False, lost=0)
    for text in dict.fromkeys((body, with_tables_as_json(body), with_ascii_punctuation(body))):
        if _is_balanced(text) and (found := _in_prose(text)) is not None:
            return _validated(found, repaired=True, lost=0)
    if (repaired := _repaired(text)) is not None:
        found, lost = repaired
        parsed = _validated(found, repaired=True, lost=lost)
        if not parsed.rejected or any(getattr(parsed.extraction, kind) for kind in found):
            return parsed
    raise ReplyUnparsable("provider.unparsable", provider=provider)


def parse_cut(text: str, *, provider: str) -> Parsed:
    """Return the whole items of a reply that was cut off; the cut item counts as rejected.

    ``{"characters": [{"name": "Tom"}, {"name": "An`` → Tom, 1 rejected. Raises ReplyUnparsable if there is no
    whole item.
    """
    found = parse(_closed_after_whole_items(without_thoughts(text)[:MAX_REPAIR]), provider=provider)
    return replace(found, rejected=found.rejected + 1)


# --- finding the object -------------------------------------------------------------------------------------

_THOUGHTS = r"(?:\w+:)?(?:think|thinking|thought|reasoning|思考)"
_THOUGHTS_OPEN = re.compile(
    rf"<{_THOUGHTS}\b[^<>]*>|\[THINK\]|◁think▷|<\|channel\|>analysis<\|message\|>", re.IGNORECASE
)
_THOUGHTS_END = re.compile(
    rf"</{_THOUGHTS}>|\[/THINK\]|◁/think▷|<\|channel\|>final[^{{]{{0,40}}<\|message\|>", re.IGNORECASE
)
"""Ends of thoughts that a server leaves in a reply: of Qwen, DeepSeek and similar; of Mistral, of Kimi, of
gpt-oss."""
_ANSWER_OPENS = re.compile(r'^(?:```\w*\s*)?\{\s*"?\w+"?\s*:\s*[\[{]', re.MULTILINE)
_ESCAPED_TWICE = re.compile(r"(?<!\\)\\\\(?=u[0-9a-fA-F]{4})")


def is_complete(text: str) -> bool:
    """Return whether a text is one valid JSON object that holds one of the lists asked for, and nothing else.

    ``{"characters": []}`` → True; ``{"characters": [`` → False. Some models go on with white space up to
    their limit after such an object.
    """
    return text[:1] == "{" and _strict(text) is not None


def without_thoughts(text: str) -> str:
    """Return the reply behind a reasoning model's thoughts; "" if the thoughts never end.

    ``<think>x</think>{}`` → ``{}``; ``<think>x`` → "". Thoughts without an end mark end where the only object
    at the reply's end begins; with several objects the result is "", as the first ones may be rejected
    drafts.
    """
    text = text.strip().lstrip("\ufeff")
    if text[:1] == "{":
        return text
    *_, last = _THOUGHTS_END.split(text)  # some servers cut the opening tag off
    last = last.strip()
    if not _THOUGHTS_OPEN.match(last):
        return last
    opens = [found.start() for found in _ANSWER_OPENS.finditer(last)] if last.endswith(("}", "```")) else []
    return last[opens[0] :] if len(opens) == 1 else ""


def _strict(body: str) -> dict[str, list[Any]] | None:
    """Return list name → items of a reply that is JSON and nothing else; None for another reply."""
    try:
        return lists_in(_DECODER.decode(body))
    except (ValueError, RecursionError):
        return None


def _in_prose(body: str) -> dict[str, list[Any]] | None:
    """Return list name → items of all valid JSON in a markdown fence or prose, also of lists under headings.

    Of objects with prose between them drafts are left out. None if something would be lost: a piece of broken
    JSON, or items of unknown kind.
    """
    found: list[dict[str, list[Any]]] = []
    at = end = 0
    apart = False
    for _ in range(MAX_STARTS):
        opens = _OPENS.search(body, at)
        if opens is None:
            break
        at = opens.start()
        try:
            value, after = _DECODER.raw_decode(body, at)
        except (ValueError, RecursionError):
            at += 1
            continue
        before = body[:at].rstrip("{ \r\n\t")  # some double the first bracket
        if not _is_balanced(before):
            return None  # a piece of a broken object or list
        lists = lists_in([value])
        if lists is None and isinstance(value, list) and (kind := kind_in_heading(body[end:at])):
            lists = {kind: items_of(value, kind)}
        if lists is not None:
            apart = apart or bool(found and body[at] == "{" and body[end:at].strip(" \t\r\n,"))
            found.append(lists)
            end = after
        elif has_stray(value):
            return None
        at = after
    else:
        return None
    return united(_without_drafts(found) if apart else found)


def _without_drafts(found: list[dict[str, list[Any]]]) -> list[dict[str, list[Any]]]:
    """Return the objects without those of which a later object repeats most items."""
    kept: list[tuple[set[str], dict[str, list[Any]]]] = []
    for lists in found:
        items = {_label(item, kind) for kind in lists if kind != STRAYS for item in lists[kind]}
        kept = [(known, given) for known, given in kept if 2 * len(known & items) <= len(known)]
        kept.append((items, lists))
    return [lists for _, lists in kept]


def _label(item: Any, kind: str) -> str:
    """Return a key by which an item is recognised in a later draft: its kind and its name, or its ends."""
    named = map(mended_item(item, kind).get, ("name", "source", "target"))
    return "\n".join((kind, *(one for one in named if isinstance(one, str))))


_OPENS = re.compile(r'\{|\[(?=\s*[\[{"])')


def _is_balanced(body: str) -> bool:
    """Return whether all brackets are closed; if not, valid objects in the text are pieces of a larger,
    truncated one."""
    return body.count("{") <= body.count("}") and body.count("[") <= body.count("]")


def _with_repeated_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any] | list[dict[str, Any]]:
    """Return a JSON object from its (key, value) pairs where some keys occur twice; Python would keep the
    last value.

    Lists under the same key are joined. If the first key is repeated, the pairs are several objects without
    brackets between them, and a list is returned.
    """
    value = dict(pairs)
    if len(value) == len(pairs):
        return value
    if not isinstance(value[pairs[0][0]], list | dict):
        starts = [at for at, (key, _) in enumerate(pairs) if key == pairs[0][0]]
        if len(starts) > 1:
            ends = (*starts[1:], len(pairs))
            return [dict(pairs[start:end]) for start, end in zip(starts, ends, strict=True)]
    joined: dict[str, list[Any]] = {}
    for key, given in pairs:
        joined.setdefault(key, []).extend(items_of(given, key))
    listed = (key for key in joined if key in model.LISTS or isinstance(value[key], list))
    return {**value, **{key: joined[key] for key in listed}}


_DECODER = json.JSONDecoder(object_pairs_hook=_with_repeated_keys, strict=False)


# --- repairing ----------------------------------------------------------------------------------------------


def _repaired(body: str) -> tuple[dict[str, list[Any]], int] | None:
    """Return list name → items of broken but closed JSON, and the number of objects that the repair lost;
    None if it can't be repaired."""
    source = _closed_object(body)
    if source is None:
        return None
    if (unclosed := source.count("[") - source.count("]")) > 0:
        source = _UNCLOSED_LIST.sub("]", source, unclosed)
    import json_repair  # needed by few replies, so not loaded with the package

    try:
        reads = min(MAX_READS, READS_A_CHARACTER * (len(source) + 1_000))
        bounded = _BoundedStr(source, [reads])
        decoded = json_repair.repair_json(bounded, return_objects=True, skip_json_loads=True)
    except (RecursionError, OverflowError, ValueError):  # ValueError: nested too deeply, in newer versions
        return None
    lists = lists_in(decoded)
    if lists is None:
        return None
    kept = _count_objects(decoded)
    lost = max(0, source.count("{") - kept)
    return (lists, lost) if lost < kept else None


def _count_objects(value: Any) -> int:
    if isinstance(value, list):
        return sum(map(_count_objects, value))
    return 1 + sum(map(_count_objects, value.values())) if isinstance(value, dict) else 0


def _closed_object(body: str) -> str | None:
    """Return the source of the outermost object if the text closes it; None for a truncated object.

    Quotes are unreliable in broken JSON (an unescaped quote is its commonest fault), so braces are counted
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


def _closed_after_whole_items(body: str) -> str:
    """Return a truncated object up to the last whole item of its outermost list, closed; "" if there is no
    whole item."""
    start, end, closing = max(0, body.find("{")), 0, ""
    closers, level = "", 0  # closing brackets of the open ones, innermost last; depth of the outermost list
    for token in _TOKENS.finditer(body, start):
        mark = token[0]
        if mark in _CLOSERS:
            closers += _CLOSERS[mark]
            level = level or (len(closers) if mark == "[" else 0)
        elif mark in ("}", "]"):
            closers = closers.removesuffix(mark)
        if len(closers) > MAX_DEPTH:
            break
        if mark in ("}", ",") and 0 < level == len(closers) and closers.endswith("]"):
            end, closing = token.end() - (mark == ","), closers[::-1]
    return body[start:end] + closing if end else ""


class _BoundedStr(str):
    """A string that bounds json_repair's work: raises OverflowError after ``reads_left[0]`` index or slice
    operations.

    ``reads_left`` is shared with every string cut from it or joined with it.
    """

    reads_left: list[int]

    def __new__(cls, text: str, reads_left: list[int]) -> _BoundedStr:
        """``reads_left``: a list of one number, so that strings can share it."""
        new = super().__new__(cls, text)
        new.reads_left = reads_left
        return new

    def __getitem__(self, at: SupportsIndex | slice) -> str:
        self.reads_left[0] -= 1
        if self.reads_left[0] < 0:
            raise OverflowError
        found = super().__getitem__(at)
        return _BoundedStr(found, self.reads_left) if isinstance(at, slice) else found

    def __add__(self, other: str) -> str:
        return _BoundedStr(super().__add__(other), self.reads_left)

    def __radd__(self, other: str) -> str:
        return _BoundedStr(other.__add__(self), self.reads_left)


_CLOSERS = {"{": "}", "[": "]"}
_TOKENS = re.compile(r'"(?:[^"\\]|\\.)*"?|[{}\[\],]', re.DOTALL)  # a string may end with the text
_BRACES = re.compile(r"[{}\[\]]")
_UNCLOSED_LIST = re.compile(rf'(?<=\}})(?=\s*,\s*"(?:{"|".join(model.LISTS)})"\s*:\s*\[)')
_CONTINUES = re.compile(r"\s*,|\s*[\"\[]")


# --- validation ---------------------------------------------------------------------------------------------


def _validated(lists: dict[str, list[Any]], *, repaired: bool, lost: int) -> Parsed:
    kept: dict[str, Any] = {kind: [] for kind in model.Extraction.model_fields}
    lost += len(lists.pop(STRAYS, ()))
    for kind, items in mended(lists).items():
        valid = (_valid_item(item, model.LISTS[kind]) for item in items[: model.MAX_ITEMS])
        kept[kind] = [item for item in valid if item is not None]
        lost += len(items) - len(kept[kind])
    return Parsed(model.Extraction.model_construct(**kept), repaired, lost)


def _valid_item(item: Any, kind: type[BaseModel]) -> BaseModel | None:
    try:
        return kind.model_validate(item)
    except ValidationError:
        return None
