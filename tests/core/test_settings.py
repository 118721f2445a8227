"""Settings: what their text forms mean."""

from __future__ import annotations

import pytest

from kgnb.core.errors import SettingsError
from kgnb.core.settings import Settings


class TestSlots:
    def test_a_provider_may_have_a_number_of_its_own(self) -> None:
        settings = Settings.load(slots=2, slots_each="Openai=5, deepseek=8")
        assert [settings.slots_for(1, key) for key in ("openai", "deepseek", "kimi", "")] == [5, 8, 2, 2]

    def test_both_caps_bound_it(self) -> None:
        settings = Settings.load(slots_each="a=50", max_slots_per_provider=20, max_slots=30)
        assert settings.slots_for(1, "a") == 20
        assert settings.slots_for(3, "a") == 10

    @pytest.mark.parametrize("text", ["a=", "a=0", "a=x", "a=1,a=2", "=3=4=x"])
    def test_nonsense_is_refused_by_its_name(self, text: str) -> None:
        with pytest.raises(SettingsError, match="KGNB_SLOTS"):
            Settings.load(slots_each=text)
