"""Maps an endpoint's error response to the error tree, by status, ``type`` and ``code``, for all dialects."""

from __future__ import annotations

import contextlib
import email.utils
import json
import math
import random
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from kgnb.core import errors
from kgnb.core.model import Provider, Usage
from kgnb.core.secret_mask import without_secrets
from kgnb.extract.model import clean

REFUSED = 451
"""Status of a reply that the model or its moderation declined, whatever the response's own was."""
MAX_RETRY_AFTER = 3_600.0
"""Upper bound, in seconds, of an endpoint's Retry-After."""

_CODES: Mapping[type[errors.ProviderError], frozenset[str]] = {
    errors.QuotaExhausted: frozenset(
        {
            "insufficient_quota",  # OpenAI and many after it, with 429
            "billing_hard_limit_reached",
            "billing_not_active",
            "billing_error",  # Anthropic
            "AccountOverdueError",  # Volcengine, with 403
            "insufficient_balance",
            "exceeded_current_quota_error",  # Moonshot
            *("Arrearage", "AllocationQuota.FreeTierOnly"),  # DashScope
            "1113",  # Zhipu
            "30001",  # SiliconFlow
        }
    ),
    errors.ReplyRefused: frozenset(
        {
            "content_filter",
            "content_policy_violation",
            *("data_inspection_failed", "DataInspectionFailed"),  # DashScope
            "1301",  # Zhipu
        }
    ),
    # The first: Gemini, with 400.
    errors.AuthRejected: frozenset({"API_KEY_INVALID", "invalid_api_key", "InvalidApiKey"}),
    errors.ReplyUnparsable: frozenset({"json_validate_failed"}),  # Groq, with 400: no JSON was written
    errors.PromptTooLong: frozenset(
        {"context_length_exceeded", "string_above_max_length", "request_too_large"}
    ),
}
"""What an error's type, code or reason means, the first that fits."""
_STATUSES: Mapping[int, type[errors.ProviderError]] = {
    402: errors.QuotaExhausted,
    REFUSED: errors.ReplyRefused,
    401: errors.AuthRejected,
    403: errors.AuthRejected,
    413: errors.PromptTooLong,
}
_TEXTS: Mapping[type[errors.ProviderError], str] = {
    errors.QuotaExhausted: "provider.quota",
    errors.ReplyRefused: "provider.refused",
    errors.AuthRejected: "provider.auth",
    errors.ReplyUnparsable: "provider.unparsable",
    errors.PromptTooLong: "provider.too_long",
}
_TRANSIENT = frozenset({408, 409, 425})

