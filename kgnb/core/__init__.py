"""What all other packages build on: errors, settings, secrets, messages, shared types, small helpers.

May import no other package.
"""
