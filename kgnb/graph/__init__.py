"""The graph of a novel, pure and without I/O: model, queries, names to persons, rows to graph. Imports extract, book and core."""
