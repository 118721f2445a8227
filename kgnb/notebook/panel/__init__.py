"""The panel of a notebook's node: what ``kgnb.panel(node)`` shows."""
