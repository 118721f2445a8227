"""The panel's fourth tab: figures of this node, and the nodes and queues of the whole cluster."""

from __future__ import annotations

from kgnb.core.messages import say
from kgnb.notebook.panel import html, widgets
from kgnb.notebook.panel.controller import PanelController


class LiveTab:
    """The tab. Each part is a widget of its own, so that only changed parts are sent."""

    def __init__(self, _: PanelController) -> None:
        parts = [widgets.html() for _ in range(5)]
        self._cards, self._chart, self._nodes, self._queues, self._errors = parts
        self.box = widgets.column(
            self._cards,
            self._chart,
            self._nodes,
            widgets.row(self._queues, self._errors, align_items="flex-start", grid_gap="28px"),
        )
        self._queues.layout.flex = "2 1 380px"
        self._errors.layout.flex = "1 1 220px"

    def refresh(self, status: html.Item) -> None:
        """Show the current figures."""
        local, cluster = status["local"], status["cluster"]
        widgets.show(self._cards, html.block(html.cards(status)))
        for widget, title, body in (
            (self._chart, "panel.chart", html.chart(local["per_minute"])),
            (self._nodes, "panel.nodes", html.nodes(cluster)),
            (self._queues, "panel.queues", html.queues(cluster)),
            (self._errors, "panel.errors", html.errors(local)),
        ):
            widgets.show(widget, html.block(html.titled(say(title), body)))
