"""The picture of a novel's characters: selection, layout, interactive page, still image."""
