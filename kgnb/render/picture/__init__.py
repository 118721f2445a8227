"""The picture of a novel's people: selection, layout, page, SVG and PNG."""
