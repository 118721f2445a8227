"""Facts to the properties of nodes and edges; settle.py documents the properties.

Each function writes one dict literal, which is also the fastest way to build a dict.
"""

from __future__ import annotations

from kgnb.core.model import Chapter
from kgnb.graph.model import Value
from kgnb.graph.project.facts import Facts, NodeFacts, TieFacts
from kgnb.graph.resolve.name_table import base_of

Properties = dict[str, Value]


def character(novel_id: int, name: str, facts: NodeFacts, aliases: list[str]) -> Properties:
    """Of a character; ``is_protagonist`` is set later, once all characters are known."""
    found: Properties = {
        "novel_id": novel_id,
        "name": name,
        "description": facts.texts.get("description", ""),
        "title": facts.texts.get("title", ""),
        "traits": facts.words("traits"),
        "aliases": aliases,
        "protagonist_score": facts.score,
        "is_protagonist": False,
        "chapters": facts.numbers(),
        "count": len(facts.chapters),
        "extracted_by": facts.extracted_by,
        "confidence": facts.confidence,
        "task_id": sorted(facts.tasks),
    }
    if base := base_of(name):
        found["base_name"] = base
    return found


def place(novel_id: int, name: str, facts: NodeFacts) -> Properties:
    """Of a location or an organization."""
    return {
        "novel_id": novel_id,
        "name": name,
        "description": facts.texts.get("description", ""),
        "type": facts.texts.get("type", ""),
        "chapters": facts.numbers(),
        "count": len(facts.chapters),
        "extracted_by": facts.extracted_by,
        "confidence": facts.confidence,
        "task_id": sorted(facts.tasks),
    }


def thing(novel_id: int, name: str, facts: NodeFacts) -> Properties:
    """Of a Thing, an entity of a configured kind."""
    return {
        "novel_id": novel_id,
        "name": name,
        "description": facts.texts.get("description", ""),
        "kind": facts.texts.get("kind", ""),
        "aliases": facts.words("aliases"),
        "chapters": facts.numbers(),
        "count": len(facts.chapters),
        "extracted_by": facts.extracted_by,
        "confidence": facts.confidence,
        "task_id": sorted(facts.tasks),
    }


def event(novel_id: int, key: str, facts: NodeFacts, chapter: Chapter) -> Properties:
    """Of an event, which belongs to one chapter."""
    return facts.proof() | {
        "id": key,
        "novel_id": novel_id,
        "chapter_id": chapter.id,
        "chapter_number": chapter.number,
        "name": facts.texts.get("name", ""),
        "description": facts.texts.get("description", ""),
        "importance": facts.texts.get("importance", ""),
        "participants": facts.words("participants"),
        "extracted_by": facts.extracted_by,
        "confidence": facts.confidence,
        "task_id": sorted(facts.tasks),
    }


def tie(novel_id: int, facts: TieFacts) -> Properties:
    """Of an edge between two characters."""
    found: Properties = {
        "novel_id": novel_id,
        "description": facts.texts.get("description", ""),
        "strength": facts.strength(),
        "chapters": facts.numbers(),
        "count": len(facts.chapters),
        "extracted_by": facts.extracted_by,
        "confidence": facts.confidence,
        "task_id": sorted(facts.tasks),
    }
    found |= facts.proof()
    if facts.labels:
        found |= facts.label_properties()
    return found


def structural_edge(novel_id: int, type_: str, facts: Facts) -> Properties:
    """Of an edge of a structural type (APPEARS_IN, PARTICIPATES_IN, OCCURS_IN, BELONGS_TO)."""
    found: Properties = {
        "novel_id": novel_id,
        "chapters": facts.numbers(),
        "count": len(facts.chapters),
        "extracted_by": facts.extracted_by,
        "confidence": facts.confidence,
        "task_id": sorted(facts.tasks),
    }
    if type_ == "APPEARS_IN":
        return found
    if "description" in facts.texts:
        found["description"] = facts.texts["description"]
    if type_ == "PARTICIPATES_IN":
        found["role"] = facts.texts.get("role", "")
    elif type_ == "BELONGS_TO":
        found["position"] = facts.texts.get("position", "")
    return found | facts.proof()
