"""TLS to real servers with a CA of one's own: trusted where it is named, refused where it isn't."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import redis
import sqlalchemy as sa
from redis.connection import parse_url

from kgnb.app.context import open_app
from kgnb.core.errors import ServiceDown, ServiceRefused, SettingsError
from kgnb.core.settings import Settings
from tests.conftest import outside
from tests.support.commands import Place, llm, novel
from tests.support.proxy import Proxy
from tests.support.tls_servers import Authority, Maria, authority, mariadb


@pytest.fixture(scope="module")
def tls(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return authority(tmp_path_factory.mktemp("tls") / "ca")


@dataclass(frozen=True)
class Service:
    """What settings reach it with, the one that names its CA, and who asks for it."""

    settings: dict[str, Any]
    ca: str
    name: str


@pytest.fixture(scope="module")
def maria(tls: Authority, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Maria]:
    with mariadb(tmp_path_factory.mktemp("sql") / "maria", tls) as one:
        one.run(
            "CREATE DATABASE novel; CREATE USER kgnb@'%' IDENTIFIED BY 'a pass' REQUIRE SSL; "
            "GRANT ALL ON novel.* TO kgnb@'%'"
        )
        yield one


@pytest.fixture(params=["redis", "redis-url", "bolt", "sql"])
def service(request: pytest.FixtureRequest, tls: Authority) -> Iterator[Service]:
    kind = request.param
    if kind == "sql":
        port = request.getfixturevalue("maria").port
        at = {"db_host": "127.0.0.1", "db_port": port, "db_user": "kgnb", "db_password": "a pass"}
        yield Service({**at, "db_ssl": True}, "db_ssl_ca", "sql")
    elif kind.startswith("redis"):
        at = parse_url(outside("KGNB_TEST_REDIS_URL"))
        with Proxy(at["host"], at["port"], tls.server()) as proxy:
            url = f"redis://:{at['password']}@127.0.0.1:{proxy.port}/8"
            alone = {"redis_host": "127.0.0.1", "redis_port": proxy.port, "redis_password": at["password"]}
            found = {"redis_host": url} if kind == "redis-url" else alone
            yield Service({**found, "redis_tls": True}, "redis_ca", "queue")
    else:
        host, port = outside("KGNB_TEST_NEO4J_URI").rpartition("/")[2].split(":")
        with Proxy(host, int(port), tls.server()) as proxy:
            login = {f"neo4j_{n}": outside(f"KGNB_TEST_NEO4J_{n.upper()}") for n in ("user", "password")}
            yield Service({**login, "neo4j_uri": f"bolt+s://127.0.0.1:{proxy.port}"}, "neo4j_ca", "graph")


async def reach(service: Service, **more: Any) -> None:
    wanted = {name: name == service.name for name in ("sql", "queue", "graph")}
    async with open_app(Settings.load(**service.settings, **more), **wanted):
        pass


async def test_our_own_ca(service: Service, tls: Authority) -> None:
    await reach(service, **{service.ca: str(tls.ca)})
    with pytest.raises(ServiceRefused) as refused:  # the system's certificates know nothing of it
        await reach(service)
    assert refused.value.key.endswith(".untrusted")
    assert Settings.model_fields[service.ca].validation_alias in str(refused.value)


def test_a_book_with_nothing_in_the_clear(tls: Authority, maria: Maria, tmp_path: Path) -> None:
    """Also a node's other connections: the lease renewer's, and those of the process that refreshes."""
    at = {**parse_url(outside("KGNB_TEST_REDIS_URL")), "db": 8}
    with redis.Redis(**at) as client:
        client.flushdb()
    host, port = outside("KGNB_TEST_NEO4J_URI").rpartition("/")[2].split(":")
    ways = Proxy(at["host"], at["port"], tls.server()), Proxy(host, int(port), tls.server())
    with ways[0] as queue, ways[1] as graph, llm() as server:
        env = {
            "REDIS_HOST": "localhost",
            "REDIS_PORT": str(queue.port),
            "REDIS_DB": "8",
            "REDIS_PASSWORD": at["password"],
            "KGNB_REDIS_CA": str(tls.ca),
            "DB_HOST": "127.0.0.1",
            "DB_PORT": str(maria.port),
            "DB_USER": "kgnb",
            "DB_PASSWORD": "a pass",
            "KGNB_DB_SSL_CA": str(tls.ca),
            "NEO4J_URI": f"bolt://127.0.0.1:{graph.port}",
            "NEO4J_PASSWORD": outside("KGNB_TEST_NEO4J_PASSWORD"),
            "KGNB_NEO4J_CA": str(tls.ca),
        }
        done = Place(tmp_path, server.env() | env).build(novel(tmp_path / "b.txt", 4), "--provider", "dryrun")
    assert done["completed"] == 4
    assert done["characters"] > 0


@pytest.mark.parametrize("ca", ["redis_ca", "db_ssl_ca", "neo4j_ca"])
def test_a_ca_that_cant_be_used_is_refused_by_its_name(ca: str, tmp_path: Path) -> None:
    (tmp_path / "empty.pem").touch()
    for path in (tmp_path / "empty.pem", tmp_path / "missing.pem", tmp_path):
        with pytest.raises(SettingsError, match=str(Settings.model_fields[ca].validation_alias)):
            Settings.load(**{ca: str(path)})


def test_addresses_of_redis() -> None:
    def url(**given: Any) -> str:
        return Settings.load(**given).redis_url.get_secret_value()

    check = "ssl_check_hostname=True"
    assert url(redis_host="h", redis_user="u@", redis_password="p/") == "redis://u%40:p%2F@h:6379/0"
    assert url(redis_host="h", redis_password="p", redis_tls=True) == f"rediss://:p@h:6379/0?{check}"
    assert url(redis_host="redis://u:p@h/2", redis_tls=True) == f"rediss://u:p@h/2?{check}"
    assert url(redis_host="rediss://h?socket_timeout=3") == "rediss://h?socket_timeout=3"
    sentinels = {"redis_host": "redis://unused", "redis_sentinel": " a:1, b:2,", "redis_password": "p"}
    assert url(**sentinels) == "redis://:p@a:1/0?sentinel=a:1,b:2&master=mymaster"
    secret = url(**sentinels, redis_tls=True, redis_sentinel_master="主", redis_sentinel_password="&%41")
    assert secret.endswith(f"?{check}&sentinel=a:1,b:2&master=%E4%B8%BB&sentinel_password=%26%2541")
    for wrong in ("a", "a:b", "u:p@a:1"):
        with pytest.raises(SettingsError, match="REDIS_SENTINEL"):
            Settings.load(redis_sentinel=wrong)


@pytest.mark.parametrize("name", ["redis", "sql", "bolt"])
async def test_a_server_without_tls_is_never_spoken_to_in_the_clear(name: str, tmp_path: Path) -> None:
    if name == "redis":
        at = parse_url(outside("KGNB_TEST_REDIS_URL"))
        given = {"redis_host": at["host"], "redis_port": at["port"], "redis_tls": True}
        given["redis_password"] = at["password"]
    elif name == "sql":
        url = sa.make_url(outside("KGNB_TEST_SQL_URL"))
        given = {
            "db_host": url.host,
            "db_port": url.port,
            "db_user": url.username,
            "db_password": url.password,
        }
        given |= {"db_name": url.database, "db_ssl": True}
    else:
        given = {"neo4j_uri": outside("KGNB_TEST_NEO4J_URI").replace("bolt:", "bolt+s:")}
        given["neo4j_password"] = outside("KGNB_TEST_NEO4J_PASSWORD")
    wanted = {"sql": name == "sql", "queue": name == "redis", "graph": name == "bolt"}
    with pytest.raises((ServiceRefused, ServiceDown)):
        async with open_app(Settings.load(data=tmp_path, lease_seconds=3, **given), **wanted):
            pass
