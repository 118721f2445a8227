"""The picture of a novel's characters: selection, layout, interactive page, SVG and PNG."""
