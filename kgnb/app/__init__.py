"""The use cases behind every face: build, status, tasks, names, cost, export.

May import book, core, extract, graph, llm, render, stores, worker.
"""
