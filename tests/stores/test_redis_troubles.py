"""What is wrong with a Redis is named as what it is."""

from __future__ import annotations

from typing import Any

import pytest
import redis
from redis import exceptions

from kgnb.core.errors import ServiceDown, ServiceRefused
from kgnb.stores.queue.connection import RedisConnection, mapped_errors, script_call
from kgnb.stores.queue.types import QueueName


async def test_a_key_of_another_type_is_named(embedded: Any) -> None:
    url, queue = embedded.endpoints.redis_url, QueueName("kg:task:queue:x")
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


@pytest.mark.parametrize(
    ("error", "key"),
    [
        (exceptions.OutOfMemoryError("OOM command not allowed"), "queue.full"),
        (exceptions.ReadOnlyError("READONLY You can't write"), "queue.read_only"),
        (exceptions.ResponseError("MISCONF Redis is configured to save"), "queue.disk"),
        (exceptions.ConnectionError("no route"), "queue.down"),
    ],
)
def test_troubles(error: Exception, key: str) -> None:
    with pytest.raises(ServiceDown) as caught, mapped_errors("host:1"):
        raise error
    assert caught.value.key == key
    assert "host:1" in str(caught.value)
