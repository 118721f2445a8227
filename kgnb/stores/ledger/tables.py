"""Every table: main's, with the columns of the wire contract, and kgnb's own (``kgnb_``).

kgnb creates missing tables of main's and never alters one. Its own change by new tables and new nullable
columns only, which migrations.py adds. Times are naive Beijing time.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import fields
from functools import partial
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import mysql

from kgnb.core.model import Chapter, Usage

METADATA = sa.MetaData()

LongText = sa.Text().with_variant(mysql.LONGTEXT(), "mysql", "mariadb")
LongBytes = sa.LargeBinary().with_variant(mysql.LONGBLOB(), "mysql", "mariadb")
BigId = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
Flag = sa.SmallInteger
"""0, 1 or null: main's own may be BOOLEAN, TINYINT or INT."""


Json = sa.JSON(none_as_null=True)


def read_json(text: Any) -> Any:
    """Return the value of a JSON column; a text that isn't JSON comes back as it is, as does any
    other value.
    """
    try:
        return json.loads(text) if isinstance(text, (str, bytes)) else text
    except ValueError:
        return text


JSON_OPTIONS: dict[str, Any] = {
    "json_serializer": partial(json.dumps, ensure_ascii=False, separators=(",", ":")),
    "json_deserializer": read_json,
}
"""An engine's options for :data:`Json`."""

_INNODB: dict[str, Any] = {"mysql_engine": "InnoDB", "mysql_charset": "utf8mb4"}


def _main(name: str, *columns: sa.schema.SchemaItem) -> sa.Table:
    """Return one of main's tables: with an ``id``."""
    key = sa.Column("id", sa.Integer, primary_key=True, autoincrement=True)
    # AUTOINCREMENT: the id of a deleted task, which queues and nodes may still hold, is never used again.
    return sa.Table(name, METADATA, key, *columns, **_INNODB, sqlite_autoincrement=True)


def _own(name: str, *columns: sa.schema.SchemaItem) -> sa.Table:
    # utf8mb4_bin: under the usual collations two different names or keys may count as equal.
    """Return one of kgnb's tables: case-sensitive."""
    return sa.Table(name, METADATA, *columns, **_INNODB, mysql_collate="utf8mb4_bin")


def _columns(kind: Any, *names: str, **options: Any) -> list[sa.Column[Any]]:
    """Return a column of the same kind for each name."""
    return [sa.Column(name, kind, **options) for name in names]


def _keys(*names: str) -> list[sa.Column[Any]]:
    """Return the columns of a primary key."""
    return _columns(BigId, *names, primary_key=True, autoincrement=False)


# --- main's -------------------------------------------------------------------------------------------------

novels = _main(
    "novels",
    *_columns(sa.String(255), "title", "author"),
    sa.Column("description", sa.Text),
    sa.Column("file_path", sa.String(500)),
    *_columns(sa.Integer, "file_size", "total_chapters", "total_word_count"),
    sa.Column("tags", Json),
    *_columns(Flag, "is_deleting", "chapters_parsed"),
    *_columns(sa.DateTime, "created_at", "updated_at"),
)

chapters = _main(
    "chapters",
    sa.Column("novel_id", sa.Integer, index=True),
    sa.Column("title", sa.String(255)),
    sa.Column("content", LongText),
    *_columns(sa.Integer, "chapter_number", "word_count"),
    sa.Column("created_at", sa.DateTime),
)

ai_providers = _main(
    "ai_providers",
    *_columns(sa.String(100), "name", "display_name"),
    *_columns(sa.String(255), "api_key", "base_url"),
    sa.Column("models", Json),
    sa.Column("is_active", Flag),
    *_columns(sa.DateTime, "created_at", "updated_at"),
)

