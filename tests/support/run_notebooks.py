"""Notebooks that run on real kernels."""

from __future__ import annotations

import sys
from collections.abc import Iterator

import nbformat
from jupyter_client.manager import AsyncKernelManager
from nbclient import NotebookClient

from tests.support.commands import Place, environment
from tests.support.paths import ROOT
from tests.support.patience import SLOWEST

NOTEBOOKS = ROOT / "notebooks"


def executed(
    notebook: nbformat.NotebookNode, place: Place, python: str = sys.executable, **env: str
) -> nbformat.NotebookNode:
    """The notebook after a run in its folder on ``python``'s kernel, its data and settings in ``place``."""
    env = environment(**{place.mark: "1", "KGNB_DATA": str(place.data)}, **env)
    manager = AsyncKernelManager(kernel_name="python3")
    assert manager.kernel_spec is not None
    manager.kernel_spec.argv = [python, "-m", "ipykernel_launcher", "-f", "{connection_file}"]
    client = NotebookClient(notebook, km=manager, timeout=90 * SLOWEST, resources={"metadata": {}})
    client.owns_km = True  # so that the kernel ends with it
    client.resources["metadata"]["path"] = str(NOTEBOOKS)
    with client.setup_kernel(env=env):
        for index, cell in enumerate(notebook.cells):
            client.execute_cell(cell, index)
    return notebook


def outputs(notebook: nbformat.NotebookNode) -> Iterator[tuple[str, str]]:
    """(MIME type, content) of everything shown."""
    for cell in notebook.cells:
        for output in cell.get("outputs", []):
            if output.output_type == "stream":
                yield output.name, output.text
            else:
                yield from output.get("data", {}).items()


def of_code(*cells: str) -> nbformat.NotebookNode:
    return nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(code) for code in cells])
