"""Notebooks on Kaggle: one that carries its own wheel, and the official command line to push it.

May import book, core, extract, graph, llm, render, stores, worker.
"""
