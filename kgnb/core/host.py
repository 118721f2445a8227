"""Where am I: Kaggle, Colab, Jupyter, VS Code, IPython, a terminal or a server, and what the machine has.

Nothing heavy is imported and nothing is started, so asking takes a few milliseconds. With settings.py the
only reader of the environment.
"""

from __future__ import annotations

import os
import shutil
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib import metadata, util
from pathlib import Path
from typing import Any, Literal

from pydantic import SecretStr

from kgnb import __version__

Kind = Literal["kaggle", "colab", "vscode", "jupyter", "ipython", "terminal", "server"]

KAGGLE_OUTPUT = Path("/kaggle/working")
KAGGLE_INPUT = Path("/kaggle/input")

HOUR = 3600.0
SESSION_HOURS = {"kaggle": 12.0, "colab": 12.0}
CONTAINER_FOLDERS = {"kaggle": KAGGLE_OUTPUT, "colab": Path("/content")}
"""Where these are, the container is the session: restarting the kernel doesn't give it more time."""
TPU_SESSION_HOURS = 9.0
"""Kaggle's TPU sessions are shorter."""

SECRET_WORDS = ("KEY", "TOKEN", "PASSWORD", "PASSWD", "SECRET", "CREDENTIAL")
"""A variable with one of these in its name holds something that nobody else may read."""
NO_SECRETS = ("KGNB_KEYS", "KGNB_SECRETS_DATASET")
"""Names of places, whatever their own name says."""
SHORTEST_SECRET = 8
"""Shorter values are words such as ``test``: found everywhere, and no secret."""

_TPU_VARIABLES = ("TPU_NAME", "COLAB_TPU_ADDR", "TPU_WORKER_ID", "TPU_ACCELERATOR_TYPE", "ISTPUVM")
_IMPORTED = time.time()


@dataclass(frozen=True)
class Host:
    """Where this process runs, as it was when asked."""

    kind: Kind
    batch: bool
    """Nobody watches: Kaggle's "Save & Run All" or a pushed run."""
    in_kernel: bool
    """Whether this process is a notebook's kernel."""
    versions: Mapping[str, str]
    """python, kgnb, ipykernel, ipywidgets, ipython; "" for what isn't installed."""
    cpus: int
    memory_mb: int
    """The machine's, or the container's limit where that is less; 0 = unknown."""
    disk_free_mb: int
    """In the working folder."""
    gpu: str
    """Name of the GPUs, "TPU", or ""."""
    output_dir: Path | None
    """The folder that the place keeps as the run's output; None where there is none."""
    session_seconds: float | None
    """How long a session lasts here by the place's own rules; None = no end known. See :meth:`seconds`."""
    started_at: float
    """Epoch seconds of the session's start."""

    @property
    def interactive(self) -> bool:
        """Whether a person can be asked something."""
        return not self.batch and self.kind != "server"

    def seconds(self, setting: float) -> float | None:
        """The session's whole length: ``setting`` (KGNB_SESSION_SECONDS, 0 = not set), else the place's."""
        return setting or self.session_seconds


def detect_host() -> Host:
    """This process's place. Cheap enough to ask whenever it is needed."""
    kind = _kind()
    gpu = _gpu()
    hours = TPU_SESSION_HOURS if kind == "kaggle" and gpu == "TPU" else SESSION_HOURS.get(kind)
    return Host(
        kind=kind,
        batch=kind == "kaggle" and os.environ.get("KAGGLE_KERNEL_RUN_TYPE", "").lower() == "batch",
        in_kernel=_in_kernel(),
        versions={
            "python": ".".join(map(str, sys.version_info[:3])),
            "kgnb": __version__,
            **{name: _version(name) for name in ("ipykernel", "ipywidgets", "ipython")},
        },
        cpus=len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1,
        memory_mb=_memory_mb(),
        disk_free_mb=shutil.disk_usage(Path.cwd()).free >> 20,
        gpu=gpu,
        output_dir=KAGGLE_OUTPUT if kind == "kaggle" and os.access(KAGGLE_OUTPUT, os.W_OK) else None,
        session_seconds=None if hours is None else hours * HOUR,
        started_at=_started_at(kind),
    )


# --- the kind


