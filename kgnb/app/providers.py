"""`kgnb providers`: list, add, test, switch off. The table is main's, and so is what it means."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from typing import Any

from pydantic import SecretStr

from kgnb.app.context import App
from kgnb.core.api_keys import ApiKeys
from kgnb.core.errors import InputError, ProviderError, ReplyError, ServiceDown, SettingsError
from kgnb.core.model import RULES, Provider
from kgnb.extract.prompt import Prompt
from kgnb.llm.client import DEFAULT_URLS, checked_key, checked_url, shown
from kgnb.stores.queue.breaker import CircuitBreaker, ProviderState
from kgnb.stores.queue.connection import mapped
from kgnb.worker.budget import Budget, BudgetKeeper
from kgnb.worker.provider_registry import check_name, environment_provider, problem

MAX_COLUMN, MAX_DISPLAY_NAME = 255, 100
"""Characters that main's columns for keys and addresses take, and its column for the name that is shown."""
_QUESTION = Prompt("Answer with a JSON object.", 'Answer {"ok": true}', "", {"type": "object"})


@dataclass(frozen=True, slots=True)
class ProviderView:
    """A provider as `providers list` shows it; never a character of its key."""

    name: str
    display_name: str
    url: str
    models: list[str]
    active: bool
    key: bool
    source: str  # "table", "environment", "rules"
    problem: str
    paused_until: float | None
    reason: str

    def as_dict(self) -> dict[str, Any]:
        """For ``--json``."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class AddedProvider:
    """What `providers add` did. ``key_in``: "table", "file", "kept" (there was one), "" (there is none)
    or "given" (it was given, but is not saved)."""

    name: str
    url: str
    models: tuple[str, ...]
    new: bool
    key_in: str


@dataclass(frozen=True, slots=True)
class ProviderTest:
    """What one real request told: ``error`` is empty when it works."""

    name: str
    model: str
    seconds: float
    models: list[str]
    error: str
    reached: bool


async def listed(app: App) -> list[ProviderView]:
    """Every provider: the table's rows, the environment's, the rules. Raises ServiceDown."""
    rows = await app.ledger.provider_rows()
    own = environment_provider(app.settings)
    in_table = {row.provider.key for row in rows}
    names = [p.name for p in app.providers.all() if not p.is_rules]
    with mapped(app.queue.where):
        states = await CircuitBreaker(app.queue.redis).states([*names, *(r.provider.name for r in rows)])
    found = [
        _shown(
            app.providers.with_key(row.provider),
            states,
            source="table",
            display_name=row.display_name,
            active=row.active,
        )
        for row in rows
    ]
    if own is not None and own.key not in in_table:
        found.append(_shown(own, states, source="environment"))
    rules = app.providers.get(RULES)
    return [*found, _shown(rules, states, source="rules")]


def _shown(
    provider: Provider,
    states: dict[str, ProviderState],
    *,
    source: str,
    display_name: str = "",
    active: bool = True,
) -> ProviderView:
    state = states.get(provider.name, ProviderState())
    wrong = problem(provider) if active else None
    return ProviderView(
        name=provider.name,
        display_name=display_name or provider.name,
        url=shown(provider.base_url or DEFAULT_URLS.get(provider.key, "")),
        models=list(provider.models),
        active=active,
        key=bool(provider.api_key.get_secret_value()),
        source=source,
        problem=str(wrong) if wrong else "",
        paused_until=state.until or None,
        reason=state.reason,
    )


async def add(
    app: App,
    name: str,
    *,
    url: str | None = None,
    models: Sequence[str] = (),
    display_name: str | None = None,
    key: SecretStr | None = None,
    save_key: bool = False,
) -> AddedProvider:
    """Inserts the provider, or changes what is given of it; it is active from then on.

    With the embedded database the key goes nowhere, or with ``save_key`` into the user's key file; else into
    the table, as main expects. Raises SettingsError for values that can't be used, ServiceDown.
    """
    known = await _checked(app, name, url, models, display_name, key)
    embedded = app.settings.embedded_sql
    values: dict[str, Any] = {"models": list(models)} if models else {}
    if url is not None:
        values["base_url"] = url.strip().rstrip("/")
    if display_name is not None:
        values["display_name"] = display_name
    if key is not None and not embedded:
        values["api_key"] = key.get_secret_value().strip()
    if key is not None and embedded and save_key:  # first, so that no row is left without its key
        address = values.get("base_url") or (known.base_url if known else "") or DEFAULT_URLS[name.lower()]
        keys = ApiKeys(app.settings.keys_path)
        await asyncio.to_thread(keys.save, name, key, address, outside=app.settings.data)
    row, new = await app.ledger.save_provider(name, values)
    await app.providers.refresh()
    used = app.providers.find(row.provider.key) or row.provider
    key_in = "kept" if used.api_key.get_secret_value() else ""
    if key is not None:
        key_in = "table" if not embedded else "file" if save_key else "given"
    return AddedProvider(row.provider.name, shown(row.provider.base_url), row.provider.models, new, key_in)


async def _checked(
    app: App,
    name: str,
    url: str | None,
    models: Sequence[str],
    display_name: str | None,
    key: SecretStr | None,
) -> Provider | None:
    """The provider that the table has already; raises SettingsError for what it can't take."""
    check_name(name)
    rows = [r.provider for r in await app.ledger.provider_rows() if r.provider.key == name.lower()]
    if url is None and not rows and name.lower() not in DEFAULT_URLS:
        raise SettingsError("provider.url_needed", provider=name)
    if url is not None:
        checked_url(Provider(name, base_url=url.strip() or "-"))
    if key is not None:
        checked_key(Provider(name, api_key=key))
    texts = {"--url": url, "--display-name": display_name, "API key": key and key.get_secret_value()}
    for what, text in texts.items():
        most = MAX_DISPLAY_NAME if what == "--display-name" else MAX_COLUMN
        if text is not None and len(text) > most:
            raise SettingsError("provider.too_long_for_table", what=what, most=most)
    if any(not m.strip() for m in models):
        raise SettingsError("provider.no_model", provider=name)
    return rows[0] if rows else None


