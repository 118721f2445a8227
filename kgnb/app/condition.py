"""What each task is doing, and what a person can do about it: derived here once, for every face.

Main's ``status`` of a task only says what was commanded. Whether it moves also depends on its provider (a
refused key, a pause, a rate limit) and on the nodes (none runs, none serves the provider).
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, Literal

from kgnb.core.formatting import time_of_day
from kgnb.core.messages import say
from kgnb.core.model import ACTIVE_STATUSES, RULES, TaskStatus
from kgnb.extract.model import GAPS
from kgnb.stores.queue.types import QueueName

Item = Mapping[str, Any]

State = Literal[
    "waiting", "running", "refreshing", "stuck", "paused", "completed", "gaps", "failed", "cancelled"
]  # fmt: skip
"""*stuck* needs a person; *paused* ends by itself or by the one who paused; *gaps*: finished, not whole."""
Cause = Literal["", "hand", "budget", "limit", "outage", "service", "node"]
Mend = Literal["", "start", "connect", "key", "model", "url", "resume_provider", "resume", "retry"]
"""What mends it: start a node, repair a service's settings, a provider's key, model or address, end a pause
of the provider or of the task, retry what failed. "": nothing is needed, or ``why`` says it."""

LOST_SECONDS = 60.0
"""A node without a heartbeat for so long counts as dead here; its leases run out by themselves."""
SHORT_LIMIT = 30.0
"""A rate limit that ends within so many seconds is a part of running, once chapters end at all."""

_MENDS: Mapping[str, Mend] = {
    "provider.auth": "key",
    "provider.bad_key": "key",
    "provider.no_key": "key",
    "provider.key_wanted": "key",
    "provider.no_such_model": "model",
    "provider.no_model": "model",
    "provider.rejected": "model",
    "provider.no_version": "url",
    "provider.moved": "url",
    "provider.garbled": "url",
    "provider.unreachable": "url",
    "provider.bad_url": "url",
    "provider.no_url": "url",
    "provider.quota": "resume_provider",
    "provider.not_fetched": "resume_provider",
    "provider.region": "resume_provider",
}
"""By the key of the error that a provider's requests end in; other errors end by themselves."""
BUDGETS = ("provider.budget_money", "provider.budget_tokens", "provider.no_price")
"""Of those, the ones about a budget."""


@dataclass(frozen=True, slots=True)
class Condition:
    """A task's state, why it is so, and what mends it.

    ``since`` and ``until`` in epoch seconds, None where unknown; ``by``: what paused it.
    """

    state: State
    why: str = ""
    since: float | None = None
    until: float | None = None
    by: Cause = ""
    mend: Mend = ""


def add_conditions(
    status: dict[str, Any],
    *,
    left: str = "",
    down: str = "",
    stuck: Mapping[int, str] | None = None,
    now: float | None = None,
) -> dict[str, Any]:
    """Return a status with each task's ``condition`` as of ``now``: :class:`Condition` as a dict, and the
    ``provider`` that it depends on, "" where none is known.

    ``left``: a node that ended since the status was read; ``down``: why it can't be read again; ``stuck``: by
    task, why it can't be opened here.
    """
    now = time.time() if now is None else now
    silent = max(0.0, now - datetime.fromisoformat(status["at"]).timestamp())
    nodes = [n for n in status["nodes"] if n["name"] != left and n["age"] + silent < LOST_SECONDS]
    providers = {p["name"].lower(): p for p in status["providers"]}
    tasks = []
    for task in status["tasks"]:
        provider, why = providers.get(_provider_key(task)), (stuck or {}).get(task["task_id"], "")
        found = condition(task, provider, nodes, down=down, stuck=why, now=now)
        name = provider["name"] if provider else ""
        tasks.append({**task, "condition": asdict(found) | {"provider": name}})
    return {**status, "tasks": tasks}


def condition(
    task: Item, provider: Item | None, nodes: Sequence[Item], *, down: str, stuck: str, now: float
) -> Condition:
    """Return one task's condition as of ``now`` (epoch seconds).

    In this order: how it ended; "stuck" when a service is ``down``; "waiting" without nodes; "refreshing"
    when all chapters are done; the provider's trouble; "running" where a node has it, else "waiting".
    ``nodes``: the live ones; ``down``, ``stuck``: reasons as in :func:`add_conditions`, "" for none.
    """
    if task["status"] not in ACTIVE_STATUSES:
        return _ended(task)
    if down:
        return Condition("stuck", down, by="service", mend="connect")
    if not nodes:
        return Condition("waiting", _no_node(provider), by="node", mend="start")
    theirs = [node for node in nodes if task["task_id"] in node["tasks"]]
    graph = say("status.why_graph_waits") if any("bolt" in node["down"] for node in theirs) else ""
    if theirs and all("sql" in node["down"] for node in theirs):
        return Condition("stuck", theirs[0]["down"]["sql"], by="service", mend="connect")
    if 0 < task["chapters"] == task["completed"] + task["skipped"] + task["failed"]:
        return Condition("stuck", stuck) if stuck else Condition("refreshing", graph)
    held_up = _provider_trouble(task, provider, nodes, now)
    if held_up is not None:
        return held_up
    if stuck:
        return Condition("stuck", stuck)
    return Condition("running", graph) if theirs else Condition("waiting", say("status.why_queued"))


