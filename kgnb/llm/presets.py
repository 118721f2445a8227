"""What is known of providers: addresses, a suggested model, what endpoints accept, prices.

The facts are in ``presets.toml``, with their date and sources; nothing here is asked of an endpoint.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from datetime import UTC, date, datetime, time
from fnmatch import fnmatchcase
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from kgnb.core.addresses import origin
from kgnb.core.errors import SettingsError
from kgnb.core.model import Provider

STALE_DAYS = 183
"""Age at which the presets are called old: providers change names and prices about twice a year."""


class _Fact(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Peak(_Fact):
    """Hours, in UTC, at which every price is ``factor`` times as high; ``weekdays`` count from Monday = 0."""

    hours: tuple[tuple[time, time], ...]
    weekdays: tuple[int, ...] = (0, 1, 2, 3, 4, 5, 6)
    factor: float

    def covers(self, moment: datetime) -> bool:
        """Return whether ``moment`` (with a time zone) is in a peak hour."""
        at = moment.astimezone(UTC)
        return at.weekday() in self.weekdays and any(a <= at.time() < b for a, b in self.hours)


class Price(_Fact):
    """Prices of a million tokens outside of peak hours; ``cached``: of prompt tokens that were cached."""

    currency: Literal["CNY", "USD"]
    prompt: float
    reply: float
    cached: float | None = None
    as_of: date

    @property
    def amounts(self) -> tuple[float, ...]:
        """(prompt, reply) or (prompt, reply, cached prompt): prices of a million tokens."""
        return (self.prompt, self.reply) if self.cached is None else (self.prompt, self.reply, self.cached)


class Preset(_Fact):
    """What one provider's endpoints accept, and what they cost.

    A preset without a name knows nothing: an OpenAI-compatible endpoint of any kind.
    """

    name: str = ""
    title: str = ""
    aliases: tuple[str, ...] = ()
    """Other names that people give it."""
    hosts: tuple[str, ...] = ()
    """Host names, subdomains included; ``:PORT`` is any host on that port."""
    base_url: str = ""
    api: Literal["openai", "anthropic"] = "openai"
    """Whose interface the endpoint speaks."""
    model: str = ""
    """Suggested model; empty where it depends on what the user has installed."""
    needs_key: bool = True
    key_url: str = ""
    """Page where a key is made."""
    fetch: str = ""
    """Command that fetches a model, before its name."""
    thinking_off: Mapping[str, Any] = {}
    """Fields of the body that switch reasoning off; empty: no switch is known."""
    thinking_on: Mapping[str, Any] = {}
    cache_key: Mapping[str, Any] = {}
    """Fields of the body without which no prompt is read from the provider's cache."""
    limit_field: Literal["max_tokens", "max_completion_tokens"] = "max_tokens"
    """The body's field for the output limit."""
    always_thinks: bool = False
    """Whether it reasons whatever is sent, so that the output limit needs room for that."""
    temperature: bool = True
    """Whether the endpoint takes a temperature."""
    structured: Literal["strict", "json", "text"] = "strict"
    """The richest form of ``response_format`` that it takes: JSON schema, any JSON object, none."""
    prices: Mapping[str, Price] = {}
    """By a pattern of the model's name."""
    peak: Peak | None = None
    note_zh: str = ""
    note_en: str = ""
    sources: tuple[str, ...] = ()
    """Pages that the facts are from."""
    models: tuple[Mapping[str, Any], ...] = ()
    """Fields that differ for some models, each with ``match``, a pattern of their names."""

    def for_model(self, model: str) -> Preset:
        """Return the preset with the fields that differ for ``model``; the same preset where none differ."""
        fitting = [one for one in self.models if fnmatchcase(model.lower(), one["match"])]
        fields = {name: value for one in fitting for name, value in one.items() if name != "match"}
        return Preset.model_validate({**self.model_dump(), **fields}) if fields else self

    def price(self, model: str) -> Price | None:
        """Return the price of ``model``, by the first pattern that fits its name; None if no pattern does."""
        return next((p for name, p in self.prices.items() if fnmatchcase(model.lower(), name)), None)


UNKNOWN = Preset()
"""For an endpoint that no preset describes: its form is learnt from its refusals."""


@cache
def presets() -> Mapping[str, Preset]:
    """Return name → preset, in the file's order."""
    return {name: Preset(name=name, **fields) for name, fields in _file()["provider"].items()}


def presets_date() -> date:
    """Return the day when the presets were last compared with the providers' pages."""
    found: date = _file()["date"]
    return found


def preset_for(provider: Provider, model: str = "") -> Preset:
    """Return the preset of the provider's host, else of its name, adapted to ``model``; :data:`UNKNOWN` for
    none.

    The name ``openai`` with another address gives UNKNOWN: it is the default name of any endpoint.
    """
    host, _, port = origin(provider.base_url).partition("://")[2].rpartition(":")
    labels = host.split(".")
    names = {f":{port}", *(".".join(labels[at:]) for at in range(len(labels)))}
    named = UNKNOWN if provider.base_url and provider.lower_name == "openai" else preset_named(provider.name)
    found = next((preset for preset in presets().values() if names & {*preset.hosts}), named)
    return found.for_model(model)


def preset_named(name: str) -> Preset:
    """Return the preset of this name or alias, in any letter case; :data:`UNKNOWN` for none."""
    key = name.strip().lower()
    return next((p for p in presets().values() if key == p.name or key in p.aliases), UNKNOWN)


@cache
def _file() -> Mapping[str, Any]:
    """Return the tables of presets.toml; cached."""
    return tomllib.loads(Path(__file__).with_name("presets.toml").read_text("utf-8"))


def checked_interface(provider: Provider) -> None:
    """Raise SettingsError when the provider's SDK isn't installed."""
    if preset_for(provider).api == "anthropic" and find_spec("anthropic") is None:
        raise SettingsError("provider.no_sdk", provider=provider.name)
