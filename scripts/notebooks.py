"""Write kgnb's notebooks as single files, for releases and `kaggle kernels push`: each carries kgnb's wheel,
or with --pypi installs kgnb from PyPI."""

from __future__ import annotations

import asyncio
import sys
import tomllib
from pathlib import Path
from typing import Any

from kgnb.core.known_secrets import environment_secrets
from kgnb.kaggle import notebook_bundle
from kgnb.kaggle.secret_check import check_secrets

ROOT = Path(__file__).resolve().parents[1]
BADGES = (
    "[![Open in Colab](https://colab.research.google.com/assets/colab-badge.svg)]"
    "(https://colab.research.google.com/github/{repository}/blob/{branch}/{path}) "
    "[![Open in Kaggle](https://kaggle.com/static/images/open-in-kaggle.svg)]"
    "(https://kaggle.com/kernels/welcome?src=https://github.com/{repository}/blob/{branch}/{path})"
)


def badges(path: str) -> str:
    """Links that open the notebook at ``path`` of the branch in pyproject.toml; "" while it names none."""
    published: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["kgnb"]
    return BADGES.format(path=path, **published) if published["repository"] else ""


def main(folder: Path, *, pypi: bool) -> None:
    """Write one file a notebook and print its size. ``pypi``: they install this version from there."""
    folder.mkdir(parents=True, exist_ok=True)
    wheel = None if pypi else asyncio.run(notebook_bundle.own_wheel())
    for path in sorted((ROOT / "notebooks").glob("*.ipynb")):
        made = notebook_bundle.bundled(notebook_bundle.read_notebook(path), wheel)
        if links := badges(path.name):
            made["cells"][0]["source"] += f"\n\n{links}"
        check_secrets(made, wheel, environment_secrets())
        text = notebook_bundle.written(made)
        (folder / path.name).write_text(text, "utf-8")
        print(f"{folder / path.name}  {len(text) // 1000} kB")


if __name__ == "__main__":
    main(Path(sys.argv[1]), pypi="--pypi" in sys.argv[2:])
