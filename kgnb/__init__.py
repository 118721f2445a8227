"""kgnb turns novels into knowledge graphs, from a notebook.

>>> import kgnb
>>> book = kgnb.build(kgnb.story_path())  # doctest: +SKIP
>>> book.show()  # doctest: +SKIP
"""

from __future__ import annotations

from typing import TYPE_CHECKING

__version__ = "0.1.0"

if TYPE_CHECKING:
    from kgnb.app.api import BookGraph, allow_nested_loops, books, open  # noqa: F401 — public, see _HOME
    from kgnb.app.build_call import build
    from kgnb.book.reader import story_path
    from kgnb.core.colab import upload
    from kgnb.core.errors import KgnbError
    from kgnb.core.model import Provider
    from kgnb.core.provider_options import ProviderOptions
    from kgnb.notebook.node import Node
    from kgnb.notebook.panel.panel import panel

__all__ = [
    "BookGraph",
    "KgnbError",
    "Node",
    "Provider",
    "ProviderOptions",
    "__version__",
    "allow_nested_loops",
    "books",
    "build",
    "panel",
    "story_path",
    "upload",
]

# `open` is public too, but `from kgnb import *` must not take the built-in away.
_HOME = {
    "BookGraph": "kgnb.app.api",
    "allow_nested_loops": "kgnb.app.api",
    "books": "kgnb.app.api",
    "build": "kgnb.app.build_call",
    "open": "kgnb.app.api",
    "Node": "kgnb.notebook.node",
    "panel": "kgnb.notebook.panel.panel",
    "story_path": "kgnb.book.reader",
    "KgnbError": "kgnb.core.errors",
    "upload": "kgnb.core.colab",
    "Provider": "kgnb.core.model",
    "ProviderOptions": "kgnb.core.provider_options",
}


def __getattr__(name: str) -> object:
    # Lazy: `import kgnb` loads no driver, so it stays quick in every notebook.
    if name in _HOME:
        from importlib import import_module

        return getattr(import_module(_HOME[name]), name)
    raise AttributeError(f"module 'kgnb' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*__all__, *_HOME})
