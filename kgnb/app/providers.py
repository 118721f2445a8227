"""LLM providers: list, add, probe, switch off, pause. The table's meaning is the main program's."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import SecretStr

from kgnb.app.context import App
from kgnb.core.addresses import redacted_url
from kgnb.core.endpoint import checked_keys
from kgnb.core.errors import InputError, SettingsError
from kgnb.core.messages import say
from kgnb.core.model import RULES, Provider
from kgnb.core.provider_options import SECRET_OPTIONS, ProviderOptions, checked_options
from kgnb.llm.presets import preset_named
from kgnb.stores.queue.breaker import PAUSE_SECONDS, ProviderState
from kgnb.stores.queue.types import QueueName
from kgnb.worker.api_keys import ApiKeys
from kgnb.worker.provider_sources import check_name, check_url, environment_provider, lacks_key

MAX_COLUMN, MAX_DISPLAY_NAME = 255, 100
"""Widths, in characters, of the table's columns for keys and addresses, and for the display name."""


@dataclass(frozen=True, slots=True)
class AddedProvider:
    """What :func:`add_provider` did. ``key_in``: where the key is, "table" or "file"; "given" when it was not
    saved, "kept" when an earlier one stays or none is needed, "" when it is missing."""

    name: str
    url: str
    models: tuple[str, ...]
    new: bool
    key_in: str


async def list_providers(app: App) -> list[dict[str, Any]]:
    """Return the table's providers, the environment's, and the rules, JSON-ready. Raises ServiceDown.

    ``key`` only says whether there is one; ``source`` is "table", "environment" or "rules".
    """
    rows = await app.ledger.providers.list_rows()
    listed = [(app.providers.with_key(row.provider), "table", row.display_name, row.active) for row in rows]
    own = environment_provider(app.settings)
    if own is not None and own.lower_name not in {provider.lower_name for provider, *_ in listed}:
        listed.append((own, "environment", "", True))
    listed.append((app.providers.get(RULES), "rules", "", True))
    states = await app.provider_states([provider.name for provider, *_ in listed])
    return [_view(app, states[one[0].name], *one) for one in listed]


def _view(
    app: App, state: ProviderState, provider: Provider, source: str, display_name: str, active: bool
) -> dict[str, Any]:
    """Return a provider's row as JSON values, without its key."""
    provider, wrong = app.providers.with_options(provider)
    return {
        "name": provider.name,
        "display_name": display_name or provider.name,
        "url": redacted_url(provider.base_url),
        "models": list(provider.models),
        "active": active,
        "key": bool(provider.api_key.get_secret_value()),
        "source": source,
        "problem": str(wrong) if wrong and active else "",
        "paused_until": state.until or None,
        "reason": state.reason,
        "options": _shown_options(provider.options),
    }


def _shown_options(options: ProviderOptions) -> dict[str, Any]:
    """Return the options that are set (no None, "", [] or {}); a secret one's value is "***"."""
    told = {name: value for name, value in options.revealed().items() if value not in (None, "", [], {})}
    return {name: "***" if name in SECRET_OPTIONS else value for name, value in told.items()}


async def add_provider(
    app: App,
    name: str,
    *,
    url: str | None = None,
    models: Sequence[str] = (),
    display_name: str | None = None,
    key: SecretStr | None = None,
    save_key: bool = False,
) -> AddedProvider:
    """Insert the provider or change the given values, and activate it; return its row's values, whether it is
    new, and where its key is.

    Values not given for a new provider come from its preset: address, model and display name. With the
    embedded database the key is only saved, in the user's key file, with ``save_key``; else it goes into the
    table, as the main program expects. Raises SettingsError for unusable values, ServiceDown.
    """
    known = await _checked(app, name, url, models, display_name, key)
    preset = preset_named(name)
    if known is None and preset.base_url and url is None:
        url, display_name = preset.base_url, display_name or preset.title
        models = models or [preset.model] * bool(preset.model)
    embedded = app.settings.embedded_sql
    values: dict[str, Any] = {"models": list(models)} if models else {}
    if url is not None:
        values["base_url"] = url.strip().rstrip("/")
    if display_name is not None:
        values["display_name"] = display_name
    if key is not None and not embedded:
        values["api_key"] = key.get_secret_value().strip()
    # The key first, so that an interruption leaves no row without its key.
    if key is not None and embedded and save_key:
        address = values.get("base_url") or (known.base_url if known else "") or preset.base_url
        keys = ApiKeys(app.settings.keys_path)
        await asyncio.to_thread(keys.save, name, key, address, outside=app.settings.data)
    if models:
        await app.ledger.task_commands.change_model(name, models)
    row, new = await app.ledger.providers.save(name, values)
    await app.providers.refresh()
    used = app.providers.find(row.provider.lower_name) or row.provider
    key_in = "" if lacks_key(used) else "kept"
    if key is not None:
        key_in = "table" if not embedded else "file" if save_key else "given"
    return AddedProvider(
        row.provider.name, redacted_url(row.provider.base_url), row.provider.models, new, key_in
    )


