"""Servers of local models that the user runs already, at their programs' usual addresses."""

from __future__ import annotations

import json
import urllib.request
from concurrent.futures import ThreadPoolExecutor

from kgnb.llm.presets import presets

NAMES = ("ollama", "lmstudio", "vllm", "llamacpp")
"""Presets whose address is on this machine. All list their models at ``/v1/models``, as OpenAI does."""
SECONDS = 1.0
MOST_BYTES = 1_000_000


def running_servers() -> dict[str, list[str]]:
    """Return provider name → models, for each of the known local servers that answers. Takes a second
    or two.
    """
    with ThreadPoolExecutor(len(NAMES)) as pool:
        found = dict(zip(NAMES, pool.map(_models, NAMES), strict=True))
    return {name: models for name, models in found.items() if models is not None}


def _models(name: str) -> list[str] | None:
    """Return the models of a known local server; None if it doesn't answer as one."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(f"{presets()[name].base_url}/models", timeout=SECONDS) as answer:
            return [str(model["id"]) for model in json.loads(answer.read(MOST_BYTES))["data"]]
    except (OSError, ValueError, KeyError, TypeError):  # nobody, a login, or another program
        return None
