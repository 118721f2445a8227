"""Which provider is asked, with what: the environment, the table, presets and options together."""

from traceback import TracebackException
from typing import Any

import pytest
from pydantic import SecretStr

from kgnb.core.errors import SettingsError
from kgnb.core.known_secrets import known_secrets
from kgnb.core.model import Provider
from kgnb.core.provider_options import ProviderOptions, checked_options
from kgnb.core.settings import Settings
from kgnb.worker import provider_sources
from kgnb.worker.provider_sources import (
    check_named,
    check_not_shadowed,
    check_usable,
    completed,
    environment_provider,
    unknown_provider,
    why_unusable,
    with_options,
)

KEY = SecretStr("sk-canary-1")
LOGIN = "login-canary"


def own(**given: Any) -> Provider | None:
    return environment_provider(Settings.load(**given))


@pytest.mark.parametrize("name", ["a:b", "{x}", "n" * 101, "a\u200bb", "a\nb"])
def test_a_name_that_no_queue_or_table_can_have_is_left_alone(name: str) -> None:
    found = own(provider_name=name, openai_base_url="http://127.0.0.1:9/v1")
    assert found is not None
    problem = why_unusable(found)
    assert problem is not None
    assert problem.key == "provider.bad_name"
    assert name not in str(problem) or name.isprintable()


class TestTheEnvironmentsProvider:
    def test_of_a_known_name_needs_a_key_only(self) -> None:
        found = own(provider_name="deepseek", openai_api_key=KEY)
        assert found is not None
        assert (found.base_url, found.models) == ("https://api.deepseek.com", ("deepseek-flash",))
        check_usable(found)

    def test_of_a_known_host_has_its_suggested_model(self) -> None:
        found = own(openai_base_url="https://api.deepseek.com/v1", openai_api_key=KEY)
        assert found is not None
        assert (found.name, found.models) == ("openai", ("deepseek-flash",))

    def test_on_this_machine_needs_no_key(self) -> None:
        found = own(provider_name="ollama")
        assert found is not None
        check_usable(found)

    def test_a_login_in_an_address_is_in_no_frame_of_a_verbose_traceback(self) -> None:
        provider = Provider("mine", f"http://u:{LOGIN}@host/v1", models=("m",))
        with pytest.raises(SettingsError) as caught:
            check_named(provider)
        told = TracebackException.from_exception(caught.value, capture_locals=True)
        assert caught.value.key == "provider.url_secret"
        assert LOGIN not in "".join(told.format())

    def test_is_none_without_anything(self) -> None:
        assert own() is None

    def test_elsewhere_needs_a_key(self) -> None:
        found = own(openai_base_url="https://gateway.example/v1")
        assert found is not None
        with pytest.raises(SettingsError):
            check_usable(found)


