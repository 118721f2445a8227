"""What is looked at: pictures, charts, tables, pages, export files.

May import book, core, extract, graph.
"""
