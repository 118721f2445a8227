"""What the panel's head reports: the worst trouble of node, services and tasks, and what mends it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from kgnb.app.condition import Mend
from kgnb.core.formatting import cut
from kgnb.core.messages import say
from kgnb.render.status_view import Item, condition_words
from kgnb.render.table import Tone

TITLE_COLUMNS = 32
"""A longer title is cut."""

_WORST_FIRST = ("stuck", "paused", "waiting")
"""Conditions of unfinished tasks that the head reports."""


@dataclass(frozen=True, slots=True)
class Alert:
    """A trouble in one sentence, and what mends it at which task or provider."""

    tone: Tone
    text: str
    mend: Mend = ""
    task_id: int = 0
    provider: str = ""


def worst(status: Item) -> Alert | None:
    """Return the most serious alert for a node's status, with what mends it; None where all is well.

    Order: the node's failure, a service that is down, then the tasks' conditions.
    """
    if status["error"]:
        mend: Mend = "connect" if status["error_service"] else "start"
        return Alert("bad", say("notebook.failed", reason=status["error"]), mend)
    down = service_down(status)
    if down:
        return Alert("bad", down, "connect")
    tasks = (status["cluster"] or {}).get("tasks", ())
    return _unfinished(tasks, is_alive=status["state"] in ("starting", "running")) or _ended(tasks)


def service_down(status: Item) -> str:
    """Return why a running node can't reach one of its services; "" if it can, or doesn't run."""
    if status["state"] not in ("starting", "running", "stopping"):
        return ""
    reasons = [*status["local"]["down"].values(), status["cluster_error"]]
    return next(filter(None, reasons), "")


def _unfinished(tasks: Sequence[Item], *, is_alive: bool) -> Alert | None:
    """Return the alert for the task in the worst state; None if all go on."""
    for state in _WORST_FIRST:
        for task in tasks:
            condition = task["condition"]
            takes_its_turn = state == "waiting" and not condition["by"]
            waits_for_start = condition["mend"] == "start" and is_alive
            if condition["state"] == state and not (takes_its_turn or waits_for_start):
                return _of_task(task)
    return None


def _ended(tasks: Sequence[Item]) -> Alert | None:
    """Return the failure of the newest task, None if it has none that can be mended: older ones are in the
    list.
    """
    newest = max(tasks, key=lambda task: int(task["task_id"]), default=None)
    if (
        newest is None
        or newest["condition"]["state"] not in ("failed", "gaps")
        or not newest["condition"]["mend"]
    ):
        return None
    return _of_task(newest)


def _of_task(task: Item) -> Alert:
    """Return the alert for a task's condition."""
    condition = task["condition"]
    facts = {"name": cut(task["name"], TITLE_COLUMNS), "state": condition_words(condition)}
    text = say("panel.alert", why=condition["why"], **facts)
    tone: Tone = "bad" if condition["state"] in ("stuck", "failed") else "warn"
    return Alert(tone, text, condition["mend"], task["task_id"], condition["provider"])
