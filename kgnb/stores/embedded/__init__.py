"""The embedded engines of a data folder: Valkey, ArcadeDB over Bolt, and SQLite's path.

A small supervisor process, one per folder, owns the engines. :func:`open_embedded` holds a connection to
it; when the last connection is gone (closed, crashed or killed) it stops them.

``connect`` starts or joins the supervisor, ``data_folder`` is the folder's layout and locks, ``restore``
fills it from an earlier run, ``supervisor`` is the owning process, ``valkey`` and ``arcadedb`` its engines.
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
