"""What a request carries beside its messages, by preset and options, and what is learnt from refusals."""

from __future__ import annotations

import asyncio
import json
from contextlib import suppress
from typing import Any

import pytest
from pydantic import SecretStr

from kgnb.core.errors import AuthRejected, EndpointWrong, ReplyTruncated, ReplyUnparsable, RequestRejected
from kgnb.core.model import Provider, Usage
from kgnb.core.provider_options import ProviderOptions
from kgnb.extract import reply
from kgnb.llm.client import LlmClient
from kgnb.llm.fake.server import FakeServer
from kgnb.llm.presets import Preset, presets
from tests.support.patience import SLOWEST
from tests.support.scripted_llm import CountingClient, Scripted, ask_for, asked_of, completion, error
from tests.support.strict_llm import StrictServer

PRESETS = list(presets().values())


async def sent(c: LlmClient, model: str = "m") -> dict[str, Any]:
    body = await c.body(ask_for(), model)
    await c.close()
    return body


# --- what is sent at first


@pytest.mark.parametrize("preset", PRESETS, ids=[p.name for p in PRESETS])
async def test_thinking_is_off_a_limit_is_sent_and_the_schema_where_it_is_taken(preset: Preset) -> None:
    p, model = ask_for(), preset.model or "some-model"
    preset = preset.for_model(model)
    body = await sent(asked_of(preset), model)
    form: dict[str, Any] = {}
    if preset.api == "anthropic":
        form = {"output_config": {"format": {"type": "json_schema", "schema": p.schema}}}
        user = [{"role": "user", "content": p.user}]
        cached = {"type": "text", "text": p.system, "cache_control": {"type": "ephemeral"}}
        form |= {"system": [cached], "messages": user}
    else:
        roles = [{"role": "system", "content": p.system}, {"role": "user", "content": p.user}]
        schema = {"name": "extraction", "strict": True, "schema": p.schema}
        formats = {
            "strict": {"response_format": {"type": "json_schema", "json_schema": schema}},
            "json": {"response_format": {"type": "json_object"}},
            "text": {},
        }
        form = {"messages": roles, "stream": False, **formats[preset.structured]}
    limit = 4_096 + len(p.user) + 8_192 * preset.always_thinks
    temperature = {"temperature": 0} if preset.temperature else {}
    wanted = {"model": model, preset.limit_field: limit, **temperature, **form, **preset.thinking_off}
    assert body == wanted | preset.cache_key


async def test_a_cache_key_is_sent_where_the_provider_wants_one_until_it_is_refused() -> None:
    preset = presets()["mistral"]
    assert (await sent(asked_of(preset)))["prompt_cache_key"] == "kgnb"
    no = error("invalid_request", "Extra inputs are not permitted: prompt_cache_key")
    async with Scripted((422, no, {}), (200, completion("{}"), {})) as llm:
        c = asked_of(preset, llm.url)
        with suppress(ReplyUnparsable):
            await c.ask(ask_for(), "mistral-small-latest")
        await c.close()
    first, second = (body for _, _, body in llm.seen)
    assert first.keys() - second.keys() == {"prompt_cache_key"}


async def test_options_win_over_the_preset() -> None:
    preset = presets()["deepseek"]
    own = {"service_tier": "flex"}
    options = {"thinking": "on", "structured": "text", "max_output_tokens": 99, "temperature": 0.5}
    body = await sent(asked_of(preset, extra_body=own, **options))
    assert body == body | {"max_tokens": 99, "temperature": 0.5, "service_tier": "flex", **preset.thinking_on}
    assert "response_format" not in body
    left = await sent(asked_of(preset, thinking="leave"))
    assert "thinking" not in left
    assert left["max_tokens"] > 4_096 + len(ask_for().user)  # room for thoughts


async def test_headers_query_organization_and_project_are_sent() -> None:
    async with Scripted((200, completion(), {})) as llm:
        options = ProviderOptions(
            extra_headers={"X-Mine": SecretStr("header-secret")},
            default_query={"api-version": SecretStr("7")},
            organization="org",
            project="proj",
        )
        provider = Provider("o", llm.url, SecretStr("k"), ("m",), options)
        c = LlmClient(provider, timeout=5 * SLOWEST, tries=1, connections=1)
        await c.ask(ask_for(), "m")
    first, headers, _ = llm.seen[0]
    assert first.split()[1] == "/v1/chat/completions?api-version=7"
    named = {"x-mine": "header-secret", "openai-organization": "org", "openai-project": "proj"}
    assert headers == headers | named


