"""Maps an endpoint's error response to the error tree, by status, ``type`` and ``code``, for all dialects."""

from __future__ import annotations

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
from kgnb.core.model import Provider
from kgnb.core.secret_mask import without_secrets
from kgnb.extract.model import clean

MAX_RETRY_AFTER = 3_600.0
"""Upper bound, in seconds, of an endpoint's Retry-After."""

_QUOTA = frozenset(
    {
        "insufficient_quota",  # OpenAI and many after it, with 429
        "billing_hard_limit_reached",
        "billing_not_active",
        "billing_error",  # Anthropic
        "insufficient_balance",
        "exceeded_current_quota_error",  # Moonshot
        "Arrearage",  # DashScope
        "1113",  # Zhipu
        "30001",  # SiliconFlow
    }
)
_TOO_LONG = frozenset({"context_length_exceeded", "string_above_max_length", "request_too_large"})
_MODERATION = frozenset(
    {
        "content_filter",
        "content_policy_violation",
        "data_inspection_failed",  # DashScope
        "DataInspectionFailed",
        "1301",  # Zhipu
    }
)
_TRANSIENT = frozenset({408, 409, 425})

# vLLM, DeepSeek, llama.cpp and Anthropic answer 400 without a specific code in these two cases; OpenAI 429 to
# a request that alone exceeds the tokens a minute.
_SAYS_TOO_LONG = re.compile(
    r"(?:maximum|exceed\w*|available) (?:model )?context|context (?:length|window|size)|prompt is too long|"
    r"request too large",
    re.I,
)
_SAYS_NO_CREDIT = re.compile(r"credit balance is too low", re.I)


@dataclass(frozen=True, slots=True)
class ErrorResponse:
    """A response with an error status, or a 200 that holds an error."""

    status: int
    body: Any = None
    headers: Mapping[str, str] | None = None

    @property
    def _error(self) -> dict[str, Any]:
        inner = self.body.get("error", self.body) if isinstance(self.body, dict) else self.body
        return inner if isinstance(inner, dict) else {"message": inner}

    @property
    def codes(self) -> frozenset[str]:
        """The body's error type and code."""
        return frozenset(str(self._error[k]) for k in ("type", "code") if self._error.get(k) is not None)

    @property
    def param(self) -> str:
        """The parameter that the body blames, if any."""
        return str(self._error.get("param") or "")

    @property
    def message(self) -> str:
        """The endpoint's message; never shown for a refused key, which some endpoints repeat."""
        message = self._error.get("message")
        return message if isinstance(message, str) and not message.startswith("<") else ""

    @property
    def text(self) -> str:
        """The whole body as JSON."""
        try:
            return json.dumps(self.body, ensure_ascii=False)
        except RecursionError:
            return ""

    def retry_after(self) -> float | None:
        """Seconds to wait by Retry-After (number or date) or retry-after-ms; None without either."""
        headers = self.headers or {}
        milliseconds = _seconds(headers.get("retry-after-ms"))
        if milliseconds is not None:
            return min(MAX_RETRY_AFTER, milliseconds / 1_000)
        given = headers.get("retry-after")
        seconds = _seconds(given)
        if seconds is None and given:
            seconds = _seconds_until(given)
        return None if seconds is None else min(MAX_RETRY_AFTER, seconds)


def _seconds(value: str | None) -> float | None:
    try:
        number = float(value) if value else math.nan
    except ValueError:
        return None
    return number if math.isfinite(number) and number >= 0 else None


def _seconds_until(date: str) -> float | None:
    try:
        parts = email.utils.parsedate_tz(date)
        return max(0.0, email.utils.mktime_tz(parts) - time.time()) if parts else None
    except (ValueError, OverflowError):  # a year or an hour that no calendar has
        return None


class HttpRejected(errors.RequestRejected):
    """RequestRejected with the HTTP status."""

    status: int = 0


def error_for(refusal: ErrorResponse, provider: Provider, model: str, tries: int) -> errors.ProviderError:
    """The error for ``refusal``; ProviderDown where a retry may help."""
    name, status, codes = provider.name, refusal.status, refusal.codes
    if codes & _QUOTA or status == 402 or (status == 400 and _SAYS_NO_CREDIT.search(refusal.message)):
        return errors.QuotaExhausted("provider.quota", provider=name, status=status)
    if codes & _MODERATION or status == 451:
        return errors.ReplyRefused("provider.refused", provider=name)
    if status in (401, 403):
        return errors.AuthRejected("provider.auth", provider=name, status=status)
    said = status in (400, 422, 429) and _SAYS_TOO_LONG.search(refusal.message)
    if status == 413 or codes & _TOO_LONG or said:
        return errors.PromptTooLong("provider.too_long", provider=name)
    detail = _detail(refusal, provider)
    if status == 429:
        wait = refusal.retry_after()
        return errors.RateLimited(
            "provider.rate",
            provider=name,
            retry_after=random.uniform(5, 10) if wait is None else wait,  # noqa: S311
            detail=f"HTTP 429: {detail}",
        )
    if status >= 500 or status in _TRANSIENT:
        return errors.ProviderDown(
            "provider.failing", provider=name, status=status, tries=tries, detail=f"HTTP {status}: {detail}"
        )
    rejected = HttpRejected("provider.rejected", provider=name, model=model, status=status, detail=detail)
    rejected.status = status
    return rejected


def _detail(refusal: ErrorResponse, provider: Provider) -> str:
    return without_secrets(clean(refusal.message, 2_000), provider)[:200].rstrip() or "-"
