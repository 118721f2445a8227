"""Rows of extractions to nodes and edges."""
