"""The facts of the card with which a worker greets in a terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kgnb import __version__
from kgnb.app.context import App
from kgnb.app.doctor import address_of
from kgnb.core.service_addresses import in_url
from kgnb.core.settings import Settings
from kgnb.render import node_card as card
from kgnb.worker.node import WorkerNode

if TYPE_CHECKING:
    from rich.console import RenderableType


def node_card(app: App, node: WorkerNode) -> RenderableType:
    """Return the card of a node that runs: its providers, services and data folder."""
    served, settings = app.providers.served(), app.settings
    keys = [provider.key for provider in served]
    return card.node_card(
        __version__,
        node.name,
        [(p.name, p.models, node.slot_limit(p, keys)) for p in served],
        _services(settings),
        settings.data.absolute(),
        settings.drain_seconds,
    )


def _services(settings: Settings) -> dict[str, str]:
    embedded = {
        "redis": settings.embedded_redis,
        "sql": settings.embedded_sql,
        "bolt": settings.embedded_graph,
    }
    return {name: "" if inside else _place(settings, name) for name, inside in embedded.items()}


def _place(settings: Settings, name: str) -> str:
    host, port = address_of(settings, name)
    return f"{in_url(host)}:{port}" if host else "unix"
