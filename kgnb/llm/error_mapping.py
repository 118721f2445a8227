"""Maps an endpoint's error response to the error tree, by its words, codes and status, for all dialects."""

from __future__ import annotations

import email.utils
import html
import json
import math
import random
import re
import time
import tomllib
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict

from kgnb.core import errors
from kgnb.core.addresses import origin, redacted_url
from kgnb.core.endpoint import unreached
from kgnb.core.model import Provider, Usage
from kgnb.core.safe_text import clean
from kgnb.core.secret_mask import without_secrets

SHOWN_CHARS = 200
"""Characters of an endpoint's message in an error."""
READ_CHARS = 4_000
"""Characters of a refusal that are searched; some go on to repeat the request."""
MAX_BODY = 4_000_000
"""Most bytes of a response that are read: 500 times a usual one. As JSON values they take 120 MB at most."""
MAX_STREAM = 20_000_000
"""The same for a reply that comes in pieces, of which each token's takes some 300 bytes: 60,000 tokens."""
MAX_RETRY_AFTER = 3_600.0
"""Upper bound, in seconds, of an endpoint's Retry-After."""

_KINDS: Mapping[str, tuple[type[errors.ProviderError], str]] = {
    "timeout": (errors.ProviderDown, "provider.timeout"),
    "silence": (errors.ProviderDown, "provider.unreachable"),
    "failing": (errors.ProviderDown, "provider.failing"),
    "rate": (errors.RateLimited, "provider.rate"),
    "quota": (errors.QuotaExhausted, "provider.quota"),
    "auth": (errors.AuthRejected, "provider.auth"),
    "region": (errors.AuthRejected, "provider.region"),
    "refused": (errors.ReplyRefused, "provider.refused"),
    "unparsable": (errors.ReplyUnparsable, "provider.unparsable"),
    "too_long": (errors.PromptTooLong, "provider.too_long"),
    "oversized": (errors.EndpointWrong, "provider.oversized"),
    "garbled": (errors.EndpointWrong, "provider.garbled"),
    "moved": (errors.EndpointWrong, "provider.moved"),
    "no_channel": (errors.ProviderDown, "provider.failing"),
    "no_model": (errors.EndpointWrong, "provider.rejected"),
    "rejected": (errors.RequestRejected, "provider.rejected"),
}
"""Class and text of what a response means, by the kinds of error_mapping.toml."""


class Refusal(BaseModel):
    """How an error is told: by a pattern of its message, by its type, code or reason, by its status."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    says: re.Pattern[str] | None = None
    codes: frozenset[str] = frozenset()
    statuses: frozenset[int] = frozenset()


@cache
def refusals() -> Mapping[str, Refusal]:
    """Return kind of refusal → its marks, in the order in which they are tried."""
    tables = tomllib.loads(Path(__file__).with_suffix(".toml").read_text("utf-8"))
    return {name: Refusal(**fields) for name, fields in tables.items()}


_TITLE = re.compile(r"(?is)<(?:title|h1)\b[^>]*>([^<]+)<")
"""What a web page says of itself: ``502 Bad Gateway``, a gateway's name."""
_DELAY = re.compile(r"(\d+(?:\.\d+)?)s")
_SPAN = r"(?i:(\d{1,9}(?:\.\d+)?) ?(ms|[hms])[a-z]*)"
_AGAIN_IN = re.compile(rf"(?i)(?:(?:try again|retry) (?:in|after)|please wait) ((?:{_SPAN} ?)+)")
"""When to ask again, in a message: OpenAI's and Groq's ``in 7m12.5s``, Moonshot's ``after 1 seconds``."""
_UNITS = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 0.001}
"""Seconds of a span's unit."""


