"""Questions about a book in words, answered from its graph and its text.

Pure; imports extract and graph only.
"""
