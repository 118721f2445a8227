"""A node's life: slots, tasks, chapters, limits, outages. Imports llm, stores, render and below."""
