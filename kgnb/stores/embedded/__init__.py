"""What a data folder needs: its queue (a Valkey in memory), copies of its record, questions in Cypher.

A small supervisor process, one per folder, owns the queue's server. ``connect.open_queue`` starts or joins it
and takes a shared lock; when the last one is gone (closed, crashed or killed) it stops the server.
"""
