"""Relations that a Chinese text states in words, and mentions of persons by a short form of their name."""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from itertools import combinations
from operator import attrgetter

from kgnb.extract.patterns import Mention, PatternMatch, PatternMatcher, RelationPattern
from kgnb.extract.word_search import trie_pattern
from kgnb.extract.zh import vocabulary as words
from kgnb.extract.zh.conversation import Conversation
from kgnb.extract.zh.kin_address import addressed_kin
from kgnb.extract.zh.kinship import CHILD, DISCIPLE, MASTER, PARENT, RELATIVE, SPOUSE, Kinship
from kgnb.extract.zh.script import HAN
from kgnb.extract.zh.sentences import sentence_ends
from kgnb.extract.zh.surnames import given_of, surname_of

MAX_GAP = 8
"""Most characters between two names of a stated relation."""

_KIN = "子女弟兄妻父母妹"
# What follows is asked first: it excludes more characters, more cheaply, than what precedes.
_ACTING = re.compile(
    rf"([{HAN}])(?=[{''.join(sorted(words.AFTER_SPEAKER))}遣令命教唤使引之{_KIN}]|[长次幼少三四][{_KIN}])"
    rf"(?:(?<![{HAN}].)|(?<=乃.)|(?<=(?:却说|且说|原来).))"
)


def with_implied_mentions(text: str, mentions: Sequence[Mention]) -> list[Mention]:
    """Return the mentions and those by a bare given name of one character that acts (操曰, 布大怒).

    The character means whoever was mentioned last whose given name it is.
    """
    given_names: dict[str, str] = {}  # an entry's name → its given name, if that is one character
    bearers: dict[str, list[Mention]] = {}
    for mention in mentions:
        name = mention.entry.name
        if name not in given_names:
            given = given_of(name) if mention.entry.kind == "Character" and surname_of(name) else ""
            given_names[name] = given if len(given) == 1 else ""
        if given_names[name]:
            bearers.setdefault(given_names[name], []).append(mention)
    if not bearers:
        return list(mentions)
    starts = [m.start for m in mentions]
    found = list(mentions)
    for match in _ACTING.finditer(text):
        at = match.start()
        near = bisect_right(starts, at) - 1
        if match[1] not in bearers or (near >= 0 and mentions[near].end > at):
            continue
        before = bisect_right(bearers[match[1]], at, key=attrgetter("start"))
        if before:
            found.append(Mention(bearers[match[1]][before - 1].entry, match[1], at, match.end()))
    return sorted(found, key=attrgetter("start"))


# Words of relations, and what joins them to names.
_POSSESSIVE = "(?:之|的|家的?)?"
_GENITIVE = "(?:之|的)?"
# What may stand before the second name: 甲是永宁侯乙的女儿.
_TITLE = rf"(?:(?![不否非被])\w{{0,3}}{trie_pattern(words.TITLES_AFTER_SURNAME | words.RANK_ENDS)})?"
_IS = f"(?:是|乃|乃是|就是|正是|，乃|，是|，乃是){_TITLE}"
_SIBLING = "(?:胞|亲|长|义|结义|大|小|二|三)?(?:哥哥|弟弟|姐姐|妹妹|兄长|兄弟|姐妹|妹子|兄|弟|姊|姐|妹)"
_SUBORDINATE = (
    "(?:部将|麾下|帐下|手下|心腹|家将|副将|部下|属下|下属|裨将|偏将|护卫|侍卫|亲信|家奴|仆人|丫鬟|丫头|侍女"
    "|婢女|小厮|管家|司机|秘书|助手|助理|保镖|跟班|书童|长随)"
)
_FIGHT = "(?:交战|交锋|交马|大战|厮杀|战[^船书场袍]|战$|战，|斗|激战|决战|搏斗|死战|酣战|对战|动手|交手)"
_END = rf"(?![{HAN}])|(?=[也矣])"  # 周文乃周武叔父周德海之子: the uncle is not 周文
_WITH = "(?:与|和|同|跟)"
_AND = "(?:与|和|同|跟|、)"
_ARE = "(?:是|乃|本是|原是|为|成了|已是|二人是|两人是|俩是)"
_TASK = "[引领率统带押督总为作往赴去前守攻截打追迎取救接应屯伏巡镇]"
_ATTACK = (
    "(?:一[剑刀枪箭掌拳])?(?:斩|杀|刺|射|砍|擒|活捉|追杀|追赶|攻打|讨伐|痛骂|大骂|击败|打败|战败|偷袭|刺杀"
    "|行刺|谋杀|围攻|攻击)(?:了|死|杀|中|伤|败|向)?"
)

# (noun, type, inverted): "A 的 noun B" gives A type B, inverted B type A; "A 是 B 的 noun" the reverse.
_NOUNS = (
    (CHILD, "PARENT_OF", False),
    (PARENT, "PARENT_OF", True),
    (_SIBLING, "SIBLING", False),
    (f"(?:{RELATIVE}|[叔舅孙])", "FAMILY", False),
    (f"(?:{SPOUSE}|未婚夫|老公|夫君)", "SPOUSE", False),
    (f"(?:{MASTER}|主人|师)", "MASTER_OF", True),
    (f"(?:{DISCIPLE}|徒|门人)", "MASTER_OF", False),
    (_SUBORDINATE, "LEADS", False),
    ("(?:朋友|好友|挚友|好朋友|闺蜜|故友|旧友|知己|兄弟|同学|死党|故人)", "FRIEND", False),
)

