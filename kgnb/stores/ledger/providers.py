"""Providers, which kgnb's commands may change too, and main's default config."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from pydantic import SecretStr

from kgnb.core.foreign_json import json_object
from kgnb.core.labels import CHARACTER_RELATIONS, EXTRACTED_LABELS, STRUCTURAL_RELATIONS
from kgnb.core.model import Provider, TaskConfig, beijing_now
from kgnb.core.provider_options import SECRET_OPTIONS, ProviderOptions, checked_options
from kgnb.core.safe_text import clean
from kgnb.graph.model import LABELS, RELATION_TYPE
from kgnb.stores.ledger import tables as t
from kgnb.stores.ledger.database import Database, DatabasePart, reading, transaction, upsert

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
"""Names of the four built-in kinds in configs."""
_BUILT_IN_KINDS = _LABEL_OF.keys() | {
    word for label in LABELS for word in (label.lower(), f"{label.lower()}s")
}
MAX_KINDS = 20
"""Bounds what a config row can add to every prompt."""


@dataclass(frozen=True, slots=True)
class ProviderRow:
    """A row of ``ai_providers``, active or not."""

    id: int
    provider: Provider
    display_name: str
    active: bool


class Providers(DatabasePart):
    """``ai_providers`` and the default row of ``knowledge_graph_configs``.

    ``thing_kinds``: kinds of things this process asks for; they override those of the default config.
    """

    def __init__(self, database: Database, thing_kinds: Sequence[str] = ()) -> None:
        super().__init__(database)
        self.thing_kinds = read_kinds(list(thing_kinds))

    @reading
    def active_with_options(self, c: sa.Connection) -> tuple[list[Provider], dict[str, ProviderOptions]]:
        """Return the providers of the active rows, and lower-case provider name → stored options, of
        inactive ones too.

        Invalid options and secrets are left out.
        """
        told = c.execute(sa.select(t.provider_options.c.name, t.provider_options.c.options))
        options = {row.name: _read_options(row.options) for row in told}
        return [row.provider for row in _provider_rows(c) if row.active], options

    @transaction
    def save_options(self, c: sa.Connection, name: str, options: ProviderOptions) -> None:
        """Replace the provider's stored options; without any option its row is deleted. Secrets are not
        stored.
        """
        key, table = name.lower(), t.provider_options
        c.execute(sa.delete(table).where(table.c.name == key))
        kept = {k: v for k, v in options.revealed().items() if k not in SECRET_OPTIONS}
        if kept:
            row = {"name": key, "options": json.dumps(kept, ensure_ascii=False), "updated_at": beijing_now()}
            self._database.insert(c, table, [row])

    @reading
    def list_rows(self, c: sa.Connection) -> list[ProviderRow]:
        """Return every row of ``ai_providers`` that has a name, sorted by id."""
        return _provider_rows(c)

    @transaction
    def save(self, c: sa.Connection, name: str, values: Mapping[str, Any]) -> tuple[ProviderRow, bool]:
        """Insert or change the row of this name, in any letter case, and activate it; return (row, whether it
        is new).

        ``values``: column → value; other columns of an old row keep their values.
        """
        now = beijing_now()
        row = _named(_provider_rows(c), name)
        if row is None:
            fresh = {"display_name": name, "api_key": "", "models": [], "created_at": now}
            given = fresh | dict(values) | {"name": name, "is_active": 1, "updated_at": now}
            self._database.insert(c, t.ai_providers, [given])
        else:
            changed = dict(values) | {"is_active": 1, "updated_at": now}
            c.execute(sa.update(t.ai_providers).where(t.ai_providers.c.id == row.id).values(**changed))
        saved = _named(_provider_rows(c), name)
        assert saved is not None
        return saved, row is None

    @transaction
    def remove(self, c: sa.Connection, name: str, *, delete: bool) -> int:
        """Delete, or switch off, every row of this name, in any letter case; return the number of rows."""
        ids = [row.id for row in _provider_rows(c) if row.provider.lower_name == name.lower()]
        off = sa.update(t.ai_providers).values(is_active=0, updated_at=beijing_now())
        change = sa.delete(t.ai_providers) if delete else off
        c.execute(change.where(t.ai_providers.c.id.in_(ids)))
        return len(ids)

    async def seen(self) -> dict[str, bool]:
        """Return queue key (lower-case name) → whether it is active, for all providers that were ever in the
        table; those present now are noted as seen.
        """
        present, known = await self._present_and_seen()
        if new := present.keys() - known:
            await self._note_seen(sorted(new))
        return {key: present.get(key, False) for key in known | new}

    @reading
    def _present_and_seen(self, c: sa.Connection) -> tuple[dict[str, bool], set[str]]:
        """Return (queue key → whether active, of present rows; queue keys that were ever seen)."""
        rows = sorted(_provider_rows(c), key=lambda row: row.active)  # of one name, an active one counts
        present = {row.provider.lower_name: row.active for row in rows}
        return present, set(c.scalars(sa.select(t.seen_providers.c.name)))

    @transaction
    def _note_seen(self, c: sa.Connection, keys: Sequence[str]) -> None:
        now = beijing_now()
        rows = [{"name": key, "seen_at": now} for key in keys]
        upsert(c, t.seen_providers, rows, lambda _, row: {"seen_at": row.seen_at})

    @reading
    def default_config(self, c: sa.Connection) -> TaskConfig:
        """Return the config in the default row of ``knowledge_graph_configs``; kgnb's defaults without such a
        row.

        A row that switches entities off still extracts characters, as relations connect them.
        """
        return read_config(c, self.thing_kinds)


def read_config(c: sa.Connection, thing_kinds: tuple[str, ...] = ()) -> TaskConfig:
    """Return the config in the default row of ``knowledge_graph_configs``; kgnb's defaults without such a
    row. ``thing_kinds``, if any, override those of the row.
    """
    k = t.configs.c
    query = sa.select(t.configs).where(k.is_default == 1).order_by(k.id.desc()).limit(1)
    row = c.execute(query).mappings().first()
    if row is None:
        return TaskConfig(thing_kinds=thing_kinds)
    given, entities = row["relation_types"], row["enable_entity_extraction"] != 0
    return TaskConfig(
        ai_provider=(row["ai_provider"] or "").strip(),
        ai_model=(row["ai_model"] or "").strip(),
        use_ai=row["use_ai"] != 0,
        max_content_length=row["max_content_length"] or TaskConfig().max_content_length,
        relation_types=() if row["enable_relation_extraction"] == 0 else _relation_types(given),
        labels=_labels(row["entity_types"]) if entities else ("Character",),
        thing_kinds=thing_kinds or (read_kinds(row["entity_types"]) if entities else ()),
    )


def _read_options(text: str) -> ProviderOptions:
    """Return the valid options in a row's JSON text; invalid, unknown and secret ones are left out."""
    options = ProviderOptions()
    for name, value in json_object(text).items():
        if name not in SECRET_OPTIONS:
            with suppress(ValueError):
                options = options.merged(checked_options({name: value}))
    return options


