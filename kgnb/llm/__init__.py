"""Asking an LLM: the client, its errors, and a fake server to try it on.

May import book, core, extract, graph.
"""
