"""How usage lies in kgnb's tables: a column for each count, by the count's name."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import fields

import sqlalchemy as sa

from kgnb.core.model import Usage

COUNTS = tuple(field.name for field in fields(Usage))
"""The columns, in the order of a Usage's fields."""
MOST = 2**31 - 1
"""What a column of a chapter or a reply holds in every database; a provider may claim more."""


def usage_values(usage: Usage) -> dict[str, int]:
    """The values of one row's columns."""
    return {name: min(getattr(usage, name), MOST) for name in COUNTS}


def columns(table: sa.Table) -> list[sa.Column[int]]:
    """The table's columns of these, to be read with :func:`usage_of`."""
    return [table.c[name] for name in COUNTS]


def usage_of(values: Iterable[int | None]) -> Usage:
    """A usage from its columns or their sums; null where nothing was counted, or by an older kgnb."""
    return Usage(*(int(value or 0) for value in values))
