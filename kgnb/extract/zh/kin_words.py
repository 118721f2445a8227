"""Chinese words for what one person is to another: kin, spouses, masters, pupils, servants, lovers, foes."""

from __future__ import annotations

import re
from functools import cache
from typing import NamedTuple

from kgnb.extract.zh.script import is_han


class Noun(NamedTuple):
    """A noun of relation: in 甲的弟弟乙, 乙 is its bearer and 甲 its possessor."""

    words: str
    """Regular expression."""
    type: str
    """From the possessor to the bearer."""
    inverted: bool = False
    """From the bearer to the possessor instead."""
    strangers: bool = False
    """Strangers are called so, too: without a possessor it takes a common surname."""
    owned: bool = False
    """It says whose only with a possessor: 他的男人, not 男人乙."""
    of: str = ""
    """Whose it always is: the speaker's (家父) or the hearer's (令尊)."""
    couple: bool = False
    """It is two spouses: 甲的父母乙和丙."""


_NUMERAL = "[一二三四五六七八九十]"
_RANK = "[大二三四五六七八九小老幺]"
_NTH = f"(?:第{_NUMERAL}+个?)?"

DEAR = (
    "(?:(?:唯一|明媒正娶|独生|亲生|嫡亲|最[小大]|失散多年|已故|死去|过世|早逝|去世|新婚|年轻|年幼|年迈|(?:刚|新|没|未)过门|[最]?得意"
    "|最?[心疼宠]爱|亲|不成器|贴身|陪嫁|授业|亲传|最后一个|头一个|第[一二三四五][位任个]|[前现]任"
    "|[一二三四五六七八九十几两多]{1,3}岁)的?)?"
)
"""What may stand before a noun and doesn't change what it means."""

