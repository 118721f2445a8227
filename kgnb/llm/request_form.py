"""The optional parts of a request, and what is learnt of them from refusals. No I/O of its own."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any

from kgnb.core.model import Prompt, Provider
from kgnb.llm.error_mapping import READ_CHARS, ErrorResponse
from kgnb.llm.presets import preset_for

TOKENS_BESIDE = 4_096
"""Tokens of a reply beyond one for each character of its request: a short chapter may name many people, and a
reply that is cut is paid for twice."""
THINKING_TOKENS = 8_192
"""Tokens beyond those for a model that thinks: its thoughts count against the limit."""
LEAST_LIMIT = 1_024
"""A smaller number in a refusal is none that a limit should be lowered to."""
HOLD_SECONDS = 3.0
"""How long others wait for the first request: a field is refused before anything is generated."""

_LEVELS = ("strict", "json", "text")
_SCHEMA = re.compile(r"schema|strict|response_format[. ]type", re.I)
_EFFORTS = ("none", "minimal", "low")
"""Least efforts of reasoning, the first the least; each model that has any has the last."""
_REASONS_ALWAYS = re.compile(r"(?i)mandatory|can(?:'t| ?not) be (?:disabled|turned off)|other thinking level")
_OFF, _MUST_BE_OFF = {"enable_thinking": False}, re.compile(r"enable_thinking\W*(?:must|必须).+false", re.I)
"""What Qwen's models that think unasked want where the reply isn't streamed."""
_MUST_STREAM = re.compile(
    r"(?i)only\W+supports?\W+stream|stream\W+must be|enable the stream|(?:只|仅)支持流式"
)
"""DashScope's models that are only streamed, and gateways."""
_MAY_BE_OF_FORM = ("rejected", "too_long", "no_model")
"""What a refusal of a field may look like; others may repeat a reply, and with it the book's words."""
_WINDOW = re.compile(r"(?:context (?:length|window|size)|max_\w+_len|\(TPM\))\D{1,40}?(\d{4,7})", re.I)
_NUMBER = re.compile(r"(?<![\w.])\d{4,7}(?![\w.])")


@dataclass(frozen=True, slots=True)
class RequestForm:
    """The optional parts of a request: of each the forms that may still be accepted; the first is sent.

    A part's last form is never left out. The parts stand in the order in which they are likely at fault.
    """

    structured: Sequence[str] = _LEVELS
    """How the reply is held to its schema."""
    thinking: Sequence[Mapping[str, Any]] = ({},)
    """Fields that switch reasoning off or on."""
    temperature: Sequence[float | None] = (0, None)
    limit_fields: tuple[str, ...] = ("max_tokens", "max_completion_tokens", "")
    """Names of the output limit."""
    fixed_limit: int | None = None
    """The output limit in tokens: the user's, or the largest that the endpoint named; None: by size."""
    thinks: bool = False
    """Whether room for thoughts is needed."""
    cache_key: Sequence[Mapping[str, Any]] = ({},)
    """The field that asks for the cached start of a prompt, where the provider wants one."""
    streamed: bool = False
    """Whether the reply is asked for piece by piece, as some models want it."""
    own: Mapping[str, Any] = field(default_factory=dict)
    """The user's ``extra_body``: never left out."""

    @classmethod
    def first(cls, provider: Provider, model: str) -> RequestForm:
        """Return the form to try first: the user's options, else the preset's values."""
        options, preset = provider.options, preset_for(provider, model)
        level = preset.structured if options.structured == "auto" else options.structured
        thinking = {"on": preset.thinking_on, "leave": {}}.get(options.thinking or "", preset.thinking_off)
        default = 0 if preset.temperature else None
        temperature = default if options.temperature is None else options.temperature
        others = ("max_tokens", "max_completion_tokens", "") if preset.api == "openai" else ()
        return cls(
            structured=_LEVELS[_LEVELS.index(level) :],
            thinking=(thinking, {}) if thinking else ({},),
            temperature=tuple(dict.fromkeys((temperature, None))),
            limit_fields=tuple(dict.fromkeys((preset.limit_field, *others))),
            fixed_limit=options.max_output_tokens,
            cache_key=(preset.cache_key, {}) if preset.cache_key else ({},),
            thinks=options.thinking in ("on", "leave") or preset.always_thinks,
            own=options.extra_body,
        )

    def fields(self, prompt: Prompt) -> dict[str, Any]:
        """Return the fields of the request's body that this form decides: temperature, output limit,
        thinking, cache key.
        """
        sent = {"temperature": self.temperature[0], self.limit_fields[0]: self.limit(prompt)}
        known = {name: value for name, value in sent.items() if name and value is not None}
        return {**known, **self.thinking[0], **self.cache_key[0], **self.own}

    def limit(self, prompt: Prompt) -> int:
        """Return the output limit in tokens for a reply to ``prompt``: the user's, else TOKENS_BESIDE (4,096)
        and one for each character of the user message, more for a model that thinks.
        """
        return self.fixed_limit or TOKENS_BESIDE + len(prompt.user) + THINKING_TOKENS * self.thinks

    def without_refused(self, refusal: ErrorResponse, limit: int, *, guess: bool) -> RequestForm | None:
        """Return a form without the part that the endpoint refuses; None when no part is left to change.

        ``limit``: the output limit that was sent; ``guess``: try simpler forms even if the refusal names no
        field.
        """
        param, said = refusal.param, refusal.text[:READ_CHARS]
        if refusal.meaning == "too_long":  # the limit is counted in, as by Groq's tokens a minute
            window = _WINDOW.search(said)
            half = int(window[1]) // 2 if window else 0
            return replace(self, fixed_limit=half) if LEAST_LIMIT <= half < limit else None
        part = self._named_in(param) or self._named_in(said)
        if part == "structured" and not _SCHEMA.search(f"{param} {said}"):
            return replace(self, structured=("text",))
        if _MUST_STREAM.search(said) and not self.streamed:
            return replace(self, streamed=True)
        if _MUST_BE_OFF.search(said) and self.thinking[0] != _OFF:
            return replace(self, thinking=(_OFF, {}))
        if part == "thinking" and (other := self._other_effort(said)):
            return replace(self, thinks=True, thinking=(other, {}))
        if part == "limit_fields" and not any(n and n in said for n in self.limit_fields[1:]):
            smaller = [n for n in map(int, _NUMBER.findall(said)) if LEAST_LIMIT <= n < limit]
            if smaller:
                return replace(self, fixed_limit=max(smaller))
        if not part and guess:
            part = next((p for p in _PARTS if len(getattr(self, p)) > 1), "")
        if not part or len(getattr(self, part)) == 1:
            return None
        thinks = self.thinks or part == "thinking"  # it isn't switched off any more
        return replace(self, thinks=thinks, **{part: getattr(self, part)[1:]})

    def _other_effort(self, said: str) -> Mapping[str, Any] | None:
        """Return the fields for the least effort that a refusal leaves; None where the field itself is
        refused.
        """
        name, value = next(iter(self.thinking[0].items()))
        sent = value.get("effort") if isinstance(value, Mapping) else value
        named = (e for e in _EFFORTS if re.search(rf"['\"`]{e}['\"`\\]|values are:[^.]*\b{e}\b", said))
        least = _EFFORTS[-1] if _REASONS_ALWAYS.search(said) else None
        effort = next((e for e in named if e != sent), least)
        if sent not in _EFFORTS or effort in (None, sent):
            return None
        return {name: {**value, "effort": effort} if isinstance(value, Mapping) else effort}

    def _named_in(self, text: str) -> str:
        """Return the part with another form that ``text`` names first, upper and lower case alike; "" without
        one.
        """
        text = text.lower()
        values = (f"'{value}'" for value in self.thinking[0].values())
        sent = {"thinking": (*self.thinking[0], *values), "limit_fields": self.limit_fields[:1]}
        found = [
            (text.find(word), part)
            for part, words in _PARTS.items()
            if len(getattr(self, part)) > 1 or part == "limit_fields"
            for word in (*words, *sent.get(part, ()))
            if word and word in text
        ]
        return min(found, default=(0, ""))[1]


