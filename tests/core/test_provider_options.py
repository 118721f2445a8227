"""Options of a provider: what is refused, and what is never shown."""

from typing import Any

import pytest
from pydantic import SecretStr, ValidationError

from kgnb.core.messages import say
from kgnb.core.model import Provider
from kgnb.core.provider_options import ProviderOptions, checked_options, parse_options

CANARY = "canary-7f31"


def test_no_header_query_or_key_is_shown() -> None:
    options = ProviderOptions.model_validate(
        {"extra_headers": {"X-Key": CANARY}, "default_query": {"key": CANARY}, "api_keys": [CANARY]}
    )
    assert CANARY not in repr(options)
    assert CANARY not in repr(Provider("p", options=options))


@pytest.mark.parametrize(
    "bad",
    [
        {"thinkin": "off"},
        {"extra_body": {"messages": []}},
        {"extra_headers": {"X": f"{CANARY}\r\nHost: evil"}},
        {"extra_headers": {f"{CANARY} x": "1"}},
        {"api_keys": CANARY},
        {"organization": f"{CANARY}\r\nHost: evil"},
        {"project": f"{CANARY}é"},
        {"timeout": 0},
        {"tries": 0},
        {"max_output_tokens": 1},
    ],
)
def test_a_bad_option_is_refused_without_its_value(bad: dict[str, Any]) -> None:
    with pytest.raises(ValidationError) as caught:
        ProviderOptions.model_validate(bad)
    assert CANARY not in str(caught.value)


def test_a_provider_with_options_is_hashable_and_tells_their_change() -> None:
    one, other = (Provider("p", options=ProviderOptions(extra_body={"a": n})) for n in (1, 2))
    assert one != other
    assert len({one, Provider("p")}) == 2


def test_all_keys_are_in_order_and_once() -> None:
    options = ProviderOptions(api_keys=(SecretStr("b"), SecretStr("a")))
    assert [k.get_secret_value() for k in Provider("p", "", SecretStr("a"), (), options).all_keys] == [
        "a",
        "b",
    ]
    assert Provider("p").all_keys == ()


def test_later_options_win_and_the_others_stay() -> None:
    one = checked_options({"thinking": "on", "timeout": 600, "extra_body": {"a": 1}})
    both = one.merged(checked_options({"thinking": "off"}))
    assert both.revealed() == {"thinking": "off", "timeout": 600, "extra_body": {"a": 1}}


@pytest.mark.parametrize(
    "text",
    [
        f'{{"{CANARY}',
        "[]",
        '{"p": 1}',
        f'{{"p": {{"timeout": "{CANARY}"}}}}',
        f'{{"p": {{"api_keys": "{CANARY}"}}}}',
    ],
)
def test_text_that_is_no_options_is_refused_without_quoting_it(text: str) -> None:
    with pytest.raises(ValueError, match=r"要写|timeout|api_keys") as caught:
        parse_options(text)
    assert CANARY not in str(caught.value)


def test_options_without_their_providers_name_are_refused_with_an_example() -> None:
    with pytest.raises(ValueError, match=r'要写 JSON，例如 {"deepseek": {'):
        parse_options('{"max_output_tokens": 400}')


def test_a_provider_is_made_of_plain_values_and_shows_no_login() -> None:
    made = Provider("p", f"http://me:{CANARY}@host/v1?key={CANARY}", CANARY, options={"timeout": 60})  # type: ignore[arg-type]
    assert made.api_key.get_secret_value() == CANARY
    assert made.options.timeout == 60
    assert CANARY not in repr(made)
    assert "host" in repr(made)


def test_what_may_be_chosen_is_told_in_the_readers_language() -> None:
    with pytest.raises(ValueError, match=f"'on'{say('cli.or')}'leave'"):
        checked_options({"thinking": "aus"})
