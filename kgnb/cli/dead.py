"""`kgnb dead list|retry|drop`: the queues' dead letters, chapters that failed for good."""

from __future__ import annotations

import argparse

from kgnb.app import context, dead_letters
from kgnb.app.dead_letters import DeadLetter
from kgnb.cli import options
from kgnb.core.errors import InputError
from kgnb.core.formatting import date_and_time
from kgnb.core.messages import say
from kgnb.core.safe_text import one_line
from kgnb.core.settings import Settings

TITLE_CHARS = 80
"""What a line shows of a title, or of garbage."""
REASON_CHARS = 300


async def list_dead(args: argparse.Namespace, settings: Settings) -> int:
    """Print the dead letters of every queue, or that there is none; return 0."""
    async with context.open_to_look(settings, graph=False) as app:
        entries = await dead_letters.list_dead_letters(app)
    facts = {"dead": [entry.as_dict() for entry in entries]}
    return options.show(
        args, facts, lambda: map(_entry_line, entries) if entries else [say("operate.dead_none")]
    )


def _entry_line(entry: DeadLetter) -> str:
    """Return the line on a dead letter."""
    item = entry.item
    kind = "chapter" if item.chapter_id else "task" if item.task_id else "garbage"
    facts = {
        "when": date_and_time(item.at),
        "task": item.task_id,
        "chapter": "?" if entry.chapter is None else entry.chapter,
        "title": one_line(entry.title, TITLE_CHARS),
        "reason": one_line(item.reason, REASON_CHARS),
        "deliveries": item.deliveries,
        "failures": item.failures,
        "queue": one_line(item.queue),
    }
    return say(f"operate.dead_{kind}", **facts)


async def retry(args: argparse.Namespace, settings: Settings) -> int:
    """Queue dead letters again: a chapter's, a task's, or with ``--all`` every task's; return 0. Raises
    InputError without a task and ``--all``.
    """
    if (args.task is None) != args.all:
        raise InputError("operate.which", option="--all")
    async with context.open_to_look(settings, graph=False) as app:
        done = await dead_letters.retry_dead_letters(app, args.task, args.chapter)
    if done.tasks:
        print(say("operate.dead_retried", entries=done.entries, tasks=", ".join(map(str, done.tasks))))
    if done.left:
        print(say("operate.dead_left", tasks=", ".join(map(str, done.left))))
    return options.OK


async def drop(args: argparse.Namespace, settings: Settings) -> int:
    """Drop dead letters: a chapter's, a task's, or with ``--garbage`` those that belong to no task; return 0.
    Raises InputError without a task and ``--garbage``.
    """
    if (args.task is None) != args.garbage:
        raise InputError("operate.which", option="--garbage")
    async with context.open_to_look(settings, graph=False) as app:
        if args.garbage:
            count = await dead_letters.drop_garbage(app)
        else:
            count = await dead_letters.drop_dead_letters(app, args.task, args.chapter)
    print(say("operate.dead_dropped", entries=count))
    return options.OK
