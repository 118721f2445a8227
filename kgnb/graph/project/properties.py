"""Facts to the properties of nodes and edges; projection.py documents the properties."""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence

from kgnb.core.model import Chapter
from kgnb.graph.model import GraphNode, Properties
from kgnb.graph.project.facts import Facts, NodeFacts, TieFacts
from kgnb.graph.resolve.name_table import base_of

PROTAGONIST_SCORE = 80


def character(novel_id: int, name: str, facts: NodeFacts, aliases: list[str]) -> Properties:
    """Return the properties of a Character; ``is_protagonist`` is False until :func:`mark_protagonists`
    sets it.
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


def rate_by_mentions(entities: Collection[NodeFacts]) -> None:
    """Set the score (0-100) of each entity without a score, from its number of mentions.

    Score: 100 × √(mentions / most mentions of any entity); a quarter of the mentions gives 50.
    """
    most = max((one.mentions for one in entities), default=0)
    for one in entities:
        if one.mentions and not one.score:
            one.score = round(100 * math.sqrt(one.mentions / most))


def mark_protagonists(characters: Sequence[GraphNode]) -> None:
    """Set each character's ``is_protagonist``.

    Protagonists score at least 80 (where nobody does: the highest score above 0) and occur in at least a
    quarter as many chapters as the most frequent character with such a score.
    """
    scores = {n.key: n.properties["protagonist_score"] for n in characters}
    counts = {n.key: n.properties["count"] for n in characters}
    top = max((s for s in scores.values() if isinstance(s, int)), default=0)
    high = {k for k, s in scores.items() if isinstance(s, int) and s >= min(top, PROTAGONIST_SCORE) > 0}
    most = max((c for k in high if isinstance(c := counts[k], int)), default=0)
    for node in characters:
        count = counts[node.key]
        node.properties["is_protagonist"] = node.key in high and isinstance(count, int) and 4 * count >= most
