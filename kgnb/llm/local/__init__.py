"""A language model on this machine: its file, the server that answers for it, and that server's life.

May import what kgnb.llm may. ``keeper`` and ``llama_server`` are processes of their own.
"""

PROVIDER = "local"
"""Name of the provider that is a model on this machine, which kgnb serves itself."""
