"""The documents are true: their commands run or exist, and so do the settings and texts that they name."""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import re
import shlex
import subprocess
import sys
import tomllib
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

from kgnb.cli.commands import make_parser
from kgnb.core import messages
from kgnb.core.model import ChapterStatus, TaskStatus, Usage
from kgnb.core.settings import Settings
from kgnb.llm.presets import presets
from kgnb.stores.graph.cypher import TYPES
from kgnb.stores.ledger.tables import MAIN
from kgnb.worker.budget import cost_at
from tests.support.commands import KEY, Place, environment, llm, novel
from tests.support.paths import ROOT
from tests.support.patience import SLOWEST
from tests.support.strict_llm import StrictServer

TOP = ("README", "README.en", "SECURITY", "CONTRIBUTING")
PAGES = sorted([*(ROOT / "docs").rglob("*.md"), *(ROOT / f"{name}.md" for name in TOP)])
FENCE = re.compile(r"^( *)```(\w*) ?([^\n]*)\n(.*?)^ *```$", re.M | re.S)
RUN_IN_ORDER = [
    f"docs/{n}" for n in ("quickstart", "many-nodes", "processes", "providers", "troubleshooting")
]
"""The pages whose blocks marked ``run`` are run, one after the other in one data folder."""

DRIVER = """
import contextlib, io, json, os, sys, time
from kgnb.cli.main import main
for kind, given in json.load(sys.stdin):
    said = io.StringIO()
    code, began = 0, time.monotonic()
    with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
        if kind == "export":
            os.environ.update(given)
        elif kind == "python":
            exec(given, {})
        else:
            code = main(given)
    seconds = round(time.monotonic() - began, 1)
    sys.__stdout__.write(json.dumps([given, code, said.getvalue(), seconds]) + "\\n")
"""
"""Runs commands in one process, which saves an interpreter's start for each."""


@dataclass(frozen=True)
class Block:
    page: str
    language: str
    info: str
    text: str


def text_of(page: Path) -> str:
    return page.read_text("utf-8")


def name_of(page: Path) -> str:
    return str(page.relative_to(ROOT).with_suffix(""))


def blocks() -> list[Block]:
    return [
        Block(name_of(page), language, info, text.replace("\\\n", ""))
        for page in PAGES
        for _, language, info, text in FENCE.findall(text_of(page))
    ]


# --- commands that run --------------------------------------------------------------------------------------


def steps(block: Block, base_url: str) -> list[tuple[str, object]]:
    """What a block does, the provider's address, key and model made those of the dry-run server."""
    text = block.text.replace("https://api.deepseek.com", base_url).replace("你的密钥", KEY)
    text = text.replace("deepseek-flash", "dryrun")  # a name that the server there knows
    here = f"OPENAI_BASE_URL={base_url} OPENAI_MODEL=dryrun"
    text = re.sub(r"^export KGNB_PROVIDER_NAME=\w+", rf"\g<0> {here}", text, flags=re.M)
    if block.language == "python":
        return [("python", text)]
    found: list[tuple[str, object]] = []
    for line in text.splitlines():
        first, *words = shlex.split(line, comments=True) or [""]
        if first == "export":
            found.append((first, dict(word.split("=", 1) for word in words)))
        else:
            assert first == "kgnb", f"{block.page}: {line}: only kgnb and export can be run"
            found.append((first, words))
    return found