# vLLM, DeepSeek, llama.cpp and Anthropic answer 400 without a specific code in these two cases; OpenAI 429 to
# a request that alone exceeds the tokens a minute.
_SAYS_TOO_LONG = re.compile(
    r"(?:maximum|exceed\w*|available) (?:model )?context|context (?:length|window|size)|prompt is too long|"
    r"request too large",
    re.I,
)
_SAYS_NO_CREDIT = re.compile(r"credit balance is too low", re.I)
_SAYS_RATE = re.compile(r"allocated quota exceeded", re.I)
"""DashScope's limits a minute, with the code insufficient_quota."""
_DELAY = re.compile(r"(\d+(?:\.\d+)?)s")


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

    @property
    def _error(self) -> dict[str, Any]:
        body = self.body[0] if isinstance(self.body, list) and self.body else self.body  # Gemini
        inner = body.get("error", body) if isinstance(body, dict) else body
        return inner if isinstance(inner, dict) else {"message": inner}

    @property
    def _details(self) -> list[dict[str, Any]]:
        """Google's details of an error."""
        details = self._error.get("details")
        return [one for one in details if isinstance(one, dict)] if isinstance(details, list) else []

    @property
    def codes(self) -> frozenset[str]:
        """The body's error type, code and reasons."""
        told = (
            *(self._error.get(k) for k in ("type", "code")),
            *(one.get("reason") for one in self._details),
        )
        return frozenset(str(one) for one in told if one is not None)

    @property
    def kind(self) -> type[errors.ProviderError] | None:
        """What the endpoint says of the request, key or account; None for what only the status tells."""
        said = self.message
        codes = frozenset() if _SAYS_RATE.search(said) else self.codes
        metadata = self._error.get("metadata")
        if isinstance(metadata, dict) and "flagged_input" in metadata:  # OpenRouter, with 403
            return errors.ReplyRefused
        if found := next((kind for kind, known in _CODES.items() if codes & known), None):
            return found
        if self.status == 400 and _SAYS_NO_CREDIT.search(said):
            return errors.QuotaExhausted
        if self.status in (400, 422, 429) and _SAYS_TOO_LONG.search(said):
            return errors.PromptTooLong
        return _STATUSES.get(self.status)

    @property
    def param(self) -> str:
        """The parameter that the body blames, if any."""
        return str(self._error.get("param") or "")

    @property
    def message(self) -> str:
        """The endpoint's message; never shown for a refused key, which some endpoints repeat."""
        message = self._error.get("message") or self._error.get("detail") or ""
        if not isinstance(message, str):
            return _as_json(message)
        return "" if message.startswith("<") else message

    @property
    def text(self) -> str:
        """The whole body as JSON."""
        return _as_json(self.body)

    def retry_after(self) -> float | None:
        """Seconds to wait by retry-after-ms, Retry-After (number or date) or Google's details; else None."""
        headers = self.headers or {}
        for name, unit in (("retry-after-ms", 0.001), ("retry-after", 1.0)):
            seconds = _seconds(headers.get(name, ""))
            if seconds is not None:
                return min(MAX_RETRY_AFTER, seconds * unit)
        delays = (_DELAY.fullmatch(str(one.get("retryDelay"))) for one in self._details)
        return next((min(MAX_RETRY_AFTER, float(delay[1])) for delay in delays if delay), None)


def _as_json(value: Any) -> str:
    try:
        return json.dumps(value, ensure_ascii=False)
    except RecursionError:
        return ""


SILENCE = ErrorResponse(0, usage=Usage())
"""No connection, or one that ended before the response did."""
UNREADABLE = ErrorResponse(200)
"""A response that is too long, or a success of another form."""


def _seconds(value: str) -> float | None:
    """Seconds of a header: a number, or the time until a date."""
    with contextlib.suppress(ValueError):
        number = float(value)
        return number if math.isfinite(number) and number >= 0 else None
    with contextlib.suppress(ValueError, OverflowError):  # a year or an hour that no calendar has
        parts = email.utils.parsedate_tz(value)
        return max(0.0, email.utils.mktime_tz(parts) - time.time()) if parts else None
    return None


def error_for(
    refusal: ErrorResponse, provider: Provider, host: str, model: str, tries: int
) -> errors.ProviderError:
    """The error for ``refusal``; ProviderDown where a retry may help."""
    name, status, kind = provider.name, refusal.status, refusal.kind
    if refusal.waited:
        seconds = round(refusal.waited)
        return errors.ProviderDown("provider.timeout", provider=name, seconds=seconds, tries=tries)
    if status == 0:
        return errors.ProviderDown("provider.unreachable", provider=name, host=host, tries=tries)
    if status == 200:
        return errors.RequestRejected("provider.garbled", provider=name)
    if kind is not None:
        return kind(_TEXTS[kind], provider=name, status=status, detail=f"HTTP {status}")
    detail = without_secrets(clean(refusal.message, 2_000), provider)[:200].rstrip() or "-"
    heard = f"HTTP {status}: {detail}"
    if status == 429:
        wait = refusal.retry_after()
        wait = random.uniform(5, 10) if wait is None else wait  # noqa: S311
        return errors.RateLimited("provider.rate", provider=name, retry_after=wait, detail=heard)
    if status >= 500 or status in _TRANSIENT:
        facts = {"status": status, "tries": tries, "detail": heard}
        return errors.ProviderDown("provider.failing", provider=name, **facts)
    rejected = errors.EndpointWrong if status == 404 else errors.RequestRejected
    return rejected("provider.rejected", provider=name, model=model, status=status, detail=detail)
