"""What the clauses of a Chinese book tell of names, by regular expressions over its text.

Who speaks, who is called so, whose kin somebody is, who stands in a list, where one goes to: all of it needs
nothing but the text, so that a fork may read it while the text's bigrams are counted.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Container, Iterable, Mapping
from itertools import chain

from kgnb.extract.word_search import trie_pattern
from kgnb.extract.zh import vocabulary as words
from kgnb.extract.zh.foreign_names import ForeignNames
from kgnb.extract.zh.introductions import has_long_names, introduced
from kgnb.extract.zh.script import HAN
from kgnb.extract.zh.surnames import surname_of

_BEFORE_QUOTE = re.compile(rf"(?<![{HAN}])([{HAN}]{{2,10}}+)[：:，,]?\s*[“「『\"]")
_AFTER_QUOTE = re.compile(rf"[”」』\"]\s*([{HAN}]{{2,14}})(?![{HAN}])")
_SENTENCE_TO_QUOTE = re.compile(
    rf"[。！？!?”」\n]([{HAN}]{{3,14}}+)[，,][^。！？!?：:“”「」\n]{{0,40}}+[：:]\s*[“「『\"]"
)
_SPEECH_VERB = re.compile(f"[{''.join(sorted(words.SPEECH_VERBS))}]")

# Branches begin with a character, not with a set: the search then skips what begins none of them.
_CALLED_SO = (
    *("名叫", "名唤", "唤做", "唤作", "叫做", "叫作", "名为", "名曰", "名字叫", "自称", "人称"),
    *(f"{char}号[为叫曰唤]?" for char in "道别绰外诨浑名自"),
    *(f"{char}名[为叫曰唤是]?" for char in "小乳法学闺芳取起故本全真原大"),
    *(f"{char}叫(?![做作])" for char in "我他她它"),
    *("唤名", "号[为曰]"),
)
_NAMING = re.compile(f"(?:{'|'.join(_CALLED_SO)})[做作]?[“「『]?([{HAN}]{{2,4}}?)[的者]?(?![{HAN}])")

_KIN = "父亲|母亲|爸爸|妈妈|妻子|丈夫|老婆|老公|老伴|爱人|媳妇|闺女|女儿|儿子|女婿|外甥"
_RELATED = re.compile(rf"(?:{_KIN}|之[子女弟妻父兄妹]|长[子女]|次[子女]|侄[儿子女])(?=([{HAN}]{{2,3}}))")
_RELATING = re.compile(f"[的之](?:{_KIN})")
_LISTED_AFTER = re.compile(rf"、([{HAN}]{{2,4}}+)(?![{HAN}])")
_LISTED_BEFORE = re.compile(f"、(?:{'|'.join(rf'(?<=(?<![{HAN}])([{HAN}]{{{n}}})、)' for n in (2, 3, 4))})")

_TITLED_ANIMAL = re.compile(f"{trie_pattern(words.ANIMALS)}{trie_pattern(words.ANIMALS_TITLES)}")

_HOME = "人国老回娘婆皇东亲管当专作画商离到在出住搬归公官世农"
"""What makes a word of 家: 许多人家的, 李当家的."""
_WIFE = re.compile(
    f"{trie_pattern(words.COMMON_SURNAMES)}[{HAN}]{{1,2}}(?<![{_HOME}])家的"
    f"(?=[{''.join(sorted(words.BEHIND_NAMES | words.SPEECH_VERBS))}来去便也忙等])"
)

_LOUD = "怒喜惊笑叫骂呼哭喝"
_HOW = re.compile(f".[笑怒惊泣叱叹哭喝骂告指又自欲想]$|大[{_LOUD}]$|^.声[叫喝喊骂]?$|左右$")
"""How somebody speaks, at the end of what stands before the verb: 甲笑曰, 甲大喜曰, 高声道."""

_PLACE_END = re.compile(trie_pattern(words.PLACE_ENDS | words.ORG_ENDS))
_BEHIND_PREPOSITION = re.compile(rf"[{''.join(sorted(words.BEFORE_PLACE))}](?=([{HAN}]{{2}})).")


def least_of(text: str) -> int:
    """Return how often a string must occur to be a name by its form alone: 2 in texts below 100,000
    characters, 3 below a million, else 5.
    """
    return 2 if len(text) < 100_000 else 3 if len(text) < 1_000_000 else 5


class Clauses:
    """What the clauses of one book tell."""

    def __init__(self, text: str) -> None:
        least = least_of(text)
        self.speaking = speakers(text)
        self.called = named(text)
        self.listed = listed(text, self.speaking)
        self.animals = {name for name, n in titled_animals(text).items() if n >= least}
        self.has_long_names = has_long_names(self.speaking)
        self.introduced = introduced(text, long_names=self.has_long_names)
        self.wives = wives(text, least)
        self.related = related(text)
        self.foreign = ForeignNames(text, self.speaking)
        self.least_of_place = least_of_place = 2 if len(text) < 100_000 else 4
        self.like_places = like_places(text, least_of_place)
        self.of_places = of_places(self.like_places)
        self.behind_prepositions = behind_prepositions(text, max(1, least_of_place // 2))


def speech_clauses(text: str) -> Iterable[str]:
    """Yield the clauses before, between and behind quotations that hold a verb of speech or an action: 何恭道
    of 何恭道：“走！”.
    """
    for match in _BEFORE_QUOTE.finditer(text):
        if match[1][-1] in words.SPEECH_VERBS:
            yield match[1]
    for match in _AFTER_QUOTE.finditer(text):
        if _SPEECH_VERB.search(match[1], 2) or not words.ACTION_VERBS.isdisjoint(match[1][2:5]):
            yield match[1]
    for match in _SENTENCE_TO_QUOTE.finditer(f"\n{text}"):
        yield match[1]


def speakers(text: str) -> dict[str, int]:
    """Return word → occurrences as a speaker, for words of 2 to 4 characters that begin a clause of
    :func:`speech_clauses`.

    A word counts if a verb of speech or an action follows it at least twice, and in half of its clauses.
    """
    total, good = defaultdict[str, int](int), defaultdict[str, int](int)
    for clause, times in Counter(clause[:5] for clause in speech_clauses(text)).items():
        for n in range(2, len(clause)):
            if clause[n - 1] != "大" or clause[n] not in _LOUD:  # 甲大怒: it is 甲 who speaks
                word, after = clause[:n], clause[n]
                total[word] += times * (after != "儿")  # 莲姐儿道 says nothing against 莲姐
                how = _HOW.search(word)
                acts = after in words.AFTER_SPEAKER or after in words.ACTION_VERBS
                good[word] += times * (acts and not how)
    return {word: n for word, n in good.items() if n >= 2 and n >= 0.5 * total[word]}


def named(text: str) -> Counter[str]:
    """Return word of 2 to 4 characters → how often the text says that somebody has it as a name: 名叫何恭 →
    {"何恭": 1}, with shorter or longer strings of the same place.
    """
    found = (match for match in _NAMING.finditer(text) if text[match.start() - 1] not in "地山")
    called = (match[1] for match in found)  # 地名唤做黄泥冈 and 唤做七绝岭 are places
    return Counter(w for w in called if w[-1] not in words.PLACE_CHARS or w[0] in words.COMMON_SURNAMES)


def related(text: str) -> Counter[str]:
    """Return word of 2 or 3 characters → how often a kin noun stands beside it, for words that begin with a
    surname: 父亲何恭来了 → {"何恭来": 1}, the longest possible name.
    """
    found = Counter(_RELATED.findall(text))
    for at in (match.start() for match in _RELATING.finditer(text)):
        found.update(text[max(0, at - n) : at] for n in (2, 3))
    surnames = words.COMMON_SURNAMES, words.SURNAMES  # of names of two characters, and of three
    fulls = (word for word in found if len(word) > 1)
    return Counter({word: found[word] for word in fulls if word[0] in surnames[len(word) - 2]})


def listed(text: str, names: Container[str]) -> set[str]:
    """Return the words of 2 to 4 characters that at least two lists have next to one of ``names``: X of
    子安、X、伯远.

    What is coordinated with persons is a person (Roark & Charniak 1998), whatever its form.
    """
    found = Counter[str]()
    matches = chain(_LISTED_AFTER.finditer(text), _LISTED_BEFORE.finditer(text))
    for start, end in {match.span(match.lastindex or 0) for match in matches}:
        sizes = range(2, 5)
        beside = [text[max(0, start - 1 - n) : start - 1] for n in sizes if text.endswith("、", 0, start)]
        beside += [text[end + 1 : end + 1 + n] for n in sizes if text.startswith("、", end)]
        found[text[start:end]] += any(word in names for word in beside)
    return {word for word, n in found.items() if n >= 2 and word[0] not in words.DETERMINERS}


def wives(text: str, least: int) -> set[str]:
    """Return the wives' names of the form 何二旺家的 that act or speak at least ``least`` times.

    Servants' wives are called so; elsewhere 家的 is a possessive (何二旺家的狗).
    """
    found = Counter(match[0] for match in _WIFE.finditer(text))
    return {word for word, n in found.items() if n >= least and surname_of(word[:-2])}


def titled_animals(text: str) -> Counter[str]:
    """Return an animal's name with a title → occurrences: 兔妈妈来了 → {"兔妈妈": 1}."""
    return Counter(match[0] for match in _TITLED_ANIMAL.finditer(text))


