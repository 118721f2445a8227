"""What a task is doing and what mends it: every state a run can be in, derived from plain values."""

from __future__ import annotations

from typing import Any

import pytest

from kgnb.core.messages import say, use_language
from kgnb.extract.model import GAPS
from kgnb.render.status_view import failure_notes, task_row
from tests.support.statuses import NOW, a_node, a_provider, a_status, a_task

FRESH: dict[str, Any] = {"completed": 0, "percent": 0.0, "rate": None, "seconds_left": None}
LATER = NOW + 600
FAILURES = [
    {"chapter": 3, "title": "三", "reason": "回复被截断"},
    {"chapter": 7, "title": "七", "reason": "超出上下文"},
    {"chapter": 9, "title": "九", "reason": "超出上下文"},
]


def refused(kind: str, **more: Any) -> dict[str, Any]:
    facts = {"reason": f"because of {kind}", "kind": kind, "refused_since": NOW - 300}
    return a_provider(**{"state": "refused"} | facts | more)


def paused(kind: str = "", **more: Any) -> dict[str, Any]:
    return refused(kind, state="paused", paused_until=LATER, **more)


CASES: dict[str, tuple[dict[str, Any], tuple[str, str, str]]] = {
    "at work": ({}, ("running", "", "")),
    "wrong key": ({"provider": paused("provider.auth"), "task": FRESH}, ("stuck", "", "key")),
    "wrong model": ({"provider": paused("provider.no_such_model"), "task": FRESH}, ("stuck", "", "model")),
    "wrong model, not listed": ({"provider": refused("provider.rejected")}, ("stuck", "", "model")),
    "wrong address": ({"provider": refused("provider.unreachable"), "task": FRESH}, ("stuck", "", "url")),
    "address without /v1": ({"provider": paused("provider.no_version")}, ("stuck", "", "url")),
    "address that leads elsewhere": ({"provider": paused("provider.moved")}, ("stuck", "", "url")),
    "no key": (
        {"provider": a_provider(state="unusable", problem="no key", kind="provider.no_key"), "task": FRESH,
         "node": {"providers": [], "tasks": []}},
        ("stuck", "", "key"),
    ),
    "balance used up": ({"provider": paused("provider.quota")}, ("stuck", "", "resume_provider")),
    "endpoint failing": ({"provider": paused("provider.failing")}, ("paused", "outage", "resume_provider")),
    "429": (
        {"provider": a_provider(state="limited", limited_until=LATER)},
        ("paused", "limit", "resume_provider"),
    ),
    "429, short": ({"provider": a_provider(state="limited", limited_until=NOW + 3)}, ("running", "", "")),
    "budget": ({"provider": paused("provider.budget_money")}, ("paused", "budget", "resume_provider")),
    "provider paused by hand": (
        {"provider": paused(by_hand=True)}, ("paused", "hand", "resume_provider"),
    ),
    "task paused by hand": ({"task": {"status": "paused"}}, ("paused", "hand", "resume")),
    "cancelled": ({"task": {"status": "cancelled"}}, ("cancelled", "", "retry")),
    "node stopped": ({"nodes": []}, ("waiting", "node", "start")),
    "node stopped since": ({"now": {"left": "甲"}}, ("waiting", "node", "start")),
    "node died": ({"node": {"age": 90.0}}, ("waiting", "node", "start")),
    "node died since": ({"age": 120.0}, ("waiting", "node", "start")),
    "nobody serves it": ({"node": {"providers": [], "tasks": []}}, ("waiting", "node", "")),
    "provider removed": ({"task": {"provider": "gone"}, "node": {"tasks": []}}, ("waiting", "node", "")),
    "service down": ({"now": {"down": "Redis is away"}}, ("stuck", "service", "connect")),
    "can't be opened": ({"now": {"stuck": {1: "no novel"}}}, ("stuck", "", "")),
    "queued": ({"task": FRESH | {"status": "created"}, "node": {"tasks": []}}, ("waiting", "", "")),
    "no chapter left": ({"task": {"completed": 9, "skipped": 1}}, ("refreshing", "", "")),
    "no chapter left, provider paused": (
        {"task": {"completed": 10}, "provider": paused("provider.auth")}, ("refreshing", "", ""),
    ),
    "finished": ({"task": {"status": "completed", "completed": 10}}, ("completed", "", "")),
    "finished with gaps": (
        {"task": {"status": "completed", "completed": 10, "flags": {next(iter(GAPS)): 1}}}, ("gaps", "", ""),
    ),
    "one poison chapter": (
        {"task": {"status": "failed", "completed": 9, "failed": 1, "failures": FAILURES[:1]}},
        ("gaps", "", "retry"),
    ),
    "poison, still at work": ({"task": {"failed": 1, "failures": FAILURES[:1]}}, ("running", "", "")),
    "all failed": (
        {"task": {"status": "failed", "completed": 0, "failed": 3, "failures": FAILURES}},
        ("failed", "", "retry"),
    ),
    "given up": (
        {"task": {"status": "failed", "completed": 0, "error": "broke three times"}}, ("failed", "", "retry"),
    ),
}  # fmt: skip


