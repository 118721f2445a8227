"""The terminal's commands on running work: tasks, the dead list, pauses of providers."""

from __future__ import annotations

import argparse
import json
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from kgnb.cli.options import OK, chapter_number, command, json_option, row_id, seconds
from kgnb.core.errors import InputError
from kgnb.core.messages import say
from kgnb.core.safe_text import one_line
from kgnb.core.settings import Settings

if TYPE_CHECKING:
    from kgnb.app.tasks import DeadEntry
    from kgnb.core.model import Task

TITLE_CHARS = 80
"""What a line shows of a title, or of garbage."""
REASON_CHARS = 300


# --- tasks --------------------------------------------------------------------------------------------------


async def _pause_task(args: argparse.Namespace, settings: Settings) -> int:
    from kgnb.app.context import open_app
    from kgnb.app.tasks import pause_task

    async with open_app(settings, graph=False) as app:
        done = await pause_task(app, args.task)
    text = say if done.changed else _before
    print(text("operate.was_paused", task=args.task))
    return OK


async def _cancel(args: argparse.Namespace, settings: Settings) -> int:
    from kgnb.app.context import open_app
    from kgnb.app.tasks import cancel_task

    async with open_app(settings, graph=False) as app:
        done = await cancel_task(app, args.task)
    text = say if done.changed else _before
    print(text("operate.was_cancelled", task=args.task))
    return OK


def _before(key: str, **facts: object) -> str:
    return say(f"{key}_before", **facts)


async def _resume_task(args: argparse.Namespace, settings: Settings) -> int:
    from kgnb.app.context import open_app
    from kgnb.app.tasks import resume_task

    async with open_app(settings, graph=False) as app:
        done = await resume_task(app, args.task)
    print(say("operate.was_resumed", task=args.task, queue=one_line(done.queue)))
    return OK


async def _retry(args: argparse.Namespace, settings: Settings) -> int:
    from kgnb.app.context import open_app
    from kgnb.app.tasks import retry_task

    async with open_app(settings, graph=False) as app:
        done = await retry_task(app, args.task)
    facts = {"task": args.task, "queue": one_line(done.queue)}
    if done.chapters:
        print(say("operate.was_retried", chapters=done.chapters, **facts))
    else:
        print(say("operate.was_started_again", **facts))
    return OK


async def _delete(args: argparse.Namespace, settings: Settings) -> int:
    from kgnb.app.context import open_app
    from kgnb.app.export import find_task
    from kgnb.app.tasks import delete_task

    if not (args.yes or sys.stdin.isatty()):
        raise InputError("operate.needs_yes", task=args.task)
    async with open_app(settings) as app:
        task = await find_task(app, args.task)
        if not (args.yes or _confirmed(task)):
            print(say("operate.not_deleted"))
            return OK
        await delete_task(app, args.task)
    print(say("operate.was_deleted", task=args.task))
    return OK


def _confirmed(task: Task) -> bool:
    """Asks at the terminal. Nothing else goes on meanwhile, so the loop may wait with the person."""
    facts = {"name": one_line(task.name, TITLE_CHARS), "status": task.status.value}
    with _plain_ctrl_c():
        try:
            answer = input(say("operate.ask_delete", task=task.id, **facts))
        except EOFError:
            print()
            return False
    return answer.strip().lower() in ("y", "yes", "是")