_PARTS = {
    "structured": ("response_format", "output_config", "json_schema", "json_object", "json mode"),
    "thinking": ("thinking", "reasoning", "思考"),
    "temperature": ("temperature",),
    "limit_fields": (),
    "cache_key": ("prompt_cache_key",),
}
"""The parts, and how refusals name them beside the fields that are sent."""


class LearntForm:
    """The form of one model's requests.

    The first request tries it out; others wait until it is answered, or could have been refused by then. So a
    field that an endpoint refuses costs one refused request, not one of each slot.
    """

    def __init__(self, form: RequestForm) -> None:
        self.form = form
        self._good: RequestForm | None = None
        self._began = False
        self._go = asyncio.Event()
        self._until = 0.0

    async def hold(self) -> None:
        """Wait while the first request may still be refused."""
        if not self._began:
            self._began, self._until = True, time.monotonic() + HOLD_SECONDS
            return
        while not self._go.is_set() and (left := self._until - time.monotonic()) > 0:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._go.wait(), left)

    def after_refusal(
        self, tried: Sequence[RequestForm], refusal: ErrorResponse, limit: int
    ) -> RequestForm | None:
        """Return the form to try after the last of the forms ``tried`` was refused; None when the form isn't
        at fault, or no other is left.

        ``limit``: the output limit that was sent.
        """
        if refusal.status not in (400, 413, 422, 429) or refusal.meaning not in _MAY_BE_OF_FORM:
            return None
        if self.form not in tried:
            return self.form  # learnt by another request meanwhile
        guess = self._good is None and refusal.param != "model" and refusal.meaning == "rejected"
        found = tried[-1].without_refused(refusal, limit, guess=guess)
        found = None if found in tried else found
        self.form = found or self._good or tried[0]
        self._until = time.monotonic() + HOLD_SECONDS
        return found

    def accept(self, form: RequestForm, *, thought: bool) -> None:
        """A request of this form was answered; ``thought``: the model reasoned before."""
        form = replace(form, thinks=form.thinks or thought)  # its limit needs room for that
        if self._good != form:
            self._good = self.form = form

    def release(self) -> None:
        """Hold nobody back any longer: a request has ended."""
        self._go.set()
