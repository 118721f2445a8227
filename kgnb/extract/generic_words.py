"""Generic words for people (父亲, 老爷, the captain), which identify nobody."""

from __future__ import annotations

import re
from functools import lru_cache

from kgnb.extract.zh.script import fold

# Kinship, titles, professions, pronouns.
_GENERIC_ZH = """
父亲 母亲 爸爸 妈妈 爹 爹爹 娘 爷爷 奶奶 祖父 祖母 外公 外婆 公公 婆婆 岳父 岳母 伯父 伯母 叔父
叔叔 婶婶 舅舅 舅父 姑姑 姑妈 姨妈 姨娘 兄长 兄弟 大哥 二哥 三哥 四哥 哥哥 弟弟 二弟 三弟 贤弟 姐姐
妹妹 大姐 二姐 嫂子 嫂嫂 儿子 女儿 孩子 丈夫 妻子 夫君 娘子 相公 官人 老爷 太爷 太太 老太太 奶妈
夫人 老夫人 少爷 公子 小姐 姑娘 少年 少女 丫鬟 丫头 仆人 小厮 管家 书童 师父 师傅 师尊 师兄 师弟
师姐 师妹 师叔 师伯 徒弟 弟子 掌门 长老 前辈 晚辈 道长 和尚 老和尚 道士 大师 主公 主人 主子 陛下
皇上 皇帝 天子 太子 皇后 太后 公主 王爷 大王 国王 王后 殿下 丞相 宰相 将军 大将军 元帅 都督 军师
太守 刺史 大人 老板 掌柜 店主 店小二 先生 老师 医生 大夫 警察 司机 老人 老头 老者 老太婆 男人 女人
男子 女子 汉子 大汉 众人 大家 百姓 士兵 军士 敌人 敌军 客人 路人 贼人 强盗 刺客 使者 太监 宫女 他
她 它 我 你 您 他们 她们 我们 你们 自己 某人 那人 此人 来人 对方
"""
_GENERIC_EN = """
father mother papa mamma mama mom mum dad daddy uncle aunt brother sister son daughter husband wife
cousin nephew niece grandfather grandmother grandpa grandma sir madam ma'am lady lord gentleman
gentlemen man woman men women boy girl child children friend stranger captain colonel general major
admiral lieutenant sergeant soldier officer doctor nurse teacher professor master mistress servant
maid butler housekeeper governess coachman driver landlord landlady king queen prince princess duke
duchess emperor empress count countess majesty highness lordship ladyship priest vicar parson
reverend bishop judge lawyer policeman guard people everyone everybody somebody someone nobody
crowd narrator author he she it i you we they him her them me us himself herself
"""
_GENERIC = frozenset(_GENERIC_ZH.split()) | frozenset(_GENERIC_EN.split())
# Rank within a family plus a kinship word or title: 二爷, 老太太, 大小姐.
_ORDINAL_ZH = re.compile(
    "[大二三四五六七八九十老小幺](?:[爷哥弟姐妹叔伯嫂娘郎婶姨舅姑]|奶奶|太太|少爷|小姐|姑娘|公子|老爷|夫人)"
)
_ARTICLE = re.compile(
    r"^(?:(?:the|a|an|my|our|your|his|her|their|old|young|dear|poor|good|little)\s+)+", re.IGNORECASE
)


@lru_cache(maxsize=8_192)
def is_generic(name: str) -> bool:
    """Return whether ``name`` is a word for many people: sharing it never makes two names one person."""
    name = fold(_ARTICLE.sub("", name)).lower()
    return name in _GENERIC or _ORDINAL_ZH.fullmatch(name) is not None
