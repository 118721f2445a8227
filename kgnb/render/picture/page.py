"""A graph as an interactive page, and in a notebook with a still image before it.

The page is one file that needs no network: cytoscape.js is inlined, coordinates are computed here. Names,
descriptions and quotes are hostile input: they enter the page as JSON data and are shown as text only. The
page's content security policy runs nothing but the two scripts whose hashes it names.
"""

from __future__ import annotations

import base64
import functools
import hashlib
import importlib
import json
import logging
from collections.abc import Sequence
from html import escape
from pathlib import Path
from typing import Any

from kgnb.core.errors import InputError
from kgnb.core.host import ipython_shell
from kgnb.core.labels import CHARACTER_RELATIONS, SYMMETRIC_RELATIONS
from kgnb.core.messages import language, say, texts
from kgnb.graph.importance import is_tie
from kgnb.graph.model import Graph, NodeKey, group_of
from kgnb.render.picture import static
from kgnb.render.picture.scene import (
    EDGE_COLOURS,
    Scene,
    Spot,
    label_of,
    lay_out,
    printable,
)
from kgnb.render.picture.selection import Person, Tie, select_rest

log = logging.getLogger(__name__)

PAGE_PEOPLE = 80
"""How many characters a page shows at first; more would be hard to read."""

_MOST_EVENTS = 12
_OTHER_DESCRIPTION = 120  # characters kept of those who aren't shown at first
_PAGE_WORDS = (
    *("hint", "nothing", "aliases", "traits", "organizations", "events", "relations"),
    *("chapters", "first", "times", "no_match", "comma", "many"),
)


def html(graph: Graph, *, title: str, scene: Scene | None = None) -> str:
    """A self-contained interactive page: the :data:`PAGE_PEOPLE` most important characters are shown at
    first, and everybody is found by search and brought in by a slider. ``scene``: those laid out already."""
    shown = scene or lay_out(graph, PAGE_PEOPLE)
    library, script = _asset("cytoscape.min.js"), _asset("picture.js")
    parts = {
        "LANG": "zh-CN" if language() == "zh" else "en",
        "POLICY": _policy(library, script),
        "TITLE": escape(printable(title)),
        "NOTE": escape(" · ".join(filter(None, (static.summary(shown), _method(graph))))),
        **{
            name.upper(): escape(say(f"picture.{name}"))
            for name in ("search", "fit", "all", "png", "noscript")
        },
        "STYLE": _asset("picture.css"),
        "DATA": _json(_page_data(graph, shown)),
        "LIBRARY": library,
        "SCRIPT": script,
    }
    pieces = _asset("picture.html").split("@@")  # one pass: a title that looks like a placeholder stays text
    return "".join(parts[piece] if i % 2 else piece for i, piece in enumerate(pieces))


def display(graph: Graph, *, title: str) -> None:
    """Show the graph in a notebook: a still image for any viewer, then the interactive page.

    Raises InputError where IPython doesn't run: there is no notebook to show it in.
    """
    if ipython_shell() is None:  # a plain script: IPython would print the whole image
        raise InputError("exchange.no_notebook")
    notebook = importlib.import_module("IPython.display")
    image: dict[str, object] = {"text/plain": title, "image/svg+xml": static.svg(graph, title=title)}
    try:
        image["image/png"] = base64.b64encode(static.png(graph, title=title)).decode()
    except InputError as error:
        log.info(say("picture.no_png", reason=str(error)))
    notebook.display(image, raw=True)
    frame = iframe(html(graph, title=title))
    notebook.display(notebook.HTML(f"<div>{frame}</div>"))  # IPython warns about a leading <iframe>


def iframe(page: str, height: int = 640) -> str:
    """The page in a sandboxed frame: its scripts run, without access to the notebook around it."""
    return (
        f'<iframe sandbox="allow-scripts allow-downloads" width="100%" height="{height}" loading="lazy"'
        f' style="border:1px solid #ddd;border-radius:8px" srcdoc="{escape(page, quote=True)}"></iframe>'
    )


