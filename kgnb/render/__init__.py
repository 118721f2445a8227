"""Output for people and programs: status tables, pictures, charts, pages, export files.

May import book, core, extract, graph.
"""
