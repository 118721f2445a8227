"""A notebook's node and its panel.

May import app, book, core, extract, graph, kaggle, llm, render, stores, worker.
"""
