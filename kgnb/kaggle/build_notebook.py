"""The notebook of a pushed book: it unpacks the books, builds them and leaves the graphs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from kgnb.core.errors import InputError
from kgnb.core.kaggle_inputs import find_input
from kgnb.core.messages import say
from kgnb.kaggle import packed_books

Notebook = dict[str, Any]

RESULTS = r"^[^/]*\.(html|json|log)$"
"""Pattern of the output files that a person looks at; the data folder beside them is for the next run."""


def notebook(books: str, *, provider: str | None, earlier: str | None) -> Notebook:
    """Return the notebook's cells; ``books`` is code of :func:`carried` or :func:`attached`.

    ``provider`` as in :func:`kgnb.build`. ``earlier``: the run (OWNER/NAME) whose output it goes on from.
    """
    build = BUILD.format(earlier=json.dumps(earlier or ""), provider=repr(provider))
    cells = [("markdown", TITLE), ("code", books), ("code", build), ("code", GRAPHS)]
    return {"cells": [{"cell_type": kind, "source": source} for kind, source in cells]}


def carried(packed: bytes) -> str:
    """Return the code of a cell that holds the packed books itself."""
    return CARRIED.format(text=packed_books.as_text(packed))


def attached(dataset: str) -> str:
    """Return the code of a cell that finds the packed books in a dataset (OWNER/NAME)."""
    return ATTACHED.format(dataset=json.dumps(dataset))


def earlier_data(run: str) -> str:
    """Return the data folder in the attached output of ``run`` (OWNER/NAME), for KGNB_RESUME_FROM; "" for no
    run, or one that ended before it had data.

    Raises InputError when the output isn't attached: to begin anew would pay for every chapter again.
    """
    from kgnb.stores.embedded.restore import find_data_folder  # slow, and only needed on Kaggle

    if not run:
        return ""
    output = find_input(run, ["notebooks"])
    if output is None:
        raise InputError("kaggle.earlier_missing", kernel=run)
    try:
        return str(find_data_folder(output))
    except InputError as error:
        if error.key != "resume.none":
            raise
        print(say("kaggle.earlier_empty", kernel=run))
        return ""


def results(files: list[Path]) -> list[Path]:
    """Return the graphs among fetched files, to be named to the user."""
    return sorted(file for file in files if file.name.startswith("graph") and file.suffix == ".html")


def chapters_left(files: list[Path]) -> int:
    """Return how many chapters the report among fetched files calls unfinished; 0 without one."""
    try:
        (report,) = [file for file in files if file.name == "kgnb-report.json"]
        left = json.loads(report.read_text("utf-8"))["left"]["chapters"]
        return max(0, int(left))
    except (OSError, ValueError, TypeError, KeyError, RecursionError):
        return 0


TITLE = """\
# kgnb：拆书

由 `kgnb kaggle push` 生成：全部运行，就把带来的书拆成图谱。
`graph.html` 是图，`graph.json` 是数据，`kgnb-report.html` 是这次运行的报告。

*Made by `kgnb kaggle push`: Run All turns the books that came along into graphs. `graph.html` is the picture,
`graph.json` the data, `kgnb-report.html` tells how the run went.*"""

CARRIED = '''\
# 书就在这个单元格里，不用看。 The books are in this cell; nothing to read.
from kgnb.kaggle.packed_books import unpack_text

BOOKS = unpack_text("""
{text}
""")
'''

ATTACHED = """\
# 书在附加的私有数据集里。 The books are in the attached private dataset.
from kgnb.kaggle.packed_books import unpack_dataset

BOOKS = unpack_dataset({dataset})
"""

BUILD = """\
# 拆书，直到做完，或会话快结束时收尾；没做完的章节下次接着做。
# Build until all is done, or leave in time before the session ends; the next push goes on from there.
import kgnb
from kgnb.kaggle.build_notebook import earlier_data

node = kgnb.Node.from_env(resume_from=earlier_data({earlier}))
node.start()
tasks = [node.submit(book, {provider}) for book in BOOKS]
node.run_until()
"""

GRAPHS = """\
# 图和数据。 The pictures and the data.
for number, task in enumerate(tasks, 1):
    name = "graph" if len(tasks) == 1 else f"graph-{number}"
    try:
        book = kgnb.open(task)
    except kgnb.KgnbError as error:  # 还没做完 not finished yet
        print(error)
        continue
    print(book, book.save(f"{name}.html"), book.save(f"{name}.json"))
    book.show()
"""
