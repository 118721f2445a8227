"""A novel's name table in SQL."""

from __future__ import annotations

import json
from collections.abc import Sequence

import sqlalchemy as sa

from kgnb.extract.model import NameEntry
from kgnb.stores.ledger import tables as t
from kgnb.stores.ledger.database import Row, upsert


def read_names(c: sa.Connection, novel_id: int) -> list[NameEntry]:
    """The novel's name table, most mentioned first."""
    n = t.names.c
    query = sa.select(t.names).where(n.novel_id == novel_id).order_by(n.mentions.desc(), n.kind, n.name)
    return [
        NameEntry(
            name=r["name"],
            aliases=tuple(json.loads(r["aliases"])),
            kind=r["kind"],
            mentions=r["mentions"],
            first_chapter=r["first_chapter"],
            last_chapter=r["last_chapter"],
            chapters=r["chapters"],
            reasons=tuple((alias, other, why) for alias, other, why in json.loads(r["reasons"] or "[]")),
        )
        for r in c.execute(query).mappings()
    ]


def extend_names(c: sa.Connection, novel_id: int, entries: Sequence[NameEntry]) -> None:
    """Adds ``entries`` to the table: aliases are united, counts are maxima, the span widens."""
    c.execute(sa.select(t.novels.c.id).where(t.novels.c.id == novel_id).with_for_update())  # taking turns
    merged = {(e.kind, e.name): e for e in read_names(c, novel_id)}
    touched = {}
    for entry in entries:
        key = (entry.kind[:40], entry.name[:200])
        merged[key] = touched[key] = _united(merged[key], entry) if key in merged else entry
    rows = [_name_row(novel_id, kind, name, entry) for (kind, name), entry in touched.items()]
    columns = ("mentions", "first_chapter", "last_chapter", "chapters", "aliases", "reasons")
    upsert(c, t.names, rows, lambda _, new: {k: new[k] for k in columns})


def _united(old: NameEntry, new: NameEntry) -> NameEntry:
    starts = [n for n in (old.first_chapter, new.first_chapter) if n]
    return NameEntry(
        name=old.name,
        aliases=tuple(sorted({*old.aliases, *new.aliases} - {old.name})),
        kind=old.kind,
        mentions=max(old.mentions, new.mentions),
        first_chapter=min(starts, default=0),
        last_chapter=max(old.last_chapter, new.last_chapter),
        chapters=max(old.chapters, new.chapters),
        reasons=tuple({r[0]: r for r in (*old.reasons, *new.reasons)}.values()),
    )


def _name_row(novel_id: int, kind: str, name: str, entry: NameEntry) -> Row:
    return {
        "novel_id": novel_id,
        "kind": kind,
        "name": name,
        "mentions": entry.mentions,
        "first_chapter": entry.first_chapter,
        "last_chapter": entry.last_chapter,
        "chapters": entry.chapters,
        "aliases": json.dumps(entry.aliases, ensure_ascii=False),
        "reasons": json.dumps(entry.reasons, ensure_ascii=False),
    }
