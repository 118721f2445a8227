"""What usage costs, now and outside of peak hours; how old the known prices may be."""

from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from kgnb.app.context import open_app
from kgnb.app.doctor import check_presets
from kgnb.app.estimate import THOUGHTS, BookSize, quick_estimate
from kgnb.app.prices import Quote, quote
from kgnb.core.model import Provider, Usage
from kgnb.core.settings import Settings
from kgnb.llm.presets import STALE_DAYS, presets, presets_date
from kgnb.worker.budget import Budget

PEAK = datetime(2026, 11, 26, 2, tzinfo=UTC)  # a Thursday
NIGHT = datetime(2026, 11, 26, 20, tzinfo=UTC)
USED = Usage(10, 2_000_000, 1_000_000, 1_000_000, 600_000)
DEEPSEEK = Provider("deepseek")


def test_a_list_price_knows_the_hour_and_the_cache() -> None:
    night, peak = (quote(Budget(), DEEPSEEK, "deepseek-flash", USED, at) for at in (NIGHT, PEAK))
    assert night.now == night.off_peak == peak.off_peak == pytest.approx(1 * 1 + 0.02 * 1 + 4 * 1)
    assert peak.now == pytest.approx(2 * 5.02)
    assert (peak.currency, peak.as_of is None) == ("CNY", False)


def test_the_users_own_price_wins() -> None:
    own = quote(Budget(prices={"deepseek": (2, 8)}), DEEPSEEK, "deepseek-flash", USED, PEAK)
    assert own == Quote(pytest.approx(2 * 2 + 8))


def test_without_peak_hours_there_is_one_price_and_without_any_none() -> None:
    luna = quote(Budget(), Provider("openai"), "gpt-6-luna", USED, PEAK)
    assert (luna.now, luna.off_peak, luna.currency) == (pytest.approx(0.1 + 0.01 + 0.5), None, "USD")
    assert quote(Budget(), Provider("mine", "http://h/v1"), "m", USED, PEAK) == Quote()
    assert quote(Budget(), Provider("mine", "http://h/v1"), "m", Usage(), PEAK) == Quote(0.0)


@pytest.mark.parametrize(("name", "thinks"), [("moonshot", True), ("deepseek", False)])
async def test_a_book_is_reckoned_with_the_thoughts_of_a_model_that_always_has_some(
    tmp_path: Path, name: str, thinks: bool
) -> None:
    preset = presets()[name]
    given: dict[str, Any] = {"openai_base_url": preset.base_url, "openai_api_key": "k", "provider_name": name}
    settings = Settings.load(data=tmp_path / "data", lang="zh", openai_model=preset.model, **given)
    async with open_app(settings, queue=False, graph=False) as app:
        found = await quick_estimate(app, BookSize("zh", (3_000, 3_000)), None)
    assert not found.measured
    assert found.left.reasoning_tokens == (2 * THOUGHTS if thinks else 0)
    assert found.left.completion_tokens == 6_000 * 0.6 * 0.4 + found.left.reasoning_tokens


def test_doctor_says_when_the_presets_are_old() -> None:
    assert not check_presets(presets_date() + timedelta(days=STALE_DAYS)).mend
    assert str(presets_date()) in check_presets(presets_date() + timedelta(days=STALE_DAYS + 1)).mend
    assert check_presets(date(2020, 1, 1)).ok
