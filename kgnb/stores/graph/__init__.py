"""The graph over Bolt: statements, writes, differences."""
