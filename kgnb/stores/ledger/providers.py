"""What main configures: providers, which kgnb's commands may change too, and the default config."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from pydantic import SecretStr

from kgnb.core.model import (
    CHARACTER_RELATIONS,
    EXTRACTED_LABELS,
    RULES,
    STRUCTURAL_RELATIONS,
    Provider,
    TaskConfig,
    beijing_now,
)
from kgnb.extract.model import clean
from kgnb.graph.model import LABELS, RELATION_TYPE
from kgnb.stores.ledger import tables as t
from kgnb.stores.ledger.database import Database, upsert

_LABEL_OF = {
    word: label
    for label, words in {
        "Character": "character characters person persons people 人物 角色",
        "Location": "location locations place places 地点 地名",
        "Organization": "organization organizations organisation organisations 组织 机构 势力",
        "Event": "event events 事件",
    }.items()
    for word in words.split()
}
"""How configs call the four kinds."""
_OWN_KINDS = _LABEL_OF.keys() | {word for label in LABELS for word in (label.lower(), f"{label.lower()}s")}
MAX_KINDS = 20
"""Bounds what rows of a table can add to every prompt."""


@dataclass(frozen=True, slots=True)
class ProviderRow:
    """A row of ``ai_providers``, switched off or not."""

    id: int
    provider: Provider
    display_name: str
    active: bool


class Catalog:
    """The part of the ledger that keeps ``ai_providers`` and reads ``knowledge_graph_configs``."""

    own_kinds: tuple[str, ...] = ()

    def __init__(self, sql: Database) -> None:
        self._sql = sql

    async def providers(self) -> list[Provider]:
        """The active rows of ``ai_providers``."""
        return [row.provider for row in await self.provider_rows() if row.active]

    async def provider_rows(self) -> list[ProviderRow]:
        """Every row of ``ai_providers`` that has a name."""
        return await self._sql.run(_provider_rows, write=False)

    async def save_provider(self, name: str, values: Mapping[str, Any]) -> tuple[ProviderRow, bool]:
        """Inserts the row called ``name`` (case aside), or changes it; active from now on.

        ``values`` by column; columns that aren't given stay as they are. Returns the row, and whether it is
        new.
        """
        return await self._sql.run(lambda c: self._save_provider(c, name, values))

    def _save_provider(
        self, c: sa.Connection, name: str, values: Mapping[str, Any]
    ) -> tuple[ProviderRow, bool]:
        now = beijing_now()
        row = _named(_provider_rows(c), name)
        if row is None:
            fresh = {"display_name": name, "api_key": "", "models": [], "created_at": now}
            given = fresh | dict(values) | {"name": name, "is_active": 1, "updated_at": now}
            self._sql.insert(c, t.ai_providers, [given])
        else:
            changed = dict(values) | {"is_active": 1, "updated_at": now}
            c.execute(sa.update(t.ai_providers).where(t.ai_providers.c.id == row.id).values(**changed))
        saved = _named(_provider_rows(c), name)
        assert saved is not None
        return saved, row is None

    async def switch_off_provider(self, name: str) -> int:
        """Switches off every row called ``name``, case aside; returns how many there are."""
        off = sa.update(t.ai_providers).values(is_active=0, updated_at=beijing_now())
        return await self._sql.run(lambda c: _each_named(c, name, off))

    async def delete_provider(self, name: str) -> int:
        """Deletes every row called ``name``, case aside; returns how many there were."""
        return await self._sql.run(lambda c: _each_named(c, name, sa.delete(t.ai_providers)))

    async def gone_providers(self) -> set[str]:
        """Queue keys (lower case) of providers that the table had and that are off or deleted now."""
        return await self._sql.run(_gone)

    async def default_config(self) -> TaskConfig:
        """The default row of ``knowledge_graph_configs``, or kgnb's defaults where there is none; with this
        process's own kinds of things where it has some. A row without entities leaves the people, whom
        relations need as their ends."""
        query = (
            sa.select(t.configs).where(t.configs.c.is_default == 1).order_by(t.configs.c.id.desc()).limit(1)
        )
        row = await self._sql.run(lambda c: c.execute(query).mappings().first(), write=False)
        if row is None:
            return TaskConfig(thing_kinds=self.own_kinds)
        given, entities = row["relation_types"], not _is_off(row["enable_entity_extraction"])
        return TaskConfig(
            ai_provider=(row["ai_provider"] or "").strip(),
            ai_model=(row["ai_model"] or "").strip(),
            use_ai=row["use_ai"] is None or bool(row["use_ai"]),
            max_content_length=row["max_content_length"] or TaskConfig().max_content_length,
            relation_types=() if _is_off(row["enable_relation_extraction"]) else _relation_types(given),
            labels=_labels(row["entity_types"]) if entities else ("Character",),
            thing_kinds=self.own_kinds or (read_kinds(row["entity_types"]) if entities else ()),
        )


def _provider_rows(c: sa.Connection) -> list[ProviderRow]:
    rows = c.execute(sa.select(t.ai_providers).order_by(t.ai_providers.c.id)).mappings()
    return [
        ProviderRow(
            id=row["id"],
            provider=Provider(
                name=row["name"].strip(),
                base_url=(row["base_url"] or "").strip().rstrip("/"),
                api_key=SecretStr((row["api_key"] or "").strip()),
                models=_models(row["models"]),
            ),
            display_name=(row["display_name"] or "").strip(),
            active=row["is_active"] == 1,
        )
        for row in rows
        if (row["name"] or "").strip()
    ]


def _named(rows: Iterable[ProviderRow], name: str) -> ProviderRow | None:
    """The row of this name: spelled the same, else active, else the first."""
    same = [row for row in rows if row.provider.key == name.lower()]
    return max(same, key=lambda row: (row.provider.name == name, row.active, -row.id), default=None)


def _each_named(c: sa.Connection, name: str, change: sa.Update | sa.Delete) -> int:
    ids = [row.id for row in _provider_rows(c) if row.provider.key == name.lower()]
    if ids:
        c.execute(change.where(t.ai_providers.c.id.in_(ids)))
    return len(ids)


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


def _is_off(flag: Any) -> bool:
    return flag is not None and not flag


def _labels(value: Any) -> tuple[str, ...]:
    """The four kinds less those that are switched off; all where a row would leave nothing at all."""
    off = {_LABEL_OF[kind.lower()] for kind, on in _kinds(value) if not on and kind.lower() in _LABEL_OF}
    return tuple(label for label in EXTRACTED_LABELS if label not in off) or EXTRACTED_LABELS


def read_kinds(value: Any) -> tuple[str, ...]:
    """The enabled kinds of an ``entity_types`` value beyond the four of every book."""
    kinds = (clean(kind, 40) for kind, enabled in _kinds(value) if enabled)
    return tuple(dict.fromkeys(k for k in kinds if k and k.lower() not in _OWN_KINDS))[:MAX_KINDS]
