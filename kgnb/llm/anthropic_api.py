"""Anthropic's messages, as Anthropic documents them."""

from __future__ import annotations

from typing import Any

from kgnb.core.model import Prompt, Provider, Usage
from kgnb.llm.chat_api import ChatApi, ChatReply, count, joined_text
from kgnb.llm.error_mapping import UNREADABLE, ErrorResponse, get
from kgnb.llm.request_form import RequestForm

VERSION = "2023-06-01"
"""Of Anthropic's interface; the only one since."""


class AnthropicApi(ChatApi):
    """``POST {base_url}/v1/messages`` with one key."""

    endings = ("/messages", "/v1")
    chat_path, models_path = "/v1/messages", "/v1/models?limit=1000"  # no more at a time

    @staticmethod
    def headers(_: Provider, key: str) -> dict[str, str | None]:
        """Return the headers that name the key and the version of the interface."""
        return {"X-Api-Key": key or None, "Anthropic-Version": VERSION}

    @staticmethod
    def body(prompt: Prompt, model: str, form: RequestForm) -> dict[str, Any]:
        """Return the JSON body of a request. The system message is marked for the provider's cache."""
        cached = {"type": "text", "text": prompt.system, "cache_control": {"type": "ephemeral"}}
        body: dict[str, Any] = {
            "model": model,
            "system": [cached],
            "messages": [{"role": "user", "content": prompt.user}],
        }
        if form.structured[0] == "strict":
            body["output_config"] = {"format": {"type": "json_schema", "schema": prompt.schema}}
        return body | form.fields(prompt)

    @staticmethod
    def _read(answer: Any) -> ChatReply | ErrorResponse:
        """Return the reply in a response's body, or the refusal in it."""
        blocks = get(answer, "content")
        if not isinstance(blocks, list):
            return UNREADABLE
        text, usage, reason = joined_text(blocks), _usage(get(answer, "usage")), get(answer, "stop_reason")
        if reason == "refusal":
            return ErrorResponse(502, {"code": reason}, usage=usage)
        thought = any(get(block, "type") == "thinking" for block in blocks)
        return ChatReply(text, usage, reason in ("max_tokens", "model_context_window_exceeded"), thought)


def _usage(usage: Any) -> Usage:
    """Return an answer's usage, which Anthropic counts without cached input tokens; here prompt tokens
    include them.

    Tokens written to the cache, a quarter dearer, count as plain ones: a system message once in five minutes.
    """
    cached = count(get(usage, "cache_read_input_tokens"))
    fresh = sum(count(get(usage, key)) for key in ("input_tokens", "cache_creation_input_tokens"))
    completion = count(get(usage, "output_tokens"))
    reasoning = count(get(get(usage, "output_tokens_details"), "thinking_tokens"))
    return Usage(1, fresh + cached, completion, cached, min(completion, reasoning))