async def remove(app: App, name: str, *, delete: bool) -> None:
    """Switches the provider off, or deletes its row and its saved key.

    Raises InputError when the table has no such row, ServiceDown.
    """
    change = app.ledger.delete_provider if delete else app.ledger.switch_off_provider
    if not await change(name.strip()):
        raise InputError("provider.not_in_table", provider=name)
    if delete:
        await asyncio.to_thread(ApiKeys(app.settings.keys_path).forget, name.strip())


async def test(app: App, name: str) -> ProviderTest:
    """Asks the provider's first model for a word, whatever its limits and pauses are; counts what it costs.

    Raises SettingsError for a provider that isn't known or can't be asked, ServiceDown.
    """
    provider = app.providers.requested(name)
    model = await app.router.model_for(provider)
    client = app.providers.client(provider)
    purse = BudgetKeeper(app.ledger, Budget())
    error, reached, started = "", True, time.monotonic()
    try:
        await client.ask(_QUESTION, model, spent=lambda usage: purse.spent(provider, model, usage))
    except ReplyError:
        pass  # cut off or declined: it answers all the same
    except ProviderError as failed:
        error = str(failed)
        with suppress(ProviderError):
            reached = False
            await client.reachable()
            reached = True
    seconds = time.monotonic() - started
    with suppress(ServiceDown):
        await purse.flush()
    return ProviderTest(
        name=provider.name,
        model=model,
        seconds=seconds,
        models=await client.models() if reached else [],
        error=error,
        reached=reached,
    )


__all__ = ["AddedProvider", "ProviderTest", "ProviderView", "add", "listed", "remove", "test"]
