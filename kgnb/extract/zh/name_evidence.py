"""What a candidate's own characters and neighbours say for or against a name, before anything is learnt.

The terms add up to log odds, roughly: what each is worth was chosen so that it helps the books that it was
not made from.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

from kgnb.extract.zh import vocabulary as words
from kgnb.extract.zh.candidates import NEVER_BEFORE_HEAD, Candidate
from kgnb.extract.zh.script import is_han
from kgnb.extract.zh.surnames import form_score, titled_surname

UNLIKELY_END = 1.2
"""Against a surnamed word that ends so as names seldom do."""
SELDOM_END = 0.8
"""Against a word that ends so as hardly any given name does."""
ADVERB = 1.5
"""Against a word that only begins clauses."""
OFTEN = 5
"""Fewest mentions of a word, for all of them to tell where it stands."""
NAMED = 1.5
"""Worth of two statements that somebody is called so."""
INTRODUCED, FEW = 4.0, 3
"""Worth of an introduction among so many other mentions: of many, their neighbours tell more."""
THING = 1.3
"""Least weight of a word for a thing that has a colour."""
_COUNTS = words.MEASURES - {"名"}
_COLOURS = frozenset("红白黑黄蓝青金银")
_TROOPS = words.ROLE_ENDS | {"军"}
_JOINING = frozenset("和连向从")
"""Surnames that are mostly prepositions and conjunctions."""
_OF_THINGS = frozenset("根条片块只支棵朵杯碗盏扇座匹颗粒枚件柄股缕滴瓶盒辆艘架幅株碟锅壶串堆滩")
"""Measure words that nobody is counted by: 一根竹簪."""
_KIN_HEADS = frozenset("嫂婶")
_BEFORE_PARTNER = frozenset("和对被跟给把替让向由与")
PARTNER = 0.07
"""Least share of a person's mentions behind a preposition of persons."""
_TWO, _EVEN = frozenset("两二俩"), frozenset("也都")
_PLACES_BEHIND = words.PLACE_CHARS | words.HOUSE_ENDS
_HAMLETS = frozenset("巷岭县寨庙寺街府渡港郡乡省")
"""Ends of places that hardly end given names of two characters."""


def own_score(candidate: Candidate, common_words: Mapping[str, float]) -> float:
    """Return the candidate's score as a person's name without its neighbours; above 0 speaks for a name.

    ``common_words``: word → weight against a name.
    """
    share = candidate.speaks / max(1, candidate.count)
    score = min(2.0, 0.5 * math.log1p(candidate.speaks)) + 2.0 * min(0.3, share)
    score += NAMED * min(1.0, 0.5 * candidate.named)
    score += INTRODUCED * candidate.introduced / (candidate.count + FEW)
    form = form_score(candidate.name)
    score += max(form, 0.0) if candidate.named else form  # who is said to be called so has a name of any form
    score -= ADVERB * (form <= 0.0 and _is_adverbial(candidate))
    score -= fixed_phrase_penalty(candidate)
    score -= word_penalty(candidate, common_words)
    return score - _grammar_penalty(candidate) - _place_penalty(candidate)


def _place_penalty(candidate: Candidate) -> float:
    """Return what to subtract for a word that ends like a place and stands where places do (到白杨镇,
    何青峰上); 0.0 or more.
    """
    if candidate.speaks or candidate.name[-1] not in _PLACES_BEHIND:
        return 0.0
    within = share_of(candidate.right, words.LOCALIZERS)
    full = len(candidate.name) == 3 and candidate.name[0] in words.COMMON_SURNAMES
    if full and not (within or candidate.name[-1] == "州"):
        return 0.0  # 从何庆林, but 到高唐州
    there = share_of(candidate.left, words.BEFORE_PLACE) + within
    return 5.0 * max(0.0, there * candidate.count / (candidate.count + 1) - 0.25)