tasks = _main(
    "knowledge_graph_tasks",
    sa.Column("task_name", sa.String(255)),
    sa.Column("novel_id", sa.Integer, index=True),
    sa.Column("chapter_ids", Json),
    sa.Column("use_ai", Flag),
    sa.Column("status", sa.String(20), index=True),
    *_columns(sa.Integer, "total_chapters", "completed_chapters", "failed_chapters", "skipped_chapters"),
    *_columns(sa.Integer, "current_chapter_id", "total_entities", "total_relations"),
    sa.Column("error_message", sa.Text),
    sa.Column("last_error_chapter_id", sa.Integer),
    sa.Column("auto_retry_enabled", Flag),
    sa.Column("retry_interval_minutes", sa.Integer),
    *_columns(sa.DateTime, "failed_at", "retry_scheduled_at"),
    sa.Column("retry_count", sa.Integer),
    *_columns(sa.DateTime, "created_at", "started_at", "completed_at", "paused_at", "updated_at"),
)

chapter_status = _main(
    "knowledge_graph_chapter_status",
    *_columns(sa.Integer, "kg_task_id", "chapter_id"),
    sa.Column("status", sa.String(20)),
    *_columns(sa.Integer, "entities_extracted", "relations_extracted"),
    sa.Column("error_message", sa.Text),
    *_columns(sa.DateTime, "created_at", "updated_at", "started_at", "completed_at"),
    sa.Index("ix_kg_chapter_status_task_chapter", "kg_task_id", "chapter_id"),
    sa.Index("ix_kg_chapter_status_task_status", "kg_task_id", "status"),
)

configs = _main(
    "knowledge_graph_configs",
    sa.Column("name", sa.String(255)),
    sa.Column("description", sa.Text),
    sa.Column("ai_provider", sa.String(50)),
    sa.Column("ai_model", sa.String(100)),
    sa.Column("use_ai", Flag),
    sa.Column("max_content_length", sa.Integer),
    *_columns(Flag, "enable_entity_extraction", "enable_relation_extraction"),
    *_columns(Json, "entity_types", "relation_types", "rule_config"),
    *_columns(Flag, "is_default", "is_system"),
    *_columns(sa.DateTime, "created_at", "updated_at"),
)

# --- kgnb's own ---------------------------------------------------------------------------------------------

versions = _own(
    "kgnb_schema",
    sa.Column("id", sa.Integer, primary_key=True, autoincrement=False),  # always 1
    sa.Column("version", sa.Integer, nullable=False),
    sa.Column("updated_at", sa.DateTime),
    *_columns(sa.String(32), "copied", "copied_before"),  # names of copies (embedded/record_copy.py)
)

books = _own(  # imported texts; an edition is a second row of a novel
    "kgnb_books",
    sa.Column("sha256", sa.String(64), primary_key=True),
    sa.Column("novel_id", BigId, nullable=False, index=True),
    sa.Column("lang", sa.String(8)),
    sa.Column("edition", Flag),
    sa.Column("created_at", sa.DateTime),
)

chapter_hashes = _own(
    "kgnb_chapters",
    *_keys("chapter_id"),
    sa.Column("novel_id", BigId, nullable=False, index=True),
    sa.Column("text_hash", sa.String(64), nullable=False, index=True),
)

task_facts = _own(
    "kgnb_tasks",
    *_keys("task_id"),
    sa.Column("novel_id", BigId, nullable=False, index=True),
    sa.Column("provider", sa.String(100)),
    *_columns(sa.String(200), "model", "queue"),
    sa.Column("token", BigId, nullable=False),  # of the lease that opened it last; only rises
    sa.Column("settled", Flag, nullable=False),
    *_columns(sa.DateTime, "opened_at", "settled_at"),
    sa.Column("names", LongText),  # JSON, frozen when first opened, or before
    sa.Column("kinds", LongText),  # JSON: kinds of things to extract, frozen with the names
    sa.Column("dropped", sa.Integer),  # characters of its rows that don't occur in the book
)

claims = _own(  # the fence: the token of a chapter's holder
    "kgnb_claims",
    *_keys("task_id", "chapter_id"),
    sa.Column("token", BigId, nullable=False),
)

