"""Facts to the properties of nodes and edges; projection.py documents the properties."""

from __future__ import annotations

from kgnb.core.model import Chapter
from kgnb.graph.model import Properties
from kgnb.graph.project.facts import Facts, NodeFacts, TieFacts
from kgnb.graph.resolve.name_table import base_of


def character(novel_id: int, name: str, facts: NodeFacts, aliases: list[str]) -> Properties:
    """Return the properties of a Character; ``is_protagonist`` is False until
    :func:`kgnb.graph.project.protagonists.mark_protagonists` sets it.
    """
    found = _recurring(novel_id, facts) | facts.given("description", "title")
    found |= {"name": name, "traits": facts.words("traits"), "aliases": aliases}
    found |= {"protagonist_score": facts.score, "is_protagonist": False}
    return found | ({"base_name": base} if (base := base_of(name)) else {})


def place(novel_id: int, name: str, facts: NodeFacts) -> Properties:
    """Return the properties of a Location or an Organization."""
    return {"name": name, **_recurring(novel_id, facts), **facts.given("description", "type")}


def thing(novel_id: int, name: str, facts: NodeFacts) -> Properties:
    """Return the properties of a Thing, an entity of a configured kind."""
    found = {"name": name, **_recurring(novel_id, facts), **facts.given("description", "kind")}
    return found | {"aliases": facts.words("aliases")}


def event(novel_id: int, key: str, facts: NodeFacts, chapter: Chapter, sequence: int) -> Properties:
    """Return the properties of an Event. ``key``: its id; ``sequence``: its place in the chapter, from 1."""
    found = facts.proof() | _origin(novel_id, facts) | facts.given("name", "description", "importance")
    own: Properties = {"id": key, "chapter_id": chapter.id, "chapter_number": chapter.number}
    own["sequence"] = sequence
    return found | own | {"participants": facts.words("participants")}


def tie(novel_id: int, facts: TieFacts) -> Properties:
    """Return the properties of an edge between two characters."""
    found = _recurring(novel_id, facts) | facts.given("description") | {"strength": facts.strength()}
    return found | facts.proof() | (facts.label_properties() if facts.labels else {})


def structural_edge(novel_id: int, type_: str, facts: Facts) -> Properties:
    """Return the properties of an edge of a structural type (APPEARS_IN, PARTICIPATES_IN, BELONGS_TO, …)."""
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
    return _origin(novel_id, facts) | {"chapters": facts.numbers(), "count": len(facts.chapters)}


def _origin(novel_id: int, facts: Facts) -> Properties:
    origin: Properties = {"extracted_by": facts.extracted_by, "confidence": facts.confidence}
    return origin | {"novel_id": novel_id, "task_id": sorted(facts.tasks)}