def foreign_score(candidate: Candidate, common_words: Mapping[str, float], *, translated: bool) -> float:
    """Return the score of a transliterated name (汤姆) without its neighbours; above 0 speaks for a name.

    ``translated``: whether the book is a translation, in which such forms are likely names.
    """
    speech = min(2.0, 0.5 * math.log1p(candidate.speaks))
    word = 1.5 * common_words.get(candidate.name, 0.0)
    form = 2.0 if len(candidate.name) > 2 else 1.0
    place = 10.0 * max(0.0, share_of(candidate.left, words.BEFORE_PLACE) - 0.25)  # 从莫斯科
    score = speech + (form if translated else 0.5 * form) - word - place - _grammar_penalty(candidate)
    sure = translated and (len(candidate.name) > 2 or candidate.count >= OFTEN)
    return score if sure else score - fixed_phrase_penalty(candidate)  # 耳|朵里


def _grammar_penalty(candidate: Candidate) -> float:
    """Return what to subtract for measure words before the candidate and plurals behind it, as common nouns
    have; 0.0 or more.
    """
    penalty = 0.0
    if not words.DETERMINERS.isdisjoint(candidate.left):
        titled = titled_surname(candidate.name) or candidate.name[-1] in words.NUMERALS
        measures = _COUNTS if candidate.named else words.MEASURES  # 故名何恭 counts nobody
        penalty += (2.0 if titled else 6.0) * share_of(candidate.left, measures)
        penalty += 2.0 * share_of(candidate.left, words.DEMONSTRATIVES)
    penalty += 4.0 * share_of(candidate.left, _OF_THINGS)
    if candidate.name[0] in _JOINING:  # 老周和大哥
        within = sum(n for char, n in candidate.left.items() if is_han(char))
        penalty += 4.0 * max(0.0, within / candidate.count - 0.5)
    if candidate.name[0] == "连":
        penalty += 3.0 * share_of(candidate.right, _EVEN)  # 连头也不回
    if len(candidate.name) == 2:
        penalty += 4.0 * share_of(candidate.right, _TWO)  # 李顾两位
    penalty += 3.0 * max(0.0, share_of(candidate.right, _PLACES_BEHIND) - 0.3)  # 白鹭洲
    return penalty + 6.0 * share_of(candidate.right, words.PLURALS)


def word_penalty(candidate: Candidate, common_words: Mapping[str, float]) -> float:
    """Return what to subtract from a candidate's score because its form is, or looks like, another word; 0.0
    or more.

    A frequent speaker has a small penalty even with a common word as a name: 秋月, 明珠.
    """
    name, penalty = candidate.name, 0.0
    surnamed = name[0] in words.COMMON_SURNAMES
    talks = candidate.speaks >= min(max(10, 0.05 * candidate.count), max(4, 0.1 * candidate.count))
    talks = talks or (len(name) > 3 and candidate.speaks > 0.5 * candidate.count)  # 玄清真人
    called_so = candidate.named and name[-1] not in _TROOPS
    if has_unlikely_end(name) and not (candidate.introduced or called_so):
        word = name in common_words and _speaks_as_person(candidate)
        usual = 0.6 if word else UNLIKELY_END
        penalty += usual if surnamed or (talks and name[-1] not in words.LOCALIZERS) else 3.0
    if name[-1] in words.SELDOM_NAME_ENDS and len(name) < 4 and not (called_so or titled_surname(name)):
        penalty += SELDOM_END  # 石廊, 夏间
    if name in common_words:
        penalty += common_words[name] * (0.5 if talks or (surnamed and len(name) == 2) else 1.0)
        how = name[0] == name[1] and share_of(candidate.right, words.SPEECH_VERBS) > 0.9
        penalty += 1.0 if how and not talks else 0.0  # 冷冷|道
    if len(name) == 3 and name[-1] in _HAMLETS and not (candidate.speaks or titled_surname(name)):
        penalty += 3.0  # 石婆岭, but 何知县
    if len(name) == 3 and name[0] in _COLOURS and common_words.get(name[1:], 0.0) >= THING and not talks:
        penalty += 1.0  # 白胡子
    phrase = (len(name) == 3 and name[-1] not in _KIN_HEADS) or (
        len(name) == 4 and not NEVER_BEFORE_HEAD.isdisjoint(name[:2])
    )
    if phrase and common_words.get(name[:2], 0.0) >= 1.5:
        penalty += 1.0  # 何必单, 告诉太太
    if len(name) == 2 and name[1] in words.ROLE_ENDS and not surnamed and not talks:
        penalty += 1.5  # 女怪, 妇人: a common noun
    return penalty


