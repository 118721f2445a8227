"""What a book will take at a provider, reckoned at once and for nothing; `build --estimate` measures it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import UTC, datetime

from kgnb.app.context import App, budget_of
from kgnb.app.estimate import scaled
from kgnb.app.prices import quote
from kgnb.core.labels import Lang
from kgnb.core.model import Provider, TaskConfig, Usage
from kgnb.extract.prompt import PromptBuilder
from kgnb.llm.request_form import THINKING_TOKENS, RequestForm

TOKENS_PER_CHAR = {"zh": 0.6, "en": 0.3}
"""What DeepSeek says of its models (api-docs.deepseek.com, Token & Token Usage); those of others differ."""
REPLY_SHARE = 0.4
"""Tokens of a reply by those of its passage: a guess, not measured. Both serve until the model has done a
chapter here."""
THOUGHTS = THINKING_TOKENS // 2
"""Tokens before each reply of a model that thinks: half of the room that it is left, a guess."""
RECENT_TASKS = 50
"""Tasks among which those of the same model are looked for."""


@dataclass(frozen=True, slots=True)
class BookSize:
    """A book's language and the characters of each of its chapters."""

    lang: Lang
    chapters: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class QuickEstimate:
    """``cost`` is money now, None where the model has no price, in ``currency`` ("": of the user's prices).

    ``free``: no LLM is asked. ``measured``: by earlier chapters of this model, not by constants.
    """

    model: str
    usage: Usage = Usage()
    cost: float | None = None
    currency: str = ""
    free: bool = False
    measured: bool = False


async def quick_estimate(app: App, size: BookSize, provider_name: str | None) -> QuickEstimate:
    """Return what the book will take; nothing is asked. Raises SettingsError for an unknown provider."""
    provider = app.providers.requested(provider_name)
    model = await app.router.model_for(provider)
    if provider.is_rules:
        return QuickEstimate(model, free=True)
    earlier = await _earlier(app, provider, model, sum(size.chapters))
    usage = earlier or _reckoned(app, size, thinks=RequestForm.first(provider, model).thinks)
    cost = quote(budget_of(app.settings), provider, model, usage, datetime.now(UTC))
    return QuickEstimate(model, usage, cost.now, cost.currency, measured=earlier is not None)


async def _earlier(app: App, provider: Provider, model: str, chars: int) -> Usage | None:
    """Usage for ``chars`` by what the model took in recent tasks; None where it did none."""
    tasks = await app.ledger.tasks.newest(RECENT_TASKS)
    same = [task.id for task in tasks if (task.provider, task.model) == (provider.name, model)]
    figures = (await app.ledger.task_stats.figures(same)).values()
    read = sum(one.chars for one in figures)
    took = sum((usage for one in figures for usage in one.useful.values()), Usage())
    return scaled(took, chars, read) if read and took.prompt_tokens else None


def _reckoned(app: App, size: BookSize, *, thinks: bool) -> Usage:
    config = TaskConfig()
    limit = max(app.settings.chunk_chars, config.max_content_length)
    requests = sum(max(1, math.ceil(chars / limit)) for chars in size.chapters)
    prompt = PromptBuilder(size.lang, (), config).prompt("")
    text = sum(size.chapters) * TOKENS_PER_CHAR[size.lang]
    around = requests * (len(prompt.system) + len(prompt.user)) * TOKENS_PER_CHAR[size.lang]
    thoughts = requests * THOUGHTS if thinks else 0
    reply = round(text * REPLY_SHARE) + thoughts
    return Usage(requests, round(text + around), reply, reasoning_tokens=thoughts)
