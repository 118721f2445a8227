"""Anthropic's messages, by the ``anthropic`` SDK (an optional extra)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import anthropic

from kgnb.core.model import Provider, Usage
from kgnb.extract.prompt import Prompt
from kgnb.llm.chat_api import ChatReply, Failure, count, get, hidden_error, joined_text
from kgnb.llm.error_mapping import ErrorResponse
from kgnb.llm.request_form import RequestForm
from kgnb.llm.transport import client_options, create_options, listed_models, outcome

if TYPE_CHECKING:
    from anthropic.types import Message

DEFAULT_MAX_TOKENS = 8_192
"""Anthropic requires a limit; every model since 3.5 allows this one."""
MODELS_LISTED = 1_000
"""Most names of a list of models; the interface allows no more at a time."""
_TYPED = frozenset({"model", "messages", "system", "max_tokens", "output_config", "thinking"})
"""Parameters of ``create``; the others go into its ``extra_body``."""


class AnthropicApi:
    """``POST {base_url}/v1/messages`` with one key."""

    def __init__(self, provider: Provider, base_url: str, connections: int) -> None:
        at = base_url.removesuffix("/messages").removesuffix("/v1")
        options = client_options(provider, at, connections)
        self._client = anthropic.AsyncAnthropic(**options)
        # Not the environment's (ANTHROPIC_CUSTOM_HEADERS), which all would get.
        self._client._custom_headers = options["default_headers"]

    def body(self, prompt: Prompt, model: str, form: RequestForm) -> dict[str, Any]:
        """The JSON of one request. The system message is the same for a whole book: it is cached."""
        cached = {"type": "text", "text": prompt.system, "cache_control": {"type": "ephemeral"}}
        body: dict[str, Any] = {
            "model": model,
            "system": [cached],
            "messages": [{"role": "user", "content": prompt.user}],
            "max_tokens": DEFAULT_MAX_TOKENS,
            **form.common_fields(prompt),
        }
        if form.structured == "strict" and prompt.schema:
            body["output_config"] = {"format": {"type": "json_schema", "schema": prompt.schema}}
        return body | form.extra

    async def reply(self, body: dict[str, Any]) -> ChatReply | ErrorResponse | Failure:
        """Send one request."""
        answer = await outcome(self._client.messages.create(**create_options(body, _TYPED)), anthropic)
        if isinstance(answer, ErrorResponse | Failure):
            return answer
        return _read(answer) or hidden_error(answer) or Failure.UNREADABLE

    async def models(self) -> list[str] | ErrorResponse | Failure:
        """The names of the models that the endpoint lists."""
        return await listed_models(self._client.models.list(limit=MODELS_LISTED), anthropic)

    async def close(self) -> None:
        """Close the connections."""
        await self._client.close()


def _read(answer: Message) -> ChatReply | None:
    """The text blocks; None in another form."""
    blocks = get(answer, "content")
    if not isinstance(blocks, list):
        return None
    usage, reason = _usage(get(answer, "usage")), get(answer, "stop_reason")
    thought = any(get(block, "type") == "thinking" for block in blocks)
    if reason == "refusal":
        return ChatReply(joined_text(blocks), "refused", usage, thought)
    cut = reason in ("max_tokens", "model_context_window_exceeded")
    return ChatReply(joined_text(blocks), "length" if cut else "stop", usage, thought)


def _usage(usage: Any) -> Usage:
    """Usage in Anthropic's format; input tokens exclude cached ones.

    Tokens written to the cache, a quarter dearer, count as plain ones: a system message once in five minutes.
    """
    cached = count(get(usage, "cache_read_input_tokens"))
    fresh = sum(count(get(usage, key)) for key in ("input_tokens", "cache_creation_input_tokens"))
    completion = count(get(usage, "output_tokens"))
    reasoning = count(get(get(usage, "output_tokens_details"), "thinking_tokens"))
    return Usage(1, fresh + cached, completion, cached, min(completion, reasoning))
