"""The optional parts of a request, and what is learnt of them from refusals. No I/O of its own."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from kgnb.core.model import Provider
from kgnb.extract.prompt import Prompt
from kgnb.llm.error_mapping import ErrorResponse
from kgnb.llm.presets import preset_for

TOKENS_BESIDE = 4_096
"""Tokens of a reply beyond one for each character of its request: a short chapter may name many people, and a
reply that is cut is paid for twice."""
THINKING_TOKENS = 8_192
"""Tokens beyond those for a model that thinks: its thoughts count against the limit."""
LEAST_LIMIT = 1_024
"""A smaller number in a refusal is none that a limit should be lowered to."""
HOLD_FACTOR, HOLD_SECONDS = 3.0, 0.03
"""A field is refused before anything is generated, so about as fast as models are listed."""
HOLD_MOST = 5.0
"""Most seconds that the list of models is waited for."""

READ_CHARS = 4_000
"""Characters of a refusal that are searched for the name of a field; some go on to repeat the request."""

_SCHEMA = re.compile(r"schema|strict|response_format[. ]type", re.I)
_NUMBER = re.compile(r"(?<![\w.])\d{4,7}(?![\w.])")


@dataclass(frozen=True, slots=True)
class RequestForm:
    """The optional parts of a request that a model accepts, as far as is known."""

    structured: Literal["strict", "json", "text"] = "strict"
    temperature: float | None = 0
    thinking: Mapping[str, Any] = field(default_factory=dict)
    """Fields that switch reasoning off or on."""
    limit_fields: tuple[str, ...] = ("max_tokens", "max_completion_tokens")
    """Names of the output limit to try; the first is sent."""
    fixed_limit: int | None = None
    """The output limit, in tokens, of the user or the preset; None: by the request's size."""
    largest_limit: int | None = None
    """The largest limit that the endpoint allows, as far as it said so."""
    thinks: bool = False
    """Whether room for thoughts is needed."""
    own: Mapping[str, Any] = field(default_factory=dict)
    """The user's ``extra_body``: never left out."""

    @classmethod
    def first(cls, provider: Provider, model: str) -> RequestForm:
        """The form that options and preset ask for."""
        options, preset = provider.options, preset_for(provider, model)
        thinking = {"on": preset.thinking_on, "leave": {}}.get(options.thinking or "", preset.thinking_off)
        default = 0 if preset.temperature else None
        other = {"max_tokens": "max_completion_tokens"}.get(preset.limit_field, "max_tokens")
        return cls(
            structured=preset.structured if options.structured == "auto" else options.structured,
            temperature=default if options.temperature is None else options.temperature,
            thinking=thinking,
            limit_fields=(preset.limit_field, *((other,) if preset.api == "openai" else ())),
            fixed_limit=options.max_output_tokens or preset.max_output_tokens,
            thinks=options.thinking in ("on", "leave"),
            own=options.extra_body,
        )

    @property
    def extra(self) -> dict[str, Any]:
        """Fields of the body that differ between providers."""
        return {**self.thinking, **self.own}

    def common_fields(self, prompt: Prompt) -> dict[str, Any]:
        """Temperature and output limit."""
        sent: dict[str, Any] = {} if self.temperature is None else {"temperature": self.temperature}
        return sent | {name: self.limit(prompt) for name in self.limit_fields[:1]}

    def limit(self, prompt: Prompt) -> int:
        """The most tokens of a reply to ``prompt``."""
        by_size = TOKENS_BESIDE + len(prompt.user) + (THINKING_TOKENS if self.thinks else 0)
        limit = self.fixed_limit or by_size
        return min(limit, self.largest_limit or limit)

    def without_refused(self, refusal: ErrorResponse, limit: int, *, guess: bool) -> RequestForm | None:
        """The form to try after a refusal; None when nothing is left that may be at fault.

        ``limit``: the output limit that was sent; ``guess``: try simpler forms when no field is named.
        """
        param, said = refusal.param, refusal.text[:READ_CHARS]
        blamed = self._named_in(param) or self._named_in(said)
        if blamed == "structured":
            only_schema = self.structured == "strict" and _SCHEMA.search(f"{param} {said}")
            return replace(self, structured="json" if only_schema else "text")
        if blamed == "limit":
            return self._other_limit(said, limit)
        if blamed:
            return self._without(blamed)
        return next(self._simpler(), None) if guess else None

    def _named_in(self, text: str) -> str:
        """The part of this form that ``text`` names first; empty without one."""
        names = {
            "structured": ("response_format", "output_config", "json_schema", "json_object"),
            "thinking": (*self.thinking, "thinking", "reasoning"),
            "temperature": ("temperature",),
            "limit": self.limit_fields[:1],
        }
        text, first = text.lower(), ("", len(text))
        for part, words in names.items():
            places = [at for word in words if (at := text.find(word)) >= 0]
            if self._sends(part) and places and min(places) < first[1]:
                first = part, min(places)
        return first[0]

    def _sends(self, part: str) -> bool:
        if part == "structured":
            return self.structured != "text"
        return self.temperature is not None if part == "temperature" else bool(self._value(part))

    def _value(self, part: str) -> object:
        return self.thinking if part == "thinking" else self.limit_fields

    def _without(self, part: str) -> RequestForm:
        if part == "thinking":
            return replace(self, thinking={}, thinks=True)
        return replace(self, temperature=None)

    def _simpler(self) -> Iterator[RequestForm]:
        """Simpler forms, the likeliest first."""
        if self.structured != "text":
            yield replace(self, structured="json" if self.structured == "strict" else "text")
        for part in ("thinking", "temperature"):
            if self._sends(part):
                yield self._without(part)
        if len(self.limit_fields) > 1:
            yield replace(self, limit_fields=self.limit_fields[1:])

    def _other_limit(self, said: str, limit: int) -> RequestForm:
        """The limit's other name, a smaller limit where the refusal tells one, or none."""
        smaller = [n for n in map(int, _NUMBER.findall(said)) if LEAST_LIMIT <= n < limit]
        if smaller and not any(name in said for name in self.limit_fields[1:]):
            return replace(self, largest_limit=max(smaller))
        return replace(self, limit_fields=self.limit_fields[1:])


