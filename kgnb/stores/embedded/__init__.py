"""The embedded engines of a data folder: Valkey, ArcadeDB over Bolt, and SQLite's path.

A small supervisor process owns the engines; whoever calls :func:`open_embedded` holds a connection to it,
and when the last connection is gone (closed, crashed or killed) it stops them. One supervisor a folder.

``client`` opens and joins, ``folder`` is the data folder's layout and locks, ``process`` tells processes
apart safely, ``supervisor`` is the owning process, ``valkey`` and ``arcade`` are the engines it runs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from kgnb.stores.embedded.connect import Embedded, Endpoints, open_embedded

__all__ = ["Embedded", "Endpoints", "open_embedded"]


def __getattr__(name: str) -> object:
    # Lazy, because the supervisor imports its modules from here and runs on the standard library alone.
    if name in __all__:
        from kgnb.stores.embedded import connect

        return getattr(connect, name)
    raise AttributeError(name)
