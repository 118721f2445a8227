"""Character cards of the main characters, each with a character book: Character Card V3, version 3.0
(kwaroran/character-card-spec-v3, SPEC_V3.md), which keeps the fields of chara_card_v2.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from typing import Any

from kgnb.core.messages import say
from kgnb.graph.model import NodeKey
from kgnb.render.export.obsidian_format import file_names
from kgnb.render.kit.document import Kit, Line, Link, Section, plain

BOOK_ENTRIES = 40
"""Most entries of a card's own book: those that the character's section links to first."""
ENTRY_LINES = 8
"""Most lines of an entry: each stands in the prompt while its name is spoken of."""

_ACTIVE = re.compile(r"\{(?=\{)|\}(?=\})|@(?=@)|[<>]|^/")
"""What applications take for macros ({{user}}, <char>), decorators (@@depth) and, in slashes, expressions."""
_INERT = {"{": "{ ", "}": "} ", "@": "@ ", "<": "＜", ">": "＞", "/": "／"}


def to_cards(kit: Kit) -> list[dict[str, Any]]:
    """Return the character cards of the main characters, most important first, as JSON-ready dicts."""
    of_entity = {one.ref: one for part in kit.parts for one in part.sections if one.ref}
    people = [one for ref, one in of_entity.items() if ref[0] == "Character" and one.main]
    return [_card(one, of_entity, kit) for one in people]


def to_card_files(kit: Kit) -> dict[str, str]:
    """Return file name → JSON text: a card each, which is what applications import, and the whole book's
    lorebook (``lorebook_v3``)."""
    cards = to_cards(kit)
    entities = [one for part in kit.parts for one in part.sections if one.ref]
    book = {"spec": "lorebook_v3", "data": _book(kit.title, entities)}
    names = file_names([*(card["data"]["name"] for card in cards), say("kit.lorebook")])
    named = zip(names, [*cards, book], strict=True)
    return {f"{name}.json": json.dumps(made, ensure_ascii=False, indent=1) for name, made in named}


def _card(one: Section, of_entity: dict[NodeKey, Section], kit: Kit) -> dict[str, Any]:
    """Return a main character's card."""
    near = [of_entity[ref] for ref in dict.fromkeys(_linked(one)) if ref in of_entity and ref != one.ref]
    facts, arc = [one, *one.sections[:1]], one.sections[1:]
    quotes = [quote for section in one.walk() for told in section.lines for quote in told.quotes]
    first = min(quotes, key=lambda quote: quote.chapter, default=None)  # where a conversation can begin
    data = {
        "name": inert(one.title),
        "description": "\n".join(_words([told for section in facts for told in section.lines])),
        "personality": inert(say("picture.comma").join(one.traits)),
        "scenario": inert(
            say("kit.scenario_until" if kit.until else "kit.scenario", title=kit.title, chapter=kit.until)
        ),
        "first_mes": inert(first.text) if first else "",
        "mes_example": "",
        "creator_notes": "\n".join(
            [say("kit.card_notes"), *_words([t for s in arc for t in s.lines], quotes=True)]
        ),
        "system_prompt": "",
        "post_history_instructions": "",
        "alternate_greetings": [],
        "group_only_greetings": [],
        "tags": [inert(kit.title)],
        "creator": "kgnb",
        "character_version": str(kit.until or ""),
        "character_book": _book(one.title, near[:BOOK_ENTRIES]),
        "extensions": {},
    }
    return {"spec": "chara_card_v3", "spec_version": "3.0", "data": data}


def _linked(section: Section) -> Iterator[NodeKey]:
    """Yield the entities that a section links to, with repetitions."""
    for one in section.walk():
        for told in one.lines:
            yield from (part.ref for part in told.parts if isinstance(part, Link))


def _book(name: str, sections: Sequence[Section]) -> dict[str, Any]:
    """A lorebook with an entry for each section, which its names and aliases call up."""
    entries = [
        {
            "id": number,
            "name": inert(one.title),
            "keys": [inert(key) for key in dict.fromkeys((one.title, *one.aliases))],
            "content": "\n".join(
                [inert(one.title), *_words([t for s in one.walk() for t in s.lines][:ENTRY_LINES])]
            ),
            "enabled": True,
            "insertion_order": number,
            "use_regex": False,
            "constant": False,
            "extensions": {},
        }
        for number, one in enumerate(sections)
    ]
    return {"name": inert(name), "extensions": {}, "entries": entries}


def _words(lines: Sequence[Line], *, quotes: bool = False) -> list[str]:
    """Return the lines as plain texts, with their quotes if wanted."""
    made = []
    for told in lines:
        cited = [f"“{quote.text}”" for quote in told.quotes] if quotes else []
        made.append(inert(" ".join([plain(told.parts), *cited])))
    return made


def inert(text: str) -> str:
    """Return the text with the marks of macros and decorators of card applications replaced by harmless
    marks.
    """
    return _ACTIVE.sub(lambda found: _INERT[found[0]], text)
