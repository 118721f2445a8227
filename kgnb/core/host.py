"""Detects where this process runs (Kaggle, Colab, Jupyter, VS Code, IPython, terminal, server) and on what.

Takes a few milliseconds: nothing heavy is imported, no process started. Besides settings.py and messages.py
the only reader of the environment.
"""

from __future__ import annotations

import os
import shutil
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib import util
from pathlib import Path
from typing import IO, Any

from kgnb import __version__
from kgnb.core.notebook_services import Kind, NotebookService, find_service

KAGGLE_OUTPUT = Path("/kaggle/working")
KAGGLE_INPUT = Path("/kaggle/input")

CONTAINER_FOLDERS = {"kaggle": KAGGLE_OUTPUT, "colab": Path("/content")}
"""Hosts whose session is the container: a restarted kernel gets no more time. The folder confirms it."""

TPU_VARIABLES = ("TPU_NAME", "COLAB_TPU_ADDR", "TPU_WORKER_ID", "TPU_ACCELERATOR_TYPE", "ISTPUVM")
_IMPORTED = time.time()


@dataclass(frozen=True)
class Host:
    """Where this process runs, as of :func:`detect_host`."""

    kind: Kind
    batch: bool
    """A run without a person: Kaggle's "Save & Run All" or a pushed run."""
    in_kernel: bool
    """Whether this process is a notebook's kernel."""
    versions: Mapping[str, str]
    """Of python, kgnb, ipykernel, ipywidgets, ipython; "" if not installed."""
    cpus: int
    memory_mb: int
    """The lesser of the machine's memory and the container's limit; 0 = unknown."""
    gpu: str
    """Name of the GPUs, "TPU", or ""."""
    output_dir: Path | None
    """The folder that the host keeps as the run's output, if any."""
    session_seconds: float | None
    """Length of a session by the host's rules; None = no end known. See :meth:`seconds`."""
    started_at: float
    """Epoch seconds of the session's start."""
    service: NotebookService | None = None
    """The notebook service; None in a terminal or on a server."""

    def seconds(self, setting: float) -> float | None:
        """Return the length of the session in seconds: ``setting`` (KGNB_SESSION_SECONDS) unless it is 0,
        else the host's; None for no end.
        """
        return setting or self.session_seconds


def detect_host() -> Host:
    """Return the facts of this machine and notebook service; cheap, so that callers need not keep
    the result.
    """
    kind = _kind()
    gpu = find_gpu()
    service = find_service(kind, os.environ)
    return Host(
        kind=kind,
        batch=kind == "kaggle" and is_batch(),
        in_kernel=in_kernel(),
        versions={
            "python": ".".join(map(str, sys.version_info[:3])),
            "kgnb": __version__,
            **{name: installed_version(name) for name in ("ipykernel", "ipywidgets", "ipython")},
        },
        cpus=usable_cpus(),
        memory_mb=read_memory_mb(),
        gpu=gpu,
        output_dir=KAGGLE_OUTPUT if kind == "kaggle" and os.access(KAGGLE_OUTPUT, os.W_OK) else None,
        session_seconds=service.session_seconds(tpu=gpu == "TPU") if service else None,
        started_at=_started_at(kind),
        service=service,
    )


def is_hosted_notebook() -> bool:
    """Return whether this process runs on a notebook service that gives everybody the same machine."""
    service = find_service(_kind(), os.environ)
    return service is not None and service.is_here(os.environ)


def is_batch() -> bool:
    """Return whether this is a batch run on Kaggle, which nobody watches."""
    return os.environ.get("KAGGLE_KERNEL_RUN_TYPE", "").lower() == "batch"


def _kind() -> Kind:
    """Return where this process runs: kaggle, colab, vscode, jupyter, ipython, terminal or server."""
    if os.environ.get("KAGGLE_KERNEL_RUN_TYPE") or (
        os.environ.get("KAGGLE_URL_BASE") and KAGGLE_OUTPUT.is_dir()
    ):
        return "kaggle"  # before Colab, from whose image Kaggle's is made
    if os.environ.get("COLAB_RELEASE_TAG") or (in_kernel() and is_importable("google.colab")):
        return "colab"
    if in_kernel():
        return "vscode" if _in_vscode() else "jupyter"
    if ipython_shell() is not None:
        return "ipython"
    return "terminal" if sys.stdin is not None and sys.stdin.isatty() else "server"


def ipython_shell() -> Any:
    """Return the running IPython shell; None without one. Never imports IPython."""
    ipython = sys.modules.get("IPython")
    return None if ipython is None else ipython.get_ipython()


