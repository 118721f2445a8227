"""A novel's graph, pure: model, queries, names to persons, rows to graph. Imports extract, book and core."""
