"""Two books whose people are known: names that are hard to keep apart and hard to bring together.

Nobody here is anybody's: names are drawn or made up. A form that several people bear (二爷, the captain, a
bare surname) only follows one of its bearer's own names, as a book uses it.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from kgnb.core.labels import Lang
from tests.support.oracle import Person


@dataclass(frozen=True)
class GoldBook:
    """``chapters`` as (number, text) without heading lines."""

    lang: Lang
    people: list[Person]
    chapters: list[tuple[int, str]]

    @property
    def text(self) -> str:
        """The book as a file has it."""
        heading = "第{}回 风雨" if self.lang == "zh" else "Chapter {}"
        return "\n\n".join(f"{heading.format(number)}\n\n{text}" for number, text in self.chapters)


@dataclass(frozen=True)
class Role:
    """A person in the chapters ``first`` to ``last`` (shares of the book), where they go by ``forms``."""

    person: Person
    forms: tuple[str, ...]
    first: float = 0.0
    last: float = 1.0


def _plain(*names: str) -> list[Role]:
    return [Role(Person(names[0], names), names)]


def _in_turn(*parts: tuple[str, ...]) -> list[Role]:
    """One person who is called otherwise in each part of the book, and never both ways in one place."""
    names = tuple(name for part in parts for name in part)
    person = Person(names[0], names)
    share = 1 / len(parts)
    return [Role(person, forms, i * share, (i + 1) * share) for i, forms in enumerate(parts)]


def _namesake(name: str, bare: str, *own: str, first: float) -> list[Role]:
    """The second person called ``bare``: replies tell it apart by ``name``."""
    forms = {bare: name, **{form: form for form in own}}
    return [Role(Person(name, (name, *own), forms), tuple(forms), first)]


ZH = [
    *_plain("沈砚秋", "砚秋", "沈二爷", "二爷", "沈先生"),
    *_plain("沈墨", "墨哥儿", "沈大爷", "大爷", "公子"),
    *_plain("沈老太太", "老太太", "老祖宗", "沈氏"),
    *_plain("沈月", "月儿", "三小姐", "沈姑娘", "沈氏", "姑娘"),
    *_plain("沈星", "星儿", "四小姐", "沈姑娘", "姑娘"),
    *_plain("韩立春", "立春", "韩二爷", "二爷", "师父"),
    *_plain("韩老太太", "老太太", "韩门周氏"),
    *_plain("韩冬", "韩大爷", "大爷", "冬哥儿", "公子"),
    *_plain("魏长风", "长风", "魏将军", "将军", "铁面将军"),
    *_plain("霍云", "霍将军", "将军", "师父", "霍子重", "子重"),
    *_plain("林雨", "小雨", "雨姑娘"),
    *_plain("林雨薇", "雨薇", "薇姐"),
    *_plain("阿云", "云娘"),
    *_plain("阿云嘎", "嘎公"),
    *_plain("石敢", "石头"),
    *_plain("石敢当", "当爷", "泰山石"),
    *_plain("公孙策", "公孙先生", "军师"),
    *_plain("管家"),
    *_plain("奶妈", "奶娘"),
    *_in_turn(("程远", "程家小子"), ("子归", "程子归"), ("归先生", "破虏校尉")),
    *_in_turn(("白小娥", "小娥"), ("陆夫人", "陆门白氏")),
    *_in_turn(("了尘",), ("高敬之", "敬之")),
    *_plain("张虎", "铁枪虎"),
    *_namesake("张虎（张辽之子）", "张虎", "辽子虎", "小虎将", first=0.5),
    *_plain("赵青", "青衫客"),
    *_namesake("赵青（渡口船夫）", "赵青", "船夫老赵", first=0.6),
]
"""Clans, two 二爷, a shared title, a name within a name, sole titles, names in turn, namesakes."""

EN = [
    *_plain(
        "Elizabeth Harlow", "Elizabeth", "Lizzy", "Miss Elizabeth", "Miss Harlow", "Mrs. Dunne", "Harlow"
    ),
    *_plain("Jane Harlow", "Jane", "Miss Jane", "Miss Harlow", "Harlow"),
    *_plain("Mrs. Harlow", "Mama", "Harlow", "Fanny Harlow"),
    *_plain("Mr. Harlow", "Papa", "Harlow", "the master"),
    *_plain("Edmund Dunne", "Mr. Dunne", "Edmund", "Dunne", "the master"),
    *_plain("Lady Margaret", "Margaret Dunne", "Mrs. Dunne", "Mama", "Dunne"),
    *_plain("Captain Rowe", "Thomas Rowe", "Rowe", "the captain"),
    *_plain("Captain Vane", "Augustus Vane", "Vane", "the captain"),
    *_plain("Ann Pell", "Ann", "Miss Pell"),
    *_plain("Anne Corbet", "Anne", "Miss Corbet"),
    *_plain("Annette Roux", "Annette", "Mademoiselle Roux"),
    *_plain("Charles Musk", "Charles", "Mr. Musk", "Musk"),
    *_plain("Little Charles"),
    *_plain("The Cook"),
    *_plain("Butler", "Old Wenham"),
    *_plain("Her Sister"),
    *_plain("Dr. Pym", "Doctor Pym", "Pym", "the doctor"),
    *_in_turn(("Robin Gale", "Robin"), ("the Grey Fox", "Grey Fox")),
    *_in_turn(("Miss Tansy", "Clara Tansy", "Clara"), ("Mrs. Oakes", "Clara Oakes")),
    *_plain("John Smith", "Honest John", "Mr. Smith"),
    *_namesake("John Smith (the miller)", "John Smith", "Miller Smith", first=0.5),
]
"""Married names, a surname's family, Ann and Anne, two captains, animals of one word, namesakes."""

