"""Servers of local models that the user runs already, at their programs' usual addresses."""

from __future__ import annotations

import json
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from kgnb.llm.presets import presets

NAMES = ("ollama", "lmstudio", "vllm", "llamacpp")
"""Presets whose address is on this machine. All list their models at ``/v1/models``, as OpenAI does."""
SECONDS = 1.0
MOST_BYTES = 1_000_000


@dataclass(frozen=True, slots=True)
class Running:
    """A server that answered: its provider's name and the models that it offers."""

    provider: str
    models: tuple[str, ...]


def running_servers() -> list[Running]:
    """The servers that answer now. Takes at most a second or two."""
    with ThreadPoolExecutor(len(NAMES)) as pool:
        return [found for found in pool.map(_ask, NAMES) if found is not None]


def _ask(name: str) -> Running | None:
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(f"{presets()[name].base_url}/models", timeout=SECONDS) as answer:
            listed = json.loads(answer.read(MOST_BYTES))["data"]
            return Running(name, tuple(str(model["id"]) for model in listed))
    except (OSError, ValueError, KeyError, TypeError):  # nobody, a login, or another program
        return None
