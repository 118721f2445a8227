"""argparse with help in groups, errors of one line in the user's language, and "did you mean"."""

from __future__ import annotations

import argparse
import re
from collections.abc import Iterable, Iterator, Sequence
from difflib import get_close_matches
from functools import cache
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, NoReturn

from rich_argparse import RichHelpFormatter

from kgnb.core.messages import say, say_or
from kgnb.core.safe_text import one_line

if TYPE_CHECKING:
    from rich.console import Console
    from rich.text import Text

WRONG_USAGE = 2
"""Exit code of a command line that isn't understood."""

ALIKE = 0.75
"""How alike a word and a command are, for the command to be what was meant: below it chance decides."""
OPTION_COLUMNS = 30
"""Columns of help before an option's text: enough for all options but the longest."""

Commands = argparse._SubParsersAction  # Python has no public name for it


class HelpFormatter(RichHelpFormatter):
    """Colours on a terminal, plain text elsewhere; no text is read as rich's markup.

    rich is imported when help is shown, not when a parser is made.
    """

    group_name_formatter = str
    help_markup = False
    text_markup = False
    styles: ClassVar = {
        **RichHelpFormatter.styles,
        "argparse.groups": "bold",
        "argparse.prog": "bold",
        "argparse.metavar": "green",
    }

    def __init__(self, prog: str, **options: Any) -> None:
        super().__init__(prog, max_help_position=OPTION_COLUMNS, **options)

    @property
    def console(self) -> Console:
        """Standard output; with NO_COLOR without any escape codes, where rich by itself still prints bold."""
        if self._console is None:
            from rich.console import Console

            self._console = Console()
            if self._console.no_color:
                self._console = Console(color_system=None)
        return self._console

    @console.setter
    def console(self, console: Console) -> None:
        self._console = console

    def add_usage(self, usage: Any, actions: Any, groups: Any, prefix: str | None = None) -> None:
        """Adds the line of options and arguments, with its first word in the user's language."""
        super().add_usage(usage, actions, groups, say("cli.usage") if prefix is None else prefix)

    def add_argument(self, action: argparse.Action) -> None:
        """Adds an option's lines."""
        super().add_argument(action)
        listed = self._current_section.rich_actions
        listed[:] = [(_head_type()(head.plain, spans=head.spans), text) for head, text in listed]


@cache
def _head_type() -> type[Text]:
    """Return a text class that is measured in terminal columns."""
    from rich.cells import cell_len
    from rich.text import Text

    class Head(Text):
        """What stands before an option's text, measured in columns: a Chinese character takes two."""

        def __len__(self) -> int:
            return cell_len(self.plain)

        def set_length(self, new_length: int) -> None:
            self.pad_right(new_length - len(self))

    return Head


def _translated(value: str) -> str:
    """Return a usage line with its placeholders (NAME) in the language in force."""
    return re.sub("[A-Z]{2,}", lambda m: say_or(f"value.{m[0]}", m[0]), value)


