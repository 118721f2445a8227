"""Chinese word lists (data/words.toml says what each is), and what jieba's dictionary knows of a word."""

from __future__ import annotations

import math

from kgnb.extract.word_lists import read_word_lists
from kgnb.extract.zh.dictionary import dictionary_file

_LISTS = read_word_lists("zh")
SURNAMES = _LISTS["surnames"]
COMMON_SURNAMES = _LISTS["common_surnames"]
COMPOUND_SURNAMES = _LISTS["compound_surnames"]
SURE_SURNAMES = COMMON_SURNAMES | COMPOUND_SURNAMES
SPEECH_VERBS = _LISTS["speech_verbs"]
AFTER_SPEAKER = _LISTS["after_speaker"]
ACTION_VERBS = _LISTS["action_verbs"]
NAME_HEADS = _LISTS["name_heads"]
NOT_NAMES = _LISTS["not_names"]
FAMILIAR_PREFIXES = _LISTS["familiar_prefixes"]
FAMILIAR_SUFFIXES = _LISTS["familiar_suffixes"]
MODIFIERS = _LISTS["modifiers"]
DEMONSTRATIVES = _LISTS["demonstratives"]
HOUSE_ENDS = _LISTS["house_ends"]
ROLE_ENDS = _LISTS["role_ends"]
MARRIED = _LISTS["married"]
SOVEREIGNS = _LISTS["sovereigns"]
ELDERS = _LISTS["elders"]
NEVER_FIRST = _LISTS["never_first"]
NUMERALS = _LISTS["numerals"]
COUNTED = _LISTS["counted"]
DETERMINERS = _LISTS["determiners"]
MEASURES = DETERMINERS - DEMONSTRATIVES
RANKED = NUMERALS | {"大", "小", "老"}
PLURALS = _LISTS["plurals"]
TITLES = _LISTS["titles"]
TITLES_AFTER_SURNAME = _LISTS["titles_after_surname"]
TITLES_AFTER_GIVEN = _LISTS["titles_after_given"]
BEFORE_KIN = _LISTS["before_kin"]
KIN_BEFORE_NAMES = _LISTS["kin_before_names"]
WOMENS_TITLES = _LISTS["womens_titles"]
MENS_TITLES = _LISTS["mens_titles"]
WIFE_TITLES = _LISTS["wife_titles"]
RANK_ENDS = _LISTS["rank_ends"]
FOREIGN_TITLES = _LISTS["foreign_titles"]
FOREIGN_SOUNDS = _LISTS["foreign_sounds"]
OTHER_SOUNDS = _LISTS["other_sounds"]
ANIMALS = _LISTS["animals"]
ANIMALS_TITLES = _LISTS["animals_titles"]
PLACE_ENDS = _LISTS["place_ends"]
AMBIGUOUS_PLACE_ENDS = _LISTS["ambiguous_place_ends"]
PLACE_CHARS = frozenset(end for end in PLACE_ENDS if len(end) == 1) - AMBIGUOUS_PLACE_ENDS
ORG_ENDS = _LISTS["org_ends"]
EVENT_ENDS = _LISTS["event_ends"]
LONG_PLACE_ENDS = frozenset(end for end in PLACE_ENDS | ORG_ENDS if len(end) > 1)
AFTER_ORG = _LISTS["after_org"]
GENERIC_ORG_HEADS = _LISTS["generic_org_heads"]
GENERIC_PLACES = _LISTS["generic_places"]
BEFORE_PLACE = _LISTS["before_place"]
UNLIKELY_NAME_ENDS = _LISTS["unlikely_name_ends"]
LOCALIZERS = _LISTS["localizers"]
SELDOM_NAME_ENDS = _LISTS["seldom_name_ends"]
BEFORE_NAMES = _LISTS["before_names"]
NEVER_BEFORE_NAMES = _LISTS["never_before_names"]
BEHIND_NAMES = _LISTS["behind_names"]
NEVER_BEHIND_NAMES = _LISTS["never_behind_names"]
NEVER_IN_NAMES = _LISTS["never_in_names"]
GENERIC = _LISTS["generic"]
AFTER_DETERMINER = _LISTS["after_determiner"]


def look_up(wanted: set[str]) -> tuple[dict[str, float], set[str]]:
    """Return common words with their weight, and place names, of ``wanted``.

    The weight grows with the log of the frequency, from 0.4 to about 4. Persons' names are no common words:
    the dictionary is no gazetteer. It takes many words that begin with a surname for names (明白, 张罗):
    those of the list ``not_names`` are common words. The file is read as data, without loading jieba; without
    it nothing is known.
    """
    common: dict[str, float] = {}
    places: set[str] = set()
    if (file := dictionary_file()) is None:
        return common, places
    encoded = {word.encode("utf-8", "replace"): word for word in wanted}
    with file.open("rb") as lines:  # as bytes: most lines are skipped
        for line in lines:  # word, frequency, part of speech
            code, _, rest = line.partition(b" ")
            if code in encoded:
                word = encoded[code]
                frequency, _, tag = rest.decode().strip().partition(" ")
                if tag == "ns":
                    places.add(word)
                if not tag.startswith("nr") or word in NOT_NAMES:
                    common[word] = 0.8 * math.log10(max(3, int(frequency)))
    return common, places
