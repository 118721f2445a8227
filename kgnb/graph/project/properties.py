"""Facts to the properties of nodes and edges; projection.py documents the properties."""

from __future__ import annotations

from kgnb.core.model import Chapter
from kgnb.graph.model import Properties
from kgnb.graph.project.facts import Facts, NodeFacts, TieFacts
from kgnb.graph.resolve.name_table import base_of


def character(novel_id: int, name: str, facts: NodeFacts, aliases: list[str]) -> Properties:
    """Return property → value of a Character node; ``is_protagonist`` is False until
    :func:`kgnb.graph.project.protagonists.mark_protagonists` sets it.

    ``base_name`` only for a namesake: 张虎 for 张虎（张辽之子）.
    """
    found = _recurring(novel_id, facts) | facts.given("description", "title")
    found |= {"name": name, "traits": facts.words("traits"), "aliases": aliases}
    found |= {"protagonist_score": facts.score, "is_protagonist": False}
    return found | ({"base_name": base} if (base := base_of(name)) else {})


def place(novel_id: int, name: str, facts: NodeFacts) -> Properties:
    """Return property → value of a Location or an Organization node: name, chapters, description, type."""
    return {"name": name, **_recurring(novel_id, facts), **facts.given("description", "type")}


def thing(novel_id: int, name: str, facts: NodeFacts) -> Properties:
    """Return property → value of a Thing node, an entity of a configured kind: name, chapters, description,
    kind, aliases.
    """
    found = {"name": name, **_recurring(novel_id, facts), **facts.given("description", "kind")}
    return found | {"aliases": facts.words("aliases")}


def event(novel_id: int, key: str, facts: NodeFacts, chapter: Chapter, sequence: int) -> Properties:
    """Return property → value of an Event node. ``key``: its id; ``sequence``: its place in the chapter, from
    1.
    """
    found = facts.proof() | _origin(novel_id, facts) | facts.given("name", "description", "importance")
    own: Properties = {"id": key, "chapter_id": chapter.id, "chapter_number": chapter.number}
    own["sequence"] = sequence
    return found | own | {"participants": facts.words("participants")}


def tie(novel_id: int, facts: TieFacts) -> Properties:
    """Return property → value of an edge between two characters: strength, description, quote, and labels if
    it has any.
    """
    found = _recurring(novel_id, facts)
    found["description"] = facts.texts.get("description", "")
    found["strength"] = facts.strength()
    found |= facts.proof()
    if facts.labels:
        found |= facts.label_properties()
    return found


def structural_edge(novel_id: int, type_: str, facts: Facts) -> Properties:
    """Return property → value of an edge of a structural type: APPEARS_IN has its chapters alone,
    PARTICIPATES_IN also ``role``, BELONGS_TO ``position``, all but APPEARS_IN the quote.
    """
    found = _recurring(novel_id, facts)
    if type_ == "APPEARS_IN":
        return found
    if "description" in facts.texts:
        found["description"] = facts.texts["description"]
    if type_ == "PARTICIPATES_IN":
        found |= facts.given("role")
    elif type_ == "BELONGS_TO":
        found |= facts.given("position")
    return found | facts.proof()


def _recurring(novel_id: int, facts: Facts) -> Properties:
    """Return the properties that all nodes and edges of several chapters have."""
    found = _origin(novel_id, facts)
    found["chapters"] = facts.numbers()
    found["count"] = len(facts.chapters)
    return found


def _origin(novel_id: int, facts: Facts) -> Properties:
    """Return the properties of all nodes and edges of an extraction: ``extracted_by``, ``confidence``,
    ``novel_id``, ``task_id``.
    """
    return {
        "extracted_by": facts.extracted_by,
        "confidence": facts.confidence,
        "novel_id": novel_id,
        "task_id": sorted(facts.tasks),
    }
