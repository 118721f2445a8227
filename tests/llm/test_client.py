"""The LLM client against the dry-run server over real sockets, and the server itself."""

from __future__ import annotations

import asyncio
import email.utils
import errno
import gzip
import json
import logging
import subprocess
import sys
import time
import traceback
import urllib.request
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from pydantic import SecretStr

from kgnb.core.addresses import redacted_url
from kgnb.core.endpoint import proxy_of
from kgnb.core.errors import (
    AuthRejected,
    PromptTooLong,
    ProviderDown,
    ProviderError,
    QuotaExhausted,
    RateLimited,
    ReplyRefused,
    ReplyTruncated,
    ReplyUnparsable,
    RequestRejected,
    SettingsError,
)
from kgnb.core.model import Prompt, Provider, Usage
from kgnb.core.provider_options import ProviderOptions
from kgnb.extract import reply
from kgnb.llm import http_client
from kgnb.llm.client import Completion, LlmClient
from kgnb.llm.fake.http import Request, Response, carry
from kgnb.llm.fake.server import FakeServer, Faults
from tests.support.patience import SLOWEST
from tests.support.scripted_llm import (
    CANARY,
    TEXT,
    CountingClient,
    Scripted,
    address,
    ask_for,
    client,
    completion,
    error,
    google,
)
from tests.support.strict_llm import StrictServer
from tests.support.tls_servers import authority


async def failing(
    c: CountingClient, model: str = "dryrun", kind: type[ProviderError] = ProviderError
) -> ProviderError:
    try:
        with pytest.raises(kind) as caught:
            await c.ask(ask_for(), model)
    finally:
        await c.close()
    error = caught.value
    assert error.usage is not None
    assert error.usage == c.usage
    assert str(error)
    assert error.__cause__ is None
    assert error.__context__ is None  # the HTTP library's errors hold the request and its key
    return error


OK = (200, completion(), {})


# --- what a good call sends and gives


async def test_a_reply_and_what_it_cost() -> None:
    async with FakeServer() as llm:
        c = client(llm.base_url)
        done = await c.ask(ask_for(), "dryrun")
        assert "刘备" in {x.name for x in reply.parse(done.text, provider="p").extraction.characters}
        assert done.usage.requests == 1
        assert done.usage.prompt_tokens > 300
        assert done.usage.completion_tokens > 10
        assert llm.stats.as_json()["outcomes"] == {"ok": 1}


async def test_what_is_sent_to_an_openai_compatible_endpoint() -> None:
    async with Scripted(OK) as llm:
        c = client(llm.url)
        p = ask_for()
        assert await c.ask(p, "some/model") == Completion('{"characters": []}', Usage(1, 11, 7))
    first, headers, body = llm.seen[0]
    assert first == "POST /v1/chat/completions HTTP/1.1"
    assert headers["authorization"] == f"Bearer {CANARY}"
    assert body == {
        "model": "some/model",
        "messages": [{"role": "system", "content": p.system}, {"role": "user", "content": p.user}],
        "stream": False,
        "temperature": 0,
        "max_tokens": 4_096 + len(p.user),
        "response_format": {
            "type": "json_schema",
            "json_schema": {"name": "extraction", "strict": True, "schema": p.schema},
        },
    }


async def test_what_no_utf8_can_hold_is_sent_as_a_question_mark() -> None:
    async with Scripted(OK) as llm:
        c = client(llm.url)
        await c.ask(ask_for(f"{TEXT}\ud800"), "m")
    assert f"{TEXT}?" in llm.seen[0][2]["messages"][1]["content"]


@pytest.mark.parametrize("path", ["", "/v1", "/v1/", "/v1/messages"])
async def test_what_is_sent_to_anthropic(path: str) -> None:
    answer = {
        "content": [
            {"type": "thinking", "thinking": "hm"},
            {"type": "text", "text": '{"events"'},
            {"type": "text", "text": ": []}"},
        ],
        "stop_reason": "end_turn",
        "usage": {"input_tokens": 5, "cache_read_input_tokens": 4, "output_tokens": 3},
    }
    async with Scripted((200, json.dumps(answer), {})) as llm:
        c = client(llm.url.removesuffix("/v1") + path, name="Claude")
        p = ask_for()
        assert await c.ask(p, "claude-x") == Completion('{"events": []}', Usage(1, 9, 3, 4))
    first, headers, body = llm.seen[0]
    assert first == "POST /v1/messages HTTP/1.1"
    assert headers.get("x-api-key") or headers["authorization"].removeprefix("Bearer ") == CANARY
    assert headers["anthropic-version"]
    cached = {"type": "text", "text": p.system, "cache_control": {"type": "ephemeral"}}
    assert body["system"] == [cached]
    assert body["messages"] == [{"role": "user", "content": p.user}]
    assert body["max_tokens"] >= 4_096
    assert body["output_config"] == {"format": {"type": "json_schema", "schema": p.schema}}
    assert "response_format" not in body


