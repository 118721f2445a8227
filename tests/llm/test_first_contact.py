"""What a new user meets at this year's endpoints: their refusals, word for word, and what kgnb says of them.

The bodies are from the providers' lists of errors and from reports of users, November 2026.
"""

from __future__ import annotations

import asyncio
import json

import pytest

from kgnb.core.errors import (
    AuthRejected,
    EndpointWrong,
    PromptTooLong,
    ProviderDown,
    ProviderError,
    QuotaExhausted,
    RateLimited,
    ReplyRefused,
    ReplyTruncated,
    ReplyUnparsable,
    RequestRejected,
)
from kgnb.llm.presets import Preset, presets
from tests.support.scripted_llm import Scripted, address, ask_for, asked_of, completion, error, google

NO_CHANNEL = "当前分组 default 下对于模型 gpt-x 无可用渠道 (request id: 2025121521151664761470129816750)"
NO_QUOTA = "You exceeded your current quota, please check your plan and billing details."
TOKENS_A_MINUTE = "https://help.aliyun.com/zh/model-studio/error-code#token-limit"
SENSITIVE = (
    "系统检测到输入或生成内容可能包含不安全或敏感内容，请您避免输入易产生敏感内容的提示语，感谢您的配合。"
)


def in_choice(code: int, message: str) -> str:
    """A reply that its provider broke off, as OpenRouter tells it."""
    answer = json.loads(completion('{"characters": [', "error"))
    answer["choices"][0]["error"] = {"code": code, "message": message}
    return json.dumps(answer)


