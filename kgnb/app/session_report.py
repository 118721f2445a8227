"""The end of a session, told: kgnb-report.json and kgnb-report.html, and the data folder where it is kept.

The report stands alone (no script, nothing fetched) and holds no secret; it is the first thing that somebody
sees who opens the output of an unattended run.
"""

from __future__ import annotations

import json
import logging
import shlex
import shutil
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

from pydantic import SecretStr

from kgnb import __version__
from kgnb.app.context import App
from kgnb.app.dead_letters import list_dead_letters
from kgnb.app.status import StatusReport
from kgnb.core.errors import KgnbError
from kgnb.core.host import KAGGLE_INPUT, SHORTEST_SECRET, Host, environment_secrets
from kgnb.core.messages import say
from kgnb.core.settings import Settings
from kgnb.render.session_report import page
from kgnb.stores.embedded import restore
from kgnb.worker.session import Session

log = logging.getLogger(__name__)

NAME = "kgnb-report"
DATA_NAME = "kgnb-data"
DEAD_LISTED = 200
"""Dead chapters that are listed; the rest is counted."""
CLOSING_SECONDS = 10.0
"""How long engines that nobody uses any more may take to stop before their data is left alone."""
MASK = "•••"


@dataclass
class SessionReport:
    """Collects what there is to tell while the stores are open, and writes it when they are closed."""

    settings: Settings
    place: Host
    session: Session
    local: Callable[[], dict[str, Any]]
    """What was done here (:meth:`kgnb.worker.counters.Counters.look`)."""
    node: str = ""
    cluster: dict[str, Any] | None = None
    unknown: str = ""
    """Why ``cluster`` isn't known."""
    dead: list[dict[str, object]] = field(default_factory=list)
    _secrets: set[str] = field(default_factory=set)

    async def look(self, app: App) -> None:
        """The state of all tasks now. An outage is told in the report, it doesn't stop anybody."""
        self._secrets |= {key for p in app.providers.all() if (key := _plain(getattr(p, "api_key", "")))}
        try:
            self.cluster = await StatusReport(app).read()
            self.dead = [entry.as_dict() for entry in await list_dead_letters(app)]
        except KgnbError as error:
            self.cluster, self.unknown = None, str(error)

    def write(self, why: str, error: str = "") -> Path | None:
        """Writes both files into the place's output folder, else the data folder, and returns the .html.

        ``why``: drained, session, deadline, stopped, interrupted or failed (with ``error``). On places that
        keep an output folder the data folder goes there too. Blocks; what fails is logged.
        """
        folder = self.place.output_dir or self.settings.data
        target = folder / f"{NAME}.html"
        kept = self._keep_data()
        facts = _scrubbed(self._facts(why, error, kept), self._hidden())
        try:
            folder.mkdir(parents=True, exist_ok=True)
            _replace(folder / f"{NAME}.json", json.dumps(facts, ensure_ascii=False, indent=1, default=str))
            _replace(target, page(facts))
        except OSError as problem:
            log.warning(say("farewell.not_written", path=target, reason=problem.strerror or problem))
            return None
        log.info(say("farewell.written", path=target))
        return target

    # --- facts

    def _facts(self, why: str, error: str, data: Path) -> dict[str, Any]:
        cluster = self.cluster or {"tasks": [], "queues": [], "providers": []}
        tasks = [_task(task) for task in cluster["tasks"]]
        open_tasks = [task for task in tasks if task["left"] or task["status"] in ("created", "running")]
        return {
            "kgnb": __version__,
            "written_at": _clock(time.time()),
            "why": why,
            "error": error,
            "node": self.node,
            "place": self.place.kind,
            "versions": {name: text for name, text in self.place.versions.items() if text},
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
        """How the next session goes on: a cell, and a command where there is a terminal."""
        settings, output = self.settings, self.place.output_dir
        start = "import kgnb\nnode = kgnb.Node.from_env({})\nnode.start()"
        if not settings.embedded_redis:
            text = say("farewell.go_on_shared")
            return {"text": text, "cell": start.format(""), "command": "kgnb worker"}
        if output is not None and _within(data, output):
            cell = start.format(f'resume_from="{KAGGLE_INPUT}"')
            return {"text": say("farewell.go_on_kaggle"), "cell": cell, "command": ""}
        where = str(data.absolute())
        return {
            "text": say("farewell.go_on_here", data=where),
            "cell": start.format(f"data={where!r}"),
            "command": f"kgnb worker --data {shlex.quote(where)}",
        }

    # --- the data folder

    def _keep_data(self) -> Path:
        """Where the data is found after the session."""
        settings, output = self.settings, self.place.output_dir
        embeds = settings.embedded_redis or settings.embedded_sql or settings.embedded_graph
        if output is None or not embeds or not settings.data.is_dir():
            return settings.data
        left = self.session.left
        closed = restore.closed(
            settings.data, CLOSING_SECONDS if left is None else min(CLOSING_SECONDS, left / 2)
        )
        if _within(settings.data, output):  # it is kept anyway, whole or as after a crash
            return settings.data
        target = output / DATA_NAME
        try:
            if not closed:
                raise KgnbError("farewell.still_open")
            _copy(settings.data, target)
        except (KgnbError, OSError) as error:
            log.error(say("farewell.not_copied", data=settings.data, path=target, reason=error))
            return settings.data
        log.info(say("farewell.copied", path=target))
        return target

    # --- secrets

    def _hidden(self) -> set[str]:
        """Every secret that is known here, as it might turn up in an error's text."""
        settings = self.settings
        own = {_plain(getattr(settings, name)) for name in type(settings).model_fields}
        own |= {one.get_secret_value() for one in environment_secrets().values()}
        own |= {
            urlsplit(url.get_secret_value()).password or "" for url in (settings.redis_url, settings.sql_url)
        }
        own |= self._secrets
        return {
            one for secret in own for one in (secret, quote(secret, safe="")) if len(one) >= SHORTEST_SECRET
        }


def _plain(value: object) -> str:
    return value.get_secret_value() if isinstance(value, SecretStr) else ""


def _scrubbed(value: Any, hidden: Iterable[str]) -> Any:
    """``value`` with every secret masked, however it got into a name or an error."""
    if isinstance(value, str):
        for secret in hidden:
            value = value.replace(secret, MASK)
        return value
    if isinstance(value, dict):
        return {_scrubbed(k, hidden): _scrubbed(v, hidden) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_scrubbed(one, hidden) for one in value]
    return value


def _task(task: dict[str, Any]) -> dict[str, Any]:
    done = task["completed"] + task["failed"] + task["skipped"]
    return {**task, "left": max(0, task["chapters"] - done)}


def _clock(seconds: float) -> str:
    return datetime.fromtimestamp(seconds).astimezone().isoformat(" ", "seconds")


def _within(path: Path, folder: Path) -> bool:
    return path.resolve().is_relative_to(folder.resolve())


def _replace(path: Path, text: str) -> None:
    draft = path.with_name(f".{path.name}.tmp")
    draft.write_text(text, "utf-8", errors="backslashreplace")
    draft.replace(path)


def _copy(data: Path, target: Path) -> None:
    """A whole copy or none: an earlier one stays until the new one is complete."""
    draft, old = target.with_name(f".{target.name}.new"), target.with_name(f".{target.name}.old")
    for rest in (draft, old):
        shutil.rmtree(rest, ignore_errors=True)
    draft.mkdir(parents=True)
    try:
        restore.copy_data(data, draft)
        if target.exists():
            target.replace(old)
        draft.replace(target)
    finally:
        for rest in (draft, old):
            shutil.rmtree(rest, ignore_errors=True)
