"""The embedded engines of a data folder: Valkey, ArcadeDB over Bolt, and SQLite's path.

A small supervisor process, one per folder, owns the engines. ``connect.open_embedded`` starts or joins it and
holds a connection; when the last connection is gone (closed, crashed or killed) it stops the engines.
"""
