"""GraphML for networkx and Gephi."""

from __future__ import annotations

from collections.abc import Iterable
from typing import IO
from xml.sax.saxutils import escape, quoteattr

from kgnb.graph.model import Graph, GraphEdge, GraphNode
from kgnb.render.export.ordering import edges, node_id, nodes, property_types, shown_name
from kgnb.render.picture.scene import printable


def to_graphml(graph: Graph, out: IO[str]) -> None:
    """Write GraphML with typed keys; lists are joined with ``|``."""
    people, ties = nodes(graph), edges(graph)
    node_keys, edge_keys = _types(people), _types(ties)
    out.write(
        '<?xml version="1.0" encoding="UTF-8"?>\n<graphml xmlns="http://graphml.graphdrawing.org/xmlns">\n'
    )
    heads = [("node", "label", "string"), ("node", "kind", "string"), ("edge", "type", "string")]
    heads += [("node", f"p.{k}", t) for k, t in node_keys.items()]
    heads += [("edge", f"p.{k}", t) for k, t in edge_keys.items()]
    ids = {(owner, name): f"d{i}" for i, (owner, name, _) in enumerate(heads)}
    for owner, name, kind in heads:
        attribute = quoteattr(_attribute_name(name, owner))
        out.write(f'<key id="{ids[owner, name]}" for="{owner}" attr.name={attribute} attr.type="{kind}"/>\n')
    out.write('<graph edgedefault="directed">\n')
    for node in people:
        out.write(f"<node id={quoteattr(printable(node_id(node.ref)))}>")
        out.write(_data(ids["node", "label"], shown_name(node)) + _data(ids["node", "kind"], node.label))
        out.write("".join(_data(ids["node", f"p.{k}"], v) for k, v in sorted(node.properties.items())))
        out.write("</node>\n")
    for number, edge in enumerate(ties):
        source, target = (quoteattr(printable(node_id(ref))) for ref in (edge.source, edge.target))
        out.write(f'<edge id="e{number}" source={source} target={target}>')
        out.write(_data(ids["edge", "type"], edge.type))
        out.write("".join(_data(ids["edge", f"p.{k}"], v) for k, v in sorted(edge.properties.items())))
        out.write("</edge>\n")
    out.write("</graph>\n</graphml>\n")


def _attribute_name(name: str, owner: str) -> str:
    """The attribute's name: the property's, with ``_`` appended where it collides with a fixed one."""
    own = printable(name.removeprefix("p."))
    taken = ("label", "kind", "id") if owner == "node" else ("type", "id")
    return f"{own}_" if name.startswith("p.") and own in taken else own


def _types(items: Iterable[GraphNode | GraphEdge]) -> dict[str, str]:
    """The GraphML type of each property; lists are joined to strings."""
    found = property_types(item.properties for item in items)
    return {key: "string" if kind.endswith("[]") else kind for key, kind in found.items()}


def _data(key: str, value: object) -> str:
    """Return the <data> element of a property."""
    if isinstance(value, (list, tuple)):
        value = "|".join(str(v) for v in value)
    if isinstance(value, bool):
        value = "true" if value else "false"
    return f'<data key="{key}">{escape(printable("" if value is None else value))}</data>'
