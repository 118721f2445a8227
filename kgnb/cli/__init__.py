"""The terminal: one file a command or family of commands. Imports app, kaggle and below."""
