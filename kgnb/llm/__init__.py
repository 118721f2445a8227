"""LLM client, its error mapping, and a fake server for dry runs and tests.

May import core.
"""