def in_kernel() -> bool:
    """Return whether this process is a notebook's kernel."""
    return getattr(ipython_shell(), "kernel", None) is not None


def _in_vscode() -> bool:
    """Return whether VS Code shows the kernel's notebook."""
    in_its_terminal = any(map(os.environ.get, ("VSCODE_PID", "VSCODE_CWD", "VSCODE_IPC_HOOK_CLI")))
    return in_its_terminal or "__vsc_ipynb_file__" in getattr(ipython_shell(), "user_ns", {})


def is_importable(name: str) -> bool:
    """Return whether a module is installed; it is not imported."""
    try:
        return sys.modules.get(name) is not None or util.find_spec(name) is not None
    except (ImportError, ValueError):  # the parent package is missing or broken
        return False


def installed_version(name: str) -> str:
    """Return the version of an installed package; "" if it isn't installed."""
    from importlib import metadata  # slow, and the supervisor doesn't need it

    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return ""


# --- the machine


def usable_cpus() -> int:
    """Return the number of processors that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def read_memory_mb(root: Path = Path("/")) -> int:
    """Return the memory in megabytes (2²⁰ bytes) that this process may use: the container's limit, else the
    machine's; 0 for unknown. ``root``: of the file system.
    """
    lines = _read_or_empty(root / "proc/meminfo").splitlines()
    whole = [int(line.split()[1]) * 1024 for line in lines if line.startswith("MemTotal:")]
    return min([*_memory_limits(root), *whole], default=0) >> 20


def _memory_limits(root: Path) -> Iterator[int]:
    """Yield the container's memory limits in bytes, none for "max" or a huge number."""
    for path in ("sys/fs/cgroup/memory.max", "sys/fs/cgroup/memory/memory.limit_in_bytes"):
        text = _read_or_empty(root / path).strip()
        if text.isdigit() and 0 < int(text) < 1 << 60:
            yield int(text)


def find_gpu(root: Path = Path("/")) -> str:
    """Return "TPU", or the GPUs' name and number: "Tesla T4", "2 × Tesla T4", "NVIDIA" for an unknown name;
    "" for neither. ``root``: of the file system.

    Reads the driver's files: nvidia-smi takes a second, and Colab has it on machines without a GPU too.
    """
    if any(os.environ.get(name) for name in TPU_VARIABLES) or (root / "dev/accel0").exists():
        return "TPU"
    names = [
        line.partition(":")[2].strip()
        for path in sorted((root / "proc/driver/nvidia/gpus").glob("*/information"))
        for line in _read_or_empty(path).splitlines()
        if line.startswith("Model:")
    ]
    if names:
        return names[0] if len(names) == 1 else f"{len(names)} × {names[0]}"
    if (root / "dev/nvidia0").exists() and shutil.which("nvidia-smi"):
        return "NVIDIA"
    return ""


def _started_at(kind: Kind) -> float:
    """Return when the container started where that is the session, else this process, in seconds
    since 1970.
    """
    own = process_start(os.getpid()) or _IMPORTED
    folder = CONTAINER_FOLDERS.get(kind)
    return (folder is not None and folder.is_dir() and process_start(1)) or own


def process_start(pid: int) -> float | None:
    """Return when a process started, in epoch seconds; None if this is unknown.

    Computed from the monotonic clock: the wall clock may have been set since the start.
    """
    fields = _read_or_empty(Path(f"/proc/{pid}/stat")).rpartition(")")[2].split()
    uptime = _read_or_empty(Path("/proc/uptime")).split()
    try:
        age = float(uptime[0]) - int(fields[19]) / os.sysconf("SC_CLK_TCK")
    except (IndexError, ValueError):  # no /proc, or a sandbox's incomplete one
        return None
    return time.time() - max(0.0, age)


def _read_or_empty(path: Path) -> str:
    """Return the file's text; "" where the kernel or a sandbox doesn't offer it."""
    try:
        return path.read_text("utf-8", "replace")
    except OSError:
        return ""


def variable(name: str) -> str:
    """Return an environment variable; "" if it is unset."""
    return os.environ.get(name, "")


def takes_colour(out: IO[str]) -> bool:
    """Return whether ``out`` is a terminal, and NO_COLOR (no-color.org) isn't set."""
    return out.isatty() and not variable("NO_COLOR")


def variables() -> Mapping[str, str]:
    """Return all environment variables, name → value."""
    return os.environ


def keep_working_folder_off_path() -> None:
    """Let the Python processes that this one starts import nothing from the working folder.

    Others start some of them, without ``-P``: loky's workers, its resource tracker and multiprocessing's.
    """
    os.environ["PYTHONSAFEPATH"] = "1"