_SURNAMES = "赵钱孙李周吴郑王冯陈褚卫蒋杨朱秦尤许何吕施孔曹严华金陶姜戚谢邹喻苏潘葛范彭郎鲁韦马苗方俞任袁柳"
_GIVEN = "明志清山海天文仁义礼智信正永春雪松柏竹兰菊玉银铜木森河湖波涛鹰鹤瑶岚珩昭晖沐澈骁峻渊衡"
_NICK = "玉面金刀铁扇飞天赛霹雳神算黑心花脚一阵笑面翻江插翅独眼白日夜行"
_ENDS = "虎狼龙豹鼠蛟狐猿雁蝎"
_FIRST = "Alaric Bertha Cedric Dorcas Everard Flora Gideon Hester Ivor Judith Kenelm Lavinia Magnus Nora"
_LAST = "Abbott Birch Cole Drake Ellery Frost Grange Hale Inman Jessop Kemble Larch Marlow Nash"


def _crowd_zh(count: int, rng: random.Random) -> list[Role]:
    surnames = rng.sample(_SURNAMES, count)
    given = _pairs(_GIVEN, 2 * count, rng)
    nicks = _pairs(_NICK, count, rng)
    roles = []
    for i, surname in enumerate(surnames):
        own, courtesy = given[2 * i], given[2 * i + 1]
        names = [surname + own, own, courtesy, surname + courtesy, nicks[i] + _ENDS[i % len(_ENDS)]]
        roles += _plain(*names[: 2 + i % 4])
    return roles


def _pairs(chars: str, count: int, rng: random.Random) -> list[str]:
    """Words of two characters, none of them twice."""
    found: dict[str, None] = {}
    while len(found) < count:
        found["".join(rng.sample(chars, 2))] = None
    return list(found)


def _crowd_en(count: int, rng: random.Random) -> list[Role]:
    pairs = zip(rng.sample(_FIRST.split(), count), rng.sample(_LAST.split(), count), strict=True)
    titles = ("Sir {0}", "Colonel {1}", "Mr. {1}", "Old {0}", "Squire {1}")
    return [
        role
        for i, (first, last) in enumerate(pairs)
        for role in _plain(
            f"{first} {last}", first, *(t.format(first, last) for t in titles[i % 4 : i % 4 + 2])
        )
    ]


_SAID_ZH = (
    "{a}与{b}同行，一路无话。",
    "{a}道：“{b}，你且听我一言。”",
    "{b}笑道：“原来是{a}到了。”",
    "却说{a}在桥头等候{b}，直到天黑。",
    "众人都说{a}待{b}最好，凡事先想着。",
    "{a}把信交给{b}，嘱咐不可让旁人看见。",
    "天色渐晚，{a}才回来，街上行人稀少。",
    "那一年的雨下得特别久，{b}想起旧事，半晌不语。",
)
_SAID_EN = (
    "{a} walked with {b} as far as the bridge. ",
    "“You will forgive me,” said {a} to {b}. ",
    "It was late when {a} came home, and nobody but {b} was still awake. ",
    "{b} gave {a} a letter, which was to be shown to nobody. ",
    "All that winter {a} thought of {b} with some regret. ",
    "“I have heard nothing of it,” replied {b}, while {a} looked out at the rain. ",
)


def zh_book(chapters: int = 60, *, seed: int = 1, crowd: int = 34) -> GoldBook:
    """Chapters of 1,000 characters, every tenth of 9,000."""
    rng = random.Random(seed)
    return _book("zh", [*ZH, *_crowd_zh(crowd, rng)], chapters, _SAID_ZH, "\n", rng)


def en_book(chapters: int = 30, *, seed: int = 1, crowd: int = 12) -> GoldBook:
    """Chapters of 1,000 characters, every tenth of 9,000."""
    rng = random.Random(seed)
    return _book("en", [*EN, *_crowd_en(crowd, rng)], chapters, _SAID_EN, "\n\n", rng)


def _book(
    lang: Lang, roles: Sequence[Role], chapters: int, said: Sequence[str], paragraph: str, rng: random.Random
) -> GoldBook:
    people = {role.person.key: role.person for role in roles}
    bearers: dict[str, set[str]] = {}
    for person in people.values():
        for form in person.standing:
            bearers.setdefault(form, set()).add(person.key)
    shared = {form for form, keys in bearers.items() if len(keys) > 1}
    texts = []
    for number in range(1, chapters + 1):
        at = (number - 0.5) / chapters
        about = [role for role in roles if role.first <= at < role.last]
        texts.append(
            (number, _chapter(about, shared, 9_000 if number % 10 == 0 else 1_000, said, paragraph, rng))
        )
    return GoldBook(lang, list(people.values()), texts)


def _chapter(
    about: Sequence[Role],
    shared: set[str],
    length: int,
    said: Sequence[str],
    paragraph: str,
    rng: random.Random,
) -> str:
    parts: list[str] = []
    while sum(map(len, parts)) < length:
        scene = rng.sample(list(about), min(5, len(about)))
        call = _caller(shared, rng)
        for _ in range(8):
            a, b = rng.sample(scene, 2)
            parts.append(rng.choice(said).format(a=call(a), b=call(b)))
        parts.append(paragraph)
    return "".join(parts).strip()


def _caller(shared: set[str], rng: random.Random) -> Callable[[Role], str]:
    """Names people within a scene: first by a name of their own, and by a shared one where nobody else who
    bears it was named."""
    own: dict[str, str] = {}  # person → the name they came by

    def call(role: Role) -> str:
        key = role.person.key
        if key not in own:
            own[key] = rng.choice([form for form in role.forms if form not in shared])
            return own[key]
        return rng.choice(role.forms)

    return call
