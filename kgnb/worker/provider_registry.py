"""The known providers: the rules, the environment's, and the active rows of ``ai_providers``."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Literal

from kgnb.core.addresses import origin
from kgnb.core.errors import SettingsError
from kgnb.core.messages import say
from kgnb.core.model import RULES, Provider
from kgnb.core.provider_options import ProviderOptions
from kgnb.core.safe_text import one_line
from kgnb.core.settings import QUEUE_PREFIXES, Settings
from kgnb.stores.ledger.ledger import Ledger
from kgnb.stores.queue.types import QueueName
from kgnb.worker.api_keys import ApiKeys, SavedKey
from kgnb.worker.provider_sources import (
    check_not_shadowed,
    completed,
    environment_provider,
    unknown_provider,
    why_unusable,
    with_options,
)

if TYPE_CHECKING:  # with clients, of which reading a book needs none
    from kgnb.llm.client import LlmClient
    from kgnb.stores.queue.inspect import QueueInspector

log = logging.getLogger(__name__)


class ProviderRegistry:
    """The known providers, and one client for each.

    A row of the table wins over the environment's provider of the same name, unless it is a data folder's
    with another address. A row without a key gets the key saved for its name and address, or the
    environment's. A provider that can't be used stays known but isn't served: its queue is left to other
    nodes.
    """

    def __init__(self, ledger: Ledger, settings: Settings) -> None:
        self._ledger = ledger
        self._settings = settings
        self._keys = ApiKeys(settings.keys_path)
        self._known: dict[str, Provider] = {}
        self._problems: dict[str, SettingsError] = {}
        self._options: dict[str, ProviderOptions] = {}
        self._in_table: set[str] = set()
        self._troubles: dict[str, str] = {}
        self._logged: dict[str, str] = {}
        self._saved_keys: Mapping[str, SavedKey] = {}
        self._only_name = ""
        self._clients: dict[str, tuple[Provider, LlmClient]] = {}
        self._retired: list[LlmClient] = []

    async def refresh(self) -> None:
        """Read the table and the saved keys again. Raises ServiceDown."""
        rows, self._options = await self._ledger.providers.active_with_options()
        troubles: dict[str, str] = {}
        try:
            self._saved_keys = await asyncio.to_thread(self._keys.read)
        except SettingsError as error:
            self._saved_keys, troubles[""] = {}, str(error)
        own = environment_provider(self._settings)
        self._in_table = {row.lower_name for row in rows}
        filled = [self.with_key(row) for row in rows if row.lower_name != RULES]
        self._known = _by_name([*filled, *filter(None, [own])])
        self._problems = {}
        for key, provider in self._known.items():
            self._known[key], problem = self.with_options(provider)
            if problem is not None:
                self._problems[key] = problem
        for key, times in Counter(p.lower_name for p in filled).items():
            if times > 1:
                troubles[key] = say("provider.twice", provider=one_line(key))
        for key, problem in self._problems.items():
            troubles[key] = say("provider.left_alone", provider=one_line(key), reason=str(problem))
        for key in self._settings.providers:
            if key not in self._known:  # a typo would leave the node idle in silence
                known = ", ".join(sorted(self._known))
                troubles[key] = say("provider.nobody", provider=key, known=known)
        self._troubles = troubles
        await self._retire_clients()

    async def refresh_and_log(self) -> None:
        """:meth:`refresh`, and log each problem once, and again when it comes back."""
        await self.refresh()
        now = {} if self._only_name else self._troubles
        for key, text in now.items():
            if self._logged.get(key) != text:
                log.warning("%s", text)
        self._logged = now

    def with_key(self, provider: Provider) -> Provider:
        """Return ``provider`` with its preset's address, and with the saved or the environment's key if it
        has none.

        A key is used only at the address that it was given for.
        """
        provider = completed(provider)
        if provider.api_key.get_secret_value():
            return provider
        at = origin(provider.base_url)
        kept = self._saved_keys.get(provider.lower_name)
        if kept is not None and kept.origin == at:
            return replace(provider, api_key=kept.key)
        own = environment_provider(self._settings)
        if own is not None and own.lower_name == provider.lower_name and origin(own.base_url) == at:
            return replace(provider, api_key=own.api_key)
        return provider

    def with_options(
        self, provider: Provider, *, typed: bool = False
    ) -> tuple[Provider, SettingsError | None]:
        """Return (``provider`` with its options, error that makes it unusable or None).

        ``typed``: the user has just typed its address, so that it may use a name whose key was given for
        another address.
        """
        kept = self._saved_keys.get(provider.lower_name)
        try:
            if not typed:
                check_not_shadowed(provider, self._settings, kept.origin if kept else "")
            stored = self._options.get(provider.lower_name, ProviderOptions())
            provider = with_options(provider, stored, self._settings)
        except SettingsError as error:
            return provider, error
        return provider, why_unusable(provider)

    async def _retire_clients(self) -> None:
        """Retire the clients of providers that are gone or changed; close those that are idle."""
        for key, (provider, client) in list(self._clients.items()):
            if self._known.get(key) != provider:
                self._retired.append(client)
                del self._clients[key]
        idle = [client for client in self._retired if not client.busy]
        self._retired = [client for client in self._retired if client.busy]
        for client in idle:
            await client.close()

    def get(self, name: str) -> Provider:
        """Return the provider called ``name``, in any letter case.

        Raises SettingsError for an unknown name: with the settings that its preset needs, or with the known
        names.
        """
        provider = self._known.get(name.strip().lower())
        if provider is None:
            raise unknown_provider(name, self._settings, self._known)
        return provider

    def requested(self, name: str | None) -> Provider:
        """Return the provider called ``name``; without a name the environment's provider, else the rules.

        A warning is logged where KGNB_PROVIDER_NAME names another provider that can't be used. Raises
        SettingsError for an unknown or unusable provider.
        """
        own, named = environment_provider(self._settings), self._named
        if not name and (error := self.passed_over()):
            log.warning("%s", say("provider.passed_over", reason=str(error)))
        provider = self.get(name or (own.name if own else named if named in self._known else RULES))
        if problem := self.problem(provider):
            raise SettingsError(problem.key, **problem.facts)
        return provider

    @property
    def _named(self) -> str:
        """Lower-case name in KGNB_PROVIDER_NAME; "" where it isn't set."""
        is_set = "provider_name" in self._settings.model_fields_set
        return self._settings.provider_name.strip().lower() if is_set else ""

    def passed_over(self) -> SettingsError | None:
        """Return the error why the provider that KGNB_PROVIDER_NAME names isn't known; None where it is, or
        no name is set.
        """
        if environment_provider(self._settings) or self._named in ("", *self._known):
            return None
        return unknown_provider(self._settings.provider_name, self._settings, self._known)

    def source(self, provider: Provider) -> Literal["rules", "table", "environment"]:
        """Return where the provider is configured: "rules" for the rules, "table" if it has a row, else
        "environment".
        """
        if provider.is_rules:
            return "rules"
        return "table" if provider.lower_name in self._in_table else "environment"

    def problem(self, provider: Provider) -> SettingsError | None:
        """Return the error that makes the provider unusable; None for a usable provider."""
        return self._problems.get(provider.lower_name)

    def find(self, key: str) -> Provider | None:
        """Return the provider of this lower-case name; None for an unknown name."""
        return self._known.get(key)

    def all(self) -> list[Provider]:
        """Return all known providers, with the rules and with unusable providers."""
        return list(self._known.values())

    async def is_gone(self, key: str) -> bool:
        """Return whether the provider of this lower-case name was in the table and is switched off or
        deleted, so that no node serves its queues.

        False for a name that was never in the table: another node may have it from its environment.
        """
        return key not in self._known and not (await self._ledger.providers.seen()).get(key, True)

    def first_queue(self, key: str) -> QueueName:
        """Return the queue for new tasks of a provider: its lower-case name ``key`` under the first
        prefix.
        """
        return QueueName(self._settings.prefixes[0] + key)

    async def all_queues(self, queue: QueueInspector) -> list[QueueName]:
        """Return every queue that may hold work, sorted: of each provider that was ever known, under every
        prefix, and those that any node polled.
        """
        keys, prefixes = {*self._known, *await self._ledger.providers.seen()}, self._settings.prefixes
        names = {QueueName(prefix + key) for key in keys for prefix in (*QUEUE_PREFIXES, *prefixes)}
        return sorted(names | set(await queue.polled_queues()))

    def serve_only(self, provider: Provider) -> None:
        """Serve only this provider from now on (`build`)."""
        self._only_name = provider.lower_name
        if not provider.is_rules:
            from kgnb.llm.client import preload

            preload(provider)

    def served(self) -> list[Provider]:
        """Return the usable providers that this node serves: those in KG_WORKER_PROVIDERS, or all."""
        wanted = (self._only_name,) if self._only_name else self._settings.providers
        return [
            p for key, p in self._known.items() if key not in self._problems and (not wanted or key in wanted)
        ]

    def client(self, provider: Provider) -> LlmClient:
        """Return the provider's client: the same object until the provider changes, then a new one. Raises
        SettingsError.
        """
        held = self._clients.get(provider.lower_name)
        if held is not None and held[0] == provider:
            return held[1]
        from kgnb.llm.client import LlmClient  # whoever only reads a book asks no model

        made = LlmClient(
            provider,
            timeout=self._settings.llm_timeout,
            tries=self._settings.llm_tries,
            connections=self._settings.slots_for(provider.lower_name),
        )
        if held is not None:
            self._retired.append(held[1])  # requests in flight still use it
        self._clients[provider.lower_name] = (provider, made)
        return made

    def ages(self, provider: Provider) -> list[float]:
        """Return the seconds since each request in flight to the provider was sent from here, the
        oldest first.
        """
        held = self._clients.get(provider.lower_name)
        return held[1].ages if held is not None else []

    async def close(self) -> None:
        """Close every client."""
        clients = [client for _, client in self._clients.values()] + self._retired
        self._clients, self._retired = {}, []
        for client in clients:
            await client.close()


def _by_name(providers: Sequence[Provider]) -> dict[str, Provider]:
    """Return lower-case name → first usable provider of the name, else the first; and the rules."""
    known = {RULES: Provider(RULES)}
    for provider in sorted(providers, key=lambda p: why_unusable(p) is not None):  # a stable sort
        known.setdefault(provider.lower_name, provider)
    return known
