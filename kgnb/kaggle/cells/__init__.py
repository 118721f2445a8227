"""Texts of the cells that kgnb puts into notebooks, a file each; ``@name@`` in a text stands for a value."""

from __future__ import annotations

import re
from pathlib import Path


def cell_text(file: str, **values: str) -> str:
    """Return the text of a file of this folder with each ``@name@`` replaced by the value of that name.

    Raises KeyError for a name without a value; values are not looked at.
    """
    text = (Path(__file__).parent / file).read_text("utf-8")
    return re.sub(r"@(\w+)@", lambda name: values[name[1]], text)
