"""The use cases behind every face: build, status, tasks, names, cost, export. Imports worker and below."""
