"""A node's life: slots, tasks, chapters, limits, outages, budgets.

May import book, core, extract, graph, llm, render, stores.
"""
