"""The services that scripts/services.sh started, as the environment of commands names them."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping

import neo4j
import redis
import sqlalchemy as sa
from redis.connection import parse_url

from tests.conftest import new_database, outside


@contextlib.contextmanager
def service_variables(redis_db: int = 0) -> Iterator[dict[str, str]]:
    """What a user sets for Redis, Neo4j and an empty database on MariaDB."""
    at = parse_url(outside("KGNB_TEST_REDIS_URL"))
    bolt = {name: outside(f"KGNB_TEST_{name}") for name in ("NEO4J_URI", "NEO4J_USER", "NEO4J_PASSWORD")}
    with new_database() as url:
        sql = sa.make_url(url)
        yield {
            "REDIS_HOST": at["host"],
            "REDIS_PORT": str(at["port"]),
            "REDIS_PASSWORD": at["password"],
            "REDIS_DB": str(redis_db),
            "DB_HOST": sql.host,
            "DB_PORT": str(sql.port),
            "DB_USER": sql.username,
            "DB_PASSWORD": sql.password,
            "DB_NAME": sql.database,
            **bolt,
        }


@contextlib.contextmanager
def emptied_services(redis_db: int) -> Iterator[dict[str, str]]:
    """:func:`service_variables`, with nothing in that database of Redis, nor in Neo4j."""
    with service_variables(redis_db) as env:
        with redis.Redis(**parse_url(outside("KGNB_TEST_REDIS_URL")) | {"db": redis_db}) as client:
            client.flushdb()
        with graph_driver(env) as driver:
            driver.execute_query("MATCH (n) DETACH DELETE n")
        yield env


def graph_driver(env: Mapping[str, str]) -> neo4j.Driver:
    return neo4j.GraphDatabase.driver(env["NEO4J_URI"], auth=(env["NEO4J_USER"], env["NEO4J_PASSWORD"]))


def database_url(env: Mapping[str, str]) -> sa.URL:
    names = ("DB_USER", "DB_PASSWORD", "DB_HOST", "DB_PORT", "DB_NAME")
    user, password, host, port, name = (env[variable] for variable in names)
    return sa.URL.create("mysql+pymysql", user, password, host, int(port), name)
