"""`kgnb doctor` on real servers: what it finds out, and what it says about what is wrong."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import pytest
import sqlalchemy as sa
from pydantic import SecretStr

from kgnb.app import context, doctor
from kgnb.core.errors import InputError
from kgnb.core.model import Provider
from kgnb.core.settings import Settings
from kgnb.stores.embedded import restore
from tests.support.cluster import Cluster, cluster
from tests.support.commands import Place, llm
from tests.support.patience import SLOWEST

if TYPE_CHECKING:
    from kgnb.app.context import App


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    with llm() as model, cluster(tmp_path_factory.mktemp("doctor"), model) as one:
        yield one


def checks(ran: Any) -> dict[str, dict[str, Any]]:
    return {one["name"]: one for one in json.loads(ran.out)["checks"]}


def test_what_is_well(servers: Cluster, tmp_path: Path) -> None:
    ran = Place(tmp_path, servers.env).run("doctor", "--json")
    assert ran.code == 0, ran
    found = checks(ran)
    assert {one["mark"] for one in found.values()} <= {"✓", "!"}  # a small disk is no failure
    for name, server in (("sql", "MariaDB"), ("redis", "Redis"), ("bolt", "Neo4j")):
        assert found[name]["detail"].startswith(server), found[name]
        assert "not encrypted" in found[name]["detail"]
    assert "127.0.0.1" in found["redis"]["detail"]
    assert "dryrun answered" in found["dryrun"]["detail"]
    secrets = [servers.env[k] for k in ("REDIS_PASSWORD", "DB_PASSWORD", "NEO4J_PASSWORD") if servers.env[k]]
    assert not any(secret in ran.out + ran.err for secret in secrets)


def test_what_could_be_better(servers: Cluster, tmp_path: Path) -> None:
    """A Redis that throws keys away, a database that can't hold rare characters, a dead letter."""
    client = servers.redis
    engine = servers.engine
    name = engine.url.database
    item = json.dumps({"task_id": 7, "provider": "dryrun"})
    client.rpush("kg:task:queue:dryrun", item)
    policy = client.config_get("maxmemory*")
    client.config_set("maxmemory", "900mb")
    client.config_set("maxmemory-policy", "allkeys-lru")
    with engine.connect() as c:
        c.execute(sa.text(f"ALTER DATABASE `{name}` CHARACTER SET latin1"))
    try:
        ran = Place(tmp_path, servers.env).run("doctor", "--json")
        plain = Place(tmp_path, servers.env).run("doctor", "--lang", "en")
    finally:
        client.config_set("maxmemory", policy["maxmemory"])
        client.config_set("maxmemory-policy", policy["maxmemory-policy"])
        client.delete("kg:task:queue:dryrun")
        with engine.connect() as c:
            c.execute(sa.text(f"ALTER DATABASE `{name}` CHARACTER SET utf8mb4"))
        engine.dispose()
    assert (ran.code, plain.code) == (0, 0), ran
    found = checks(ran)
    assert "maxmemory-policy noeviction" in found["redis"]["mend"]
    assert "utf8mb4" in found["sql"]["mend"]
    assert found["kg:task:queue:dryrun"]["detail"].startswith("waiting: 1,")
    assert [found[n]["mark"] for n in ("redis", "sql")] == ["!", "!"]
    assert "→ Redis throws keys away" in plain.out
    assert "could be better" in plain.out


def test_a_provider_that_refuses_its_key(servers: Cluster, tmp_path: Path) -> None:
    with llm(key="right") as model:
        env = {**servers.env, **model.env(key="wrong-key-canary")}
        ran = Place(tmp_path, env).run("doctor", "--json")
    assert ran.code == 2, ran
    found = checks(ran)
    assert found["dryrun"]["ok"] is False
    assert "wrong-key-canary" not in ran.out + ran.err


async def test_a_provider_is_asked_while_the_graph_is_awaited(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A graph database far away and an endpoint's silence take seconds each."""
    asked, check_service = asyncio.Event(), doctor.check_service

    async def slow_graph(settings: Settings, name: str) -> doctor.Check:
        if name == "bolt":
            await asked.wait()
            return doctor.Check(name, True, "")
        return await check_service(settings, name)

    async def provider(_app: App, one: Provider) -> doctor.Check:
        asked.set()
        return doctor.Check(one.name, True, "")

    monkeypatch.setattr(doctor, "check_service", slow_graph)
    monkeypatch.setattr(doctor, "check_provider", provider)
    address = {"openai_base_url": "http://127.0.0.1:9/v1", "openai_model": "m"}
    address |= {"neo4j_uri": "bolt://127.0.0.1:9"}
    settings = Settings.load(data=tmp_path / "data", openai_api_key=SecretStr("k"), **address)
    async with asyncio.timeout(120 * SLOWEST):
        names = [one.name for one in await doctor.doctor(settings)]
    assert names[-5:] == ["sql", "redis", "bolt", "queues", "openai"]


async def test_what_fails_in_a_temporary_folder_names_the_one_that_was_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(data: Path, **_: object) -> None:
        assert data.is_dir()
        raise InputError("engine.folder_unusable", path=data, reason="full")

    monkeypatch.setattr(context, "open_folder", full)
    found = {one.name: one for one in await doctor.doctor(Settings.load(data=tmp_path / "data"))}
    for name in ("sql", "redis"):
        assert not found[name].ok
        assert str(tmp_path / "data") in found[name].detail
        assert ".kgnb-" not in found[name].detail
    assert list(tmp_path.iterdir()) == []


async def test_a_task_that_nobody_works_on_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def task(number: int, state: str, by: str, why: str) -> dict[str, Any]:
        return {"task_id": number, "name": "青石渡", "condition": {"state": state, "by": by, "why": why}}

    async def read() -> dict[str, Any]:
        tasks = [
            task(1, "waiting", "node", "No node."),
            task(2, "stuck", "", "Key."),
            task(3, "waiting", "", "-"),
        ]
        return {"queues": [], "tasks": [*tasks, task(4, "running", "", "")]}

    monkeypatch.setattr(doctor, "StatusReport", lambda _: SimpleNamespace(read=read))
    _, *found = await doctor.check_queues(cast("App", None))
    assert [(one.mark, one.mend) for one in found] == [("!", "No node."), ("!", "Key.")]


async def test_a_record_that_can_only_be_read_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = tmp_path / "data"
    settings = Settings.load(data=data)
    async with context.open_app(settings, queue=False, graph=False):
        pass
    disk = next(one for one in await doctor.doctor(settings) if one.name == "disk")
    assert str(data) not in disk.mend
    monkeypatch.setattr(restore, "writable", lambda folder: folder != data)
    disk = next(one for one in await doctor.doctor(settings) if one.name == "disk")
    assert str(data) in disk.mend
    assert disk.mark == "!"
