"""Decisions about a book as one readable file, which another edition of the book can take over.

The explorer's page writes the same form (``render/explorer/source/corrections.js``)::

    {"format": "kgnb-corrections", "version": 1, "book": "三国演义", "corrections": [
        {"do": "merge", "who": "刘备", "others": ["先主", "刘豫州"], "reason": "蜀汉的先主"},
        {"do": "rename", "who": "云长", "to": "关羽"},
        {"do": "kind", "who": "曹营", "kind": "Location"},
        {"do": "untie", "who": "刘备", "to": "鲁肃", "type": "SIBLING"},
        {"do": "note", "who": "貂蝉", "text": "正史里没有她"}]}
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from kgnb.core.errors import InputError
from kgnb.core.safe_text import clean
from kgnb.extract.model import MAX_NAME, MAX_TEXT
from kgnb.graph.model import RELATION_TYPE
from kgnb.graph.resolve.decisions import OF_NAMES, Decision, Kind, check_form

MAX_BYTES = 5_000_000
"""Largest file that is read: a hundred times what the longest novel's corrections take."""
MAX_CORRECTIONS = 10_000
"""Most corrections in a file."""


def _text(limit: int) -> BeforeValidator:
    """Return a validator for a text of at most ``limit`` characters on one line."""
    return BeforeValidator(lambda value: clean(value, limit))


Name = Annotated[str, _text(MAX_NAME), Field(min_length=1)]
Text = Annotated[str, _text(MAX_TEXT)]
Type = Annotated[str, Field(pattern=f"^({RELATION_TYPE.pattern})?$")]
Chapter = Annotated[int, Field(ge=0, lt=2**31)]


class _Correction(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    do: Kind
    who: Name
    to: Name | None = None
    others: list[Name] = Field(default_factory=list, max_length=100)
    chapters: tuple[Chapter, Chapter] | None = None
    type: Type = ""
    kind: Literal["", "Location", "Organization", "Thing"] = ""
    yes: bool = True
    text: Text = ""
    reason: Text = ""

    def decision(self) -> Decision:
        """Return the decision with id 0. Raises ValueError where a field that its kind needs is missing
        or wrong.
        """
        names = (self.who, *self.others) if self.do in OF_NAMES else (self.who, *filter(None, [self.to]))
        if self.chapters and self.chapters[0] > self.chapters[1]:
            raise ValueError("chapters")
        detail = {
            "kind": self.kind,
            "tie": self.type,
            "untie": self.type,
            "protagonist": "yes" if self.yes else "no",
            "note": self.text,
        }.get(self.do, "")
        chapters = self.chapters if self.do in ("split", "tie") else None
        made = Decision(0, self.do, names, chapters=chapters, detail=detail, reason=self.reason)
        check_form(made)
        return made


class _File(BaseModel):
    format: Literal["kgnb-corrections"]
    version: Literal[1]
    book: Text = ""
    corrections: list[_Correction] = Field(max_length=MAX_CORRECTIONS)


def read_corrections(data: bytes, place: str) -> list[Decision]:
    """Return the decisions of a corrections file (JSON bytes), in the file's order, each with id 0.

    ``place``: the file's name, for error messages. Raises InputError, and returns nothing of the file, where
    the file is too large or any part of it doesn't have the form of the format.
    """
    if len(data) > MAX_BYTES:
        raise InputError("corrections.too_large", path=place, limit=MAX_BYTES // 1_000_000)
    try:
        return [one.decision() for one in _File.model_validate_json(data).corrections]
    except ValidationError as error:
        where = ".".join(map(str, error.errors(include_input=False)[0]["loc"])) or "JSON"
    except ValueError as error:
        where = str(error)
    raise InputError("corrections.broken", path=place, where=where) from None


def write_corrections(decisions: Iterable[Decision], book: str) -> str:
    """Return the JSON text of a corrections file with the decisions in force, sorted by id. ``book``:
    its title.
    """
    made = [_record(d) for d in sorted(decisions, key=lambda d: d.id) if d.in_force]
    head = {"format": "kgnb-corrections", "version": 1, "book": book}
    return json.dumps({**head, "corrections": made}, ensure_ascii=False, indent=1) + "\n"


def _record(decision: Decision) -> dict[str, Any]:
    """Return the JSON object of a decision in a corrections file."""
    first, *others = decision.names
    found: dict[str, Any] = {"do": decision.kind, "who": first}
    if decision.kind in OF_NAMES:
        found["others"] = others
    elif others:
        found["to"] = others[0]
    key = {"kind": "kind", "tie": "type", "untie": "type", "note": "text"}.get(decision.kind)
    if key:
        found[key] = decision.detail
    if decision.kind == "protagonist":
        found["yes"] = decision.detail == "yes"
    if decision.chapters:
        found["chapters"] = list(decision.chapters)
    return found | ({"reason": decision.reason} if decision.reason else {})