def open_router(message: str, **metadata: str) -> str:
    """A refusal that tells which of OpenRouter's limits was met."""
    return json.dumps({"error": {"code": 402, "message": message, "metadata": metadata}})


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        # Zhipu and z.ai
        (400, error("1301", SENSITIVE), ReplyRefused),
        (429, error("1113", "您的账户已欠费，请充值后重试"), QuotaExhausted),
        (429, error("1302", "您的账户已达到速率限制，请您控制请求频率"), RateLimited),
        (429, error("1308", "已达到 5 小时的使用上限"), QuotaExhausted),
        (400, error("1261", "Prompt 超长"), PromptTooLong),
        (400, error("1211", "模型不存在，请检查模型代码。"), EndpointWrong),
        (200, json.dumps({"code": 401, "msg": "token expired", "success": False}), AuthRejected),
        (429, error(None, "余额不足或无可用资源包,请充值。"), QuotaExhausted),  # by a gateway
        (200, completion('{"characters": [', "model_context_window_exceeded"), ReplyTruncated),
        (429, error("1311", "当前订阅套餐暂未开放GLM-5.3权限"), QuotaExhausted),
        (429, error("1313", "Your account's current usage pattern does not comply …"), QuotaExhausted),
        # DashScope
        (429, error("Throttling.AllocationQuota", "Free allocated quota exceeded."), QuotaExhausted),
        (400, error("data_inspection_failed", "Input data may contain inappropriate content"), ReplyRefused),
        (400, error("Arrearage", "Access denied, please make sure your account is …"), QuotaExhausted),
        (400, error("invalid_parameter_error", "Range of input length should be [1, 129024]"), PromptTooLong),
        (404, error("model_not_found", "The model `m` does not exist or you do not …"), EndpointWrong),
        (429, error("insufficient_quota", f"{NO_QUOTA} For details, see: {TOKENS_A_MINUTE}"), RateLimited),
        # Volcengine
        (400, error("InputTextSensitiveContentDetected", "may contain sensitive …"), ReplyRefused),
        (400, error("SensitiveContentDetected.Violence", "may contain violence …"), ReplyRefused),
        (404, error("ModelNotOpen", "Your account has not activated the model"), EndpointWrong),
        (403, error("AccountOverdueError", "overdue balance"), QuotaExhausted),
        (429, error("SetLimitExceeded", "Your account has reached the set inference limit"), QuotaExhausted),
        # OpenRouter
        (403, error(403, "Key limit exceeded (total limit). Manage it using https://…"), QuotaExhausted),
        (402, open_router("Payment required", limit_source="openrouter_in_flight_budget"), RateLimited),
        (402, open_router("Payment required", reason="in_flight_budget_exhausted"), RateLimited),
        (402, error(402, "… available credits given your current in-flight requests."), RateLimited),
        (402, open_router("too large", reason="weight_exceeds_budget"), QuotaExhausted),
        (402, open_router("no", limit_source="openrouter_credits"), QuotaExhausted),
        (403, open_router("no", limit_source="openrouter_workspace_budget"), QuotaExhausted),
        (403, error(403, "Budget limit exceeded"), QuotaExhausted),
        (200, in_choice(502, "Upstream provider disconnected"), ProviderDown),
        (200, in_choice(429, "Rate limit exceeded"), RateLimited),
        # Gemini
        (429, google("You exceeded your current quota …", reason="RATE_LIMIT_EXCEEDED"), RateLimited),
        (429, google("* Quota exceeded for metric: …_requests, limit: 0, model: m"), QuotaExhausted),
        (400, google("Invalid Authorization header."), AuthRejected),
        # Anthropic, Kimi, Qianfan
        (400, error(None, "You have reached your specified API usage limits."), QuotaExhausted),
        (403, error(None, "You've reached your usage limit for this billing cycle"), QuotaExhausted),
        (400, error("tokens_too_long", "Prompt tokens too long"), PromptTooLong),
        # xAI, Ollama's cloud, Fireworks
        (
            403,
            json.dumps({"code": "x", "error": "Your newly created team doesn't have any credits yet."}),
            QuotaExhausted,
        ),
        (
            429,
            json.dumps({"code": "x", "error": "Your team has used all available credits or …"}),
            QuotaExhausted,
        ),
        (403, error(None, "your subscription payment is past due."), QuotaExhausted),
        (412, error(None, "Account is suspended"), QuotaExhausted),
        # others
        (400, error("invalid_request_error", "Insufficient Balance", "unknown_error"), QuotaExhausted),
        (429, error("consumer_token_quota_exceeded", "exhausted", "quota_exceeded"), QuotaExhausted),
        (429, error(None, "you (me) have reached your session usage limit", "api_error"), QuotaExhausted),
        (403, error(None, "用户额度耗尽", "new_api_error"), QuotaExhausted),
        (400, json.dumps({"code": 20012, "message": "Model does not exist.", "data": None}), EndpointWrong),
        (401, '"Invalid token"', AuthRejected),
        (400, json.dumps({"message": "Invalid model: m", "type": "invalid_model"}), EndpointWrong),
        (400, error("model_decommissioned", "The model `m` has been decommissioned"), EndpointWrong),
        (402, error(402, "Insufficient credits."), QuotaExhausted),
        (400, error(400, "m is not a valid model ID"), EndpointWrong),
        (400, error(400, "The input token count (1200000) exceeds the maximum number …"), PromptTooLong),
        (200, completion("", "content_filter: PROHIBITED_CONTENT"), ReplyRefused),
        (403, error("model_not_found", "Project has no access to model m"), EndpointWrong),
        (429, error("insufficient_quota", f"{NO_QUOTA} Docs: https://platform.openai.com"), QuotaExhausted),
        # one-api and new-api
        (429, error(None, "当前分组上游负载已饱和，请稍后再试", "new_api_error"), RateLimited),
        (429, error("model_not_found", "No available channel for model m"), RateLimited),
        (503, error(None, NO_CHANNEL, "one_api_error"), EndpointWrong),
        (503, error("model_not_found", "No available channel for model m", "new_api_error"), EndpointWrong),
        (403, error("insufficient_user_quota", "用户额度不足"), QuotaExhausted),
        (403, error(None, "该令牌额度已用尽", "one_api_error"), QuotaExhausted),
        (200, json.dumps({"id": "x", "choices": [], "usage": {}}), ProviderDown),
        (200, json.dumps({"error": "upstream closed"}), ProviderDown),
        # servers of one's own
        (404, error("model_not_found", "model 'm' not found, try pulling it first"), EndpointWrong),
        (503, error(503, "Loading model", "unavailable_error"), ProviderDown),
    ],
)
async def test_a_refusal_is_called_by_its_name_and_costs_one_request(
    status: int, body: str, kind: type[ProviderError]
) -> None:
    async with Scripted((status, body, {}), models={"/v1/models": ["gpt-4", "gpt-5"]}) as llm:
        c = asked_of(Preset(name="o"), llm.url, thinking="leave", structured="text")
        with pytest.raises(kind) as caught:
            await c.ask(ask_for(), "m")
    assert type(caught.value) is kind
    assert kind is not EndpointWrong or "gpt-4" in str(caught.value)
    assert kind is not ProviderDown or "HTTP 50" in str(caught.value)
    assert len(llm.seen) <= 2  # a form without temperature is tried where a 400 names nothing


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (403, error("unsupported_country_region_territory", "Country, region, or territory not supported")),
        (403, json.dumps({"error": {"type": "forbidden", "message": "Request not allowed"}})),  # Anthropic
        (
            400,
            json.dumps(
                [{"error": {"code": 400, "message": "User location is not supported for the API use."}}]
            ),
        ),
        (
            403,
            json.dumps(
                {"error": {"type": "RegionError", "message": "This model is not available in your country."}}
            ),
        ),
        (403, "<html><title>Attention Required! | Cloudflare</title>Sorry, you have been blocked</html>"),
        (
            403,  # OpenRouter
            json.dumps(
                {
                    "error": {
                        "message": "Provider returned error",
                        "code": 403,
                        "metadata": {
                            "raw": '{"error": {"message": "Country, region, or territory not supported"}}'
                        },
                    }
                }
            ),
        ),
    ],
)
async def test_a_region_that_is_not_served_is_no_wrong_key(status: int, body: str) -> None:
    async with Scripted((status, body, {}), models={"/v1/models": ["m"]}) as llm:
        c = asked_of(Preset(name="o"), llm.url)
        with pytest.raises(AuthRejected, match="HTTPS_PROXY") as caught:
            await c.ask(ask_for(), "m")
    assert caught.value.key == "provider.region"
    assert len(llm.seen) == 1


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (500, "<html><title>Worker threw exception | llm.example | Cloudflare</title></html>", ProviderDown),
        (422, json.dumps({"detail": [{"input": "How do they fare in your country, sir?"}]}), RequestRejected),
    ],
)
async def test_a_gateway_that_fails_and_a_repeated_passage_tell_of_no_region(
    status: int, body: str, kind: type[ProviderError]
) -> None:
    async with Scripted((status, body, {"retry-after": "0"}), models={"/v1/models": ["m"]}) as llm:
        with pytest.raises(kind):
            await asked_of(Preset(name="o"), llm.url).ask(ask_for(), "m")


