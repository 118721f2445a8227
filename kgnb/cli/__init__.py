"""The terminal: one file a command, or a family of commands.

May import app, book, core, extract, graph, kaggle, llm, render, stores, worker.
"""
