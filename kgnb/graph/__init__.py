"""A novel's graph, without I/O: model, queries, names to persons, rows to graph.

May import book, core, extract.
"""
