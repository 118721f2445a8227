"""What a provider can be told beside its address, key and models.

Options come from ``KGNB_PROVIDER_OPTIONS``, from the table ``kgnb_provider_options``, or from Python. What
isn't given is decided by the provider's preset, else by a default.
"""

from __future__ import annotations

import re
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator

Thinking = Literal["off", "on", "leave"]
Structured = Literal["auto", "strict", "json", "text"]

RESERVED_BODY = frozenset(("messages", "model", "n", "stream", "system"))
"""Fields of a request's body that are kgnb's own: with others' values no reply could be read."""

_HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")  # a token of RFC 9110


class ProviderOptions(BaseModel):
    """Options of one provider. ``repr`` shows no header, query or key: each may be a secret."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    extra_body: dict[str, Any] = {}
    """Fields added to each request's body; they win over kgnb's own and the preset's."""
    extra_headers: dict[str, SecretStr] = Field(default={}, repr=False)
    """HTTP headers of each request."""
    default_query: dict[str, SecretStr] = Field(default={}, repr=False)
    """Query parameters of each request's URL (Azure: ``api-version``)."""
    organization: str | None = None
    """OpenAI's organization id."""
    project: str | None = None
    """OpenAI's project id."""
    timeout: float | None = Field(default=None, gt=0, le=86_400)
    """Seconds of one request; None: KGNB_LLM_TIMEOUT."""
    tries: int | None = Field(default=None, ge=1, le=100)
    """Attempts of one call; None: KGNB_LLM_TRIES."""
    max_output_tokens: int | None = Field(default=None, ge=16, le=10_000_000)
    """Tokens of one reply at most; None: the preset's, else by the chunk's size."""
    temperature: float | None = Field(default=None, ge=0, le=2)
    """None: 0 where the preset says that it is sent."""
    thinking: Thinking | None = None
    """Reasoning before the reply: "leave" sends nothing about it; None is off, where a switch is known."""
    structured: Structured = "auto"
    """How replies are held to their schema: "auto" is the preset's richest form that the model accepts."""
    max_in_flight: int | None = Field(default=None, ge=1, le=5_000)
    """Requests in flight at once on one node; None: as many as slots."""
    api_keys: tuple[SecretStr, ...] = Field(default=(), repr=False)
    """More keys of the same provider, used in turn."""

    @field_validator("extra_body")
    @classmethod
    def _own_fields(cls, body: dict[str, Any]) -> dict[str, Any]:
        if taken := sorted(RESERVED_BODY & body.keys()):
            raise ValueError(f"must not set {', '.join(taken)}")
        return body

    @field_validator("extra_headers")
    @classmethod
    def _headers(cls, headers: dict[str, SecretStr]) -> dict[str, SecretStr]:
        for name, value in headers.items():
            text = value.get_secret_value()
            if not _HEADER_NAME.fullmatch(name) or not text.isascii() or not text.isprintable():
                raise ValueError("must be names and values of printable ASCII characters")
        return headers

    @field_validator("api_keys")
    @classmethod
    def _keys(cls, keys: tuple[SecretStr, ...]) -> tuple[SecretStr, ...]:
        for key in keys:
            text = key.get_secret_value()
            if not text or " " in text or not text.isascii() or not text.isprintable():
                raise ValueError("must be keys of printable ASCII characters without spaces")
        return keys
