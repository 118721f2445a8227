"""A novel's graph, without I/O: model, queries, names to persons (resolve), rows to graph (project).

May import book, core, extract.
"""
