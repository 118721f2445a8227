"""The tests' made-up secrets are found in what is printed (see pytest_runtest_makereport in conftest)."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.canaries import spilled, spilled_in_logs
from tests.support.commands import KEY, Ran


def test_a_secret_is_found() -> None:
    assert spilled(f"HTTP 401: the key {KEY} is wrong") == KEY
    assert spilled("HTTP 401: the key sk-…b2e8 is wrong") == ""
    with pytest.raises(AssertionError, match="printed a secret"):
        Ran(2, "", f"kgnb: {KEY}")


def test_a_secret_in_the_log_of_any_process_is_found(tmp_path_factory: pytest.TempPathFactory) -> None:
    folder: Path = tmp_path_factory.mktemp("logs")
    (folder / "data" / "logs").mkdir(parents=True)
    assert spilled_in_logs(folder) == ""
    (folder / "data" / "logs" / "worker.log").write_text(f"login {KEY} failed", "utf-8")
    assert spilled_in_logs(folder) == KEY
