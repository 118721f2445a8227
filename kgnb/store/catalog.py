"""What main configures and kgnb only reads: providers and the default config."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import sqlalchemy as sa
from pydantic import SecretStr

from kgnb.model import (
    CHARACTER_RELATIONS,
    LABELS,
    RELATION_TYPE,
    RULES,
    STRUCTURAL_RELATIONS,
    Provider,
    TaskConfig,
    beijing_now,
    clean,
)
from kgnb.store import tables as t
from kgnb.store.sql import Sql, upsert

_OWN_KINDS = {label.lower() for label in LABELS} | {f"{label.lower()}s" for label in LABELS} | {"person"}
MAX_KINDS = 20
"""Bounds what rows of a table can add to every prompt."""


class Catalog:
    """The part of the ledger that reads ``ai_providers`` and ``knowledge_graph_configs``."""

    def __init__(self, sql: Sql) -> None:
        self._sql = sql

    async def providers(self) -> list[Provider]:
        """The active rows of ``ai_providers``."""
        query = sa.select(t.ai_providers).where(t.ai_providers.c.is_active == 1).order_by(t.ai_providers.c.id)
        rows = await self._sql.run(lambda c: c.execute(query).mappings().all(), write=False)
        return [
            Provider(
                name=row["name"].strip(),
                base_url=(row["base_url"] or "").strip().rstrip("/"),
                api_key=SecretStr((row["api_key"] or "").strip()),
                models=_models(row["models"]),
            )
            for row in rows
            if (row["name"] or "").strip()
        ]

    async def gone_providers(self) -> set[str]:
        """Queue keys (lower case) of providers that the table had and that are off or deleted now."""
        return await self._sql.run(_gone)

    async def default_config(self) -> TaskConfig:
        """The default row of ``knowledge_graph_configs``, or kgnb's defaults where there is none."""
        query = (
            sa.select(t.configs).where(t.configs.c.is_default == 1).order_by(t.configs.c.id.desc()).limit(1)
        )
        row = await self._sql.run(lambda c: c.execute(query).mappings().first(), write=False)
        if row is None:
            return TaskConfig()
        return TaskConfig(
            ai_provider=(row["ai_provider"] or "").strip(),
            ai_model=(row["ai_model"] or "").strip(),
            use_ai=row["use_ai"] is None or bool(row["use_ai"]),
            max_content_length=row["max_content_length"] or TaskConfig().max_content_length,
            relation_types=_relation_types(row["relation_types"]),
            thing_kinds=_thing_kinds(row["entity_types"]),
        )


def _gone(c: sa.Connection) -> set[str]:
    p, seen = t.ai_providers.c, t.seen_providers.c
    rows = c.execute(sa.select(p.name, p.is_active)).all()
    here = {name.strip().lower(): bool(active) for name, active in rows if (name or "").strip()}
    known = set(c.scalars(sa.select(seen.name)))
    if new := [name for name in here if name not in known]:
        now = beijing_now()
        upsert(
            c,
            t.seen_providers,
            [{"name": n, "seen_at": now} for n in new],
            lambda _, row: {"seen_at": row.seen_at},
        )
    return {name for name in known | here.keys() if not here.get(name)} - {RULES}


def _models(value: Any) -> tuple[str, ...]:
    """Names out of a JSON list; a list of objects and a comma-separated text are understood too."""
    items = value.split(",") if isinstance(value, str) else value if isinstance(value, list) else []
    names = (i.get("name") or i.get("id") if isinstance(i, dict) else i for i in items)
    return tuple(dict.fromkeys(n.strip() for n in names if isinstance(n, str) and n.strip()))


def _kinds(value: Any) -> Iterable[tuple[str, bool]]:
    """(type, enabled) of each entry that can be read; a bare text is an enabled type."""
    for item in value if isinstance(value, list) else []:
        if isinstance(item, str):
            yield item.strip(), True
        elif isinstance(item, dict) and isinstance(item.get("type"), str):
            yield item["type"].strip(), item.get("enabled", True) not in (False, 0, "false", "0")


def _relation_types(value: Any) -> tuple[str, ...]:
    """kgnb's types and the enabled ones that may become a statement, less those switched off.

    KNOWS stays: it is what every other word becomes.
    """
    given = {kind.upper(): enabled for kind, enabled in _kinds(value)}
    off = {kind for kind, enabled in given.items() if not enabled and kind != "KNOWS"}
    more = [
        kind
        for kind, enabled in given.items()
        if enabled and RELATION_TYPE.fullmatch(kind) and kind not in STRUCTURAL_RELATIONS
    ]
    known = [kind for kind in CHARACTER_RELATIONS if kind not in off]
    return tuple(dict.fromkeys((*known, *more)))[: len(CHARACTER_RELATIONS) + MAX_KINDS]


def _thing_kinds(value: Any) -> tuple[str, ...]:
    kinds = (clean(kind, 40) for kind, enabled in _kinds(value) if enabled)
    return tuple(dict.fromkeys(k for k in kinds if k and k.lower() not in _OWN_KINDS))[:MAX_KINDS]
