"""The report of a session: kgnb-report.json and kgnb-report.html, and a copy of the record beside them.

The report needs no script and no network and holds no secret. It is what people open first of an unattended
run's output.
"""

from __future__ import annotations

import json
import logging
import shlex
import sqlite3
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from kgnb import __version__
from kgnb.core import colab
from kgnb.core.errors import KgnbError
from kgnb.core.files import replacing
from kgnb.core.host import Host, variable
from kgnb.core.known_secrets import SHORTEST_SECRET, known_secrets
from kgnb.core.messages import say
from kgnb.core.model import ACTIVE_STATUSES
from kgnb.core.secret_mask import masked
from kgnb.core.settings import Settings
from kgnb.render.session_report import page
from kgnb.stores.embedded.record_copy import RECORD, copy_place, copy_record
from kgnb.worker.session import Session

if TYPE_CHECKING:
    from kgnb.app.context import App

log = logging.getLogger(__name__)

NAME = "kgnb-report"
DATA_NAME = "kgnb-data"
DEAD_LISTED = 200
"""How many dead chapters are listed; the rest is only counted."""
KERNEL_VARIABLE = "KGNB_KERNEL"
"""OWNER/NOTEBOOK of a pushed run, which `kgnb kaggle push` sets: nothing else in the run tells it."""