async def test_anthropic_on_the_dry_run() -> None:
    async with StrictServer(key=CANARY, faults=Faults(rate_500=0.5), seed=3) as llm:
        c = client(llm.root_url, name="anthropic", tries=9)
        done = await c.ask(ask_for(), "dryrun")
        assert reply.parse(done.text, provider="p").extraction.characters
        for model, kind in {
            "dryrun-refuse-all": ReplyRefused,
            "dryrun-cut-all": ReplyTruncated,
            "dryrun-no-quota": QuotaExhausted,
            "nobody": RequestRejected,
        }.items():
            with pytest.raises(kind):
                await c.ask(ask_for(), model)
        await failing(client(llm.root_url, name="anthropic", key="wrong"), kind=AuthRejected)


async def test_how_long_the_oldest_request_has_been_in_flight() -> None:
    answers = asyncio.Event()

    class Waiting(FakeServer):
        async def handle(self, request: web.Request) -> web.StreamResponse:
            await answers.wait()
            return await super().handle(request)

    async with Waiting() as llm:
        c = client(llm.base_url)
        await c.body(ask_for(), "dryrun")  # the SDK is imported
        c.form_of("dryrun").release()  # none is held back for the first
        asks = [asyncio.create_task(c.ask(ask_for("第1句。"), "dryrun"))]
        assert c.ages == []
        async with asyncio.timeout(30 * SLOWEST):
            while not (c.ages and c.ages[0] >= 0.2):
                await asyncio.sleep(0.01)
            asks.append(asyncio.create_task(c.ask(ask_for("第2句。"), "dryrun")))
            while len(c._sent_at) < 2:
                await asyncio.sleep(0)
        assert c.ages[0] >= 0.2
        answers.set()
        await asyncio.gather(*asks)
        assert c.ages == []


async def test_sixty_in_flight_share_a_pool_of_their_size() -> None:
    there, full = list[int](), asyncio.Event()

    class Full(FakeServer):
        """Answers from when sixty are there."""

        async def handle(self, request: web.Request) -> web.StreamResponse:
            there.append(there[-1] + 1 if there else 1)
            if there[-1] == 60:
                full.set()
            await full.wait()
            await asyncio.sleep(0.05)  # more would come
            there.append(there[-1] - 1)
            return await super().handle(request)

    async with Full() as llm:
        c = CountingClient(Provider("o", llm.base_url), timeout=10 * SLOWEST, tries=1, connections=60)
        c.form_of("dryrun").release()  # none is held back for the first
        await asyncio.gather(*(c.ask(ask_for(f"第{i}句。"), "dryrun") for i in range(120)))
        assert max(there) == 60
        assert llm.stats.connections == 60
        assert c.usage.requests == 120


# --- errors


