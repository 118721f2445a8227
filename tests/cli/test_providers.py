"""Providers from the terminal and followed while running; keys that are nowhere they don't belong."""

from __future__ import annotations

import asyncio
import json
import socket
import sqlite3
import stat
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from aiohttp import web
from pydantic import SecretStr

from kgnb.app.context import open_app
from kgnb.app.provider_probe import probe_draft
from kgnb.cli import providers as cli_providers
from kgnb.cli.commands import make_parser
from kgnb.core.errors import SettingsError
from kgnb.core.messages import Language, texts
from kgnb.core.model import Prompt, Provider
from kgnb.core.settings import Settings
from kgnb.llm.client import LlmClient
from kgnb.llm.fake.server import FakeServer
from kgnb.stores.ledger import tables as t
from kgnb.stores.ledger.ledger import Ledger
from kgnb.worker.api_keys import ApiKeys, origin
from kgnb.worker.provider_registry import ProviderRegistry
from tests.support.commands import KEY, STORY, Llm, Place, llm
from tests.support.engines import files_containing
from tests.support.ledgers import execute
from tests.support.patience import SLOWEST

HOST = "127.0.0.1"
URL = f"http://{HOST}:9/v1"
AWAY = "http://llm.example/v1"
"""An address that wants a key, as this machine's own doesn't."""
OTHER_KEY = "sk-canary-other-77"


# --- the key file


@pytest.fixture
def keys(tmp_path: Path) -> ApiKeys:
    return ApiKeys(tmp_path / "config" / "kgnb" / "keys.json")


