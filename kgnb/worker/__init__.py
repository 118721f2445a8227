"""A worker node: claims chapters, extracts them, keeps tasks open, obeys limits, budgets and outages.

May import book, core, extract, graph, llm, stores.
"""