@pytest.mark.parametrize(
    ("body", "told"),
    [
        (
            {"error": {"message": "Provider returned error", "metadata": {"raw": "{}"}}},
            "Provider returned error",
        ),
        (
            {"error": {"message": "Provider returned error", "metadata": {"raw": "no luck"}}},
            "HTTP 400: no luck",
        ),
        (
            {
                "error": {
                    "message": "Provider returned error",
                    "metadata": {"raw": json.dumps({"error": {"message": "no luck"}}), "provider_name": "P"},
                }
            },
            "HTTP 400: no luck",
        ),
        (
            {"error": {"message": "Provider returned error", "metadata": {"raw": {"detail": "no luck"}}}},
            "HTTP 400: no luck",
        ),
        ({"errors": {"message": "no luck", "request_id": "5"}}, "HTTP 400: no luck"),  # ModelScope
        ({"detail": [{"loc": ["body", "n"], "msg": "no luck"}]}, "no luck"),  # Mistral
    ],
)
async def test_what_is_told_is_what_the_one_who_refused_said(body: dict[str, object], told: str) -> None:
    async with Scripted((400, json.dumps(body), {}), models={"/v1/models": ["m"]}) as llm:
        with pytest.raises(RequestRejected, match=told):
            await asked_of(Preset(name="o"), llm.url).ask(ask_for(), "m")


async def test_a_passage_that_a_refusal_repeats_is_no_word_of_the_endpoint() -> None:
    body = {"detail": [{"loc": ["body", "messages"], "input": "他说：“余额不足，insufficient balance。”"}]}
    async with Scripted((422, json.dumps(body), {}), models={"/v1/models": ["m"]}) as llm:
        with pytest.raises(RequestRejected):
            await asked_of(Preset(name="o"), llm.url).ask(ask_for(), "m")


