"""English: names, aliases, couples, relation patterns."""
