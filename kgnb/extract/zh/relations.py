"""Relations that a Chinese text states in words, and mentions of persons by a short form of their name."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from itertools import combinations
from operator import attrgetter

from kgnb.extract.model import NameEntry
from kgnb.extract.patterns import Mention, PatternMatch, PatternMatcher, RelationPattern
from kgnb.extract.word_search import occurrences
from kgnb.extract.zh import vocabulary as words
from kgnb.extract.zh.conversation import Conversation
from kgnb.extract.zh.kin_address import addressed_kin
from kgnb.extract.zh.kin_words import BOTH, BRETHREN, DEAR, DISCIPLE, MASTER, NOUNS, PARENT, RELATIVE
from kgnb.extract.zh.kinship import Kinship
from kgnb.extract.zh.narrator import is_narrators, is_owner, own_mentions
from kgnb.extract.zh.predicates import Predicates
from kgnb.extract.zh.script import HAN
from kgnb.extract.zh.sentences import ENDS, behind_last
from kgnb.extract.zh.surnames import given_of, surname_of

MAX_GAP = 8
"""Most characters between two names of a stated relation."""
LONGEST = 150
"""Most characters of a relation's words: of two named far apart the evidence is where the last is named."""

_KIN = "子女弟兄妻父母妹"
_ACTS = f"{''.join(sorted(words.AFTER_SPEAKER))}遣令命教唤使引之{_KIN}"
# Tried behind each bare given name; what excludes most comes first.
_ACTING = re.compile(
    rf"[{_ACTS}长次幼少三四](?:(?<![{HAN}]..)|(?<=乃..)|(?<=(?:却说|且说|原来)..))"
    rf"(?<=[{HAN}].)(?:(?<=[{_ACTS}])|(?=[{_KIN}]))"
)


def with_implied_mentions(
    text: str, mentions: Sequence[Mention], tellers: Sequence[NameEntry] = ()
) -> list[Mention]:
    """Return the mentions, those by a bare given name of one character that acts (操曰, 布大怒), and those by
    我 of who tells the chapter.

    The character means whoever was mentioned last whose given name it is. ``tellers``: who may tell it.
    """
    people = [m for m in mentions if m.entry.kind == "Character"]
    own = own_mentions(text, people, tellers)
    found = [*mentions, *own, *_by_given_name(text, mentions)]
    return sorted(found, key=attrgetter("start")) if len(found) > len(mentions) else found


def _by_given_name(text: str, mentions: Sequence[Mention]) -> Iterator[Mention]:
    given_names: dict[str, str] = {}  # an entry's name → its given name, if that is one character
    bearers: dict[str, list[Mention]] = {}
    for mention in mentions:
        name = mention.entry.name
        if name not in given_names:
            given = given_of(name) if mention.entry.kind == "Character" and surname_of(name) else ""
            given_names[name] = given if len(given) == 1 else ""
        if given_names[name]:
            bearers.setdefault(given_names[name], []).append(mention)
    starts = [m.start for m in mentions] if bearers else []
    for char, named in bearers.items():
        for at in occurrences(text, (char,)):
            if not _ACTING.match(text, at + 1):
                continue
            near, before = bisect_right(starts, at) - 1, bisect_right(named, at, key=attrgetter("start"))
            if before and (near < 0 or mentions[near].end <= at):
                yield Mention(named[before - 1].entry, char, at, at + 1)


# Words of relations, and what joins them to names.
_POSSESSIVE = "(?:之|的|家的?)?"
_OWNED = "(?:之|(?:身边|手下|跟前|家里|家中|[屋房府]里|府上|门下)?的|家的?)"
_FIGHT = "(?:交战|交锋|交马|大战|厮杀|战[^船书场袍]|战$|战，|斗|激战|决战|搏斗|死战|酣战|对战|动手|交手)"
_END = rf"(?![{HAN}])|(?=[也矣])"  # 周文乃周武叔父周德海之子: the uncle is not 周文
_WHOLE = "(?![的之家])"  # not 甲 in 娶了甲的女儿
_WITH = "(?:与|和|同|跟)"
_AND = "(?:与|和|同|跟|、)"
_ARE = "(?:是|乃|本是|原是|为|成了|已是|二人是|两人是|俩是)"
_TASK = "[引领率统带押督总为作往赴去前守攻截打追迎取救接应屯伏巡镇]"
_ATTACK = (
    "(?:一[剑刀枪箭掌拳])?(?:斩|杀|刺|射|砍|擒|活捉|追杀|追赶|攻打|讨伐|痛骂|大骂|击败|打败|战败|偷袭|刺杀"
    "|行刺|谋杀|围攻|攻击)(?:了|死|杀|中|伤|败|向)?"
)
# Words between a subject and its verb; with none of these the verb may be another's, or not meant.
_ADVERB = (
    r"(?:[^\W的之家女儿妹姐姊母娘妻媳姑姨嫂婶侄孙丫友不没未别莫想要肯愿欲若如果见听看说道把将以让叫使令替为劝]"
    "{0,8}?)"
)


