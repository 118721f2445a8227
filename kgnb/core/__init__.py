"""Everything else builds on this: errors, settings, messages, secrets, the nouns of the record.

May import no other package.
"""
