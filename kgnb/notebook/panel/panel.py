"""The panel: head, six tabs, and the one refresher that writes the widgets. ``kgnb.panel`` shows it."""

from __future__ import annotations

import importlib
import logging
import threading
import time
from typing import Any, Protocol

from kgnb.core.messages import language, say
from kgnb.notebook import node as notebook_node
from kgnb.notebook.node import Node
from kgnb.notebook.panel import html
from kgnb.notebook.panel.controller import PanelController
from kgnb.notebook.panel.style import STYLE
from kgnb.render.status_view import status_view

log = logging.getLogger(__name__)

EVERY_SECONDS = 1.0
SHORTEST_SECONDS = 0.1
"""Between two refreshes, however often somebody clicks."""

_guard = threading.RLock()
_panel: Panel | None = None


class Tab(Protocol):
    """A tab: its widgets are in ``box``."""

    box: Any

    def refresh(self, status: html.Item) -> None:
        """Brings the widgets up to date; called in any thread, under the panel's lock."""


def panel(node: Node | None = None) -> Panel | StaticPanel:
    """The node's control panel, as the last line of a cell; ``node`` is by default the one that runs.

    There is one panel per kernel: calling this again shows the same one. Without ipywidgets, and in a batch
    run, it is the same facts as plain HTML, as they are when it is shown.
    """
    global _panel
    node = node or _known_node() or Node.from_env()
    if node.place.batch or not _has_widgets():
        return StaticPanel(node)
    with _guard:
        if _panel is None:
            _panel = Panel(PanelController(node))
        _panel.turn_to(node)
        return _panel


def _known_node() -> Node | None:
    """The running node, else the panel's own, else the one that ran last."""
    last = notebook_node.current()
    if (last is None or not last.is_alive) and _panel is not None:
        return _panel.node
    return last


def _has_widgets() -> bool:
    try:
        importlib.import_module("ipywidgets")
    except ImportError:
        return False
    return True


class StaticPanel:
    """The panel's facts without widgets: HTML in a notebook, lines elsewhere."""

    def __init__(self, node: Node) -> None:
        self.node = node

    def _repr_html_(self) -> str:
        hint = "" if self.node.place.batch else say("panel.no_widgets")
        return html.render_html(self.node.status(), self.node.recent.lines(), hint)

    def __repr__(self) -> str:
        return lines(self.node)


def lines(node: Node) -> str:
    """The node's state and the cluster's as text."""
    from kgnb.render import terminal

    cluster = node.status()["cluster"]
    page = terminal.plain_lines(terminal.status_page(status_view(cluster))) if cluster else []
    return "\n".join([repr(node), *page])


