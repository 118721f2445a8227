"""Maps an endpoint's error response to the error tree, by its words, codes and status, for all dialects."""

from __future__ import annotations

import email.utils
import json
import math
import random
import re
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from kgnb.core import errors
from kgnb.core.model import Provider, Usage
from kgnb.core.secret_mask import without_secrets
from kgnb.extract.model import clean
from kgnb.llm.presets import refusals

READ_CHARS = 4_000
"""Characters of a refusal that are searched; some go on to repeat the request."""
MAX_RETRY_AFTER = 3_600.0
"""Upper bound, in seconds, of an endpoint's Retry-After."""

_KINDS: Mapping[str, tuple[type[errors.ProviderError], str]] = {
    "quota": (errors.QuotaExhausted, "provider.quota"),
    "refused": (errors.ReplyRefused, "provider.refused"),
    "auth": (errors.AuthRejected, "provider.auth"),
    "unparsable": (errors.ReplyUnparsable, "provider.unparsable"),
    "too_long": (errors.PromptTooLong, "provider.too_long"),
}
"""Class and text of what an error means by the presets' ``refusals``; the others go by their status."""
_TRANSIENT = frozenset({408, 409, 425})
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
    def meaning(self) -> str:
        """What the endpoint says of request, key or account: a name of the presets' ``refusals``, or none."""
        known, said = refusals().items(), self.message[:READ_CHARS]
        metadata = self._error.get("metadata")
        marks = list(metadata) if isinstance(metadata, dict) else []
        reasons = [one.get("reason") for one in self._details]
        codes = {str(one) for one in (self._error.get("type"), self._error.get("code"), *reasons, *marks)}
        codes |= {code.partition(".")[0] for code in codes}  # Volcengine: SensitiveContentDetected.Violence
        return (
            next((name for name, one in known if one.says and one.says.search(said)), "")
            or next((name for name, one in known if codes & one.codes), "")
            or next((name for name, one in known if self.status in one.statuses), "")
        )

    @property
    def param(self) -> str:
        """The parameter that the body blames, if any."""
        return str(self._error.get("param") or "")

    @property
    def message(self) -> str:
        """The endpoint's message; never shown for a refused key, which some endpoints repeat."""
        message = next(filter(None, map(self._error.get, ("message", "msg", "detail"))), "")
        said = message if isinstance(message, str) else self.text
        return "" if said.startswith("<") else said

    @property
    def text(self) -> str:
        """The whole body as JSON."""
        try:
            return json.dumps(self.body, ensure_ascii=False)
        except RecursionError:
            return ""

    def retry_after(self) -> float | None:
        """Seconds to wait by Retry-After (a number or a date) or Google's details; else None."""
        asked = _seconds((self.headers or {}).get("retry-after", ""))
        if asked is not None:
            return min(MAX_RETRY_AFTER, asked)
        delays = (_DELAY.fullmatch(str(one.get("retryDelay"))) for one in self._details)
        return next((min(MAX_RETRY_AFTER, float(delay[1])) for delay in delays if delay), None)


SILENCE = ErrorResponse(0, usage=Usage())
"""No connection, or one that ended before the response did."""
UNREADABLE = ErrorResponse(200)
"""A response that is too long, or a success of another form."""


def _seconds(value: str) -> float | None:
    """Seconds of a header: a number, or the time until a date."""
    with suppress(ValueError, OverflowError):  # a year or an hour that no calendar has
        return max(0.0, email.utils.parsedate_to_datetime(value).timestamp() - time.time())
    with suppress(ValueError):
        return number if 0 <= (number := float(value)) < math.inf else None
    return None


def error_for(
    refusal: ErrorResponse, provider: Provider, host: str, model: str, tries: int
) -> errors.ProviderError:
    """The error for ``refusal``; ProviderDown where a retry may help."""
    name, status = provider.name, refusal.status
    if refusal.waited:
        seconds = round(refusal.waited)
        return errors.ProviderDown("provider.timeout", provider=name, seconds=seconds, tries=tries)
    if status == 0:
        return errors.ProviderDown("provider.unreachable", provider=name, host=host, tries=tries)
    if status == 200:
        return errors.RequestRejected("provider.garbled", provider=name)
    meaning = refusal.meaning
    if meaning in _KINDS:
        kind, text = _KINDS[meaning]
        return kind(text, provider=name, status=status, detail=f"HTTP {status}")
    detail = without_secrets(clean(refusal.message, 2_000), provider)[:200].rstrip() or "-"
    heard = f"HTTP {status}: {detail}"
    if status == 429 or meaning == "rate":
        wait = refusal.retry_after()
        wait = random.uniform(5, 10) if wait is None else wait  # noqa: S311
        return errors.RateLimited("provider.rate", provider=name, retry_after=wait, detail=heard)
    if status >= 500 or status in _TRANSIENT:
        return errors.ProviderDown("provider.failing", provider=name, tries=tries, detail=heard)
    wrong = status == 404 or meaning == "no_model"
    rejected = errors.EndpointWrong if wrong else errors.RequestRejected
    return rejected("provider.rejected", provider=name, model=model, status=status, detail=detail)