async def test_an_endpoint_that_could_not_be_opened_is_opened_by_the_next_request(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def full() -> None:
        raise OSError(errno.EMFILE, "too many open files")

    async with FakeServer() as llm:
        c = client(llm.base_url)
        with monkeypatch.context() as patched:
            patched.setattr(c, "_open", full)
            with pytest.raises(OSError, match="too many"):
                await c.ask(ask_for(), "dryrun")
        assert (await c.ask(ask_for(), "dryrun")).text


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (401, error("invalid_api_key"), AuthRejected),
        (403, error(None), AuthRejected),
        (403, "<html>forbidden</html>", AuthRejected),
        (402, error(None, "Insufficient Balance"), QuotaExhausted),
        (429, error("insufficient_quota"), QuotaExhausted),
        (429, error(None, kind="insufficient_quota"), QuotaExhausted),
        (429, error(None, kind="exceeded_current_quota_error"), QuotaExhausted),
        (429, error("rate_limit_exceeded"), RateLimited),
        (429, "", RateLimited),
        (400, error("context_length_exceeded"), PromptTooLong),
        (400, error(None, "This model's maximum context length is 65536 tokens."), PromptTooLong),
        (400, error(None, "prompt is too long: 210000 tokens", kind="invalid_request_error"), PromptTooLong),
        (413, "", PromptTooLong),
        (429, error("rate_limit_exceeded", "Request too large for m: Limit 1, Requested 2"), PromptTooLong),
        (400, error("content_filter"), ReplyRefused),
        (400, error("data_inspection_failed"), ReplyRefused),
        (404, error("model_not_found"), RequestRejected),
        (400, error("1211", "no such model"), RequestRejected),
        (302, "", RequestRejected),
        (500, error("x"), ProviderDown),
        (503, "<html>", ProviderDown),
        (529, error(kind="overloaded_error"), ProviderDown),
        # Google's list of one, with the reason in details
        (400, google("API key not valid.", reason="API_KEY_INVALID"), AuthRejected),
        (429, google("Quota exceeded", retryDelay="7s"), RateLimited),
        (429, error("insufficient_quota", "Allocated quota exceeded, please increase it"), RateLimited),
        (403, error("insufficient_quota", "Allocated quota exceeded"), RateLimited),
        (403, error("AllocationQuota.FreeTierOnly", "The free tier has been exhausted"), QuotaExhausted),
        (403, error("AccountOverdueError"), QuotaExhausted),
        (403, json.dumps({"error": {"code": 403, "metadata": {"flagged_input": "x"}}}), ReplyRefused),
        (400, error("json_validate_failed", "Failed to validate JSON"), ReplyUnparsable),
        (422, json.dumps({"detail": [{"loc": ["body", "messages"], "msg": "wrong"}]}), RequestRejected),
        (404, error("m", "only supported in v1/responses", param="model"), RequestRejected),
        (200, completion('{"characters": [', finish="length"), ReplyTruncated),
        (200, completion("", finish="content_filter"), ReplyRefused),
        (200, completion("", finish="sensitive"), ReplyRefused),
        (200, completion('{"characters": [', finish="insufficient_system_resource"), ProviderDown),
        (200, completion(None, refusal="I can't"), ReplyRefused),
        (200, json.dumps({"error": {"code": 402, "message": "no credits"}}), QuotaExhausted),
        (200, json.dumps({"error": {"code": 502, "message": "upstream"}}), ProviderDown),
        (200, "{}", RequestRejected),
        (200, "[]", RequestRejected),
        (200, "<html>welcome</html>", RequestRejected),
        (200, '{"choices": [', RequestRejected),
        (200, '{"choices": [{"message": "hi"}]}', RequestRejected),
        (200, '{"choices": []}', ProviderDown),
        (200, '{"choices": null}', RequestRejected),
    ],
)
async def test_every_answer_has_its_class(status: int, body: str, kind: type[ProviderError]) -> None:
    async with Scripted((status, body, {})) as llm:
        found = await failing(client(llm.url, tries=1), kind=kind)
    assert type(found) is kind or isinstance(found, RequestRejected)
    assert found.usage is not None
    assert found.usage.requests == len(llm.seen)


async def test_an_answer_that_is_no_utf8_is_no_outage() -> None:
    async with Scripted(
        b'HTTP/1.1 200 x\r\ncontent-type: application/json\r\n\r\n{"choices": "\xff"}'
    ) as llm:
        await failing(client(llm.url), kind=RequestRejected)
    assert len(llm.seen) == 1


@pytest.mark.parametrize(
    ("headers", "low", "high"),
    [
        ({"retry-after": "7"}, 7, 7),
        ({"retry-after": "0.5"}, 0.5, 0.5),
        ({"retry-after": "+40"}, 30, 41),  # a date so many seconds from now
        ({"retry-after": "-40"}, 0, 0),
        ({"retry-after": "soon"}, 5, 10),
        ({"retry-after": "-3"}, 5, 10),
        ({"retry-after": "nan"}, 5, 10),
        ({"retry-after": "1e12"}, 3600, 3600),
        ({"retry-after": "Fri, 31 Dec 99999 23:59:59 GMT"}, 5, 10),
        ({"retry-after": "Fri, 31 Dec 9999 23:59:59 GMT"}, 3600, 3600),
        ({"retry-after": "Fri, 31 Dec 2026 99999999999999999999:59:59 GMT"}, 5, 10),
        ({}, 5, 10),
    ],
)
async def test_retry_after(headers: dict[str, str], low: float, high: float) -> None:
    if headers.get("retry-after") in ("+40", "-40"):
        moment = time.time() + int(headers["retry-after"])
        headers = {"retry-after": email.utils.formatdate(moment, usegmt=True)}
    async with Scripted((429, error("rate_limit_exceeded"), headers)) as llm:
        found = await failing(client(llm.url), kind=RateLimited)
    assert isinstance(found, RateLimited)
    assert low <= found.retry_after <= high
    assert len(llm.seen) == 1  # a rate limit is the caller's to wait for


@pytest.mark.parametrize(
    ("body", "seconds"),
    [
        (google("slow down", retryDelay="37.5s"), 37.5),
        (error(None, "Rate limit reached … Please try again in 7.66s. Need more tokens?"), 7.66),  # Groq
        (error(None, "Rate limit reached … Limit 200 / day. Please try again in 7m12s."), 432),  # OpenAI
        (error(None, "max RPM: 3, please try again after 1 seconds"), 1),  # Moonshot
        (error(None, "Please try again in 850ms."), 0.85),
        (error(None, "Rate limit of 150 per 86400s exceeded. Please wait 345 seconds before retrying."), 345),
        (error(None, "try again in 99 hours"), 3600),
        (json.dumps({"error": {"code": 429, "metadata": {"retry_after_seconds": 17}}}), 17),  # OpenRouter
    ],
)
async def test_the_wait_that_is_written_into_the_body(body: str, seconds: float) -> None:
    for headers, wanted in (({}, seconds), ({"retry-after": "2"}, 2)):
        async with Scripted((429, body, headers)) as llm:
            found = await failing(client(llm.url), kind=RateLimited)
        assert isinstance(found, RateLimited)
        assert found.retry_after == pytest.approx(wanted)