def _kind() -> Kind:
    if os.environ.get("KAGGLE_KERNEL_RUN_TYPE") or (
        os.environ.get("KAGGLE_URL_BASE") and KAGGLE_OUTPUT.is_dir()
    ):
        return "kaggle"  # first: its image is made from Colab's
    shell = _shell()
    if os.environ.get("COLAB_RELEASE_TAG") or (_in_kernel() and _importable("google.colab")):
        return "colab"
    if _in_kernel():
        return "vscode" if _in_vscode(shell) else "jupyter"
    if shell is not None:
        return "ipython"
    return "terminal" if sys.stdin is not None and sys.stdin.isatty() else "server"


def _shell() -> Any:
    """The running IPython shell, or None; IPython itself is never imported for it."""
    ipython = sys.modules.get("IPython")
    return None if ipython is None else ipython.get_ipython()


def _in_kernel() -> bool:
    return getattr(_shell(), "kernel", None) is not None


def _in_vscode(shell: Any) -> bool:
    if any(os.environ.get(name) for name in ("VSCODE_PID", "VSCODE_CWD", "VSCODE_IPC_HOOK_CLI")):
        return True
    return "__vsc_ipynb_file__" in getattr(shell, "user_ns", {})


def _importable(name: str) -> bool:
    if name in sys.modules:
        return True
    try:
        return util.find_spec(name) is not None
    except (ImportError, ValueError):  # the parent package is missing or odd
        return False


def _version(name: str) -> str:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return ""


# --- the machine


def _memory_mb(root: Path = Path("/")) -> int:
    lines = _text(root / "proc/meminfo").splitlines()
    whole = [int(line.split()[1]) * 1024 for line in lines if line.startswith("MemTotal:")]
    return min([*_limits(root), *whole], default=0) >> 20


def _limits(root: Path) -> Iterator[int]:
    """The container's memory limits in bytes; "max" or an absurd number means none."""
    for path in ("sys/fs/cgroup/memory.max", "sys/fs/cgroup/memory/memory.limit_in_bytes"):
        text = _text(root / path).strip()
        if text.isdigit() and 0 < int(text) < 1 << 60:
            yield int(text)


def _gpu(root: Path = Path("/")) -> str:
    """Read off the driver's files: nvidia-smi takes a second, and Colab has it on machines without a GPU."""
    if any(os.environ.get(name) for name in _TPU_VARIABLES) or (root / "dev/accel0").exists():
        return "TPU"
    names = [
        line.partition(":")[2].strip()
        for path in sorted((root / "proc/driver/nvidia/gpus").glob("*/information"))
        for line in _text(path).splitlines()
        if line.startswith("Model:")
    ]
    if names:
        return names[0] if len(names) == 1 else f"{len(names)} × {names[0]}"
    if (root / "dev/nvidia0").exists() and shutil.which("nvidia-smi"):
        return "NVIDIA"
    return ""


def _started_at(kind: Kind) -> float:
    """Start of the container where the place ends whole containers, else of this process."""
    own = _process_start(os.getpid()) or _IMPORTED
    home = CONTAINER_FOLDERS.get(kind)
    return (home is not None and home.is_dir() and _process_start(1)) or own


def _process_start(pid: int) -> float | None:
    """Epoch seconds, by the clock that counts from boot: the wall clock may have been set since."""
    fields = _text(Path(f"/proc/{pid}/stat")).rpartition(")")[2].split()
    uptime = _text(Path("/proc/uptime")).split()
    try:
        age = float(uptime[0]) - int(fields[19]) / os.sysconf("SC_CLK_TCK")
    except (IndexError, ValueError):  # no /proc, or a sandbox's odd one
        return None
    return time.time() - max(0.0, age)


def _text(path: Path) -> str:
    """The file's text, or "": what a kernel or sandbox doesn't offer, isn't known."""
    try:
        return path.read_text("utf-8", "replace")
    except OSError:
        return ""


# --- the environment, for others


def variable(name: str) -> str:
    """An environment variable, or ""."""
    return os.environ.get(name, "")


def is_secret_name(name: str) -> bool:
    """Whether a variable of this name holds something that nobody else may read."""
    return name.upper() not in NO_SECRETS and any(word in name.upper() for word in SECRET_WORDS)


def environment_secrets() -> dict[str, SecretStr]:
    """Variables whose name says that their value is a secret: what may never leave with a notebook."""
    return {
        name: SecretStr(value)
        for name, value in os.environ.items()
        if len(value) >= SHORTEST_SECRET and is_secret_name(name)
    }
