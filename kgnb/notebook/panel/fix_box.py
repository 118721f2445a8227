"""The graph tab's corrections: rename, no person, add or take away a tie, protagonist, note."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from kgnb.app import corrections
from kgnb.app.context import App
from kgnb.app.tasks import find_task
from kgnb.core.errors import InputError
from kgnb.core.labels import CHARACTER_RELATIONS
from kgnb.core.messages import say
from kgnb.graph.resolve.decisions import Decision, Kind
from kgnb.notebook.panel import widgets
from kgnb.notebook.panel.controller import PanelController
from kgnb.render.names_text import applied_line

KINDS: tuple[Kind, ...] = ("rename", "kind", "tie", "untie", "protagonist", "note")
BY = "panel"


class FixBox:
    """Corrects the person that ``person`` returns the name of.

    ``change`` applies a change to the drawn book and draws it again.
    """

    def __init__(
        self,
        controller: PanelController,
        task: Callable[[], int],
        person: Callable[[], str],
        change: Callable[[str, Callable[[App], Any]], None],
    ) -> None:
        self._task, self._person, self._change = task, person, change
        wide: dict[str, Any] = {"flex": "0 1 300px"}
        self.kind = widgets.choice(
            say("panel.f_fix"), [(say(f"explorer.fix_{kind}"), kind) for kind in KINDS], **wide
        )
        self.to = widgets.field(say("panel.f_to"), hint=say("panel.hint_to"), **wide)
        types = sorted(CHARACTER_RELATIONS)
        self.type = widgets.choice(
            say("explorer.fix_type"), [(say(f"relation.{t}"), t) for t in types], **wide
        )
        self.reason = widgets.field(say("panel.f_reason"), hint=say("panel.hint_reason"), **wide)
        self.apply = widgets.button(controller, "panel.fix", self._apply, width="96px")
        self.kind.observe(controller.safely(self._fit), names="value")
        self._fit()
        self.box = widgets.column(widgets.row(self.kind, self.to, self.type, self.reason, self.apply))

    def _fit(self) -> None:
        """Show the fields that the chosen kind needs."""
        self.to.layout.display = "none" if self.kind.value in ("kind", "protagonist") else None
        self.type.layout.display = None if self.kind.value == "tie" else "none"

    def wanted(self) -> Decision:
        """Return the correction in the form, with id 0. Raises InputError where a name is missing."""
        kind, name, to = self.kind.value, self._person(), self.to.value.strip()
        if kind in ("rename", "tie", "untie") and not to:
            raise InputError("panel.no_person")
        names = (name, to) if kind in ("rename", "tie", "untie") else (name,)
        detail = {"tie": self.type.value, "protagonist": "yes", "note": to}.get(kind, "")
        return Decision(0, kind, names, detail=detail, reason=self.reason.value.strip())

    def _apply(self) -> None:
        task, wanted = self._task(), self.wanted()

        async def apply(app: App) -> str:
            novel = (await find_task(app, task)).novel_id
            [done] = await corrections.apply(app, novel, [wanted], by=BY)
            if done.problem:
                raise InputError("corrections.problem", problem=done.problem)
            return applied_line(done.decision, task, new=done.new, problem="")

        self._change(say("panel.fixing"), apply)
