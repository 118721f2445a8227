"""The explorer as one HTML file that needs no network, and in a notebook with a still image before it.

cytoscape.js and the page's own script are inlined, coordinates are computed here. Names, descriptions and
quotes are hostile input: they enter the page as JSON data and are shown as text only. The page's content
security policy runs nothing but the two scripts whose hashes it names.
"""

from __future__ import annotations

import base64
import functools
import hashlib
import importlib
import json
from collections.abc import Mapping
from html import escape
from pathlib import Path

from kgnb.core.errors import InputError
from kgnb.core.host import ipython_shell
from kgnb.core.messages import language, say
from kgnb.graph.book_history import BookHistory
from kgnb.graph.importance import is_tie
from kgnb.graph.model import Graph
from kgnb.render.explorer.data import page_data
from kgnb.render.picture import static
from kgnb.render.picture.scene import DARK_EDGE_COLOURS, EDGE_COLOURS, Scene, lay_out, printable

PAGE_PEOPLE = 80
"""How many characters a page shows at first; more would be hard to read."""
SCRIPTS = ("model.js", "canvas.js", "corrections.js", "card.js", "controls.js")
"""The files of ``source/``, in the order in which they need each other."""


def html(
    graph: Graph, history: BookHistory, *, title: str, scene: Scene | None = None, opened: str = ""
) -> str:
    """Return the interactive page, an HTML document, with all characters; the :data:`PAGE_PEOPLE` (80) most
    important are drawn at first.

    ``scene``: places of the characters; None to compute them. ``opened``: a name of the character whose card
    is open at first.
    """
    library, script = _asset("cytoscape.min.js"), "".join(map(_asset, SCRIPTS))
    parts = {
        "LANG": "zh-CN" if language() == "zh" else "en",
        "POLICY": _policy(library, script),
        "TITLE": escape(printable(title)),
        "NOTE": escape(_method(graph)),
        "NOSCRIPT": escape(say("picture.noscript")),
        "STYLE": _colours(EDGE_COLOURS)
        + f"@media (prefers-color-scheme:dark){{{_colours(DARK_EDGE_COLOURS)}}}"
        + _asset("explorer.css"),
        "DATA": _json(page_data(graph, scene or lay_out(graph, PAGE_PEOPLE), history) | {"opened": opened}),
        "LIBRARY": library,
        "SCRIPT": script,
    }
    pieces = _asset("explorer.html").split("@@")  # one pass: a title that looks like a placeholder stays text
    for index in range(1, len(pieces), 2):
        name = pieces[index]
        pieces[index] = parts[name] if name in parts else escape(say(f"explorer.{name.lower()}"))
    return "".join(pieces)


def display(graph: Graph, history: BookHistory, *, title: str) -> None:
    """Show the graph in a notebook: a still image for any viewer, then the interactive page.

    Raises InputError where IPython doesn't run: there is no notebook to show it in.
    """
    if ipython_shell() is None:  # a plain script: IPython would print the whole image
        raise InputError("exchange.no_notebook")
    notebook = importlib.import_module("IPython.display")
    still = static.svg(graph, title=title)
    # As Markdown too: JupyterLab shows no SVG in a notebook that it doesn't trust.
    packed = base64.b64encode(still.encode()).decode()
    markdown = f"![](data:image/svg+xml;base64,{packed})"
    image = {"text/plain": title, "image/svg+xml": still, "text/markdown": markdown}
    notebook.display(image, raw=True)
    frame = iframe(html(graph, history, title=title))
    notebook.display(notebook.HTML(f"<div>{frame}</div>"))  # IPython warns about a leading <iframe>


def iframe(page: str, height: int = 640) -> str:
    """Return the HTML of a sandboxed frame with ``page`` in it: its scripts run without access to the
    notebook around it. ``height``: pixels.
    """
    return (
        f'<iframe sandbox="allow-scripts allow-downloads" width="100%" height="{height}" loading="lazy"'
        f' style="border:1px solid #ddd;border-radius:8px" srcdoc="{escape(page, quote=True)}"></iframe>'
    )


@functools.cache
def _asset(name: str) -> str:
    """Return the text of a file of the page. Raises AssertionError for a script that would end its own
    element.
    """
    folder = Path(__file__).parent / ("source" if name in SCRIPTS else "")
    text = (folder / name).read_text(encoding="utf-8")
    if "</script" in text.lower() and name.endswith(".js"):
        raise AssertionError(f"{name} would end its own script element")
    return text


def _colours(groups: Mapping[str, str]) -> str:
    """CSS variables with the colours of the groups of ties."""
    return ":root{" + ";".join(f"--{group}:{colour}" for group, colour in groups.items()) + "}"


def _policy(*scripts: str) -> str:
    """A content security policy: no network, no frames, only these scripts."""
    digests = (base64.b64encode(hashlib.sha256(s.encode("utf-8")).digest()).decode() for s in scripts)
    hashes = " ".join(f"'sha256-{digest}'" for digest in digests)
    rules = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"
    return f"{rules}; script-src {hashes}"


def _json(data: object) -> str:
    """JSON that can neither end its script element nor break a JavaScript string."""
    text = json.dumps(data, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    for char in "<>&\u2028\u2029":
        text = text.replace(char, f"\\u{ord(char):04x}")
    return text


def _method(graph: Graph) -> str:
    """Whether rules or a model found the ties; "" where the graph doesn't say."""
    found = {edge.properties.get("extracted_by") for edge in graph.edges.values() if is_tie(edge)} & {
        "ai",
        "rule",
    }
    return say(f"picture.by_{found.pop() if len(found) == 1 else 'both'}") if found else ""
