"""Parses chat requests and makes response bodies, in OpenAI's format."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Sequence
from typing import Any, NamedTuple

from kgnb.llm.fake import model as fake_model


class ChatRequest(NamedTuple):
    """A chat request."""

    model: str
    system: str
    text: str
    hash: str
    chars: int
    body: dict[str, Any]

    @classmethod
    def read(cls, body: bytes) -> ChatRequest | None:
        """Return the request in a body; None for a malformed one."""
        try:
            data = json.loads(body)
            said = [(m["role"], joined_text(m["content"])) for m in data["messages"]]
            system = "".join(c for r, c in said if r == "system")
            user = next(c for r, c in reversed(said) if r == "user")
            model = str(data["model"])
        except (ValueError, TypeError, KeyError, AttributeError, StopIteration):
            return None
        digest = hashlib.sha256(f"{system}\0{user}".encode("utf-8", "replace")).hexdigest()
        text = fake_model.passage(user)
        return cls(model, system, text, digest, len(system) + len(user), data)

    @property
    def most_tokens(self) -> int | None:
        """The request's output limit in tokens; None without one."""
        found = self.body.get("max_completion_tokens") or self.body.get("max_tokens")
        return found if isinstance(found, int) else None

    @property
    def unsupported(self) -> str:
        """The request's parameter that its model refuses; "" for none."""
        refused = _REFUSED_BY_MODEL.get(self.model, "")
        form = self.body.get("response_format")
        if self.model == "dryrun-json-schema" and form and form.get("type") != "json_schema":
            return "response_format"
        return refused if refused in self.body else ""


_REFUSED_BY_MODEL = {"dryrun-no-json": "response_format", "dryrun-no-temperature": "temperature"}


def joined_text(content: Any) -> str:
    """Return a message's text: the string itself, or the joined "text" fields of a list of blocks."""
    return content if isinstance(content, str) else "".join(block["text"] for block in content)


def apply_fault(outcome: str, text: str) -> str:
    """Return the reply's text as the fault ``outcome`` leaves it: "cut" and "truncated" keep three fifths,
    "refused" nothing, "broken" loses commas, "fenced" adds a markdown fence, "prose" gives a sentence
    instead; all of it for others ("ok").
    """
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
    """Return the usage object of a response: prompt tokens are half of the prompt's characters.

    ``made``: tokens of the reply; ``cached``: tokens of the prompt read from the cache, left out for 0.
    """
    sent = asked.chars // 2
    told: dict[str, Any] = {"prompt_tokens": sent, "completion_tokens": made, "total_tokens": sent + made}
    return told | ({"prompt_tokens_details": {"cached_tokens": cached}} if cached else {})


def completion(text: str, outcome: str, asked: ChatRequest, usage: dict[str, Any]) -> dict[str, Any]:
    """Return the body of a response of status 200 with ``text``; ``finish_reason`` is "length" for the
    outcome "truncated", "content_filter" for "refused", else "stop".
    """
    reason = {"truncated": "length", "refused": "content_filter"}.get(outcome, "stop")
    message = {"role": "assistant", "content": text}
    choices = [{"index": 0, "message": message, "finish_reason": reason}]
    facts = {"id": asked.hash[:12], "model": asked.model, "object": "chat.completion"}
    return {**facts, "created": int(time.time()), "choices": choices, "usage": usage}


def models_body(models: Sequence[str]) -> dict[str, Any]:
    """Return the body of a list of models with these names."""
    data = [{"id": model, "object": "model", "created": 0, "owned_by": "kgnb"} for model in models]
    return {"object": "list", "data": data}