def test_the_commands_run(tmp_path: Path) -> None:
    novel(tmp_path / "我的小说.txt", 2, lines=8)
    marked = [b for page in RUN_IN_ORDER for b in blocks() if b.page == page and b.info == "run"]
    assert {b.page for b in blocks() if b.info == "run" and "/en/" not in b.page} == set(RUN_IN_ORDER)
    place = Place(tmp_path)
    with llm(kind=StrictServer, latency=0.01) as server:  # which speaks Anthropic's format too
        todo = [step for block in marked for step in steps(block, server.server.base_url)]
        env = {place.mark: "1", "KGNB_DATA": str(place.data), "KGNB_KEYS": str(tmp_path / "keys.json")}
        ran = subprocess.run(
            [sys.executable, "-c", DRIVER], input=json.dumps(todo), env=environment(**env),
            cwd=tmp_path, capture_output=True, text=True, timeout=150 * SLOWEST,
        )  # fmt: skip
        place.kill_everything()
        assert ran.returncode == 0, ran.stderr
        results = [json.loads(line) for line in ran.stdout.splitlines()]
        spent = [(given, seconds) for given, _, _, seconds in results if not isinstance(given, dict)]
        print("seconds:", spent)
        assert [result[0] for result in results] == [given for _, given in todo]
        assert [(given, said) for given, code, said, _ in results if code] == []
        assert server.stats.requests >= 3  # a book of two chapters, and `providers test`
    for name in ("graph.html", "graph.json", "graph.graphml"):
        assert (tmp_path / name).stat().st_size > 1_000, name


# --- commands that exist ------------------------------------------------------------------------------------


def commands(text: str) -> list[list[str]]:
    """kgnb's commands in a bash block, also those inside `docker compose exec` and `docker run`."""
    found = []
    for line in text.splitlines():
        words = shlex.split(line, comments=True)
        before = words[: words.index("kgnb")] if "kgnb" in words else words
        plain = all("=" in word for word in before)
        if "kgnb" in words and (plain or before[:3] == ["docker", "compose", "exec"] or "run" in before[:2]):
            found.append(words[words.index("kgnb") + 1 :])
    return found


BASH = [(b.page, c) for b in blocks() if b.language == "bash" for c in commands(b.text)]


@pytest.mark.parametrize(("page", "command"), BASH, ids=lambda v: v if isinstance(v, str) else " ".join(v))
def test_every_command_in_a_block_is_one(page: str, command: list[str]) -> None:
    try:
        name = make_parser().parse_args(command).name
    except SystemExit:
        pytest.fail(f"{page}: kgnb {shlex.join(command)} is refused")
    assert name in tree(make_parser()), f"{page}: kgnb {name} is an old spelling"


def tree(parser: argparse.ArgumentParser) -> dict[str, argparse.ArgumentParser]:
    """A family's commands by name, old spellings left out; none for a command."""
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            return {shown.dest: action.choices[shown.dest] for shown in action._get_subactions()}
    return {}


INLINE = re.compile(r"`kgnb ([^`]+)`")


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_every_command_in_the_text_is_one(page: Path) -> None:
    """Also `kgnb dead list|retry` and `kgnb build 书 [--slots N]`: each name and each option."""
    for command in INLINE.findall(FENCE.sub("", text_of(page)).replace("\\|", "|")):
        words = re.sub(r"[\[\]…]", " ", command).split()
        parsers = [make_parser()]
        while words and (known := {n: p for parser in parsers for n, p in tree(parser).items()}):
            names = [name for name in words.pop(0).split("|") if not name.startswith("-")]
            assert set(names) <= set(known), f"kgnb {command}"
            parsers = [known[name] for name in names]
        options = {option for parser in parsers for option in parser._option_string_actions}
        given = {word.split("=")[0] for word in words if word.startswith("-") and word != "-"}
        assert {o for word in given for o in word.split("/")} <= options, f"kgnb {command}"


PROGRAMS = {
    *("kgnb", "export", "source", "pip", "python", "python3", "cp", "install", "bash"),
    *(
        "docker",
        "systemctl",
        "journalctl",
        "jupyter",
        "ollama",
        "pip-audit",
        "pytest",
        "mypy",
        "ruff",
        "eval",
    ),
}
"""What a page may ask a reader to run."""


def other_lines() -> list[list[str]]:
    """The lines of bash blocks as words, variables before a command left out."""
    lines = [
        shlex.split(line, comments=True)
        for b in blocks()
        if b.language == "bash"
        for line in b.text.splitlines()
    ]
    bare = [[w for i, w in enumerate(words) if i or "=" not in w] for words in filter(None, lines)]
    return [words for words in bare if words]


