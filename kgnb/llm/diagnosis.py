"""Finds out why an endpoint rejects requests: a model that it doesn't have, or an address without ``/v1``."""

from __future__ import annotations

import asyncio
import difflib
import re
import time
from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import urlsplit

from kgnb.core import errors
from kgnb.core.addresses import redacted_url
from kgnb.core.model import Provider
from kgnb.core.secret_mask import without_secrets
from kgnb.extract.model import clean
from kgnb.llm.error_mapping import ErrorResponse

NEAREST = 5
"""Names of models that an error lists."""
KEEP_SECONDS = 60.0
"""How long a finding holds: sixty chapters that fail at once cost one look."""

_VERSION = re.compile(r"/v\d|/compatible|/openai", re.I)

_SAYS_MODEL = re.compile(r"model|模型", re.I)

Listing = Callable[[str], Awaitable[list[str] | ErrorResponse]]
"""The names of the models that the endpoint lists, below its base_url."""


class Diagnosis:
    """Explains rejections of one provider; asks for lists of models only."""

    def __init__(self, provider: Provider, base_url: str, list_models: Listing) -> None:
        self._provider = provider
        self._base_url = base_url
        self._list_models = list_models
        self._found: dict[tuple[str, int], tuple[float, str, dict[str, Any]]] = {}
        self._looking = asyncio.Lock()

    async def explained(
        self, error: errors.ProviderError, model: str, refusal: ErrorResponse
    ) -> errors.ProviderError:
        """An error that names the cause and its remedy; ``error`` itself where no cause is found."""
        status, means = refusal.status, refusal.meaning
        says_model = status in (400, 422) and not means and _SAYS_MODEL.search(str(error.facts["detail"]))
        if status not in (200, 404, 405) and means != "no_model" and not says_model:
            return error  # many take names that they don't list: deployments, endpoint ids
        async with self._looking:
            until, key, facts = self._found.get((model, status), (0.0, "", {}))
            if time.monotonic() > until:
                key, facts = await self._cause(error.key, status, model)
                self._found[model, status] = time.monotonic() + KEEP_SECONDS, key, facts
        if not key:
            return error
        return errors.EndpointWrong(key, **{**error.facts, "model": model, "status": status, **facts})

    async def _cause(self, key: str, status: int, model: str) -> tuple[str, dict[str, Any]]:
        listed = await self._list_models("")
        if isinstance(listed, list) and listed and status != 200:
            if _plain(model) in map(_plain, listed):
                return "", {}
            nearest = difflib.get_close_matches(model, listed, NEAREST, cutoff=0.0)
            names = [without_secrets(clean(name, 80), self._provider) for name in nearest]
            return "provider.no_such_model", {"nearest": names[0], "listed": ", ".join(names)}
        versioned = _VERSION.search(urlsplit(self._base_url).path)
        if not isinstance(listed, list) and status in (200, 404, 405) and not versioned:
            longer = await self._list_models("/v1")
            if not isinstance(longer, ErrorResponse) or longer.status in (401, 403):
                return "provider.no_version", {"url": redacted_url(f"{self._base_url}/v1")}
        return (key if status in (400, 422) else ""), {}  # no list can deny that it has no such model


def _plain(model: str) -> str:
    """A name as it is asked for: Gemini lists ``models/NAME``, Ollama ``NAME:latest``."""
    return model.removeprefix("models/").removesuffix(":latest")
