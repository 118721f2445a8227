"""The ledger in SQL: books, tasks, chapters, extractions, names, spending.

``ledger.Ledger`` has a part per module: ``ledger.tasks.create`` is ``Tasks.create`` in tasks.py.
"""
