"""The command line itself: help, typing errors and suggestions, languages, old spellings, completion."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import pty
import re
import shutil
import struct
import subprocess
import sys
import termios
from collections.abc import Iterator
from pathlib import Path

import pytest
from rich.cells import cell_len

from kgnb.cli.commands import make_parser
from kgnb.cli.parser import Parser
from kgnb.core.messages import Language, use_language
from tests.support.commands import STORY, Place, Ran, Running, environment

CHINESE = re.compile("[一-鿿]")


def kgnb(*args: str, lang: str = "en", **env: str) -> Ran:
    """A command that needs no data folder."""
    command = [sys.executable, "-m", "kgnb", *args]
    return Running.new(command, environment(KGNB_LANG=lang, **env), Path.cwd()).ended()


def on_terminal(*args: str, columns: int = 80, **env: str) -> str:
    """What a command shows on a terminal of so many columns."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 50, columns, 0, 0))
    given = environment(KGNB_LANG="en", TERM="xterm-256color", **env)
    bare = {name: value for name, value in given.items() if name != "COLUMNS"}
    command = [sys.executable, "-m", "kgnb", *args]
    with subprocess.Popen(command, env=bare, stdin=theirs, stdout=theirs, stderr=theirs):
        os.close(theirs)
        shown = b""
        with contextlib.suppress(OSError):  # the end of a terminal
            while data := os.read(ours, 65536):
                shown += data
    os.close(ours)
    return shown.decode().replace("\r", "")


def every_parser(parser: Parser) -> Iterator[Parser]:
    """The parser and those of its commands."""
    yield parser
    for one in parser.commands.choices.values() if parser.commands else ():
        yield from every_parser(one)


class TestHelp:
    def test_texts_begin_in_one_column(self) -> None:
        for parser in every_parser(make_parser()):
            heads = [
                cell_len(line[: found.end()])
                for line in parser.format_help().splitlines()
                if (found := re.match(r"  \S.*?\S {2,}(?=\S)", line))
            ]
            assert heads, parser.prog
            assert len(set(heads)) == 1, parser.prog

    @pytest.mark.parametrize("lang", ["zh", "en"])
    def test_speaks_one_language(self, lang: Language) -> None:
        use_language(lang)
        parsers = list(every_parser(make_parser()))
        for parser in parsers:
            parser.format_help()  # names the values
        assert len(parsers) > 40
        for parser in parsers:
            values = [a for a in parser._actions if a.nargs != 0 and a.choices is None]
            names = [str(a.metavar) for a in values]
            helps = [a.help or "" for a in parser._actions if a is not parser.commands]
            if lang == "en":
                assert not CHINESE.search(" ".join([*names, *helps]))
                continue
            assert all(map(CHINESE.search, helps)), parser.prog
            foreign = {name for name in names if not CHINESE.search(name)}
            assert foreign <= {"N", "A-B", "graph.html"}, parser.prog

    @pytest.mark.parametrize(("lang", "titles"), [("en", ("Books:", "Tasks:")), ("zh", ("书:", "任务:"))])
    def test_lists_every_command_in_a_group(self, lang: str, titles: tuple[str, ...]) -> None:
        ran = kgnb("--help", lang=lang)
        assert (ran.code, ran.err) == (0, "")
        assert "\x1b" not in ran.out  # a pipe gets plain text
        listed = re.findall(r"^  ([a-z]+) ", ran.out, re.M)
        assert {*listed} == set(make_parser().commands.choices)  # type: ignore[union-attr]
        assert [title for title in titles if f"\n{title}\n" not in ran.out] == []

    @pytest.mark.parametrize("args", [(), ("task",), ("dead",), ("providers",), ("kaggle",)])
    def test_a_family_alone_shows_its_help(self, args: tuple[str, ...]) -> None:
        bare, asked = kgnb(*args), kgnb(*args, "--help")
        assert (bare.code, bare.err) == (0, "")
        assert bare.out == asked.out

    def test_fits_the_terminal_and_is_coloured_there(self) -> None:
        for columns in (60, 120):
            shown = on_terminal("build", "--help", columns=columns)
            assert "\x1b[" in shown
            bare = re.sub(r"\x1b\[[\d;]*m", "", shown)
            assert max(map(len, bare.splitlines())) <= columns

    def test_is_plain_with_no_color(self) -> None:
        assert "\x1b" not in on_terminal("--help", NO_COLOR="1")

    def test_no_text_is_read_as_markup(self) -> None:
        parser = Parser(prog="kgnb [red]", description="[bold]about[/bold] [/] [link=x]")
        parser.add_argument("--x", metavar="[/red]", help="[red]text[/red] [/] :smile:")
        for text in ("kgnb [red]", "[bold]about[/bold] [/] [link=x]", "[red]text[/red] [/] :smile:"):
            assert text in parser.format_help()

    def test_parsing_loads_neither_rich_nor_settings(self) -> None:
        code = (
            "import sys; from kgnb.cli.commands import make_parser; make_parser().parse_args(['status'])\n"
            "print([name for name in ('rich.console', 'pydantic', 'shtab') if name in sys.modules])"
        )
        ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
        assert ran.stdout == "[]\n"

    @pytest.mark.parametrize("module", ["kaggle", "presets"])
    def test_commands_that_need_no_store_load_none(self, module: str) -> None:
        code = (
            f"import sys, kgnb.cli.{module}; print([x for x in ('sqlalchemy', 'redis') if x in sys.modules])"
        )
        ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
        assert ran.stdout == "[]\n"

    @pytest.mark.parametrize("module", ["kgnb.core.secrets", "kgnb.cli.status"])
    def test_ctrl_c_while_a_command_is_loaded_is_one_line(self, module: str) -> None:
        code = (
            "import sys; from kgnb.cli.main import main\n"
            "class Interrupt:\n"
            "    def find_spec(self, name, *_):\n"
            f"        if name == {module!r}: raise KeyboardInterrupt\n"
            "sys.meta_path.insert(0, Interrupt())\n"
            "sys.exit(main(['status', '--lang', 'en']))"
        )
        self.is_interrupted(code)

    @pytest.mark.parametrize("step", ["prepare_streams", "make_parser"])
    def test_ctrl_c_before_the_command_is_known_is_one_line(self, step: str) -> None:
        code = (
            "import sys; from kgnb.cli import main\n"
            "def interrupted(): raise KeyboardInterrupt\n"
            f"main.{step} = interrupted\n"
            "sys.exit(main.main(['status', '--lang', 'en']))"
        )
        self.is_interrupted(code)

    def is_interrupted(self, code: str) -> None:
        given = os.environ | {"KGNB_LANG": "en"}
        ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=given)
        said = "kgnb: Interrupted; the state is kept. Run the same command to go on.\n"
        assert (ran.returncode, ran.stderr) == (130, said)


