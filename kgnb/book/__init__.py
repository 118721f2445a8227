"""A book's file to a Book: encodings, EPUB, headings, chapters.

May import core.
"""
