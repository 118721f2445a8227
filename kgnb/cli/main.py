"""The terminal's face. Every command takes ``--data DIR``; ``--json`` prints one object on stdout, no more.

Exit codes: 0 all well · 1 finished with failed chapters · 2 wrong input or a service unreachable at start ·
3 gave up in mid-run, state kept · 130 interrupted, state kept.
"""

from __future__ import annotations

import argparse
import asyncio
import io
import json
import logging
import os
import select
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kgnb import __version__
from kgnb.cli.chapter import add_chapter
from kgnb.cli.cost import SAMPLE, add_cost, show_estimate
from kgnb.cli.doctor import add_doctor
from kgnb.cli.health import add_health
from kgnb.cli.kaggle import add_kaggle
from kgnb.cli.names import add_names
from kgnb.cli.options import FAILED_CHAPTERS, INTERRUPTED, OK, command, json_option, slots, whole
from kgnb.cli.providers import add_providers
from kgnb.cli.tasks import add_dead, add_pauses, add_task_commands
from kgnb.cli.transfer import add_export, add_import
from kgnb.core import logging as log_setup
from kgnb.core.errors import KgnbError
from kgnb.core.event_loop import new_loop, tune
from kgnb.core.messages import say, use_language
from kgnb.core.safe_text import one_line
from kgnb.core.settings import Settings
from kgnb.worker.session import Session

if TYPE_CHECKING:
    from kgnb.app.context import App
    from kgnb.app.metrics import Metrics
    from kgnb.worker.node import NodeEvent, WorkerNode

log = logging.getLogger(__name__)

BROKE = 3
"""Exit code of a command that ended in the middle, its state kept."""


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one command and returns its exit code."""
    early = Settings.language_only()
    use_language(early)
    args = _parser().parse_args(argv)
    try:
        settings = Settings.load(**_given(args))
        use_language(settings.lang)
        _logging(args, settings)
        tune()
        with asyncio.Runner(loop_factory=new_loop) as runner:
            code: int = runner.run(args.command(args, settings))
        sys.stdout.flush()  # here it can still be said what became of it
        return code
    except (KeyboardInterrupt, asyncio.CancelledError):  # Ctrl-C, and SIGTERM by _cancel_on
        _complain(say("cli.interrupted"))
        return INTERRUPTED
    except KgnbError as error:
        _complain(str(error))
        return error.exit_code
    except Exception as error:
        if isinstance(error, BrokenPipeError) and _nobody_reads():
            return OK
        # A bug of ours: it must not look like "finished with failed chapters" (exit 1).
        log.exception(say("cli.broke"))
        return BROKE


def _nobody_reads() -> bool:
    """Whether it is stdout's pipe that broke (`… | head`), no connection; the rest then goes nowhere."""
    stdout = select.poll()
    stdout.register(sys.stdout, 0)
    if not stdout.poll(0):  # a pipe without a reader has an error
        return False
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return True


def _complain(text: str) -> None:
    print(f"kgnb: {one_line(text)}", file=sys.stderr)


def _given(args: argparse.Namespace) -> dict[str, Any]:
    """The settings that options override."""
    given: dict[str, Any] = {}
    if args.data is not None:
        given["data"] = Path(args.data)
    if args.lang is not None:
        given["lang"] = args.lang
    if getattr(args, "resume_from", None):
        given["resume_from"] = args.resume_from
    if getattr(args, "providers", None):
        given["providers"] = args.providers
    if getattr(args, "kinds", None):
        given["kinds"] = args.kinds
    return given | Settings.for_slots(getattr(args, "slots", None))


def _logging(args: argparse.Namespace, settings: Settings) -> None:
    worker = args.name == "worker"
    level = settings.log_level if worker or "log_level" in settings.model_fields_set else "WARNING"
    stream = sys.stdout if worker else sys.stderr
    if isinstance(
        stream, io.TextIOWrapper
    ):  # a character that the terminal's encoding lacks is no reason to fail
        stream.reconfigure(errors="backslashreplace")
    log_setup.configure(level, stream, as_json=settings.log_json)
    if worker:
        log_setup.add_file(
            settings.data / "logs",
            megabytes=settings.log_mb,
            files=settings.log_files,
            as_json=settings.log_json,
        )