@pytest.mark.parametrize(("completed", "state"), [(5, "running"), (10, "refreshing")])
def test_a_graph_that_waits_is_told_while_chapters_go_on(completed: int, state: str) -> None:
    nodes = [a_node(down={"bolt": "away"}), a_node(name="乙", tasks=[2])]
    found = derived({"task": {"completed": completed}, "nodes": nodes})["condition"]
    assert (found["state"], found["why"]) == (state, say("status.why_graph_waits"))
    others = [a_node(), a_node(name="乙", tasks=[2], down={"bolt": "away"})]
    assert derived({"task": {"completed": completed}, "nodes": others})["condition"]["why"] == ""


def derived(case: dict[str, Any]) -> dict[str, Any]:
    nodes = case.get("nodes", [a_node(**case.get("node", {}))])
    providers = [case.get("provider", a_provider())]
    task = a_task(**case.get("task", {}))
    status = a_status(task, nodes=nodes, providers=providers, age=case.get("age", 0.0), **case.get("now", {}))
    found: dict[str, Any] = status["tasks"][0]
    return found


@pytest.mark.parametrize("name", CASES)
def test_every_state_a_run_can_be_in(name: str) -> None:
    case, (state, by, mend) = CASES[name]
    task = derived(case)
    found = task["condition"]
    assert (found["state"], found["by"], found["mend"]) == (state, by, mend)
    moves = state == "running"
    quiet = ("running", "refreshing", "completed", "cancelled")
    assert found["why"] or state in quiet or name == "finished with gaps"
    row = task_row(task)
    assert row.cells["status"].value.startswith(say(f"status.is_{state}"))
    assert (row.cells["status"].tone == "good") == (state in ("running", "refreshing"))
    if not moves:  # nothing promises an end that will not come
        assert row.cells["left"].value is None
        assert row.cells["rate"].value is None
    if (state == "paused" and by != "hand") or mend == "resume_provider":
        assert found["until"] == LATER


def test_without_a_node_it_also_says_that_the_provider_is_paused() -> None:
    why = derived({"nodes": [], "provider": paused("provider.quota")})["condition"]["why"]
    assert all(word in why for word in ("kgnb worker", "because of provider.quota", "UTC", "resume openai"))
    unknown = derived({"nodes": [], "provider": paused(reason="")})["condition"]["why"]
    assert say("providers.no_reason") in unknown


def test_a_pause_of_unknown_origin_is_not_told_twice() -> None:
    use_language("en")
    row = task_row(derived({"provider": paused(reason=""), "task": FRESH}))
    told = " ".join([row.cells["status"].value, *(str(note.value) for note in row.notes)])
    assert told.count("paused until") == 1
    assert "is paused" not in told
    assert "isn't known" in told


def test_failed_chapters_are_listed_by_their_reasons() -> None:
    notes = [note.value for note in task_row(derived(CASES["all failed"][0])).notes]
    assert notes == ["第 7、9 章：超出上下文", "第 3 章：回复被截断"]


def test_chapters_in_a_row_are_a_range() -> None:
    failures = [{"chapter": n, "reason": "refused"} for n in (*range(1, 901), 905)]
    assert failure_notes(failures) == ["第 1–900、905 章：refused"]


def test_the_most_frequent_reason_says_why() -> None:
    case = {"status": "failed", "failed": 3, "failures": FAILURES, "error": "3 failed", "refreshed": True}
    assert derived({"task": case})["condition"]["why"].endswith("超出上下文")
    assert derived({"task": case | {"refreshed": False}})["condition"]["why"] == "3 failed"  # given up