def test_other_commands_name_what_there_is() -> None:
    services = yaml.safe_load(text_of(ROOT / "compose.yaml"))["services"]
    extras = tomllib.loads(text_of(ROOT / "pyproject.toml"))["project"]["optional-dependencies"]
    for words in other_lines():
        assert Path(words[0]).name in PROGRAMS or "kgnb" in words, words
        if words[:3] == ["docker", "compose", "exec"]:
            assert words[3] in services, words
        for name in re.findall(r"(?:kgnb|\.)\[([\w,]+)\]", " ".join(words)):
            assert set(name.split(",")) <= set(extras), words


@pytest.mark.parametrize("block", [b for b in blocks() if b.language == "python"], ids=lambda b: b.page)
def test_python_in_a_page_is_python(block: Block) -> None:
    compile(block.text, block.page, "exec")


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_files_of_the_checkout_that_a_page_names_exist(page: Path) -> None:
    named = re.findall(
        r"(?<![/\w])(?:deploy|notebooks|tests|bench|scripts|kgnb)/[\w./-]+\.\w+", text_of(page)
    )
    assert [name for name in named if not (ROOT / name).exists()] == []


# --- names --------------------------------------------------------------------------------------------------

NOT_SETTINGS = {
    *("KGNB_SECRETS_DATASET", "KGNB_WHEELS"),  # a notebook's own
    "KGNB_SCREENSHOTS",  # screenshots.py
    *(
        "REDIS_PASSWORD_FILE",
        "DB_PASSWORD_FILE",
        "NEO4J_PASSWORD_FILE",
        "OPENAI_API_KEY_FILE",
    ),  # entrypoint.sh
}
VARIABLE = re.compile(r"\b(?:KGNB|KG|REDIS|DB|NEO4J|OPENAI|LOG)_[A-Z0-9_]*[A-Z0-9]\b")
OLD = [
    "REDIS_HOST",
    "REDIS_PORT",
    "REDIS_PASSWORD",
    "REDIS_DB",
    "DB_TYPE",
    "DB_HOST",
    "DB_PORT",
    "DB_USER",
    "DB_PASSWORD",
    "DB_NAME",
    "DB_CHARSET",
    "DB_PATH",
    "DB_POOL_SIZE",
    "DB_POOL_MAX_OVERFLOW",
    "DB_POOL_TIMEOUT",
    "DB_POOL_RECYCLE",
    "DB_POOL_PRE_PING",
    "NEO4J_URI",
    "NEO4J_USER",
    "NEO4J_PASSWORD",
    "KG_WORKER_NODE_NAME",
    "KG_WORKERS_PER_PROVIDER",
    "KG_WORKER_PROVIDERS",
    "KG_MAX_TOTAL_PROCESSES",
    "KG_MAX_PROCESSES_PER_PROVIDER",
    "KG_WORKER_GUARD_INTERVAL",
    "LOG_LEVEL",
]
"""The old worker's variables."""


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_every_variable_is_a_setting(page: Path) -> None:
    assert set(VARIABLE.findall(text_of(page))) <= {*Settings.variables(), *NOT_SETTINGS}


def test_the_migration_page_has_every_old_variable() -> None:
    assert set(OLD) <= set(VARIABLE.findall(text_of(ROOT / "docs" / "migration.md")))


@pytest.mark.parametrize("language", ["zh", "en"])
def test_a_text_names_commands_as_they_are_spelled_now(language: messages.Language) -> None:
    commands = tree(make_parser())
    for key, text in messages.texts(language).items():
        for name in re.findall(r"\bkgnb ([a-z]+-task|cancel|retry|delete|pause|resume)\b", text):
            assert name in commands, key
        for family, part in re.findall(r"\bkgnb (task|dead|providers) ([a-z]+)", text):
            assert part in tree(commands[family]), key