class LearntForm:
    """The form of one model's requests.

    The first request tries it out; others are held back until it is answered, or could have been refused by
    then. So each field that an endpoint refuses costs one refused request.
    """

    def __init__(self, form: RequestForm) -> None:
        self.form = form
        self._good = form
        self._accepted = False
        self._began = False
        self._go = asyncio.Event()
        self._timing: asyncio.Task[None] | None = None
        self._span = self._until = 0.0

    async def hold(self, list_models: Callable[[], Awaitable[object]]) -> None:
        """Wait while the first request may still be refused; ``list_models`` shows how long that takes."""
        if self._began and not self._go.is_set():
            self._timing = self._timing or asyncio.create_task(self._release(list_models))
            await self._go.wait()
        self._began = True

    async def _release(self, list_models: Callable[[], Awaitable[object]]) -> None:
        began = time.monotonic()
        with suppress(TimeoutError):
            async with asyncio.timeout(HOLD_MOST):
                await list_models()
        self._span = HOLD_FACTOR * (time.monotonic() - began) + HOLD_SECONDS
        self._until = max(self._until, began + self._span)
        while (left := self._until - time.monotonic()) > 0:  # noqa: ASYNC110 - until moves on
            await asyncio.sleep(left)
        self._go.set()

    def after_refusal(
        self, tried: Sequence[RequestForm], refusal: ErrorResponse, limit: int
    ) -> RequestForm | None:
        """The form to try after a refusal of the last one ``tried``; None when the request is wrong."""
        if self.form not in tried:
            return self.form  # learnt by another request meanwhile
        found = tried[-1].without_refused(refusal, limit, guess=not self._accepted)
        found = None if found in tried else found
        self.form = found or self._good
        self._until = time.monotonic() + self._span
        return found

    def accept(self, form: RequestForm, *, thought: bool) -> None:
        """A request of this form was answered; ``thought``: the model reasoned before."""
        if thought and not form.thinks:  # its limit needs room for that
            form = replace(form, thinks=True)
        if self._good != form or not self._accepted:
            self._good = self.form = form
            self._accepted = True

    def release(self) -> None:
        """Hold nobody back any longer: a request has ended."""
        self._go.set()
        if self._timing is not None:
            self._timing.cancel()