CHILD = (
    f"(?:[长次三四]男|[长次幼少养义嫡庶独亲爱三四五六七大继][子女]|独生[子女儿]|{_NTH}[长次]?[大二三四五小亲养义继干独老]{{0,2}}(?:儿子|女儿|闺女|孩儿)"
    f"|独生(?:儿子|女儿)|独苗儿?|千金|遗腹[子女]|幺[儿女]|私生[子女]|{_NTH}[子女])"
)
PARENT = (
    "(?:[养义继生干]?(?:父亲|母亲)|老?爸爸?|妈妈|[养义继嫡生][父母]|[后干亲][爹娘妈]|后爸|爹爹|娘亲|阿[爹爸妈娘]"
    "|[父母爹妈]|(?<![姑新婆大])娘)"
)
RELATIVE = (
    "(?:[兄姊]子|(?:[从族堂表宗]|远房)(?:哥哥?|弟弟?|姐姐?|妹[妹子]?|兄|姊|[大二三]?[叔伯舅姑姨侄嫂]|侄[儿子女]|妹夫|姐夫|外甥)"
    f"|{_RANK}?(?:侄[儿子女]?|外甥女?|孙[子女儿])|外孙女?|[曾重侄]孙女?"
    "|叔[父叔]|伯[父伯]|舅[舅父母妈]|姑[姑妈母父丈]|姨[妈母父丈]|婶[娘婶子]|[伯叔]母|外?祖[父母]|爷爷|奶奶|外[公婆]|姥[姥爷]|公爹|婆母"
    "|[大二三小]?女婿|赘婿|姑爷|儿媳妇?|岳[父母丈]|丈人|丈母娘?|弟媳妇?|弟[妹妇]|外?(?:孙|侄|外甥)媳妇?"
    "|妻[弟兄妹舅]|[大小][舅姨]子|小叔子|大伯子|[大小]姑子|内[兄弟]|连襟|妯娌|妹夫|[姐姊]夫|嫂[嫂子]|寡?嫂)"
)
_RELATIVE_OWNED = (
    "(?:[舅姑]老爷|[舅姑]太太|[舅姑]奶奶|[大二三四五六七小老幺](?:[叔伯舅姑姨婶爷嫂]|姐夫|妹夫)|[大二三四五](?:叔|伯|舅|姑|姨)[父母妈丈娘]|阿[公婆]|公公|婆婆|亲家[公母]?"
    "|老丈人)"
)
SIBLING = (
    "(?:(?:[胞亲长庶嫡]|同胞|嫡亲|亲生|孪生|双胞胎|双生|(?:同父异母|同母异父|异母|异父|同母|同父)的?)"
    "(?:[大小]?[兄弟哥姐姊妹]|兄弟|哥哥|弟弟|姐姐|妹妹|妹子))"
)
BROTHER = (
    "(?:娘家)?(?:[大二三四五六小]?(?:哥哥|弟弟|姐姐|妹妹|兄弟|妹子)|兄长|(?!小姐)[大二三四五六小][哥弟姐妹兄]"
    "|(?<!小)[兄弟姊姐妹哥])"
)
_SWORN = (
    "(?:(?:结[义拜]|拜把|换帖|金兰|盟|把|义)(?:的?(?:兄弟|哥哥|弟弟|大哥|姐妹|姊妹|姐姐|妹妹)|[兄弟姐妹]))"
)
SPOUSE = (
    "(?:未婚[妻夫]|妻子|正妻|[发爱前亡娇]妻|[前亡]夫|[爱小侍宠]妾|小?老婆|媳妇儿?|丈夫|浑家|娘子|夫人|姨?太太|[继正侧]室|填房"
    "|原配|元配|遗孀|老伴儿?|[妻妾])"
)
_SPOUSE_OWNED = (
    "(?:爱人|婆娘|婆姨|那口[子儿]|男人|女人|当家的|未婚夫|老公|夫君|相公|姨娘|[二三四五]房"
    "|[二三四五六七](?:姨太|太太|姨太太|夫人))"
)
MASTER = "(?:师父|师傅|师尊|恩师|老师)"
DISCIPLE = (
    f"(?:(?:[门座]下的?)?{_NTH}(?:[大二三小]|首席|开山|关门|入室|亲传|真传|记名|得意)?"
    "(?:徒弟|弟子|徒儿)|门生|学生)"
)
_SERVANT = (
    "(?:仆人|[大小]?丫[鬟环头]|侍女|[侍婢]女|小厮|管家|司机|秘书|助手|助理|保镖|书童|老?仆|老家人|长工|奶[妈娘]|乳[母娘]"
    "|女佣|佣人|车夫|马夫|跟班|长随|亲随|随从|侍从|亲兵|勤务兵|警卫员"
    "|副官|保姆|(?<=的)看护|厨[子师娘]|花匠|听差|账房(?:先生)?)"
)
_SUBORDINATE = "(?:部将|麾下|帐下|手下|心腹|家将|副将|部下|属下|下属|裨将|偏将|护卫|侍卫|亲信|家奴)"
_FRIEND = (
    "(?:朋友|好友|挚友|好朋友|老朋友|好?闺[蜜密]|故友|旧友|老友|知己|至交|兄弟|老?同学|同窗|死党|故人|(?:大学|中学|高中)?(?:室友|舍友|同学)|发小|战友"
    "|[小老]?伙伴|老伙计|[老旧]相识|同年)"
)
_LOVER = "(?:恋人|爱侣|情人|情郎|情妇|老?相好的?|对象|姘头|心上人|意中人|[男女]朋友|[男女]友|初恋)"
_FOE = "(?:(?:杀[父母夫妻兄弟子]+的?)?仇人|仇家|死?对头|死敌|仇敌|宿敌|劲敌|冤家|情敌|政敌)"

