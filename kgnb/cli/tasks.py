"""`kgnb task pause|resume|cancel|retry|delete`: commands on one task."""

from __future__ import annotations

import argparse
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from kgnb.cli.options import OK, command, family, old_spelling, task_argument
from kgnb.cli.parser import Commands, Parser
from kgnb.core.errors import InputError
from kgnb.core.messages import say
from kgnb.core.safe_text import one_line

if TYPE_CHECKING:
    from kgnb.core.model import Task
    from kgnb.core.settings import Settings

TITLE_CHARS = 80
"""What the question before a deletion shows of a task's name."""


def add_task(commands: Commands[Parser]) -> None:
    """Declares `kgnb task` and its commands; each also works under its spelling before there was a family."""
    parts = family(commands, "task", text="task_family")
    for name, run, old in (
        ("pause", pause, "pause-task"),
        ("resume", resume, "resume-task"),
        ("cancel", cancel, "cancel"),
        ("retry", retry, "retry"),
        ("delete", delete, "delete"),
    ):
        added = command(parts, name, run, text=f"task_{name}")
        task_argument(added)
        if run is delete:
            added.add_argument("--yes", action="store_true", help=say("cli.help_yes"))
        old_spelling(commands, old, added)


async def pause(args: argparse.Namespace, settings: Settings) -> int:
    """Pauses a task on every node."""
    from kgnb.app import context, tasks

    async with context.open_for_task(settings, args.task, graph=False) as app:
        done = await tasks.pause_task(app, args.task)
    print(say("operate.was_paused" if done.changed else "operate.was_paused_before", task=args.task))
    return OK


async def cancel(args: argparse.Namespace, settings: Settings) -> int:
    """Cancels a task on every node."""
    from kgnb.app import context, tasks

    async with context.open_for_task(settings, args.task, graph=False) as app:
        done = await tasks.cancel_task(app, args.task)
    print(say("operate.was_cancelled" if done.changed else "operate.was_cancelled_before", task=args.task))
    return OK


async def resume(args: argparse.Namespace, settings: Settings) -> int:
    """Queues a paused task again."""
    from kgnb.app import context, tasks

    async with context.open_for_task(settings, args.task, graph=False) as app:
        done = await tasks.resume_task(app, args.task)
    print(say("operate.queued_again", task=args.task, queue=one_line(done.queue)))
    return OK


async def retry(args: argparse.Namespace, settings: Settings) -> int:
    """Queues a task's failed chapters again, or the whole of a cancelled task."""
    from kgnb.app import context, tasks

    async with context.open_for_task(settings, args.task, graph=False) as app:
        done = await tasks.retry_task(app, args.task)
    facts = {"task": args.task, "queue": one_line(done.queue)}
    if done.chapters:
        print(say("operate.was_retried", chapters=done.chapters, **facts))
    else:
        print(say("operate.was_started_again", **facts))
    return OK


async def delete(args: argparse.Namespace, settings: Settings) -> int:
    """Deletes a task, after a question unless ``--yes`` is given."""
    from kgnb.app import context, tasks

    if not (args.yes or sys.stdin.isatty()):
        raise InputError("operate.needs_yes", task=args.task)
    async with context.open_for_task(settings, args.task) as app:
        task = await tasks.find_task(app, args.task)
        if not (args.yes or _confirmed(task)):
            print(say("operate.not_deleted"))
            return OK
        await tasks.delete_task(app, args.task)
    print(say("operate.was_deleted", task=args.task))
    return OK


def _confirmed(task: Task) -> bool:
    """Ask at the terminal. Blocks the loop: nothing else runs meanwhile."""
    facts = {"name": one_line(task.name, TITLE_CHARS), "status": task.status.value}
    with _default_ctrl_c():
        try:
            answer = input(say("operate.ask_delete", task=task.id, **facts))
        except EOFError:
            print()
            return False
    return answer.strip().lower() in ("y", "yes", "是")


@contextmanager
def _default_ctrl_c() -> Iterator[None]:
    """Ctrl-C ends the question at once; asyncio's handler would wait for the loop, which is blocked."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