class TestKeys:
    def test_are_kept_for_their_address_and_for_this_user_only(self, keys: ApiKeys, tmp_path: Path) -> None:
        assert keys.read() == {}
        keys.save("DeepSeek", SecretStr(KEY), "https://API.deepseek.com/v1", outside=tmp_path / "data")
        keys.save("other", SecretStr(OTHER_KEY), URL, outside=tmp_path / "data")
        saved = keys.read()["deepseek"]
        assert (saved.key.get_secret_value(), saved.origin) == (KEY, "https://api.deepseek.com:443")
        assert KEY not in repr(saved)
        assert stat.S_IMODE(keys.path.stat().st_mode) == 0o600
        assert stat.S_IMODE(keys.path.parent.stat().st_mode) == 0o700
        keys.forget("DEEPSEEK")
        keys.forget("never there")
        assert list(keys.read()) == ["other"]
        assert [p.name for p in keys.path.parent.iterdir() if not p.name.endswith(".lock")] == ["keys.json"]

    def test_never_lie_in_the_data_folder(self, keys: ApiKeys) -> None:
        with pytest.raises(SettingsError, match="KGNB_KEYS"):
            keys.save("a", SecretStr(KEY), URL, outside=keys.path.parent.parent)
        assert not keys.path.parent.exists()

    def test_a_file_that_others_can_read_is_not_used(self, keys: ApiKeys, tmp_path: Path) -> None:
        keys.save("a", SecretStr(KEY), URL, outside=tmp_path / "data")
        keys.path.chmod(0o644)
        with pytest.raises(SettingsError, match="chmod 600"):
            keys.read()

    @pytest.mark.parametrize("content", [f'{{"a": "{KEY}"', "[]", '{"a": 1, "b": {"key": 2}}', "[" * 99_999])
    def test_a_damaged_file_is_told_without_what_it_holds(self, keys: ApiKeys, content: str) -> None:
        keys.path.parent.mkdir(parents=True)
        keys.path.write_text(content)
        keys.path.chmod(0o600)
        try:
            assert keys.read() == {}
        except SettingsError as error:
            assert KEY not in str(error)  # noqa: PT017 - both are right, by the damage

    def test_two_at_once_lose_nothing(self, keys: ApiKeys, tmp_path: Path) -> None:
        async def all_at_once() -> None:
            saves = (
                asyncio.to_thread(keys.save, f"p{i}", SecretStr(KEY), URL, outside=tmp_path / "data")
                for i in range(20)
            )
            await asyncio.gather(*saves)

        asyncio.run(all_at_once())
        assert len(keys.read()) == 20

    def test_an_address_has_one_origin(self) -> None:
        assert origin("https://h/v1") == origin("https://H:443/other") != origin("http://h/v1")
        assert origin("nonsense") == origin("http://h:x/") == ""

    def test_where_the_file_is(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("XDG_CONFIG_HOME", "/x/cfg")
        assert Settings.load().keys_path == Path("/x/cfg/kgnb/keys.json")
        monkeypatch.setenv("XDG_CONFIG_HOME", "relative")
        assert Settings.load().keys_path == Path.home() / ".config/kgnb/keys.json"
        monkeypatch.setenv("KGNB_KEYS", "/y/k.json")
        assert Settings.load().keys_path == Path("/y/k.json")


@pytest.mark.parametrize("language", ["zh", "en"])
def test_what_pauses_a_provider_names_the_command_that_lifts_it(language: Language) -> None:
    for key in ("provider.auth", "provider.quota", "provider.no_price", "provider.budget_money"):
        assert "kgnb providers resume {provider}" in texts(language)[key]
    assert "kgnb dead retry" in texts(language)["queue.dead_deliveries"]


# --- following the table


@pytest.fixture
async def providers(ledger: Ledger, keys: ApiKeys) -> AsyncIterator[ProviderRegistry]:
    one = ProviderRegistry(ledger, Settings.load(keys=str(keys.path), llm_timeout=5))
    yield one
    await one.close()


async def insert(ledger: Ledger, name: str | None, **values: Any) -> None:
    row = {"name": name, "base_url": URL, "api_key": KEY, "models": ["m"], "is_active": 1} | values
    await execute(ledger, sa.insert(t.ai_providers).values(**row))


def served(providers: ProviderRegistry) -> list[str]:
    return sorted(p.name for p in providers.served() if not p.is_rules)


HOSTILE: list[tuple[str | None, dict[str, Any]]] = [
    (None, {}),
    ("", {}),
    ("  ", {}),
    ("rules", {}),
    ("no-url", {"base_url": None}),
    ("bad-url", {"base_url": "not a url"}),
    ("bad-port", {"base_url": "http://h:99999/v1"}),
    ("ftp", {"base_url": "ftp://host/v1"}),
    ("no-key", {"api_key": None, "base_url": AWAY}),
    ("bad-key", {"api_key": "two words"}),
    ("密钥", {"api_key": "密钥"}),
    ("x:good", {}),
    ("line\nbreak", {}),
]


async def test_hostile_rows_never_stop_the_others(
    ledger: Ledger, providers: ProviderRegistry, caplog: pytest.LogCaptureFixture
) -> None:
    for name, values in HOSTILE:
        await insert(ledger, name, **values)
    await insert(ledger, "good")
    await insert(ledger, "odd models", models={"not": "a list"})
    await insert(ledger, "half", is_active=None)
    for _ in range(3):
        await providers.refresh_and_log()
    assert served(providers) == ["good", "odd models"]
    told = [r.getMessage() for r in caplog.records]
    assert len(told) == len(set(told)) == 9  # each once
    assert not any("\n" in text or KEY in text for text in told)
    assert providers.get("good").models == ("m",)


async def test_of_two_rows_for_one_name_the_one_that_can_be_used_is(
    ledger: Ledger, providers: ProviderRegistry, caplog: pytest.LogCaptureFixture
) -> None:
    await insert(ledger, "OpenAI", api_key="", base_url=AWAY)
    await insert(ledger, "openai")
    await insert(ledger, "OPENAI", models=["later"])
    await providers.refresh_and_log()
    assert served(providers) == ["openai"]
    assert len(caplog.records) == 1


async def test_added_changed_and_switched_off_rows_are_followed(
    ledger: Ledger, providers: ProviderRegistry, caplog: pytest.LogCaptureFixture
) -> None:
    await providers.refresh_and_log()
    assert served(providers) == []
    await insert(ledger, "a")
    await insert(ledger, "b", api_key="", base_url=AWAY)
    await providers.refresh_and_log()
    assert served(providers) == ["a"]
    await execute(ledger, sa.update(t.ai_providers).where(t.ai_providers.c.name == "b").values(api_key=KEY))
    await providers.refresh_and_log()
    assert served(providers) == ["a", "b"]
    await execute(ledger, sa.update(t.ai_providers).where(t.ai_providers.c.name == "a").values(is_active=0))
    await providers.refresh_and_log()
    assert served(providers) == ["b"]
    assert len(caplog.records) == 1


async def is_closed(client: LlmClient) -> bool:
    """Whether the connections of a client that has asked for something are closed."""
    return all(api.client.is_closed() for api in await client.opened())


async def test_a_replaced_client_is_closed_once_its_requests_are_done(
    ledger: Ledger, providers: ProviderRegistry
) -> None:
    async with FakeServer(latency=0.5) as server:
        await insert(ledger, "a", base_url=server.base_url)
        await providers.refresh()
        old = providers.client(providers.get("a"))
        asking = asyncio.create_task(old.ask(Prompt("", "刘备。", "", {}), "dryrun"))
        await asyncio.sleep(0.2)
        await execute(ledger, sa.update(t.ai_providers).values(api_key=OTHER_KEY))
        await providers.refresh()
        new = providers.client(providers.get("a"))
        assert new is not old
        assert providers.client(providers.get("a")) is new
        await new.models()
        await providers.refresh()
        assert (await asking).text  # it was let finish
        await providers.refresh()
        assert not providers._retired
        assert await is_closed(old)
        assert not await is_closed(new)
        await execute(ledger, sa.delete(t.ai_providers))
        await providers.refresh()
        assert await is_closed(new)
        assert not providers._clients


async def test_a_saved_key_goes_to_its_own_address_only(
    ledger: Ledger, providers: ProviderRegistry, keys: ApiKeys, tmp_path: Path
) -> None:
    keys.save("a", SecretStr(KEY), URL, outside=tmp_path / "data")
    await insert(ledger, "A", api_key="")
    await providers.refresh()
    assert providers.get("a").api_key.get_secret_value() == KEY
    assert served(providers) == ["A"]
    await execute(ledger, sa.update(t.ai_providers).values(base_url="http://elsewhere.example/v1"))
    await providers.refresh()
    assert served(providers) == []


async def test_the_environments_key_completes_its_row(ledger: Ledger, keys: ApiKeys) -> None:
    settings = Settings.load(
        keys=str(keys.path), openai_base_url=URL, openai_api_key=KEY, provider_name="DeepSeek"
    )
    own = ProviderRegistry(ledger, settings)
    await insert(ledger, "deepseek", api_key="", models=["from-row"])
    await own.refresh()
    assert own.get("DEEPSEEK").models == ("from-row",)
    assert served(own) == ["deepseek"]
    await own.close()


# --- the commands


@pytest.fixture(scope="module")
def server() -> Iterator[Llm]:
    with llm(key=KEY) as one:
        yield one


@pytest.fixture
def place(tmp_path: Path, running_engines: None) -> Iterator[Place]:
    home = tmp_path / "home"
    home.mkdir()
    with Place(
        tmp_path, {"HOME": str(home), "XDG_CONFIG_HOME": str(home / "cfg"), "KGNB_LANG": "en", "MY_KEY": KEY}
    ) as one:
        yield one


def listed(place: Place) -> dict[str, dict[str, Any]]:
    ran = place.run("providers", "list", "--json")
    assert ran.code == 0, ran
    assert KEY not in ran.out
    return {one["name"]: one for one in ran.json["providers"]}


def test_a_provider_is_added_listed_tested_used_and_removed(place: Place, server: Llm) -> None:
    add = ("providers", "add", "DeepSeek", "--url", server.server.base_url, "--model", "dryrun")
    first = place.run(*add, "--key-env", "MY_KEY", "--display-name", "深度")
    assert first.code == 0, first
    assert "added" in first.out
    assert "--save-key" in first.out  # the embedded database holds no key
    assert listed(place)["DeepSeek"]["key"] is False
    assert "no model" not in first.out
    saved = place.run("providers", "add", "deepseek", "--key-env", "MY_KEY", "--save-key")
    assert saved.code == 0, saved
    assert "changed" in saved.out
    one = listed(place)["DeepSeek"]
    assert one == one | {"url": server.server.base_url, "models": ["dryrun"], "active": True, "key": True}
    assert one == one | {"source": "table", "display_name": "深度", "problem": "", "paused_until": None}
    tested = place.run("providers", "test", "deepseek")
    assert tested.code == 0, tested
    assert "dryrun" in tested.out
    built = place.build(STORY, "--provider", "deepseek")
    assert (built["completed"], built["failed"]) == (6, 0)
    assert files_containing(place.data, [KEY]) == []
    assert [p.name for p in files_containing(place.path, [KEY])] == ["keys.json"]
    assert place.sql("SELECT DISTINCT api_key FROM ai_providers") == [("",)]
    assert place.sql("SELECT requests FROM kgnb_spending") == [(7,)]  # the test's too
    off = place.run("providers", "remove", "DEEPSEEK")
    assert off.code == 0, off
    assert listed(place)["DeepSeek"]["active"] is False
    assert place.run("providers", "remove", "deepseek", "--delete").code == 0
    assert "DeepSeek" not in listed(place)
    assert files_containing(place.path, [KEY]) == []
    place.run("providers", "remove", "deepseek").refused("deepseek", "providers list")
    bare = place.run("providers", "add", "mine", "--url", server.server.base_url)
    assert "Run kgnb providers add mine --model NAME" in bare.out


def test_what_a_test_finds_wrong_is_told_with_advice(place: Place, server: Llm) -> None:
    add = ("providers", "add", "a", "--model", "dryrun", "--key-stdin", "--save-key", "--url")
    for key, url, code, word in (
        ("wrong", server.server.base_url, 1, "key"),
        (KEY, URL, 2, "OPENAI_BASE_URL"),
    ):
        ran = place.start(*add, url, stdin=-1)
        ran.process.stdin.write(f"{key}\n")
        assert ran.ended().code == 0
        tested = place.run("providers", "test", "a", env={"KGNB_LLM_TRIES": "1"})
        assert tested.code == code, tested
        assert word in tested.err
        assert key not in tested.err + tested.out


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (("add", "rules", "--url", URL), ("rules",)),
        (("add", "two words", "--url", URL), ("two words",)),
        (("add", "a:b", "--url", URL), ("a:b",)),
        (("add", "a"), ("--url",)),
        (("add", "a", "--url", "not a url"), ("base_url",)),
        (("add", "a", "--url", f"http://h/{'x' * 300}"), ("--url", "255")),
        (("add", "a", "--url", URL, "--display-name", "x" * 101), ("--display-name", "100")),
        (("add", "a", "--url", URL, "--key-env", "NOT_SET"), ("NOT_SET",)),
        (("test", "nobody"), ("nobody",)),
    ],
)
def test_refusals_are_one_line(place: Place, args: tuple[str, ...], words: tuple[str, ...]) -> None:
    place.run("providers", *args).refused(*words)
    assert place.sql("SELECT * FROM ai_providers") == []


