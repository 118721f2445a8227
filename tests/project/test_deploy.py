"""What runs a node unattended: the image and its entrypoint, compose.yaml, the systemd unit, worker.py."""

from __future__ import annotations

import configparser
import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import redis
import yaml

from kgnb.cli.commands import make_parser
from kgnb.core.settings import Settings
from kgnb.stores.targets import sql_target
from kgnb.worker.session import LEAVE_SECONDS
from tests.support.commands import Place, Running, environment
from tests.support.paths import ROOT
from tests.support.patience import SLOWEST

ENTRYPOINT = ROOT / "deploy" / "entrypoint.sh"
DOCKERFILE = (ROOT / "Dockerfile").read_text("utf-8")
STOP_SECONDS = Settings.model_fields["drain_seconds"].default + LEAVE_SECONDS
"""What a node that is told to stop may take."""


class TestEntrypoint:
    @pytest.fixture
    def place(self, tmp_path: Path) -> Iterator[Place]:
        """A folder in which `kgnb` is this checkout's."""
        kgnb = tmp_path / "bin" / "kgnb"
        kgnb.parent.mkdir()
        kgnb.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -m kgnb "$@"\n')
        kgnb.chmod(0o755)
        with Place(tmp_path, {"PATH": f"{kgnb.parent}:{os.environ['PATH']}", "KGNB_LANG": "en"}) as one:
            yield one

    def start(self, place: Place, *args: str, **env: str) -> Running:
        given = {**place.env, place.mark: "1", "KGNB_DATA": str(place.data), **env}
        return Running.new(["sh", str(ENTRYPOINT), *args], environment(**given), place.path)

    def test_a_node_is_healthy_until_it_freezes_and_leaves_with_0(self, place: Place) -> None:
        node = self.start(place, "worker")
        log = place.data / "logs" / "worker.log"
        node.until(lambda: log.exists() and "slots" in log.read_text())
        health = self.start(place, "health").ended()
        assert health.code == 0, health
        assert "is well" in health.out
        line = Path(f"/proc/{node.process.pid}/cmdline").read_bytes()
        assert b"entrypoint" not in line  # the shell is gone: signals reach the node itself
        node.send(signal.SIGSTOP)
        time.sleep(1.5)
        silent = self.start(place, "health", "--within", "1").ended()
        assert silent.code == 1
        assert "no heartbeat" in silent.err
        node.send(signal.SIGCONT)
        node.send(signal.SIGTERM)
        assert node.ended(STOP_SECONDS + 5).code == 0
        gone = self.start(place, "health").ended()
        assert gone.code == 1
        assert "kgnb worker" in gone.err

    def test_secrets_may_lie_in_files(self, place: Place) -> None:
        secret = place.path / "secret"
        secret.write_text("p a$s'\n")
        shown = 'printf "%s\\n" "$REDIS_PASSWORD"'
        ran = self.start(place, "sh", "-c", shown, REDIS_PASSWORD_FILE=str(secret)).ended()
        assert ran.out == "p a$s'\n"
        lost = self.start(place, "status", DB_PASSWORD_FILE=str(place.path / "missing")).ended()
        assert lost.code == 2
        assert "missing" in lost.err

    def test_no_redis_is_another_thing_than_no_node(self, place: Place) -> None:
        ran = self.start(place, "health", REDIS_HOST="127.0.0.1", REDIS_PORT="1").ended()
        ran.refused("REDIS_HOST")


# --- the image ----------------------------------------------------------------------------------------------


def instructions(name: str) -> list[str]:
    """The arguments of one of the Dockerfile's instructions, continued lines joined."""
    joined = DOCKERFILE.replace("\\\n", " ")
    return re.findall(rf"^{name} (.*)$", joined, re.M)


def copied() -> list[str]:
    """What the image is made of: sources of COPY, but those of other stages."""
    found = []
    for line in instructions("COPY"):
        words = line.split()
        if not any(word.startswith("--from") for word in words):
            found += [word.rstrip("/") for word in words[:-1] if not word.startswith("--")]
    return found


