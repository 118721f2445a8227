"""Parses chat requests and makes response bodies, in OpenAI's and Anthropic's format."""

from __future__ import annotations

import hashlib
import json
import time
from typing import Any, NamedTuple

from kgnb.llm.fake import model as fake_model


class ChatRequest(NamedTuple):
    """A chat request, in either form."""

    model: str
    system: str
    text: str
    hash: str
    chars: int
    anthropic: bool
    body: dict[str, Any]

    @classmethod
    def read(cls, body: bytes, *, anthropic: bool) -> ChatRequest | None:
        """The parsed request; None for a malformed one."""
        try:
            data = json.loads(body)
            said = [(m["role"], str(m["content"])) for m in data["messages"]]
            system = str(data.get("system") or "".join(c for r, c in said if r == "system"))
            user = next(c for r, c in reversed(said) if r == "user")
            model = str(data["model"])
        except (ValueError, TypeError, KeyError, StopIteration):
            return None
        digest = hashlib.sha256(f"{system}\0{user}".encode("utf-8", "replace")).hexdigest()
        text = fake_model.passage(user)
        return cls(model, system, text, digest, len(system) + len(user), anthropic, data)

    def unsupported(self) -> str:
        """The request's parameter that the model rejects; "" for none."""
        form = self.body.get("response_format")
        kind = form.get("type") if isinstance(form, dict) else None
        if self.model == "dryrun-no-json" and kind:
            return "response_format"
        if self.model == "dryrun-json-schema" and kind not in (None, "json_schema"):
            return "response_format"
        if self.model == "dryrun-no-temperature" and "temperature" in self.body:
            return "temperature"
        return ""


def apply_fault(outcome: str, text: str) -> str:
    """The reply's text, damaged by the fault."""
    if outcome in ("cut", "truncated"):
        return text[: len(text) * 3 // 5]
    if outcome == "broken":
        return text.replace("}, {", "} {", 1)[:-1] + ",}"
    if outcome == "fenced":
        return f"Here it is:\n```json\n{text}\n```\nDone."
    if outcome == "prose":
        return "I am sorry, there is nothing to say about this passage."
    return "" if outcome == "refused" else text


def usage_body(asked: ChatRequest, *, made: int, cached: int) -> dict[str, Any]:
    """Usage at one token for two characters; cached tokens in the dialect's format, if any."""
    sent = asked.chars // 2
    if asked.anthropic:
        told: dict[str, Any] = {"input_tokens": sent - cached, "output_tokens": made}
        return told | ({"cache_read_input_tokens": cached} if cached else {})
    told = {"prompt_tokens": sent, "completion_tokens": made, "total_tokens": sent + made}
    return told | ({"prompt_tokens_details": {"cached_tokens": cached}} if cached else {})


def completion(text: str, outcome: str, asked: ChatRequest, usage: dict[str, Any]) -> dict[str, Any]:
    """The body of a response of status 200 with ``text``."""
    body = {"id": asked.hash[:12], "model": asked.model, "usage": usage}
    if asked.anthropic:
        reason = {"truncated": "max_tokens", "refused": "refusal"}.get(outcome, "end_turn")
        content = [{"type": "text", "text": text}]
        return body | {"type": "message", "role": "assistant", "content": content, "stop_reason": reason}
    reason = {"truncated": "length", "refused": "content_filter"}.get(outcome, "stop")
    message = {"role": "assistant", "content": text}
    choices = [{"index": 0, "message": message, "finish_reason": reason}]
    return body | {"object": "chat.completion", "created": int(time.time()), "choices": choices}
