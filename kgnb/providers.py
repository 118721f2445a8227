"""Who may be asked: the rules, the provider from the environment, and the active rows of ``ai_providers``."""

from __future__ import annotations

from kgnb.errors import SettingsError
from kgnb.llm.client import Client
from kgnb.model import RULES, Provider, Task, TaskConfig
from kgnb.settings import Settings
from kgnb.store.ledger import Ledger


class Providers:
    """The providers known right now, and one client for each of them.

    A row of the table wins over the environment's provider of the same name.
    """

    def __init__(self, ledger: Ledger, settings: Settings) -> None:
        self._ledger = ledger
        self._settings = settings
        self._known: dict[str, Provider] = {}
        self._only = ""
        self._clients: dict[str, tuple[Provider, Client]] = {}
        self._retired: list[Client] = []

    async def refresh(self) -> None:
        """Reads the table again; raises ServiceDown when SQL doesn't answer."""
        known = {RULES: Provider(RULES)}
        own = environment_provider(self._settings)
        if own is not None:
            known[own.key] = own
        known |= {p.key: p for p in await self._ledger.providers() if p.key != RULES}
        self._known = known

    def get(self, name: str) -> Provider:
        """The provider called ``name``, case aside.

        Raises SettingsError that lists the known names when there is none.
        """
        provider = self._known.get(name.strip().lower())
        if provider is None:
            raise SettingsError("provider.unknown", provider=name, known=", ".join(sorted(self._known)))
        return provider

    def find(self, key: str) -> Provider | None:
        """The provider whose queue key is ``key``, if it is known."""
        return self._known.get(key)

    def all(self) -> list[Provider]:
        """Every provider, the rules among them."""
        return list(self._known.values())

    def serve_only(self, provider: Provider) -> None:
        """Serves this one alone from now on (`build`)."""
        self._only = provider.key

    def served(self) -> list[Provider]:
        """The providers that this node serves: KG_WORKER_PROVIDERS, or all."""
        wanted = (self._only,) if self._only else self._settings.wanted_providers
        return [p for key, p in self._known.items() if not wanted or key in wanted]

    def client(self, provider: Provider) -> Client:
        """The provider's client; a new one when its endpoint or key changed."""
        held = self._clients.get(provider.key)
        if held is None or held[0] != provider:
            if held is not None:
                self._retired.append(held[1])  # requests in flight still use it
            held = (provider, self._make(provider))
            self._clients[provider.key] = held
        return held[1]

    def _make(self, provider: Provider) -> Client:
        return Client(
            provider,
            timeout=self._settings.llm_timeout,
            tries=self._settings.llm_tries,
            connections=self._settings.slots_for(1),
        )

    async def close(self) -> None:
        """Closes every client."""
        clients = [client for _, client in self._clients.values()] + self._retired
        self._clients, self._retired = {}, []
        for client in clients:
            await client.close()


def environment_provider(settings: Settings) -> Provider | None:
    """The one provider that OPENAI_BASE_URL, OPENAI_API_KEY and OPENAI_MODEL describe, if they do."""
    if not (settings.openai_base_url or settings.openai_api_key.get_secret_value()):
        return None
    return Provider(
        name=settings.provider_name,
        base_url=settings.openai_base_url or "https://api.openai.com/v1",
        api_key=settings.openai_api_key,
        models=(settings.openai_model,) if settings.openai_model else (),
    )


def model_of(provider: Provider, config: TaskConfig) -> str:
    """The model of a task: the default config's when the provider lists it, else the provider's first.

    Raises SettingsError when the provider names no model. The rules have none.
    """
    if provider.is_rules:
        return ""
    if config.ai_model in provider.models:
        return config.ai_model
    if not provider.models:
        raise SettingsError("provider.no_model", provider=provider.name)
    return provider.models[0]


def check_usable(provider: Provider) -> None:
    """Raises SettingsError when ``provider`` can't be asked at all: no key, no address."""
    if provider.is_rules:
        return
    if not provider.base_url:
        raise SettingsError("provider.no_url", provider=provider.name)
    if not provider.api_key.get_secret_value():
        raise SettingsError("provider.no_key", provider=provider.name)


def asked_by(task: Task, queue_provider: Provider) -> Provider:
    """Who answers for ``task``: the queue's provider, or the rules where ``use_ai`` is off."""
    return queue_provider if task.use_ai else Provider(RULES)