async def _checked(
    app: App,
    name: str,
    url: str | None,
    models: Sequence[str],
    display_name: str | None,
    key: SecretStr | None,
) -> Provider | None:
    """Return the provider that the table has already; raises SettingsError for values it can't hold."""
    check_name(name)
    rows = [
        r.provider for r in await app.ledger.providers.list_rows() if r.provider.lower_name == name.lower()
    ]
    if url is None and not rows and not preset_named(name).base_url:
        raise SettingsError("provider.url_needed", provider=name)
    if url is not None:
        check_url(Provider(name, base_url=url.strip() or "-"))
    if key is not None:
        checked_keys(Provider(name, api_key=key))
    texts = {"--url": url, "--display-name": display_name, "API key": key and key.get_secret_value()}
    for what, text in texts.items():
        most = MAX_DISPLAY_NAME if what == "--display-name" else MAX_COLUMN
        if text is not None and len(text) > most:
            raise SettingsError("provider.too_long_for_table", what=what, most=most)
    if any(not m.strip() for m in models):
        raise SettingsError("provider.no_model", provider=name)
    return rows[0] if rows else None


async def set_options(app: App, name: str, changes: Mapping[str, Any]) -> dict[str, Any]:
    """Change the provider's stored options for every node; return all that are set, secrets masked.

    ``changes``: option, or field of ``extra_body`` (``extra_body.service_tier``) → value; None removes it.
    Raises SettingsError for a secret or an unknown option, InputError for an unknown provider, ServiceDown.
    """
    provider = await _stored_name(app, name)
    told = (await app.ledger.providers.active_with_options())[1].get(provider.lower(), ProviderOptions())
    values = told.revealed()
    for path, value in changes.items():
        option, _, field = path.partition(".")
        if option in SECRET_OPTIONS:
            raise SettingsError("provider.secret_option", option=option, provider=provider)
        within = values.setdefault(option, {}) if field else values
        if not isinstance(within, dict):
            raise SettingsError("provider.bad_option", reason=path, known="extra_body")
        within.pop(field or option, None) if value is None else within.update({field or option: value})
    try:
        options = checked_options({k: v for k, v in values.items() if v != {}})
    except ValueError as error:
        known = ", ".join(sorted(ProviderOptions.model_fields.keys() - SECRET_OPTIONS))
        raise SettingsError("provider.bad_option", reason=error, known=known) from None
    await app.ledger.providers.save_options(provider, options)
    await app.providers.refresh()
    return _shown_options(options)


async def remove_provider(app: App, name: str, *, delete: bool) -> None:
    """Switch the provider off, or ``delete`` its row and its saved key.

    Raises InputError when the table has no such row, ServiceDown.
    """
    if not await app.ledger.providers.remove(name.strip(), delete=delete):
        raise InputError("provider.not_in_table", provider=name)
    if delete:
        await asyncio.to_thread(ApiKeys(app.settings.keys_path).forget, name.strip())


@dataclass(frozen=True, slots=True)
class ProviderPause:
    """A provider's pause: ``until`` in epoch seconds (0: not paused), ``seconds`` left."""

    provider: str
    until: float = 0.0
    seconds: float = 0.0


async def pause_provider(app: App, name: str, seconds: float | None = None) -> ProviderPause:
    """Pause a provider on every node for ``seconds`` (None: ten minutes), replacing any pause; return the
    pause.

    Nodes notice within 2 s and hand its chapters back without counting a failure. Raises InputError for an
    unknown provider.
    """
    provider = await _stored_name(app, name)
    lasting = PAUSE_SECONDS if seconds is None else seconds
    until = await app.breaker.pause(provider, lasting, say("operate.paused_by_hand"), by_hand=True)
    return ProviderPause(provider, until, lasting)


async def resume_provider(app: App, name: str) -> ProviderPause:
    """Lift any pause of a provider and forget its failures and rate limit; return the lifted pause, one of 0
    s if there was none.

    Chapters that were delayed because of them are due at once. Raises InputError for an unknown provider.
    """
    provider = await _stored_name(app, name)
    if not app.has_queue:
        return ProviderPause(provider)
    state = await app.breaker.state(provider)
    await app.breaker.resume(provider)
    for prefix in app.settings.prefixes:
        await app.queue.hasten(QueueName(prefix + provider.lower()))
    return ProviderPause(provider, state.until, max(0.0, state.until - time.time()) if state.until else 0.0)


async def _stored_name(app: App, name: str) -> str:
    """Return the provider's name in its stored case; raises InputError for an unknown one.

    A provider that only other machines' settings know is found by the tasks that ran with it.
    """
    key = name.strip().lower()
    provider = app.providers.find(key)
    if provider is not None:
        return provider.name
    past = await app.ledger.tasks.provider_name(key) if key else None
    if past is None:
        known = ", ".join(sorted(p.name for p in app.providers.all()))
        raise InputError("operate.no_provider", provider=name, known=known)
    return past
