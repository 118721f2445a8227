"""Request and response formats: OpenAI-compatible chat completions, and Anthropic's messages. No I/O."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal, Protocol
from urllib.parse import urlsplit

from kgnb.core.model import Provider, Usage
from kgnb.extract.prompt import Prompt

ANTHROPIC_VERSION = "2023-06-01"
ANTHROPIC_MAX_TOKENS = 8_192
"""Anthropic requires a limit; every model since 3.5 allows 8,192. A chunk of 8,000 characters gives 1,000 to
3,000 tokens; a truncated one is split."""


@dataclass(frozen=True, slots=True)
class Form:
    """The optional parts of a request that a model accepts, as far as is known."""

    answer: Literal["object", "schema", "plain"] = "object"
    temperature: bool = True

    def without(self, param: str) -> Form | None:
        """The form to try after a 400 that blames ``param`` ("": unknown); None when none is left."""
        if "temperature" in param:
            return replace(self, temperature=False) if self.temperature else None
        if self.answer == "object":
            return replace(self, answer="schema")
        if self.answer == "schema":
            return replace(self, answer="plain")
        return replace(self, temperature=False) if self.temperature and not param else None


@dataclass(frozen=True, slots=True)
class ParsedResponse:
    """A response of status 200; ``end`` says whether it is complete, or why not."""

    text: str
    end: Literal["stop", "length", "refused", "failed"]
    usage: Usage


class Dialect(Protocol):
    """The formats of one kind of endpoint."""

    first: Form

    def path(self, base_url: str) -> str:
        """The URL to post to."""

    def headers(self, key: str) -> Mapping[str, str]:
        """The headers that carry the key."""

    def body(self, prompt: Prompt, model: str, form: Form) -> dict[str, Any]:
        """A request's body."""

    def answer(self, data: Any) -> ParsedResponse | None:
        """The parsed response; None when the body has another format."""


def dialect_of(provider: Provider, base_url: str) -> Dialect:
    """Anthropic's dialect by the endpoint's host or the provider's name, else the OpenAI-compatible one."""
    host = (urlsplit(base_url).hostname or "").lower()
    native = host == "anthropic.com" or host.endswith(".anthropic.com")
    return Anthropic() if native or provider.key in {"anthropic", "claude"} else OpenAI()


_REFUSED = ("content_filter", "sensitive")  # the second: Zhipu
_FAILED = (
    "insufficient_system_resource",
    "network_error",
    "error",
)  # DeepSeek, Zhipu, OpenRouter: cut off inside


class OpenAI:
    """``POST {base_url}/chat/completions``. Sends no output limit: the model's own is the largest."""

    first = Form()

    def path(self, base_url: str) -> str:
        """The URL to post to."""
        return base_url if base_url.endswith("/chat/completions") else f"{base_url}/chat/completions"

    def headers(self, key: str) -> Mapping[str, str]:
        """A bearer token; nothing for an endpoint without keys."""
        return {"Authorization": f"Bearer {key}"} if key else {}

    def body(self, prompt: Prompt, model: str, form: Form) -> dict[str, Any]:
        """A request's body."""
        body: dict[str, Any] = {
            "model": model,
            "messages": [
                {"role": "system", "content": prompt.system},
                {"role": "user", "content": prompt.user},
            ],
        }
        if form.temperature:
            body["temperature"] = 0
        if form.answer == "object":
            body["response_format"] = {"type": "json_object"}
        elif form.answer == "schema":
            named = {"name": "extraction", "schema": prompt.schema}
            body["response_format"] = {"type": "json_schema", "json_schema": named}
        return body

    def answer(self, data: Any) -> ParsedResponse | None:
        """The first choice, parsed."""
        choice = _first(_get(data, "choices"))
        message = _get(choice, "message")
        if not isinstance(message, dict):
            return None
        text, finish = _text(message.get("content")), _get(choice, "finish_reason")
        usage = _openai_usage(_get(data, "usage"))
        if finish in _REFUSED or (message.get("refusal") and not text):
            return ParsedResponse(text, "refused", usage)
        if finish in _FAILED:
            return ParsedResponse(text, "failed", usage)
        return ParsedResponse(text, "length" if finish == "length" else "stop", usage)


class Anthropic:
    """``POST {base_url}/v1/messages``."""

    first = Form(answer="plain")

    def path(self, base_url: str) -> str:
        """The URL to post to; base_url may end in /v1 or not."""
        return f"{base_url.removesuffix('/v1/messages').removesuffix('/v1')}/v1/messages"

    def headers(self, key: str) -> Mapping[str, str]:
        """The key and the version of the interface."""
        return {"x-api-key": key, "anthropic-version": ANTHROPIC_VERSION}

    def body(self, prompt: Prompt, model: str, form: Form) -> dict[str, Any]:
        """A request's body."""
        body: dict[str, Any] = {
            "model": model,
            "max_tokens": ANTHROPIC_MAX_TOKENS,
            "system": prompt.system,
            "messages": [{"role": "user", "content": prompt.user}],
        }
        if form.temperature:
            body["temperature"] = 0
        return body

    def answer(self, data: Any) -> ParsedResponse | None:
        """The text blocks, parsed."""
        blocks = _get(data, "content")
        if not isinstance(blocks, list):
            return None
        reason = _get(data, "stop_reason")
        usage = _anthropic_usage(_get(data, "usage"))
        if reason == "refusal":
            return ParsedResponse(_text(blocks), "refused", usage)
        cut = reason in {"max_tokens", "model_context_window_exceeded"}
        return ParsedResponse(_text(blocks), "length" if cut else "stop", usage)


def _get(value: Any, key: str) -> Any:
    return value.get(key) if isinstance(value, dict) else None


def _first(value: Any) -> Any:
    return value[0] if isinstance(value, list) and value else None


def _text(content: Any) -> str:
    """A message's text: a string, or the text parts of a list."""
    if isinstance(content, str):
        return content
    if not isinstance(content, list):
        return ""
    parts = [_get(part, "text") for part in content if _get(part, "type") in ("text", None)]
    return "".join(part for part in parts if isinstance(part, str))


def _openai_usage(usage: Any) -> Usage:
    """Usage in OpenAI's format and its extensions; prompt tokens include those from the provider's cache."""
    prompt, completion = (_count(_get(usage, key)) for key in ("prompt_tokens", "completion_tokens"))
    told = (
        _get(_get(usage, "prompt_tokens_details"), "cached_tokens"),
        _get(usage, "prompt_cache_hit_tokens"),  # DeepSeek
        _get(usage, "cached_tokens"),  # Moonshot
    )
    return Usage(1, prompt, completion, min(prompt, max(map(_count, told))))


def _anthropic_usage(usage: Any) -> Usage:
    """Usage in Anthropic's format; input tokens exclude cached ones. Tokens written to the cache (dearer)
    count as plain prompt tokens: kgnb never asks for that."""
    cached = _count(_get(usage, "cache_read_input_tokens"))
    fresh = sum(_count(_get(usage, key)) for key in ("input_tokens", "cache_creation_input_tokens"))
    return Usage(1, fresh + cached, _count(_get(usage, "output_tokens")), cached)


def _count(value: Any) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 10**9 else 0