def test_doctor_shows_no_password_of_an_address(place: Place, fresh_server: Llm) -> None:
    address = fresh_server.server.base_url.replace("://", "://me:geheim@")
    add = ("providers", "add", "dryrun", "--model", "dryrun", "--url")
    refused = place.run(*add, address)
    refused.refused("dryrun", "127.0.0.1")
    assert place.run(*add, fresh_server.server.base_url).code == 0
    change(place, "UPDATE ai_providers SET api_key = ?, base_url = ?", KEY, address)  # by another program
    ran = place.run("doctor")
    assert ran.code == 2, ran
    (line,) = [x for x in ran.out.splitlines() if "dryrun:" in x]
    assert "127.0.0.1" in line
    assert "geheim" not in refused.err + ran.out + ran.err


def test_a_known_provider_is_added_by_its_name_and_told_options(place: Place) -> None:
    assert "deepseek" in place.run("providers", "presets").out
    keyless = place.run("providers", "add", "DeepSeek", "--show")
    assert keyless.code == 2
    assert "https://api.deepseek.com" in keyless.out  # it was added all the same
    added = place.run("providers", "add", "DeepSeek", "--key-env", "MY_KEY", "--save-key")
    assert added.code == 0, added
    told = place.run(
        "providers",
        "set",
        "deepseek",
        "thinking=on",
        "extra_body.service_tier=flex",
        "temperature=0",
        "--show",
        "--json",
    )
    told_options = {"thinking": "on", "extra_body": {"service_tier": "flex"}, "temperature": 0}
    answer = json.loads(told.out)
    assert answer["options"] == told_options
    assert answer["request"]["body"]["thinking"] == {"type": "enabled"}
    (one,) = [p for p in listed(place).values() if p["source"] == "table"]
    assert (one["url"], one["models"]) == ("https://api.deepseek.com", ["deepseek-flash"])
    assert (one["display_name"], one["problem"]) == ("DeepSeek", "")
    assert one["options"]["thinking"] == "on"
    shown = place.run("providers", "test", "deepseek", "--show")
    body = json.loads(shown.out)["body"]
    assert (body["thinking"], body["service_tier"]) == ({"type": "enabled"}, "flex")
    assert body["max_tokens"] > 0
    assert KEY not in shown.out
    place.run("providers", "set", "deepseek", "thinkin=on").refused("thinkin", "max_output_tokens")
    place.run("providers", "set", "deepseek", 'api_keys=["x"]').refused("KGNB_PROVIDER_OPTIONS")
    assert place.sql("SELECT options FROM kgnb_provider_options") == [
        ('{"extra_body": {"service_tier": "flex"}, "temperature": 0.0, "thinking": "on"}',)
    ]
    assert files_containing(place.data, [KEY]) == []


