"""The terminal's commands on providers: `kgnb providers list|add|test|remove`. A key is never an argument."""

from __future__ import annotations

import argparse
import asyncio
import getpass
import json
import sys
import time
from typing import TYPE_CHECKING, Any

from pydantic import SecretStr

from kgnb.cli.options import FAILED_CHAPTERS, OK, command, json_option
from kgnb.core.errors import InputError
from kgnb.core.messages import say
from kgnb.core.safe_text import one_line
from kgnb.core.settings import Settings

if TYPE_CHECKING:
    from kgnb.app.providers import AddedProvider, ProviderView

ANSWERED_NO, UNREACHABLE = FAILED_CHAPTERS, 2
"""Exit codes of `providers test` beside 0: it answers, but not as it should; it can't be reached."""
NAME_CHARS, REASON_CHARS = 100, 300
"""What a line shows of a name and of a reason."""
MAX_KEY = 10_000
"""Characters read from standard input: far above any key."""


async def _list(args: argparse.Namespace, settings: Settings) -> int:
    from kgnb.app.context import open_app
    from kgnb.app.providers import listed

    async with open_app(settings, graph=False) as app:
        found = await listed(app)
    if args.json:
        print(json.dumps({"providers": [one.as_dict() for one in found]}, ensure_ascii=False))
    else:
        for one in found:
            print(_line(one))
    return OK


def _line(one: ProviderView) -> str:
    return say(
        "providers.one",
        name=one_line(one.name, NAME_CHARS),
        url=one_line(one.url or "-"),
        models=one_line(", ".join(one.models) or "-"),
        has_key=say("providers.key_yes" if one.key else "providers.key_no"),
        source=say(f"providers.source_{one.source}"),
        state=_state(one),
    )


def _state(one: ProviderView) -> str:
    if one.paused_until:
        seconds = max(0, round(one.paused_until - time.time()))
        return say(
            "providers.state_paused",
            seconds=seconds,
            reason=one_line(one.reason, REASON_CHARS) or say("providers.no_reason"),
        )
    if not one.active:
        return say("providers.state_off")
    return one_line(one.problem) or say("providers.state_active")


async def _add(args: argparse.Namespace, settings: Settings) -> int:
    from kgnb.app.context import open_app
    from kgnb.app.providers import add

    key = await _key(args)
    async with open_app(settings, queue=False, graph=False) as app:
        done = await add(
            app,
            args.provider.strip(),
            url=args.url,
            models=[m.strip() for m in args.model],
            display_name=args.display_name,
            key=key,
            save_key=args.save_key,
        )
    print(
        say(
            "providers.added" if done.new else "providers.changed",
            name=one_line(done.name, NAME_CHARS),
            url=one_line(done.url or "-"),
            models=one_line(", ".join(done.models) or "-"),
        )
    )
    if text := _where(done, settings):
        print(text)
    return OK


def _where(done: AddedProvider, settings: Settings) -> str:
    """What became of the key."""
    if done.key_in == "table":
        return say("providers.key_table")
    if done.key_in == "file":
        return say("providers.key_saved", path=settings.keys_path)
    if done.key_in == "given":
        return say("providers.key_not_saved", path=settings.keys_path, name=done.name)
    return "" if done.key_in == "kept" else say("providers.key_none")


async def _key(args: argparse.Namespace) -> SecretStr | None:
    """The key from where the person has it; None when none is given."""
    if args.key_env:
        return _full(Settings.variable(args.key_env), args.key_env)
    if args.key_stdin:
        line = await asyncio.to_thread(sys.stdin.readline, MAX_KEY)
        return _full(SecretStr(line.strip()), "stdin")
    if not sys.stdin.isatty():
        return None
    typed = await asyncio.to_thread(getpass.getpass, say("providers.ask_key", name=args.provider))
    return SecretStr(typed.strip()) if typed.strip() else None


def _full(key: SecretStr, source: str) -> SecretStr:
    if not key.get_secret_value():
        raise InputError("providers.key_empty", source=source)
    return key


async def _test(args: argparse.Namespace, settings: Settings) -> int:
    from kgnb.app.context import open_app
    from kgnb.app.providers import test
    from kgnb.core.model import RULES

    if args.provider.strip().lower() == RULES:
        print(say("providers.test_rules"))
        return OK
    async with open_app(settings, queue=False, graph=False) as app:
        told = await test(app, args.provider)
    if told.error:
        print(f"kgnb: {one_line(told.error)}", file=sys.stderr)
    else:
        print(
            say(
                "providers.works",
                name=one_line(told.name),
                model=one_line(told.model),
                ms=round(1_000 * told.seconds),
            )
        )
    if told.models:
        print(say("providers.models", models=one_line(", ".join(told.models[:20]))))
    return OK if not told.error else ANSWERED_NO if told.reached else UNREACHABLE


async def _remove(args: argparse.Namespace, settings: Settings) -> int:
    from kgnb.app.context import open_app
    from kgnb.app.providers import remove

    async with open_app(settings, queue=False, graph=False) as app:
        await remove(app, args.provider, delete=args.delete)
    print(say("providers.deleted" if args.delete else "providers.off", name=args.provider.strip()))
    return OK


def add_providers(commands: Any) -> None:
    """Declares `providers` and its commands."""
    text = say("cli.help_providers_group")
    group = commands.add_parser("providers", help=text, description=text)
    actions = group.add_subparsers(dest="action", required=True, metavar="ACTION")
    json_option(command(actions, "list", _list, text="providers_list"))
    _add_add(actions)
    _name(command(actions, "test", _test, text="providers_test"))
    removing = command(actions, "remove", _remove, text="providers_remove")
    _name(removing)
    removing.add_argument("--delete", action="store_true", help=say("cli.help_delete"))


def _name(added: argparse.ArgumentParser) -> None:
    added.add_argument("provider", metavar="NAME", help=say("cli.help_provider_name"))


def _add_add(actions: Any) -> None:
    added = command(actions, "add", _add, text="providers_add")
    _name(added)
    added.add_argument("--url", metavar="URL", help=say("cli.help_url"))
    added.add_argument("--model", metavar="M", action="append", default=[], help=say("cli.help_model"))
    added.add_argument("--display-name", metavar="TEXT", help=say("cli.help_display_name"))
    source = added.add_mutually_exclusive_group()
    source.add_argument("--key-env", metavar="VAR", help=say("cli.help_key_env"))
    source.add_argument("--key-stdin", action="store_true", help=say("cli.help_key_stdin"))
    added.add_argument("--save-key", action="store_true", help=say("cli.help_save_key"))
