"""Where a process runs and what it finds there; small modules play Kaggle's and Colab's services."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

import pytest
from pydantic import SecretStr

from kgnb.core import host
from kgnb.core.errors import SettingsError
from kgnb.core.host import detect_host
from kgnb.core.secrets import NAMES, Secret
from kgnb.core.settings import Settings
from tests.support.commands import environment
from tests.support.patience import SLOWEST

CANARY = "canary-3f9d1c77e2"

# As the one in Kaggle's image behaves, read at its source: every HTTP error is a ConnectionError with the
# status in __cause__; what isn't attached is a BackendError.
KAGGLE = """
import io, json, os, pathlib, time, urllib.error

class CredentialError(Exception): pass
class BackendError(Exception): pass

STORE = json.loads(os.environ.get("FAKE_STORE", "{}"))
FAULTS = json.loads(os.environ.get("FAKE_FAULTS", "[]"))
ASKED = pathlib.Path(os.environ["FAKE_ASKED"])

class UserSecretsClient:
    def __init__(self):
        if os.environ.get("FAKE_NO_TOKEN"):
            raise CredentialError("A JWT Token is required")

    def get_secret(self, label):
        with ASKED.open("a") as file:
            file.write(label + "\\n")
        if FAULTS:
            fault = FAULTS.pop(0)
            if fault == "offline":
                raise ConnectionError("Connection error") from urllib.error.URLError("no route")
            if fault == "html":
                raise json.JSONDecodeError("Expecting value", "<html>", 0)
            raise ConnectionError("Connection error") from urllib.error.HTTPError(
                "https://www.kaggle.com", fault, "no", {"Retry-After": "0"}, io.BytesIO())
        if label not in STORE:
            raise BackendError("Unexpected response from the service. Response: {'errors': ['No user secrets "
                               f"exist for kernel id 1234 and label {label}.'], 'error': {{'code': 5}}}}.")
        return STORE[label]
"""

COLAB = """
import json, os, pathlib, time

class SecretNotFoundError(Exception): pass
class NotebookAccessError(Exception): pass
class TimeoutException(Exception): pass

STORE = json.loads(os.environ.get("FAKE_STORE", "{}"))
DENIED = json.loads(os.environ.get("FAKE_DENIED", "[]"))
ASKED = pathlib.Path(os.environ["FAKE_ASKED"])

def get(key):
    with ASKED.open("a") as file:
        file.write(key + "\\n")
    if os.environ.get("FAKE_SLOW"):
        raise TimeoutException(key)
    if key in DENIED:
        raise NotebookAccessError(f"Notebook does not have access to secret {key}")
    if key not in STORE:
        raise SecretNotFoundError(key)
    return STORE[key]
"""

TELL = """
import json
from kgnb.core.secrets import load_secrets
found = load_secrets({names})
print(json.dumps({{
    "found": {{n: [s.source, s.value.get_secret_value()] for n, s in found.items()}},
    "troubles": [[t.key, t.facts.get("names", "").split(", "), str(t)] for t in found.troubles],
    "repr": repr(found) + repr(found.troubles),
}}))
"""
ON_KAGGLE = {"KAGGLE_KERNEL_RUN_TYPE": "Interactive"}
IN_KERNEL = (
    "import sys, types\n"
    "shell = types.SimpleNamespace(kernel=object(), user_ns={})\n"
    "sys.modules['IPython'] = types.SimpleNamespace(get_ipython=lambda: shell)\n"
)
"""Makes a process look like a notebook's kernel."""
ON_COLAB = {"COLAB_RELEASE_TAG": "release-colab_20261101"}


