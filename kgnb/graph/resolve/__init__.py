"""Which names are one person: name table, replies and decisions to persons."""
