"""`kgnb providers list|add|set|test|remove|pause|resume`. An API key is never an argument."""

from __future__ import annotations

import argparse
import asyncio
import getpass
import json
import sys
import time
from typing import Any

from pydantic import SecretStr

from kgnb.app import context, provider_probe, providers
from kgnb.app.providers import AddedProvider
from kgnb.cli import options
from kgnb.core.errors import InputError
from kgnb.core.formatting import date_and_time
from kgnb.core.host import variable
from kgnb.core.messages import say
from kgnb.core.model import RULES, Provider
from kgnb.core.safe_text import one_line
from kgnb.core.settings import Settings
from kgnb.llm.presets import preset_named
from kgnb.worker.provider_sources import check_url, lacks_key

ANSWERED_NO, UNREACHABLE = options.FAILED_CHAPTERS, 2
"""Exit codes of `providers test` beside 0: it answers, but not as it should; it can't be reached."""
NAME_CHARS, REASON_CHARS = 100, 300
"""What a line shows of a name and of a reason."""
MAX_KEY = 10_000
"""Characters read from standard input: far above any key."""


# --- list


async def list_providers(args: argparse.Namespace, settings: Settings) -> int:
    """Print the providers and their state; return 0."""
    async with context.open_to_look(settings, graph=False) as app:
        found = await providers.list_providers(app)
    return options.show(args, {"providers": found}, lambda: map(_provider_line, found))


def _provider_line(one: dict[str, Any]) -> str:
    """Return the line on a provider."""
    return say(
        "providers.one",
        name=one_line(one["name"], NAME_CHARS),
        url=one_line(one["url"] or "-"),
        models=one_line(", ".join(one["models"]) or "-"),
        has_key=say("providers.key_yes" if one["key"] else "providers.key_no"),
        source=say(f"providers.source_{one['source']}"),
        state=_state(one),
    ) + (f"  {_options_text(one['options'])}" if one["options"] else "")


def _options_text(told: dict[str, Any]) -> str:
    """Return options as "name=value …" on one line."""
    texts = {k: v if isinstance(v, str) else json.dumps(v, ensure_ascii=False) for k, v in told.items()}
    return one_line(" ".join(f"{name}={text}" for name, text in texts.items()))


def _state(one: dict[str, Any]) -> str:
    """Return a provider's state in words."""
    if one["paused_until"]:
        return say(
            "providers.state_paused",
            seconds=max(0, round(one["paused_until"] - time.time())),
            reason=one_line(one["reason"], REASON_CHARS) or say("providers.no_reason"),
        )
    if not one["active"]:
        return say("providers.state_off")
    return one_line(one["problem"]) or say("providers.state_active")


# --- set


async def set_options(args: argparse.Namespace, settings: Settings) -> int:
    """Change a provider's options for every node, and print all that are set; return 0."""
    changes = dict(map(_assignment, args.options))
    async with context.open_app(settings, queue=False, graph=False) as app:
        told = await providers.set_options(app, args.provider.strip(), changes)
        shown = {"request": await provider_probe.preview_request(app, args.provider)} if args.show else {}
    name = args.provider.strip()
    line = say("providers.told", name=one_line(name), options=_options_text(told) or "-")
    facts = {"provider": name, "options": told, **shown}
    options.show(args, facts, lambda: [line])
    if args.show and not args.json:
        options.print_json(shown["request"], indent=2)
    return options.OK


def _assignment(text: str) -> tuple[str, Any]:
    """Return (option, value) of ``NAME=VALUE``: the value of JSON, else the plain text; None for "", which
    takes the option back. Raises InputError for another form.
    """
    name, equals, value = text.partition("=")
    if not equals or not name:
        raise InputError("providers.no_assignment", text=text)
    try:
        return name, json.loads(value) if value else None
    except (ValueError, RecursionError):
        return name, value


# --- add


async def add(args: argparse.Namespace, settings: Settings) -> int:
    """Add a provider or change the one of that name, and print where its key is kept; return 0."""
    key = await read_key(args, settings)
    async with context.open_app(settings, queue=False, graph=False) as app:
        done = await providers.add_provider(
            app,
            args.provider.strip(),
            url=args.url,
            models=[m.strip() for m in args.model],
            display_name=args.display_name,
            key=key,
            save_key=args.save_key,
        )
        facts = {"url": one_line(done.url or "-"), "models": one_line(", ".join(done.models) or "-")}
        what = "providers.added" if done.new else "providers.changed"
        print(say(what, name=one_line(done.name, NAME_CHARS), **facts))
        if text := _where_key_is(done, settings):
            print(text)
        if not done.models:
            print(say("provider.no_model", provider=done.name))
        if args.show:  # fails without a key: what was done is told before
            options.print_json(await provider_probe.preview_request(app, args.provider), indent=2)
    return options.OK