SYMPTOMS = [
    (language, heading)
    for language, page in (("zh", "troubleshooting.md"), ("en", "en/troubleshooting.md"))
    for heading in re.findall(r"^### (.+)$", text_of(ROOT / "docs" / page), re.M)
]


@pytest.mark.parametrize(("language", "heading"), SYMPTOMS)
def test_a_symptom_is_what_kgnb_says(language: messages.Language, heading: str) -> None:
    said = [re.sub(r"\{[^}]*\}", "…", text) for text in messages.texts(language).values()]
    bare = heading.replace(" ", "")
    assert any(bare in text.replace(" ", "") for text in said)


def test_the_wire_page_has_every_table_state_and_relation() -> None:
    wire = text_of(ROOT / "docs" / "wire.md")
    rows = {
        cells[0]: cells[1:] for cells in (re.findall(r"`(\w+)`", line) for line in wire.splitlines()) if cells
    }
    for table in MAIN:
        assert rows[table.name] == [column.name for column in table.columns]
    for name in (*TYPES, *(s.value for s in TaskStatus), *(s.value for s in ChapterStatus)):
        assert f"`{name}`" in wire, name


# --- links --------------------------------------------------------------------------------------------------


def anchors(page: Path) -> set[str]:
    """A page's headings as GitHub names them."""
    titles = re.findall(r"^#+ (.+)$", FENCE.sub("", text_of(page)), re.M)
    return {re.sub(r"[^\w\- ]", "", title.strip().lower()).replace(" ", "-") for title in titles}


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)\s]+)\)", FENCE.sub("", text_of(page))):
        if re.match(r"https?://", target):
            continue
        path, _, anchor = target.partition("#")
        to = (page.parent / path).resolve() if path else page
        assert to.exists(), target
        if anchor:
            assert anchor in anchors(to), target


IMAGE = re.compile(r"!\[([^\]]+)\]\(([^)\s]+)\)")
"""With words for those who can't see it."""


def test_every_image_is_shown_somewhere_and_there() -> None:
    """Links to a picture don't count: a page shows it, or it is none of the documents'."""
    shown = [
        (page.parent / target).resolve()
        for page in PAGES
        for _, target in IMAGE.findall(FENCE.sub("", text_of(page)))
        if not target.startswith("https://img.shields.io/")
    ]
    kept = [path for path in (ROOT / "docs").iterdir() if path.suffix in {".png", ".svg", ".jpg", ".gif"}]
    assert len(shown) > 3
    assert sorted(set(shown)) == sorted(kept)
    assert [path.name for path in kept if path.stat().st_size > 150_000] == []


def test_no_image_goes_without_words() -> None:
    for page in PAGES:
        bare = FENCE.sub("", text_of(page))
        assert bare.count("![") == len(IMAGE.findall(bare)), page.name


def test_every_page_is_listed_and_begins_with_a_summary() -> None:
    index = text_of(ROOT / "docs" / "README.md")
    for page in (ROOT / "docs").glob("*.md"):
        if page.stem not in ("README", "scale"):
            assert f"({page.name})" in index
            english = (page.parent / "en" / page.name).exists()
            assert ("**In English.**" in text_of(page)[:400]) != english
            assert (f"(en/{page.name})" in index) == english


# --- two languages ------------------------------------------------------------------------------------------

TRANSLATED = [(ROOT / "README.md", ROOT / "README.en.md")]
TRANSLATED += [(page.parents[1] / page.name, page) for page in sorted((ROOT / "docs" / "en").glob("*.md"))]
"""Each page that has an English one: docs/X.md and docs/en/X.md."""
NAMES = {
    **{
        "我的小说": "novel",
        "你的密钥": "your-key",
        "甲和乙是什么关系？": "What are Jane and Mary to each other?",
        "旧名": "old",
        "新名": "new",
        "甲": "Jane",
        "乙": "Mary",
        "某人": "someone",
        "备用": "spare",
        "三国演义": "san-guo",
        "红楼梦": "hong-lou-meng",
        "用户名": "USER",
        "我的目录": "my-folder",
    },
    "vLLM 没有启动起来，原因在上面的输出里": "vLLM didn't start; the output above says why",
}
"""What a reader replaces by his own, in the blocks of Chinese pages and of English ones."""