async def test_a_typed_key_is_tested_alone(tmp_path: Path) -> None:
    async with FakeServer(key="right") as llm:
        told = {"mine": {"api_keys": ["right"], "base_url": llm.base_url}}
        settings = Settings.load(data=tmp_path / "data", provider_options=json.dumps(told))
        async with open_app(settings, queue=False, graph=False) as app:
            probe = await probe_draft(app, Provider("mine", llm.base_url, SecretStr("wrong"), ("dryrun",)))
    assert probe.kind == "provider.auth"


@pytest.mark.parametrize(
    ("reply", "kind"), [("<think>Let me see.</think>", "provider.only_thoughts"), ("", "provider.blank")]
)
async def test_a_reply_without_an_answer_is_told(tmp_path: Path, reply: str, kind: str) -> None:
    settings = Settings.load(data=tmp_path / "data")
    async with FakeServer(answer=lambda _: reply) as llm, open_app(settings, queue=False, graph=False) as app:
        probe = await probe_draft(app, Provider("mine", llm.base_url, models=("dryrun",)))
    assert (probe.kind, probe.reached) == (kind, True)
    assert probe.error


LIST_SECONDS = 8.0
"""Longer than the list of models may take where a test stands still, shorter than a request of SlowModel."""


class SlowModel(FakeServer):
    async def handle(self, request: web.Request) -> web.StreamResponse:
        await asyncio.sleep(LIST_SECONDS + 0.5 if request.method == "POST" else 0)
        return await super().handle(request)


