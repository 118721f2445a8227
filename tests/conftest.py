"""Real engines for the tests: the embedded ones; Redis, MariaDB and Neo4j where services.sh started them."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import logging
import os
import re
import shutil
import signal
import sys
import time
import uuid
from collections.abc import AsyncIterator, Generator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.support.canaries import spilled, spilled_in_logs

if TYPE_CHECKING:
    import neo4j

    from kgnb.stores.graph.store import GraphStore
    from kgnb.stores.ledger.ledger import Ledger
    from kgnb.stores.queue.store import Queue
    from tests.support.queues import Maker

if os.environ.pop("PYTHONDONTWRITEBYTECODE", None):  # each process would compile all packages anew: 3 s
    sys.dont_write_bytecode = False
signal.signal(signal.SIGHUP, signal.SIG_DFL)  # nohup has it ignored, by all that is started too
signal.signal(signal.SIGINT, signal.default_int_handler)  # & of a shell without job control likewise
os.environ["LC_ALL"] = "C.UTF-8"  # texts are Chinese, whatever this machine's locale
os.environ.setdefault("KGNB_CPU_WORKERS", "threads")  # a process takes half a second to start


def outside(name: str) -> str:
    """A service's address from services.sh; without it the test skips, and fails in CI."""
    value = os.environ.get(name, "")
    if value:
        return value
    reason = f"{name} is not set: start the services with scripts/services.sh start"
    if os.environ.get("CI") == "true":
        pytest.fail(reason)
    pytest.skip(reason)


_ENGINES = {"redis_url": "redis", "sql_url": "mariadb", "bolt": "neo4j"}  # fixture: the kind that is a server
_REACHES_SERVICES = ("outside", "cluster", "emptied_services")  # a module that imports one goes there itself
_KERNELS = ("pythons", "jupyter_lab", "kaggle_machine")  # what a module imports that runs notebooks
_NAMED_IN = {
    "nodes": ("cluster",),
    "services": (*_ENGINES, "ledger: Ledger", "make: Maker", "services", *_REACHES_SERVICES),
    "kernels": _KERNELS,
    "commands": ("Place",),
}
"""A module without any of a part's words holds none of its tests."""
_BESIDE_KERNELS = {"test_node_thread"}  # starts kernels' nodes, but no notebook


def pytest_addoption(parser: pytest.Parser) -> None:
    """``--part``: tests of whole nodes on servers, others that empty servers, of notebooks, of commands on
    embedded engines, or the rest. They may run side by side, the first two each on servers of its own."""
    parser.addoption("--part", choices=("nodes", "services", "kernels", "commands", "rest"))


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """A part doesn't import modules without a test of it: all of them take a core ten seconds."""
    words = _NAMED_IN.get(config.getoption("--part") or "")
    if not words or collection_path.suffix != ".py" or collection_path.stem in _BESIDE_KERNELS:
        return None
    text = collection_path.read_text("utf-8")
    return None if any(word in text for word in words) else True


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leaves out what belongs to the other part."""
    if part := config.getoption("--part"):
        kept = [item for item in items if _part(item) == part]
        config.hook.pytest_deselected(items=list(set(items) - set(kept)))
        items[:] = kept


def pytest_collection_finish(session: pytest.Session) -> None:
    """Runs that empty the same services take turns; held until this process ends."""
    if not any(name.startswith("KGNB_TEST_") for name in os.environ):
        return
    if not any(map(_reaches_services, session.items)):
        return
    # A lock for each, whichever checkout they run in, and whatever its TMPDIR.
    places = (value for name, value in os.environ.items() if re.match("KGNB_TEST_.*_UR[LI]$", name))
    for digest in sorted(hashlib.sha256(place.encode()).hexdigest()[:12] for place in places):
        file = os.open(f"/tmp/kgnb-tests-{os.getuid()}-{digest}.lock", os.O_RDWR | os.O_CREAT, 0o600)
        fcntl.flock(file, fcntl.LOCK_EX)


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skips a test that would begin after KGNB_TEST_UNTIL (epoch seconds): where a run is killed at its end,
    nobody learns what failed before."""
    until = float(os.environ.get("KGNB_TEST_UNTIL") or "inf")
    if time.time() > until:
        pytest.skip(f"{item.nodeid} had no time left: KGNB_TEST_UNTIL is over")


def _part(item: pytest.Item) -> str:
    module = getattr(item, "module", None)
    if hasattr(module, "cluster") or "nodes" in getattr(item, "fixturenames", ()):
        return "nodes"
    if _reaches_services(item):
        return "services"
    if any(hasattr(module, name) for name in _KERNELS) or item.path.stem in _BESIDE_KERNELS:
        return "kernels"
    return "commands" if hasattr(module, "Place") else "rest"


