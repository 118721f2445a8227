"""The embedded engines of a data folder: Valkey, ArcadeDB over Bolt, and SQLite's path.

A small supervisor process, one per folder, owns the engines. :func:`open_embedded` starts or joins it and
holds a connection; when the last connection is gone (closed, crashed or killed) it stops the engines.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from kgnb.stores.embedded.connect import Embedded, Endpoints, open_embedded

__all__ = ["Embedded", "Endpoints", "open_embedded"]


def __getattr__(name: str) -> object:
    # Lazy: the supervisor imports this package and has the standard library only, no pydantic.
    if name in __all__:
        from kgnb.stores.embedded import connect

        return getattr(connect, name)
    raise AttributeError(name)
