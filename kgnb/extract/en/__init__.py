"""English: sentences, names, persons, places and relations of English books, the twin of
:mod:`kgnb.extract.zh`.

Only English has modules for titles and first names (persons), pronouns (possessors) and couples.
"""
