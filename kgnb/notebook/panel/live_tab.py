"""The panel's live tab: figures of this node, and the nodes and queues of the whole cluster."""

from __future__ import annotations

from kgnb.notebook.panel import html, widgets
from kgnb.notebook.panel.controller import PanelController


class LiveTab:
    """The tab. Each part is a widget of its own, so that only changed parts are sent."""

    def __init__(self, _: PanelController) -> None:
        self.cards, self._chart, self.nodes = (widgets.html() for _ in range(3))
        self._queues, self._errors = widgets.html(flex="2 1 380px"), widgets.html(flex="1 1 220px")
        below = widgets.row(self._queues, self._errors, align_items="flex-start", grid_gap="28px")
        self.box = widgets.column(self.cards, self._chart, self.nodes, below)

    def refresh(self, status: html.Item) -> None:
        """Show the current figures."""
        local, cluster = status["local"], status["cluster"]
        widgets.show(self.cards, html.cards(status))
        widgets.show(self._chart, html.part("panel.chart", html.chart(local["per_minute"])))
        widgets.show(self.nodes, html.part("panel.nodes", html.nodes(cluster)))
        widgets.show(self._queues, html.part("panel.queues", html.queues(cluster)))
        widgets.show(self._errors, html.part("panel.errors", html.errors(local)))
