"""From a chapter's text to an :class:`~kgnb.extract.model.Extraction`, without I/O: prompts, replies,
evidence, names, rules.

May import core.
"""