class TestTypingErrors:
    @pytest.mark.parametrize(
        ("words", "suggestion"),
        [
            ("buidl book.txt", "Did you mean kgnb build? See kgnb --help."),
            ("task puase 1", "Did you mean kgnb task pause? See kgnb task --help."),
            ("cancle 1", "Did you mean kgnb task cancel?"),
            ("retry 1", "Did you mean kgnb task retry?"),  # dead retry is for few
            ("pause deepseek", "Did you mean kgnb task pause or kgnb providers pause?"),
            ("presets", "Did you mean kgnb providers presets?"),
            ("build book.txt --sluts 3", "Did you mean --slots? See kgnb build --help."),
            ("build book.txt --title=x --provder=rules", "Did you mean --provider?"),
            ("submit book.txt --providr rules", "Did you mean --provider?"),  # and not: --provider is missing
            ("books", "Did you mean kgnb status?"),
            ("tasks", "Did you mean kgnb status?"),
            ("list --json", "Did you mean kgnb status?"),
            ("book.txt -o graph.html", "Did you mean kgnb build?"),
            ("tasks pause 1", "Did you mean kgnb task?"),
            ("--lnag zh status", "Did you mean --lang?"),  # and not: there is no command zh
        ],
    )
    def test_get_a_suggestion(self, words: str, suggestion: str) -> None:
        assert suggestion in kgnb(*words.split()).refused()

    @pytest.mark.parametrize(
        ("words", "text"),
        [
            ("xyzzy", "There is no command xyzzy. See kgnb --help."),
            ("demo", "There is no command demo. See kgnb --help."),  # and not: did you mean providers remove
            ("status --xyzzy", "There is no option --xyzzy. See kgnb status --help."),
            ("status more", "more is one argument too many."),
            ("build", "These are required: BOOK. See kgnb build --help."),
            ("build x --slots", "--slots needs a value."),
            ("build x --slots 0", "--slots: must be a whole number from 1 to 5000."),
            ("build x --json=1", "--json takes no value."),
            ("build x --a y", "--a may mean --author, --again, --assist: write it in full."),
            ("--lang fr status", "--lang can't be fr; it is one of zh, en."),
            ("kaggle push --wait soon", "--wait can't be 'soon'."),
            ("providers add x --key-stdin --key-env A", "--key-env and --key-stdin exclude each other."),
        ],
    )
    def test_are_told_in_one_line_of_ones_language(self, words: str, text: str) -> None:
        assert text in kgnb(*words.split()).refused()
        chinese = kgnb(*words.split(), lang="zh").refused()
        assert CHINESE.search(chinese)
        assert not re.search(r"\b(argument|required|invalid|unrecognized)\b", chinese)

    @pytest.mark.parametrize(
        ("words", "text"),
        [
            ("build", "缺少 书。"),
            ("task pause", "缺少 任务号。"),
            ("split", "缺少 名字, 别名。"),
            ("merge a", "缺少 别的名字。"),
            ("task pause 青石渡", "任务号：应为 kgnb status 列出的编号，不是书名。"),
            ("names 0", "应为 kgnb status 列出的编号"),
        ],
    )
    def test_name_what_is_missing_in_ones_language(self, words: str, text: str) -> None:
        assert text in kgnb(*words.split(), lang="zh").refused()

    def test_show_what_was_typed_and_do_nothing_else(self) -> None:
        for words in (
            ["bui\x1b[31mld"],
            ["build", "x", "--slots", "[red]\n"],
            ["build", "x", "--\x1b]0;owned"],
        ):
            line = kgnb(*words).refused()
            assert line.isprintable()

    @pytest.mark.parametrize(
        "words", ["--lang zh buidl", "buidl --lang zh", "build --lang=zh", "--lang zh build"]
    )
    def test_speak_the_language_wherever_it_is_asked_for(self, words: str) -> None:
        assert CHINESE.search(kgnb(*words.split()).refused())


