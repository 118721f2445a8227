"""What an answer's usage says, in each dialect and whoever sends it."""

from __future__ import annotations

from typing import Any

import pytest

from kgnb.core.model import Usage
from kgnb.llm.dialect import Anthropic, OpenAI

ODD = [-1, "7", 7.5, True, None, [7], {}, 10**30, "9" * 5_000]
"""What is no number of tokens."""


def openai(**usage: Any) -> Usage:
    message = {"message": {"content": "{}"}, "finish_reason": "stop"}
    answer = OpenAI().answer({"choices": [message], "usage": usage})
    assert answer is not None
    return answer.usage


def anthropic(**usage: Any) -> Usage:
    answer = Anthropic().answer({"content": [], "stop_reason": "end_turn", "usage": usage})
    assert answer is not None
    return answer.usage


@pytest.mark.parametrize(
    "told",
    [
        {"prompt_tokens_details": {"cached_tokens": 64}},
        {"prompt_cache_hit_tokens": 64, "prompt_cache_miss_tokens": 36},
        {"prompt_cache_hit_tokens": 64, "prompt_tokens_details": {"cached_tokens": 64}},
        {"cached_tokens": 64},
    ],
    ids=["OpenAI", "DeepSeek", "DeepSeek twice", "Moonshot"],
)
def test_cached_tokens_are_among_the_prompts(told: dict[str, Any]) -> None:
    assert openai(prompt_tokens=100, completion_tokens=7, **told) == Usage(1, 100, 7, 64)


def test_anthropics_input_is_without_its_cache() -> None:
    told = {"input_tokens": 5, "cache_creation_input_tokens": 20, "cache_read_input_tokens": 64}
    assert anthropic(**told, output_tokens=3) == Usage(1, 89, 3, 64)


@pytest.mark.parametrize("odd", ODD, ids=lambda odd: repr(odd)[:10])
def test_what_is_no_number_of_tokens_is_none(odd: Any) -> None:
    details: list[dict[str, Any]] = [
        *({"prompt_tokens_details": {"cached_tokens": odd}}, {"prompt_tokens_details": odd}),
        *({"prompt_cache_hit_tokens": odd}, {"cached_tokens": odd}),
    ]
    for told in details:
        assert openai(prompt_tokens=100, completion_tokens=7, **told) == Usage(1, 100, 7, 0)
    assert openai(prompt_tokens=odd, prompt_cache_hit_tokens=64) == Usage(1, 0, 0, 0)
    told = {"cache_creation_input_tokens": odd, "cache_read_input_tokens": odd, "output_tokens": odd}
    assert anthropic(input_tokens=5, **told) == Usage(1, 5, 0, 0)


def test_no_more_is_cached_than_was_sent() -> None:
    assert openai(prompt_tokens=100, completion_tokens=7, cached_tokens=101) == Usage(1, 100, 7, 100)