async def test_a_silent_endpoint_is_told_from_a_slow_model(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One that lists no models either is left, whatever its requests may take."""
    for module in ("kgnb.llm.client", "kgnb.app.provider_probe"):
        monkeypatch.setattr(f"{module}.LIST_SECONDS", LIST_SECONDS)
    with socket.create_server((HOST, 0)) as mute:
        async with SlowModel() as slow:
            urls = {"slow": slow.base_url, "mute": f"http://{HOST}:{mute.getsockname()[1]}/v1"}
            options = {name: {"base_url": url, "timeout": 600, "tries": 9} for name, url in urls.items()}
            settings = Settings.load(data=tmp_path / "data", provider_options=json.dumps(options))
            async with open_app(settings, queue=False, graph=False) as app, asyncio.timeout(60 * SLOWEST):
                drafts = [Provider(name, url, SecretStr("k"), ("dryrun",)) for name, url in urls.items()]
                answered, silent = await asyncio.gather(*(probe_draft(app, draft) for draft in drafts))
    assert (answered.error, answered.reached, silent.reached) == ("", True, False)
    assert answered.seconds > LIST_SECONDS
    assert silent.kind == "provider.unreachable"


def test_no_key_is_missed_on_this_machine(place: Place) -> None:
    add = ("providers", "add", "own", "--model", "m", "--url")
    texts = [place.run(*add, url).out for url in (URL, "https://api.example.com/v1")]
    assert ["--key-env" in text for text in texts] == [False, True], texts


@pytest.mark.parametrize(
    ("words", "asks"),
    [("", True), ("--url https://host/v1", True), (f"--url {URL}", False), (f"--url {URL} --save-key", True)],
)
async def test_a_terminal_is_asked_for_a_key_that_is_needed_or_shall_be_saved(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: str, asks: bool
) -> None:
    asked: list[str] = []
    monkeypatch.setattr("getpass.getpass", lambda text: asked.append(text) or "")
    monkeypatch.setattr("sys.stdin.isatty", lambda: True, raising=False)
    args = make_parser().parse_args(["providers", "add", "own", *words.split()])
    await cli_providers.read_key(args, Settings.load(data=tmp_path / "data"))
    assert bool(asked) == asks
    args.url = "ftp://host/v1"
    with pytest.raises(SettingsError, match="ftp"):
        await cli_providers.read_key(args, Settings.load(data=tmp_path / "data"))
    assert bool(asked) == asks  # no key is typed for nothing


def test_the_key_file_is_refused_inside_the_data_folder(place: Place) -> None:
    add = ("providers", "add", "a", "--url", URL, "--key-env", "MY_KEY", "--save-key")
    place.run(*add, env={"KGNB_KEYS": str(place.data / "keys.json")}).refused("KGNB_KEYS")
    assert files_containing(place.path, [KEY]) == []
    assert place.sql("SELECT * FROM ai_providers") == []


# --- a key that is changed while a task runs


def change(place: Place, statement: str, *values: str) -> None:
    """main's hand in the table."""
    with closing(sqlite3.connect(place.data / "kgnb.db", timeout=10)) as db, db:
        db.execute(statement, values)


@pytest.fixture
def fresh_server() -> Iterator[Llm]:
    with llm(key=KEY) as one:
        yield one


def test_a_key_replaced_in_mid_task_takes_effect(place: Place, fresh_server: Llm) -> None:
    server = fresh_server
    assert (
        place.run("providers", "add", "dryrun", "--url", server.server.base_url, "--model", "dryrun").code
        == 0
    )
    change(place, "UPDATE ai_providers SET api_key = ?", OTHER_KEY)
    submitted = place.run("submit", STORY, "--provider", "dryrun")
    assert submitted.code == 0, submitted
    worker = place.start("worker", "--slots", "3")
    try:
        worker.until(lambda: listed(place)["dryrun"]["paused_until"], 60)
        assert "key" in listed(place)["dryrun"]["reason"]
        change(place, "UPDATE ai_providers SET api_key = ?", KEY)
        time.sleep(6)  # a node notices within 5 s
        assert place.run("providers", "resume", "dryrun").code == 0
        done = "SELECT status FROM knowledge_graph_tasks"
        worker.until(lambda: place.sql(done) == [("completed",)], 60)
        failed = "SELECT count(*) FROM knowledge_graph_chapter_status WHERE status <> 'completed'"
        assert place.sql(failed) == [(0,)]
        assert server.stats.answered_twice == []
    finally:
        worker.kill()
        out, err = worker.process.communicate()
    assert OTHER_KEY not in out + err
    assert KEY not in out + err
