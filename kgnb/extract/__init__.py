"""Text to Extraction, without I/O: prompts, replies, evidence, names, rules.

May import core.
"""
