"""The least-privilege examples of SECURITY.md, word for word on real servers: enough for a task, no more."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Iterator
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from pathlib import Path

import pymysql
import pytest
import redis
from redis.connection import parse_url

from kgnb.app.context import App, open_app
from kgnb.app.providers import pause_provider, resume_provider
from kgnb.app.status import StatusReport
from kgnb.app.tasks import delete_task
from kgnb.core.settings import Settings
from kgnb.stores.ledger.tables import MAIN, OWN
from tests.conftest import outside
from tests.support.commands import Place, llm, novel
from tests.support.paths import ROOT
from tests.support.tls_servers import Maria, authority, mariadb

SECURITY = (ROOT / "SECURITY.md").read_text("utf-8")
PASSWORD = "a-long-password-4f1d9c"
REDIS_DB = 7


def block(name: str) -> str:
    """The example with this name, its password filled in."""
    (found,) = re.findall(rf"^```\w+ {name}\n(.*?)^```$", SECURITY, re.M | re.S)
    return found.replace("换成长密码", PASSWORD).strip()


@dataclass
class Servers:
    maria: Maria
    redis: redis.Redis
    env: dict[str, str]

    def logged_in(self, user: str) -> pymysql.Connection:
        return pymysql.connect(
            host="127.0.0.1", port=self.maria.port, user=user, password=PASSWORD, database="novel"
        )


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Servers]:
    """A Redis with the example's user, a MariaDB whose users the tests make, and Neo4j."""
    at = {**parse_url(outside("KGNB_TEST_REDIS_URL")), "db": REDIS_DB}
    bolt = {name: outside(f"KGNB_TEST_{name}") for name in ("NEO4J_URI", "NEO4J_USER", "NEO4J_PASSWORD")}
    folder = tmp_path_factory.mktemp("servers")
    with mariadb(folder / "maria", authority(folder / "ca")) as maria, redis.Redis(**at) as client:
        maria.run("CREATE DATABASE novel CHARACTER SET utf8mb4")
        client.flushdb()
        client.execute_command("ACL LOG", "RESET")
        client.execute_command(*block("redis").split())
        env = {
            "REDIS_HOST": at["host"],
            "REDIS_PORT": str(at["port"]),
            "REDIS_DB": str(REDIS_DB),
            "KGNB_REDIS_USER": "kgnb",
            "REDIS_PASSWORD": PASSWORD,
            "DB_HOST": "127.0.0.1",
            "DB_PORT": str(maria.port),
            "DB_PASSWORD": PASSWORD,
            "DB_NAME": "novel",
            **bolt,
        }
        try:
            yield Servers(maria, client, env)
        finally:
            client.execute_command("ACL DELUSER", "kgnb")


def test_enough_for_a_task_and_no_more(servers: Servers, tmp_path: Path) -> None:
    servers.maria.run(block("owner"))
    with llm() as server:
        owner = Place(tmp_path, server.env() | servers.env | {"DB_USER": "kgnb"})
        ran = owner.run("submit", novel(tmp_path / "book.txt", 3), "--provider", "dryrun")
        assert ran.code == 0, ran
        servers.maria.run(block("worker"))
        worker = Place(tmp_path, owner.env | {"DB_USER": "kgnb_worker"})
        ran = worker.run("worker", "--drain", "--fail-fast")
        assert ran.code == 0, ran
    asyncio.run(looks_and_pauses(worker.env, tmp_path))
    asyncio.run(deletes(owner.env, tmp_path))
    mine = [e for e in servers.redis.acl_log() if e["username"] == "kgnb"]
    assert mine == []  # nothing that kgnb asked for was refused and swallowed
    assert refused(servers.logged_in("kgnb"), "DROP TABLE novels", "SELECT * FROM mysql.user")
    for table in MAIN:
        assert refused(servers.logged_in("kgnb_worker"), f"DELETE FROM {table.name}")
    assert refused(
        servers.logged_in("kgnb_worker"),
        "UPDATE ai_providers SET base_url = 'http://elsewhere'",
        "CREATE TABLE mine (id INT)",
        "ALTER TABLE kgnb_tasks ADD COLUMN mine INT",
    )


