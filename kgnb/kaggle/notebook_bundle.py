"""A notebook that carries kgnb with it: the wheel as text in its first cell, and nothing in it that isn't
meant to leave the house.

``kaggle kernels push`` sends the text of one file and nothing else, at most 1 MB of it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import SecretStr

from kgnb import __version__
from kgnb.core.errors import InputError
from kgnb.kaggle import kgnb_wheel
from kgnb.kaggle.kernel_metadata import read_json
from kgnb.kaggle.kgnb_wheel import EXTRAS, Wheel

Notebook = dict[str, Any]

MOST_BYTES = 900_000
"""Of a whole notebook as Kaggle's client sends it; the server refuses 1 MB."""
CELL = "kgnb-embedded"
"""Id of the cell that carries the wheel."""
INSTALL_CELLS = (CELL, "install")
"""Ids of cells that install kgnb: that of an earlier bundle, and that of kgnb's own notebooks."""
PACKED = re.compile(r'^(?:_install_kgnb|BOOKS = unpack_text)\("""\n[^"]*"""\)$', re.M)
"""The wheel, or books, as base85: one megabyte in two hundred looks somewhere like a key."""


def own_notebooks() -> Path:
    """The folder of kgnb's own notebooks."""
    return (kgnb_wheel.checkout() or Path(__file__).resolve().parents[1]) / "notebooks"


def notebook_path(name: str) -> Path:
    """The notebook called ``name`` among kgnb's own, or the file at that path. Raises InputError."""
    own = own_notebooks() / f"{name}.ipynb"
    if re.fullmatch(r"\w+", name):
        if own.is_file():
            return own
        known = ", ".join(sorted(path.stem for path in own.parent.glob("*.ipynb")))
        raise InputError("bundle.no_such_notebook", name=name, known=known)
    if not Path(name).is_file():
        raise InputError("file.missing", path=name)
    return Path(name)


def read_notebook(path: Path) -> Notebook:
    """The notebook in the file. Raises InputError for anything else."""
    notebook = read_json(path, "bundle.not_a_notebook")
    try:
        if notebook["nbformat"] == 4 and all(isinstance(_source(one), str) for one in notebook["cells"]):
            return dict(notebook)
    except (TypeError, KeyError):
        pass
    raise InputError("bundle.not_a_notebook", path=path)


def bundled(notebook: Notebook, wheel: Wheel, *, variables: Mapping[str, str] | None = None) -> Notebook:
    """The notebook's cells with one that sets ``variables`` and installs ``wheel``: in place of those that
    installed kgnb so far, else before all other code. Outputs, widgets' state and other metadata stay here.
    """
    cells = notebook["cells"]
    ours = [i for i, cell in enumerate(cells) if cell.get("id") in INSTALL_CELLS]
    code = [i for i, cell in enumerate(cells) if cell["cell_type"] == "code"]
    at = (ours or code or [len(cells)])[0]
    kept = [cell for i, cell in enumerate(cells) if i not in ours]
    made = [_cell(cell["cell_type"], f"cell-{number:02}", _source(cell)) for number, cell in enumerate(kept)]
    hidden = {"_kg_hide-input": True, "jupyter": {"source_hidden": True}, "cellView": "form"}
    source = _install_code(wheel, variables or {})
    made.insert(at, _cell("code", CELL, source) | {"metadata": hidden})
    spec = {"display_name": "Python 3", "language": "python", "name": "python3"}
    about = {"kernelspec": spec, "language_info": {"name": "python"}}
    return {"cells": made, "metadata": about, "nbformat": 4, "nbformat_minor": 5}


def _install_code(wheel: Wheel, variables: Mapping[str, str]) -> str:
    return INSTALL.format(
        version=__version__,
        variables=json.dumps(dict(variables), ensure_ascii=False, indent=4),
        pins=json.dumps(kgnb_wheel.pins(wheel)),
        name=json.dumps(wheel.name),
        extras=json.dumps(f"[{','.join(EXTRAS)}]"),
        wheel=wheel.text,
    )


