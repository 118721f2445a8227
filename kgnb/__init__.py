"""kgnb: turns novels into knowledge graphs, from a notebook."""

__version__ = "0.1.0"