# --- what is refused is left out


FIELDS = [
    (preset, name)
    for preset in PRESETS
    for name in (
        *preset.for_model("dryrun").thinking_off,
        *(("temperature",) if preset.for_model(preset.model).temperature else ()),
        *(("output_config",) if preset.api == "anthropic" else ("response_format", preset.limit_field)),
    )
    if not (name == "response_format" and preset.structured == "text")
]


@pytest.mark.parametrize(("preset", "refused"), FIELDS, ids=[f"{p.name}-{name}" for p, name in FIELDS])
async def test_each_field_that_is_refused_costs_one_request(preset: Preset, refused: str) -> None:
    async with StrictServer(refuse=[refused]) as llm:
        url = llm.root_url if preset.api == "anthropic" else llm.base_url
        c = asked_of(preset, url)
        texts = [f"刘备和关羽说话{i}。" for i in range(8)]
        done = await asyncio.gather(*(c.ask(ask_for(text), "dryrun") for text in texts))
    assert all(reply.parse(one.text, provider="p") for one in done)
    assert llm.stats.outcomes == {"400": 1, "ok": 8}


@pytest.mark.parametrize(
    ("said", "kept"),
    [
        (
            "Unrecognized request argument supplied: thinking",
            {"temperature", "max_tokens", "response_format"},
        ),
        ("temperature does not support 0 with this model", {"thinking", "max_tokens", "response_format"}),
        (
            "invalid temperature: only 1 is allowed for this model",
            {"thinking", "max_tokens", "response_format"},
        ),
        (
            "'max_tokens' is not supported with this model. Use 'max_completion_tokens' instead.",
            {"thinking", "temperature", "max_completion_tokens", "response_format"},
        ),
    ],
)
async def test_a_field_is_found_by_its_name_where_no_param_is_given(said: str, kept: set[str]) -> None:
    async with Scripted((400, error(None, said), {}), (200, completion(), {})) as llm:
        c = asked_of(presets()["deepseek"], llm.url)
        await c.ask(ask_for(), "m")
    assert llm.seen[-1][2].keys() - {"model", "messages", "stream"} == kept
    assert len(llm.seen) == 2


@pytest.mark.parametrize(
    ("provider", "model", "thinking"),
    [
        ("openai", "gpt-6.1-terra", {"reasoning_effort": "none"}),
        ("openai", "gpt-6-astra", {"reasoning_effort": "low"}),
        ("openai", "gpt-5-mini", {"reasoning_effort": "minimal"}),
        ("openai", "gpt-4.1-mini", {}),
        ("moonshot", "kimi-k3.1-pro", {"reasoning_effort": "low"}),
        ("zhipu", "glm-5.3", {"reasoning_effort": "low"}),
        ("zhipu", "glm-4.7-flash", {"thinking": {"type": "disabled"}}),
        ("gemini", "gemini-3.8-flash", {"reasoning_effort": "low"}),
        ("anthropic", "claude-opus-5-5", {}),
        ("groq", "qwen/qwen3.6-32b", {"reasoning_effort": "none"}),
        ("ollama", "gpt-oss:20b", {"reasoning_effort": "low"}),
    ],
)
async def test_a_model_that_differs_from_its_providers_others_gets_what_it_takes(
    provider: str, model: str, thinking: dict[str, Any]
) -> None:
    body = await sent(asked_of(presets()[provider]), model)
    assert {key: body[key] for key in body if key.startswith(("reasoning", "thinking"))} == thinking


NO_NONE = "Unsupported value: 'none' is not supported. Supported values are: 'low', 'medium', and 'high'."
MANDATORY = "Reasoning is mandatory for this endpoint and cannot be disabled."