def connected(env: dict[str, str], folder: Path, **services: bool) -> AbstractAsyncContextManager[App]:
    return open_app(Settings(**{**env, "KGNB_DATA": folder / "data", "_env_file": None}), **services)


async def looks_and_pauses(env: dict[str, str], folder: Path) -> None:
    async with connected(env, folder, graph=False) as app:
        (task,) = (await StatusReport(app).read())["tasks"]
        assert (task["status"], task["completed"], task["refreshed"]) == ("completed", 3, True)
        assert (await pause_provider(app, "dryrun", 30)).seconds == pytest.approx(30, abs=2)
        assert (await resume_provider(app, "dryrun")).until


async def deletes(env: dict[str, str], folder: Path) -> None:
    async with connected(env, folder) as app:
        await delete_task(app, 1)
        assert await app.ledger.tasks.get(1) is None


def refused(connection: pymysql.Connection, *statements: str) -> bool:
    """Whether each statement is refused for want of a right."""
    with connection:
        for statement in statements:
            with pytest.raises((pymysql.err.OperationalError, pymysql.err.ProgrammingError)) as error:
                connection.cursor().execute(statement)
            assert error.value.args[0] in (1142, 1044), (statement, error.value)
    return True


def test_doctor_tells_who_may_do_what(servers: Servers, tmp_path: Path) -> None:
    """All is well with the examples' users; one that may only read is found out."""
    servers.maria.run(
        f"CREATE USER reader@'%' IDENTIFIED BY '{PASSWORD}'; GRANT SELECT ON novel.* TO reader@'%'"
    )
    found = {}
    for user in ("kgnb_worker", "reader"):
        ran = Place(tmp_path, servers.env | {"DB_USER": user}).run("doctor", "--json")
        assert PASSWORD not in ran.out + ran.err
        found[user] = {one["name"]: one for one in json.loads(ran.out)["checks"]}
    assert [found["kgnb_worker"][name]["ok"] for name in ("sql", "redis", "bolt")] == [True] * 3
    assert [found["reader"][name]["ok"] for name in ("sql", "redis", "bolt")] == [False, True, True]
    servers.redis.execute_command("ACL LOG", "RESET")


def test_redis_refuses_what_is_not_kgnbs(servers: Servers) -> None:
    url = {**servers.redis.connection_pool.connection_kwargs, "username": "kgnb", "password": PASSWORD}
    with redis.Redis(
        **{k: v for k, v in url.items() if k in ("host", "port", "db", "username", "password")}
    ) as user:
        for command in (
            "GET other",
            "FLUSHALL",
            "CONFIG GET *",
            "KEYS *",
            "PUBLISH other x",
        ):
            with pytest.raises(redis.exceptions.NoPermissionError):
                user.execute_command(*command.split())
        with pytest.raises(redis.exceptions.ResponseError, match=r"permission|ACL|keys"):
            user.eval("return redis.call('GET', 'other')", 0)
    servers.redis.execute_command("ACL LOG", "RESET")


def test_every_table_has_its_line() -> None:
    granted = re.findall(r"ON novel\.(\w+) TO 'kgnb_worker'", block("worker"))
    assert sorted(granted) == sorted(table.name for table in (*MAIN, *OWN))


def test_every_command_of_the_scripts_is_allowed() -> None:
    scripts = (ROOT / "kgnb" / "stores" / "queue" / "lua").glob("*.lua")
    called = {name for one in scripts for name in re.findall(r"redis\.call\('(\w+)'", one.read_text("utf-8"))}
    assert {name.lower() for name in called} <= set(re.findall(r"\+(\w+)", block("redis")))
