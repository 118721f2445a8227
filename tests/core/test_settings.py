"""Settings: what their text forms mean."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from kgnb.core.errors import SettingsError
from kgnb.core.messages import Language, use_language
from kgnb.core.provider_options import ProviderOptions, checked_options
from kgnb.core.settings import Settings
from kgnb.stores.queue.connection import RedisConnection
from kgnb.stores.targets import sql_target


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
        with pytest.raises(SettingsError, match="KGNB_SLOTS") as caught:
            Settings.load(slots_each=text)
        assert "Value error" not in str(caught.value)  # the validator's own words, in no user's language


class TestGivenByAProgram:
    def test_lists_and_dicts_mean_what_their_texts_do(self) -> None:
        given = Settings.load(
            providers=["DeepSeek"],
            kinds=["法宝"],
            slots_each={"DeepSeek": 5},
            rpm={"DeepSeek": 60},
            prices={"DeepSeek/Chat": (2, 8)},
        )
        assert given == Settings.load(
            providers="DeepSeek",
            kinds="法宝",
            slots_each="deepseek=5",
            rpm="deepseek=60",
            prices="deepseek/chat=2/8",
        )

    @pytest.mark.parametrize(
        ("field", "value"),
        [("budget", {"a": 0}), ("rpm", {"a": -5}), ("prices", {"a": (1,)}), ("prices", {"a": (2, -8)})],
    )
    def test_nonsense_is_refused_like_that_of_a_text(self, field: str, value: object) -> None:
        assert HAN.search(told(Settings.load, **{field: value}))


PASSWORD = "cAnary-5ecret"


HAN = re.compile(r"[\u4e00-\u9fff]")
BAD = [
    "x y",
    "-5",
    "1e400",
    "1.5",
    "x=1,x=1",
    "x=1/2/3/4",
    "a:b:c",
    "ftp://h",
    "bolt://u:p@h",
    '{"a": {"b": 1}}',
]


def told(call: Callable[..., object], *given: object, **named: object) -> str:
    """What is wrong with the arguments of ``call``; empty where it takes them."""
    try:
        call(*given, **named)
    except SettingsError as error:
        return str(error.facts["reason"])
    except ValueError as error:
        return str(error).partition(": ")[2] or str(error)
    return ""


@pytest.mark.parametrize("language", ["zh", "en"])
@pytest.mark.parametrize("variable", sorted(Settings.variables()))
def test_what_a_wrong_setting_must_be_is_told_in_the_users_language(
    variable: str, language: Language, monkeypatch: pytest.MonkeyPatch
) -> None:
    use_language(language)
    reasons = [told(Settings.load, **{Settings.variables()[variable]: "\x00"})]
    for value in BAD:
        monkeypatch.setenv(variable, value)
        reasons.append(told(Settings.load))
    assert all(bool(HAN.search(reason)) is (language == "zh") for reason in reasons if reason), reasons


@pytest.mark.parametrize("language", ["zh", "en"])
@pytest.mark.parametrize("name", [*ProviderOptions.model_fields, "nothing"])
def test_and_what_an_option_must_be(name: str, language: Language) -> None:
    use_language(language)
    bad: list[object] = [-1, "x", "ä", 1.5, math.inf, [1], ["a b"], {"a": "ä"}, {"model": "x"}, 10**12, None]
    reasons = [told(checked_options, {name: value}) for value in bad]
    assert any(reasons)
    assert all(bool(HAN.search(reason)) is (language == "zh") for reason in reasons if reason), reasons


class TestAddresses:
    @pytest.mark.parametrize(
        ("field", "value"),
        [
            *(
                ("db_host", f"user:{PASSWORD}@host"),
                ("db_host", "a..b"),
                ("db_host", "h/x?read_default_file=/etc"),
            ),
            *(
                ("db_host", "h:3306"),
                ("db_host", "/run/mysqld.sock"),
                ("db_host", "a" * 300),
                ("db_host", "a b"),
            ),
            *(
                ("db_host", "a\0b"),
                ("db_charset", "utf8mb4&read_default_file=/etc/passwd"),
                ("db_charset", "gbk"),
            ),
            *(("db_name", "a\nb"), ("db_user", "a\0"), ("db_port", "0"), ("db_port", "99999")),
            *(("redis_host", f"redis://u:{PASSWORD}@h/0?db=x"), ("redis_host", f"http://u:{PASSWORD}@h")),
            *(("redis_host", f"redis://:{PASSWORD}@"), ("redis_host", f"redis://u:{PASSWORD}@h:port/0")),
            *(
                ("redis_host", f"redis://u:{PASSWORD}@a..b"),
                ("redis_host", f"u:{PASSWORD}@h"),
                ("redis_host", "a..b"),
            ),
            *(
                ("redis_host", f"redis://u:{PASSWORD}@h/x"),
                ("redis_host", f"redis://u:{PASSWORD}@h?max_connections=9"),
            ),
            *(("redis_host", f"redis://u:a#{PASSWORD}@h/0"), ("redis_port", "-1"), ("redis_db", "-1")),
            *(
                ("redis_sentinel", f"u:{PASSWORD}@h:1"),
                ("redis_sentinel", "h:0"),
                ("redis_sentinel", "a..b:1"),
            ),
            *(("neo4j_uri", f"bolt://u:{PASSWORD}@h"), ("neo4j_uri", "bolt://"), ("neo4j_uri", "bolt://h:x")),
            *(("neo4j_uri", "bolt://a..b"), ("neo4j_uri", "bolt://h/db"), ("neo4j_uri", "http://h")),
            *(
                ("metrics_host", "a..b"),
                ("lease_seconds", "inf"),
                ("llm_timeout", "nan"),
                ("llm_timeout", "1e300"),
            ),
        ],
    )
    def test_what_is_no_address_is_refused_by_its_variable(self, field: str, value: str) -> None:
        with pytest.raises(SettingsError) as caught:
            Settings.load(**{field: value})
        assert str(Settings.model_fields[field].validation_alias) in str(caught.value)
        assert PASSWORD not in str(caught.value)
        assert "\n" not in str(caught.value)

    @pytest.mark.parametrize("host", ["db", "my_redis-1", "10.0.0.1", "::1", "[fe80::1]", "数据库.example"])
    def test_hosts(self, host: str) -> None:
        settings = Settings.load(db_host=host, redis_host=host, redis_port=7000)
        bare = host.strip("[]")
        assert sql_target(settings).url.host == bare
        options = RedisConnection(settings.redis_url, 30).client.connection_pool.connection_kwargs
        assert (options["host"], options["port"]) == (bare, 7000)

    @pytest.mark.parametrize(
        "url",
        [
            f"redis://u:{PASSWORD}@h:7000/3",
            f"rediss://:{PASSWORD}@[::1]/0?ssl_cert_reqs=none",
            f"unix:///run/redis.sock?db=1&password={PASSWORD}",
        ],
    )
    def test_redis_urls(self, url: str) -> None:
        settings = Settings.load(redis_host=url)
        options = RedisConnection(settings.redis_url, 30).client.connection_pool.connection_kwargs
        assert options["password"] == PASSWORD

    def test_no_part_of_the_database_is_taken_for_another(self) -> None:
        parts = {
            "db_user": "u@x:/?#&",
            "db_password": "p@:/?#&%41",
            "db_name": "n?read_default_file=/etc/passwd",
        }
        url = sql_target(Settings.load(db_host="h", **parts)).url
        assert [url.username, url.password, url.database] == list(parts.values())
        assert dict(url.query) == {"charset": "utf8mb4"}
        assert "p@" not in repr(url)

    def test_a_folder_may_have_any_name(self, tmp_path: Path) -> None:
        settings = Settings.load(data=tmp_path / "a?b=c&d #%20")
        assert sql_target(settings).url.database == str(settings.sqlite_path)