@dataclass(frozen=True, slots=True)
class ErrorResponse:
    """A response with an error status, or a 200 that holds an error.

    Status 0 stands for no response at all: ``waited`` seconds in vain, or 0 where the connection failed.
    """

    status: int
    body: Any = None
    headers: Mapping[str, str] | None = None
    usage: Usage = Usage(requests=1)
    waited: float = 0.0
    tries: int = 1
    """Requests of the call so far."""
    reason: str = ""
    """Why there was no connection, in the system's words."""
    too_large: bool = False
    """Whether the body is longer than is read."""

    @property
    def _error(self) -> dict[str, Any]:
        """The error object in the body, in whatever place an endpoint puts it; {"message": body}
        for a text.
        """
        body = self.body[0] if isinstance(self.body, list) and self.body else self.body  # Gemini
        if not isinstance(body, dict):
            return {"message": body}
        inner = body.get("error", body.get("errors", body))  # the latter: ModelScope
        if isinstance(inner, dict):
            return inner
        beside = {name: told for name, told in body.items() if name != "error" and told}
        message = beside.get("message", inner)
        if isinstance(inner, str) and isinstance(message, str) and inner not in message:
            message = f"{inner}: {message}"  # what it means may stand in either
        return beside | {"message": message}

    @property
    def _details(self) -> list[Any]:
        """Return Google's details of an error; [] for an error without."""
        details = self._error.get("details")
        return details if isinstance(details, list) else []

    @property
    def meaning(self) -> str:
        """Kind of refusal, a key of ``_KINDS``, judged by the message, then by error codes, then by
        status.
        """
        known, said, metadata = refusals().items(), self._words[:READ_CHARS], self._error.get("metadata")
        marks = metadata if isinstance(metadata, dict) else {}
        reasons = [get(one, "reason") for one in (*self._details, marks)] + [get(marks, "limit_source")]
        codes = {str(one) for one in (self._error.get("type"), self._error.get("code"), *reasons, *marks)}
        codes |= {code.partition(".")[0] for code in codes}  # Volcengine: SensitiveContentDetected.Violence
        found = (
            next((name for name, one in known if one.says and one.says.search(said)), "")
            or next((name for name, one in known if codes & one.codes), "")
            or next((name for name, one in known if self.status in one.statuses), "rejected")
        )
        if self.waited or self.too_large:
            return "timeout" if self.waited else "oversized"
        if self.status < 500:
            return "rate" if (self.status, found) == (429, "no_model") else found
        return {"no_model": "no_channel", "rejected": "failing"}.get(found, found)

    @property
    def may_pass(self) -> bool:
        """Whether the same request may succeed soon: the provider is down, and the request isn't wrong."""
        return _KINDS[self.meaning][0] is errors.ProviderDown

    @property
    def param(self) -> str:
        """Name of the request's parameter that the body gives as the cause; "" for none."""
        return str(self._error.get("param") or "")

    @property
    def _words(self) -> str:
        """Return the endpoint's message, or what OpenRouter was told; "" instead of a list of fields, which
        may repeat a book.
        """
        told = get(self._error.get("metadata"), "raw")
        with suppress(ValueError, RecursionError):
            inner = json.loads(told) if isinstance(told, str) else told
            told = inner and ErrorResponse(0, inner)._words
        told = told or next(filter(None, map(self._error.get, ("message", "msg", "detail"))), "")
        return told if isinstance(told, str) else ""

    @property
    def message(self) -> str:
        """The endpoint's message, the title of an HTML page, or the body as JSON; "" for an empty body.

        Not to be shown for a refused key, as some endpoints repeat the key.
        """
        told = self._words or (self.text if self.body else "")
        if not told.lstrip().startswith("<"):
            return told
        title = _TITLE.search(told[:READ_CHARS])
        return html.unescape(title[1]).strip().removeprefix(f"{self.status} ") if title else ""

    @property
    def text(self) -> str:
        """The whole body as JSON text; "" if it is nested too deeply."""
        try:
            return json.dumps(self.body, ensure_ascii=False)
        except RecursionError:
            return ""

    def retry_after(self) -> float | None:
        """Return the seconds to wait that the endpoint asks for, at most ``MAX_RETRY_AFTER`` (3,600); None if
        it asks for none.

        Read from the header Retry-After (number or date), Google's details, OpenRouter's metadata, or the
        message.
        """
        asked = _seconds((self.headers or {}).get("retry-after", ""))
        if asked is None:
            delays = (_DELAY.fullmatch(str(get(one, "retryDelay"))) for one in self._details)
            asked = next((float(delay[1]) for delay in delays if delay), None)
        if asked is None:
            asked = _seconds(str(get(self._error.get("metadata"), "retry_after_seconds")))
        if asked is None and (told := _AGAIN_IN.search(self._words[:READ_CHARS])):
            asked = sum(float(number) * _UNITS[unit.lower()] for number, unit in re.findall(_SPAN, told[1]))
        return None if asked is None else min(MAX_RETRY_AFTER, asked)


SILENCE = ErrorResponse(0, usage=Usage())
"""No connection, or one that ended before the response did."""
UNREADABLE = ErrorResponse(200)
"""A success of another form."""
TOO_LARGE = ErrorResponse(200, too_large=True)
"""A response of which no more was read: its body is too long."""


def get(value: Any, key: str) -> Any:
    """Return a field of a JSON object; None where ``value`` is no object or lacks the field."""
    return value.get(key) if isinstance(value, dict) else None


def _seconds(value: str) -> float | None:
    """Return the seconds of a Retry-After header, a number or a date; None for any other text."""
    with suppress(ValueError, OverflowError):  # a year or an hour that no calendar has
        return max(0.0, email.utils.parsedate_to_datetime(value).timestamp() - time.time())
    with suppress(ValueError):
        return number if 0 <= (number := float(value)) < math.inf else None
    return None


last_words: dict[str, Callable[[], str]] = {}
"""By origin: what a server that kgnb started itself said before it died for good; "" while it runs."""


def error_for(refusal: ErrorResponse, provider: Provider, url: str, model: str) -> errors.ProviderError:
    """Return the error to raise for ``refusal``, with the endpoint's message in it, keys masked.

    The message of a refused key is left out. A rate limit without a wait gets a random wait of 5 to 10
    seconds.
    """
    kind, text = _KINDS[refusal.meaning]
    if text == "provider.auth" and not provider.all_keys:
        text = "provider.key_wanted"
    if kind is errors.ProviderDown and (said := last_words.get(origin(url), str)()):
        return errors.EndpointWrong("local.died", provider=provider.name, said=said)
    told = "" if kind is errors.AuthRejected else refusal.message
    said = clean(without_secrets(clean(told, 2_000), provider), SHOWN_CHARS)
    facts: dict[str, object] = {
        "host": unreached(url, refusal.reason),
        "model": model,
        "status": refusal.status,
        "limit": MAX_BODY // 1_000_000,
        "stream": MAX_STREAM // 1_000_000,
        "tries": refusal.tries,
        "seconds": round(refusal.waited),
        "detail": f"HTTP {refusal.status}: {said}".removesuffix(": ") if refusal.status else "",
        "location": clean(redacted_url((refusal.headers or {}).get("location", "")), SHOWN_CHARS) or "-",
    }
    if kind is errors.RateLimited:
        wait = refusal.retry_after()
        facts["retry_after"] = random.uniform(5, 10) if wait is None else wait  # noqa: S311
    return kind(text, provider=provider.name, **facts)
