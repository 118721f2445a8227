"""The control panel that ``kgnb.panel`` shows: a head, six tabs, and the one thread that refreshes them."""

from __future__ import annotations

import importlib
import logging
import pkgutil
import threading
import time
from collections.abc import Mapping
from typing import Any

from kgnb.core.host import is_importable
from kgnb.core.messages import language, say
from kgnb.notebook import node as notebook_node
from kgnb.notebook.node import Node
from kgnb.notebook.panel import alert, html
from kgnb.notebook.panel.controller import PanelController

log = logging.getLogger(__name__)

_TABS: Mapping[str, str] = {
    "connect": "connections_tab:ConnectionsTab",
    "providers": "providers_tab:ProvidersTab",
    "run": "run_tab:RunTab",
    "live": "live_tab:LiveTab",
    "graph": "graph_tab:GraphTab",
    "log": "log_tab:LogTab",
}
"""Modules and classes by tab, from left to right. Each has a ``box``, and ``refresh(status)``, which any
thread may call under the panel's lock."""
REFRESH_SECONDS = 1.0
MIN_REFRESH_SECONDS = 0.1
"""Shortest time between two refreshes, however often the user clicks."""

_guard = threading.RLock()
the_panel: Panel | None = None


def panel(node: Node | None = None) -> Panel | StaticPanel:
    """Return the node's control panel, to be the last line of a cell; ``node``: default is the running one.

    There is one panel per kernel: calling this again shows the same one. Without ipywidgets, and in a batch
    run, it is a static HTML page of the same facts.
    """
    global the_panel
    time.tzset()  # TZ may have been set in a cell: times are shown in the viewer's zone
    node = node or _known_node() or Node.from_env()
    if node.host.batch or not is_importable("ipywidgets"):
        return StaticPanel(node)
    with _guard:
        if the_panel is None:
            the_panel = Panel(PanelController(node))
        the_panel.show_node(node)
        return the_panel


def _known_node() -> Node | None:
    """Return the running node, else the panel's own, else the one that ran last; None before the first."""
    last = notebook_node.current()
    if (last is None or not last.is_alive) and the_panel is not None:
        return the_panel.node
    return last


class StaticPanel:
    """The panel's facts without widgets, as HTML."""

    def __init__(self, node: Node) -> None:
        self.node = node

    def _repr_html_(self) -> str:
        """Return the panel as static HTML, for a notebook's output."""
        hint = "" if self.node.host.batch else say("panel.no_widgets")
        return html.render_html(PanelController(self.node).status(), self.node.recent.lines(), hint)

    def __repr__(self) -> str:
        return repr(self.node)


class Tabs(dict[str, Any]):
    """The tabs by name, each imported and built when it is first asked for: the panel shows up sooner."""

    def __init__(self, controller: PanelController, lock: threading.RLock) -> None:
        from kgnb.notebook.panel import widgets

        super().__init__()
        self._controller, self._lock = controller, lock
        self.pages = {name: widgets.column() for name in _TABS}
        """Boxes that hold the tabs."""

    def __missing__(self, name: str) -> Any:
        build = pkgutil.resolve_name(f"kgnb.notebook.panel.{_TABS[name]}")
        with self._lock:
            if name not in self:
                self[name] = tab = build(self._controller)
                self.pages[name].children = (tab.box,)
                tab.refresh(self._controller.status())
            return self[name]


