"""Output for people and programs: status tables, pictures, pages, export files.

May import book, core, extract, graph.
"""