class Elsewhere:
    """A folder whose processes believe to be at Kaggle or in Colab."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.asked_file = path / "asked"
        fakes = path / "fakes"
        (fakes / "google" / "colab").mkdir(parents=True)
        (fakes / "kaggle_secrets.py").write_text(KAGGLE)
        (fakes / "google" / "colab" / "__init__.py").touch()
        (fakes / "google" / "colab" / "userdata.py").write_text(COLAB)
        self.home = path / "home"
        self.home.mkdir()

    def run(self, code: str, **env: Any) -> str:
        given = {k: v if isinstance(v, str) else json.dumps(v) for k, v in env.items()}
        base = environment(FAKE_ASKED=str(self.asked_file))
        del base["KGNB_CPU_WORKERS"]  # what is told are the settings that a dataset names
        base["PYTHONPATH"] = f"{self.path / 'fakes'}{os.pathsep}{base['PYTHONPATH']}"
        ran = subprocess.run(
            [sys.executable, "-c", code],
            env={**base, **given},
            cwd=self.home,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=30 * SLOWEST,
        )
        assert ran.returncode == 0, ran.stderr
        return ran.stdout

    def tell(self, *names: str, before: str = "", **env: Any) -> dict[str, Any]:
        return json.loads(self.run(before + TELL.format(names=list(names) or None), **env))

    @property
    def asked(self) -> list[str]:
        return self.asked_file.read_text().split() if self.asked_file.exists() else []


@pytest.fixture
def elsewhere(tmp_path: Path) -> Elsewhere:
    return Elsewhere(tmp_path)


class TestPlace:
    def kind(self, elsewhere: Elsewhere, before: str = "", **env: str) -> list[Any]:
        tell = "from kgnb.core import host\nw = host.detect_host()\nprint(w.kind, w.batch, w.session_seconds)"
        code = f"{before}\n{tell}"
        return elsewhere.run(code, **env).split()

    def test_kinds(self, elsewhere: Elsewhere) -> None:
        assert self.kind(elsewhere) == ["server", "False", "None"]
        assert self.kind(elsewhere, **ON_KAGGLE) == ["kaggle", "False", "43200.0"]
        assert self.kind(elsewhere, KAGGLE_KERNEL_RUN_TYPE="Batch") == ["kaggle", "True", "43200.0"]
        assert self.kind(elsewhere, **ON_COLAB) == ["colab", "False", "43200.0"]
        tpu = {"TPU_NAME": "local"}
        assert self.kind(elsewhere, **ON_KAGGLE, **tpu) == ["kaggle", "False", "32400.0"]
        assert self.kind(elsewhere, **ON_COLAB, **tpu) == ["colab", "False", "43200.0"]

    def test_kernels(self, elsewhere: Elsewhere, tmp_path: Path) -> None:
        shell = (
            "import IPython.core.interactiveshell as i\n"
            "shell = i.InteractiveShell.instance()\nshell.kernel = {kernel}\n"
        )
        kernel, terminal = shell.format(kernel="object()"), shell.format(kernel="None")
        env = {"IPYTHONDIR": str(tmp_path / "ipython")}
        assert self.kind(elsewhere, terminal, **env)[0] == "ipython"
        assert self.kind(elsewhere, kernel, **env)[0] == "colab"  # google.colab can be imported
        (elsewhere.path / "fakes" / "google" / "colab").rename(tmp_path / "away")
        assert self.kind(elsewhere, kernel, **env)[0] == "jupyter"
        assert self.kind(elsewhere, kernel, **env, VSCODE_PID="1")[0] == "vscode"
        assert self.kind(elsewhere, VSCODE_PID="1")[0] == "server"  # a plain program below VS Code

    def test_facts_of_this_machine(self) -> None:
        here = detect_host()
        assert here.versions["python"] == ".".join(map(str, sys.version_info[:3]))
        assert here.versions["ipykernel"]
        assert here.cpus >= 1
        assert here.memory_mb > 100
        assert here.output_dir is None or here.output_dir.is_dir()

    def test_cheaper_than_any_process(self) -> None:
        def spent(work: Callable[[], object]) -> float:
            began = time.perf_counter()
            work()
            return time.perf_counter() - began

        process = [sys.executable, "-S", "-c", ""]
        assert min(spent(detect_host) for _ in range(5)) < spent(lambda: subprocess.run(process, check=True))

    def test_started_with_its_process(self, elsewhere: Elsewhere) -> None:
        code = "import time; time.sleep(1)\nfrom kgnb.core import host\nprint(host.detect_host().started_at)"
        before = time.time()
        for env in ({}, ON_KAGGLE):  # no /kaggle/working here: not that container
            assert abs(float(elsewhere.run(code, **env)) - before) < 15
            before = time.time()

    def test_a_container_started_with_its_first_process(
        self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        monkeypatch.setenv("KAGGLE_KERNEL_RUN_TYPE", "Interactive")
        own = detect_host().started_at
        monkeypatch.setitem(host.CONTAINER_FOLDERS, "kaggle", tmp_path)
        assert detect_host().started_at == pytest.approx(host.process_start(1), abs=1)
        assert detect_host().started_at <= own + 0.1

    def test_the_setting_wins(self) -> None:
        here = detect_host()
        assert here.seconds(60.0) == 60.0
        assert here.seconds(0.0) == here.session_seconds

    def test_memory_of_a_container(self, tmp_path: Path) -> None:
        (tmp_path / "proc").mkdir()
        (tmp_path / "sys/fs/cgroup").mkdir(parents=True)
        assert host.read_memory_mb(tmp_path) == 0
        (tmp_path / "proc/meminfo").write_text("MemTotal:       4194304 kB\nMemFree: 1 kB\n")
        (tmp_path / "sys/fs/cgroup/memory.max").write_text("max\n")
        assert host.read_memory_mb(tmp_path) == 4096
        (tmp_path / "sys/fs/cgroup/memory.max").write_text(f"{1 << 30}\n")
        assert host.read_memory_mb(tmp_path) == 1024

    def test_gpus(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        for name in host.TPU_VARIABLES:
            monkeypatch.delenv(name, raising=False)
        assert host.find_gpu(tmp_path) == ""
        for slot in ("0000:00:04.0", "0000:00:05.0"):
            folder = tmp_path / "proc/driver/nvidia/gpus" / slot
            folder.mkdir(parents=True)
            (folder / "information").write_text("Model: \t\t Tesla T4\nIRQ:   33\n")
        assert host.find_gpu(tmp_path) == "2 × Tesla T4"
        monkeypatch.setenv("TPU_NAME", "local")
        assert host.find_gpu(tmp_path) == "TPU"


class TestKaggleSecrets:
    def test_what_is_attached_is_found(self, elsewhere: Elsewhere) -> None:
        said = elsewhere.tell(
            "REDIS_HOST", "REDIS_PASSWORD", FAKE_STORE={"REDIS_PASSWORD": CANARY}, **ON_KAGGLE
        )
        assert said["found"] == {"REDIS_PASSWORD": ["Kaggle Secrets", CANARY]}
        assert said["troubles"] == []
        assert CANARY not in said["repr"]

    def test_the_environment_comes_first_and_asks_nobody(self, elsewhere: Elsewhere) -> None:
        said = elsewhere.tell("DB_HOST", DB_HOST="here", FAKE_STORE={"DB_HOST": "there"}, **ON_KAGGLE)
        assert said["found"] == {"DB_HOST": ["environment", "here"]}
        assert elsewhere.asked == []

    def test_every_name_is_asked_for_once(self, elsewhere: Elsewhere) -> None:
        elsewhere.tell(**ON_KAGGLE)
        assert sorted(elsewhere.asked) == sorted(NAMES)

    def test_too_many_requests_are_tried_again(self, elsewhere: Elsewhere) -> None:
        said = elsewhere.tell(
            "DB_HOST", FAKE_STORE={"DB_HOST": "db"}, FAKE_FAULTS=[429, 503, 429], **ON_KAGGLE
        )
        assert said["found"]["DB_HOST"] == ["Kaggle Secrets", "db"]
        assert len(elsewhere.asked) == 4

    @pytest.mark.parametrize(
        ("faults", "key", "asked", "word"),
        [
            ([429] * 9, "secret.kaggle_failed", 4, "429"),
            ([500] * 9, "secret.kaggle_failed", 4, "500"),
            ([404], "secret.kaggle_failed", 1, "404"),
            ([403], "secret.kaggle_refused", 1, "403"),
            (["offline"], "secret.kaggle_offline", 1, "Internet"),
            (["html"], "secret.kaggle_failed", 1, "JSONDecodeError"),
        ],
    )
    def test_each_failure_says_what_to_do_and_stops_the_asking(
        self, elsewhere: Elsewhere, faults: list[object], key: str, asked: int, word: str
    ) -> None:
        said = elsewhere.tell("DB_HOST", "DB_USER", FAKE_FAULTS=faults, **ON_KAGGLE)
        ((found, names, text),) = said["troubles"]
        assert (found, names) == (key, ["DB_HOST", "DB_USER"])
        assert word in text
        assert len(elsewhere.asked) == asked

    def test_a_failure_in_the_middle_leaves_the_others(self, elsewhere: Elsewhere) -> None:
        store = {"A": "1", "B": "2", "C": "3", "D": "4"}
        before = "import kaggle_secrets, urllib.error\nkaggle_secrets.FAULTS = F = []\n"
        before += (
            "real = kaggle_secrets.UserSecretsClient.get_secret\n"
            "def get(self, label):\n"
            "    if label == 'C':\n"
            "        raise ConnectionError() from urllib.error.HTTPError('', 401, '', {}, None)\n"
            "    return real(self, label)\n"
            "kaggle_secrets.UserSecretsClient.get_secret = get\n"
        )
        said = elsewhere.tell(*store, before=before, FAKE_STORE=store, **ON_KAGGLE)
        assert sorted(said["found"]) == ["A", "B", "D"]
        assert [t[:2] for t in said["troubles"]] == [["secret.kaggle_refused", ["C"]]]

    def test_no_token(self, elsewhere: Elsewhere) -> None:
        said = elsewhere.tell("DB_HOST", FAKE_NO_TOKEN="1", **ON_KAGGLE)
        assert said["troubles"][0][0] == "secret.kaggle_no_token"

    def test_a_later_source_ends_the_trouble(self, elsewhere: Elsewhere) -> None:
        (elsewhere.home / ".env").write_text(f"DB_PASSWORD={CANARY}\ndb_user=reader\n")
        said = elsewhere.tell("DB_PASSWORD", "DB_USER", FAKE_FAULTS=["offline"], **ON_KAGGLE)
        path = str(elsewhere.home / ".env")
        assert said["found"] == {"DB_PASSWORD": [path, CANARY], "DB_USER": [path, "reader"]}
        assert said["troubles"] == []


class TestDataset:
    USE = "import kgnb.core.host as c, pathlib\nc.KAGGLE_INPUT = pathlib.Path('../input')\n"

    @pytest.mark.parametrize("folder", ["mine", "datasets/me/mine"])
    def test_the_named_one_is_read(self, elsewhere: Elsewhere, folder: str) -> None:
        place = elsewhere.path / "input" / folder
        place.mkdir(parents=True)
        (place / "kgnb.env").write_text(
            f"# short-lived\nREDIS_PASSWORD='{CANARY}'\nKGNB_RPM=60\nREDIS_HOST=\n"
        )
        env = {"KAGGLE_KERNEL_RUN_TYPE": "Batch", "KGNB_SECRETS_DATASET": "me/mine"}
        said = elsewhere.tell(before=self.USE, **env)
        assert {n: v for n, (_, v) in said["found"].items()} == {
            "REDIS_PASSWORD": CANARY,
            "KGNB_RPM": "60",
        }

    def test_one_that_nobody_named_is_told_and_left_alone(self, elsewhere: Elsewhere) -> None:
        place = elsewhere.path / "input" / "novels"
        place.mkdir(parents=True)
        (place / "kgnb.env").write_text("OPENAI_BASE_URL=http://thief.example/v1\n")
        said = elsewhere.tell("OPENAI_BASE_URL", before=self.USE, **ON_KAGGLE)
        assert said["found"] == {}
        text = {t[0]: t[2] for t in said["troubles"]}["secret.dataset_unnamed"]
        assert "KGNB_SECRETS_DATASET" in text

    def test_a_named_one_that_is_not_there(self, elsewhere: Elsewhere) -> None:
        said = elsewhere.tell("DB_HOST", before=self.USE, KGNB_SECRETS_DATASET="me/gone", **ON_KAGGLE)
        assert "me/gone" in {t[0]: t[2] for t in said["troubles"]}["secret.dataset_missing"]

    @pytest.mark.parametrize("content", [b"\xff\xfe\x00A", b"A=1\n" * 20_000])
    def test_a_file_that_is_none(self, elsewhere: Elsewhere, content: bytes) -> None:
        (elsewhere.home / ".env").write_bytes(content)
        said = elsewhere.tell("DB_HOST")
        assert [t[0] for t in said["troubles"]] == ["secret.file_unreadable"]


class TestColab:
    def test_found_denied_and_not_there(self, elsewhere: Elsewhere) -> None:
        said = elsewhere.tell(
            *("OPENAI_API_KEY", "DB_HOST", "REDIS_HOST"),
            FAKE_STORE={"OPENAI_API_KEY": CANARY},
            before=IN_KERNEL,
            FAKE_DENIED=["DB_HOST"],
            **ON_COLAB,
        )
        assert said["found"] == {"OPENAI_API_KEY": ["Colab userdata", CANARY]}
        assert [t[:2] for t in said["troubles"]] == [["secret.colab_denied", ["DB_HOST"]]]
        assert CANARY not in said["repr"]

    def test_one_timeout_is_enough(self, elsewhere: Elsewhere) -> None:
        said = elsewhere.tell("DB_HOST", "DB_USER", before=IN_KERNEL, FAKE_SLOW="1", **ON_COLAB)
        assert [t[:2] for t in said["troubles"]] == [["secret.colab_timeout", ["DB_HOST", "DB_USER"]]]
        assert elsewhere.asked == ["DB_HOST"]

    def test_what_was_mended_is_found_the_next_time(self, elsewhere: Elsewhere) -> None:
        before = IN_KERNEL + (
            "from kgnb.core.secrets import load_secrets as l\nl(['DB_HOST'])\n"
            "from google.colab import userdata\nuserdata.STORE['DB_HOST'] = 'mended'\n"
        )
        said = elsewhere.tell("DB_HOST", before=before, FAKE_STORE={"DB_HOST": "wrong"}, **ON_COLAB)
        assert said["found"] == {"DB_HOST": ["Colab userdata", "mended"]}

    def test_any_thread_of_the_notebook_may_read_them(self, elsewhere: Elsewhere) -> None:
        code = IN_KERNEL + (
            "from concurrent.futures import ThreadPoolExecutor as T\n"
            "from kgnb.core.secrets import load_secrets\n"
            "print({n: s.source for n, s in T().submit(load_secrets, ['DB_HOST']).result().items()})"
        )
        assert (
            elsewhere.run(code, FAKE_STORE={"DB_HOST": "db"}, **ON_COLAB) == "{'DB_HOST': 'Colab userdata'}\n"
        )

    def test_a_command_is_told_that_it_cannot(self, elsewhere: Elsewhere) -> None:
        said = elsewhere.tell("DB_HOST", FAKE_STORE={"DB_HOST": "db"}, **ON_COLAB)
        assert [t[:2] for t in said["troubles"]] == [["secret.colab_process", ["DB_HOST"]]]
        assert elsewhere.asked == []


class TestEveryFace:
    """Four secrets attached, and nothing else set: each face finds them, and says the same once."""

    SECRETS: ClassVar = {
        "OPENAI_BASE_URL": "http://127.0.0.1:9/v1",
        "OPENAI_API_KEY": CANARY,
        "OPENAI_MODEL": "m",
        "KGNB_PROVIDER_NAME": "mine",
    }

    @pytest.mark.parametrize("where", [ON_KAGGLE, ON_COLAB], ids=["kaggle", "colab"])
    def test_the_provider_they_name_is_used(self, elsewhere: Elsewhere, where: dict[str, str]) -> None:
        code = IN_KERNEL + (
            "import kgnb\nfrom kgnb.app import build_call\n"
            "from kgnb.cli import main\n"
            "one = [build_call._settings(None, None, '', None, None, False), kgnb.Node.from_env().settings]\n"
            "async def run(args, settings): one.append(settings); return 0\n"
            "main.chosen = lambda _: run\n"
            "main._run(main.make_parser().parse_args(['providers', 'list']))\n"
            "print([(s.provider_name, s.openai_model, s.openai_api_key.get_secret_value()) for s in one])"
        )
        shown = elsewhere.run(code, FAKE_STORE=self.SECRETS, **where)
        assert shown == f"{[('mine', 'm', CANARY)] * 3}\n"

    def test_a_source_that_fails_is_told_once(self, elsewhere: Elsewhere) -> None:
        code = (
            "import logging, sys\nlogging.basicConfig(stream=sys.stdout, format='%(message)s')\n"
            "from kgnb.app import build_call\nimport kgnb\n"
            "one = (None, None, '', None, None, False)\n"
            "build_call._settings(*one); kgnb.Node.from_env(); build_call._settings(*one)"
        )
        told = elsewhere.run(code, FAKE_FAULTS=["offline"] * 9, KGNB_LANG="en", **ON_KAGGLE)
        assert told.count("Switch Internet on") == 1


class TestSettings:
    def test_secrets_become_settings_below_arguments(self, elsewhere: Elsewhere) -> None:
        (elsewhere.home / ".env").write_text("REDIS_PORT=1\nDB_NAME=from_file\n")
        code = (
            "from kgnb.core.secrets import load_settings\n"
            "s, found = load_settings(db_host='given')\n"
            "print(s.redis_port, s.db_host, s.db_name, s.redis_password.get_secret_value(), s.lang)\n"
            "print(repr(s) + repr(found))"
        )
        store = {"REDIS_PORT": "7000", "DB_HOST": "secret.example", "REDIS_PASSWORD": CANARY}
        shown, reprs = elsewhere.run(code, FAKE_STORE=store, **ON_KAGGLE).splitlines()
        assert shown == f"7000 given from_file {CANARY} zh"
        assert CANARY not in reprs

    def test_a_value_that_does_not_fit_is_named_not_shown(self) -> None:
        given = Settings.given_by({"REDIS_PORT": SecretStr(CANARY), "NO_SUCH": SecretStr("x")})
        with pytest.raises(SettingsError) as caught:
            Settings.load(**given)
        assert "REDIS_PORT" in str(caught.value)
        assert CANARY not in str(caught.value)

    def test_every_asked_name_is_a_setting(self) -> None:
        assert set(NAMES) <= set(Settings.variables())


def test_a_secret_is_not_in_its_repr() -> None:
    assert CANARY not in repr(Secret(SecretStr(CANARY), "x"))