def like_places(text: str, least: int) -> dict[str, int]:
    """Return word → occurrences, for words of 2 to 4 characters that end like a place or organization (城,
    大学) and occur at least ``least`` times.
    """
    found: dict[str, int] = {}
    endings = [match.span() for match in _PLACE_END.finditer(text)]
    for size in (1, 2, 3):  # a longer word is no more frequent than its end
        counts = Counter(text[start - size : end] for start, end in endings if start >= size)
        frequent = {word: n for word, n in counts.items() if n >= least and word[0].isalpha()}
        endings = [(start, end) for start, end in endings if text[start - size : end] in frequent]
        found |= frequent
    return found


def of_places(places: Mapping[str, int]) -> Counter[str]:
    """Return word → occurrences of what precedes a long ending of places: {"清华大学": 3} → {"清华": 3}.

    ``places``: word → occurrences, of :func:`like_places`.
    """
    found = Counter[str]()
    for word, n in places.items():
        if word[-2:] in words.LONG_PLACE_ENDS:
            found[word[:-2]] += n
    return found


def behind_prepositions(text: str, least: int) -> set[str]:
    """Return the pairs of characters that follow a preposition of place (在, 到) at least ``least`` times."""
    return {pair for pair, n in Counter(_BEHIND_PREPOSITION.findall(text)).items() if n >= least}
