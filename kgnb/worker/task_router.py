"""Decides which queue a task waits in, which provider and model answer it, and by which config.

The queue's provider decides; ``use_ai = 0`` means the rules, whatever the queue. The model is the default
config's ``ai_model`` where the provider lists it, else the first of the provider's ``models``.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from kgnb.core.errors import SettingsError
from kgnb.core.model import RULES, Provider, Task, TaskConfig
from kgnb.stores.ledger.ledger import Ledger
from kgnb.stores.queue.types import QueueName
from kgnb.worker.provider_registry import ProviderRegistry
from kgnb.worker.provider_sources import why_unusable


@dataclass(frozen=True, slots=True)
class Route:
    """The provider that answers a task's chapters, the model ("" for the rules) and the task's config."""

    provider: Provider
    model: str
    config: TaskConfig


class TaskRouter:
    """Routes tasks to providers and models."""

    def __init__(self, ledger: Ledger, providers: ProviderRegistry) -> None:
        self._ledger = ledger
        self._providers = providers

    async def route(self, task: Task, queue: QueueName) -> Route:
        """Return provider, model and config for a task that is worked from ``queue``.

        A task keeps its model for as long as its provider stays the same. Raises SettingsError when the
        queue's provider isn't known (any more) or names no model.
        """
        provider = self._providers.get(queue.provider_key)
        if not task.use_ai:
            provider = Provider(RULES)
        config = await self._ledger.providers.default_config()
        if task.thing_kinds is not None:
            config = replace(config, thing_kinds=task.thing_kinds)
        kept = task.model if provider.name == task.provider else ""
        return Route(provider, kept or _model_of(provider, config), config)

    async def model_for(self, provider: Provider) -> str:
        """Return the model of a new task for the provider; "" for the rules. Raises SettingsError when the
        provider names none.
        """
        return _model_of(provider, await self._ledger.providers.default_config())

    async def default_provider(self, *, usable: bool) -> Provider | None:
        """Return the LLM provider for a task that names none: the default config's, else the first known;
        None if none is known.

        ``usable``: only providers whose key and address this process has.
        """
        known = [p for p in self._providers.all() if not (p.is_rules or (usable and why_unusable(p)))]
        wanted = (await self._ledger.providers.default_config()).ai_provider.lower()
        return next((p for p in known if p.lower_name == wanted), known[0] if known else None)

    async def queue_for(self, task: Task, *, usable: bool) -> QueueName | None:
        """Return the queue for an item of the task, None where there is none.

        The first that applies: the queue that the task names, unless its provider is gone (deleted or
        switched off); the queue of the task's provider; that of the default provider. ``usable``: True if
        only providers known to this node count, as for work; False for a person's command, which may mean a
        provider of another node.
        """
        own = QueueName(task.queue)
        if own and not await self._providers.is_gone(own.provider_key):
            return own
        key = task.provider.lower() if task.use_ai else RULES
        if self._providers.find(key) is None and (usable or not key or await self._providers.is_gone(key)):
            provider = await self.default_provider(usable=usable)
            key = provider.lower_name if provider is not None else ""
        return self._providers.first_queue(key) if key else None


def _model_of(provider: Provider, config: TaskConfig) -> str:
    """Return the config's model if the provider has it, else its first; "" for the rules. Raises
    SettingsError for none.
    """
    if provider.is_rules:
        return ""
    if config.ai_model in provider.models:
        return config.ai_model
    if not provider.models:
        raise SettingsError("provider.no_model", provider=provider.name)
    return provider.models[0]