_BRETHREN = "(?:亲|孪生|双胞胎)?(?:兄弟|姐妹|兄妹|姐弟|姊妹)"
# (noun, type): "A 与 B 是 noun".
_BOTH = (
    ("(?:一对)?(?:夫妻|夫妇|两口子)", "SPOUSE"),
    (f"{_BRETHREN}(?:二人|两个|俩|{_END})", "SIBLING"),
    ("(?:父子|母子|父女|母女)", "PARENT_OF"),
    ("师徒", "MASTER_OF"),
    (r"(?:\w{1,4}的?)?(?:同学|好友|朋友|闺蜜|哥们|知己|故交|室友)", "FRIEND"),
    ("(?:一对)?(?:恋人|情侣)", "LOVES"),
)

_PATTERNS = (
    *(RelationPattern(f"{_POSSESSIVE}{noun}", kind, inverted=inverted) for noun, kind, inverted in _NOUNS),
    *(
        RelationPattern(_IS, kind, after=_GENITIVE + noun, end=_END, inverted=not inverted)
        for noun, kind, inverted in _NOUNS
    ),
    RelationPattern(_IS, "PARENT_OF", after="(?:所|亲)?生的?", end=_END, inverted=True),
    RelationPattern(_WITH, "ENEMY", after=_FIGHT),
    RelationPattern(_ATTACK, "ENEMY"),
    RelationPattern("(?:迎?娶了?|(?:许配?|嫁|许嫁|配)(?:与|给|了|到))", "SPOUSE"),
    RelationPattern(
        _AND, "SPOUSE", after="(?:成亲|结婚|成婚|完婚|拜堂|领证|(?:配|结|成|做)(?:为|了|成)?(?:夫妇|夫妻))"
    ),
    RelationPattern("(?:拜|认|拜了|认了)", "PARENT_OF", after="[为做作](?:义父|父|干爹|干娘)", inverted=True),
    RelationPattern("(?:深爱着?|爱上了?|暗恋着?|喜欢上?|爱慕|爱着|钟情于|倾心于)", "LOVES"),
    RelationPattern("(?:痛恨|恨透了?|憎恨|仇恨|怨恨|恨)", "HATES"),
    RelationPattern("(?:拜|拜了)", "MASTER_OF", after="为师", inverted=True),
    RelationPattern("(?:投降了?|归顺了?|效忠于?|侍奉|辅佐|投靠了?|归降了?|事)", "SERVES"),
    RelationPattern("追随着?", "FOLLOWS"),
    RelationPattern("(?:急|便|乃|遂|即|又)?(?:遣|差|派)", "LEADS"),
    RelationPattern("(?:急|便|乃|遂|即|又)?(?:命|令)", "LEADS", after=rf"\w{{0,2}}{_TASK}"),
    RelationPattern(_AND, "SIBLING", after=f"{_BRETHREN}(?:二人|两个|俩)"),
    *(RelationPattern(_AND, kind, after=_ARE + both) for both, kind in _BOTH),
)

# Branches begin with a character: the search then skips what begins none of them.
_SWEAR = ("结为", "结成", "结拜", "义结", "拜为", "结义")
_SWORN = re.compile(
    "|".join((*(rf"{verb}[^。！？\n]{{0,6}}(?:兄弟|金兰|姐妹)" for verb in _SWEAR), "桃园结义", "拜把子"))
)

_WHOSE = re.compile(f"[我你他她](?:的|家)?(?:{PARENT}|{MASTER})")
_NOT_YET = re.compile("[不未没欲想肯愿]")
_NTH = re.compile(f"[次二三四五幼小]({DISCIPLE}|儿子|女儿|[子女])$")
_COUNTED = re.compile("([二两三四])(?:人|个|位)")
_COUNTS = {"三": 3, "四": 4}

_MATCHER = PatternMatcher(_PATTERNS)


def stated_relations(text: str, people: Sequence[Mention], ends: Sequence[int]) -> list[PatternMatch]:
    """Return the relations between persons that the text states in words."""
    said = Conversation(text, people)
    kin = Kinship(text, people, ends, said).ties()
    found = [match for match in _MATCHER.match(text, people, MAX_GAP) if not _continues_list(text, match)]
    return found + kin + _sworn_siblings(text, people) + addressed_kin(text, people, said)


def _continues_list(text: str, match: PatternMatch) -> bool:
    """Whether the first of the two is counted as the second is, without a comma: 二徒弟甲三徒弟乙."""
    counted = _NTH.match(match.label)
    return counted is not None and text.find(counted[1], max(0, match.start - 6), match.start) >= 0


def _sworn_siblings(text: str, people: Sequence[Mention]) -> list[PatternMatch]:
    """Sworn siblings: the persons named last in the sentence, as many as it says, else two; nobody where one
    of them isn't named (甲和她父亲是结拜兄弟)."""
    found = []
    starts = [m.start for m in people]
    for match in _SWORN.finditer(text):
        start = max(0, match.start() - 120)
        begin = max((start + at + 1 for at in sentence_ends(text[start : match.start()])), default=start)
        unnamed = _WHOSE.search(text, begin, match.start())
        if unnamed or _NOT_YET.search(text, max(begin, match.start() - 8), match.start()):
            continue
        counted = _COUNTED.findall(text, begin, match.start())
        within = people[bisect_left(starts, begin) : bisect_left(starts, match.end())]
        named = list(dict.fromkeys(m.entry.name for m in within))
        named = named[-_COUNTS.get(counted[-1], 2) :] if counted else named[-2:]
        if len(named) >= 2:
            found += [
                PatternMatch(a, "SIBLING", b, match[0], begin, match.end()) for a, b in combinations(named, 2)
            ]
    return found