def _with_adverbs(verbs: str) -> str:
    """The verbs, each of which begins with a literal character, behind what may stand before them."""
    first = "".join(dict.fromkeys(verb[0] for verb in verbs.split("|")))
    return rf"(?=[^\t]*[{first}])，?{_ADVERB}(?:{verbs})"


_GIVEN = _with_adverbs("许(?:[配嫁]|(?=[给与]))|改嫁|嫁|下嫁|配|再嫁|转嫁") + "(?:给了?|与了?|的是|了|到|)"
_TAKES = _with_adverbs("迎娶了?|娶的是|娶了?|续娶了?|续弦")
_WEDDED = (
    "(?:离了?婚|和离|(?:有|订下|定下)了?婚约|成亲|结婚|成婚|完婚|拜堂|领证|订婚|定亲|[成定]了亲|[结完订][了的]婚|的(?:婚礼|婚事|喜事|喜酒|婚期)|拜了堂|圆了房|拜了天地"
    "|(?:配|结|成|做)(?:为|了|成)?(?:夫妇|夫妻))"
)
_AS_CHILD = "了?[为做作](?:[义养干]?(?:[子女]|儿子|女儿|闺女))"
_AS_PARENT = "了?[为做作](?:[义养干]?(?:[父母]|父亲|母亲)|[干]?(?:爹|娘|妈))"
_ART = r"了?\w{0,4}?(?:[医艺戏武剑琴画书文功拳道法棋徒]|手艺|本事)"

_PATTERNS = (
    *(
        RelationPattern(
            noun.words,
            noun.type,
            inverted=noun.inverted,
            prefix=(_OWNED if noun.owned else _POSSESSIVE) + DEAR,
        )
        for noun in NOUNS
    ),
    RelationPattern(_with_adverbs("收养了?|领养了?|抱养了?|生下了?"), "PARENT_OF", end=_WHOLE),
    RelationPattern(_WITH, "ENEMY", after=_FIGHT),
    RelationPattern(_ATTACK, "ENEMY"),
    RelationPattern(
        "(?:害死|杀害|杀死|杀|害)了", "ENEMY", after="的?(?:父母|父亲|母亲|[爹娘]|[全一]家|满门|[哥弟][哥弟])"
    ),
    RelationPattern(_GIVEN, "SPOUSE", end=_WHOLE),
    RelationPattern(_TAKES, "SPOUSE", end=_WHOLE),
    RelationPattern(
        _with_adverbs("纳了?|讨了?|收了?"),
        "SPOUSE",
        after="[为做作](?:[侍小]?妾|[大小]?老婆|媳妇|妻|[二三四五]?姨太太|偏房|小)",
    ),
    RelationPattern(_AND, "SPOUSE", after=f"[^\\W不没未想要]{{0,4}}?{_WEDDED}"),
    RelationPattern(
        _AND,
        "SPOUSE",
        after="(?:后来)?[生有]了?[一两二三四]个?(?:儿子|女儿|孩子|[子女])",
    ),
    RelationPattern("休了", "SPOUSE", end=_WHOLE),
    RelationPattern("[给为替]", "SPOUSE", after="生[下了过]{0,2}[一二两三]?[个儿子女]"),
    RelationPattern(
        "管",
        "PARENT_OF",
        after="[叫喊](?:爹|爸|爸爸|妈|妈妈|娘|父亲|母亲|干[爹娘妈])",
        end=_END,
        inverted=True,
    ),
    RelationPattern("管", "FAMILY", after=f"[叫喊]{RELATIVE}", end=_END, inverted=True),
    RelationPattern("(?:拜|认)了?", "PARENT_OF", after=_AS_PARENT, inverted=True),
    RelationPattern("(?:收|认)了?", "PARENT_OF", after=_AS_CHILD),
    RelationPattern(_with_adverbs("过继[给与到]了?"), "PARENT_OF", inverted=True, end=_WHOLE),
    RelationPattern(
        _with_adverbs("深爱着?|爱上了?|暗恋着?|喜欢[上着]?|爱慕|爱着|钟情于|倾心于|恋着|迷上了?"),
        "LOVES",
        end=_WHOLE,
    ),
    RelationPattern(
        "对",
        "LOVES",
        after="(?:动了?[心情]|有了情|一见钟情|一往情深|一见倾心|情根深种|情有独钟|痴心一片|有了?情意)",
    ),
    RelationPattern(
        _WITH,
        "LOVES",
        after="(?:私定终身|两情相悦|相[爱恋](?![的相])|[热]恋|两心相许|互生情愫|定了?情|好上了|海誓山盟|谈[了过着]?[^起到论了]{0,3}?恋爱(?![的经观问])|处[了着]?对象)",
    ),
    RelationPattern("(?:痛恨|恨透了?|憎恨|仇恨|怨恨|恨)", "HATES"),
    RelationPattern("对", "HATES", after="(?:恨之入骨|怀恨在心|恨得)"),
    RelationPattern(
        _WITH,
        "ENEMY",
        after=r"(?:素?有\w{0,5}(?:仇|过节|嫌隙)|积怨|交恶|势不两立|不共戴天|水火不容|结了?[下成]?(?:了?仇|梁子|冤仇)|结怨|反目成仇)",
    ),
    RelationPattern("(?:拜|认)了?", "MASTER_OF", after="[为做作]师[父傅]?", inverted=True),
    RelationPattern(
        _with_adverbs("拜[在到入]了?|投[在到入]了?"), "MASTER_OF", after="的?门下", inverted=True
    ),
    RelationPattern("师从于?", "MASTER_OF", inverted=True),
    RelationPattern("(?:跟着?|随|从|向)", "MASTER_OF", after=f"[学习]{_ART}", inverted=True),
    RelationPattern("教过?", "MASTER_OF", after="(?:读书|识字|写字|认字|武[功艺]|功夫|剑法|[拳医]术?)"),
    RelationPattern("收了?", "MASTER_OF", after="[为做作](?:徒弟?|弟子)"),
    RelationPattern(_with_adverbs("服侍着?|伺候着?|侍候着?"), "SERVES", end=_WHOLE),
    RelationPattern("(?:投降了?|归顺了?|效忠于?|侍奉|辅佐|投靠了?|归降了?|事)", "SERVES"),
    RelationPattern("追随着?", "FOLLOWS"),
    RelationPattern("(?:急|便|乃|遂|即|又)?(?:遣|差|派)", "LEADS"),
    RelationPattern("(?:急|便|乃|遂|即|又)?(?:命|令)", "LEADS", after=rf"\w{{0,2}}{_TASK}"),
    RelationPattern(_AND, "SIBLING", after=f"{BRETHREN}(?:二人|两个|俩)"),
    RelationPattern(_AND, "SIBLING", after=f"{_ARE}{BRETHREN}(?:二人|两个|俩|{_END})"),
    *(RelationPattern(_AND, kind, after=_ARE + both, end=_END) for both, kind in BOTH),
)