class TestOptionsOfEveryCommand:
    def test_stand_before_and_after_it(self, tmp_path: Path) -> None:
        for words in (
            "--lang zh build none.txt",
            "build none.txt --lang zh",
            "--lang en build none.txt --lang zh",
        ):
            assert CHINESE.search(kgnb(*words.split()).refused("none.txt"))
        for words in (
            ["--lang", "zh", "--help"],
            ["build", "--help", "--lang", "zh"],
            ["task", "--lang", "zh"],
        ):
            assert CHINESE.search(kgnb(*words).out)
        args = make_parser().parse_args(["--data", "a", "task", "--lang", "en", "pause", "1"])
        assert (args.data, args.lang, args.task) == ("a", "en", 1)


class TestEndings:
    @pytest.mark.parametrize("words", [["build", str(STORY), "--provider", "rules"], ["export", "1"]])
    def test_one_that_nobody_writes_is_refused_before_any_work(
        self, tmp_path: Path, words: list[str]
    ) -> None:
        place = Place(tmp_path, {"KGNB_LANG": "en"})
        place.run(*words, "-o", "x.pdf").refused(".pdf", ".html", ".json", ".csv", ".graphml", ".cypher")
        assert not place.data.exists()

    def test_one_that_names_no_format(self, tmp_path: Path) -> None:
        place = Place(tmp_path, {"KGNB_LANG": "en"})
        place.run("export", "1", "-o", "x").refused("--format", ".graphml")
        assert not place.data.exists()

    @pytest.mark.usefixtures("running_engines")
    def test_choose_the_format(self, tmp_path: Path) -> None:
        place = Place(tmp_path, {"KGNB_LANG": "en"})
        ran = place.run("build", STORY, "--provider", "rules", "-o", "graph.JSON")
        assert ran.code == 0
        assert "The graph is in graph.JSON" in ran.out
        built = json.loads((tmp_path / "graph.JSON").read_text("utf-8"))
        assert built["nodes"]
        for name, start in {"a.html": b"<!DOCTYPE html", "b.zip": b"PK", "c.graphml": b"<?xml"}.items():
            ran = place.run("export", "1", "-o", name)
            assert (ran.code, name in ran.out) == (0, True)
            assert (tmp_path / name).read_bytes()[:14].lower().startswith(start.lower())
        assert place.run("export", "1", "--format", "json", "-o", "plain").code == 0
        assert json.loads((tmp_path / "plain").read_text("utf-8"))["nodes"] == built["nodes"]


