"""The three stores (queue in Redis, ledger in SQL, graph over Bolt) and the engines of a data folder.

May import book, core, extract, graph.
"""
