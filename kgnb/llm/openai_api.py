"""OpenAI-compatible chat completions, by the ``openai`` SDK."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import openai

from kgnb.core.model import Prompt, Provider, Usage
from kgnb.llm.chat_api import ChatApi, ChatReply, count, hidden_error, joined_text
from kgnb.llm.error_mapping import MAX_BODY, UNREADABLE, ErrorResponse, get
from kgnb.llm.request_form import RequestForm
from kgnb.llm.thoughts_and_loops import is_complete

_LENGTH = ("length", "max_tokens", "model_length", "model_context_window_exceeded")  # Mistral, Zhipu
_FAILED = ("content_filter", "sensitive", "insufficient_system_resource", "network_error", "error")
"""Moderation, the second Zhipu's; cut off inside: DeepSeek, Zhipu, OpenRouter."""
_EVENTS = (b"data:", b"event:", b":", b"id:", b"retry:")
"""How a stream of events begins; the third is a comment, which keeps the connection open."""
_STREAMED = ("content", "reasoning_content", "reasoning", "refusal")
"""Fields of a message that come in pieces."""


class OpenAIApi(ChatApi):
    """``POST {base_url}/chat/completions`` with one key."""

    sdk, made = openai, openai.AsyncOpenAI
    endings = ("/chat/completions",)
    models_path = "/models"

    def __init__(self, provider: Provider, base_url: str, connections: int) -> None:
        super().__init__(provider, base_url, connections)
        self.client.organization = provider.options.organization  # not the environment's either
        self.client.project = provider.options.project
        if not provider.api_key.get_secret_value().strip():
            self.headers = {"Authorization": openai.Omit()}

    @staticmethod
    def body(prompt: Prompt, model: str, form: RequestForm) -> dict[str, Any]:
        """Return the JSON body of one request for ``prompt``: messages, streaming, response format, and the
        form's fields.
        """
        roles = {"system": prompt.system, "user": prompt.user}
        messages = [{"role": role, "content": content} for role, content in roles.items()]
        body: dict[str, Any] = {"model": model, "messages": messages}
        body["stream"] = form.streamed  # also where it isn't: some stream unasked
        if form.streamed:
            body["stream_options"] = {"include_usage": True}
        if form.structured[0] == "strict":
            named = {"name": "extraction", "strict": True, "schema": prompt.schema}
            body["response_format"] = {"type": "json_schema", "json_schema": named}
        elif form.structured[0] == "json":
            body["response_format"] = {"type": "json_object"}
        return body | form.fields(prompt)

    async def _create(self, body: dict[str, Any]) -> Any:
        # All in extra_body: the SDK would walk through each field for every type that it may have, a third of
        # a request's processor time.
        """Send a request; return the body of the response."""
        create, left_out = self.client.chat.completions.with_raw_response.create, openai.omit
        raw = await create(model=left_out, messages=left_out, extra_body=body, extra_headers=self.headers)
        return raw.http_response.content

    @staticmethod
    def _decoded(content: bytes) -> Any:
        # Some gateways stream whatever was asked for.
        """Return the JSON value of a body, of a stream the joined one."""
        return _joined(content) if content.lstrip().startswith(_EVENTS) else json.loads(content)

    @staticmethod
    def _read(answer: Any) -> ChatReply | ErrorResponse:
        """Return the reply in a response's body, or the refusal in it."""
        choices, usage = get(answer, "choices"), _usage(answer)
        choice = choices[0] if isinstance(choices, list) and choices else None
        message = get(choice, "message")
        finish = str(get(choice, "finish_reason")).partition(":")[0]  # Gemini: "content_filter: SAFETY"
        if choices == [] or finish in _FAILED:  # the first: gateways
            said = f"finish_reason {finish}" if choices else "no choices"
            told = hidden_error(choice) or ErrorResponse(502, {"code": finish, "message": said})  # OpenRouter
            return replace(told, usage=usage)
        if not isinstance(message, dict):
            return UNREADABLE
        text = joined_text(message.get("content"))
        if message.get("refusal") and not text:
            return ErrorResponse(502, {"code": "refusal"}, usage=usage)
        thoughts = joined_text(message.get("reasoning_content") or message.get("reasoning"))
        if not text and is_complete(thoughts.strip()):
            text, thoughts = thoughts, ""  # vLLM's parser took the reply of a model that had none for them
        if thoughts and not usage.reasoning_tokens:  # Moonshot, vLLM: reckoned by their characters
            share = len(thoughts) / (len(thoughts) + len(text))
            usage = replace(usage, reasoning_tokens=round(usage.completion_tokens * share))
        return ChatReply(text, usage, finish in _LENGTH, bool(usage.reasoning_tokens or thoughts))


def _joined(stream: bytes) -> dict[str, Any]:
    """Return the answer whose pieces are a stream's events. An event with an error is the answer itself; a
    stream that breaks off has the finish_reason "length", so it counts as cut. Raises ValueError,
    RecursionError.
    """
    told: dict[str, list[str]] = {field: [] for field in _STREAMED}
    finish, usage = "length", None
    for line in stream.splitlines():
        data = line.removeprefix(b"data:").strip()
        if not line.startswith(b"data:") or data == b"[DONE]":
            continue
        if len(data) > MAX_BODY:  # its values would take as much memory as those of a longer body
            raise ValueError(len(data))
        event = json.loads(data)
        if get(event, "error"):
            return {"error": event["error"]}
        choices, usage = get(event, "choices"), get(event, "usage") or usage
        choice = choices[0] if isinstance(choices, list) and choices else None
        finish = get(choice, "finish_reason") or finish
        for field, pieces in told.items():
            pieces.append(joined_text(get(get(choice, "delta"), field)))
    message = {field: "".join(pieces) for field, pieces in told.items()}
    return {"choices": [{"message": message, "finish_reason": finish}], "usage": usage}


def _usage(answer: Any) -> Usage:
    """Return an answer's usage in OpenAI's format or one of its extensions.

    Prompt tokens include cached ones, completion tokens reasoning; where they don't (Gemini), the total does.
    """
    usage = get(answer, "usage")
    prompt, completion, total = (
        count(get(usage, key)) for key in ("prompt_tokens", "completion_tokens", "total_tokens")
    )
    reasoning = count(get(get(usage, "completion_tokens_details"), "reasoning_tokens"))
    cached = (
        get(get(usage, "prompt_tokens_details"), "cached_tokens"),
        get(usage, "prompt_cache_hit_tokens"),  # DeepSeek
        get(usage, "cached_tokens"),  # Moonshot
    )
    apart = total - prompt - completion
    if prompt and apart > 0 and reasoning in (0, apart):
        reasoning, completion = apart, completion + apart
    return Usage(1, prompt, completion, min(prompt, max(map(count, cached))), min(completion, reasoning))
