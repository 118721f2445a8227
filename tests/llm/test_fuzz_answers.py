"""Any answer of an endpoint, with any headers, is a reply or an error of the tree, without the key."""

from __future__ import annotations

import asyncio
import json

from hypothesis import example, given
from hypothesis import strategies as st

from kgnb.core.errors import ProviderError, RateLimited
from kgnb.llm.client import Completion
from tests.support.fuzzing import WORDS, fuzz
from tests.support.scripted_llm import CANARY, Scripted, ask_for, client, completion

KEYS = ["error", "errors", "message", "code", "details", "metadata", "raw", "choices", "usage", "content"]
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | WORDS | st.just(CANARY),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(KEYS), inner),
    max_leaves=8,
)
DEEP = '{"error": {"metadata": {"raw": ' * 300 + "1" + "}}}" * 300
BODIES = st.one_of(
    JSON.map(json.dumps),
    JSON.map(completion),
    st.builds(lambda message: json.dumps({"error": message}), JSON),
    st.text(max_size=40),
    st.sampled_from(["", "<html>502</html>", "data: [DONE]\n\n", f"key {CANARY} refused", "[" * 5_000]),
)
STATUSES = [200, 201, 204, 301, 400, 401, 403, 404, 413, 422, 429, 500, 503, 529, 599]
NUMBERS = st.sampled_from(["-1", "nan", "inf", "1e400", "9" * 30, "0", "Fri, 31 Dec 99999 23:59:59 GMT", "?"])
VALUES = NUMBERS | st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=20)
NAMES = ["retry-after", "retry-after-ms", "x-should-retry", "content-type", "content-encoding", "date"]
HEADERS = st.dictionaries(
    st.sampled_from(NAMES),
    VALUES | st.sampled_from(["gzip", "br", "text/event-stream", "http://127.0.0.1:9/", "true"]),
    max_size=4,
)


async def asked(status: int, body: str, headers: dict[str, str]) -> Completion | ProviderError:
    async with Scripted((status, body, headers)) as llm:
        c = client(llm.url, tries=1, timeout=30)
        try:
            return await c.ask(ask_for(), "m")
        except ProviderError as error:
            return error
        finally:
            await c.close()


@fuzz(40)
@given(st.sampled_from(STATUSES), BODIES, HEADERS)
@example(429, "{}", {"retry-after": "9" * 30})
@example(429, "{}", {"retry-after": "nan"})
@example(400, DEEP, {})
@example(200, completion(), {"content-encoding": "gzip"})
def test_any_answer(status: int, body: str, headers: dict[str, str]) -> None:
    found = asyncio.run(asked(status, body, headers))
    if isinstance(found, ProviderError):
        assert CANARY not in str(found)
    if isinstance(found, RateLimited):
        assert 0 <= found.retry_after < 10 * 365 * 86_400
