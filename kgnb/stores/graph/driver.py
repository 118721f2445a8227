"""Transactions over Bolt: time limits, retries, and the driver's errors as kgnb's."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable, Coroutine, Iterator, Sequence
from contextlib import contextmanager
from functools import wraps
from typing import Any, TypeVar, cast

from neo4j import (
    READ_ACCESS,
    AsyncDriver,
    AsyncGraphDatabase,
    Query,
    TrustCustomCAs,
)
from neo4j.exceptions import (
    AuthError,
    ClientError,
    ConfigurationError,
    ConstraintError,
    DatabaseError,
    DatabaseUnavailable,
    DriverError,
    Forbidden,
    Neo4jError,
    TransientError,
)

from kgnb.core.errors import InputError, ServiceDown, ServiceError, ServiceRefused
from kgnb.core.event_loop import LoopThread
from kgnb.core.safe_text import one_line
from kgnb.stores.targets import GraphTarget
from kgnb.stores.tls import is_untrusted_certificate

M = TypeVar("M", bound=Callable[..., Coroutine[Any, Any, Any]])

CONNECTIONS = 6
WRITERS = 3
"""Statements that write at once. Those of a novel take turns at the server, each while others are on their
way."""
READ_PATIENCE = 3
"""Factor on the transaction time limit for the next rows of a long result: lines are slow, and readers hold
no locks."""
JITTER = (0.01, 0.2)
"""Seconds between two tries after a lost race; the driver's own retry waits a second or more."""

_TIMED_OUT = "Neo.ClientError.Transaction.TransactionTimedOut"
_OVERTAKEN = frozenset(
    {
        "Neo.ClientError.Schema.EquivalentSchemaRuleAlreadyExists",  # Neo4j, to a CREATE … IF NOT EXISTS
        "Neo.ClientError.Statement.EntityNotFound",  # it read what another one has since taken away
    }
)
"""Error codes of a transaction that lost a race."""
_READ_ONLY = "Neo.ClientError.General.WriteOnReadOnlyAccessDatabase"


def _in_thread(method: M) -> M:
    """Return the method of BoltDriver that runs in its thread."""

    @wraps(method)
    async def run(self: BoltDriver, *args: Any, **kwargs: Any) -> Any:
        return await self._thread.run(method(self, *args, **kwargs))

    return cast(M, run)


