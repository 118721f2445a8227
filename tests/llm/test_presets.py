"""The presets: what is known of providers before anything is asked."""

import re
from datetime import UTC, datetime

import pytest

from kgnb.core.model import Provider
from kgnb.llm.presets import UNKNOWN, preset_for, presets, presets_date


@pytest.mark.parametrize(
    ("name", "url", "wanted"),
    [
        ("deepseek", "", "deepseek"),
        ("Claude", "", "anthropic"),
        ("openai", "https://api.deepseek.com/v1", "deepseek"),  # the default name says nothing
        ("openai", "https://gateway.example/v1", ""),
        ("openai", "", "openai"),
        ("deepseek", "https://gateway.example/v1", "deepseek"),
        ("mine", "https://API.OpenAI.com:443/v1", "openai"),
        ("mine", "https://api.openai.com.evil.example/v1", ""),
        ("mine", "https://ws-1.cn-beijing.maas.aliyuncs.com/compatible-mode/v1", "qwen"),
        ("mine", "https://[", ""),
    ],
)
def test_a_preset_is_found_by_host_then_by_name(name: str, url: str, wanted: str) -> None:
    assert preset_for(Provider(name, url)).name == wanted


def test_an_unknown_endpoint_has_a_preset_that_claims_nothing() -> None:
    assert preset_for(Provider("mine", "https://llm.example/v1")) == UNKNOWN
    assert not UNKNOWN.thinking_off


def test_every_preset_is_complete() -> None:
    for name, preset in presets().items():
        assert preset_for(Provider(name)) == preset, name
        assert preset_for(Provider("mine", preset.base_url)) in (preset, UNKNOWN), name
        assert preset.title, name
        for one in preset.models:
            preset.for_model(re.sub(r"\[.*(.)\]", r"\1", one["match"]).replace("*", "x"))  # knows each field
        plain = preset.base_url.startswith("http://")  # never with a key that is worth something
        assert plain is not preset.needs_key or name == "local", name  # it has no address before it runs
        assert all(price.as_of <= presets_date() for price in preset.prices.values()), name


def test_peak_hours_are_in_utc_on_their_weekdays() -> None:
    peak = presets()["deepseek"].peak
    assert peak
    assert peak.covers(datetime(2026, 11, 26, 9, 59, tzinfo=UTC))
    assert not peak.covers(datetime(2026, 11, 26, 10, tzinfo=UTC))
    assert not peak.covers(datetime(2026, 11, 28, 9, tzinfo=UTC))  # a Saturday