# --- commands


async def _build(args: argparse.Namespace, settings: Settings) -> int:
    from kgnb.app import build as build_use_case
    from kgnb.app.context import open_app
    from kgnb.app.export import export
    from kgnb.render.export import check_place
    from kgnb.render.progress_bar import ProgressBar

    path = Path(args.book)
    if args.output:
        check_place(args.output)
    books = [
        await build_use_case.read(path, args.title, args.author)
    ]  # build alone holds it, until it is stored
    _cancel_on(signal.SIGTERM)
    if args.estimate:
        return await show_estimate(args, settings, books[0])
    title = books[0].title
    with ProgressBar(quiet=args.json) as bar:
        async with open_app(settings) as app:
            result = await build_use_case.build(
                app, books.pop(), path, args.provider, again=args.again, listener=bar.show
            )
            if args.output:
                await export(app, result.novel_id, "html", Path(args.output))
    if args.json:
        print(json.dumps(result.as_dict(), ensure_ascii=False))
    else:
        print(say("cli.built", title=one_line(title), **result.as_dict()))
        if args.output:
            print(say("cli.picture_written", path=args.output))
    return FAILED_CHAPTERS if result.failed else OK


async def _submit(args: argparse.Namespace, settings: Settings) -> int:
    from kgnb.app import build as build_use_case
    from kgnb.app.context import open_app

    path = Path(args.book)
    book = await build_use_case.read(path, args.title, args.author)
    async with open_app(settings, graph=False) as app:
        plan = await build_use_case.plan(app, book, path, args.provider, again=args.again)
    if plan.found_finished:
        _complain(say("cli.found_finished", task=plan.task.id))
    print(plan.task.id)
    return OK


async def _worker(args: argparse.Namespace, settings: Settings) -> int:
    with _metrics(settings) as metrics:
        return await _work(args, settings, metrics)


async def _work(args: argparse.Namespace, settings: Settings, metrics: Metrics | None) -> int:
    from kgnb.app.run_worker import serve
    from kgnb.app.session_report import SessionReport
    from kgnb.core.host import where_am_i
    from kgnb.worker.counters import Counters

    stop = asyncio.Event()
    _on_signals(stop.set, within=settings.drain_seconds + HAND_BACK_SECONDS)

    session, tally = _session(settings), Counters()
    farewell = SessionReport(settings, where_am_i(), session, tally.look)

    def ready(app: App, node: WorkerNode) -> None:
        log_setup.name_node(node.name)
        farewell.node = node.name
        tally.ready(app.spent, node)
        if metrics:
            metrics.watch(app, node)

    def heard(happened: NodeEvent) -> None:
        tally.heard(happened)
        if metrics:
            metrics.heard(happened)

    async def left(app: App) -> None:
        if session.seconds is not None:
            await farewell.look(app)

    await serve(
        settings,
        stop,
        drain=args.drain,
        fail_fast=args.fail_fast,
        session=session,
        listener=heard,
        ready=ready,
        left=left,
    )
    if session.seconds is not None:
        why = "stopped" if stop.is_set() else "session" if session.is_ending else "drained"
        await asyncio.to_thread(farewell.write, why)
    return OK


def _session(settings: Settings) -> Session:
    """A command's session is limited only where the user says so."""
    seconds = settings.session_seconds or None
    return Session(time.time(), seconds, settings.session_margin)


@contextmanager
def _metrics(settings: Settings) -> Iterator[Metrics | None]:
    """The Prometheus endpoint while the command runs; without a port nothing of it is even imported."""
    if not settings.metrics_port:
        yield None
        return
    from kgnb.app.metrics import Metrics

    metrics = Metrics(settings)
    log.info(say("metrics.listening", host=settings.metrics_host, port=settings.metrics_port))
    try:
        yield metrics
    finally:
        metrics.close()