async def test_a_model_that_has_no_chat_is_refused_once_in_the_endpoints_words() -> None:
    no = error("unsupported", "This model is only supported in v1/responses", param="model")
    async with Scripted((400, no, {})) as llm:
        await failing(client(llm.url), kind=RequestRejected)
    assert len(llm.seen) == 1


async def test_what_a_framework_says_of_a_field_is_told() -> None:
    detail = {"detail": [{"loc": ["body", "messages"], "msg": "not like this"}]}
    async with Scripted((422, json.dumps(detail), {})) as llm:
        found = await failing(client(llm.url), kind=RequestRejected)
    assert "not like this" in str(found)


async def test_5xx_is_tried_again_after_retry_after_and_counted() -> None:
    async with Scripted((500, "", {"retry-after": "0.4"}), (503, "", {"retry-after": "0.4"}), OK) as llm:
        c = client(llm.url)
        started = time.monotonic()
        done = await c.ask(ask_for(), "m")
        assert time.monotonic() - started >= 0.8
        assert done.usage == Usage(3, 11, 7)
    async with Scripted((503, "", {"retry-after": "120"})) as llm:
        await failing(client(llm.url), kind=ProviderDown)
        assert len(llm.seen) == 1  # too long to hold a slot for


async def test_a_closed_port_a_dropped_and_a_hung_connection_are_outages() -> None:
    async with Scripted(b"") as llm:
        url = llm.url
        found = await failing(client(url, tries=2), kind=ProviderDown)
        assert found.usage == Usage()
        assert len(llm.seen) == 2
    await failing(client(url, tries=1), kind=ProviderDown)
    async with FakeServer(faults=Faults(drop=1)) as llm2:
        await failing(client(llm2.base_url, tries=2), kind=ProviderDown)
    async with FakeServer(faults=Faults(hang=1)) as llm3:
        await failing(client(llm3.base_url, tries=1, timeout=0.3), kind=ProviderDown)


