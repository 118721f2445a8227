"""Thoughts of reasoning models, as their servers leave them in replies."""

from __future__ import annotations

import pytest

from kgnb.llm.thoughts_and_loops import is_complete, is_looping, without_thoughts

ANSWER = '{"characters": [{"name": "刘备"}]}'
DRAFT = '先看 {"characters": [{"name": "张三"}]}。'


@pytest.mark.parametrize(
    "text",
    [
        ANSWER,
        f"\ufeff {ANSWER}\n",
        f'<think time="3s">{DRAFT}</think>{ANSWER}',
        f"想完了</think>\n{ANSWER}",
        f"<seed:think>{DRAFT}</seed:think>{ANSWER}",
        f"<思考>{DRAFT}</思考>{ANSWER}",
        f"[THINK]{DRAFT}[/THINK]{ANSWER}",
        f"◁think▷{DRAFT}◁/think▷{ANSWER}",
        f"<|channel|>analysis<|message|>{DRAFT}<|end|><|channel|>final <|constrain|>json<|message|>{ANSWER}",
    ],
)
def test_the_answer_stands_behind_the_thoughts(text: str) -> None:
    assert without_thoughts(text) == ANSWER


@pytest.mark.parametrize("text", [f"<think>{DRAFT}", f"<think>{ANSWER}", "<think>" * 140_000])
def test_thoughts_without_an_end_have_no_answer(text: str) -> None:
    assert without_thoughts(text) == ""


def test_a_complete_answer_is_one_json_object() -> None:
    assert is_complete(ANSWER)
    assert is_complete(ANSWER + " " * 1_000)
    for text in ("", "[]", ANSWER[:-1], ANSWER + "x", "{" * 100_000):
        assert not is_complete(text)


def test_a_passage_repeated_to_the_end_is_a_loop() -> None:
    assert is_looping("ab" * 600)
    assert not is_looping("ab" * 10)
    assert not is_looping("".join(map(str, range(1_000))))
