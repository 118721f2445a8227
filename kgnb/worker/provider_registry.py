"""The known providers: the rules, the environment's, and the active rows of ``ai_providers``."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace

from kgnb.core.api_keys import ApiKeys, SavedKey, origin
from kgnb.core.errors import SettingsError
from kgnb.core.messages import say
from kgnb.core.model import RULES, Provider
from kgnb.core.safe_text import one_line
from kgnb.core.settings import QUEUE_PREFIXES, Settings
from kgnb.llm.client import DEFAULT_URLS, LlmClient, checked_key, checked_url
from kgnb.stores.ledger.ledger import Ledger
from kgnb.stores.queue.inspect import QueueInspector
from kgnb.stores.queue.types import QueueName

log = logging.getLogger(__name__)


class ProviderRegistry:
    """The known providers, and one client for each.

    A row of the table wins over the environment's provider of the same name. A row without a key gets the
    key saved for its name and address, or the environment's. A provider that can't be used stays known but
    isn't served: its queue is left to other nodes.
    """

    def __init__(self, ledger: Ledger, settings: Settings) -> None:
        self._ledger = ledger
        self._settings = settings
        self._keys = ApiKeys(settings.keys_path)
        self._known: dict[str, Provider] = {}
        self._unusable: set[str] = set()
        self._troubles: dict[str, str] = {}
        self._logged: dict[str, str] = {}
        self._saved_keys: Mapping[str, SavedKey] = {}
        self._only_key = ""
        self._clients: dict[str, tuple[Provider, LlmClient]] = {}
        self._retired: list[LlmClient] = []

    async def refresh(self) -> None:
        """Read the table and the saved keys again. Raises ServiceDown."""
        rows = await self._ledger.providers.active()
        troubles: dict[str, str] = {}
        try:
            self._saved_keys = await asyncio.to_thread(self._keys.read)
        except SettingsError as error:
            self._saved_keys, troubles[""] = {}, str(error)
        own = environment_provider(self._settings)
        filled = [self.with_key(row) for row in rows if row.key != RULES]
        self._known = _by_key([*filled, *filter(None, [own])])
        problems = {key: e for key, p in self._known.items() if (e := why_unusable(p)) is not None}
        self._unusable = set(problems)
        for key, times in Counter(p.key for p in filled).items():
            if times > 1:
                troubles[key] = say("provider.twice", provider=one_line(key))
        for key, problem in problems.items():
            troubles[key] = say("provider.left_alone", provider=one_line(key), reason=str(problem))
        for key in self._settings.wanted_providers:
            if key not in self._known:  # a typo would leave the node idle in silence
                known = ", ".join(sorted(self._known))
                troubles[key] = say("provider.nobody", provider=key, known=known)
        self._troubles = troubles
        await self._retire_clients()

    async def refresh_and_log(self) -> None:
        """:meth:`refresh`, and log each problem once, and again when it comes back."""
        await self.refresh()
        now = {} if self._only_key else self._troubles
        for key, text in now.items():
            if self._logged.get(key) != text:
                log.warning("%s", text)
        self._logged = now

    def with_key(self, provider: Provider) -> Provider:
        """``provider`` with the saved or the environment's key where its row holds none.

        A key is used only at the address that it was given for.
        """
        if provider.api_key.get_secret_value():
            return provider
        at = origin(provider.base_url or DEFAULT_URLS.get(provider.key, ""))
        kept = self._saved_keys.get(provider.key)
        if kept is not None and kept.origin == at:
            return replace(provider, api_key=kept.key)
        own = environment_provider(self._settings)
        if own is not None and own.key == provider.key and origin(own.base_url) == at:
            return replace(provider, api_key=own.api_key)
        return provider

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
        """The provider called ``name``, ignoring case.

        Raises SettingsError, with the known names, when there is none.
        """
        provider = self._known.get(name.strip().lower())
        if provider is None:
            raise SettingsError("provider.unknown", provider=name, known=", ".join(sorted(self._known)))
        return provider

    def requested(self, name: str | None) -> Provider:
        """The provider called ``name``; without a name the environment's, else the rules.

        Raises SettingsError when there is none of that name or it can't be asked.
        """
        own = environment_provider(self._settings)
        provider = self.get(name or (own.name if own else RULES))
        check_usable(provider)
        return provider

    def find(self, key: str) -> Provider | None:
        """The provider whose queue key is ``key``, if it is known."""
        return self._known.get(key)

    def all(self) -> list[Provider]:
        """Every known provider, including the rules and those that can't be used."""
        return list(self._known.values())

    async def is_gone(self, key: str) -> bool:
        """Whether the provider was switched off or deleted, so that no node serves its queues.

        One that was never in the table may be another node's own, from its environment: it isn't gone.
        """
        return key not in self._known and not (await self._ledger.providers.seen()).get(key, True)

    async def all_queues(self, queue: QueueInspector) -> list[QueueName]:
        """Every queue that may hold work: of each provider that was ever known, under every prefix, and those
        that any node polled."""
        keys, prefixes = {*self._known, *await self._ledger.providers.seen()}, self._settings.prefixes
        names = {QueueName(prefix + key) for key in keys for prefix in (*QUEUE_PREFIXES, *prefixes)}
        return sorted(names | set(await queue.polled_queues()))

    def serve_only(self, provider: Provider) -> None:
        """Serve only this provider from now on (`build`)."""
        self._only_key = provider.key

    def served(self) -> list[Provider]:
        """The usable providers that this node serves: those of KG_WORKER_PROVIDERS, or all."""
        wanted = (self._only_key,) if self._only_key else self._settings.wanted_providers
        return [
            p for key, p in self._known.items() if key not in self._unusable and (not wanted or key in wanted)
        ]

    def client(self, provider: Provider) -> LlmClient:
        """The provider's client, a new one when its address or key changed. Raises SettingsError."""
        held = self._clients.get(provider.key)
        if held is not None and held[0] == provider:
            return held[1]
        made = LlmClient(
            provider,
            timeout=self._settings.llm_timeout,
            tries=self._settings.llm_tries,
            connections=self._settings.slots_for(provider.key),
        )
        if held is not None:
            self._retired.append(held[1])  # requests in flight still use it
        self._clients[provider.key] = (provider, made)
        return made

    async def close(self) -> None:
        """Close every client."""
        clients = [client for _, client in self._clients.values()] + self._retired
        self._clients, self._retired = {}, []
        for client in clients:
            await client.close()


