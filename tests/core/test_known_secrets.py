"""What counts as a secret, by the name of its variable or within an address."""

from __future__ import annotations

import pytest

from kgnb.core.known_secrets import environment_secrets, is_secret_name

CANARY = "canary-of-a-secret"


def test_secrets_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOME_API_KEY", CANARY)
    monkeypatch.setenv("OTHER_TOKEN", "short")
    monkeypatch.setenv("KGNB_KEYS", "/home/me/keys.json")
    found = environment_secrets()
    assert found["SOME_API_KEY"].get_secret_value() == CANARY
    assert "OTHER_TOKEN" not in found
    assert "KGNB_KEYS" not in found
    assert CANARY not in repr(found)


@pytest.mark.parametrize("name", ["DB_PASS", "MYSQL_PWD", "KGNB_PROVIDER_OPTIONS", "DEEPSEEK_API_KEY"])
def test_names_of_secrets(name: str) -> None:
    assert is_secret_name(name)
    for other in ("COMPASS_URL", "PWD", "OLDPWD"):  # the last two: a shell's folders
        assert not is_secret_name(other)


def test_a_password_within_an_address_must_not_leave_either(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MY_DATABASE", "mysql://root:geheimnis1@host/db")
    assert environment_secrets()["MY_DATABASE"].get_secret_value() == "geheimnis1"