def test_the_image_is_made_of_what_it_copies(tmp_path: Path) -> None:
    kept = re.findall(r"^!(.*)$", (ROOT / ".dockerignore").read_text(), re.M)
    assert sorted(copied()) == sorted(kept)
    for name in copied():
        if (source := ROOT / name).is_dir():
            shutil.copytree(source, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
        elif name != "deploy/entrypoint.sh":
            shutil.copy(source, tmp_path / name)
    ran = subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", "dist"],
        cwd=tmp_path, capture_output=True, text=True, timeout=60 * SLOWEST,
    )  # fmt: skip
    assert ran.returncode == 0, ran.stderr
    (wheel,) = (tmp_path / "dist").glob("*.whl")
    names = zipfile.ZipFile(wheel).namelist()
    assert {"kgnb/cli/main.py", "kgnb/stores/queue/lua/poll.lua", "kgnb/notebooks/worker.ipynb"} <= set(names)


def test_the_image_runs_without_root_and_hears_signals() -> None:
    assert instructions("USER") == ["10001:10001"]
    assert instructions("STOPSIGNAL") == ["SIGTERM"]
    assert json.loads(instructions("ENTRYPOINT")[0]) == ["kgnb-entrypoint"]  # a list: no shell in between
    command = json.loads(instructions("CMD")[0])
    assert make_parser().parse_args(command).name == "worker"
    health = json.loads(instructions("HEALTHCHECK")[0].partition("CMD ")[2])
    assert health[0] == "kgnb-entrypoint"  # with the secrets that lie in files
    assert make_parser().parse_args(health[1:]).name == "health"
    assert all(":" in image.split()[0] and "latest" not in image for image in instructions("FROM"))


# --- compose ------------------------------------------------------------------------------------------------

DOCUMENTED = {
    "mysql": {"MYSQL_RANDOM_ROOT_PASSWORD", "MYSQL_DATABASE", "MYSQL_USER", "MYSQL_PASSWORD"},
    "neo4j": {
        "NEO4J_AUTH",
        "NEO4J_server_memory_heap_initial__size",
        "NEO4J_server_memory_heap_max__size",
        "NEO4J_server_memory_pagecache_size",
    },
}
"""Variables that the images' pages on Docker Hub document (neo4j: a setting's dots are _, its _ is __)."""


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    return yaml.safe_load((ROOT / "compose.yaml").read_text("utf-8"))


def test_compose_names_settings_and_services_that_exist(compose: dict[str, Any]) -> None:
    services = compose["services"]
    node = services["node"]["environment"]
    assert set(node) <= set(Settings.variables())
    assert node["REDIS_HOST"] in services
    assert node["DB_HOST"] in services
    assert re.fullmatch(r"bolt://(\w+):7687", node["NEO4J_URI"])[1] in services
    for name, known in DOCUMENTED.items():
        assert set(services[name]["environment"]) <= known
    mounted = {v.split(":")[0] for s in services.values() for v in s.get("volumes", ())}
    assert {name for name in mounted if not name.startswith(".")} == set(compose["volumes"])
    for name, service in services.items():
        assert not service.get("image", "").endswith(("latest", "/")), name
        assert all(str(port).startswith("127.0.0.1:") for port in service.get("ports", ())), name