@functools.cache
def _asset(name: str) -> str:
    text = (Path(__file__).parent / "data" / name).read_text(encoding="utf-8")
    if "</script" in text.lower() and name.endswith(".js"):
        raise AssertionError(f"{name} would end its own script element")
    return text


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
    """Whether rules or a model found the ties, and the day of the newest; "" where the graph doesn't say."""
    ties = [edge.properties for edge in graph.edges.values() if is_tie(edge)]
    made_by = {facts.get("extracted_by") for facts in ties} & {"ai", "rule"}
    if not made_by:
        return ""
    word = made_by.pop() if len(made_by) == 1 else "both"
    newest = max((str(facts["updated_at"]) for facts in ties if facts.get("updated_at")), default="")
    day = printable(newest[:10]).replace("-", "-\u2060")  # a word joiner: a date stays on one line
    return " · ".join(filter(None, (say(f"picture.by_{word}"), day)))


def _page_data(graph: Graph, shown: Scene) -> dict[str, Any]:
    rest = select_rest(graph, len(shown.spots))
    kinds = {edge.type for tie in (*shown.ties, *rest.ties) for edge in tie.edges}
    names = {k: say(f"relation.{k}") if k in CHARACTER_RELATIONS else k for k in sorted(kinds)}
    around = _organizations_and_events(graph, {spot.person.node.ref for spot in shown.spots})
    return {
        "words": {w: texts(language())[f"picture.{w}"] for w in _PAGE_WORDS},
        "kinds": names,
        "symmetric": sorted(SYMMETRIC_RELATIONS & kinds),
        "groups": [
            {
                "id": g,
                "name": say(f"picture.{g}"),
                "colour": colour,
                "kinds": [k for k in names if group_of(k) == g],
            }
            for g, colour in EDGE_COLOURS.items()
        ],
        "shown": len(shown.spots),
        "people": [
            *(_person(spot, around) for spot in shown.spots),
            *(_known_of(person) for person in rest.people[len(shown.spots) :]),
        ],
        "ties": [_tie(rest.people, tie, shown.width(tie)) for tie in (*shown.ties, *rest.ties)],
        "circles": [
            {"fill": shown.spots[own[0]].fill, "name": shown.circle_name(own), "people": own}
            for own in shown.circles
        ],
    }


def _person(spot: Spot, around: dict[NodeKey, dict[str, list[str]]]) -> dict[str, Any]:
    node = spot.person.node
    return {
        **_known_of(spot.person),
        "x": spot.x,
        "y": spot.y,
        "r": spot.radius,
        "font": spot.font,
        "fill": spot.fill,
        "border": spot.border,
        "description": printable(node.text("description")),
        "traits": list(map(printable, node.texts("traits"))),
        **around[node.ref],
    }


def _known_of(person: Person) -> dict[str, Any]:
    """What the page knows of everybody; it finds a place itself for those who aren't shown at first."""
    node = person.node
    return {
        "name": printable(person.name),
        "label": label_of(person.name),
        "title": printable(node.text("title")),
        "description": printable(node.text("description"))[:_OTHER_DESCRIPTION],
        "aliases": list(map(printable, node.texts("aliases"))),
        "chapters": person.chapters,
        "first": person.first_chapter,
    }


def _tie(people: Sequence[Person], tie: Tie, width: float) -> dict[str, Any]:
    relations = [
        {
            "kind": edge.type,
            "label": printable(edge.text("label")),
            "from": tie.a if people[tie.a].node.ref == edge.source else tie.b,
            "count": int(edge.number("count", 1)),
            "first": min(edge.numbers("chapters"), default=0),
            "description": printable(edge.text("description")),
            "evidence": printable(edge.text("evidence")),
        }
        for edge in tie.edges
    ]
    return {"a": tie.a, "b": tie.b, "width": width, "drawn": tie.drawn, "relations": relations}


def _organizations_and_events(graph: Graph, people: set[NodeKey]) -> dict[NodeKey, dict[str, list[str]]]:
    """The organizations and events of each character shown."""
    found = {ref: {"organizations": list[str](), "events": list[str]()} for ref in people}
    for edge in sorted(graph.edges.values(), key=lambda e: e.ref):
        kind = {"BELONGS_TO": "organizations", "PARTICIPATES_IN": "events"}.get(edge.type)
        node = graph.nodes.get(edge.target)
        if kind and node and edge.source in people and len(found[edge.source][kind]) < _MOST_EVENTS:
            name = printable(node.text("name") or node.key)
            role = printable(edge.text("position") or edge.text("role"))
            found[edge.source][kind].append(say("names.aside", name=name, more=role) if role else name)
    return found
