"""A model as second reader of a chapter: the rules' finding stays, and the model's reply adds what the text
supports."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from kgnb.core.labels import Lang
from kgnb.extract import evidence, merge_chunks
from kgnb.extract.generic_words import is_generic
from kgnb.extract.model import Character, Extraction, NameEntry
from kgnb.extract.word_search import WordSearch

_PARAGRAPH_END: dict[Lang, re.Pattern[str]] = {"zh": re.compile(r"\n"), "en": re.compile(r"\n[^\S\n]*\n")}
SURE = 0.9
"""Least probability of an alias, 0 to 1, at which the rules need no second reader."""
TOGETHER = 0.6
"""The rules' confidence in a pair that occurs together twice in a chapter (rules.py)."""


def with_rules(found: Extraction, reply: Extraction) -> Extraction:
    """Return the rules' extraction ``found`` with the additions of a model's reply.

    Added are people who occur in the text, aliases that belong to nobody else, events and relations with a
    quote found in the text, places, organizations and things. A relation between two persons with a stated
    relation is left out. ``reply``: verified, with ``absent`` set (evidence.py).
    """
    owners = {form: one.name for one in found.characters for form in (one.name, *one.aliases)}
    absent = frozenset(reply.absent)
    people = [_attached(one, owners) for one in reply.characters if one.name not in absent]
    stated = _stated(found)
    ties = [
        one.model_copy(update={"source": source, "target": target})
        for one in reply.relations
        if not one.unverified and not absent & {one.source, one.target}
        for source, target in [(owners.get(one.source, one.source), owners.get(one.target, one.target))]
        if source != target and frozenset((source, target)) not in stated
    ]
    events = [one for one in reply.events if not one.unverified]
    kept: dict[str, list[Any]] = {"characters": people, "relations": ties, "events": events}
    for name in ("locations", "organizations", "things"):
        kept[name] = [one for one in getattr(reply, name) if one.name not in owners]
    return merge_chunks.merge([found, reply.model_copy(update=kept)])


def _stated(found: Extraction) -> set[frozenset[str]]:
    """Return the pairs of persons with a relation other than KNOWS."""
    return {frozenset((r.source, r.target)) for r in found.relations if r.type != "KNOWS"}


def _attached(one: Character, owners: dict[str, str]) -> Character:
    """Return the reply's person under the rules' name, without generic aliases and those of other persons."""
    forms = (one.name, *one.aliases)
    name = next((owners[form] for form in forms if form in owners), one.name)
    own = [form for form in forms if form != name and owners.get(form, name) == name and not is_generic(form)]
    return one.model_copy(update={"name": name, "aliases": own})


def unsure_passages(text: str, found: Extraction, names: Sequence[NameEntry], lang: Lang) -> str:
    """Return the paragraphs of a chapter of which the rules are unsure, joined by line breaks; "" if there
    are none.

    Such a paragraph has two people who occur together at least twice in the chapter without a stated
    relation, or an alias that the name scan joined with a probability below :data:`SURE`.
    """
    owners = {form: one.name for one in found.characters for form in (one.name, *one.aliases)}
    doubted = {reason[0] for entry in names for reason in entry.reasons if reason[3] < SURE} & owners.keys()
    met = {frozenset((r.source, r.target)) for r in found.relations if r.confidence >= TOGETHER}
    pairs, search = met - _stated(found), WordSearch(owners)
    kept = []
    for paragraph in _PARAGRAPH_END[lang].split(text):
        forms = {form for _, form in search.longest_in(paragraph)}
        people = {owners[form] for form in forms}
        if forms & doubted or any(pair <= people for pair in pairs):
            kept.append(paragraph.strip())
    return "\n".join(kept)


def disagrees(reply: Extraction) -> bool:
    """Return whether more than half of a verified reply's relations, events and people are not in its text:
    ``unverified`` relations and events, ``absent`` people. False for an empty reply.
    """
    claims = len(reply.relations) + len(reply.events) + len(reply.characters)
    return 2 * (evidence.count_unverified(reply) + len(reply.absent)) > claims