class Panel:
    """Six tabs over one node; it can be displayed many times, every copy shows the same."""

    def __init__(self, controller: PanelController) -> None:
        self.controller = controller
        self.tabs: Tabs
        self.root: Any = None
        self._language = ""
        self._alert: alert.Alert | None = None
        self._refreshing = threading.RLock()
        self._wake = threading.Event()
        self._thread: threading.Thread | None = None
        self._refresh_error = ""
        controller.wake, controller.refresh = self._wake.set, self.refresh
        controller.show_graph = self._show_graph

    def __repr__(self) -> str:
        return repr(self.controller.node)

    @property
    def node(self) -> Node:
        """The node that the panel works on."""
        return self.controller.node

    def show_node(self, node: Node) -> None:
        """Show this node; builds the widgets again if they were closed."""
        self.controller.cell_watch.watch()
        with self._refreshing:
            if node is not self.controller.node or language() != self._language or self._closed:
                self.controller.show_node(node)
                self._build()
            self.refresh()
        if self._thread is None or not self._thread.is_alive():
            self._thread = threading.Thread(target=self._refresh_forever, name="kgnb-panel", daemon=True)
            self._thread.start()

    def close(self) -> None:
        """Close the panel; the node goes on. :func:`panel` builds it again."""
        with self._refreshing:
            self._close_widgets()
        self.controller.cell_watch.forget()
        self._wake.set()

    @property
    def _closed(self) -> bool:
        """Return whether the widgets aren't built, or were closed."""
        return self.root is None or self.root.comm is None

    def _ipython_display_(self) -> None:
        importlib.import_module("IPython.display").display(self.root)

    # --- widgets

    def _close_widgets(self) -> None:
        """Close every widget, so that no old copy in a cell looks alive."""
        from kgnb.notebook.panel import widgets

        if self.root is not None:
            widgets.close(self.root)
        self.root = None

    def _build(self) -> None:
        import ipywidgets as w

        from kgnb.notebook.panel import widgets

        self._close_widgets()
        self._language, controller = language(), self.controller
        self.tabs = Tabs(controller, self._refreshing)
        self._tabs = w.Tab(list(self.tabs.pages.values()), layout=w.Layout(width="100%"))
        for i, name in enumerate(_TABS):
            self._tabs.set_title(i, say(f"panel.tab_{name}"))
        self.open_tab("run")
        self._tabs.observe(controller.safely(lambda: None), names="selected_index")
        self.mend = widgets.button(controller, "panel.mend_start", self._mend, style="warning")
        self.again = widgets.button(
            controller, "panel.refresh", self._refresh_clicked, tip="panel.refresh_tip"
        )
        self.head, self.messages = widgets.html(flex="1 1 auto"), widgets.html()
        self.messages.add_class("kgnb-said")
        buttons = widgets.row(self.mend, self.again, wrap=False, flex="0 0 auto")
        bar = widgets.row(self.head, buttons, wrap=False, align_items="flex-start", grid_gap="12px")
        style = widgets.html(html.STYLE, display="none")
        self.root = widgets.column(style, bar, self.messages, self._tabs, padding="4px 2px")
        self.root.add_class("kgnb-panel")

    def _show_graph(self, novel: int) -> None:
        self.tabs["graph"].show_book(novel)
        self.open_tab("graph")

    def _refresh_clicked(self) -> None:
        if not self.controller.node.is_alive and not self.controller.running_commands:
            self.controller.read_status()

    def open_tab(self, name: str) -> None:
        """Show this tab."""
        self._tabs.selected_index = list(_TABS).index(name)

    def _mend(self) -> None:
        """Do what mends the trouble that the head reports, or open the form for it."""
        told, controller = self._alert, self.controller
        if told is None:
            return
        if told.mend == "start":
            controller.start()
        elif told.mend in ("resume", "retry"):
            controller.command_task(told.mend, told.task_id)
        elif told.mend == "connect":
            self.open_tab("connect")
        elif told.mend == "resume_provider":
            self.tabs["providers"].resume(told.provider)
        else:
            self.open_tab("providers")
            self.tabs["providers"].edit(told.provider)

    # --- refreshing

    def refresh(self) -> None:
        """Update every widget; only changes are sent. Thread-safe."""
        with self._refreshing:
            if self._closed:
                return
            from kgnb.notebook.panel import widgets

            status = self.controller.status()
            self._alert = told = alert.worst(status)
            widgets.show(self.head, html.head(status, told))
            widgets.visible(self.mend, bool(told and told.mend))
            if told and told.mend:
                widgets.label(self.mend, say(f"panel.mend_{told.mend}"))
            self.controller.shown_tab = shown = list(_TABS)[self._tabs.selected_index or 0]
            try:
                self.tabs[shown]  # is built by now
                for tab in self.tabs.values():
                    tab.refresh(status)
            finally:  # a bug in a tab is among the messages
                widgets.show(self.messages, *self._message_parts(status))

    def _message_parts(self, status: dict[str, Any]) -> list[str]:
        """Return the HTML of the messages below the head; [] for none."""
        controller, parts = self.controller, []
        if controller.cell_watch.seconds:
            parts.append(html.note(say("panel.busy", seconds=round(controller.cell_watch.seconds)), "warn"))
        if ends := html.session_ends(status):
            parts.append(html.note(ends, "warn"))
        if self._refresh_error:
            parts.append(html.note(self._refresh_error, "bad"))
        parts += [html.note(words + " …") for words in controller.running_commands]
        told = self._alert.text if self._alert else ""
        if (last := controller.message) is not None and last.text not in told:
            parts.append(html.note(last.text, last.tone))
        return parts

    def _refresh_forever(self) -> None:
        while not self._closed:
            self._wake.wait(REFRESH_SECONDS)
            self._wake.clear()
            try:
                self.controller.note_node()
                self.refresh()
                for name in _TABS:  # those that nobody has opened yet: a tab must open while a cell runs
                    self.tabs[name]
                self._refresh_error = ""
            except Exception as error:  # a bug must not freeze the panel: show it
                if not self._refresh_error:
                    log.exception(say("panel.broke"))
                self._refresh_error = say("panel.bug", reason=type(error).__name__)
            time.sleep(MIN_REFRESH_SECONDS)
