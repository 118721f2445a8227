"""Finds out why an endpoint rejects requests: a model that it doesn't have, or an address without ``/v1``."""

from __future__ import annotations

import asyncio
import difflib
import re
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from kgnb.core import errors
from kgnb.core.addresses import redacted_url
from kgnb.core.model import Provider
from kgnb.core.safe_text import clean
from kgnb.core.secret_mask import without_secrets
from kgnb.llm.error_mapping import SHOWN_CHARS, SILENCE, ErrorResponse
from kgnb.llm.presets import preset_for

NEAREST = 5
"""Names of models that an error lists."""
KEEP_SECONDS = 60.0
"""How long a list holds: sixty chapters that fail at once cost one look."""

_VERSION = re.compile(r"/v\d|/compatible|/openai", re.I)
_SAYS_MODEL = re.compile(r"model|模型", re.I)


@dataclass(eq=False, repr=False)
class Diagnosis:
    """Explains rejections of one provider. ``list_models``: the models that it lists below its base_url."""

    provider: Provider
    base_url: str
    list_models: Callable[[str], Awaitable[list[str] | ErrorResponse]]
    _lists: dict[str, tuple[float, list[str] | ErrorResponse]] = field(default_factory=dict, init=False)
    _looking: asyncio.Lock = field(default_factory=asyncio.Lock, init=False)

    async def explained(
        self, error: errors.ProviderError, model: str, refusal: ErrorResponse
    ) -> errors.ProviderError:
        """Return an error that names the cause of a refusal and its remedy (unknown model, address without
        /v1); ``error`` itself where no cause is found.

        Asks the endpoint for its list of models at most twice; no model is asked.
        """
        status, means = refusal.status, refusal.meaning
        no_path = status in (200, 404, 405) or means == "no_channel"  # the last: LM Studio
        unclear = status in (400, 422) and means == "rejected"
        says_model = unclear and _SAYS_MODEL.search(refusal.message[:SHOWN_CHARS])
        if refusal.too_large or not (no_path or means == "no_model" or says_model):
            return error  # many take names that they don't list: deployments, endpoint ids
        facts: dict[str, Any] = dict(error.facts)
        listed = await self._listed("")
        fetch = preset_for(self.provider).fetch
        if isinstance(listed, list) and (listed or fetch) and status != 200:
            if _plain(model) in map(_plain, listed):
                return error
            nearest = difflib.get_close_matches(model, listed, NEAREST, cutoff=0.0)
            names = [without_secrets(clean(name, 80), self.provider) for name in nearest]
            facts |= {"nearest": "".join(names[:1]), "listed": ", ".join(names) or "-", "fetch": fetch}
            return errors.EndpointWrong(f"provider.{'not_fetched' if fetch else 'no_such_model'}", **facts)
        if not (isinstance(listed, list) or _VERSION.search(urlsplit(self.base_url).path)) and no_path:
            longer = await self._listed("/v1")
            if not isinstance(longer, ErrorResponse) or longer.status in (401, 403):
                url = redacted_url(self.base_url.removesuffix("/chat/completions")) + "/v1"
                return errors.EndpointWrong("provider.no_version", **facts, url=url)
        # No list can deny that it has no such model.
        return errors.EndpointWrong(error.key, **facts) if status in (400, 422) else error

    async def _listed(self, below: str) -> list[str] | ErrorResponse:
        """Return the endpoint's list of models ``below`` its base_url, requested once in
        :data:`KEEP_SECONDS`.
        """
        async with self._looking:
            until, found = self._lists.get(below, (0.0, SILENCE))
            if time.monotonic() > until:
                found = await self.list_models(below)
                self._lists[below] = time.monotonic() + KEEP_SECONDS, found
            return found


def _plain(model: str) -> str:
    """Return a name as it is asked for: ``NAME`` for Gemini's ``models/NAME`` and Ollama's
    ``NAME:latest``.
    """
    return model.removeprefix("models/").removesuffix(":latest")
