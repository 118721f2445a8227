"""Every command: its words, options and help. What it does is in the module that it names, which is imported
when the command is run: help, completion and errors of parsing need none of them.
"""

from __future__ import annotations

import argparse
import pkgutil
from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any

from kgnb import __version__
from kgnb.cli import options
from kgnb.cli.completion import add_completion
from kgnb.cli.options import command, family, file_argument, json_option, old_spelling, task_argument
from kgnb.cli.parser import Commands, Parser
from kgnb.core.messages import say

if TYPE_CHECKING:
    from kgnb.core.settings import Settings

    Command = Callable[[argparse.Namespace, Settings], Coroutine[Any, Any, int]]

SAMPLE = 3
"""Chapters that an estimate extracts. They are paid for; chapters' costs differ by about a tenth."""
HEALTHY_SECONDS = 60
"""Two to six heartbeats: a node that is silent for longer hangs or has lost Redis."""
NAMES_SHOWN = 50
"""Names that are listed without ``--top``."""
ONE_PROVIDER = ("OPENAI_BASE_URL", "OPENAI_API_KEY", "OPENAI_MODEL", "KGNB_PROVIDER_NAME")
"""Variables of one provider: what a run on Kaggle needs to use it, and no more."""


def chosen(args: argparse.Namespace) -> Command:
    """Import and return what carries out the parsed command."""
    found: Command = pkgutil.resolve_name(f"kgnb.cli.{args.run}")
    return found


def make_parser() -> Parser:
    """The parser of the whole command line, its texts in the language in force."""
    parser = Parser(prog="kgnb", description=say("cli.about"))
    parser.add_argument(
        "--version", action="version", version=f"kgnb {__version__}", help=say("cli.help_version")
    )
    options.common_options(parser, default=None)
    commands = parser.add_commands("name")
    for group, adders in {
        "books": (_add_build, _add_submit, _add_export, _add_import, _add_names),
        "running": (_add_worker, _add_health, _add_doctor),
        "looking": (_add_status, _add_chapter, _add_cost),
        "tasks": (_add_task, _add_dead),
        "providers": (_add_providers, _add_kaggle),
    }.items():
        parser.start_group(say(f"cli.group_{group}"))
        for add in adders:
            add(commands)
    parser.start_group(say("cli.group_shell"))
    add_completion(commands, parser)
    return parser


# --- books


def _add_build(commands: Commands[Parser]) -> None:
    added = command(commands, "build", "build:build")
    _book_options(added)
    added.add_argument("--provider", metavar="NAME", help=say("cli.help_provider"))
    about_estimate = say("cli.help_estimate", chapters=SAMPLE)
    added.add_argument(
        "--estimate", type=options.whole(1_000), nargs="?", const=SAMPLE, metavar="N", help=about_estimate
    )
    added.add_argument("--slots", type=options.slots, metavar="N", help=say("cli.help_slots"))
    _resume_option(added)
    json_option(added)
    about_output = say("cli.help_picture")
    file_argument(added, "-o", "--output", type=options.graph_file, metavar="graph.html", help=about_output)


def _add_submit(commands: Commands[Parser]) -> None:
    added = command(commands, "submit", "build:submit")
    _book_options(added)
    added.add_argument("--provider", metavar="NAME", required=True, help=say("cli.help_provider"))


def _book_options(added: Parser) -> None:
    file_argument(added, "book", metavar="BOOK", help=say("cli.help_book"))
    added.add_argument("--title", metavar="TITLE", help=say("cli.help_title"))
    added.add_argument("--author", metavar="AUTHOR", help=say("cli.help_author"))
    added.add_argument("--kinds", metavar="KIND,KIND", help=say("cli.help_kinds"))
    added.add_argument("--again", action="store_true", help=say("cli.help_again"))


def _resume_option(added: Parser) -> None:
    file_argument(added, "--resume-from", metavar="DIR|ZIP", help=say("cli.help_resume_from"))


def _add_export(commands: Commands[Parser]) -> None:
    added = command(commands, "export", "transfer:export_graph")
    task_argument(added)
    added.add_argument("--format", choices=options.FORMATS, help=say("cli.help_format"))
    about = say("cli.help_output")
    file_argument(added, "-o", "--output", type=options.graph_file, metavar="FILE", required=True, help=about)


def _add_import(commands: Commands[Parser]) -> None:
    added = command(commands, "import", "transfer:import_record")
    file_argument(added, "file", metavar="FILE.json", help=say("cli.help_import_file"))
    json_option(added)


def _add_names(commands: Commands[Parser]) -> None:
    added = command(commands, "names", "names:show_names")
    task_argument(added)
    added.add_argument(
        "--top", type=options.row_id, default=NAMES_SHOWN, metavar="N", help=say("cli.help_names_top")
    )
    added.add_argument("--all", action="store_true", help=say("cli.help_names_all"))
    added.add_argument("--undo", type=options.row_id, metavar="NUMBER", help=say("cli.help_names_undo"))
    json_option(added)
    for name, others, shown in (("merge", "others", "OTHER"), ("split", "aliases", "ALIAS")):
        one = command(commands, name, f"names:{name}")
        task_argument(one)
        one.add_argument("person", metavar="NAME", help=say("cli.help_names_person"))
        one.add_argument(others, nargs="+", metavar=shown, help=say(f"cli.help_names_{others}"))
        if name == "split":
            about = say("cli.help_names_chapters")
            one.add_argument("--chapters", type=options.chapter_range, metavar="A-B", help=about)
        json_option(one)


