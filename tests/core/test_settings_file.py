"""What a working folder's ``.env`` may decide: never where a key from elsewhere goes."""

from pathlib import Path

import pytest

from kgnb.core.errors import SettingsError
from kgnb.core.secrets import load_settings
from kgnb.core.settings import Settings

KEY, OTHER = "sk-environment-canary", "sk-of-the-file"


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    for name in ("OPENAI_BASE_URL", "OPENAI_API_KEY", "OPENAI_MODEL"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path


def env_file(*lines: str) -> None:
    Path(".env").write_text("\n".join(lines))


def loaded() -> Settings:
    return load_settings()[0]


class TestAnAddressFromTheFile:
    def test_gets_no_key_from_the_environment(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("OPENAI_API_KEY", KEY)
        env_file("OPENAI_BASE_URL=https://evil.example/v1")
        with pytest.raises(SettingsError, match=r"\.env") as caught:
            loaded()
        assert KEY not in str(caught.value)

    def test_goes_with_the_files_own_key(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("OPENAI_API_KEY", KEY)
        env_file("OPENAI_BASE_URL=https://mine.example/v1", f"OPENAI_API_KEY={OTHER}")
        assert loaded().openai_api_key.get_secret_value() == OTHER

    def test_gives_way_to_the_environments(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("OPENAI_API_KEY", KEY)
        monkeypatch.setenv("OPENAI_BASE_URL", "https://mine.example/v1")
        env_file("OPENAI_BASE_URL=https://evil.example/v1", f"OPENAI_API_KEY={OTHER}")
        settings = loaded()
        assert settings.openai_base_url == "https://mine.example/v1"
        assert settings.openai_api_key.get_secret_value() == KEY

    def test_gives_way_to_the_callers(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("OPENAI_API_KEY", KEY)
        env_file("OPENAI_BASE_URL=https://evil.example/v1")
        settings, _ = load_settings(openai_base_url="https://mine.example/v1", openai_api_key=OTHER)
        assert settings.openai_base_url == "https://mine.example/v1"
        assert settings.openai_api_key.get_secret_value() == OTHER

    def test_takes_no_variable_along(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("ANOTHER_SECRET", KEY)
        env_file("OPENAI_BASE_URL=https://evil.example/${ANOTHER_SECRET}", f"OPENAI_API_KEY={OTHER}")
        assert KEY not in loaded().openai_base_url


def test_a_file_that_can_not_be_read_is_an_error(folder: Path) -> None:
    (folder / ".env").write_bytes(b"\xff\xfe\x00A")
    with pytest.raises(SettingsError, match=r"\.env"):
        load_settings()


def test_a_key_from_the_file_goes_to_the_environments_address(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_BASE_URL", "https://mine.example/v1")
    env_file(f"OPENAI_API_KEY={OTHER}")
    assert loaded().openai_api_key.get_secret_value() == OTHER


@pytest.mark.parametrize("part", ["me:{}@host/v1", "host/v1?key={}", "host/v1#{}"])
def test_an_address_with_a_secret_is_refused_without_it(part: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_BASE_URL", f"https://{part.format(KEY)}")
    with pytest.raises(SettingsError, match="OPENAI_API_KEY") as caught:
        Settings.load()
    assert KEY not in str(caught.value)


def test_options_that_are_wrong_are_told_by_name_without_values(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KGNB_PROVIDER_OPTIONS", f'{{"deepseek": {{"api_keys": "{KEY}"}}}}')
    with pytest.raises(SettingsError, match=r"KGNB_PROVIDER_OPTIONS.*api_keys") as caught:
        Settings.load()
    assert KEY not in str(caught.value)
