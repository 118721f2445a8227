"""The panel's log tab: the last log lines of this process."""

from __future__ import annotations

import logging

from kgnb.core.formatting import zone
from kgnb.core.messages import say
from kgnb.notebook.panel import html, widgets
from kgnb.notebook.panel.controller import PanelController


class LogTab:
    """The tab."""

    def __init__(self, controller: PanelController) -> None:
        self._controller = controller
        levels = [
            (say("panel.level_all"), logging.DEBUG),
            (say("panel.level_info"), logging.INFO),
            (say("panel.level_warning"), logging.WARNING),
            (say("panel.level_error"), logging.ERROR),
        ]
        self.level = widgets.choice(say("panel.level"), levels, width="260px")
        self.level.value = logging.INFO
        self.level.observe(controller.safely(lambda: None), names="value")
        self.hold = widgets.checkbox(say("panel.hold"))
        self.lines = widgets.html()
        zone_note = widgets.html(html.dim(say("panel.times_in", zone=zone())))
        self._seen: tuple[int, int] = (-1, -1)
        bar = widgets.row(self.level, self.hold, zone_note, grid_gap="16px", margin="0 0 8px")
        self.box = widgets.column(bar, self.lines)

    def refresh(self, _: html.Item) -> None:
        """Show the lines; unchanged ones aren't sent again."""
        if self.hold.value and self._seen != (-1, -1):
            return
        lines = self._controller.node.recent.lines(self.level.value)
        seen = (self.level.value, lines[-1].number if lines else 0)
        if seen != self._seen:
            self._seen = seen
            widgets.show(self.lines, html.log(lines))