class Parser(argparse.ArgumentParser):
    """A command, or a family of commands made with :meth:`add_commands`."""

    def __init__(self, **options: Any) -> None:
        super().__init__(add_help=False, formatter_class=HelpFormatter, **options)
        self._positionals.title = say("cli.title_arguments")
        self._optionals.title = say("cli.title_options")
        self.common = self.add_argument_group(say("cli.title_common"))
        """Options that every command has; they come last in help."""
        self.common.add_argument("-h", "--help", action="help", help=say("cli.help_help"))
        self.commands: Commands[Parser] | None = None
        self._groups: list[tuple[str, int]] = []
        self._words: Sequence[str] = ()
        self._mixing = False

    # --- declaring

    def add_commands(self, dest: str) -> Commands[Parser]:
        """Make this parser a family and return the object on which its commands are declared; without a
        command it prints its help. ``dest``: attribute of the arguments with the chosen command.
        """
        self.commands = self.add_subparsers(dest=dest, metavar="COMMAND", prog=self.prog)
        self.set_defaults(run=None, parser=self)
        return self.commands

    def start_group(self, title: str) -> None:
        """Lists the commands declared from here on under ``title``."""
        self._groups.append((title, len(self._listed_commands())))

    def _listed_commands(self) -> list[argparse.Action]:
        """Return the declared commands; [] for a command without any."""
        return list(self.commands._get_subactions()) if self.commands else []

    # --- help

    def _translate_values(self) -> None:
        """Names values in the user's language; declarations have English words in capitals."""
        for action in self._actions:
            if isinstance(action.metavar, tuple):
                action.metavar = tuple(map(_translated, action.metavar))
            elif action.metavar is not None:
                action.metavar = _translated(action.metavar)

    def format_help(self) -> str:
        """Return the help text: usage, description, commands in groups, arguments and options."""
        self._translate_values()
        formatter = self._get_formatter()
        own_first = sorted(self._actions, key=lambda action: action in self.common._group_actions)
        formatter.add_usage(self.usage, own_first, self._mutually_exclusive_groups)
        formatter.add_text(self.description)
        for title, actions in self._sections():
            formatter.start_section(title)
            formatter.add_arguments(actions)
            formatter.end_section()
        if self.commands:
            formatter.add_text(say("cli.more_help", command=self.prog))
        return formatter.format_help()

    def _sections(self) -> Iterable[tuple[str, list[argparse.Action]]]:
        """Yield (title, commands or arguments) of the help, in order."""
        listed = self._listed_commands()
        groups = self._groups or [(say("cli.title_commands"), 0)]
        ends = [start for _, start in groups[1:]] + [len(listed)]
        for (title, start), end in zip(groups, ends, strict=True):
            yield title, listed[start:end]
        for group in self._action_groups:
            yield group.title or "", [a for a in group._group_actions if a is not self.commands]

    # --- parsing

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        """Remembers the words, so that an error can point at the mistyped one. A command's options may stand
        before, between and after its arguments."""
        if self._mixing:  # called back by parse_known_intermixed_args
            return super().parse_known_args(args, namespace)
        self._words = args or ()
        args = list(self._with_numbers(self._words))
        self._translate_values()
        if self.commands or {"-h", "--help", "--"} & {*self._words}:  # help shows the arguments
            return super().parse_known_args(args, namespace)
        self._mixing, self.usage = True, ""  # else argparse makes help's, for nothing
        try:
            return self.parse_known_intermixed_args(args, namespace)
        finally:
            self._mixing, self.usage = False, None

    def _with_numbers(self, words: Sequence[str]) -> Iterator[str]:
        """Yield the words, an option whose number was left out with its default: argparse would take the word
        that follows it, ``--estimate book.txt``, for the number.
        """
        for word, following in zip(words, [*words, ""][1:], strict=True):
            option = self._option_string_actions.get(word)
            lacks = option is not None and option.nargs == "?" and not following.isdecimal()
            yield f"{word}={option.const}" if option and lacks else word

    def parse_args(self, args: Any = None, namespace: Any = None) -> Any:
        """Return the parsed arguments; for unknown ones end the process with one line on stderr and exit code
        2.
        """
        found, left = self.parse_known_args(args, namespace)
        if left:
            parser: Parser = found.parser
            word = next((w for w in left if w.startswith("-") and w != "-"), None)
            parser.error(parser._unknown_option(word) if word else say("cli.unexpected", word=left[0]))
        return found

    def _check_value(self, action: argparse.Action, value: Any) -> None:
        choices = action.choices
        if choices is None or value in choices:
            return
        text: str
        if self.commands is None or action is not self.commands:
            known = ", ".join(map(str, choices))
            name = "/".join(action.option_strings) or action.metavar
            text = say("cli.bad_choice", name=name, value=value, known=known)
        elif mistyped := self._mistyped_option(self._words[: self._words.index(value)]):
            text = self._unknown_option(mistyped)
        elif like := self._like(value, self.commands.choices):
            meant = say("cli.or").join(one.prog for one in like)
            text = say("cli.no_command_like", word=value, suggestion=meant)
        else:
            text = say("cli.no_command", word=value)
        raise argparse.ArgumentError(None, text)

    def _like(self, word: str, commands: dict[str, Parser]) -> list[Parser]:
        """Return the commands that may have been meant: one of these, or all of its name in their families;
        [] for none.
        """
        more = self._words[self._words.index(word) + 1 :]
        if word in _LISTS and "status" in commands and (not more or more[0].startswith("-")):
            return [commands["status"]]
        if "build" in commands and Path(word).suffix:  # a book
            return [commands["build"]]
        families = {name: one.commands.choices for name, one in commands.items() if one.commands}
        like = get_close_matches(word, [*commands, *chain(*families.values())], 1, ALIKE)
        if not like or like[0] in commands:
            return [commands[name] for name in like]
        found = {name: family[like[0]] for name, family in families.items() if like[0] in family}
        return [one for name, one in found.items() if name != "dead"] or [*found.values()]  # which few need

    def _mistyped_option(self, words: Iterable[str]) -> str | None:
        """Return the first word before ``--`` that looks like an option and is none of this command's; None
        without.
        """
        known = self._option_string_actions
        for word in words:
            name = word.partition("=")[0]
            if word == "--":
                break
            if word.startswith("--") and not any(option.startswith(name) for option in known):
                return word
        return None

    def _unknown_option(self, word: str) -> str:
        """Return the error for an unknown option, with the nearest known one."""
        name = word.partition("=")[0]
        if like := get_close_matches(name, [o for o in self._option_string_actions if o[:2] == "--"], 1):
            return say("cli.no_option_like", word=name, suggestion=like[0])
        return say("cli.no_option", word=name)

    def error(self, message: str) -> NoReturn:
        """End the process with one line on stderr, line breaks escaped, and exit code 2."""
        text = say("cli.wrong_usage", problem=one_line(self._translated(message)), command=self.prog)
        self.exit(WRONG_USAGE, f"kgnb: {text}\n")

    def _translated(self, message: str) -> str:
        """Return argparse's own message in the user's language; an unknown one as it is."""
        if message.startswith("the following arguments") and (word := self._mistyped_option(self._words)):
            return self._unknown_option(word)
        for name, pattern in _MESSAGES.items():
            if found := pattern.fullmatch(message):
                return say(f"cli.{name}", **found.groupdict())
        return message


_LISTS = ("books", "tasks", "list")
"""What people type, alone, to see what there is."""
_MESSAGES = {
    name: re.compile(pattern, re.S)
    for name, pattern in {
        "missing": r"the following arguments are required: (?P<names>.+)",
        "needs_value": r"argument (?P<name>.+?): expected .*arguments?",
        "takes_no_value": r"argument (?P<name>.+?): ignored explicit argument .+",
        "not_together": r"argument (?P<name>.+?): not allowed with argument (?P<other>.+)",
        "ambiguous": r"ambiguous option: (?P<word>.+) could match (?P<known>.+)",
        "bad_value": r"argument (?P<name>.+?): invalid \w+ value: (?P<value>.+)",
        "bad_argument": r"argument (?P<name>.+?): (?P<reason>.+)",
    }.items()
}
"""argparse's messages that kgnb's commands can cause (CPython 3.11 to 3.14), by the translation's key."""