async def _status(args: argparse.Namespace, settings: Settings) -> int:
    from kgnb.cli import status

    if args.watch:
        _cancel_on(signal.SIGTERM)
        return await status.watch(settings, as_json=args.json)
    return await status.once(settings, as_json=args.json)


# --- signals


def _cancel_on(number: signal.Signals) -> None:
    """SIGTERM ends a one-shot command the way Ctrl-C does."""
    task = asyncio.current_task()
    assert task is not None
    asyncio.get_running_loop().add_signal_handler(number, task.cancel)


HAND_BACK_SECONDS = 4.5
"""How long a worker that leaves may take beyond its drain: a server that hangs must not keep it."""


def _on_signals(stop: Callable[[], None], *, within: float) -> None:
    """The first SIGTERM or SIGINT stops gracefully ``within`` so many seconds, the second leaves at once
    (leases do the rest)."""
    loop = asyncio.get_running_loop()
    seen: list[threading.Timer] = []

    def now() -> None:
        logging.shutdown()
        os._exit(OK)

    def too_late() -> None:
        log.warning(say("node.left_late"))
        now()

    def heard() -> None:
        if seen:
            now()
        seen.append(threading.Timer(within, too_late))
        seen[0].daemon = True
        seen[0].start()
        stop()

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, heard)


# --- the parser


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="kgnb", description=say("cli.about"))
    parser.add_argument("--version", action="version", version=f"kgnb {__version__}")
    commands = parser.add_subparsers(dest="name", required=True, metavar="COMMAND")
    for add in (
        _add_build,
        _add_submit,
        _add_worker,
        _add_status,
        add_cost,
        add_export,
        add_import,
        add_doctor,
    ):
        add(commands)
    for add in (
        add_health,
        add_task_commands,
        add_chapter,
        add_dead,
        add_names,
        add_pauses,
        add_providers,
        add_kaggle,
    ):
        add(commands)
    return parser


def _book_options(added: argparse.ArgumentParser) -> None:
    added.add_argument("book", metavar="BOOK", help=say("cli.help_book"))
    added.add_argument("--title", help=say("cli.help_title"))
    added.add_argument("--author", help=say("cli.help_author"))
    added.add_argument("--kinds", metavar="a,b", help=say("cli.help_kinds"))
    added.add_argument("--again", action="store_true", help=say("cli.help_again"))


def _resume_option(added: argparse.ArgumentParser) -> None:
    added.add_argument("--resume-from", metavar="DIR|ZIP", help=say("cli.help_resume_from"))


def _add_build(commands: Any) -> None:
    added = command(commands, "build", _build)
    _book_options(added)
    added.add_argument("--provider", metavar="NAME", help=say("cli.help_provider"))
    told = say("cli.help_estimate", chapters=SAMPLE)
    added.add_argument("--estimate", type=whole(1_000), nargs="?", const=SAMPLE, metavar="N", help=told)
    added.add_argument("--slots", type=slots, metavar="N", help=say("cli.help_slots"))
    _resume_option(added)
    json_option(added)
    added.add_argument("-o", "--output", metavar="graph.html", help=say("cli.help_picture"))


def _add_submit(commands: Any) -> None:
    added = command(commands, "submit", _submit)
    _book_options(added)
    added.add_argument("--provider", metavar="NAME", required=True, help=say("cli.help_provider"))


def _add_worker(commands: Any) -> None:
    added = command(commands, "worker", _worker)
    added.add_argument("--drain", action="store_true", help=say("cli.help_drain"))
    added.add_argument("--providers", metavar="a,b", help=say("cli.help_providers"))
    added.add_argument("--slots", type=slots, metavar="N", help=say("cli.help_slots"))
    _resume_option(added)
    added.add_argument("--fail-fast", action="store_true", help=say("cli.help_fail_fast"))


def _add_status(commands: Any) -> None:
    added = command(commands, "status", _status)
    json_option(added)
    added.add_argument("--watch", action="store_true", help=say("cli.help_watch"))