extractions = _own(  # the long text comes last, so that counts are read without it
    "kgnb_extractions",
    *_keys("task_id", "chapter_id"),
    sa.Column("novel_id", BigId, nullable=False),
    sa.Column("chapter_number", sa.Integer, nullable=False),
    sa.Column("token", BigId, nullable=False),
    *_columns(sa.String(64), "text_hash", "prompt_hash", nullable=False),
    sa.Column("provider", sa.String(100), nullable=False),
    sa.Column("model", sa.String(200), nullable=False),
    sa.Column("flags", sa.String(200), nullable=False),  # comma-separated
    *_columns(sa.Integer, "requests", "prompt_tokens", "completion_tokens", nullable=False),
    *_columns(sa.Integer, "chars", "rejected", nullable=False),
    sa.Column("created_at", sa.DateTime),
    sa.Column("unverified", sa.Integer),  # events and relations without a quote from the text
    sa.Column("cached_tokens", sa.Integer),  # of prompt_tokens
    sa.Column("reasoning_tokens", sa.Integer),  # of completion_tokens
    sa.Column("metered", Flag),  # 1: its usage is in kgnb_task_spending too; null: imported, of an older kgnb
    sa.Column("extraction", LongText, nullable=False),
    sa.Index("ix_kgnb_extractions_novel", "novel_id", "chapter_id", "task_id"),
)