@pytest.mark.parametrize(
    ("preset", "said", "param", "efforts"),
    [
        ("openai", NO_NONE, "reasoning_effort", [{"reasoning_effort": "none"}, {"reasoning_effort": "low"}]),
        (
            "openai",
            "Unsupported value: 'none' is not supported with the 'gpt-6-astra' model. "
            "Supported values are: 'low', 'medium', 'high', 'xhigh', and 'max'.",
            None,
            [{"reasoning_effort": "none"}, {"reasoning_effort": "low"}],
        ),
        (
            "openrouter",
            MANDATORY,
            None,
            [{"reasoning": {"effort": "none"}}, {"reasoning": {"effort": "low"}}],
        ),
        (
            "gemini",
            "Thinking level MINIMAL is not supported for this model. Please retry with other thinking level.",
            None,
            [{"reasoning_effort": "minimal"}, {"reasoning_effort": "low"}],
        ),
        (
            "gemini",
            "Invalid reasoning_effort: minimal. Valid values are: high, low, medium, none",
            None,
            [{"reasoning_effort": "minimal"}, {"reasoning_effort": "none"}],
        ),
        ("openrouter", "Unknown field: reasoning", None, [{"reasoning": {"effort": "none"}}, {}]),
        (
            "gemini",
            'Thinking level "minimal" is not supported: use "low"',
            None,
            [
                {"reasoning_effort": "minimal"},
                {"reasoning_effort": "low"},
            ],
        ),
    ],
)
async def test_an_effort_that_a_model_has_not_is_replaced_by_the_least_that_it_has(
    preset: str, said: str, param: str | None, efforts: list[dict[str, Any]]
) -> None:
    async with Scripted((400, error(400, said, param=param), {}), (200, completion(), {})) as llm:
        c = asked_of(presets()[preset], llm.url)
        await c.ask(ask_for(), "model-of-tomorrow")
    sent = [{k: v for k, v in body.items() if k.startswith("reasoning")} for _, _, body in llm.seen]
    assert sent == efforts
    before, after = (body.get("max_tokens") or body["max_completion_tokens"] for _, _, body in llm.seen)
    assert after == before + 8_192  # room for thoughts


async def test_a_reply_that_a_refusal_repeats_changes_no_form() -> None:
    """Groq's answer where a model wrote no JSON: what it wrote is the book's."""
    told = {"code": "json_validate_failed", "failed_generation": "He was thinking of his temperature"}
    no = json.dumps({"error": {"message": "Failed to generate JSON.", **told}})
    async with Scripted((400, no, {}), (200, completion(), {})) as llm:
        c = asked_of(presets()["openrouter"], llm.url)
        with pytest.raises(ReplyUnparsable):
            await c.ask(ask_for(), "m")
        await c.ask(ask_for(), "m")
    first, then = (body for _, _, body in llm.seen)
    assert then == first


async def test_a_limit_that_is_too_large_is_lowered_to_the_largest_that_is_named() -> None:
    no = error(None, "Invalid max_tokens value, the valid range of max_tokens is [1, 8192]")
    async with Scripted((400, no, {}), (200, completion(), {})) as llm:
        c = asked_of(presets()["deepseek"], llm.url, max_output_tokens=20_000)
        await c.ask(ask_for(), "m")
    assert [body["max_tokens"] for _, _, body in llm.seen] == [20_000, 8_192]


async def test_a_limit_that_is_counted_against_the_tokens_a_minute_is_lowered() -> None:
    said = "Request too large for model m on tokens per minute (TPM): Limit 6000, Requested 7328, reduce it"
    async with Scripted(
        (413, error("rate_limit_exceeded", said), {}), (200, completion(), {})
    ) as llm:  # Groq
        c = asked_of(presets()["groq"], llm.url)
        await c.ask(ask_for(), "m")
    before, after = (body["max_completion_tokens"] for _, _, body in llm.seen)
    assert before > 4_096
    assert after == 3_000


@pytest.mark.parametrize(
    "must", [" must be set to false for non-streaming calls", "必须设置为false才能进行非流式调用"]
)
@pytest.mark.parametrize("thinking", [None, "on"])
async def test_thinking_is_switched_off_where_that_is_demanded(must: str, thinking: str | None) -> None:
    no = error("invalid_parameter_error", f"parameter.enable_thinking{must}")
    for preset in (Preset(name="o"), presets()["qwen"]):
        async with Scripted((400, no, {}), (200, completion(), {})) as llm:
            c = asked_of(preset, llm.url, thinking=thinking, structured="json")
            await c.ask(ask_for(), "m")
        before, after = (body for _, _, body in llm.seen)
        if preset.name == "o" or thinking:
            assert before.get("enable_thinking") is not False
            assert after["enable_thinking"] is False
            assert after["response_format"] == before["response_format"]


