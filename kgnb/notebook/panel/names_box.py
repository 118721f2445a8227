"""The graph tab's box for names: merge persons, split aliases off, undo."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any

import ipywidgets as w

from kgnb.app import names as names_use_case
from kgnb.app.context import App
from kgnb.app.names import NameEditor
from kgnb.core.errors import InputError
from kgnb.core.messages import say
from kgnb.core.safe_text import one_line
from kgnb.graph.resolve.decisions import DecisionOutcome
from kgnb.graph.resolve.name_listing import ListedName
from kgnb.notebook.panel import html, widgets
from kgnb.notebook.panel.controller import PanelController
from kgnb.render.names_text import changed_line, decision_line, reason_text

OFFERED = 300
"""Persons offered by the lists; any other name can be typed."""
BY = "panel"

Change = Callable[[App], Coroutine[Any, Any, str]]
"""Applies a change and returns a sentence about it."""
Decide = Callable[[App, int], Coroutine[Any, Any, DecisionOutcome]]


class NamesBox:
    """Pick a person; merge another into it, split an alias off, undo.

    ``change`` applies a change to the drawn book and draws it again.
    """

    def __init__(
        self, controller: PanelController, task: Callable[[], int], change: Callable[[str, Change], None]
    ) -> None:
        self._task, self._change = task, change
        self._names: NameEditor | None = None
        self._shown: tuple[NameEditor, str] | None = None
        self.person = _typed(say("panel.f_person"))
        self.person.observe(controller.safely(lambda: None), names="value")
        self.other = _typed(say("panel.f_other"))
        self.alias = widgets.choice(say("panel.f_alias"), [(say("panel.no_alias"), "")], flex="0 1 420px")
        self.decision = widgets.choice(
            say("panel.f_decision"), [(say("panel.no_decision"), 0)], flex="0 1 420px"
        )
        self.merge = widgets.button(say("panel.merge"), controller.safely(self._merge), width="96px")
        self.split = widgets.button(say("panel.split"), controller.safely(self._split), width="96px")
        self.undo = widgets.button(say("panel.undo"), controller.safely(self._undo), width="96px")
        self._why = widgets.html(margin="2px 0 2px 8px")
        self.box = widgets.column(
            widgets.html(html.block(html.titled(say("panel.names"), ""))),
            widgets.row(self.person, self._why),
            widgets.row(self.other, self.merge),
            widgets.row(self.alias, self.split),
            widgets.row(self.decision, self.undo),
            margin="10px 0 0 0",
        )
        self.box.layout.display = "none"

    def take(self, names: NameEditor) -> None:
        """Offer these names from the next :meth:`refresh` on. Thread-safe."""
        self._names = names

    def refresh(self) -> None:
        """Update the lists."""
        names = self._names
        if names is None or self._shown == (names, self.person.value):
            return
        if self._shown is None or self._shown[0] is not names:
            offered = tuple(one_line(one.name) for one in names.listed[:OFFERED])
            self.person.options = self.other.options = offered
            standing = [d for d in reversed(names.decisions) if d.in_force]
            offers = [(decision_line(d), d.id) for d in standing] or [(say("panel.no_decision"), 0)]
            if tuple(self.decision.options) != tuple(offers):
                self.decision.options = offers  # and the newest is chosen
                self.decision.value = offers[0][1]
            self.box.layout.display = ""
        self._shown = (names, self.person.value)
        chosen = self._chosen()
        aliases = [(one_line(a), a) for a in chosen.aliases] if chosen else []
        widgets.options(self.alias, aliases or [(say("panel.no_alias"), "")])
        widgets.show(self._why, html.block(_reasons(chosen)))

    def _chosen(self) -> ListedName | None:
        names = self._names
        name = self.person.value.strip()
        return next((one for one in names.listed if one.name == name), None) if names else None

    def _typed_name(self, box: Any) -> str:
        name: str = box.value.strip()
        if not name:
            raise InputError("panel.no_person")
        return name

    def _decide(self, doing: str, change: Decide, **how: bool) -> None:
        task = self._task()

        async def apply(app: App) -> str:
            return changed_line(await change(app, task), task, **how)

        self._change(doing, apply)

    def _merge(self) -> None:
        name, other = self._typed_name(self.person), self._typed_name(self.other)
        self._decide(
            say("panel.merging"), lambda app, task: names_use_case.merge(app, task, name, [other], by=BY)
        )

    def _split(self) -> None:
        name, alias = self._typed_name(self.person), self.alias.value
        if not alias:
            raise InputError("panel.no_alias_chosen")
        self._decide(
            say("panel.splitting"), lambda app, task: names_use_case.split(app, task, name, [alias], by=BY)
        )

    def _undo(self) -> None:
        number = self.decision.value
        if not number:
            raise InputError("panel.nothing_to_undo")
        self._decide(
            say("panel.undoing"), lambda app, task: names_use_case.undo(app, task, number), undone=True
        )


def _typed(label: str) -> Any:
    return w.Combobox(
        description=label,
        style=widgets.label_style(),
        layout=w.Layout(width="auto", margin="2px 0", flex="0 1 420px"),
        placeholder=say("panel.type_a_name"),
        continuous_update=False,
    )


def _reasons(chosen: ListedName | None) -> str:
    if chosen is None:
        return ""
    lines = "；".join(f"{one_line(reason.alias)}：{reason_text(reason)}" for reason in chosen.reasons)
    return f'<span class="dim">{html.text(lines or say("panel.no_alias"), 400)}</span>'