@pytest.mark.parametrize(
    ("piece", "pause", "timeout", "kind"),
    [(b" ", 0.1, 0.5, ProviderDown), (b" " * 65_536, 0.0, 20, RequestRejected)],
    ids=["the timeout is the whole request's", "as much as is read"],
)
async def test_an_endless_answer_is_cut_short(
    piece: bytes, pause: float, timeout: float, kind: type[ProviderError]
) -> None:
    async def flow(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 x\r\ncontent-type: application/json\r\n\r\n")
        with suppress(ConnectionError):
            while True:
                writer.write(piece)
                await writer.drain()
                await asyncio.sleep(pause)
        writer.close()

    server = await asyncio.start_server(flow, "127.0.0.1", 0)
    await failing(client(address(server), tries=1, timeout=timeout), kind=kind)
    server.close()


async def test_cancelling_counts_what_was_finished_and_leaves_the_client_usable() -> None:
    async with Scripted((500, "", {"retry-after": "20"}), OK) as llm:
        c = client(llm.url)
        task = asyncio.create_task(c.ask(ask_for(), "m"))
        while not llm.seen:
            await asyncio.sleep(0.01)
        await asyncio.sleep(0.1)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert c.usage == Usage(1)
        assert (await c.ask(ask_for(), "m")).usage.requests == 1


async def test_a_list_of_models_asks_none_and_tells_an_outage_from_any_answer() -> None:
    async with FakeServer(key="right") as llm:
        for key in ("right", "wrong"):
            c = client(llm.base_url, key=key)
            await c.models()
        assert llm.stats.requests == 0
        url = llm.base_url
    c = client(url)
    with pytest.raises(ProviderDown) as caught:
        await c.models()
    assert caught.value.__context__ is None


# --- what a model does not take is learnt once


@pytest.mark.parametrize("model", ["dryrun-no-json", "dryrun-json-schema", "dryrun-no-temperature"])
async def test_a_form_that_a_model_takes_is_found_and_remembered(model: str) -> None:
    async with FakeServer() as llm:
        c = client(llm.base_url)
        for i in range(4):
            done = await c.ask(ask_for(f"刘备和关羽说话{i}。"), model)
            reply.parse(done.text, provider="p")
        assert llm.stats.outcomes["400"] == (model != "dryrun-json-schema")
        assert c.usage.requests == sum(llm.stats.outcomes.values())


async def test_a_400_without_a_param_walks_down_to_the_plain_request() -> None:
    no = (400, error("invalid_request_error", "This is unavailable now"), {})
    async with Scripted(no, no, OK) as llm:
        c = client(llm.url)
        await c.ask(ask_for(), "m")
        await c.ask(ask_for(), "m")
        kinds = [(b.get("response_format") or {}).get("type") for _, _, b in llm.seen]
        assert kinds == ["json_schema", "json_object", None, None]
        assert all("temperature" in b for _, _, b in llm.seen)


async def test_a_request_that_is_wrong_in_itself_teaches_nothing() -> None:
    no = (400, error(None, "no such thing"), {})
    async with Scripted(OK, no, OK) as llm:
        c = client(llm.url)
        await c.ask(ask_for(), "m")
        with pytest.raises(RequestRejected, match="no such thing"):
            await c.ask(ask_for(), "m")
        await c.ask(ask_for(), "m")
        assert [b["response_format"]["type"] for _, _, b in llm.seen] == ["json_schema"] * 3


# --- the key


@pytest.mark.parametrize("name", ["openai", "anthropic"])
async def test_the_key_is_in_no_error_log_or_repr(name: str, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    echo = error("x", f"Incorrect key provided: {CANARY}. Bearer {CANARY}", kind="y")
    seen: list[str] = []
    for answer in (
        OK,
        (400, echo, {}),
        (401, echo, {}),
        (429, echo, {}),
        (500, echo, {}),
        (404, echo, {}),
        b"",
        b"junk\r\n\r\n",
    ):
        async with Scripted(answer) as llm:
            c = client(llm.url, name=name, tries=1)
            seen += [repr(c), str(vars(c)), str(c.provider)]
            try:
                await c.ask(ask_for(), "m")
            except ProviderError as e:
                seen += [str(e), repr(e), str(e.facts), str(vars(e)), "".join(traceback.format_exception(e))]
            seen += [repr(api) + str(vars(api)) for api in await c.opened()]
            assert any(CANARY in str(h) for _, h, _ in llm.seen)
    everything = "\n".join([*seen, caplog.text, *(str(r.args) for r in caplog.records)])
    assert CANARY not in everything
    assert CANARY[3:] not in everything


def test_a_dry_run_servers_key_is_in_no_repr() -> None:
    assert CANARY not in repr(FakeServer(key=CANARY))


OTHER_CANARY = "Canary7f3a91c2d4e58b60"


@pytest.mark.parametrize("status", [200, 400, 401, 404])
@pytest.mark.parametrize(
    ("key", "said"),
    [
        (OTHER_CANARY, f"Bearer {OTHER_CANARY} is no key, nor is {OTHER_CANARY}"),
        (OTHER_CANARY, "x" * 190 + OTHER_CANARY),  # a message is cut at 200 characters
        (OTHER_CANARY, "x" * 790 + OTHER_CANARY),
        (CANARY, f"{CANARY[:9]}*****{CANARY[-4:]} is no key"),
        (CANARY, f"{CANARY[:-1]} is no key"),
        (
            f"{OTHER_CANARY}\n",
            f"{OTHER_CANARY} is no key",
        ),  # as read from a file; sent without its line's end
        (OTHER_CANARY, f"{OTHER_CANARY[:8]}...{OTHER_CANARY[-4:]} is no key"),
        (OTHER_CANARY, "".join(f"%{ord(c):02X}" for c in OTHER_CANARY)),
        (OTHER_CANARY, f"{OTHER_CANARY[:9]}\u200b{OTHER_CANARY[9:]} is no key"),
        (CANARY, f"{CANARY[:7]}...{CANARY[-4:]} is no key"),
        (OTHER_CANARY, f"****{OTHER_CANARY[5:16]}**** is no key"),
        (OTHER_CANARY, f"{OTHER_CANARY[:3]}***{OTHER_CANARY[-3:]} is no key"),
    ],
    ids=[
        *("whole", "at the end", "far behind", "masked by half", "almost whole"),
        *("a line's end", "masked by dots", "percent-encoded", "zero width", "sk- masked by dots"),
        *("its middle", "three at each end"),
    ],
)
@pytest.mark.parametrize("form", ["openai", "text in error", "top level", "code", "param", "list", "plain"])
async def test_a_key_that_an_endpoint_repeats_is_nowhere(
    status: int, key: str, said: str, form: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    body = {
        "openai": error("x", said, kind="y"),
        "text in error": json.dumps({"error": said}),
        "top level": json.dumps({"message": said, "code": 7}),
        "code": error(said, "no", kind=said),
        "param": json.dumps({"error": {"message": "no", "param": said}}),
        "list": json.dumps([{"error": {"message": said}}]),
        "plain": said,
    }[form]
    async with Scripted((status, body, {"x-said": said})) as llm:
        found = await failing(client(llm.url, tries=1, key=key))
    seen = [
        str(found),
        repr(found),
        str(vars(found)),
        "".join(traceback.format_exception(found)),
        caplog.text,
    ]
    for part in (key[3:7], key[-4:], key[8:14], f"{key[:3]}*"):
        assert part not in "\n".join(seen)


async def test_what_an_endpoint_says_beside_the_key_is_told() -> None:
    said = f"Model m is not for key {OTHER_CANARY}; sk-1f2e***9a0b may use it"
    async with Scripted((404, error("x", said), {})) as llm:
        found = await failing(client(llm.url, key=OTHER_CANARY), kind=RequestRejected)
    assert "Model m is not for key ***; *** may use it" in str(found)


async def test_a_query_value_that_an_endpoint_repeats_is_hidden_but_not_its_year() -> None:
    query = {"key": SecretStr("2024-geheim-query")}
    provider = Provider("o", "", SecretStr(CANARY), (), ProviderOptions(default_query=query))
    async with Scripted((404, error("x", "no gpt-2024-08-06 for ?key=2024-geheim-query"), {})) as llm:
        c = CountingClient(replace(provider, base_url=llm.url), timeout=5 * SLOWEST, tries=1, connections=1)
        found = await failing(c, kind=RequestRejected)
    assert "no gpt-2024-08-06 for ***" in str(found)


@pytest.mark.parametrize(
    "url",
    [
        "https://user:geheim@host/v1",
        "https://host/v1?key=geheim",
        "https://host/v1?key=a@geheim",
        "https://host/v1#geheim",
        "https://user:a?geheim@host/v1",
        "https://user:a/b#geheim@host/v1?key=geheim",
        "user:geheim@host/v1?key=geheim",
    ],
)
def test_a_shown_address_holds_no_secret(url: str) -> None:
    text = redacted_url(url)
    assert "geheim" not in text
    assert text in {"https://host/v1", "host/v1", "https://***"}
    assert redacted_url("https://host:8/v1") == "https://host:8/v1"


@pytest.mark.parametrize("key", ["sk-a b", "sk-密钥", "sk-a\nb", "sk-\x00"])
def test_a_key_that_can_not_be_sent_is_refused_without_quoting_it(key: str) -> None:
    with pytest.raises(SettingsError) as caught:
        client("http://127.0.0.1:1/v1", key=key)
    assert key not in str(caught.value)


@pytest.mark.parametrize(
    "url",
    ["", "127.0.0.1:80", "ftp://x/v1", "http://", "http://[::x/v1", "http://h:99999/v1", "http://h/a b"],
)
def test_a_malformed_base_url_is_refused(url: str) -> None:
    with pytest.raises(SettingsError):
        client(url, name="someone")


@pytest.mark.parametrize(
    ("url", "name", "asked"),
    [
        ("", "openai", "https://api.openai.com/v1/chat/completions"),
        ("", "Anthropic", "https://api.anthropic.com/v1/messages"),
        ("https://api.anthropic.com/v1", "x", "https://api.anthropic.com/v1/messages"),
        (
            "https://anthropic.com.evil.example/v1",
            "x",
            "https://anthropic.com.evil.example/v1/chat/completions",
        ),
        ("https://h.example/v1/chat/completions", "x", "https://h.example/v1/chat/completions"),
    ],
)
async def test_where_a_provider_is_asked(
    url: str, name: str, asked: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[str] = []

    async def send(_self: object, request: Any, **_options: object) -> Any:
        seen.append(str(request.url))
        return http_client.httpx2.Response(404, request=request)

    monkeypatch.setattr(http_client.httpx2.AsyncClient, "send", send)
    await failing(client(url, name=name), kind=RequestRejected)
    assert seen[0] == asked


async def test_no_key_sends_no_authorization_and_redirects_are_not_followed() -> None:
    async with Scripted((307, "", {"location": "http://127.0.0.1:1/elsewhere"})) as llm:
        await failing(client(llm.url, key="", tries=1), kind=RequestRejected)
        assert all("authorization" not in h for _, h, _ in llm.seen)


@pytest.mark.parametrize(
    ("name", "path"), [("openai", "/v1/chat/completions"), ("anthropic", "/v1/messages")]
)
async def test_what_the_environment_tells_the_sdk_is_sent_to_nobody(
    name: str, path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for sdk in ("OPENAI", "ANTHROPIC"):
        for variable in ("ORG_ID", "PROJECT_ID", "AUTH_TOKEN"):
            monkeypatch.setenv(f"{sdk}_{variable}", "of-another-provider")
        monkeypatch.setenv(f"{sdk}_CUSTOM_HEADERS", "X-Env: of-another-provider")
    async with Scripted((404, "", {})) as llm:
        await failing(client(llm.url, name=name, tries=1), kind=RequestRejected)
    assert [first.split()[1] for first, _, _ in llm.seen] == [path]
    assert not any("of-another-provider" in value for value in llm.seen[0][1].values())


# --- the way there


def only_proxies(monkeypatch: pytest.MonkeyPatch, **env: str) -> None:
    """The environment names these proxies and no others."""
    for name in ("HTTPS_PROXY", "HTTP_PROXY", "ALL_PROXY", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)
    for name, value in env.items():
        monkeypatch.setenv(name, value)


async def test_a_proxy_of_the_environment_is_used_but_not_for_this_machine(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with Scripted(OK) as proxy, Scripted(OK) as llm:
        only_proxies(monkeypatch, HTTP_PROXY=proxy.url.removesuffix("/v1"))
        for url in ("http://llm.invalid/v1", llm.url):
            c = client(url)
            await c.ask(ask_for(), "m")
    assert [first for first, _, _ in proxy.seen] == ["POST http://llm.invalid/v1/chat/completions HTTP/1.1"]
    assert [first for first, _, _ in llm.seen] == ["POST /v1/chat/completions HTTP/1.1"]


@pytest.mark.parametrize(
    ("env", "proxy"),
    [
        ({}, None),
        ({"HTTPS_PROXY": "http://p:1"}, "http://p:1"),
        ({"HTTP_PROXY": "http://p:1"}, None),
        ({"ALL_PROXY": "p:1"}, "http://p:1"),
        ({"ALL_PROXY": "socks5://p:1", "HTTPS_PROXY": "http://p:2"}, "http://p:2"),
        ({"HTTPS_PROXY": "http://p:1", "NO_PROXY": "example.com"}, None),
        ({"HTTPS_PROXY": "http://p:1", "NO_PROXY": "example.org"}, "http://p:1"),
    ],
)
def test_which_proxy(monkeypatch: pytest.MonkeyPatch, env: dict[str, str], proxy: str | None) -> None:
    only_proxies(monkeypatch, **env)
    assert proxy_of("https://llm.example.com/v1") == proxy


def test_a_socks_proxy_without_its_package_is_refused_with_what_to_do(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    only_proxies(monkeypatch, ALL_PROXY="socks5://127.0.0.1:7890")
    monkeypatch.setitem(sys.modules, "socksio", None)
    with pytest.raises(SettingsError, match=r"pip install socksio.*HTTPS_PROXY"):
        client("https://llm.invalid/v1")


async def test_a_socks_proxy_is_used_and_resolves_the_name(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("socksio")
    wanted: list[bytes] = []

    async with Scripted(OK) as llm:

        async def socks(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            greeting = await reader.readexactly(2)
            await reader.readexactly(greeting[1])
            writer.write(b"\x05\x00")
            head = await reader.readexactly(5)
            wanted.append(await reader.readexactly(head[4]))
            await reader.readexactly(2)
            writer.write(b"\x05\x00\x00\x01\x7f\x00\x00\x01\x00\x50")
            await llm._serve(reader, writer)

        server = await asyncio.start_server(socks, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        only_proxies(monkeypatch, ALL_PROXY=f"socks5h://127.0.0.1:{port}")
        c = client("http://llm.invalid/v1")
        assert (await c.ask(ask_for(), "m")).usage.requests == 1
        server.close()
    assert wanted == [b"llm.invalid"]


async def test_neither_a_login_nor_netrc_takes_the_keys_place(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login somebody password else\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    async with Scripted(OK) as llm:
        c = client(llm.url.replace("://", "://user:login@"))
        await c.ask(ask_for(), "m")
    assert llm.seen[0][1]["authorization"] == f"Bearer {CANARY}"


@pytest.mark.parametrize(
    ("raw", "kind"), [(completion().encode(), None), (b" " * 50_000_000, RequestRejected)]
)
async def test_an_answer_compressed_unasked_is_read_and_no_bomb(
    raw: bytes, kind: type[ProviderError] | None
) -> None:
    packed = gzip.compress(raw)
    head = f"HTTP/1.1 200 x\r\ncontent-encoding: gzip\r\ncontent-length: {len(packed)}\r\n\r\n"
    async with Scripted(head.encode() + packed) as llm:
        c = client(llm.url, tries=1)
        if kind is None:
            assert (await c.ask(ask_for(), "m")).text == '{"characters": []}'
        else:
            await failing(c, kind=kind)


async def test_https_is_checked_against_the_certificates_that_are_trusted(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    ca = authority(tmp_path / "ca")
    async with Scripted(OK) as llm:
        server = await asyncio.start_server(llm._serve, "127.0.0.1", 0, ssl=ca.server())
        url = address(server).replace("http:", "https:")
        told = str(await failing(client(url, tries=1), kind=ProviderDown))
        assert "certificate" in told  # OpenSSL's reason
        assert "SSL_CERT_FILE" in told
        monkeypatch.setenv("SSL_CERT_FILE", str(ca.ca))
        http_client.trusted_certificates.cache_clear()
        c = client(url)
        assert (await c.ask(ask_for(), "m")).usage.requests == 1
        http_client.trusted_certificates.cache_clear()
        server.close()


# --- the dry-run server


async def test_each_request_waits_from_its_own_arrival() -> None:
    arrived: list[int] = []
    came_before: list[int] = []  # an answer that is being made: how many requests were there by then

    class Arriving:
        method, path, headers = "POST", "/v1/chat/completions", dict[str, str]()

        async def read(self) -> bytes:
            arrived.append(len(arrived))
            return b"{}"

    def respond(_: Request) -> Response:
        came_before.append(len(arrived))
        return Response(200, b"{}")

    async with asyncio.timeout(10 * SLOWEST):
        await asyncio.gather(*(carry(Arriving(), respond, lambda: 0.0) for _ in range(3)))  # type: ignore[arg-type]
    assert came_before == [3, 3, 3]


async def until_ok(c: LlmClient, p: Prompt, most: int) -> tuple[Completion, list[str]]:
    met = []
    for _ in range(most):
        try:
            done = await c.ask(p, "dryrun")
            reply.parse(done.text, provider="p")
        except ProviderError as e:
            met.append(type(e).__name__)
        else:
            return done, met
    raise AssertionError(met)


async def test_every_fault_shows_as_its_error_and_a_retry_comes_through() -> None:
    faults = Faults(
        rate_429=0.12,
        rate_500=0.12,
        drop=0.05,
        cut=0.1,
        truncated=0.1,
        prose=0.1,
        refused=0.1,
        broken=0.1,
        fenced=0.1,
    )
    async with FakeServer(faults=faults, seed=5) as llm:
        c = client(llm.base_url, tries=1)
        met: set[str] = set()
        for i in range(60):
            met |= set((await until_ok(c, ask_for(f"刘备和关羽说第{i}句。"), 40))[1])
        assert met == {"RateLimited", "ProviderDown", "ReplyUnparsable", "ReplyTruncated", "ReplyRefused"}
        stats = llm.stats
        assert not stats.answered_twice
        assert len(stats.answered) == 60
        assert sum(stats.outcomes.values()) == stats.requests == sum(stats.prompts.values())
        assert set(stats.outcomes) == {"ok", *(f for f in Faults.__slots__ if f != "hang")}


async def test_the_same_seed_gives_the_same_faults() -> None:
    async def run(seed: int) -> dict[str, int]:
        async with FakeServer(faults=Faults(truncated=0.3, prose=0.3), seed=seed) as llm:
            c = client(llm.base_url)
            for i in range(30):
                await until_ok(c, ask_for(f"第{i}句。"), 40)
            return dict(llm.stats.outcomes)

    assert await run(1) == await run(1) != await run(2)


async def test_modes_by_the_models_name() -> None:
    async with FakeServer() as llm:
        c = client(llm.base_url)
        for model, kind in {
            "dryrun-refuse-all": ReplyRefused,
            "dryrun-no-quota": QuotaExhausted,
            "dryrun-cut-all": ReplyTruncated,
            "gpt-unknown": RequestRejected,
        }.items():
            with pytest.raises(kind):
                await c.ask(ask_for(), model)
        with pytest.raises(PromptTooLong):
            await c.ask(ask_for("很长的一句话。" * 300), "dryrun-small-context")
        await c.ask(ask_for("短。"), "dryrun-small-context")


async def test_a_wrong_key_is_refused() -> None:
    async with FakeServer(key="right") as llm:
        await failing(client(llm.base_url, key="wrong"), kind=AuthRejected)
        await failing(client(llm.base_url, key=""), kind=AuthRejected)
        c = client(llm.base_url, key="right")
        await c.ask(ask_for(), "dryrun")


def test_the_command_prints_its_base_url_and_tells_its_stats() -> None:
    command = [
        sys.executable,
        "-m",
        "kgnb.llm.dryrun",
        "--latency",
        "0.01",
        "--rate-429",
        "1",
        "--retry-after",
        "3",
    ]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            url = process.stdout.readline().strip()
            assert url.startswith("http://127.0.0.1:")
            found = asyncio.run(failing(client(url), kind=RateLimited))
            assert isinstance(found, RateLimited)
            assert found.retry_after == 3
            with urllib.request.urlopen(f"{url.removesuffix('/v1')}/stats") as answer:
                stats = json.load(answer)
            assert stats["requests"] == 1
            assert stats["outcomes"] == {"rate_429": 1}
            with urllib.request.urlopen(f"{url}/models") as answer:
                assert "dryrun" in {m["id"] for m in json.load(answer)["data"]}
        finally:
            process.terminate()