raw_replies = _own(
    "kgnb_raw",
    *_keys("task_id", "chapter_id"),
    sa.Column("part", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("reply", LongText, nullable=False),
)

names = _own(
    "kgnb_names",
    *_keys("novel_id"),
    sa.Column("kind", sa.String(40), primary_key=True),
    sa.Column("name", sa.String(200), primary_key=True),  # key of 240 characters of 4 bytes: below any limit
    *_columns(sa.Integer, "mentions", "first_chapter", "last_chapter", "chapters", nullable=False),
    sa.Column("aliases", LongText, nullable=False),  # JSON
    sa.Column("reasons", LongText),  # JSON: why each alias is one
    sa.Column("since", LongText),  # JSON: form → chapter from which it is known to be this person's
    sa.Column("narrator", Flag),  # 1: tells the book in the first person; null in rows of older versions
)

name_decisions = _own(  # people's; undone ones stay
    "kgnb_name_decisions",
    sa.Column("id", BigId, primary_key=True, autoincrement=True),
    sa.Column("novel_id", BigId, nullable=False, index=True),
    sa.Column("kind", sa.String(16), nullable=False),
    sa.Column("names", LongText, nullable=False),  # JSON
    sa.Column("first_chapter", sa.Integer),  # null: for the whole book
    sa.Column("last_chapter", sa.Integer),
    sa.Column("made_by", sa.String(100)),
    *_columns(sa.DateTime, "made_at", "undone_at"),
    *_columns(LongText, "detail", "reason"),
    sa.Column("gone", LongText),  # JSON: hashes of its chapters' texts that aren't in the book now
)

replies = _own(  # the cache
    "kgnb_replies",
    sa.Column("id", sa.String(64), primary_key=True),
    sa.Column("provider", sa.String(100), nullable=False),
    sa.Column("model", sa.String(200), nullable=False),
    sa.Column("task_id", BigId, nullable=False, index=True),  # that paid for it
    *_columns(sa.Integer, "requests", "prompt_tokens", "completion_tokens", nullable=False),
    sa.Column("used_by", BigId),  # the task that used it last
    sa.Column("size", sa.Integer, nullable=False),  # bytes of UTF-8
    sa.Column("created_at", sa.DateTime),
    sa.Column("used_at", sa.DateTime, nullable=False, index=True),
    *_columns(sa.Integer, "cached_tokens", "reasoning_tokens"),
    sa.Column("chapter_id", BigId),  # of that task, for which it was asked
    sa.Column("reply", LongText, nullable=False),
)

seen_providers = _own(  # every name ai_providers ever had: a removed provider's queue is moved
    "kgnb_providers",
    sa.Column("name", sa.String(100), primary_key=True),  # as in queue keys: lower case
    sa.Column("seen_at", sa.DateTime),
)

provider_options = _own(  # what kgnb tells a provider; never a secret
    "kgnb_provider_options",
    sa.Column("name", sa.String(100), primary_key=True),  # as in queue keys: lower case
    sa.Column("options", LongText, nullable=False),  # JSON
    sa.Column("updated_at", sa.DateTime),
)

spending = _own(  # usage, replies that could not be used included
    "kgnb_spending",
    sa.Column("provider", sa.String(100), primary_key=True),  # as in queue keys: lower case
    sa.Column("model", sa.String(200), primary_key=True),
    sa.Column("day", sa.Date, primary_key=True),  # in Beijing
    *_columns(BigId, "requests", "prompt_tokens", "completion_tokens", nullable=False),
    *_columns(BigId, "cached_tokens", "reasoning_tokens"),
)

task_spending = _own(  # the same usage by the task that it was for, less than kgnb_spending: some is for none
    "kgnb_task_spending",
    *_keys("task_id"),
    sa.Column("provider", sa.String(100), primary_key=True),  # as in queue keys: lower case
    sa.Column("model", sa.String(200), primary_key=True),
    *_columns(BigId, "requests", "prompt_tokens", "completion_tokens", nullable=False),
    *_columns(BigId, "cached_tokens", "reasoning_tokens"),
)

graphs = _own(  # the graph that the record makes, kept so that opening a book is quick
    "kgnb_graphs",
    *_keys("novel_id"),
    sa.Column("number", BigId, nullable=False),  # of the refresh that made it; only rises
    sa.Column("state", sa.String(64), nullable=False),  # of the record that it was made from
    sa.Column("format", sa.Integer, nullable=False),
    sa.Column("made_at", sa.DateTime),
    sa.Column("counts", sa.Text),  # JSON: nodes by label, edges by type
    sa.Column("data", LongBytes, nullable=False),
)

MAIN = tuple(table for name, table in METADATA.tables.items() if not name.startswith("kgnb_"))
OWN = tuple(table for name, table in METADATA.tables.items() if name.startswith("kgnb_"))

# --- keys ---------------------------------------------------------------------------------------------------

Key = tuple[int, int]
"""(task id, chapter id)."""


def has_key(table: sa.Table, keys: Iterable[Key]) -> sa.ColumnElement[bool]:
    """Return the SQL condition that a row's (task id, chapter id) is among ``keys``; it has one IN list per
    task, which every optimiser turns into index ranges.
    """
    task, chapter = table.c.kg_task_id if table is chapter_status else table.c.task_id, table.c.chapter_id
    chapter_ids: dict[int, list[int]] = defaultdict(list)
    for task_id, chapter_id in sorted(set(keys)):
        chapter_ids[task_id].append(chapter_id)
    return sa.or_(*(sa.and_(task == i, chapter.in_(ids)) for i, ids in chapter_ids.items()))


def read_chapter(row: Any) -> Chapter:
    """Return the chapter in a row of :data:`chapters`; null becomes 0 or ""."""
    return Chapter(row.id, row.novel_id, row.chapter_number or 0, row.title or "", row.word_count or 0)


# --- usage columns ------------------------------------------------------------------------------------------

USAGE_COLUMNS = tuple(field.name for field in fields(Usage))
"""Columns named after a Usage's fields, in their order."""
MAX_COUNT = 2**31 - 1
"""What such a column of a chapter or a reply holds in every database; a provider may claim more."""


def usage_values(usage: Usage) -> dict[str, int]:
    """Return column → value of :data:`USAGE_COLUMNS` for a row, each at most :data:`MAX_COUNT`."""
    return {name: min(getattr(usage, name), MAX_COUNT) for name in USAGE_COLUMNS}


def usage_columns(table: sa.Table) -> list[sa.Column[int]]:
    """Return the usage columns of ``table`` in the order of the fields of :class:`Usage`, for
    :func:`read_usage`.
    """
    return [table.c[name] for name in USAGE_COLUMNS]


def read_usage(values: Iterable[int | None]) -> Usage:
    """Return the usage in the values of :func:`usage_columns`, or in sums of them; null counts as 0."""
    return Usage(*(int(value or 0) for value in values))