async def test_an_endpoint_may_refuse_every_name_of_the_limit_and_more() -> None:
    refused = ("max_tokens", "max_completion_tokens", "temperature", "response_format")
    answers = [(400, error("unsupported_parameter", "no", param=name), {}) for name in refused]
    async with Scripted(*answers, (200, completion(), {})) as llm:
        c = asked_of(Preset(name="o"), llm.url)
        await c.ask(ask_for(), "m")
    assert llm.seen[-1][2].keys() == {"model", "messages", "stream"}


async def test_a_schema_that_is_refused_leaves_json_and_a_format_that_is_refused_leaves_nothing() -> None:
    for said, left in (
        ("response_format.type json_schema is not supported", {"type": "json_object"}),
        ("unknown field response_format", None),
    ):
        async with Scripted((400, error(None, said), {}), (200, completion(), {})) as llm:
            c = asked_of(Preset(name="o"), llm.url)
            await c.ask(ask_for(), "m")
        assert llm.seen[-1][2].get("response_format") == left


async def test_others_wait_for_what_the_first_request_learns_but_not_for_its_reply() -> None:
    async with FakeServer(latency=200) as llm:
        c = asked_of(Preset(name="o"), llm.base_url, timeout=200)
        asks = [asyncio.create_task(c.ask(ask_for(f"第{i}句。"), "dryrun")) for i in range(20)]
        while llm.stats.most_in_flight < 20:
            await asyncio.sleep(0.01)
        for one in asks:
            one.cancel()
        await asyncio.gather(*asks, return_exceptions=True)


# --- thoughts, limits, loops


async def test_thoughts_never_reach_the_parser_and_are_counted() -> None:
    usage = {"prompt_tokens": 11, "completion_tokens": 50, "total_tokens": 61}
    usage |= {"completion_tokens_details": {"reasoning_tokens": 40}}  # type: ignore[dict-item]
    answer = json.loads(completion('<think>{"characters": [1]}</think>\n{"events": []}'))
    async with Scripted((200, json.dumps(answer | {"usage": usage}), {})) as llm:
        c = asked_of(Preset(name="o"), llm.url)
        done = await c.ask(ask_for(), "m")
        assert (done.text, done.usage) == ('{"events": []}', Usage(1, 11, 50, 0, 40))
        await c.ask(ask_for(), "m")
    before, after = (body["max_tokens"] for _, _, body in llm.seen)
    assert after > before  # a model that thinks needs room for it


async def test_thoughts_that_are_sent_but_not_counted_are_reckoned_by_their_length() -> None:
    async with Scripted((200, completion('{"events": []}', reasoning_content="hm" * 49), {})) as llm:
        c = asked_of(presets()["moonshot"], llm.url)
        done = await c.ask(ask_for(), "kimi-k3")
    assert done.usage == Usage(1, 11, 7, 0, 6)  # 98 characters of 112


@pytest.mark.parametrize(
    ("content", "finish", "whole"),
    [
        ('{"characters": []}', "length", True),
        ('{"characters": []}' + "\n" * 9_000, "length", True),
        ('{"characters": [', "length", False),
        ('{"characters": [' + '{"name": "刘备", "description": ""}, ' * 300, "stop", False),
        ('{"characters": [{"name": "' + "哈" * 3_000, "stop", False),
        ("<think>" + "hm, " * 500, "length", False),
    ],
)
async def test_a_reply_is_cut_off_unless_its_object_is_whole(content: str, finish: str, whole: bool) -> None:
    async with Scripted((200, completion(content, finish), {})) as llm:
        c = asked_of(Preset(name="o"), llm.url)
        if whole:
            assert json.loads((await c.ask(ask_for(), "m")).text) == {"characters": []}
        else:
            with pytest.raises(ReplyTruncated):
                await c.ask(ask_for(), "m")


