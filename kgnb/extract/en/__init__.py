"""English: sentences, names, aliases, places, relations, vocabulary, twins of :mod:`kgnb.extract.zh`.

Only here: what titles, first names and pronouns say of persons, and couples.
"""
