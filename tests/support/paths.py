"""Folders that tests read from."""

from __future__ import annotations

import os
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
"""The checkout."""

STORIES = ROOT / "tests" / "stories"
"""Short stories with their gold names."""

NOVELS = Path(os.environ.get("KGNB_NOVELS", ROOT.parent / "shared" / "data" / "novels"))
"""Public-domain novels, where there are any; tests of them skip elsewhere."""
