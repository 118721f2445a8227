"""The ledger in SQL: books, tasks, chapters, extractions, names, spending."""
