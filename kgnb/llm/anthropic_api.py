"""Anthropic's messages, by the ``anthropic`` SDK (an optional extra)."""

from __future__ import annotations

from typing import Any

import anthropic

from kgnb.core.model import Prompt, Usage
from kgnb.llm.chat_api import ChatApi, ChatReply, count, joined_text
from kgnb.llm.error_mapping import UNREADABLE, ErrorResponse, get
from kgnb.llm.request_form import RequestForm


class AnthropicApi(ChatApi):
    """``POST {base_url}/v1/messages`` with one key."""

    sdk, made = anthropic, anthropic.AsyncAnthropic
    endings = ("/messages", "/v1")
    models_path = "/v1/models?limit=1000"  # no more at a time

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

    async def _create(self, body: dict[str, Any]) -> Any:
        """Send a request; return the body of the response."""
        create = self.client.messages.with_raw_response.create  # extra_body: as in OpenAIApi
        raw = await create(model=body["model"], max_tokens=body["max_tokens"], messages=(), extra_body=body)
        return raw.http_response.content

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
