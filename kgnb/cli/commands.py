"""Every command: its words, options and help. What it does is in the module that it names, which is imported
when the command is run: help, completion and errors of parsing need none of them.
"""

from __future__ import annotations

import argparse
import pkgutil
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kgnb import __version__
from kgnb.cli import options
from kgnb.cli.completion import add_completion
from kgnb.cli.options import argument, command, family, json_option, task_argument
from kgnb.cli.parser import Commands, Parser
from kgnb.core.messages import say
from kgnb.render.formats import FORMAT_OF_ENDING, FORMATS

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
    """Return the function that carries out the parsed command; its module is imported now."""
    found: Command = pkgutil.resolve_name(f"kgnb.cli.{args.run}")
    return found


def make_parser() -> Parser:
    """Return the parser of the whole command line, its texts in the language in force."""
    parser = Parser(prog="kgnb", description=say("cli.about"))
    argument(parser, "--version", action="version", version=f"kgnb {__version__}")
    options.common_options(parser, default=None)
    commands = parser.add_commands("name")
    for group, adders in {
        "books": (_add_build, _add_submit, _add_files, _add_names),
        "running": (_add_worker, _add_checks),
        "looking": (_add_looking,),
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
    argument(added, "--provider", metavar="NAME")
    argument(added, "--model", metavar="NAME|FILE", completes="file", text="build_model")
    count = options.whole(1_000)
    about = say("cli.help_estimate", chapters=SAMPLE)
    argument(added, "--estimate", type=count, nargs="?", const=SAMPLE, metavar="N", help=about)
    argument(added, "--slots", type=options.slots, metavar="N")
    argument(added, "--assist", action="store_const", const=True)
    argument(added, "--resume-from", metavar="DIR|ZIP", completes="file")
    json_option(added)
    shape, about = options.graph_file, say("cli.help_picture", known=" ".join(FORMAT_OF_ENDING))
    argument(added, "-o", "--output", type=shape, metavar="graph.html", completes="file", help=about)


def _add_submit(commands: Commands[Parser]) -> None:
    added = command(commands, "submit", "build:submit")
    _book_options(added)
    argument(added, "--provider", metavar="NAME", required=True)


def _book_options(added: Parser) -> None:
    argument(added, "book", metavar="BOOK", completes="file")
    argument(added, "--title", metavar="TITLE")
    argument(added, "--author", metavar="AUTHOR")
    argument(added, "--edition-of", type=options.row_id, metavar="NOVEL")
    argument(added, "--kinds", metavar="KIND,KIND")
    argument(added, "--again", action="store_true")


def _add_files(commands: Commands[Parser]) -> None:
    added = command(commands, "export", "transfer:export_graph")
    options.book_argument(added)
    argument(added, "--format", choices=(*FORMATS, "zip"))
    argument(added, "--until", type=options.until, metavar="CHAPTER", text="until")
    shape = options.graph_file
    argument(added, "-o", "--output", type=shape, metavar="FILE", required=True, completes="file")
    added = command(commands, "copy", "transfer:copy")
    argument(added, "target", type=Path, metavar="FILE.db", completes="file", text="copy_target")
    added = command(commands, "import", "transfer:import_record")
    argument(added, "source", metavar="RECORD", completes="file", text="import_source")
    json_option(added)


def _add_names(commands: Commands[Parser]) -> None:
    added = command(commands, "names", "names:show_names")
    options.book_argument(added)
    argument(added, "--top", type=options.row_id, default=NAMES_SHOWN, metavar="N", text="names_top")
    argument(added, "--all", action="store_true", text="names_all")
    argument(added, "--undo", type=options.row_id, metavar="NUMBER", text="names_undo")
    json_option(added)
    for name, others, shown in (("merge", "others", "OTHER"), ("split", "aliases", "ALIAS")):
        one = command(commands, name, f"names:{name}")
        options.book_argument(one)
        argument(one, "person", metavar="NAME", text="names_person")
        argument(one, "others", nargs="+", metavar=shown, text=f"names_{others}")
        if name == "split":
            argument(one, "--chapters", type=options.chapter_range, metavar="A-B", text="names_chapters")
        json_option(one)
    _add_fix(commands)
    _add_ask(commands)
    added = command(commands, "mcp", "mcp:mcp")
    argument(added, "--http", type=options.whole(65_535), metavar="N", text="mcp_http")


def _add_ask(commands: Commands[Parser]) -> None:
    added = command(commands, "ask", "ask:ask")
    argument(added, "words", nargs="+", metavar="[BOOK] QUESTION", text="ask_words")
    argument(added, "--until", type=options.until, metavar="CHAPTER", text="until")
    argument(added, "--provider", metavar="NAME", text="ask_provider")
    json_option(added)


def _add_fix(commands: Commands[Parser]) -> None:
    added = command(commands, "fix", "fix:fix")
    options.book_argument(added)
    one = added.add_mutually_exclusive_group()
    argument(one, "--rename", nargs=2, metavar=("NAME", "NEW"), text="fix_rename")
    argument(one, "--alias", nargs=2, metavar=("NAME", "ALIAS"), text="fix_alias")
    argument(one, "--not-person", nargs=1, metavar="NAME", text="fix_not_person")
    argument(one, "--tie", nargs=3, metavar=("NAME", "TYPE", "NAME"), text="fix_tie")
    argument(one, "--no-tie", nargs="+", metavar="NAME", text="fix_no_tie")
    argument(one, "--protagonist", nargs=1, metavar="NAME", text="fix_protagonist")
    argument(one, "--no-protagonist", nargs=1, metavar="NAME", text="fix_no_protagonist")
    argument(one, "--note", nargs="+", metavar="NAME", text="fix_note")
    argument(one, "--apply", type=Path, metavar="FILE", completes="file", text="fix_apply")
    argument(one, "--save", type=Path, metavar="FILE", completes="file", text="fix_save")
    argument(one, "--undo", type=options.row_id, metavar="NUMBER", text="names_undo")
    kinds = ("Location", "Organization", "Thing")
    argument(added, "--kind", choices=kinds, default="", text="fix_kind")
    argument(added, "--since", type=options.until, metavar="CHAPTER", text="fix_since")
    argument(added, "--reason", default="", metavar="TEXT", text="fix_reason")
    json_option(added)


# --- running


def _add_worker(commands: Commands[Parser]) -> None:
    added = command(commands, "worker", "worker:worker")
    argument(added, "--drain", action="store_true")
    argument(added, "--providers", metavar="NAME,NAME")
    argument(added, "--slots", type=options.slots, metavar="N")
    argument(added, "--resume-from", metavar="DIR|ZIP", completes="file")
    argument(added, "--fail-fast", action="store_true")


def _add_checks(commands: Commands[Parser]) -> None:
    added = command(commands, "health", "health:health")
    about = say("cli.help_within", seconds=HEALTHY_SECONDS)
    argument(added, "--within", type=options.seconds, default=HEALTHY_SECONDS, metavar="SECONDS", help=about)
    json_option(command(commands, "doctor", "doctor:doctor"))


# --- looking


def _add_looking(commands: Commands[Parser]) -> None:
    added = command(commands, "status", "status:show_status")
    json_option(added)
    argument(added, "--watch", action="store_true")
    added = command(commands, "chapter", "chapter:show_chapter", text="chapter_command")
    options.book_argument(added)
    options.chapter_argument(added)
    argument(added, "--raw", action="store_true")
    json_option(added)
    added = command(commands, "cost", "cost:show_cost")
    options.book_argument(added)
    json_option(added)


# --- tasks


def _add_task(commands: Commands[Parser]) -> None:
    parts = family(commands, "task", text="task_family")
    for name in ("pause", "resume", "cancel", "retry", "delete"):
        run = "tasks:delete" if name == "delete" else "tasks:command"
        added = command(parts, name, run, text=f"task_{name}")
        added.set_defaults(command=name)
        task_argument(added)
        if name == "delete":
            argument(added, "--yes", action="store_true")


def _add_dead(commands: Commands[Parser]) -> None:
    parts = family(commands, "dead")
    json_option(command(parts, "list", "dead:list_dead", text="dead_list"))
    for name, option, about in (("retry", "--all", "dead_all"), ("drop", "--garbage", "garbage")):
        added = command(parts, name, f"dead:{name}", text=f"dead_{name}")
        task_argument(added, nargs="?")
        options.chapter_argument(added, nargs="?")
        argument(added, option, action="store_true", text=about)


# --- providers


def _add_providers(commands: Commands[Parser]) -> None:
    parts = family(commands, "providers", text="providers_group")
    json_option(command(parts, "list", "providers:list_providers", text="providers_list"))
    json_option(command(parts, "presets", "presets:list_presets", text="providers_presets"))
    _add_provider(parts)
    setting = _of_provider(parts, "set", "set_options", text="providers_set")
    argument(setting, "options", metavar="KEY=VALUE", nargs="*", text="option")
    argument(setting, "--show", action="store_true", text="show_request")
    json_option(setting)
    testing = _of_provider(parts, "test", "test", text="providers_test")
    argument(testing, "--show", action="store_true", text="show_request")
    removing = _of_provider(parts, "remove", "remove", text="providers_remove")
    argument(removing, "--delete", action="store_true")
    pausing = _of_provider(parts, "pause", "pause")
    argument(pausing, "--for", dest="seconds", type=options.seconds, metavar="SECONDS")
    _of_provider(parts, "resume", "resume")


def _of_provider(parts: Commands[Parser], name: str, function: str, *, text: str = "") -> Parser:
    """Declare a command on a provider's name; return its parser."""
    added = command(parts, name, f"providers:{function}", text=text)
    argument(added, "provider", metavar="NAME", text="provider_name")
    return added


def _add_provider(parts: Commands[Parser]) -> None:
    added = _of_provider(parts, "add", "add", text="providers_add")
    argument(added, "--url", metavar="URL")
    argument(added, "--model", metavar="MODEL", action="append", default=[])
    argument(added, "--display-name", metavar="TEXT")
    source = added.add_mutually_exclusive_group()
    argument(source, "--key-env", metavar="VARIABLE")
    argument(source, "--key-stdin", action="store_true")
    argument(added, "--save-key", action="store_true")
    argument(added, "--show", action="store_true", text="show_request")


# --- Kaggle


def _add_kaggle(commands: Commands[Parser]) -> None:
    parts = family(commands, "kaggle")
    _add_init_and_push(parts)
    for name in ("status", "logs", "output"):
        added = command(parts, name, f"kaggle:{name}", text=f"kaggle_{name}")
        argument(added, "kernel", metavar="OWNER/NAME", text="kaggle_kernel")
        if name in ("status", "logs"):
            _follow_option(added)
        if name in ("status", "output"):
            _output_option(added)
    secrets = family(parts, "secrets", text="kaggle_secrets", dest="secrets_part")
    for name in ("create", "delete"):
        added = command(secrets, name, f"kaggle:{name}_secrets", text=f"kaggle_secrets_{name}")
        argument(added, "dataset", metavar="NAME", text="kaggle_dataset_name")
        if name == "create":
            about = say("cli.help_kaggle_variables", default=" ".join(ONE_PROVIDER))
            argument(added, "variables", metavar="VARIABLE", nargs="*", help=about)
    added = command(parts, "wheels", "kaggle:wheels", text="kaggle_wheels")
    argument(added, "folder", completes="directory", metavar="DIR", text="kaggle_wheels_dir")
    argument(added, "--owner", metavar="NAME", text="kaggle_wheels_owner")


def _add_init_and_push(parts: Commands[Parser]) -> None:
    adding = command(parts, "init", "kaggle_push:init", text="kaggle_init")
    argument(adding, "folder", completes="directory", metavar="DIR", text="kaggle_dir")
    _notebook_options(adding)
    adding.set_defaults(provider=None, timeout=None, dry_run=False)
    added = command(parts, "push", "kaggle_push:push", text="kaggle_push")
    argument(added, "what", metavar="BOOK|DIR", nargs="*", completes="file", text="kaggle_what")
    argument(added, "--provider", metavar="NAME", text="kaggle_provider")
    _notebook_options(added)
    _run_options(added)


def _follow_option(added: Parser | argparse._MutuallyExclusiveGroup) -> None:
    argument(added, "-f", "--follow", action="store_true", text="kaggle_follow")


def _output_option(added: Parser) -> None:
    argument(added, "-o", "--output", completes="directory", metavar="DIR", text="kaggle_output_dir")


def _run_options(added: Parser) -> None:
    argument(added, "--timeout", type=options.seconds, metavar="SECONDS", text="kaggle_timeout")
    argument(added, "--wait", type=float, default=120.0, metavar="MINUTES", text="kaggle_wait")
    argument(added, "--fresh", action="store_true", text="kaggle_fresh")
    argument(added, "--delete-secrets", action="store_true", text="kaggle_delete_secrets")
    one = added.add_mutually_exclusive_group()
    _follow_option(one)
    argument(one, "--no-run", action="store_true", text="kaggle_no_run")
    argument(one, "--dry-run", action="store_true", text="kaggle_dry_run")
    _output_option(added)


def _notebook_options(added: Parser) -> None:
    argument(added, "--notebook", metavar="worker|quickstart|FILE", text="kaggle_notebook")
    argument(added, "--title", metavar="TITLE", text="kaggle_title")
    argument(added, "--owner", metavar="NAME", text="kaggle_owner")
    argument(added, "--model", metavar="NAME", text="kaggle_model")
    argument(added, "--set", action="append", default=[], metavar="NAME=VALUE", text="kaggle_set")
    for option in ("gpu", "tpu", "public", "no-internet", "pypi"):
        argument(added, f"--{option}", action="store_true", text=f"kaggle_{option.replace('-', '_')}")
    argument(added, "--accelerator", metavar="NAME", text="kaggle_accelerator")
    for option in ("dataset", "kernel"):
        about = f"kaggle_{option}_source"
        argument(added, f"--{option}", action="append", default=[], metavar="OWNER/NAME", text=about)
    model = "OWNER/MODEL/FRAMEWORK/VARIATION/VERSION"
    argument(added, "--model-source", action="append", default=[], metavar=model, text="kaggle_model_source")
    argument(added, "--secrets-dataset", metavar="OWNER/NAME", text="kaggle_secrets_dataset")
