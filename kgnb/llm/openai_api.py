"""OpenAI-compatible chat completions, by the ``openai`` SDK."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import openai

from kgnb.core.model import Provider, Usage
from kgnb.extract.prompt import Prompt
from kgnb.llm.chat_api import ChatReply, Failure, count, get, hidden_error, joined_text
from kgnb.llm.error_mapping import ErrorResponse
from kgnb.llm.request_form import RequestForm
from kgnb.llm.transport import client_options, create_options, listed_models, outcome

if TYPE_CHECKING:
    from openai.types.chat import ChatCompletion

_REFUSED = ("content_filter", "sensitive")  # the second: Zhipu
_LENGTH = ("length", "max_tokens", "model_length")  # the last: Mistral
_FAILED = ("insufficient_system_resource", "network_error", "error")
"""DeepSeek, Zhipu, OpenRouter: cut off inside."""
_TYPED = frozenset({"model", "messages", "temperature", "max_tokens", "max_completion_tokens"})
"""Parameters of ``create``; the others go into its ``extra_body``, a schema too: the SDK would walk through
it for every request, a quarter of its processor time."""


class OpenAIApi:
    """``POST {base_url}/chat/completions`` with one key."""

    def __init__(self, provider: Provider, base_url: str, connections: int) -> None:
        options = client_options(provider, base_url.removesuffix("/chat/completions"), connections)
        self._client = openai.AsyncOpenAI(**options)
        # Not the environment's (OPENAI_ORG_ID, …_PROJECT_ID, …_CUSTOM_HEADERS), which all would get.
        self._client.organization = provider.options.organization
        self._client.project = provider.options.project
        self._client._custom_headers = options["default_headers"]
        has_key = bool(provider.api_key.get_secret_value().strip())
        self._headers = {} if has_key else {"Authorization": openai.Omit()}

    def body(self, prompt: Prompt, model: str, form: RequestForm) -> dict[str, Any]:
        """The JSON of one request."""
        body: dict[str, Any] = {
            "model": model,
            "messages": [
                {"role": "system", "content": prompt.system},
                {"role": "user", "content": prompt.user},
            ],
            **form.common_fields(prompt),
        }
        if form.structured == "strict" and prompt.schema:
            named = {"name": "extraction", "strict": True, "schema": prompt.schema}
            body["response_format"] = {"type": "json_schema", "json_schema": named}
        elif form.structured != "text":
            body["response_format"] = {"type": "json_object"}
        return body | form.extra

    async def reply(self, body: dict[str, Any]) -> ChatReply | ErrorResponse | Failure:
        """Send one request."""
        create = self._client.chat.completions.create
        answer = await outcome(create(**create_options(body, _TYPED), extra_headers=self._headers), openai)
        if isinstance(answer, ErrorResponse | Failure):
            return answer
        return _read(answer) or hidden_error(answer) or Failure.UNREADABLE

    async def models(self) -> list[str] | ErrorResponse | Failure:
        """The names of the models that the endpoint lists."""
        return await listed_models(self._client.models.list(extra_headers=self._headers), openai)

    async def close(self) -> None:
        """Close the connections."""
        await self._client.close()


def _read(answer: ChatCompletion) -> ChatReply | None:
    """The first choice; None in another form."""
    choices = get(answer, "choices")
    choice = choices[0] if isinstance(choices, list) and choices else None
    message = get(choice, "message")
    if message is None or isinstance(message, str | list):
        return None
    text, finish, usage = joined_text(get(message, "content")), get(choice, "finish_reason"), _usage(answer)
    thought = bool(usage.reasoning_tokens or get(message, "reasoning_content") or get(message, "reasoning"))
    if finish in _REFUSED or (get(message, "refusal") and not text):
        return ChatReply(text, "refused", usage, thought)
    if finish in _FAILED:
        return ChatReply(text, "failed", usage, thought)
    return ChatReply(text, "length" if finish in _LENGTH else "stop", usage, thought)


def _usage(answer: ChatCompletion) -> Usage:
    """Usage in OpenAI's format and its extensions.

    Prompt tokens include cached ones, completion tokens reasoning; where they don't (Gemini), the total does.
    """
    usage = get(answer, "usage")
    prompt, completion, total = (
        count(get(usage, key)) for key in ("prompt_tokens", "completion_tokens", "total_tokens")
    )
    reasoning = count(get(get(usage, "completion_tokens_details"), "reasoning_tokens"))
    cached = (
        get(get(usage, "prompt_tokens_details"), "cached_tokens"),
        get(usage, "prompt_cache_hit_tokens"),  # DeepSeek
        get(usage, "cached_tokens"),  # Moonshot
    )
    apart = total - prompt - completion
    if prompt and apart > 0 and reasoning in (0, apart):
        reasoning, completion = apart, completion + apart
    return Usage(1, prompt, completion, min(prompt, max(map(count, cached))), min(completion, reasoning))
