"""Checks requests' bodies as strictly as providers do: fields, types, schemas for strict decoding."""

from __future__ import annotations

from typing import Any

_SWITCHES = frozenset(
    {"thinking", "enable_thinking", "reasoning_effort", "chat_template_kwargs", "reasoning"}
)
"""Fields that switch reasoning, of all the providers that are played."""
_OPENAI = _SWITCHES | {
    *("model", "messages", "temperature", "max_tokens", "max_completion_tokens", "response_format", "top_p"),
    *("n", "seed", "stop", "stream", "user", "presence_penalty", "frequency_penalty", "service_tier"),
    "prompt_cache_key",
}
_ANTHROPIC = frozenset(
    {
        *("model", "messages", "system", "max_tokens", "temperature", "top_p", "top_k", "stop_sequences"),
        *("stream", "metadata", "thinking", "output_config", "service_tier", "cache_control"),
    }
)


def wrong_field(body: dict[str, Any], *, anthropic: bool) -> str:
    """The first field that the interface doesn't know or whose value it doesn't take; "" for none."""
    known = _ANTHROPIC if anthropic else _OPENAI
    for name, value in body.items():
        if name not in known or not _is_right(name, value):
            return name
    return "max_tokens" if anthropic and "max_tokens" not in body else ""


def _is_right(name: str, value: Any) -> bool:
    if name in ("max_tokens", "max_completion_tokens"):
        return type(value) is int and value > 0
    if name == "temperature":
        return type(value) in (int, float) and 0 <= value <= 2
    if name == "response_format":
        return _is_format(value)
    if name == "output_config":
        form = value.get("format") if isinstance(value, dict) else None
        return isinstance(form, dict) and form.get("type") == "json_schema" and _is_closed(form.get("schema"))
    return True


def _is_format(value: Any) -> bool:
    if not isinstance(value, dict) or value.get("type") not in ("text", "json_object", "json_schema"):
        return False
    if value["type"] != "json_schema":
        return True
    named = value.get("json_schema")
    if not isinstance(named, dict) or not isinstance(named.get("name"), str):
        return False
    return not named.get("strict") or _is_closed(named.get("schema"))


def _is_closed(schema: Any) -> bool:
    """Whether strict decoding takes the schema: each object closed, each of its properties required."""
    if not isinstance(schema, dict):
        return False
    if schema.get("type") == "array":
        return _is_closed(schema.get("items"))
    if schema.get("type") != "object":
        return True
    properties = schema.get("properties", {})
    closed = schema.get("additionalProperties") is False and schema.get("required") == list(properties)
    return closed and all(map(_is_closed, properties.values()))
