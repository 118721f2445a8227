"""The notebook's one panel, which a test leaves to nobody."""

from __future__ import annotations

import threading

from kgnb.notebook.panel import panel as panel_module
from kgnb.notebook.panel.panel import Panel
from tests.support.patience import SLOWEST


def shown_panel() -> Panel:
    """The panel that :func:`kgnb.panel` made."""
    panel = panel_module.the_panel
    assert panel is not None
    return panel


def refreshers() -> list[threading.Thread]:
    """The threads that refresh panels."""
    return [t for t in threading.enumerate() if t.name == "kgnb-panel"]


def close_panel() -> None:
    """Close the panel if there is one, so that the next test makes its own."""
    panel, panel_module.the_panel = panel_module.the_panel, None
    if panel is not None:
        panel.close()
        for thread in refreshers():
            thread.join(5 * SLOWEST)