def outline(page: Path) -> list[int]:
    """The levels of a page's headings, in order."""
    return [len(level) for level in re.findall(r"^(#+) ", FENCE.sub("", text_of(page)), re.M)]


def code(page: Path, names: dict[str, str]) -> list[tuple[str, str]]:
    """A page's blocks without comments, a reader's own names made those of ``names``."""
    found = []
    for _, language, _, text in FENCE.findall(text_of(page)):
        bare = re.sub(r"(?:^|  )# .*$", "", text, flags=re.M)
        for one, other in names.items():
            bare = bare.replace(one, other)
        found.append((language, "\n".join(line.rstrip() for line in bare.splitlines() if line.strip())))
    return found


def tables(page: Path) -> list[int]:
    """The number of columns of each row of a page's tables."""
    rows = re.findall(r"^\|.*\|$", FENCE.sub("", text_of(page)), re.M)
    return [row.replace("\\|", "").count("|") for row in rows]


@pytest.mark.parametrize(("zh", "en"), TRANSLATED, ids=lambda page: name_of(page))
def test_both_languages_say_the_same(zh: Path, en: Path) -> None:
    assert outline(en) == outline(zh)
    assert code(en, {}) == code(zh, NAMES)
    if zh.stem != "numbers":  # pairs of people of a Chinese novel stay on its page
        assert tables(en) == tables(zh)
    for page, other in ((zh, en), (en, zh)):
        target = os.path.relpath(other, page.parent)
        assert f"({target})" in text_of(page), f"{name_of(page)} doesn't link to {target}"


def test_english_pages_link_to_english_pages() -> None:
    english = dict(TRANSLATED)
    for zh, page in TRANSLATED:
        for target in re.findall(r"\]\(([^)#\s]+\.md)[^)]*\)", FENCE.sub("", text_of(page))):
            to = (page.parent / target).resolve()
            assert to == zh or to not in english, f"{name_of(page)}: {target} has an English page"


PRICED = re.compile(r"^\| [^|]+ \| `([^`]+)` \| ([\d.]+) (CNY|USD)[^|]*\| (\d{4}-\d\d-\d\d) \|$", re.M)
"""A row of the table of what a novel costs."""
A_NOVEL = Usage(prompt_tokens=600_000, completion_tokens=240_000)


@pytest.mark.parametrize("name", ["README", "README.en", "docs/providers", "docs/en/providers"])
def test_what_a_novel_costs_is_what_kgnb_reckons(name: str) -> None:
    known = {one.model: price for one in presets().values() if (price := one.price(one.model))}
    rows = PRICED.findall(text_of(ROOT / f"{name}.md"))
    models = {model for model, *_ in rows}
    if name.startswith("README"):  # samples: the others are a click away
        assert len(rows) == 3
        assert models < set(known)
    else:
        assert models == set(known)
    for model, cost, currency, as_of in rows:
        price = known[model]
        reckoned = f"{cost_at(price.amounts, A_NOVEL):.2f}", price.currency, str(price.as_of)
        assert (cost, currency, as_of) == reckoned, model


@pytest.mark.parametrize("name", ["README", "README.en"])
def test_badges_follow_the_setting(name: str) -> None:
    """Open in Colab, open in Kaggle: once pyproject.toml says where the published notebooks are."""
    spec = importlib.util.spec_from_file_location("notebooks_script", ROOT / "scripts" / "notebooks.py")
    assert spec is not None
    assert spec.loader is not None
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    text, wanted = text_of(ROOT / f"{name}.md"), script.badges("quickstart.ipynb")
    assert wanted in text if wanted else "colab-badge" not in text
