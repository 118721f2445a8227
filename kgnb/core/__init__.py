"""What every package builds on: errors, settings, messages, wire constants. Imports nothing of kgnb."""
