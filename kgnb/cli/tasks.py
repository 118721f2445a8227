"""`kgnb task pause|resume|cancel|retry|delete`: commands on one task."""

from __future__ import annotations

import argparse
import signal
import sys
from collections.abc import Awaitable, Callable

from kgnb.app import context, tasks
from kgnb.app.context import App
from kgnb.app.tasks import CommandResult
from kgnb.cli.options import OK
from kgnb.core.errors import InputError
from kgnb.core.messages import say
from kgnb.core.model import Task
from kgnb.core.safe_text import one_line
from kgnb.core.settings import Settings

TITLE_CHARS = 80
"""What the question before a deletion shows of a task's name."""


async def command(args: argparse.Namespace, settings: Settings) -> int:
    """Pause, cancel, resume or retry a task, on every node; return 0."""
    run: Callable[[App, int], Awaitable[CommandResult]] = getattr(tasks, f"{args.command}_task")
    async with context.open_for_task(settings, args.task, graph=False) as app:
        done = await run(app, args.task)
    print(_told(args.command, args.task, done))
    return OK


def _told(name: str, task: int, done: CommandResult) -> str:
    """Return the sentence on what a command did."""
    keys = {
        "pause": "operate.was_paused" if done.changed else "operate.was_paused_before",
        "cancel": "operate.was_cancelled" if done.changed else "operate.was_cancelled_before",
        "resume": "operate.queued_again",
        "retry": "operate.was_retried" if done.chapters else "operate.was_started_again",
    }
    return say(keys[name], task=task, chapters=done.chapters, queue=one_line(done.queue))


async def delete(args: argparse.Namespace, settings: Settings) -> int:
    """Delete a task, after a question unless ``--yes`` is given; return 0, also if the answer is no. Raises
    InputError where nobody can be asked.
    """
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
    """Ask at the terminal; return whether the answer is y, yes or 是. Blocks the loop: nothing else runs
    meanwhile.
    """
    facts = {"name": one_line(task.name, TITLE_CHARS), "status": task.status.value}
    # Ctrl-C ends the question at once; asyncio's handler would wait for the loop, which is blocked.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        answer = input(say("operate.ask_delete", task=task.id, **facts))
    except EOFError:
        print()
        return False
    finally:
        signal.signal(signal.SIGINT, before)
    return answer.strip().lower() in ("y", "yes", "是")