class TestANameThatIsNotKnown:
    def test_has_no_address_so_that_its_key_goes_nowhere(self) -> None:
        found = own(provider_name="deepsek", openai_api_key=KEY)
        assert found is not None
        assert found.base_url == ""
        with pytest.raises(SettingsError) as caught:
            check_usable(found)
        text = str(caught.value)
        assert all(word in text for word in ("deepsek ", "deepseek？", "OPENAI_BASE_URL", "OPENAI_MODEL"))

    @pytest.mark.parametrize("given", [{}, {"provider_name": "openai"}])
    def test_a_key_alone_is_openais(self, given: dict[str, str]) -> None:
        found = own(openai_api_key=KEY, **given)
        assert found is not None
        assert found.base_url == "https://api.openai.com/v1"

    @pytest.mark.parametrize(
        ("given", "missing"),
        [
            ({"provider_name": "DeepSeek"}, "OPENAI_API_KEY=…"),
            ({"openai_api_key": KEY}, "KGNB_PROVIDER_NAME=deepseek"),
            ({}, "KGNB_PROVIDER_NAME=deepseek OPENAI_API_KEY=…"),
            ({"provider_name": "deepsek", "openai_api_key": KEY}, "KGNB_PROVIDER_NAME=deepseek"),
            (
                {"provider_name": "openai", "openai_api_key": KEY},
                "KGNB_PROVIDER_NAME=deepseek OPENAI_API_KEY=…",
            ),
        ],
    )
    def test_of_a_presets_only_what_is_missing_is_asked_for(
        self, given: dict[str, Any], missing: str
    ) -> None:
        error = unknown_provider("deepseek", Settings.load(**given), ["rules"])
        assert error.facts["missing"] == missing
        assert "kgnb providers add deepseek" in str(error)

    def test_without_a_key_that_it_needs_none_of(self) -> None:
        assert unknown_provider("ollama", Settings.load(), []).facts["missing"] == "KGNB_PROVIDER_NAME=ollama"

    def test_a_notebook_is_told_what_its_cells_can_do(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(provider_sources, "in_kernel", lambda: True)
        told = str(unknown_provider("deepseek", Settings.load(), ["rules"]))
        assert 'kgnb.Provider("deepseek", api_key=' in told
        assert "export" not in told

    @pytest.mark.parametrize(("typed", "meant"), [("deepsek", "deepseek？"), ("myhost", "my-host？")])
    def test_the_nearest_one_is_told(self, typed: str, meant: str) -> None:
        assert meant in str(unknown_provider(typed, Settings.load(), ["rules", "my-host"]))
        nobody = str(unknown_provider("zzzzzz", Settings.load(), ["rules", "my-host"]))
        assert "是不是" not in nobody
        assert "my-host" in nobody
        assert "kgnb providers add zzzzzz --url" in nobody


def options(text: str) -> Settings:
    return Settings.load(provider_options=text)


class TestOptions:
    def test_of_the_environment_win_over_stored_ones(self) -> None:
        stored = checked_options({"thinking": "on", "timeout": 60})
        told = with_options(completed(Provider("deepseek")), stored, options('{"DeepSeek": {"timeout": 9}}'))
        assert told.options.revealed() == {"thinking": "on", "timeout": 9}

    def test_several_keys_are_one_providers(self) -> None:
        given = options('{"deepseek": {"api_keys": ["a", "b"]}}')
        told = with_options(completed(Provider("deepseek")), ProviderOptions(), given)
        assert [k.get_secret_value() for k in told.all_keys] == ["a", "b"]
        check_usable(told)

    def test_with_secrets_go_to_no_address_from_elsewhere(self) -> None:
        row = Provider("deepseek", "https://evil.example/v1", KEY)
        given = '{"deepseek": {"extra_headers": {"X-Key": "canary"}%s}}'
        with pytest.raises(SettingsError, match=r"evil\.example") as caught:
            with_options(row, ProviderOptions(), options(given % ""))
        assert "canary" not in str(caught.value)
        told = with_options(row, ProviderOptions(), options(given % ', "base_url": "https://evil.example"'))
        assert told.options.extra_headers["X-Key"].get_secret_value() == "canary"


class TestARowOfADataFolder:
    settings = staticmethod(
        lambda **more: Settings.load(openai_base_url="https://mine.example/v1", openai_api_key=KEY, **more)
    )

    def test_with_the_environments_name_and_another_address_is_refused(self) -> None:
        row = Provider("OpenAI", "https://evil.example/v1", SecretStr("k"))
        with pytest.raises(SettingsError, match=r"evil\.example.*mine\.example"):
            check_not_shadowed(row, self.settings(), "")
        check_not_shadowed(row, self.settings(), "https://evil.example:443")  # a key was saved for it
        check_not_shadowed(row, self.settings(db_host="db.example"), "")  # an administrator's table
        check_not_shadowed(Provider("other", row.base_url), self.settings(), "")
        check_not_shadowed(Provider("openai", "https://mine.example/other"), self.settings(), "")


def test_a_provider_given_in_python_is_the_environments() -> None:
    given = Provider("kimi", api_key=KEY, options=ProviderOptions(api_keys=(SecretStr("b"),), timeout=60))
    settings = Settings.load(provider_name="deepseek", openai_api_key="sk-other").with_provider(given)
    found = environment_provider(settings)
    assert found is not None
    told = with_options(found, ProviderOptions(), settings)
    assert (told.base_url, told.models) == ("https://api.moonshot.cn/v1", ("kimi-k3",))
    assert [k.get_secret_value() for k in told.all_keys] == [KEY.get_secret_value(), "b"]
    assert told.options.timeout == 60
    assert "canary" not in repr(settings)
    assert KEY in known_secrets(settings).values()
