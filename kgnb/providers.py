"""Who may be asked: the rules, the provider from the environment, and the active rows of ``ai_providers``."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping, Sequence
from dataclasses import replace

from kgnb.errors import SettingsError
from kgnb.keys import Keys, SavedKey, origin
from kgnb.llm.client import DEFAULT_URLS, Client, checked_key, checked_url
from kgnb.model import RULES, Provider, Task, TaskConfig
from kgnb.settings import Settings
from kgnb.store.ledger import Ledger
from kgnb.texts import say

log = logging.getLogger(__name__)


class Providers:
    """The providers known right now, and one client for each of them.

    A row of the table wins over the environment's provider of the same name. A row without a key gets the
    one that was saved for its name and address, or the environment's. What can't be used at all stays known,
    but isn't served: its queue is left alone.
    """

    def __init__(self, ledger: Ledger, settings: Settings) -> None:
        self._ledger = ledger
        self._settings = settings
        self._keys = Keys(settings.keys_path)
        self._known: dict[str, Provider] = {}
        self._unusable: set[str] = set()
        self._troubles: dict[str, str] = {}
        self._told: dict[str, str] = {}
        self._saved: Mapping[str, SavedKey] = {}
        self._only = ""
        self._clients: dict[str, tuple[Provider, Client]] = {}
        self._retired: list[Client] = []

    async def refresh(self) -> None:
        """Reads the table and the saved keys again; raises ServiceDown when SQL doesn't answer."""
        rows = await self._ledger.providers()
        troubles: dict[str, str] = {}
        try:
            self._saved = await asyncio.to_thread(self._keys.read)
        except SettingsError as error:
            self._saved, troubles[""] = {}, str(error)
        own = environment_provider(self._settings)
        filled = [self.with_key(row) for row in rows if row.key != RULES]
        self._known = _chosen([*filled, *filter(None, [own])])
        problems = {key: e for key, p in self._known.items() if (e := problem(p)) is not None}
        self._unusable = set(problems)
        troubles |= {key: say("provider.twice", provider=_printable(key)) for key in _repeated(filled)}
        troubles |= {key: _left_alone(key, error) for key, error in problems.items()}
        self._troubles = troubles
        await self._retire()

    async def follow(self) -> None:
        """:meth:`refresh` for a node: each trouble is logged once, and again when it comes back."""
        await self.refresh()
        now = {} if self._only else self._troubles
        for key, text in now.items():
            if self._told.get(key) != text:
                log.warning("%s", text)
        self._told = dict(now)

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


def check_name(name: str) -> None:
    """Raises SettingsError for a name that a queue key or a setting can't carry."""
    bad = not name or len(name) > 100 or name.lower() == RULES or not name.isprintable()
    if bad or any(c.isspace() or c in ":,=/{}" for c in name):
        raise SettingsError("provider.bad_name", name=name)


def check_usable(provider: Provider) -> None:
    """Raises SettingsError when ``provider`` can't be asked at all: no key, no address, or a wrong one."""
    if provider.is_rules:
        return
    if not provider.base_url and provider.key not in DEFAULT_URLS:
        raise SettingsError("provider.no_url", provider=provider.name)
    checked_url(provider)
    if not provider.api_key.get_secret_value():
        raise SettingsError("provider.no_key", provider=provider.name)
    checked_key(provider)


def problem(provider: Provider) -> SettingsError | None:
    """Why no node may serve ``provider``; None when it can be asked."""
    try:
        if ":" in provider.name or not provider.name.isprintable():
            check_name(provider.name)  # such a queue would be taken for another provider's
        check_usable(provider)
    except SettingsError as error:
        return error
    return None


def asked_by(task: Task, queue_provider: Provider) -> Provider:
    """Who answers for ``task``: the queue's provider, or the rules where ``use_ai`` is off."""
    return queue_provider if task.use_ai else Provider(RULES)