def test_compose_gives_the_node_settings_that_load(
    compose: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """As Docker fills them in, and both sides of each password are the same variable."""
    asked = {"REDIS_PASSWORD": "r", "DB_PASSWORD": "d", "NEO4J_PASSWORD": "n"}

    def filled(value: object) -> str:
        return re.sub(
            r"\$\{(\w+)(?::([-?])([^}]*))?\}",
            lambda m: asked[m[1]] if m[2] == "?" else asked.get(m[1], m[3] or ""),
            str(value),
        )

    services = compose["services"]
    for name, value in services["node"]["environment"].items():
        monkeypatch.setenv(name, filled(value))
    settings = Settings(_env_file=None)
    assert [settings.embedded_redis, settings.embedded_sql, settings.embedded_graph] == [False] * 3
    mysql = {name: filled(value) for name, value in services["mysql"]["environment"].items()}
    login = f"{mysql['MYSQL_USER']}:{mysql['MYSQL_PASSWORD']}@mysql:3306/{mysql['MYSQL_DATABASE']}?"
    url = sql_target(settings).url.render_as_string(hide_password=False)
    assert url.startswith(f"mysql+pymysql://{login}")
    assert filled(services["neo4j"]["environment"]["NEO4J_AUTH"]) == "neo4j/n"
    assert filled(services["redis"]["environment"]["REDIS_PASSWORD"]) == "r"
    assert "requirepass" in services["redis"]["command"][2]


@pytest.mark.skipif(not shutil.which("redis-server"), reason="apt-get install redis-server")
def test_the_redis_of_compose_asks_for_its_password(compose: dict[str, Any], tmp_path: Path) -> None:
    shell, option, script = compose["services"]["redis"]["command"]
    script = (
        script.replace("$$", "$").replace("/tmp/", f"{tmp_path}/").replace("dir /data", f"dir {tmp_path}")
    )
    script = script.rstrip("\n") + f" --port 0 --unixsocket {tmp_path}/socket\n"
    server = Running.new([shell, option, script], environment(REDIS_PASSWORD="a b%c"), tmp_path)
    server.until((tmp_path / "socket").exists)
    with redis.Redis(unix_socket_path=str(tmp_path / "socket"), password="a b%c") as client:
        assert client.ping()
    with (
        redis.Redis(unix_socket_path=str(tmp_path / "socket")) as stranger,
        pytest.raises(redis.AuthenticationError),
    ):
        stranger.ping()
    assert b"a b%c" not in Path(f"/proc/{server.process.pid}/cmdline").read_bytes()
    server.send(signal.SIGTERM)
    assert server.ended().code == 0


def test_a_stopped_container_or_service_has_time_to_hand_back(compose: dict[str, Any]) -> None:
    assert float(compose["services"]["node"]["stop_grace_period"].rstrip("s")) > STOP_SECONDS
    assert float(unit()["Service"]["TimeoutStopSec"]) > STOP_SECONDS


# --- systemd ------------------------------------------------------------------------------------------------


def unit() -> configparser.ConfigParser:
    parser = configparser.ConfigParser(interpolation=None, strict=False)
    parser.optionxform = str  # type: ignore[assignment,method-assign]
    parser.read(ROOT / "deploy" / "kgnb-worker.service")
    return parser


def test_the_unit_starts_a_worker_and_gives_up_on_wrong_settings() -> None:
    service = unit()["Service"]
    program, *args = shlex.split(service["ExecStart"])
    assert Path(program).name == "kgnb"
    assert make_parser().parse_args(args).name == "worker"
    assert service["RestartPreventExitStatus"] == "2"
    names = [pair.partition("=")[0] for pair in shlex.split(service["Environment"])]
    assert set(names) - {"PYTHONUNBUFFERED"} <= set(Settings.variables())


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="apt-get install systemd")
def test_systemd_understands_every_line_of_the_unit(tmp_path: Path) -> None:
    path = tmp_path / "kgnb-worker.service"
    text = (ROOT / "deploy" / "kgnb-worker.service").read_text()
    path.write_text(text.replace("/opt/kgnb/bin/kgnb", "/bin/true"))
    ran = subprocess.run(
        ["systemd-analyze", "verify", path], capture_output=True, text=True, timeout=30 * SLOWEST
    )
    assert (ran.returncode, ran.stderr) == (0, "")


# --- the old name -------------------------------------------------------------------------------------------


def test_python_worker_py_is_kgnb_worker(tmp_path: Path) -> None:
    place = Place(tmp_path, {"KGNB_DATA": str(tmp_path / "data"), "KGNB_LANG": "en"})
    command = [sys.executable, str(ROOT / "worker.py"), "--drain"]
    ran = Running.new(command, environment(**place.env), tmp_path).ended()
    assert ran.code == 0, ran
    assert "slots" in ran.out
    assert (tmp_path / "data" / "logs" / "worker.log").exists()
