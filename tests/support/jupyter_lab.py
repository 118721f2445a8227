"""JupyterLab in a real browser: a server of its own folder, a page, notebooks run in it."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nbformat

from tests.support.commands import environment
from tests.support.paths import ROOT
from tests.support.patience import SLOWEST, happens_within

ARTEFACTS = ROOT / ".artifacts"
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
CELL = ".jp-OutputArea-output"
TOKEN = "labtoken"


def missing() -> str:
    """Why no browser test can run here; "" when one can."""
    try:
        import jupyterlab  # noqa: F401
        import playwright.sync_api  # noqa: F401
    except ImportError as error:
        return f"pip install jupyterlab playwright ({error.name})"
    return "" if CHROMIUM else "apt-get install chromium"


def _settings(folder: Path, theme: str) -> None:
    for name, values in {
        "@jupyterlab/notebook-extension/tracker": {"windowingMode": "none"},
        "@jupyterlab/apputils-extension/notification": {"fetchNews": "false", "checkForUpdates": False},
        "@jupyterlab/apputils-extension/themes": {"theme": theme},
        "@jupyter-widgets/jupyterlab-manager/plugin": {"saveState": True},
    }.items():
        path = folder / f"{name}.jupyterlab-settings"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(values), "utf-8")


class Lab:
    """A JupyterLab server on ``folder``, which is its kernels' working folder too."""

    def __init__(self, folder: Path, *, theme: str = "JupyterLab Light", **env: str) -> None:
        self.folder = folder
        with socket.socket() as one:
            one.bind(("127.0.0.1", 0))
            self.port = one.getsockname()[1]
        _settings(folder / ".settings", theme)
        command = [sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root", f"--port={self.port}",
                   "--ServerApp.port_retries=0", f"--IdentityProvider.token={TOKEN}",
                   f"--ServerApp.root_dir={folder}"]  # fmt: skip
        given = environment(
            JUPYTERLAB_SETTINGS_DIR=str(folder / ".settings"),
            JUPYTERLAB_WORKSPACES_DIR=str(folder / ".workspaces"),
            JUPYTER_RUNTIME_DIR=str(folder / ".runtime"),
            IPYTHONDIR=str(folder / ".ipython"),
            **env,
        )
        self._log = (folder / ".lab.log").open("w")
        self._process = subprocess.Popen(
            command, cwd=folder, env=given, stdout=self._log, stderr=self._log, start_new_session=True
        )
        self._wait()

    def _wait(self) -> None:
        def answers() -> bool:
            assert self._process.poll() is None, (self.folder / ".lab.log").read_text()
            with contextlib.suppress(OSError, urllib.error.URLError):
                urllib.request.urlopen(f"http://127.0.0.1:{self.port}/api?token={TOKEN}", timeout=2 * SLOWEST)
                return True
            return False

        assert happens_within(40, answers), (self.folder / ".lab.log").read_text()

    def url(self, name: str) -> str:
        return f"http://127.0.0.1:{self.port}/lab/tree/{name}?token={TOKEN}&reset"

    def write(self, name: str, *cells: str) -> None:
        notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(code) for code in cells])
        notebook.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3"}
        nbformat.write(notebook, self.folder / name)

    def close(self) -> None:
        self._process.send_signal(signal.SIGTERM)
        try:
            self._process.wait(10 * SLOWEST)
        except subprocess.TimeoutExpired:
            os.killpg(self._process.pid, signal.SIGKILL)
        self._log.close()


@contextlib.contextmanager
def page(width: int = 1280, height: int = 900) -> Iterator[Any]:
    """A page of Debian's Chromium."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as play:
        limit = 60_000 * SLOWEST
        browser = play.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"], timeout=limit)
        try:
            one = browser.new_page(viewport={"width": width, "height": height}, locale="zh-CN")
            one.set_default_timeout(limit)
            yield one
        finally:
            browser.close()


def open_notebook(page: Any, lab: Lab, name: str) -> None:
    """Opens the notebook and waits until its kernel is idle: "Run All" before that is lost."""
    page.goto(lab.url(name))
    page.wait_for_selector(".jp-Notebook .jp-Cell")
    idle(page)


def idle(page: Any) -> None:
    page.wait_for_selector('#jp-main-statusbar :text("| Idle")')


def run_all(page: Any) -> None:
    page.click('.lm-MenuBar-item:has-text("Run")')
    page.click('.lm-Menu-item[data-command="runmenu:run-all"]')


def run_cell(page: Any, number: int) -> None:
    """Runs one cell (from 0) and doesn't wait for its end."""
    page.locator(".jp-Notebook .jp-Cell").nth(number).locator(".cm-content").click()
    page.keyboard.press("Control+Enter")


def tab(page: Any, name: str) -> None:
    """Chooses one of the panel's tabs."""
    page.locator(f'{CELL} .lm-TabBar-tab:has-text("{name}")').first.click()


def type_cell(page: Any, code: str) -> None:
    """Adds a cell at the end and runs it; doesn't wait for its end."""
    page.locator(".jp-Notebook-footer").click()
    page.locator(".jp-Notebook .jp-Cell").last.locator(".cm-content").click()
    page.keyboard.insert_text(code)
    page.keyboard.press("Control+Enter")
