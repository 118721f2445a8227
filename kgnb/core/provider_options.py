"""What a provider can be told beside its address, key and models.

Options come from ``KGNB_PROVIDER_OPTIONS``, from the table ``kgnb_provider_options``, or from Python. What
isn't given is decided by the provider's preset, else by a default.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError, field_validator

from kgnb.core.foreign_json import parse_json
from kgnb.core.messages import say

Thinking = Literal["off", "on", "leave"]
Structured = Literal["auto", "strict", "json", "text"]

RESERVED_BODY = frozenset(("messages", "model", "n", "stream", "system"))
"""Fields of a request's body that are kgnb's own: with others' values no reply could be read."""

SECRET_OPTIONS = frozenset(("api_keys", "base_url", "default_query", "extra_headers"))
"""Options that are or go with secrets: never in a database."""

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
    """More keys of the same provider, used in turn; :func:`kgnb.core.endpoint.checked_keys` checks them."""
    base_url: str = ""
    """The address that headers, query and keys here are for; needed where a database names another one than
    the environment or the preset."""

    @field_validator("extra_body")
    @classmethod
    def _own_fields(cls, body: dict[str, Any]) -> dict[str, Any]:
        """Return the body's fields. Raises ValueError for those that kgnb sets itself."""
        if taken := sorted(RESERVED_BODY & body.keys()):
            raise ValueError(say("rule.own_field", fields=", ".join(taken)))
        return body

    @field_validator("organization", "project")
    @classmethod
    def _header_value(cls, text: str | None) -> str | None:
        """Return the text. Raises ValueError for one that no header can hold."""
        if text and not (text.isascii() and text.isprintable()):
            raise ValueError(say("rule.ascii"))
        return text

    @field_validator("extra_headers")
    @classmethod
    def _headers(cls, headers: dict[str, SecretStr]) -> dict[str, SecretStr]:
        """Return the headers. Raises ValueError for an invalid name or value."""
        for name, value in headers.items():
            text = value.get_secret_value()
            if not _HEADER_NAME.fullmatch(name) or not text.isascii() or not text.isprintable():
                raise ValueError(say("rule.headers"))
        return headers

    def merged(self, over: ProviderOptions) -> ProviderOptions:
        """Return these options, overridden by those that are set in ``over``."""
        return self.model_copy(update={name: getattr(over, name) for name in over.model_fields_set})

    @property
    def secrets(self) -> tuple[SecretStr, ...]:
        """All values of headers and query parameters, and the API keys."""
        return (*self.extra_headers.values(), *self.default_query.values(), *self.api_keys)

    def revealed(self) -> dict[str, Any]:
        """Return name → JSON value of the options that are set, secrets in the clear."""
        told = {name: getattr(self, name) for name in sorted(self.model_fields_set)}
        plain: dict[str, Any] = json.loads(json.dumps(told, default=SecretStr.get_secret_value))
        return plain


_RULES = {
    **dict.fromkeys(("int_parsing", "int_type", "int_from_float", "int_parsing_size"), "rule.whole"),
    **dict.fromkeys(("float_parsing", "float_type", "finite_number"), "rule.number"),
    **dict.fromkeys(("bool_parsing", "bool_type"), "rule.truth"),
    "greater_than": "rule.above",
    "greater_than_equal": "rule.least",
    "less_than_equal": "rule.most",
    "literal_error": "rule.choice",
    "extra_forbidden": "rule.unknown",
    "dict_type": "rule.mapping",
    "string_type": "rule.text",
    **dict.fromkeys(("tuple_type", "too_short", "too_long"), "rule.several"),
}
"""What a value must be, by pydantic's type of the error."""


def first_error(error: ValidationError) -> tuple[str, str]:
    """Return (first invalid field, what it must be) of a validation error, without the field's value."""
    first = error.errors(include_input=False, include_url=False)[0]
    key, facts = _RULES.get(first["type"]), dict(first.get("ctx", {}))
    if "expected" in facts:
        facts["expected"] = facts["expected"].replace(" or ", say("cli.or"))  # pydantic's own word
    reason = say(key, **facts) if key else facts.get("error", first["msg"])
    return str(first["loc"][0]), str(reason)


def checked_options(given: Any) -> ProviderOptions:
    """Return the options in a mapping.

    Raises ValueError that names the first invalid option and says why, without its value.
    """
    if not isinstance(given, Mapping):
        raise ValueError(say("rule.options"))
    try:
        return ProviderOptions.model_validate(given)
    except ValidationError as error:
        raise ValueError(": ".join(first_error(error))) from None


def parse_options(text: str) -> dict[str, ProviderOptions]:
    """Parse ``{"deepseek": {"thinking": "on"}}``: lower-case provider name → options.

    Raises ValueError that says what is wrong, without any value.
    """
    found = parse_json(text or "{}")
    if not isinstance(found, dict) or not all(isinstance(given, dict) for given in found.values()):
        raise ValueError(say("rule.options_json"))
    options = {}
    for name, given in found.items():
        try:
            options[name.strip().lower()] = checked_options(given)
        except ValueError as error:
            raise ValueError(f"{name}: {error}") from None
    return options