# --- running


def _add_worker(commands: Commands[Parser]) -> None:
    added = command(commands, "worker", "worker:worker")
    added.add_argument("--drain", action="store_true", help=say("cli.help_drain"))
    added.add_argument("--providers", metavar="NAME,NAME", help=say("cli.help_providers"))
    added.add_argument("--slots", type=options.slots, metavar="N", help=say("cli.help_slots"))
    _resume_option(added)
    added.add_argument("--fail-fast", action="store_true", help=say("cli.help_fail_fast"))


def _add_health(commands: Commands[Parser]) -> None:
    added = command(commands, "health", "health:health")
    about = say("cli.help_within", seconds=HEALTHY_SECONDS)
    added.add_argument(
        "--within", type=options.seconds, default=HEALTHY_SECONDS, metavar="SECONDS", help=about
    )


def _add_doctor(commands: Commands[Parser]) -> None:
    json_option(command(commands, "doctor", "doctor:doctor"))


# --- looking


def _add_status(commands: Commands[Parser]) -> None:
    added = command(commands, "status", "status:show_status")
    json_option(added)
    added.add_argument("--watch", action="store_true", help=say("cli.help_watch"))


def _add_chapter(commands: Commands[Parser]) -> None:
    added = command(commands, "chapter", "chapter:show_chapter", text="chapter_command")
    task_argument(added)
    options.chapter_argument(added)
    added.add_argument("--raw", action="store_true", help=say("cli.help_raw"))
    json_option(added)


def _add_cost(commands: Commands[Parser]) -> None:
    added = command(commands, "cost", "cost:show_cost")
    task_argument(added)
    json_option(added)


# --- tasks


def _add_task(commands: Commands[Parser]) -> None:
    """Each command also works under its spelling before there was a family."""
    parts = family(commands, "task", text="task_family")
    for name in ("pause", "resume", "cancel", "retry", "delete"):
        run = "tasks:delete" if name == "delete" else "tasks:command"
        added = command(parts, name, run, text=f"task_{name}")
        added.set_defaults(command=name)
        task_argument(added)
        if name == "delete":
            added.add_argument("--yes", action="store_true", help=say("cli.help_yes"))
        old_spelling(commands, f"{name}-task" if name in ("pause", "resume") else name, added)


def _add_dead(commands: Commands[Parser]) -> None:
    parts = family(commands, "dead")
    json_option(command(parts, "list", "dead:list_dead", text="dead_list"))
    for name, option, about in (("retry", "--all", "dead_all"), ("drop", "--garbage", "garbage")):
        added = command(parts, name, f"dead:{name}", text=f"dead_{name}")
        task_argument(added, nargs="?")
        options.chapter_argument(added, nargs="?")
        added.add_argument(option, action="store_true", help=say(f"cli.help_{about}"))


# --- providers


def _add_providers(commands: Commands[Parser]) -> None:
    """`kgnb pause|resume PROVIDER` is how two were spelled."""
    parts = family(commands, "providers", text="providers_group")
    json_option(command(parts, "list", "providers:list_providers", text="providers_list"))
    json_option(command(parts, "presets", "presets:list_presets", text="providers_presets"))
    _add_provider(parts)
    setting = _of_provider(parts, "set", "set_options", text="providers_set")
    setting.add_argument("options", metavar="KEY=VALUE", nargs="*", help=say("cli.help_option"))
    _show_argument(setting)
    json_option(setting)
    _show_argument(_of_provider(parts, "test", "test", text="providers_test"))
    removing = _of_provider(parts, "remove", "remove", text="providers_remove")
    removing.add_argument("--delete", action="store_true", help=say("cli.help_delete"))
    pausing = _of_provider(parts, "pause", "pause")
    pausing.add_argument(
        "--for", dest="seconds", type=options.seconds, metavar="SECONDS", help=say("cli.help_for")
    )
    old_spelling(commands, "pause", pausing)
    old_spelling(commands, "resume", _of_provider(parts, "resume", "resume"))


def _of_provider(parts: Commands[Parser], name: str, function: str, *, text: str = "") -> Parser:
    added = command(parts, name, f"providers:{function}", text=text)
    added.add_argument("provider", metavar="NAME", help=say("cli.help_provider_name"))
    return added


def _show_argument(added: Parser) -> None:
    added.add_argument("--show", action="store_true", help=say("cli.help_show_request"))