async def test_the_servers_model_keeps_to_the_limit() -> None:
    async with FakeServer() as llm:
        c = asked_of(Preset(name="o"), llm.base_url, max_output_tokens=16)
        with pytest.raises(ReplyTruncated) as caught:
            await c.ask(ask_for(), "dryrun")
    assert caught.value.usage == c.usage
    assert c.usage.completion_tokens == 16


async def test_requests_that_are_all_wrong_try_each_form_once() -> None:
    async with Scripted((400, error(None, "no luck"), {}), models={"/v1/models": ["m"]}) as llm:
        c = asked_of(Preset(name="o"), llm.url)
        await asyncio.gather(*(c.ask(ask_for(f"第{i}句。"), "m") for i in range(10)), return_exceptions=True)
    assert len(llm.seen) == len({json.dumps(body) for _, _, body in llm.seen}) <= 10 * 8


# --- why a request is rejected


async def test_a_model_that_the_endpoint_has_not_is_told_with_the_nearest_names() -> None:
    no = error("model_not_found")
    async with Scripted((404, no, {}), models={"/v1/models": ["gpt-6-luna", "gpt-6-sol"]}) as llm:
        with pytest.raises(RequestRejected) as caught:
            await asked_of(Preset(name="lost"), llm.url).ask(ask_for(), "gpt-6-lun")
    assert caught.value.key == "provider.no_such_model"
    assert "kgnb providers add lost --model gpt-6-luna" in str(caught.value)
    assert str(caught.value.facts["listed"]) == "gpt-6-luna, gpt-6-sol"


async def test_the_dry_run_suggests_none_of_its_variants_with_faults() -> None:
    async with FakeServer() as llm:
        with pytest.raises(RequestRejected) as caught:
            await asked_of(Preset(name="dryrun"), llm.base_url).ask(ask_for(), "dryrun-no-jsom")
        assert caught.value.facts["listed"] == "dryrun"
        await asked_of(Preset(name="dryrun"), llm.base_url).ask(ask_for(), "dryrun-no-json")  # known by name


async def test_a_key_that_was_never_given_is_not_told_as_refused() -> None:
    async with FakeServer(key="good") as llm:
        with pytest.raises(AuthRejected) as caught:
            await asked_of(Preset(name="ours"), llm.base_url, key="").ask(ask_for(), "dryrun")
        assert caught.value.key == "provider.key_wanted"
        with pytest.raises(AuthRejected) as caught:
            await asked_of(Preset(name="ours"), llm.base_url, key="bad").ask(ask_for(), "dryrun")
        assert caught.value.key == "provider.auth"


@pytest.mark.parametrize("listed", [[], ["llama3:latest"]])
async def test_a_model_that_ollama_has_not_pulled_is_told_with_the_command(listed: list[str]) -> None:
    no = error(None, 'model "qwen3:8b" not found, try pulling it first', "api_error")
    async with Scripted((404, no, {}), models={"/v1/models": listed}) as llm:
        with pytest.raises(EndpointWrong, match=r"ollama pull qwen3:8b") as caught:
            await asked_of(presets()["ollama"], llm.url).ask(ask_for(), "qwen3:8b")
    assert not listed or listed[0] in str(caught.value)


async def test_a_missing_v1_is_told_where_a_wrong_path_is_answered_with_status_200() -> None:
    no = json.dumps({"error": "Unexpected endpoint or method. (POST /chat/completions)"})  # LM Studio
    async with Scripted((200, no, {}), models={"/v1/models": ["m"]}) as llm:
        with pytest.raises(EndpointWrong) as caught:
            await asked_of(presets()["lmstudio"], llm.url.removesuffix("/v1")).ask(ask_for(), "m")
    assert caught.value.key == "provider.no_version"


@pytest.mark.parametrize("path", ["", "/chat/completions"])
async def test_a_missing_v1_is_told_once_for_all_requests(path: str) -> None:
    no = (404, error(None, "no such path"), {})
    async with Scripted(no, models={"/v1/models": ["m"]}) as llm:
        c = asked_of(Preset(name="bare"), llm.url.removesuffix("/v1") + path)
        found = await asyncio.gather(*(c.ask(ask_for(), "m") for _ in range(5)), return_exceptions=True)
    assert {getattr(one, "key", one) for one in found} == {"provider.no_version"}
    assert found[0].facts["url"] == llm.url  # type: ignore[union-attr]
    assert f"kgnb providers add bare --url {llm.url}" in str(found[0])
    assert llm.listed <= 3  # the hold's, and the two addresses


