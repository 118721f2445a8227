"""A machine like Kaggle's for one notebook: /kaggle/working, /kaggle/input, and a Python without kgnb.

The folders are mounted in a namespace of the notebook's own, whose processes end with it as a container's do:
nothing of kgnb is patched.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sysconfig
import venv
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.support.commands import environment
from tests.support.patience import SLOWEST

ENTER = r"""
set -e
root=$1 working=$2 input=$3
shift 3
mount -t tmpfs kaggle "$root"
for entry in /*; do
  if [ -L "$entry" ]; then cp -P "$entry" "$root/"
  elif [ "$entry" = /proc ]; then mkdir "$root/proc"; mount -t proc proc "$root/proc"
  elif [ -d "$entry" ]; then mkdir "$root$entry"; mount --rbind "$entry" "$root$entry"
  fi
done
mkdir -p "$root/kaggle/working" "$root/kaggle/input"
mount --bind "$working" "$root/kaggle/working"
mount --bind "$input" "$root/kaggle/input"
exec chroot "$root" sh -c 'cd /kaggle/working && exec "$@"' sh "$@"
"""
RUN = """
import nbclient, nbformat, sys
book = nbformat.read("/kaggle/input/.notebook.ipynb", as_version=4)
client = nbclient.NotebookClient(book, timeout=None, kernel_name="python3")
try:
    client.execute()
finally:
    nbformat.write(book, "__notebook__.ipynb")
"""


def can_mount() -> bool:
    """Whether this system lets a process mount folders in a namespace of its own."""
    mount = ["unshare", "-rmpf", "mount", "-t", "proc", "proc", "/proc"]
    return subprocess.run(mount, capture_output=True).returncode == 0


def clean_python(home: Path) -> Path:
    """A Python with everything that is installed here, but without any kgnb."""
    venv.create(home, symlinks=True)
    (site,) = home.glob("lib/python3*/site-packages")
    for entry in Path(sysconfig.get_path("purelib")).iterdir():
        ours = re.match(r"_?kgnb|__editable__", entry.name) or entry.suffix == ".pth"
        if not ours and entry.name != "__pycache__":
            (site / entry.name).symlink_to(entry)
    return home / "bin" / "python"


@dataclass
class KaggleMachine:
    """Runs notebooks; each run's files stay in ``working``, and what the next one sees in ``inputs``."""

    folder: Path
    env: dict[str, str] = field(default_factory=dict)
    runs: list[subprocess.CompletedProcess[str]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.python = clean_python(self.folder / "python")
        for name in ("root", "inputs"):
            (self.folder / name).mkdir()

    @property
    def inputs(self) -> Path:
        """/kaggle/input of the next run."""
        return self.folder / "inputs"

    @property
    def working(self) -> Path:
        """/kaggle/working of the last run."""
        return self.folder / f"working-{len(self.runs)}"

    def run(self, notebook: str) -> subprocess.CompletedProcess[str]:
        """Run a notebook from its first cell to its last, or to the one that fails."""
        working = self.folder / f"working-{len(self.runs) + 1}"
        working.mkdir()
        (self.inputs / ".notebook.ipynb").write_text(notebook, "utf-8")
        env = environment(KAGGLE_KERNEL_RUN_TYPE="Batch", PIP_NO_INDEX="1", HOME=str(self.folder), **self.env)
        for name in ("PYTHONPATH", "HTTPS_PROXY", "VIRTUAL_ENV"):
            env.pop(name, None)
        enter = ["unshare", "-rmpf", "sh", "-c", ENTER, "sh", *map(str, (self.folder / "root", working))]
        command = [*enter, str(self.inputs), str(self.python), "-c", RUN]
        ran = subprocess.run(command, env=env, capture_output=True, text=True, timeout=140 * SLOWEST)
        self.runs.append(ran)
        return ran

    def output(self) -> dict[str, bytes]:
        """The last run's files, by path."""
        files = (path for path in self.working.rglob("*") if path.is_file())
        return {str(path.relative_to(self.working)): path.read_bytes() for path in files}

    def cells(self) -> list[dict[str, Any]]:
        """The cells of the last run as executed."""
        shown = json.loads((self.working / "__notebook__.ipynb").read_text("utf-8"))
        return list(shown["cells"])

    def attach(self, kind: str, name: str, files: dict[str, bytes]) -> None:
        """Make files the next run's input OWNER/NAME; ``kind``: datasets or notebooks."""
        folder = self.inputs / kind / name
        shutil.rmtree(folder, ignore_errors=True)
        for path, data in files.items():
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).write_bytes(data)
