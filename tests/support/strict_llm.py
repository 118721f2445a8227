"""The dry-run server as providers are: requests' bodies are checked (fields, types, schemas for strict
decoding), fields can be refused, and Anthropic's messages are answered too."""

from __future__ import annotations

import json
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from kgnb.llm.fake.http import Request, Response, error_response, json_response
from kgnb.llm.fake.server import FakeServer

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


# --- the server ---------------------------------------------------------------------------------------------


@dataclass(eq=False, kw_only=True)
class StrictServer(FakeServer):
    """``refuse``: fields of the body that get a 400."""

    refuse: Collection[str] = ()

    def respond(self, request: Request) -> Response:
        """Check a request, answer it as FakeServer does, in its own dialect."""
        anthropic = request.path.rstrip("/") == "/v1/messages"
        if request.method != "POST":
            return super().respond(request)
        body = json.loads(request.body)
        wrong = next((name for name in self.refuse if name in body), wrong_field(body, anthropic=anthropic))
        if wrong:
            self.stats.requests += 1
            self.stats.outcomes["400"] += 1
            response = error_response(400, "unsupported_value", f"no {wrong}", param=wrong)
        else:
            response = super().respond(_as_openai(request, body) if anthropic else request)
        return _as_anthropic(response) if anthropic else response


def _as_openai(request: Request, body: dict[str, Any]) -> Request:
    messages = [{"role": "system", "content": body.pop("system", "")}, *body["messages"]]
    key = request.headers.get("x-api-key") or request.headers.get("authorization", "")[7:]
    headers = {"authorization": f"Bearer {key}"}
    data = json.dumps({**body, "messages": messages}).encode()
    return request._replace(path="/v1/chat/completions", headers=headers, body=data)


def _as_anthropic(response: Response) -> Response:
    told = json.loads(response.body)
    if "error" in told:
        error = {"type": told["error"]["code"], "message": told["error"]["message"]}
        return response._replace(body=json.dumps({"type": "error", "error": error}).encode())
    (choice,), usage = told["choices"], told["usage"]
    reason = {"length": "max_tokens", "content_filter": "refusal"}.get(choice["finish_reason"], "end_turn")
    counts = {"input_tokens": usage["prompt_tokens"], "output_tokens": usage["completion_tokens"]}
    content = [{"type": "text", "text": choice["message"]["content"]}]
    body = {"type": "message", "role": "assistant", "content": content, "stop_reason": reason}
    return json_response(response.status, {**body, "id": told["id"], "model": told["model"], "usage": counts})
