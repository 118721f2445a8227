"""The graph tab's corrections of the drawn book: who is called what, who is who, ties, notes; undoable."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Mapping
from typing import Any

from kgnb.app import corrections
from kgnb.app.context import App
from kgnb.app.names import BookNames
from kgnb.app.tasks import find_task
from kgnb.core.errors import InputError
from kgnb.core.labels import CHARACTER_RELATIONS
from kgnb.core.messages import say
from kgnb.core.safe_text import one_line
from kgnb.graph.resolve.decisions import Decision, Kind
from kgnb.graph.resolve.name_listing import ListedName
from kgnb.notebook.panel import html, widgets
from kgnb.notebook.panel.controller import PanelController
from kgnb.render.names_text import applied_line, decision_line, reasons_text, undone_line

FIELDS: Mapping[Kind, tuple[str, ...]] = {
    "rename": ("to", "reason"),
    "merge": ("to",),
    "split": ("alias",),
    "kind": ("reason",),
    "tie": ("to", "type", "since", "reason"),
    "untie": ("to", "reason"),
    "protagonist": ("reason",),
    "note": ("to",),
}
"""Kind of correction → the fields that it needs."""
OFFERED = 300
"""Persons offered by the lists; any other name can be typed."""
BY = "panel"

Change = Callable[[App], Coroutine[Any, Any, str]]
"""Applies a change and returns a sentence about it."""


class CorrectionsBox:
    """Pick a person, what is wrong, and what is right; undo.

    ``task`` returns a task of the drawn book; ``change`` applies a change to that book and draws it again.
    """

    def __init__(
        self, controller: PanelController, task: Callable[[], int], change: Callable[[str, Change], None]
    ) -> None:
        self._task, self._change = task, change
        self._names: BookNames | None = None
        self._shown: tuple[BookNames, str] | None = None
        person: dict[str, Any] = {"flex": "0 1 420px", "kind": "combobox"}
        narrow: dict[str, Any] = {"flex": "0 1 300px"}
        self.person = widgets.field(say("panel.f_person"), hint=say("panel.type_a_name"), **person)
        self.person.observe(controller.safely(lambda: None), names="value")
        kinds = [(say(f"explorer.fix_{kind}"), kind) for kind in FIELDS]
        self.kind = widgets.choice(say("panel.f_fix"), kinds, **narrow)
        self.kind.observe(controller.safely(self._fit), names="value")
        types = [(say(f"relation.{one}"), one) for one in sorted(CHARACTER_RELATIONS)]
        self.fields = {
            "to": widgets.field(
                say("panel.f_to"), hint=say("panel.hint_to"), **narrow | {"kind": "combobox"}
            ),
            "alias": widgets.choice(say("panel.f_alias"), [(say("panel.no_alias"), "")], **narrow),
            "type": widgets.choice(say("explorer.fix_type"), types, **narrow),
            "since": widgets.field(say("panel.f_since"), hint=say("panel.hint_reason"), **narrow),
            "reason": widgets.field(say("panel.f_reason"), hint=say("panel.hint_reason"), **narrow),
        }
        self.apply = widgets.button(controller, "panel.fix", self._apply, width="96px")
        none = [(say("panel.no_decision"), 0)]
        self.decision = widgets.choice(say("panel.f_decision"), none, flex="0 1 420px")
        self.undo = widgets.button(controller, "panel.undo", self._undo, width="96px")
        self._why = widgets.html(margin="2px 0 2px 8px")
        self.box = widgets.column(
            widgets.html(html.part("panel.names")),
            widgets.row(self.person, self._why),
            widgets.row(self.kind, *self.fields.values(), self.apply),
            widgets.row(self.decision, self.undo),
            margin="10px 0 0 0",
        )
        self._fit()
        widgets.visible(self.box, False)

    def _fit(self) -> None:
        """Show the fields that the chosen kind needs."""
        for name, field in self.fields.items():
            widgets.visible(field, name in FIELDS[self.kind.value])

    # --- refreshing

    def take(self, names: BookNames) -> None:
        """Offer these names from the next :meth:`refresh` on. Thread-safe."""
        self._names = names

    def refresh(self) -> None:
        """Update the lists."""
        names = self._names
        if names is None or self._shown == (names, self.person.value):
            return
        if self._shown is None or self._shown[0] is not names:
            offered = tuple(one_line(one.name) for one in names.listed[:OFFERED])
            self.person.options = self.fields["to"].options = offered
            standing = [(decision_line(d), d.id) for d in reversed(names.decisions) if d.in_force]
            standing = standing or [(say("panel.no_decision"), 0)]
            if tuple(self.decision.options) != tuple(standing):
                self.decision.options = standing  # and the newest is chosen
                self.decision.value = standing[0][1]
            widgets.visible(self.box, True)
        self._shown = (names, self.person.value)
        chosen = self._chosen(names)
        aliases = [(one_line(a), a) for a in chosen.aliases] if chosen else []
        widgets.options(self.fields["alias"], aliases or [(say("panel.no_alias"), "")])
        why = reasons_text(chosen.reasons) or say("panel.no_alias") if chosen else ""
        widgets.show(self._why, f'<span class="dim">{html.text(why, 400)}</span>' if why else "")

    def _chosen(self, names: BookNames) -> ListedName | None:
        name = self.person.value.strip()
        return next((one for one in names.listed if one.name == name), None)

    # --- clicks

    def _apply(self) -> None:
        task, kind, name = self._task(), self.kind.value, self.person.value.strip()
        typed = {field: self.fields[field].value.strip() for field in FIELDS[kind]}
        if not name or (kind != "note" and typed.get("to") == ""):
            raise InputError("panel.no_person")
        if typed.get("alias") == "":
            raise InputError("panel.no_alias_chosen")
        self._change(say("panel.fixing"), lambda app: _applied(app, task, kind, name, typed))

    def _undo(self) -> None:
        task, number = self._task(), self.decision.value
        if not number:
            raise InputError("panel.nothing_to_undo")

        async def undo(app: App) -> str:
            novel = (await find_task(app, task)).novel_id
            return undone_line(await corrections.undo(app, novel, number), task)

        self._change(say("panel.undoing"), undo)


async def _applied(app: App, task: int, kind: Kind, name: str, typed: Mapping[str, str]) -> str:
    """Apply a correction as it was typed; return what was done. Raises InputError."""
    detail = {"tie": typed.get("type", ""), "protagonist": "yes", "note": typed.get("to", "")}.get(kind, "")
    of_two = kind in ("rename", "merge", "split", "tie", "untie")
    names = (name, typed.get("alias") or typed["to"]) if of_two else (name,)
    since = typed.get("since", "")
    if since and not since.isdecimal():
        raise InputError("panel.no_chapter_number", since=since)
    chapters = (int(since), int(since)) if since else None
    wanted = Decision(0, kind, names, chapters=chapters, detail=detail, reason=typed.get("reason", ""))
    novel = (await find_task(app, task)).novel_id
    done = await corrections.apply_one(app, novel, wanted, by=BY, new_aliases=False)
    return applied_line(done, task)