def _add_provider(parts: Commands[Parser]) -> None:
    added = _of_provider(parts, "add", "add", text="providers_add")
    added.add_argument("--url", metavar="URL", help=say("cli.help_url"))
    added.add_argument("--model", metavar="MODEL", action="append", default=[], help=say("cli.help_model"))
    added.add_argument("--display-name", metavar="TEXT", help=say("cli.help_display_name"))
    source = added.add_mutually_exclusive_group()
    source.add_argument("--key-env", metavar="VARIABLE", help=say("cli.help_key_env"))
    source.add_argument("--key-stdin", action="store_true", help=say("cli.help_key_stdin"))
    added.add_argument("--save-key", action="store_true", help=say("cli.help_save_key"))
    _show_argument(added)


# --- Kaggle


def _add_kaggle(commands: Commands[Parser]) -> None:
    parts = family(commands, "kaggle")
    _add_init_and_push(parts)
    for name in ("status", "logs", "output", "stop"):
        added = command(parts, name, f"kaggle:{name}", text=f"kaggle_{name}")
        added.add_argument("kernel", metavar="OWNER/NAME", help=say("cli.help_kaggle_kernel"))
        if name in ("status", "logs"):
            _follow_option(added)
        if name in ("status", "output"):
            _output_option(added)
    secrets = family(parts, "secrets", text="kaggle_secrets", dest="secrets_part")
    for name in ("create", "delete"):
        added = command(secrets, name, f"kaggle:{name}_secrets", text=f"kaggle_secrets_{name}")
        added.add_argument("dataset", metavar="NAME", help=say("cli.help_kaggle_dataset_name"))
        if name == "create":
            about = say("cli.help_kaggle_variables", default=" ".join(ONE_PROVIDER))
            added.add_argument("variables", metavar="VARIABLE", nargs="*", help=about)
    added = command(parts, "wheels", "kaggle:wheels", text="kaggle_wheels")
    about = say("cli.help_kaggle_wheels_dir")
    file_argument(added, "folder", completes="directory", metavar="DIR", help=about)
    added.add_argument("--owner", metavar="NAME", help=say("cli.help_kaggle_wheels_owner"))


def _add_init_and_push(parts: Commands[Parser]) -> None:
    adding = command(parts, "init", "kaggle_push:init", text="kaggle_init")
    about = say("cli.help_kaggle_dir")
    file_argument(adding, "folder", completes="directory", metavar="DIR", help=about)
    _notebook_options(adding)
    added = command(parts, "push", "kaggle_push:push", text="kaggle_push")
    about = say("cli.help_kaggle_what")
    file_argument(added, "what", metavar="BOOK|DIR", nargs="*", help=about)
    added.add_argument("--provider", metavar="NAME", help=say("cli.help_kaggle_provider"))
    _notebook_options(added)
    _run_options(added)


def _follow_option(added: Parser | argparse._MutuallyExclusiveGroup) -> None:
    added.add_argument("-f", "--follow", action="store_true", help=say("cli.help_kaggle_follow"))


def _output_option(added: Parser) -> None:
    about = say("cli.help_kaggle_output_dir")
    file_argument(added, "-o", "--output", completes="directory", metavar="DIR", help=about)


def _run_options(added: Parser) -> None:
    added.add_argument(
        "--timeout", type=options.seconds, metavar="SECONDS", help=say("cli.help_kaggle_timeout")
    )
    added.add_argument(
        "--wait", type=float, default=120.0, metavar="MINUTES", help=say("cli.help_kaggle_wait")
    )
    for option in ("fresh", "delete-secrets"):
        about = say(f"cli.help_kaggle_{option.replace('-', '_')}")
        added.add_argument(f"--{option}", action="store_true", help=about)
    one = added.add_mutually_exclusive_group()
    _follow_option(one)
    one.add_argument("--no-run", action="store_true", help=say("cli.help_kaggle_no_run"))
    _output_option(added)


def _notebook_options(added: Parser) -> None:
    added.add_argument("--notebook", metavar="worker|quickstart|FILE", help=say("cli.help_kaggle_notebook"))
    added.add_argument("--title", metavar="TITLE", help=say("cli.help_kaggle_title"))
    added.add_argument("--owner", metavar="NAME", help=say("cli.help_kaggle_owner"))
    added.add_argument("--model", metavar="NAME", help=say("cli.help_kaggle_model"))
    added.add_argument(
        "--set", action="append", default=[], metavar="NAME=VALUE", help=say("cli.help_kaggle_set")
    )
    for option in ("gpu", "tpu", "public", "no-internet"):
        about = say(f"cli.help_kaggle_{option.replace('-', '_')}")
        added.add_argument(f"--{option}", action="store_true", help=about)
    added.add_argument("--accelerator", metavar="NAME", help=say("cli.help_kaggle_accelerator"))
    for option in ("dataset", "kernel"):
        about = say(f"cli.help_kaggle_{option}_source")
        added.add_argument(f"--{option}", action="append", default=[], metavar="OWNER/NAME", help=about)
    added.add_argument("--secrets-dataset", metavar="OWNER/NAME", help=say("cli.help_kaggle_secrets_dataset"))
