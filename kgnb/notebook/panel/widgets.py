"""Builders for widgets, limited to what ipywidgets 7.7.1 and 8 have in common."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import ipywidgets as w

from kgnb.core.messages import language
from kgnb.notebook.panel import html as panel_html

LABEL_WIDTH = {"zh": "60px", "en": "84px"}


def label_style() -> dict[str, str]:
    """Return a style that gives all labels the same width."""
    return {"description_width": LABEL_WIDTH[language()]}


def html(value: str = "", **layout: str) -> Any:
    """Return an HTML widget."""
    return w.HTML(value, layout=w.Layout(**{"margin": "0", **layout}))


def button(
    label: str, click: Callable[..., None], *, style: str = "", tip: str = "", width: str = "auto"
) -> Any:
    """Return a button that calls ``click``."""
    made = w.Button(
        description=label,
        tooltip=tip or label,
        button_style=style,
        layout=w.Layout(width=width, margin="2px"),
    )
    made.on_click(click)
    return made


def row(*children: Any, wrap: bool = True, **layout: str) -> Any:
    """Return a horizontal box."""
    flow = "row wrap" if wrap else "row nowrap"
    return w.HBox(list(children), layout=w.Layout(**{"flex_flow": flow, "align_items": "center", **layout}))


def column(*children: Any, **layout: str) -> Any:
    """Return a vertical box."""
    return w.VBox(list(children), layout=w.Layout(**layout))


def card(title: str, *children: Any, **layout: str) -> Any:
    """Return a framed vertical box with a heading."""
    made = column(html(panel_html.block(f"<h4>{panel_html.text(title)}</h4>")), *children, **layout)
    made.add_class("kgnb-box")
    return made


def field(label: str, value: Any = "", *, kind: str = "text", hint: str = "", **layout: str) -> Any:
    """Return a labelled input; ``kind``: text, combobox, password or number."""
    given: dict[str, Any] = {
        "description": label,
        "style": label_style(),
        "layout": w.Layout(**{"width": "auto", "margin": "2px 0", **layout}),
    }
    if kind == "number":
        return w.BoundedIntText(value=int(value), min=0, max=65_535, **given)
    made = {"password": w.Password, "combobox": w.Combobox}.get(kind, w.Text)
    return made(value=value, placeholder=hint, continuous_update=False, **given)


def choice(label: str, options: Sequence[tuple[str, Any]], **layout: str) -> Any:
    """Return a drop-down list of (label, value) pairs."""
    return w.Dropdown(
        options=list(options),
        description=label,
        style=label_style(),
        layout=w.Layout(**{"width": "auto", "margin": "2px 0", **layout}),
    )


def checkbox(label: str, value: bool = False, **layout: str) -> Any:
    """Return a checkbox."""
    shape = w.Layout(**{"width": "auto", **layout})
    return w.Checkbox(value=value, description=label, indent=False, layout=shape)


def label(button: Any, text: str) -> None:
    """Set a button's label if it changed."""
    if button.description != text:
        button.description = button.tooltip = text


def enable(button: Any, enabled: bool) -> None:
    """Enable or disable a button if that changes it."""
    if button.disabled is enabled:
        button.disabled = not enabled


def visible(widget: Any, shown: bool) -> None:
    """Show or hide a widget if that changes it."""
    wanted = "" if shown else "none"
    if (widget.layout.display or "") != wanted:
        widget.layout.display = wanted


def show(widget: Any, value: str) -> None:
    """Set an HTML widget's text if it changed: an assignment would send it again."""
    if widget.value != value:
        widget.value = value


def children(box: Any, wanted: Sequence[Any]) -> None:
    """Set a box's children if they changed."""
    if tuple(box.children) != tuple(wanted):
        box.children = tuple(wanted)


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
