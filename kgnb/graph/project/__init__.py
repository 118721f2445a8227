"""Extraction rows to nodes and edges."""
