"""Coreference: which names are one person's, from the name table, replies and decisions."""