@dataclass
class SessionReport:
    """Reads the status while the stores are open; writes the report when they are closed."""

    settings: Settings
    host: Host
    session: Session
    local: Callable[[], dict[str, Any]]
    """What this node did (:meth:`kgnb.worker.counters.Counters.summary`)."""
    node: str = ""
    cluster: dict[str, Any] | None = None
    unknown: str = ""
    """Why ``cluster`` is None."""
    dead: list[dict[str, object]] = field(default_factory=list)
    secrets: set[str] = field(default_factory=set)

    async def read_status(self, app: App) -> None:
        """Read the state of all tasks. An outage goes into the report instead of being raised."""
        from kgnb.app.dead_letters import list_dead_letters
        from kgnb.app.status import StatusReport

        keys = (provider.api_key.get_secret_value() for provider in app.providers.all())
        self.secrets |= {key for key in keys if len(key) >= SHORTEST_SECRET}
        try:
            self.cluster = await StatusReport(app).read()
            self.dead = [entry.as_dict() for entry in await list_dead_letters(app)]
        except KgnbError as error:
            self.cluster, self.unknown = None, str(error)

    def write(self, why: str, error: str = "") -> Path | None:
        """Write both files into the host's output folder, else KGNB_COPY_TO or the data folder; return the
        .html's path.

        ``why``: drained, session, deadline, stopped, interrupted or failed (with ``error``). Where the host
        keeps an output folder, the record is copied there too. Blocks. Logs a failure and returns None.
        """
        folder = self.host.output_dir or self.settings.copy_folder or self.settings.data
        target = folder / f"{NAME}.html"
        own = {one.get_secret_value() for one in known_secrets(self.settings).values()} | self.secrets
        forms = own | {quote(secret, safe="") for secret in own}  # as an error's text may have them
        facts = _masked(self.facts(why, error, self._keep_data()), forms)
        try:
            folder.mkdir(parents=True, exist_ok=True)
            _replace(folder / f"{NAME}.json", json.dumps(facts, ensure_ascii=False, indent=1, default=str))
            _replace(target, page(facts))
        except OSError as problem:
            log.warning(say("farewell.not_written", path=target, reason=problem.strerror or problem))
            return None
        log.info(say("farewell.written", path=target))
        return target

    def facts(self, why: str, error: str, data: Path) -> dict[str, Any]:
        """Return what the report says, JSON-ready, secrets not masked yet. ``data``: folder of the record for
        a next run.
        """
        cluster = self.cluster or {"tasks": [], "queues": [], "providers": []}
        tasks = [
            task | {"left": max(0, task["chapters"] - task["completed"] - task["failed"] - task["skipped"])}
            for task in cluster["tasks"]
        ]
        open_tasks = [task for task in tasks if task["left"] or task["status"] in ACTIVE_STATUSES]
        return {
            "kgnb": __version__,
            "written_at": _clock(time.time()),
            "why": why,
            "error": error,
            "node": self.node,
            "place": self.host.kind,
            "versions": {name: text for name, text in self.host.versions.items() if text},
            "session": {"started_at": _clock(self.session.started_at), "seconds": self.session.seconds},
            "local": self.local(),
            "known": self.cluster is not None,
            "unknown": self.unknown or ("" if self.cluster is not None else say("farewell.never_connected")),
            "tasks": tasks,
            "queues": cluster["queues"],
            "providers": cluster["providers"],
            "dead": self.dead[:DEAD_LISTED],
            "dead_count": len(self.dead),
            "left": {"tasks": len(open_tasks), "chapters": sum(task["left"] for task in open_tasks)},
            "go_on": self._go_on(data),
        }

    def _go_on(self, data: Path) -> dict[str, str]:
        """How to go on in another session: a notebook cell, and a command where there is a terminal."""
        settings, output = self.settings, self.host.output_dir
        where, command = str(data.absolute()), ""
        if not settings.embedded_redis:
            text, given, command = say("farewell.go_on_shared"), "", "kgnb worker"
        elif output is not None and _within(data, output):
            text = say("farewell.go_on_kaggle")
            given = f"resume_from={variable(KERNEL_VARIABLE) or 'OWNER/NOTEBOOK'!r}"
        elif settings.copy_folder:
            place = copy_place(settings.sqlite_path, settings.copy_folder)
            text = say("farewell.go_on_here", data=place)
            is_drive = settings.copy_to == str(colab.COPY)
            given = "data='drive'" if is_drive else f"copy_to={settings.copy_to!r}"
            if place != settings.copy_folder:
                given += f", resume_from={str(place)!r}"
        else:
            text, given = say("farewell.go_on_here", data=where), f"data={where!r}"
            command = f"kgnb worker --data {shlex.quote(where)}"
        cell = f"import kgnb\nnode = kgnb.Node.from_env({given})\nnode.start()"
        return {"text": text, "cell": cell, "command": command}

    def _keep_data(self) -> Path:
        """Copy the record to the output folder where it would be lost; return where the data stays: also
        where a copy failed, the old folder.
        """
        settings, output = self.settings, self.host.output_dir
        if output is None or not settings.embedded_sql or not settings.sqlite_path.exists():
            return settings.data
        if _within(settings.data, output):  # the host keeps it
            return settings.data
        target = output / DATA_NAME
        try:
            copy_record(settings.sqlite_path, target / RECORD)
        except (OSError, sqlite3.Error) as error:
            log.error(say("farewell.not_copied", data=settings.data, path=target, reason=error))
            return settings.data
        log.info(say("farewell.copied", path=target))
        return target


def _masked(value: Any, secrets: Iterable[str]) -> Any:
    """Return ``value`` with every secret masked in all its texts, keys and nested values included; tuples
    become lists.
    """
    if isinstance(value, str):
        return masked(value, secrets)
    if isinstance(value, dict):
        return {_masked(k, secrets): _masked(v, secrets) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_masked(one, secrets) for one in value]
    return value


def _clock(seconds: float) -> str:
    """Return epoch seconds as local time, "2026-12-01 21:05:09+08:00"."""
    return datetime.fromtimestamp(seconds).astimezone().isoformat(" ", "seconds")


def _within(path: Path, folder: Path) -> bool:
    """Return whether ``path`` is ``folder`` or below it."""
    return path.resolve().is_relative_to(folder.resolve())


def _replace(path: Path, text: str) -> None:
    with replacing(path) as out:
        out.write(text.encode("utf-8", "backslashreplace"))