def _provider_rows(c: sa.Connection) -> list[ProviderRow]:
    """Return the rows of ``ai_providers`` that have a name, sorted by id."""
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
    """Return the row of this name, in any letter case: preferably spelled the same, then active, then the
    first; None for none.
    """
    same = [row for row in rows if row.provider.lower_name == name.lower()]
    return max(same, key=lambda row: (row.provider.name == name, row.active, -row.id), default=None)


def _models(value: Any) -> tuple[str, ...]:
    """Return the names in a JSON list of texts or objects, or in a comma-separated text, each once; () for
    anything else.
    """
    items = value.split(",") if isinstance(value, str) else value if isinstance(value, list) else []
    names = (i.get("name") or i.get("id") if isinstance(i, dict) else i for i in items)
    return tuple(dict.fromkeys(n.strip() for n in names if isinstance(n, str) and n.strip()))


def _kinds(value: Any) -> Iterable[tuple[str, bool]]:
    """Yield (type, enabled) of each readable entry of a list; a plain text is an enabled type."""
    for item in value if isinstance(value, list) else []:
        if isinstance(item, str):
            yield item.strip(), True
        elif isinstance(item, dict) and isinstance(item.get("type"), str):
            yield item["type"].strip(), item.get("enabled", True) not in (False, 0, "false", "0")


def _relation_types(value: Any) -> tuple[str, ...]:
    """Return kgnb's types and the enabled ones with a valid name, without those switched off; always with
    KNOWS, which unknown types become.
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


def _labels(value: Any) -> tuple[str, ...]:
    """Return the four built-in kinds without those switched off; all four where none would be left."""
    off = {_LABEL_OF[kind.lower()] for kind, on in _kinds(value) if not on and kind.lower() in _LABEL_OF}
    return tuple(label for label in EXTRACTED_LABELS if label not in off) or EXTRACTED_LABELS


def read_kinds(value: Any) -> tuple[str, ...]:
    """Return the enabled kinds of an ``entity_types`` value without the four built-in ones, in its order, at
    most :data:`MAX_KINDS` (20); () for none.
    """
    kinds = (clean(kind, 40) for kind, enabled in _kinds(value) if enabled)
    return tuple(dict.fromkeys(k for k in kinds if k and k.lower() not in _BUILT_IN_KINDS))[:MAX_KINDS]