class BoltDriver:
    """One driver, opened at first use.

    It lives in a thread of its own: a refresh is some twenty round trips, each of which would wait behind a
    busy node's work on replies. Callbacks are called there.
    """

    def __init__(self, target: GraphTarget) -> None:
        self._thread = LoopThread("kgnb-bolt", self._clean_up)
        self._target = target
        self.where = target.uri
        self._tls: dict[str, Any] = {}
        if target.ca:  # the driver takes a CA only where the scheme doesn't settle it
            scheme, _, rest = target.uri.partition("://")
            self.where = f"{scheme.partition('+')[0]}://{rest}"
            self._tls = {"encrypted": True, "trusted_certificates": TrustCustomCAs(target.ca)}
        self._database = target.database or None
        self._timeout = target.timeout
        self._driver: AsyncDriver | None = None
        self._make_locks()

    def _make_locks(self) -> None:
        self._writers = asyncio.Semaphore(WRITERS)
        self._readers = asyncio.Semaphore(CONNECTIONS - WRITERS)

    async def close(self) -> None:
        """End what runs and close all connections; another call opens them again."""
        await self._thread.stop()

    async def _clean_up(self) -> None:
        self._make_locks()  # those that were waited for belong to the thread's loop
        driver, self._driver = self._driver, None
        if driver is not None:
            await driver.close()

    def _open(self) -> AsyncDriver:
        """Return the driver, made on first use. Raises ServiceRefused for an address or options that it
        refuses.
        """
        if self._driver is None:
            try:
                self._driver = AsyncGraphDatabase.driver(
                    self.where,
                    auth=(self._target.user, self._target.password.get_secret_value()),
                    connection_timeout=5.0,
                    connection_acquisition_timeout=self._timeout,
                    max_connection_pool_size=CONNECTIONS,
                    keep_alive=True,
                    user_agent="kgnb",
                    notifications_min_severity="OFF",  # hints for whoever writes Cypher by hand
                    **self._tls,
                )
            except (ValueError, ConfigurationError) as error:
                facts = {"where": self.where, "reason": type(error).__name__}
                raise ServiceRefused("graph.refused", service="bolt", **facts) from error
        return self._driver

    @_in_thread
    async def rows(self, text: str, **params: Any) -> list[list[Any]]:
        """Return all rows of a reading statement, each the list of its values; [] for no rows. Raises
        ServiceDown, ServiceRefused.
        """
        with self._mapped():
            async with (
                self._readers,
                asyncio.timeout(self._timeout),
                self._open().session(database=self._database) as session,
            ):
                result = await session.run(Query(text, timeout=self._timeout), params)
                return await result.values()

    @_in_thread
    async def each(
        self, text: str, row: Callable[[list[Any]], None], *, fetched: int = 1000, **params: Any
    ) -> None:
        """Call ``row`` with each row of a result too large for one list.

        ``fetched``: rows in memory at a time; the time limit holds for each fetch.
        """
        with self._mapped():
            async with self._readers, self._open().session(database=self._database) as session:
                async with asyncio.timeout(self._timeout):
                    result = await session.run(Query(text, timeout=30 * self._timeout), params)
                while True:
                    async with asyncio.timeout(self._timeout * READ_PATIENCE):
                        records = await result.fetch(fetched)
                    for record in records:
                        row(record.values())
                    if not records:
                        return

    @_in_thread
    async def ask(self, text: str, params: dict[str, Any]) -> list[dict[str, Any]]:
        """Return a dict, column → value, for each row of a user's own query; its transaction is never
        committed.

        Raises InputError for an invalid query, ServiceDown, ServiceRefused.
        """
        try:
            async with (
                self._readers,
                asyncio.timeout(self._timeout * 6),
                self._open().session(database=self._database, default_access_mode=READ_ACCESS) as session,
                await session.begin_transaction(timeout=self._timeout * 6) as tx,
            ):
                result = await tx.run(text, params)
                answer = [record.data() async for record in result]
                await tx.rollback()  # leaving the block would commit
                return answer
        except (TimeoutError, OSError, Neo4jError, DriverError) as error:
            if isinstance(error, Neo4jError) and _code(error).startswith("Neo.ClientError.Statement."):
                raise InputError("graph.question", reason=error.message or _code(error)) from error
            raise self._error(error) from error

    @_in_thread
    async def execute(self, text: str, rows: Sequence[list[Any]] = (), **params: Any) -> list[list[Any]]:
        """Run one statement that changes data or schema, in one round trip; return its rows, each the list of
        its values.

        ``rows`` are the parameter ``$p.rows``. Run again whenever the transaction loses a race. Raises
        ServiceDown when the time limit is over, ServiceRefused.
        """
        given = _Rows(rows=rows)
        async with self._writers:
            end = time.monotonic() + self._timeout
            while True:
                try:
                    answers = await self._executed(text, params, given, max(0.1, end - time.monotonic()))
                    given.clear()  # the driver's result, a cycle until the collector comes, would keep them
                    return answers
                except (TimeoutError, OSError, Neo4jError, DriverError) as error:
                    pause = random.uniform(*JITTER)  # noqa: S311 - no secret
                    if not _lost_race(error) or time.monotonic() + pause >= end:
                        raise self._error(error) from error
                    await asyncio.sleep(pause)

    async def _executed(self, text: str, params: Any, given: _Rows, left: float) -> list[list[Any]]:
        # A server that hangs keeps no time limit: the clock runs here as well.
        async with asyncio.timeout(left), self._open().session(database=self._database) as session:
            result = await session.run(Query(text, timeout=left), params, p=given)
            return await result.values()

    @contextmanager
    def _mapped(self) -> Iterator[None]:
        """Turn the driver's errors inside the block into ServiceDown and ServiceRefused."""
        try:
            yield
        except (TimeoutError, OSError, Neo4jError, DriverError) as error:
            raise self._error(error) from error

    def _error(self, error: Exception) -> ServiceError:
        """Return kgnb's error for a driver's error, by type and code."""
        facts: dict[str, Any] = {"service": "bolt", "where": self.where}
        code = _code(error)
        if _lost_race(error):
            return ServiceDown("graph.busy", **facts)
        if isinstance(error, AuthError):
            return ServiceRefused("graph.password", **facts)
        if is_untrusted_certificate(error):
            return ServiceRefused("graph.untrusted", **facts)
        if code == _READ_ONLY:
            return ServiceDown("graph.read_only", **facts)
        if isinstance(error, ConfigurationError) or _is_refusal(error, code):
            return ServiceRefused("graph.refused", reason=code or type(error).__name__, **facts)
        if isinstance(error, (DatabaseError, DatabaseUnavailable)):
            return ServiceDown("graph.failed", reason=one_line(error.message or code, 300), **facts)
        return ServiceDown("graph.down", **facts)


class _Rows(dict[str, Any]):
    """Rows that the driver can write down cheaply: it formats every parameter for its debug log, also when
    nobody reads that log."""

    def __repr__(self) -> str:
        return "{'rows': …}"


def _code(error: Exception) -> str:
    """Return the error's Neo4j status code; "" for none."""
    return (error.code or "") if isinstance(error, Neo4jError) else ""


def _lost_race(error: Exception) -> bool:
    """Return whether another transaction won a race, so that this one may succeed when repeated."""
    if isinstance(error, DatabaseUnavailable):  # it is starting, or its disk was full
        return False
    return isinstance(error, (TransientError, ConstraintError)) or _code(error) in _OVERTAKEN


def _is_refusal(error: Exception, code: str) -> bool:
    """Return whether waiting can't mend the error: a client's error other than a timeout."""
    if code.startswith(_TIMED_OUT):
        return False
    if ".Schema." in code or isinstance(error, Forbidden):
        return True
    # Driver 5 reports an exhausted pool as a ClientError that no server sent and so has no real code.
    return isinstance(error, ClientError) and code.startswith("Neo.ClientError.")
