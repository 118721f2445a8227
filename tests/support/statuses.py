"""Statuses as `kgnb status --json` has them: one provider, node and task, each with fields of one's own."""

from __future__ import annotations

import time
from datetime import datetime
from typing import Any

from kgnb.app.condition import add_conditions

NOW = time.time()


def a_task(**more: Any) -> dict[str, Any]:
    return {
        "task_id": 1, "novel_id": 1, "name": "三国", "status": "running", "provider": "openai", "model": "m",
        "chapters": 10, "completed": 5, "failed": 0, "skipped": 0, "running": 1, "percent": 50.0,
        "error": "", "failures": [], "rate": 2.0, "seconds_left": 150, "refreshed": False, "queue": "",
        "flags": {}, "unverified": 0, "rejected": 0, "dropped": 0, "chars": 0,
        "prompt_tokens": 1_234, "completion_tokens": 0, "cost": None, **more,
    }  # fmt: skip


def a_node(**more: Any) -> dict[str, Any]:
    return {
        "name": "甲", "age": 1.0, "pid": 1, "slots": 2, "started_at": "x", "version": "1", "kgnb": True,
        "heartbeat": "", "tasks": [1], "down": {},
        "providers": [{"provider": "openai", "busy": 1, "slots": 2, "in_flight": 1}], **more,
    }  # fmt: skip


def a_provider(**more: Any) -> dict[str, Any]:
    return {
        "name": "openai", "url": "https://a/v1", "models": ["m"], "state": "ok", "paused_until": None,
        "reason": "", "kind": "", "problem": "", "by_hand": False, "limited_until": None, "failures": 0,
        "answered_at": NOW - 60, "answer_seconds": 1.2, "refused_since": None, "days": 30, "requests": 1,
        "prompt_tokens": 9, "completion_tokens": 1, "cost": None, "budget": None, "budget_tokens": None,
        **more,
    }  # fmt: skip


def a_status(
    *tasks: dict[str, Any], nodes: Any = None, providers: Any = (), age: float = 0.0, **now: Any
) -> dict[str, Any]:
    """The tasks with their conditions; read ``age`` seconds ago. ``now``: what is known since then."""
    at = datetime.fromtimestamp(NOW - age).astimezone().isoformat(timespec="seconds")
    status = {
        "at": at,
        "nodes": [a_node()] if nodes is None else nodes,
        "queues": [],
        "providers": list(providers),
        "tasks": list(tasks),
    }
    return add_conditions(status, **{"now": NOW} | now)