def _by_key(providers: Sequence[Provider]) -> dict[str, Provider]:
    """By key: the first usable provider of each name, else the first; and the rules."""
    known = {RULES: Provider(RULES)}
    for provider in sorted(providers, key=lambda p: why_unusable(p) is not None):  # a stable sort
        known.setdefault(provider.key, provider)
    return known


def environment_provider(settings: Settings) -> Provider | None:
    """The provider that OPENAI_BASE_URL, OPENAI_API_KEY and OPENAI_MODEL describe, if set."""
    if not (settings.openai_base_url or settings.openai_api_key.get_secret_value()):
        return None
    return Provider(
        name=settings.provider_name,
        base_url=settings.openai_base_url or "https://api.openai.com/v1",
        api_key=settings.openai_api_key,
        models=(settings.openai_model,) if settings.openai_model else (),
    )


def check_name(name: str) -> None:
    """Raise SettingsError for a name that can't be part of a queue key or a setting."""
    bad = not name or len(name) > 100 or name.lower() == RULES or not name.isprintable()
    if bad or any(c.isspace() or c in ":,=/{}" for c in name):
        raise SettingsError("provider.bad_name", name=name)


def check_usable(provider: Provider) -> None:
    """Raise SettingsError when ``provider`` has no key, no address, or a malformed one."""
    if provider.is_rules:
        return
    if not provider.base_url and provider.key not in DEFAULT_URLS:
        raise SettingsError("provider.no_url", provider=provider.name)
    checked_url(provider)
    if not provider.api_key.get_secret_value():
        raise SettingsError("provider.no_key", provider=provider.name)
    checked_key(provider)


def why_unusable(provider: Provider) -> SettingsError | None:
    """The reason why ``provider`` can't be served; None when it can."""
    try:
        if ":" in provider.name or not provider.name.isprintable():
            check_name(provider.name)  # its queue's key would read as another provider's
        check_usable(provider)
    except SettingsError as error:
        return error
    return None
