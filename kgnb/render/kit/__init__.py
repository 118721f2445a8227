"""The author's kit: what a book's graph says, as a document of sections that each format writes out."""