async def test_a_model_that_is_listed_keeps_the_endpoints_own_words() -> None:
    no = (400, error(None, "the model has no luck today"), {})
    async with Scripted(no, models={"/v1/models": ["m"]}) as llm:
        c = asked_of(Preset(name="o"), llm.url)
        with pytest.raises(RequestRejected, match="no luck today") as caught:
            await c.ask(ask_for(), "m")
    assert not isinstance(caught.value, EndpointWrong)


async def test_what_one_status_means_is_not_told_for_another() -> None:
    answers = [(400, error(None, "no such model", param="model"), {}), (200, "{}", {})]
    async with Scripted(*answers) as llm:
        c = asked_of(Preset(name="o"), llm.url)
        told = []
        for _ in answers:
            with pytest.raises(RequestRejected) as caught:
                await c.ask(ask_for(), "m")
            told.append((caught.value.key, "no such model" in str(caught.value)))
    assert told == [("provider.rejected", True), ("provider.garbled", False)]


@pytest.mark.parametrize(
    ("status", "said", "listed"),
    [
        (400, "The input is not supported", ["another"]),  # of an endpoint that takes unlisted names
        (400, "The model is tired", ["models/m"]),  # as Gemini lists them
        (404, "The model is tired", ["m:latest"]),  # Ollama
        (422, f"{'a field is wrong ' * 20} in the request to model m", ["another"]),  # a repeated request
    ],
)
async def test_no_model_is_called_missing_that_may_be_there(
    status: int, said: str, listed: list[str]
) -> None:
    async with Scripted((status, error(None, said), {}), models={"/v1/models": listed}) as llm:
        c = asked_of(Preset(name="o"), llm.url)
        with pytest.raises(RequestRejected, match=said[:50]):
            await c.ask(ask_for(), "m")


# --- several keys


def with_keys(url: str, *keys: str) -> CountingClient:
    first, *others = map(SecretStr, keys)
    options = ProviderOptions(api_keys=tuple(others))
    return CountingClient(Provider("p", url, first, (), options), timeout=5 * SLOWEST, tries=1, connections=2)


async def test_keys_are_used_in_turn() -> None:
    async with Scripted((200, completion(), {})) as llm:
        c = with_keys(llm.url, "one", "two", "three")
        for _ in range(6):
            await c.ask(ask_for(), "m")
    sent = [headers["authorization"] for _, headers, _ in llm.seen]
    assert sorted(sent[:3]) == sorted(f"Bearer {key}" for key in ("one", "two", "three"))
    assert sent[3:] == sent[:3]


async def test_a_key_of_several_that_is_refused_is_used_no_more_and_told_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with FakeServer(key="good") as llm:
        c = with_keys(llm.base_url, "sk-wrong-key", "good")
        for i in range(4):
            await c.ask(ask_for(f"第{i}句。"), "dryrun")
    assert llm.stats.outcomes == {"401": 1, "ok": 4}
    assert c.usage.requests == 5
    (told,) = [r.getMessage() for r in caplog.records if r.name == "kgnb.llm.client"]
    assert " 1 " in told
    assert "sk-wrong" not in told


async def test_requests_that_fail_together_with_one_key_tell_it_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with FakeServer(key="good", latency=0.5) as llm:
        c = with_keys(llm.base_url, "sk-wrong-key", "good")
        await c.ask(ask_for(), "dryrun")  # keys in turn: the form is learnt with the good one
        caplog.clear()
        c._in_turn = list(await c.opened())
        await asyncio.gather(*(c.ask(ask_for(f"第{i}句。"), "dryrun") for i in range(6)))
    assert llm.stats.outcomes["401"] > 1
    assert len([r for r in caplog.records if r.name == "kgnb.llm.client"]) == 1


async def test_keys_that_are_all_refused_stop_the_provider_and_are_tried_anew() -> None:
    async with FakeServer(key="good") as llm:
        c = with_keys(llm.base_url, "wrong", "bad")
        with pytest.raises(AuthRejected):
            await c.ask(ask_for(), "dryrun")
        llm.key = "bad"
        await c.ask(ask_for(), "dryrun")
    assert c.usage.requests <= 4
