"""Builders for widgets, limited to what ipywidgets 7.7.1 and 8 have in common.

Assigning the value that a widget has already sends nothing.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import ipywidgets as w

from kgnb.core.messages import language, say
from kgnb.notebook.panel import html as panel_html
from kgnb.notebook.panel.controller import PanelController

LABEL_WIDTH = {"zh": "60px", "en": "84px"}
CONFIRM_SECONDS = 5.0
"""A second click on what can't be undone within this time does it."""


def html(*parts: str, **layout: str) -> Any:
    """Return an HTML widget that shows the parts."""
    return w.HTML(_block(parts), layout=w.Layout(**{"margin": "0", **layout}))


def button(
    controller: PanelController,
    key: str,
    click: Callable[[], None],
    *,
    style: str = "",
    tip: str = "",
    width: str = "auto",
) -> Any:
    """Return a button with the texts ``key`` and ``tip``; what ``click`` raises is shown in the panel."""
    shape = w.Layout(width=width, margin="2px")
    made = w.Button(description=say(key), tooltip=say(tip or key), button_style=style, layout=shape)
    made.on_click(controller.safely(click))
    return made


class ConfirmedButton:
    """A button for what can't be undone: it acts on the second of two clicks within ``CONFIRM_SECONDS``."""

    def __init__(self, controller: PanelController, key: str, act: Callable[[], None]) -> None:
        self._key, self._act = key, act
        self._clicked_at = -math.inf
        self.button = button(controller, key, self._click)

    def _click(self) -> None:
        is_sure, self._clicked_at = self._is_sure(), time.monotonic()
        if is_sure:
            self._clicked_at = -math.inf
            self._act()

    def _is_sure(self) -> bool:
        """Return whether the button was clicked a moment ago, so that this click confirms it."""
        return time.monotonic() - self._clicked_at < CONFIRM_SECONDS

    def refresh(self) -> None:
        """Ask for the second click, or ask no more."""
        label(self.button, say("panel.sure" if self._is_sure() else self._key))


class RowList:
    """A box of rows by key, in the order of the newest items."""

    def __init__(self, make: Callable[[Any], Any]) -> None:
        """``make(item)`` returns a row, which has a ``box`` and ``update(item)``."""
        self._make = make
        self.rows: dict[Any, Any] = {}
        self.box = column()

    def update(self, items: Mapping[Any, Any]) -> None:
        """Show these items."""
        self.rows = {key: self.rows.get(key) or self._make(item) for key, item in items.items()}
        for key, row in self.rows.items():
            row.update(items[key])
        self.box.children = tuple(row.box for row in self.rows.values())


def row(*children: Any, wrap: bool = True, **layout: str) -> Any:
    """Return a horizontal box."""
    flow = "row wrap" if wrap else "row nowrap"
    return w.HBox(list(children), layout=w.Layout(**{"flex_flow": flow, "align_items": "center", **layout}))


def column(*children: Any, **layout: str) -> Any:
    """Return a vertical box of ``children``, top to bottom; ``layout``: CSS properties (``width="50%"``)."""
    return w.VBox(list(children), layout=w.Layout(**layout))


def card(title: str, *children: Any, **layout: str) -> Any:
    """Return a framed vertical box with a heading."""
    made = column(html(f"<h4>{panel_html.text(title)}</h4>"), *children, **layout)
    made.add_class("kgnb-box")
    return made


def field(label: str, value: Any = "", *, kind: str = "text", hint: str = "", **layout: str) -> Any:
    """Return a labelled input; ``kind``: text, combobox, password or number."""
    if kind == "number":
        return _labelled(w.BoundedIntText, label, layout, value=int(value), min=0, max=65_535)
    made = {"password": w.Password, "combobox": w.Combobox}.get(kind, w.Text)
    return _labelled(made, label, layout, value=value, placeholder=hint, continuous_update=False)


def choice(label: str, options: Sequence[tuple[str, Any]], **layout: str) -> Any:
    """Return a drop-down list of (label, value) pairs."""
    return _labelled(w.Dropdown, label, layout, options=list(options))


def _labelled(kind: Callable[..., Any], label: str, layout: Mapping[str, str], **given: Any) -> Any:
    """Return a widget of this kind with a label."""
    shape = w.Layout(**{"width": "auto", "margin": "2px 0", **layout})
    style = {"description_width": LABEL_WIDTH[language()]}
    return kind(description=label, style=style, layout=shape, **given)


def checkbox(label: str, value: bool = False, **layout: str) -> Any:
    """Return a checkbox."""
    shape = w.Layout(**{"width": "auto", **layout})
    return w.Checkbox(value=value, description=label, indent=False, layout=shape)


def label(button: Any, text: str) -> None:
    """Set a button's label."""
    button.description = button.tooltip = text


def visible(widget: Any, shown: bool) -> None:
    """Show or hide a widget."""
    widget.layout.display = "" if shown else "none"


def show(widget: Any, *parts: str) -> None:
    """Show the parts in an HTML widget."""
    widget.value = _block(parts)


def _block(parts: Sequence[str]) -> str:
    """Return the parts in the panel's style; "" for empty parts."""
    return panel_html.block(*parts) if any(parts) else ""


def options(choice: Any, wanted: Sequence[tuple[str, Any]]) -> None:
    """Set a list's options if they changed, keeping the choice."""
    if tuple(choice.options) == tuple(wanted):
        return
    chosen = choice.value
    choice.options = list(wanted)
    if any(value == chosen for _, value in wanted):
        choice.value = chosen


def close(widget: Any) -> None:
    """Close a widget and all its children."""
    for child in getattr(widget, "children", ()):
        close(child)
    widget.close()
