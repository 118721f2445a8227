"""Asking an LLM: the client, its limits, and the cache of replies."""
