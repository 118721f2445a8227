"""The facts of the card with which a worker greets in a terminal."""

from __future__ import annotations

from kgnb import __version__
from kgnb.app.context import App
from kgnb.app.doctor import address_of
from kgnb.core.service_addresses import in_url
from kgnb.core.settings import Settings
from kgnb.render.node_card import NodeCard, ServedProvider
from kgnb.worker.node import WorkerNode


def node_card(app: App, node: WorkerNode) -> NodeCard:
    """Return the card of a node that runs: its providers, services and data folder."""
    served, settings = app.providers.served(), app.settings
    keys = [provider.key for provider in served]
    return NodeCard(
        version=__version__,
        node=node.name,
        providers=[ServedProvider(p.name, p.models, node.slot_limit(p, keys)) for p in served],
        services=_services(settings),
        data=settings.data.absolute(),
        drain_seconds=settings.drain_seconds,
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