def _where_key_is(done: AddedProvider, settings: Settings) -> str:
    """Return the sentence on where a new key is; "" if the key stayed."""
    if done.key_in == "kept":
        return ""
    keys = {"table": "key_table", "file": "key_saved", "given": "key_not_saved", "": "key_none"}
    return say(f"providers.{keys[done.key_in]}", path=settings.keys_path, name=done.name)


async def read_key(args: argparse.Namespace, settings: Settings) -> SecretStr | None:
    """The key from a variable, standard input or the terminal; None when none is given.

    One that was typed is saved, as the question says; else typing it would be for nothing.
    """
    if args.key_env:
        return _not_empty(SecretStr(variable(args.key_env)), args.key_env)
    if args.key_stdin:
        line = await asyncio.to_thread(sys.stdin.readline, MAX_KEY)
        return _not_empty(SecretStr(line.strip()), "stdin")
    address = (args.url or "").strip() or preset_named(args.provider).base_url
    provider = Provider(args.provider.strip(), base_url=address)
    if address:
        check_url(provider)  # a wrong one is told before a key is typed for nothing
    if not sys.stdin.isatty() or not (args.save_key or lacks_key(provider)):
        return None
    question = "ask_key_saved" if settings.embedded_sql else "ask_key"
    asked = say(f"providers.{question}", name=args.provider, path=settings.keys_path)
    typed = await asyncio.to_thread(getpass.getpass, asked)
    args.save_key = True
    return SecretStr(typed.strip()) if typed.strip() else None


def _not_empty(key: SecretStr, source: str) -> SecretStr:
    """Return the key. Raises InputError for an empty one."""
    if not key.get_secret_value():
        raise InputError("providers.key_empty", source=source)
    return key


# --- test, remove, pause, resume


async def test(args: argparse.Namespace, settings: Settings) -> int:
    """Send the provider one real request and print what came back; return 0 for an answer, 1 for a refusal, 2
    for an endpoint that isn't reached.
    """
    if args.provider.strip().lower() == RULES:
        print(say("providers.test_rules"))
        return options.OK
    async with context.open_to_look(settings, queue=False, graph=False) as app:
        if args.show:
            options.print_json(await provider_probe.preview_request(app, args.provider), indent=2)
            return options.OK
        result = await provider_probe.probe_provider(app, args.provider)
    if result.error:
        options.warn(one_line(result.error))
    else:
        facts = {"name": one_line(result.name), "model": one_line(result.model)}
        print(say("providers.works", **facts, ms=round(1_000 * result.seconds)))
    if result.models:
        print(say("providers.models", models=one_line(", ".join(result.models[:20]))))
    return options.OK if not result.error else ANSWERED_NO if result.reached else UNREACHABLE


async def remove(args: argparse.Namespace, settings: Settings) -> int:
    """Switch a provider off, with ``--delete`` remove its row and its key; return 0."""
    async with context.open_to_look(settings, queue=False, graph=False) as app:
        await providers.remove_provider(app, args.provider, delete=args.delete)
    print(say("providers.deleted" if args.delete else "providers.off", name=args.provider.strip()))
    return options.OK


async def pause(args: argparse.Namespace, settings: Settings) -> int:
    """Pause a provider on every node; return 0. Raises InputError where no queue runs."""
    async with context.open_to_look(settings, graph=False) as app:
        if not app.has_queue:
            raise InputError("operate.nothing_runs", place=settings.data.absolute())
        paused = await providers.pause_provider(app, args.provider, args.seconds)
    facts = {"seconds": round(paused.seconds), "when": date_and_time(paused.until)}
    print(say("operate.provider_paused", provider=one_line(paused.provider), **facts))
    return options.OK


async def resume(args: argparse.Namespace, settings: Settings) -> int:
    """End a provider's pause; return 0."""
    async with context.open_to_look(settings, graph=False) as app:
        ended = await providers.resume_provider(app, args.provider)
    what = "provider_resumed" if ended.until else "provider_not_paused"
    print(say(f"operate.{what}", provider=one_line(ended.provider)))
    return options.OK