# Branches begin with a character: the search then skips what begins none of them.
_SWEAR = ("结为", "结成", "结拜", "义结", "拜为", "结义")
_SWORN = re.compile(
    "|".join((*(rf"{verb}[^。！？\n]{{0,6}}(?:兄弟|金兰|姐妹)" for verb in _SWEAR), "桃园结义", "拜了?把子"))
)

_WHOSE = re.compile(f"[我你他她](?:的|家)?(?:{PARENT}|{MASTER})")
_NOT_YET = re.compile("[不未没欲想肯愿]")
_NTH = re.compile(f"[次二三四五幼小]({DISCIPLE}|儿子|女儿|[子女])$")
_COUNTED = re.compile("([二两三四])(?:人|个|位)")
_COUNTS = {"三": 3, "四": 4}

_SUPPOSED = re.compile("(?:要是|如果|若是?|倘若|假如|万一|以为|除非|但愿|希望|梦见|让|劝|逼)$")

_MATCHER = PatternMatcher(_PATTERNS, never="。！？：；“”「」『』…\n")


def stated_relations(text: str, people: Sequence[Mention], ends: Sequence[int]) -> list[PatternMatch]:
    """Return the relations between persons that the text states in words."""
    own = [m for m in people if is_narrators(m)]
    if own:  # whose kin acts doesn't
        people = [m for m in people if not is_owner(text, m)]
    said = Conversation(text, people, own)
    kin = Kinship(said, ends).ties()
    found = [m for m in _MATCHER.match(text, people, MAX_GAP) if not _is_no_statement(text, m)]
    found += Predicates(said).ties()
    found += kin + _sworn_siblings(said) + addressed_kin(said)
    return [m._replace(start=max(m.start, m.end - LONGEST)) for m in found]


def _is_no_statement(text: str, match: PatternMatch) -> bool:
    """Whether a pattern's words are only supposed (要是甲娶了乙), or the list goes on."""
    return _SUPPOSED.search(text, max(0, match.start - 5), match.start) is not None or _continues_list(
        text, match
    )


def _continues_list(text: str, match: PatternMatch) -> bool:
    """Whether the first of the two is counted as the second is, without a comma: 二徒弟甲三徒弟乙."""
    counted = _NTH.match(match.label)
    return counted is not None and text.find(counted[1], max(0, match.start - 6), match.start) >= 0


def _sworn_siblings(said: Conversation) -> list[PatternMatch]:
    """Sworn siblings: the persons named last in the sentence, as many as it says, else two; nobody where one
    of them isn't named (甲和她父亲是结拜兄弟)."""
    found, text = [], said.text
    for match in _SWORN.finditer(text):
        begin = behind_last(text, ENDS, max(0, match.start() - 120), match.start())
        unnamed = _WHOSE.search(text, begin, match.start())
        if unnamed or _NOT_YET.search(text, max(begin, match.start() - 8), match.start()):
            continue
        counted = _COUNTED.findall(text, begin, match.start())
        named = list(dict.fromkeys(m.entry.name for m in said.within(begin, match.end())))
        named = named[-_COUNTS.get(counted[-1], 2) :] if counted else named[-2:]
        if len(named) >= 2:
            found += [
                PatternMatch(a, "SIBLING", b, match[0], begin, match.end()) for a, b in combinations(named, 2)
            ]
    return found