def _speaks_as_person(candidate: Candidate) -> bool:
    """Return whether the candidate often speaks (10 times and 15 %), and hardly ever follows a
    measure word.
    """
    often = candidate.speaks >= max(10, 0.15 * candidate.count)
    return often and share_of(candidate.left, words.MEASURES) < 0.05


def _is_adverbial(candidate: Candidate) -> bool:
    """Whether it always begins a clause that goes on, and never a speech: 展眼. Names are objects too."""
    if candidate.count < OFTEN or candidate.speaks:
        return False
    return not any(map(is_han, candidate.left)) and all(map(is_han, candidate.right))


def has_unlikely_end(name: str) -> bool:
    """Return whether the last character seldom ends a name: 曹军 → True; 王建军, of three characters with a
    common surname → False.
    """
    given = len(name) == 3 and name[0] in words.COMMON_SURNAMES and name[-1] in "军喜"
    given = given or (name[-1] in words.NUMERALS and name[0] in words.COMMON_SURNAMES)
    return name[-1] in words.UNLIKELY_NAME_ENDS and not given


def acts_as_person(candidate: Candidate) -> bool:
    """Return whether a frequent word speaks, has things done to or with it, and is hardly ever counted
    (三个X): then it is a name, although it is a word.
    """
    if candidate.count < 3 * OFTEN:
        return False
    speaks = candidate.speaks >= 2 or share_of(candidate.right, words.SPEECH_VERBS) * candidate.count >= 3
    done_to = share_of(candidate.left, _BEFORE_PARTNER)
    counted = share_of(candidate.left, words.MEASURES) + share_of(candidate.right, words.PLURALS)
    return speaks and done_to >= PARTNER and counted < 0.02


def fixed_phrase_penalty(candidate: Candidate) -> float:
    """Return what to subtract for low accessor variety: set phrases (后人有诗, 言讫) have few neighbours. 0.0
    for varied neighbours, at most 6.0.
    """
    if candidate.count < 5:
        sides = (candidate.left, candidate.right) if candidate.count > 1 else ()
        return 1.0 if any(len(side) == 1 and is_han("".join(side)) for side in sides) else 0.0
    root = math.sqrt(candidate.count)
    left, right = len(candidate.left) / root, len(candidate.right) / root
    if candidate.count < 12:
        return 1.5 if min(len(candidate.left), len(candidate.right)) == 1 else 0.0
    before, n = most_frequent(candidate.left)
    if n >= 0.6 * candidate.count and is_han(before) and before not in words.SURNAMES:
        return 2.0  # 陛下金旨: the end of a phrase
    # A hero of thousands of mentions has few neighbours for his count, but none of them dominates.
    fixed_right = right < 1.4 and _effective_number(candidate.right) < 6
    fixed_left = left < 0.8 and _effective_number(candidate.left) < 6
    return (3.0 if fixed_right else 0.0) + (3.0 if fixed_left else 0.0)


def has_fixed_side(side: Mapping[str, int]) -> bool:
    """Return whether one Chinese character is at least 60 % of the neighbours on a side (character →
    occurrences): 青|石渡 and 三少|爷 are pieces of a word.
    """
    char, n = most_frequent(side)
    return n >= 0.6 * sum(side.values()) and is_han(char)


def most_frequent(side: Mapping[str, int]) -> tuple[str, int]:
    """Return (character, occurrences) of the most frequent neighbour; ("", 0) for no neighbours. Of equals
    the first.
    """
    char = max(side, key=side.__getitem__, default="")
    return char, side.get(char, 0)


def _effective_number(side: Mapping[str, int]) -> float:
    """Return the number of equally frequent neighbours of the same diversity (inverse Simpson index): {"a":
    2, "b": 2} → 2.0; {} → 0.0.
    """
    total = sum(side.values())
    return total * total / max(1, sum(n * n for n in side.values()))


def share_of(side: Mapping[str, int], chars: frozenset[str]) -> float:
    """Return the share, 0 to 1, of the neighbours' occurrences that are of ``chars``: {"说": 3, "的": 1} with
    {"说"} → 0.75. 0.0 for no neighbours.
    """
    if chars.isdisjoint(side):
        return 0.0
    return sum(n for char, n in side.items() if char in chars) / sum(side.values())