@pytest.fixture(scope="module")
def script(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What `kgnb completion bash` prints, whatever the settings are."""
    ran = kgnb("completion", "bash", REDIS_PORT="many")
    assert (ran.code, ran.err) == (0, "")
    path = tmp_path_factory.mktemp("completion") / "kgnb.bash"
    path.write_text(ran.out, "utf-8")
    return path


class TestCompletion:
    def completed(self, script: Path, folder: Path, *words: str) -> set[str]:
        """What bash offers for the last of ``words``."""
        typed = " ".join(f"'{word}'" for word in ("kgnb", *words))
        code = (
            f"source {script}; COMP_WORDS=({typed}); COMP_CWORD={len(words)}\n"
            '_shtab_kgnb kgnb "${COMP_WORDS[COMP_CWORD]}"; printf "%s\\n" "${COMPREPLY[@]}"'
        )
        ran = subprocess.run(["bash", "-c", code], cwd=folder, capture_output=True, text=True, check=True)
        return set(ran.stdout.split())

    def test_commands_and_options(self, script: Path, tmp_path: Path) -> None:
        assert self.completed(script, tmp_path, "ta") == {"task"}
        assert self.completed(script, tmp_path, "task", "") == {
            "pause",
            "resume",
            "cancel",
            "retry",
            "delete",
        }
        assert self.completed(script, tmp_path, "build", "--pro") == {"--provider"}
        assert self.completed(script, tmp_path, "export", "1", "--format", "g") == {"graphml"}
        assert self.completed(script, tmp_path, "pause-t") == set()  # works, but isn't offered

    def test_files(self, script: Path, tmp_path: Path) -> None:
        (tmp_path / "novel.txt").touch()
        (tmp_path / "nest").mkdir()
        assert {"novel.txt"} <= self.completed(script, tmp_path, "build", "nov")
        assert {"novel.txt"} <= self.completed(script, tmp_path, "export", "1", "-o", "nov")
        assert {word.rstrip("/") for word in self.completed(script, tmp_path, "status", "--data", "n")} == {
            "nest"
        }

    @pytest.mark.skipif(not shutil.which("zsh"), reason="apt-get install zsh")
    def test_zsh_reads_its_script(self, tmp_path: Path) -> None:
        path = tmp_path / "_kgnb"
        for lang in ("zh", "en"):
            path.write_text(kgnb("completion", "zsh", lang=lang).out, "utf-8")
            code = f'autoload -U compinit; compinit -D; eval "$(<{path})"; print $_comps[kgnb]'
            ran = subprocess.run(["zsh", "-fc", code], capture_output=True, text=True, check=True)
            assert (ran.stdout, ran.stderr) == ("_shtab_kgnb\n", "")


class TestOnWindows:
    """Where there is neither fcntl nor resource."""

    BEGIN = "import asyncio, sys; sys.modules['fcntl'] = sys.modules['resource'] = None; "
    MAIN = "from kgnb.cli.main import main; sys.exit(main())"

    def run(self, *args: str, code: str = MAIN) -> Ran:
        command = [sys.executable, "-c", self.BEGIN + code, *args]
        return Running.new(command, environment(KGNB_LANG="en"), Path.cwd()).ended()

    def test_a_command_names_wsl(self) -> None:
        self.run("status").refused("doesn't run on Windows", "WSL")

    @pytest.mark.parametrize("call", ["open()", "books()", "build('book.txt')", "Node.from_env()"])
    def test_so_does_the_library(self, call: str) -> None:
        told = self.run(code=f"import kgnb; kgnb.{call}").err.splitlines()[-1]
        assert told.startswith("kgnb.core.errors.EngineError: ")
        assert "WSL" in told

    def test_help_is_shown(self) -> None:
        assert self.run("--help").code == 0


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("ask BOOK --until 20 why", {"words": ["BOOK", "why"], "until": 20}),
        ("ask BOOK why --until 20", {"words": ["BOOK", "why"], "until": 20}),
        ("ask --json -- -x why", {"words": ["-x", "why"], "json": True}),
        ("merge BOOK A --json B C", {"book": "BOOK", "person": "A", "others": ["B", "C"], "json": True}),
        ("dead retry 3 --lang en 4", {"task": 3, "chapter": 4, "lang": "en"}),
        ("providers set x a=1 --show b=2", {"provider": "x", "options": ["a=1", "b=2"], "show": True}),
        ("export BOOK --until 3 -o kit.md", {"book": "BOOK", "until": 3}),
        ("build --estimate b.txt", {"book": "b.txt", "estimate": 3}),
        ("build b.txt --estimate", {"book": "b.txt", "estimate": 3}),
        ("build --estimate 5 b.txt --json", {"book": "b.txt", "estimate": 5, "json": True}),
        ("build --estimate=5 b.txt", {"book": "b.txt", "estimate": 5}),
        ("build --estimate --provider p b.txt", {"book": "b.txt", "estimate": 3, "provider": "p"}),
    ],
)
def test_options_stand_before_between_and_after_arguments(line: str, expected: dict[str, object]) -> None:
    found = vars(make_parser().parse_args(line.split()))
    assert {key: found[key] for key in expected} == expected