def written(notebook: Notebook) -> str:
    """The notebook as Kaggle's client will send it. Raises InputError when it is too large."""
    text = json.dumps(notebook)
    if len(text) > MOST_BYTES:
        raise InputError("bundle.too_large", kb=len(text) // 1000, limit=MOST_BYTES // 1000)
    return text


def _cell(cell_type: str, cell_id: str, source: str) -> dict[str, Any]:
    cell = {"cell_type": cell_type, "id": cell_id, "metadata": {}, "source": source}
    return cell | {"outputs": [], "execution_count": None} if cell_type == "code" else cell


def _source(cell: Mapping[str, Any]) -> str:
    source = cell["source"]
    return source if isinstance(source, str) else "".join(source)


INSTALL = '''\
# @title 安装 kgnb {version} · Install kgnb
# 安装包就在这个单元格里，下面不用看。 kgnb itself is in this cell; nothing to read below.
WHEELS = ""  # @param {{type:"string"}}
# 断网时 offline: "用户名/数据集" OWNER/DATASET (kgnb kaggle wheels)


def _install_kgnb(packed):
    import base64, importlib.metadata, lzma, os, pathlib, re, subprocess, sys, tempfile, zipfile

    for name, value in {variables}.items():
        os.environ.setdefault(name, value)

    def here(name):
        try:
            return importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            return None

    if here("kgnb") == "{version}":
        return
    folder = pathlib.Path(tempfile.mkdtemp())
    parts = lzma.decompress(base64.b85decode("".join(packed.split()))).decode("gb18030").split("\\0")
    files = dict(zip(parts[::2], parts[1::2]))
    record = next(path for path in files if path.endswith("/METADATA")).replace("METADATA", "RECORD")
    files[record] = "".join(f"{{path}},,\\n" for path in files)
    with zipfile.ZipFile(wheel := folder / {name}, "w") as archive:
        for path, text in files.items():
            archive.writestr(path, text)
    # 这里已有的包保持不动；没有的，装测试过的版本。 What is here stays as it is; the rest comes as tested.
    names = {{one.metadata["Name"] or "kgnb" for one in importlib.metadata.distributions()}} - {{"kgnb"}}
    kept = {{name: version for name in names if re.match("[0-9]", version := here(name) or "")}}
    constraints = folder / "kept.txt"
    pip = [sys.executable, "-m", "pip", "install", "-q", "--disable-pip-version-check", "-c", constraints]
    if given := WHEELS or os.environ.get("KGNB_WHEELS", ""):
        slug = given.rpartition("/")[2]
        places = [given, f"/kaggle/input/{{slug}}", f"/kaggle/input/datasets/{{given}}"]
        found = [one for one in places if slug and os.path.isdir(one)]
        if not found:
            raise RuntimeError(f"{{given}}: 请用 Add Input 附加这个数据集。 Attach this dataset (Add Input).")
        pip += ["--no-index", "--find-links", found[0]]
    pip += [str(wheel) + {extras}, *([] if here("ipywidgets") else ["ipywidgets"])]
    tried = {pins}
    pins = [f"{{name}}=={{version}}" for name, version in tried.items() if not here(name)]
    free = {{re.sub("[-_.]+", "-", name).lower() for name in tried}}
    held = {{n: v for n, v in kept.items() if re.sub("[-_.]+", "-", n).lower() not in free}}
    # 最后才换掉 kgnb 要用、而这里太旧的包。 Last, what kgnb needs newer than it is here is replaced.
    for fixed, wanted in ((kept, pins), (kept, []), (held, [])):
        constraints.write_text("".join(f"{{n}}=={{v}}\\n" for n, v in fixed.items()))
        done = subprocess.run([*pip, *wanted], capture_output=True, text=True)
        if done.returncode == 0 or "Retry(total=0" in done.stderr:  # 后者是没有网 the latter: no network
            break
    if done.returncode:
        print(done.stdout[-2000:], done.stderr[-2000:])
        raise RuntimeError(
            "没有装上 kgnb：请在右侧 Settings 打开 Internet（账号要验证过手机号）再运行；断网时填 WHEELS。 "
            "kgnb was not installed: switch Internet on in Settings (the account must be verified by phone) "
            "and run again; offline, fill in WHEELS."
        )
    importlib.invalidate_caches()
    if replaced := [f"{{n}} {{v}} → {{here(n)}}" for n, v in kept.items() if here(n) != v]:
        print("替换了 replaced:", ", ".join(replaced))


_install_kgnb("""
{wheel}
""")
import kgnb

print("kgnb", kgnb.__version__)
'''


# --- what must not leave

PATTERNS = {
    "sk-…": r"\bsk-[A-Za-z0-9_-]{20,}",
    "Google": r"\bAIza[0-9A-Za-z_-]{35}",
    "Hugging Face": r"\bhf_[A-Za-z0-9]{30,}",
    "GitHub": r"\b(?:gh[pousr]_[A-Za-z0-9]{30,}|github_pat_[A-Za-z0-9_]{30,})",
    "AWS": r"\bAKIA[0-9A-Z]{16}\b",
    "Slack": r"\bxox[a-z]-[A-Za-z0-9-]{10,}",
    "Kaggle": r"\bKGAT_[A-Za-z0-9]{20,}|[\"']key[\"']\s*:\s*[\"'][0-9a-f]{32}[\"']",
    "PRIVATE KEY": r"-----BEGIN [A-Z ]*PRIVATE KEY-----",
    "://user:password@": r"\b[a-z][a-z0-9+]*://[^\s/:@'\"{}$<]*:[^\s/@'\"{}$<…]{3,}@",
    "PASSWORD = '…'": (
        r"(?i)(?:API_?KEY|PASSWORD|PASSWD|TOKEN|SECRET(?!S_DATASET))\w*['\"]?\]?\s*[=:,]\s*['\"][^'\"\s{}]{8,}['\"]"
    ),
}


def check_secrets(notebook: Notebook, wheel: Wheel, known: Mapping[str, SecretStr]) -> None:
    """Raises InputError for a key or password in the notebook, by its looks or because it is one of ``known``
    (by variable); names the cell, never the value."""
    sources = {f"#{number}": _source(cell) for number, cell in enumerate(notebook["cells"], 1)}
    for where, source in sources.items():
        said = PACKED.sub("", source)
        for kind, pattern in PATTERNS.items():
            if re.search(pattern, said):
                raise InputError("bundle.secret_like", cell=where[1:], kind=kind)
    places = {where: source.encode() for where, source in sources.items()} | dict(wheel.files)
    for name, secret in known.items():
        value = secret.get_secret_value()
        for where, data in places.items():
            if not value.isalpha() and value.encode() in data:  # a plain word is no secret, and everywhere
                raise InputError("bundle.secret_of", where=where, name=name)
