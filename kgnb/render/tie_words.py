"""A tie in words."""

from __future__ import annotations

from kgnb.core.messages import say_or
from kgnb.graph.model import GraphEdge, group_of


def tie_word(edge: GraphEdge) -> str:
    """Return the tie in words: label, position or role of the edge, else the name of its type in the
    user's language.
    """
    facts = edge.properties
    word = facts.get("label") or facts.get("position") or facts.get("role")
    return str(word) if word else say_or(f"relation.{edge.type}", edge.type)


def told_of(edge: GraphEdge) -> str:
    """Return what is told of a tie beside its word: a model's description, a kinship word, a reader's reason,
    or what the tie follows from ("parent → child, child").

    "" for other ties that rules found: their description is a scrap of the quote.
    """
    told = edge.text("description")
    is_kinship = group_of(edge.type) == "family" and (told.isalpha() or " → " in told)
    is_stated = edge.text("extracted_by") == "ai" or is_added(edge)
    return told if (is_kinship or is_stated) and told != edge.text("label") else ""


def is_added(edge: GraphEdge) -> bool:
    """Return whether a reader added the tie, by a correction: no chapter states it."""
    return edge.properties.get("extracted_by") == ""
