"""What is looked at: pictures, charts, tables, export files. Imports graph, extract, book and core."""