async def test_a_server_of_ones_own_that_is_off_is_to_be_started_and_a_proxy_is_named(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    with pytest.raises(ProviderDown, match="ollama serve"):
        await asked_of(Preset(name="o"), "http://127.0.0.1:9/v1").ask(ask_for(), "m")
    monkeypatch.setenv("HTTP_PROXY", "http://me:sesame@127.0.0.1:9")
    with pytest.raises(ProviderDown, match=r"llm\.example: .+ 127\.0\.0\.1:9") as caught:
        await asked_of(Preset(name="o"), "http://llm.example/v1").ask(ask_for(), "m")
    assert "sesame" not in str(caught.value)


async def test_a_channel_that_is_down_for_a_model_that_is_there_is_an_outage_and_asked_again() -> None:
    down = (503, error(None, NO_CHANNEL), {"retry-after": "0"})
    for answers, requests in ([down, down, (200, completion(), {})], 3), ([down], 4):
        async with Scripted(*answers, models={"/v1/models": ["m"]}) as llm:
            c = asked_of(Preset(name="o"), llm.url, tries=4)
            if len(answers) > 1:
                await c.ask(ask_for(), "m")
            else:
                with pytest.raises(ProviderDown, match="4"):
                    await c.ask(ask_for(), "m")
        assert len(llm.seen) == requests


@pytest.mark.parametrize(
    "said",
    [
        "This model's maximum context length is 8192 tokens. However, you requested 9000 tokens (1100 in the "
        "messages, 7900 in the completion). Please reduce the length of the messages or completion.",
        "'max_tokens' or 'max_completion_tokens' is too large: 7900. This model's maximum context length is "
        "8192 tokens and your request has 1100 input tokens (7900 > 8192 - 1100).",
    ],
)
async def test_a_limit_that_the_context_has_no_room_for_is_lowered_before_the_passage_is_split(
    said: str,
) -> None:
    async with Scripted((400, error(None, said, "BadRequestError"), {}), (200, completion(), {})) as llm:
        c = asked_of(presets()["vllm"], llm.url)
        for _ in range(2):
            await c.ask(ask_for(), "m")
    before, *after = (body["max_tokens"] for _, _, body in llm.seen)
    assert before > 4_096
    assert after == [4_096, 4_096]
    async with Scripted((400, error(None, said), {})) as llm:
        c = asked_of(presets()["vllm"], llm.url, max_output_tokens=2_000)
        with pytest.raises(PromptTooLong):
            await c.ask(ask_for(), "m")
    assert len(llm.seen) == 1


async def test_a_reply_that_a_server_took_for_thoughts_is_read() -> None:
    thoughts = {"reasoning_content": '{"characters": []}'}
    async with Scripted((200, completion(None, "stop", **thoughts), {})) as llm:
        c = asked_of(presets()["vllm"], llm.url)
        assert (await c.ask(ask_for(), "m")).text == '{"characters": []}'


async def test_a_reply_beside_an_error_without_content_is_read() -> None:
    answer = {**json.loads(completion()), **json.loads(error(None, "", ""))}
    async with Scripted((200, json.dumps(answer), {})) as llm:
        c = asked_of(Preset(name="o"), llm.url)
        assert (await c.ask(ask_for(), "m")).text == '{"characters": []}'


async def test_parts_of_a_content_are_joined() -> None:
    parts = [{"type": "text", "text": '{"characters"'}, {"type": "text", "text": ": []}"}]
    async with Scripted((200, completion(parts), {})) as llm:
        c = asked_of(Preset(name="o"), llm.url)
        assert (await c.ask(ask_for(), "m")).text == '{"characters": []}'


@pytest.mark.parametrize(
    ("name", "message", "kind", "told"),
    [
        ("Bad Request", "no such voice: alto", ProviderError, "no such voice: alto"),
        ("maximum context length is 8192 tokens", "Bad Request", PromptTooLong, "."),
    ],
)
async def test_a_message_beside_an_error_that_is_but_a_name_is_told(
    name: str, message: str, kind: type[ProviderError], told: str
) -> None:
    body = json.dumps({"error": name, "message": message, "statusCode": 400})
    async with Scripted((400, body, {}), models={"/v1/models": ["m"]}) as llm:
        with pytest.raises(kind, match=told):
            await asked_of(Preset(name="o"), llm.url, thinking="leave", structured="text").ask(ask_for(), "m")


# --- what isn't an endpoint, or answers in another form


@pytest.mark.parametrize(
    ("status", "body", "headers", "told"),
    [
        (200, "<!DOCTYPE html><title>One API &amp; more</title>", {}, "HTTP 200: One API & more"),
        (200, "ok", {}, "HTTP 200）"),
        (
            301,
            "",
            {"location": "https://me:sesame@llm.example/v1?key=sesame"},
            r"301.+https://llm\.example/v1",
        ),
    ],
)
async def test_an_address_without_an_llm_is_wrong_for_every_chapter(
    status: int, body: str, headers: dict[str, str], told: str
) -> None:
    async with Scripted((status, body, headers)) as llm:
        with pytest.raises(EndpointWrong, match=told) as caught:
            await asked_of(Preset(name="o"), llm.url).ask(ask_for(), "m")
    assert "OPENAI_BASE_URL" in str(caught.value)
    assert "sesame" not in str(caught.value)
    assert len(llm.seen) == 1


async def test_a_page_that_refuses_is_told_by_its_title() -> None:
    page = "<html>\n<head><title>400 The plain HTTP request was sent to HTTPS port</title></head></html>"
    async with Scripted((400, page, {})) as llm:
        with pytest.raises(RequestRejected, match="plain HTTP request"):
            await asked_of(Preset(name="o"), llm.url).ask(ask_for(), "m")


async def test_a_server_that_knows_no_https_is_not_called_off() -> None:
    async def refuse(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")  # to what is no HTTP
        writer.close()

    async with await asyncio.start_server(refuse, "127.0.0.1", 0) as server:
        c = asked_of(Preset(name="o"), address(server).replace("http:", "https:"), tries=1)
        with pytest.raises(ProviderDown, match="http://") as caught:
            await c.ask(ask_for(), "m")
    assert "ollama serve" not in str(caught.value)


def streamed(*pieces: dict[str, object], finish: str | None = "stop", done: str = "data: [DONE]\n\n") -> str:
    choices = [{"delta": piece, "finish_reason": None} for piece in pieces]
    events: list[dict[str, object]] = [{"choices": [choice]} for choice in choices]
    if finish:
        usage = {"prompt_tokens": 11, "completion_tokens": 7}
        events += [{"choices": [{"delta": {}, "finish_reason": finish}]}, {"choices": [], "usage": usage}]
    return ":\n\n" + "".join(f"data: {json.dumps(one)}\n\n" for one in events) + done


PIECES = ({"content": '{"characters"'}, {"content": ": []}"})


async def test_a_reply_that_comes_in_pieces_is_read_whole() -> None:
    body = streamed({"reasoning_content": "hm"}, *PIECES)
    async with Scripted((200, body, {"content-type": "text/event-stream"})) as llm:
        done = await asked_of(Preset(name="o"), llm.url).ask(ask_for(), "m")
    assert (done.text, done.usage.prompt_tokens, done.usage.completion_tokens) == (
        '{"characters": []}',
        11,
        7,
    )
    thoughts = [{"reasoning_content": "hm " * 10_000}] * 200
    async with Scripted((200, streamed(*thoughts, *PIECES), {"content-type": "text/event-stream"})) as llm:
        done = await asked_of(Preset(name="o"), llm.url).ask(ask_for(), "m")
    assert done.text == '{"characters": []}'  # though it takes more than any body in one piece
    async with Scripted((200, streamed(PIECES[0], finish=None, done=""), {})) as llm:
        with pytest.raises(ReplyTruncated):
            await asked_of(Preset(name="o"), llm.url).ask(ask_for(), "m")
    async with Scripted((200, f"data: {error('x', 'no luck')}\n\n", {"retry-after": "0"})) as llm:
        with pytest.raises(ProviderDown, match="no luck"):
            await asked_of(Preset(name="o"), llm.url, tries=1).ask(ask_for(), "m")


@pytest.mark.parametrize(
    "said",
    [
        "This model only support stream mode, please enable the stream parameter to access the model. ",
        "Stream must be set to true",
        "该模型仅支持流式输出",
    ],
)
async def test_a_model_that_is_only_streamed_is_asked_so_from_then_on(said: str) -> None:
    async with Scripted((400, error(None, said), {}), (200, streamed(*PIECES), {})) as llm:
        c = asked_of(Preset(name="o"), llm.url)
        for _ in range(2):
            assert (await c.ask(ask_for(), "m")).text == '{"characters": []}'
    assert [body["stream"] for _, _, body in llm.seen] == [False, True, True]
    assert llm.seen[1][2]["stream_options"] == {"include_usage": True}


@pytest.mark.parametrize(
    ("answer", "kind", "key"),
    [
        (completion("", reasoning_content="Let me see."), ReplyUnparsable, "only_thoughts"),
        (completion("<think>Let me see.</think>"), ReplyUnparsable, "only_thoughts"),
        (completion(None), ReplyUnparsable, "blank"),
        (completion("", "length", reasoning="Let me see."), ReplyTruncated, "only_thoughts"),
    ],
)
async def test_thoughts_without_an_answer_are_told(answer: str, kind: type[ProviderError], key: str) -> None:
    async with Scripted((200, answer, {})) as llm:
        with pytest.raises(kind) as caught:
            await asked_of(Preset(name="o"), llm.url).ask(ask_for(), "m")
    assert caught.value.key == f"provider.{key}"
