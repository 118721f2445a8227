"""What is wrong with a Redis is named as what it is."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import redis
from redis import exceptions

from kgnb.app import doctor
from kgnb.app.context import open_app
from kgnb.app.run_worker import serve
from kgnb.app.status import StatusReport
from kgnb.core.errors import ServiceDown, ServiceRefused
from kgnb.core.settings import Settings
from kgnb.render.status_view import queues_table
from kgnb.stores.queue import connection as connection_module
from kgnb.stores.queue.breaker import CircuitBreaker
from kgnb.stores.queue.connection import RedisConnection, mapped_errors, script_call
from kgnb.stores.queue.types import QueueName
from kgnb.worker.counters import Counters
from kgnb.worker.session import Departure
from tests.conftest import lent_folder


async def test_a_key_of_another_type_is_named(embedded: Any) -> None:
    url, queue = embedded.redis_url, QueueName("kg:task:queue:x")
    connection = RedisConnection(url, 30)
    with redis.Redis.from_url(url.get_secret_value()) as client:
        client.set(queue, "y")
        try:
            with pytest.raises(ServiceRefused) as caught:
                await connection.send([script_call("state", queue)])
        finally:
            client.delete(queue)
            await connection.close()
    assert caught.value.key == "queue.wrong_type"
    assert queue in str(caught.value)


async def test_a_package_upgraded_under_a_node_changes_no_script(
    embedded: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    connection_module._scripts.cache_clear()
    connection = RedisConnection(embedded.redis_url, 30)
    monkeypatch.setattr(connection_module, "files", lambda _: tmp_path)  # no script is there any more
    try:
        await connection.send_one(("SCRIPT", "FLUSH"))
        assert await connection.send_one(script_call("tokens", "kgnb:ids", 1))
        assert await connection.send_one(script_call("state", QueueName("kg:task:queue:x"))) == [0] * 6
    finally:
        await connection.close()


async def test_a_queue_that_cannot_be_read_hides_no_other(embedded: Any, tmp_path: Path) -> None:
    """What others need: status goes on with a line that names the key, doctor with a failed check."""
    url, queue = embedded.redis_url, QueueName("kg:task:queue:rules")
    with lent_folder(embedded, tmp_path / "data"), redis.Redis.from_url(url.get_secret_value()) as client:
        client.flushall()  # other tests leave something
        client.set(queue, "y")
        client.hset("ai:provider:suspend:x", "until", "y")
        client.rpush("kg:task:queue:other", json.dumps({"task_id": 7}))
        client.sadd("kgnb:queues", "kg:task:queue:other")
        settings = Settings(KGNB_DATA=tmp_path / "data", _env_file=None)
        async with open_app(settings, graph=False) as app:
            read = await StatusReport(app).read()
            checks = await doctor.check_queues(app)
            assert (await CircuitBreaker(app.queue.connection).state("x")).paused
            client.delete("kgnb:queues")
            client.mset({"kgnb:queues": "y", "kgnb:nodes": "y"})
            failed = [one for one in await doctor.check_queues(app) if one.mark == "✗"]
            client.set("kgnb:ids", "inf")
            assert await app.queue.new_worker_ids(1)
    found = {one["queue"]: one for one in read["queues"]}
    assert queue in found[queue]["problem"]
    assert (found["kg:task:queue:other"]["waiting"], found["kg:task:queue:other"]["problem"]) == (1, "")
    assert [(one.name, one.mark) for one in checks] == [("kg:task:queue:other", "✓"), (queue, "✗")]
    assert [(one.name, "kgnb:queues" in one.detail) for one in failed] == [("queues", True)]
    notes = [cell.value for row in queues_table(read["queues"]).rows for cell in row.notes]
    assert notes == [found[queue]["problem"]]


@pytest.mark.parametrize("key", ["kgnb:queues", "kgnb:nodes", "kgnb:ids", "kgnb:node:here", "kg:nodes:here"])
async def test_a_node_that_cannot_register_names_the_key(embedded: Any, tmp_path: Path, key: str) -> None:
    url = embedded.redis_url.get_secret_value()
    with lent_folder(embedded, tmp_path / "data"), redis.Redis.from_url(url) as client:
        client.flushall()
        wrong = client.rpush if key in ("kgnb:ids", "kgnb:node:here") else client.set
        wrong(key, "y")
        settings = Settings.load(data=tmp_path / "data", node_name="here")
        with pytest.raises(ServiceRefused) as caught:
            await serve(settings, Departure(), Counters())
        client.delete(key)
    assert caught.value.key == "queue.wrong_type"
    assert key in str(caught.value)


@pytest.mark.parametrize(
    ("error", "key"),
    [
        (exceptions.OutOfMemoryError("OOM command not allowed"), "queue.full"),
        (exceptions.ReadOnlyError("READONLY You can't write"), "queue.read_only"),
        (exceptions.ResponseError("MISCONF Redis is configured to save"), "queue.disk"),
        (exceptions.ConnectionError("no route"), "queue.down"),
    ],
)
async def test_troubles(error: Exception, key: str) -> None:
    with pytest.raises(ServiceDown) as caught, mapped_errors("host:1"):
        raise error
    assert caught.value.key == key
    assert "host:1" in str(caught.value)