class Panel:
    """Six tabs over one node. Show it as often as you like: every copy shows the same."""

    def __init__(self, desk: PanelController) -> None:
        self.desk = desk
        self.tabs: dict[str, Any] = {}  # of Tab
        self._root: Any = None
        self._language = ""
        self._refreshing = threading.RLock()
        self._wake = threading.Event()
        self._thread: threading.Thread | None = None
        self._broken = ""
        desk.wake, desk.refresh = self._wake.set, self.refresh

    def __repr__(self) -> str:
        return lines(self.desk.node)

    @property
    def node(self) -> Node:
        """The node that the panel works on."""
        return self.desk.node

    def turn_to(self, node: Node) -> None:
        """From now on it is this node's panel; its widgets are made anew where they were closed."""
        self.desk.remember_loop()
        self.desk.busy.watch()
        with self._refreshing:
            if node is not self.desk.node or language() != self._language or self._closed:
                self.desk.turn_to(node)
                self._build()
            self.refresh()
        if self._thread is None or not self._thread.is_alive():
            self._thread = threading.Thread(target=self._keep_fresh, name="kgnb-panel", daemon=True)
            self._thread.start()

    def close(self) -> None:
        """Takes the panel away; the node goes on. :func:`panel` makes it anew."""
        with self._refreshing:
            self._take_away()
        self.desk.busy.forget()
        self._wake.set()

    @property
    def _closed(self) -> bool:
        return self._root is None or self._root.comm is None

    def _ipython_display_(self) -> None:
        importlib.import_module("IPython.display").display(self._root)

    # --- widgets

    def _take_away(self) -> None:
        """Closes every widget: an old copy in some cell must not look alive."""
        from kgnb.notebook.panel import widget_helpers

        if self._root is not None:
            widget_helpers.close(self._root)
        self._root = None

    def _build(self) -> None:
        import ipywidgets as w

        from kgnb.notebook.panel import widget_helpers
        from kgnb.notebook.panel.connections_tab import ConnectionsTab
        from kgnb.notebook.panel.graph_tab import GraphTab
        from kgnb.notebook.panel.live_tab import LiveTab
        from kgnb.notebook.panel.log_tab import LogTab
        from kgnb.notebook.panel.providers_tab import ProvidersTab
        from kgnb.notebook.panel.run_tab import RunTab

        self._take_away()
        self._language = language()
        made = {
            "connect": ConnectionsTab,
            "providers": ProvidersTab,
            "run": RunTab,
            "live": LiveTab,
            "graph": GraphTab,
            "log": LogTab,
        }
        self.tabs = {name: make(self.desk) for name, make in made.items()}
        tabs = w.Tab([tab.box for tab in self.tabs.values()], layout=w.Layout(width="100%"))
        for i, name in enumerate(self.tabs):
            tabs.set_title(i, say(f"panel.tab_{name}"))
        tabs.selected_index = list(self.tabs).index("run")
        self._head, self._said = widget_helpers.html(flex="1 1 auto"), widget_helpers.html()
        self._said.add_class("kgnb-said")
        self.again = widget_helpers.button(
            say("panel.refresh"), self.desk.safely(self._clicked), tip=say("panel.refresh_tip")
        )
        bar = widget_helpers.row(self._head, self.again, wrap=False, align_items="flex-start")
        self._root = widget_helpers.column(
            widget_helpers.html(STYLE, display="none"), bar, self._said, tabs, padding="4px 2px"
        )
        self._root.add_class("kgnb-panel")
        self._tabs = tabs

    def _clicked(self, _: object = None) -> None:
        if not self.desk.node.is_alive and not self.desk.under_way:
            self.desk.look()

    # --- refreshing

    def refresh(self) -> None:
        """Brings every widget up to date; only what changed is sent. Any thread may call it."""
        with self._refreshing:
            if self._closed:
                return
            from kgnb.notebook.panel import widget_helpers

            status = self.desk.status()
            widget_helpers.show(self._head, html.block(html.head(status)))
            for tab in self.tabs.values():
                tab.refresh(status)
            widget_helpers.show(self._said, self._words(status))

    def _words(self, status: dict[str, Any]) -> str:
        """What has to be said right now, below the head."""
        desk, parts = self.desk, []
        if desk.busy.seconds:
            parts.append(html.note(say("panel.busy", seconds=round(desk.busy.seconds)), "warn"))
        parts += [html.note(words, tone) for tone, words in html.troubles(status)]
        if self._broken:
            parts.append(html.note(self._broken, "bad"))
        parts += [html.note(words + " …") for words in desk.under_way]
        if (word := desk.word) is not None and (word.text, word.tone) not in [
            (words, tone) for tone, words in html.troubles(status)
        ]:
            parts.append(html.note(word.text, word.tone))
        return html.block(*parts)

    def _keep_fresh(self) -> None:
        while not self._closed:
            self._wake.wait(EVERY_SECONDS)
            self._wake.clear()
            try:
                self.desk.turn()
                self.refresh()
                self._broken = ""
            except Exception as error:  # a bug of ours must not freeze the panel: it says so
                if not self._broken:
                    log.exception(say("panel.broke"))
                self._broken = say("panel.bug", reason=type(error).__name__)
            time.sleep(SHORTEST_SECONDS)