def _no_node(provider: Item | None) -> str:
    """Return the sentence that no node runs; it also says that the provider is paused, if it is: a node that
    is started would wait.
    """
    if provider is None or not provider["paused_until"]:
        return say("status.why_no_node")
    facts = {"until": time_of_day(provider["paused_until"]), "provider": provider["name"]}
    reason = provider["reason"] or say("providers.no_reason")
    return say("status.why_no_node_paused", **facts, reason=reason)


def _provider_key(task: Item) -> str:
    """Return the lower-case name of the task's provider, else that of its queue; "" for neither."""
    return (task["provider"] or QueueName(task["queue"]).provider_key).lower()


def _ended(task: Item) -> Condition:
    """Return the condition of a task that isn't active: paused, cancelled, failed, with gaps or completed."""
    status = task["status"]
    if status == TaskStatus.PAUSED:
        return Condition(
            "paused", say("status.why_task_by_hand", task=task["task_id"]), by="hand", mend="resume"
        )
    if status == TaskStatus.CANCELLED:
        return Condition("cancelled", mend="retry")
    if status == TaskStatus.FAILED and not task["completed"]:
        return Condition("failed", _failed(task), mend="retry")
    if status == TaskStatus.FAILED or task["failed"]:
        return Condition("gaps", _failed(task), mend="retry")
    flagged = any(flag in task["flags"] for flag in GAPS)
    return Condition("gaps" if flagged else "completed")


def _failed(task: Item) -> str:
    """Return how many chapters failed with the most frequent reason; the task's own error (maybe "") for a
    task that was given up or whose chapters have no reasons.
    """
    reasons = [one["reason"] for one in task["failures"] if one["reason"]]
    if not reasons or (task["error"] and not task["refreshed"]):
        return str(task["error"])
    return say("status.why_failed", count=task["failed"], reason=max(reasons, key=reasons.count))


def _provider_trouble(
    task: Item, provider: Item | None, nodes: Sequence[Item], now: float
) -> Condition | None:
    """Return what keeps the task's provider from answering; None where nothing does."""
    if provider is None:
        name = _provider_key(task)
        served = not name or _is_served(task, name, nodes)
        return None if served else Condition("waiting", _not_served(name), by="node")
    if provider["paused_until"]:
        return _paused(provider)
    if not _is_served(task, provider["name"].lower(), nodes):
        if provider["problem"]:
            return Condition("stuck", provider["problem"], mend=_MENDS.get(provider["kind"], "key"))
        return Condition("waiting", _not_served(provider["name"]), by="node")
    limited = provider["limited_until"]
    if limited and (task["rate"] is None or limited - now > SHORT_LIMIT):
        why = say("status.why_limited", provider=provider["name"])
        return Condition("paused", why, until=limited, by="limit", mend="resume_provider")
    if provider["state"] == "refused":
        mend = _MENDS.get(provider["kind"], "")
        return Condition("stuck", provider["reason"], since=provider["refused_since"], mend=mend)
    return None


def _not_served(provider: str) -> str:
    """Return the sentence that no node serves the provider."""
    key = "why_rules_not_served" if provider.lower() == RULES else "why_not_served"
    return say(f"status.{key}", provider=provider)


def _paused(provider: Item) -> Condition:
    """Return the condition of a task whose provider is paused: by hand, by a budget, by a refusal or by an
    outage.
    """
    until, reason, kind = provider["paused_until"], provider["reason"], provider["kind"]
    if provider["by_hand"]:
        why = say("status.why_by_hand", provider=provider["name"])
        return Condition("paused", why, until=until, by="hand", mend="resume_provider")
    if kind in BUDGETS:
        return Condition("paused", reason, until=until, by="budget", mend="resume_provider")
    if kind in _MENDS:
        return Condition("stuck", reason, provider["refused_since"], until, mend=_MENDS[kind])
    why = reason or say("status.why_paused", provider=provider["name"])
    return Condition("paused", why, until=until, by="outage", mend="resume_provider")


def _is_served(task: Item, key: str, nodes: Sequence[Item]) -> bool:
    """Return whether a node asks the provider ``key`` (lower case) or works at the task (an old worker tells
    no providers).
    """
    serving = (p["provider"].lower() for node in nodes for p in node["providers"])
    return key in serving or any(task["task_id"] in node["tasks"] for node in nodes)
