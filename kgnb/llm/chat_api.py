"""What the client asks of an LLM's interface, whichever SDK carries it; nothing here does I/O."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any, Literal, Protocol

from kgnb.core.model import Usage
from kgnb.extract.prompt import Prompt
from kgnb.llm.error_mapping import ErrorResponse
from kgnb.llm.request_form import RequestForm

CONNECT_SECONDS = 10.0
"""Timeout for connecting, and for lists of models."""
MAX_TOKENS_COUNTED = 10**9
"""A larger count in an answer's usage is no count."""


class Failure(Enum):
    """Why there is no answer."""

    SILENCE = "no connection, or one that ended before the response did"
    UNREADABLE = "a response that is too long, or a success of another form"


@dataclass(frozen=True, slots=True)
class ChatReply:
    """A response of status 200; ``end`` says whether it is complete, or why not.

    ``thought``: the model is seen to have reasoned before it replied.
    """

    text: str
    end: Literal["stop", "length", "refused", "failed"]
    usage: Usage
    thought: bool = False


class ChatApi(Protocol):
    """One provider's endpoint. Errors are values: those of the SDKs hold the request with its key."""

    def body(self, prompt: Prompt, model: str, form: RequestForm) -> dict[str, Any]:
        """The JSON of one request."""

    async def reply(self, body: dict[str, Any]) -> ChatReply | ErrorResponse | Failure:
        """Send one request."""

    async def models(self) -> list[str] | ErrorResponse | Failure:
        """The names of the models that the endpoint lists. Asks no model."""

    async def close(self) -> None:
        """Close the connections."""


class KeysInTurn:
    """An endpoint that is asked with each of a provider's keys in turn."""

    def __init__(self, apis: Sequence[ChatApi]) -> None:
        self._apis = apis
        self._turn = itertools.cycle(apis)

    def body(self, prompt: Prompt, model: str, form: RequestForm) -> dict[str, Any]:
        """The JSON of one request: the same for every key."""
        return self._apis[0].body(prompt, model, form)

    async def reply(self, body: dict[str, Any]) -> ChatReply | ErrorResponse | Failure:
        """Send one request with the next key."""
        return await next(self._turn).reply(body)

    async def models(self) -> list[str] | ErrorResponse | Failure:
        """The names of the models that the endpoint lists."""
        return await self._apis[0].models()

    async def close(self) -> None:
        """Close the connections."""
        for api in self._apis:
            await api.close()


# --- reading an answer: hostile input, which the SDKs don't validate ----------------------------------------


def get(value: Any, key: str) -> Any:
    """An object's field, whether the SDK made it a model or left it a dict; None without one."""
    return value.get(key) if isinstance(value, dict) else getattr(value, key, None)


def joined_text(content: Any) -> str:
    """A message's text: a string, or the text parts of a list."""
    if isinstance(content, str):
        return content
    if not isinstance(content, list):
        return ""
    parts = [get(part, "text") for part in content if get(part, "type") in ("text", None)]
    return "".join(part for part in parts if isinstance(part, str))


def count(value: Any) -> int:
    """A number of tokens; 0 for what is none."""
    whole = isinstance(value, int) and not isinstance(value, bool)
    return value if whole and 0 <= value < MAX_TOKENS_COUNTED else 0


def model_names(items: Any) -> list[str]:
    """The names in a list of models."""
    found = [get(item, "id") for item in items] if isinstance(items, list) else []
    return [name for name in found if isinstance(name, str)]


def hidden_error(answer: Any) -> ErrorResponse | None:
    """The error in a body of status 200, as some gateways send it; None without one."""
    error = get(answer, "error")
    if not isinstance(error, dict):
        return None
    code = error.get("code")
    return ErrorResponse(code if isinstance(code, int) and 400 <= code < 600 else 502, {"error": error})
