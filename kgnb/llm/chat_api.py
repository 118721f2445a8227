"""An LLM endpoint as the client asks it, whichever SDK carries the requests."""

from __future__ import annotations

import json
import os
import socket
import ssl
import zlib
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from types import ModuleType
from typing import Any

import aiohttp
from aiohttp.http import HttpProcessingError

from kgnb.core.messages import say
from kgnb.core.model import Prompt, Provider, Usage
from kgnb.llm.error_mapping import READ_CHARS, SILENCE, TOO_LARGE, UNREADABLE, ErrorResponse, get
from kgnb.llm.http_client import BodyTooLong, client_options
from kgnb.llm.request_form import RequestForm

MAX_TOKENS_COUNTED = 10**9
"""A larger count in an answer's usage is no count."""
_UNMAPPED = (aiohttp.ClientError, HttpProcessingError, OSError, UnicodeError)
"""What the SDKs' transport lets through: broken responses, and a host that is no name."""
_NO_TLS = ("WRONG_VERSION_NUMBER", "RECORD_LAYER_FAILURE", "HTTP_REQUEST", "PACKET_LENGTH_TOO_LONG")
"""OpenSSL's reasons where a server answers https with plain http."""


@dataclass(frozen=True, slots=True)
class ChatReply:
    """Reply of a model. ``cut``: ended at its output limit; ``thought``: the model is seen to have
    reasoned before.
    """

    text: str
    usage: Usage
    cut: bool
    thought: bool


class ChatApi(ABC):
    """One provider's endpoint with one key. Errors are values: the SDKs' own hold the request and its key.

    Answers are read as plain JSON: the SDKs would make objects of them without validating anything.
    """

    sdk: ModuleType
    made: Callable[..., Any]
    """The SDK's asynchronous client."""
    endings: tuple[str, ...]
    """What a base_url may have behind the address that the SDK takes, the last first."""
    models_path: str
    """Where it lists its models, below base_url."""

    def __init__(self, provider: Provider, base_url: str, connections: int) -> None:
        for ending in self.endings:
            base_url = base_url.removesuffix(ending)
        options = client_options(provider, base_url, connections)
        self.client = self.made(**options)
        self.headers: dict[str, Any] = {}
        # Not the environment's (OPENAI_CUSTOM_HEADERS, ANTHROPIC_…), which all would get.
        self.client._custom_headers = options["default_headers"]

    @staticmethod
    @abstractmethod
    def body(prompt: Prompt, model: str, form: RequestForm) -> dict[str, Any]:
        """Return the JSON body of one request for ``prompt``, in the given form."""

    @abstractmethod
    async def _create(self, body: dict[str, Any]) -> Any: ...

    @staticmethod
    @abstractmethod
    def _read(answer: Any) -> ChatReply | ErrorResponse: ...

    async def reply(self, body: dict[str, Any]) -> ChatReply | ErrorResponse:
        """Send one request; return the reply with its usage, or the endpoint's refusal, also if it came with
        status 200.
        """
        answer = await self._answer(self._create(body))
        if isinstance(answer, ErrorResponse):
            return answer
        read = self._read(answer)
        if isinstance(read, ChatReply):
            return read  # whatever stands in an "error" beside it
        return replace(hidden_error(answer) or read, usage=read.usage)

    async def models(self, below: str = "") -> list[str] | ErrorResponse:
        """Return the names of the models that the endpoint lists at base_url + ``below``, or its refusal.

        No model is asked, so nothing is paid.
        """
        path, options = below + self.models_path, {"headers": self.headers}
        answer = await self._answer(self.client.get(path, cast_to=str, options=options))
        items = get(answer, "data")
        if isinstance(items, list):
            return [name for item in items if isinstance(name := get(item, "id"), str)]
        return answer if isinstance(answer, ErrorResponse) else UNREADABLE

    async def _answer(self, call: Awaitable[Any]) -> Any:
        """Return the JSON of a call's response, or an ErrorResponse."""
        try:
            told = await call
            content = told.encode() if isinstance(told, str) else told
        except self.sdk.APIStatusError as error:
            return ErrorResponse(error.status_code, _whole_body(error), error.response.headers)
        except (BodyTooLong, zlib.error, self.sdk.APIConnectionError, *_UNMAPPED) as error:
            kinds = type(error), type(error.__cause__)  # openai 2 hides each error behind its own
            if BodyTooLong in kinds:
                return TOO_LARGE
            if zlib.error in kinds:
                return UNREADABLE
            return replace(SILENCE, reason=_system_reason(error))
        try:
            return self._decoded(content)
        except (ValueError, RecursionError):
            page = content.lstrip()[:READ_CHARS]
            return replace(UNREADABLE, body=page.decode(errors="replace")) if page[:1] == b"<" else UNREADABLE

    @staticmethod
    def _decoded(content: bytes) -> Any:
        """Return the JSON value of a response's body. Raises ValueError, RecursionError."""
        return json.loads(content)


# --- reading an answer, which is hostile input --------------------------------------------------------------


def _whole_body(error: Any) -> Any:
    """Return a refusal's body as JSON; the SDK's ``error.body``, which may be but a name, if it is
    no JSON.
    """
    try:
        return json.loads(error.response.content)
    except (ValueError, RuntimeError):  # no JSON, nested too deeply, or not read
        return error.body


def joined_text(content: Any) -> str:
    """Return a message's text: the string itself, or the joined "text" parts of a list; "" for anything
    else.
    """
    if isinstance(content, str):
        return content
    parts = content if isinstance(content, list) else []
    texts = [get(part, "text") for part in parts if get(part, "type") in ("text", None)]
    return "".join(text for text in texts if isinstance(text, str))


def count(value: Any) -> int:
    """Return a number of tokens from an endpoint's answer; 0 for anything but a sensible integer."""
    return value if type(value) is int and 0 <= value < MAX_TOKENS_COUNTED else 0


def _system_reason(error: BaseException) -> str:
    """Return the operating system's reason for a failed connection; "" if there is none."""
    while cause := error.__cause__ or error.__context__:
        error = cause
    if isinstance(error, socket.gaierror):
        return error.strerror or ""
    if isinstance(error, ssl.SSLCertVerificationError):
        return say("provider.untrusted", reason=error.verify_message)
    if isinstance(error, ssl.SSLError) and error.reason in _NO_TLS:
        return say("provider.no_tls")
    return os.strerror(error.errno) if isinstance(error, ConnectionError) and error.errno else ""


def hidden_error(answer: Any) -> ErrorResponse | None:
    """Return the error in a body of status 200, as some gateways and z.ai send it; None for a body without
    error.

    The status is the body's code if it is 400-599, else 502.
    """
    error = answer if get(answer, "success") is False else get(answer, "error")
    if not error:
        return None
    code = get(error, "code")
    return ErrorResponse(code if isinstance(code, int) and 400 <= code < 600 else 502, {"error": error})
