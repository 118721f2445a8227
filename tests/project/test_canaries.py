"""The tests' made-up secrets are found in what is printed (see pytest_runtest_makereport in conftest)."""

from __future__ import annotations

import pytest

from tests.support.canaries import spilled
from tests.support.commands import KEY, Ran


def test_a_secret_is_found() -> None:
    assert spilled(f"HTTP 401: the key {KEY} is wrong") == KEY
    assert spilled("HTTP 401: the key sk-…b2e8 is wrong") == ""
    with pytest.raises(AssertionError, match="printed a secret"):
        Ran(2, "", f"kgnb: {KEY}", 0.0)
