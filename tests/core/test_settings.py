"""Settings: what their text forms mean."""

from __future__ import annotations

import pytest

from kgnb.core.errors import SettingsError
from kgnb.core.settings import Settings


class TestSlots:
    def test_a_provider_may_have_a_number_of_its_own(self) -> None:
        settings = Settings.load(slots=2, slots_each="Openai=5, deepseek=8")
        assert [settings.slots_for(key) for key in ("openai", "deepseek", "kimi", "")] == [5, 8, 2, 2]

    def test_both_caps_bound_it(self) -> None:
        settings = Settings.load(slots=50, max_slots_per_provider=20, max_slots=30)
        assert settings.slots_for("a") == 20
        assert settings.slots_for("a", "abc") == 10

    @pytest.mark.parametrize(
        ("total", "each", "shares"),
        [(5, "a=9", [2, 3]), (8, "a=9", [2, 3, 3]), (2, "a=9", [1, 1, 1]), (12, "a=2,b=1", [2, 1, 9])],
        ids=["5 for 2", "8 for 3", "the least", "what others don't want"],
    )
    def test_the_whole_total_is_shared_out(self, total: int, each: str, shares: list[int]) -> None:
        settings = Settings.load(slots=9, slots_each=each, max_slots=total)
        served = "abc"[: len(shares)]
        assert [settings.slots_for(key, served) for key in served] == shares

    @pytest.mark.parametrize("text", ["a=", "a=0", "a=x", "a=1,a=2", "=3=4=x"])
    def test_nonsense_is_refused_by_its_name(self, text: str) -> None:
        with pytest.raises(SettingsError, match="KGNB_SLOTS"):
            Settings.load(slots_each=text)
