"""Chinese: sentences, names, aliases, places, relations, vocabulary, twins of :mod:`kgnb.extract.en`.

Only here: surnames, courtesy names, jieba's dictionary, and the two scripts.
"""