@contextmanager
def _plain_ctrl_c() -> Iterator[None]:
    """Ctrl-C ends the question at once; asyncio's own handler would wait for the loop, which stands still."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


# --- the dead list ------------------------------------------------------------------------------------------


async def _dead_list(args: argparse.Namespace, settings: Settings) -> int:
    from kgnb.app.context import open_app
    from kgnb.app.tasks import dead

    async with open_app(settings, graph=False) as app:
        entries = await dead(app)
    if args.json:
        print(json.dumps({"dead": [entry.as_dict() for entry in entries]}, ensure_ascii=False))
    else:
        print("\n".join(map(_line, entries)) or say("operate.dead_none"))
    return OK


def _line(entry: DeadEntry) -> str:
    kind = "chapter" if entry.chapter_id else "task" if entry.task_id else "garbage"
    facts = {
        "when": _clock(entry.at),
        "task": entry.task_id,
        "chapter": "?" if entry.chapter is None else entry.chapter,
        "title": one_line(entry.title, TITLE_CHARS),
        "reason": one_line(entry.reason, REASON_CHARS),
        "deliveries": entry.deliveries,
        "failures": entry.failures,
        "queue": one_line(entry.queue),
    }
    return say(f"operate.dead_{kind}", **facts)


def _clock(seconds: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(seconds))


async def _dead_retry(args: argparse.Namespace, settings: Settings) -> int:
    from kgnb.app.context import open_app
    from kgnb.app.tasks import retry_dead

    if (args.task is None) != args.all:
        raise InputError("operate.which", option="--all")
    async with open_app(settings, graph=False) as app:
        done = await retry_dead(app, args.task, args.chapter)
    if done.tasks:
        print(say("operate.dead_retried", entries=done.entries, tasks=", ".join(map(str, done.tasks))))
    if done.left:
        print(say("operate.dead_left", tasks=", ".join(map(str, done.left))))
    return OK


async def _dead_drop(args: argparse.Namespace, settings: Settings) -> int:
    from kgnb.app.context import open_app
    from kgnb.app.tasks import drop_dead, drop_garbage

    if (args.task is None) != args.garbage:
        raise InputError("operate.which", option="--garbage")
    async with open_app(settings, graph=False) as app:
        if args.garbage:
            count = await drop_garbage(app)
        else:
            count = await drop_dead(app, args.task, args.chapter)
    print(say("operate.dead_dropped", entries=count))
    return OK


# --- providers ----------------------------------------------------------------------------------------------


async def _pause(args: argparse.Namespace, settings: Settings) -> int:
    from kgnb.app.context import open_app
    from kgnb.app.tasks import pause_provider

    async with open_app(settings, graph=False) as app:
        pause = await pause_provider(app, args.provider, args.seconds)
    facts = {"seconds": round(pause.seconds), "when": _clock(pause.until)}
    print(say("operate.provider_paused", provider=one_line(pause.provider), **facts))
    return OK


async def _resume(args: argparse.Namespace, settings: Settings) -> int:
    from kgnb.app.context import open_app
    from kgnb.app.tasks import resume_provider

    async with open_app(settings, graph=False) as app:
        stood = await resume_provider(app, args.provider)
    what = "provider_resumed" if stood.until else "provider_not_paused"
    print(say(f"operate.{what}", provider=one_line(stood.provider)))
    return OK


# --- the parser ---------------------------------------------------------------------------------------------


def add_task_commands(commands: Any) -> None:
    """Declares pause-task, resume-task, cancel, retry and delete."""
    runs = {"pause-task": _pause_task, "resume-task": _resume_task, "cancel": _cancel, "retry": _retry}
    for name, run in runs.items():
        _task_argument(command(commands, name, run, text=name.replace("-", "_")))
    added = command(commands, "delete", _delete, text="delete_task")
    _task_argument(added)
    added.add_argument("--yes", action="store_true", help=say("cli.help_yes"))


def _task_argument(added: argparse.ArgumentParser, **options: Any) -> None:
    added.add_argument("task", type=row_id, metavar="TASK", help=say("cli.help_task"), **options)


def add_dead(commands: Any) -> None:
    """Declares ``dead list|retry|drop``."""
    added = commands.add_parser("dead", help=say("cli.help_dead"), description=say("cli.help_dead"))
    parts = added.add_subparsers(dest="part", required=True, metavar="COMMAND")
    json_option(command(parts, "list", _dead_list, text="dead_list"))
    for name, run, option, text in (
        ("retry", _dead_retry, "--all", "dead_all"),
        ("drop", _dead_drop, "--garbage", "garbage"),
    ):
        one = command(parts, name, run, text=f"dead_{name}")
        _task_argument(one, nargs="?")
        one.add_argument(
            "chapter", type=chapter_number, nargs="?", metavar="CHAPTER", help=say("cli.help_chapter")
        )
        one.add_argument(option, action="store_true", help=say(f"cli.help_{text}"))


def add_pauses(commands: Any) -> None:
    """Declares ``pause`` and ``resume`` of a provider."""
    for name, run in (("pause", _pause), ("resume", _resume)):
        added = command(commands, name, run)
        added.add_argument("provider", metavar="PROVIDER", help=say("cli.help_which_provider"))
        if run is _pause:
            added.add_argument(
                "--for", dest="seconds", type=seconds, metavar="SECONDS", help=say("cli.help_for")
            )
