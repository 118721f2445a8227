"""Chinese: names, aliases, places, relation patterns, scripts."""
