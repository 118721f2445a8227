"""Text to Extraction, without I/O."""