KIN = (
    Noun(CHILD, "PARENT_OF"),
    Noun("[二两四五六七八九]子", "PARENT_OF"),
    Noun("(?:亲生|[养生])?(?:父母|爹娘|爸妈|爹妈|双亲)", "PARENT_OF", inverted=True, couple=True),
    Noun("(?:公婆|岳父母|祖父母|外?祖父母)", "FAMILY", couple=True),
    Noun(PARENT, "PARENT_OF", inverted=True),
    Noun(RELATIVE, "FAMILY"),
    Noun(_RELATIVE_OWNED, "FAMILY", owned=True),
    Noun(SIBLING, "SIBLING"),
    Noun(_SWORN, "SIBLING", owned=True),
    Noun(BROTHER, "SIBLING", strangers=True),
    Noun(SPOUSE, "SPOUSE"),
    Noun(_SPOUSE_OWNED, "SPOUSE", owned=True),
    Noun(MASTER, "MASTER_OF", inverted=True),
    Noun("(?:[大二三小]?(?:徒弟|弟子|徒儿)|门生|学生)", "MASTER_OF"),
    Noun("(?:[大二三四五六七八九十小]?皇[子女孙]|太子|世子)", "PARENT_OF", owned=True),
    Noun(_SERVANT, "LEADS", owned=True),
    Noun(_SUBORDINATE, "LEADS", owned=True),
    Noun("[叔舅孙]", "FAMILY", owned=True),
    Noun(DISCIPLE, "MASTER_OF", owned=True),
    Noun(_FRIEND, "FRIEND", owned=True),
    Noun(_LOVER, "LOVES", owned=True),
    Noun(_FOE, "ENEMY", owned=True),
    # Of the speaker and the hearer in polite speech.
    Noun("(?:家[父严君]|先[父严考君]|亡父|家[母慈]|先[母慈]|亡母)", "PARENT_OF", inverted=True, of="speaker"),
    Noun("(?:小[女儿犬]|犬[子女]|豚儿|贱息|亡[儿女])", "PARENT_OF", of="speaker"),
    Noun("(?:家[兄姐姊]|舍[弟妹]|先兄|亡[兄弟妹姐])", "SIBLING", of="speaker"),
    Noun(
        "(?:拙[荆妻夫]|贱内|内人|内子|[荆山老]妻|山荆|荆妇|外子|亡[妻夫]|先[室夫])",
        "SPOUSE",
        of="speaker",
    ),
    Noun("(?:舍侄女?|舍甥|舍亲|小[婿侄]女?|敝?外甥|敝[侄甥]|家[叔伯舅嫂岳姑])", "FAMILY", of="speaker"),
    Noun("(?:家师|先师|敝?业?师尊)", "MASTER_OF", inverted=True, of="speaker"),
    Noun("(?:[小劣敝]徒)", "MASTER_OF", of="speaker"),
    Noun("(?:敝东家?|敝上|敝主人?)", "LEADS", inverted=True, of="speaker"),
    Noun("(?:令[尊堂慈]|尊[翁堂君])", "PARENT_OF", inverted=True, of="hearer"),
    Noun("(?:令[郎嗣爱媛嫒]|令千金|令公子)", "PARENT_OF", of="hearer"),
    Noun("(?:令[兄弟姐姊妹])", "SIBLING", of="hearer"),
    Noun("(?:尊夫人|嫂夫人)", "SPOUSE", of="hearer"),
    Noun("(?:令[岳婿侄甥孙叔伯舅]女?)", "FAMILY", of="hearer"),
    Noun("(?:[令尊]师)", "MASTER_OF", inverted=True, of="hearer"),
    Noun("(?:[令高]徒|高足)", "MASTER_OF", of="hearer"),
)
"""Nouns that are read without a possessor's name, too."""
KIN_CHARS = frozenset(c for noun in KIN for c in noun.words if is_han(c))
"""Characters of which the nouns of ``KIN`` consist."""


@cache
def _kin_pattern() -> re.Pattern[str]:
    """A group for each of ``KIN``, in their order; compiled once for all who ask, and when they do."""
    return re.compile(rf"(?:{'|'.join(f'({noun.words})' for noun in KIN)})\Z")


@cache
def _single() -> frozenset[str]:
    """The nouns of ``KIN`` that are one character."""
    return frozenset(filter(_kin_pattern().fullmatch, KIN_CHARS))


def last_kin_noun(text: str, begin: int, end: int) -> tuple[int, Noun] | None:
    """Return where the longest noun of ``KIN`` begins with which a part of the text ends, and of what kind it
    is."""
    least, begin = begin, end
    while begin > least and text[begin - 1] in KIN_CHARS:
        begin -= 1
    if end - begin == 1 and text[begin] not in _single():  # most often: 把, 的
        return None
    match = _kin_pattern().search(text, begin, end)
    return (match.start(), KIN[match.lastindex - 1]) if match and match.lastindex else None


def kin_noun(text: str, begin: int, end: int) -> Noun | None:
    """Return of what kind the noun of ``KIN`` is that just fills a part of the text."""
    match = _kin_pattern().match(text, begin, end)
    return KIN[match.lastindex - 1] if match and match.lastindex else None