def _reaches_services(item: pytest.Item) -> bool:
    module = getattr(item, "module", None)
    if any(hasattr(module, name) for name in _REACHES_SERVICES):
        return True
    kinds = getattr(getattr(item, "callspec", None), "params", {})
    used = set(getattr(item, "fixturenames", ()))
    plain = used.intersection(_ENGINES) - kinds.keys()  # a fixture that has the server's kind only
    return (
        "services" in used
        or "bolt" in plain
        or any(kinds.get(name) == server for name, server in _ENGINES.items() if name in used)
    )


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Fails a test during which a secret was printed or logged, by whichever path of an error and process."""
    report = yield
    text = "".join(content for _, content in report.sections)
    folder = getattr(item, "funcargs", {}).get("tmp_path") if report.when == "call" else None
    if secret := spilled(text) or (spilled_in_logs(folder) if folder else ""):
        report.outcome = "failed"
        report.longrepr = f"{item.nodeid} printed or logged a secret: {secret}"
    return report


@pytest.fixture(autouse=True)
def _own_language_log_and_environment() -> Iterator[None]:
    """What a test says in another language, where its log goes, and what a command that it runs in this
    process puts into the environment stay with it."""
    from kgnb.core.messages import language, use_language

    before = language()
    loggers = [logging.getLogger(name) for name in ("", "kgnb")]
    handlers = [list(logger.handlers) for logger in loggers]
    variables = dict(os.environ)
    yield
    use_language(before)
    for name in os.environ.keys() - variables.keys():
        del os.environ[name]
    os.environ.update(variables)
    for logger, kept in zip(loggers, handlers, strict=True):
        logger.handlers[:] = [one for one in logger.handlers if one in kept]


@dataclass(frozen=True)
class Bolt:
    uri: str
    user: str
    password: str
    database: str = ""

    def store(self, **more: Any) -> GraphStore:
        from pydantic import SecretStr

        from kgnb.stores.graph.store import GraphStore
        from kgnb.stores.targets import GraphTarget

        return GraphStore(GraphTarget(self.uri, self.user, SecretStr(self.password), self.database, **more))

    def driver(self) -> neo4j.Driver:
        import neo4j

        return neo4j.GraphDatabase.driver(self.uri, auth=(self.user, self.password))


@pytest.fixture(scope="session")
def embedded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[object]:
    """The embedded queue on a folder of this test session, or that which another process lends."""
    from kgnb.stores.embedded.connect import open_queue

    lent = os.environ.get("LENT_ENGINES")
    with open_queue(Path(lent) if lent else tmp_path_factory.mktemp("engines")) as engines:
        if lent:
            _empty(engines)
        yield engines


@pytest.fixture
def running_engines(embedded: Any, tmp_path: Path) -> Iterator[None]:
    """``tmp_path / "data"`` is the folder of :func:`embedded`, which holds nothing yet: for commands that
    needn't start engines of their own, which takes longer than most of them."""
    with lent_folder(embedded, tmp_path / "data"):
        yield


@contextlib.contextmanager
def lent_folder(embedded: Any, link: Path) -> Iterator[None]:
    """``link`` is the folder of :func:`embedded`; one test, or module, at a time has it."""
    link.symlink_to(embedded.folder.root)
    try:
        yield
    finally:
        _empty(embedded)
        link.unlink()


def _empty(engines: Any) -> None:
    import redis

    folder = engines.folder.root
    with redis.Redis.from_url(engines.redis_url.get_secret_value()) as client:
        client.flushall()
    for entry in (*folder.iterdir(), *folder.glob("logs/worker*.log*")):
        if entry.name == "logs" or entry.name.startswith("."):
            continue
        shutil.rmtree(entry) if entry.is_dir() else entry.unlink()


@pytest.fixture(params=["valkey", "redis"])
def redis_url(request: pytest.FixtureRequest) -> str:
    """An emptied queue engine: the embedded Valkey, and Redis."""
    import redis

    if request.param == "valkey":
        url = request.getfixturevalue("embedded").redis_url
        url = url.get_secret_value() if hasattr(url, "get_secret_value") else url
    else:
        url = outside("KGNB_TEST_REDIS_URL")
    with redis.Redis.from_url(url) as client:
        client.flushall()
    return url


@pytest.fixture(params=["sqlite", "mariadb"])
def sql_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """An empty SQL database: SQLite in a file, and one of its own on MariaDB."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path / 'kgnb.db'}"
        return
    with new_database() as url:
        yield url


@pytest.fixture
async def ledger(sql_url: str) -> AsyncIterator[Ledger]:
    """The record in an empty SQL database."""
    from tests.support.ledgers import opened

    async with opened(sql_url) as one:
        yield one


@pytest.fixture
async def make(redis_url: str) -> AsyncIterator[Maker]:
    """Makes nodes' queues on an emptied queue engine."""
    from tests.support.queues import nodes_on

    async with nodes_on(redis_url) as maker:
        yield maker


@pytest.fixture
async def queue(make: Maker) -> Queue:
    """One node's queue."""
    return make()


@contextlib.contextmanager
def new_database() -> Iterator[str]:
    """An empty database on MariaDB, dropped at the end."""
    import sqlalchemy

    base = sqlalchemy.make_url(outside("KGNB_TEST_SQL_URL"))
    name = f"kgnb_test_{uuid.uuid4().hex[:12]}"
    server = sqlalchemy.create_engine(base, poolclass=sqlalchemy.NullPool)  # it may restart meanwhile
    with server.begin() as connection:
        connection.exec_driver_sql(f"CREATE DATABASE {name} CHARACTER SET utf8mb4")
    try:
        yield base.set(database=name).render_as_string(hide_password=False)
    finally:
        with server.begin() as connection:
            connection.exec_driver_sql(f"DROP DATABASE {name}")
        server.dispose()


@pytest.fixture
def bolt() -> Bolt:
    """Neo4j, emptied."""
    at = Bolt(*(outside(f"KGNB_TEST_NEO4J_{name}") for name in ("URI", "USER", "PASSWORD")))
    with at.driver() as driver:
        driver.execute_query("MATCH (n) DETACH DELETE n")
    return at


@pytest.fixture
async def store(bolt: Bolt) -> AsyncIterator[GraphStore]:
    """The graph, empty."""
    # A machine with other work takes longer than a node's patience for a server's first plans.
    one = bolt.store(timeout=60.0)
    await one.prepare()
    yield one
    await one.close()
