"""Chinese: sentences, names, aliases, places, relations, vocabulary, twins of :mod:`kgnb.extract.en`.

Only here: surnames, courtesy names, jieba's dictionary, the two scripts, and an index of bigrams.
"""
