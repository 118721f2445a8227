"""Surnames with a title of a Chinese book whose bearer is the only one who may be meant: 殷教主, 宋律师.

The text gives the title to somebody of the surname, or nobody else of it is met around. A form that is told
once or twice has no statistics of its own; how many people the book knows by a surname and a title alone says
how likely one more of them is. A frequent one has: its bearer may be told in full in other chapters only.
"""

from __future__ import annotations

import re
from array import array
from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Sequence
from itertools import compress

from kgnb.extract.generic_words import is_generic
from kgnb.extract.zh import vocabulary as words
from kgnb.extract.zh.candidates import Candidate
from kgnb.extract.zh.kin_words import CHILD
from kgnb.extract.zh.sentences import ENDS
from kgnb.extract.zh.surname_aliases import (
    DOMINANT,
    FEW,
    SOLE,
    SurnameAliases,
    called_by,
    is_full,
    is_of_kin,
)
from kgnb.extract.zh.surnames import titled_surname
from kgnb.extract.zh.title_aliases import APART, title_of

NEAR, AROUND = 300, 2_000
"""Most characters between a rare form of address and its bearer, and one that the text explains or of whom
nobody else is met there."""
ADDRESS = -0.5
"""Least log odds of what stands beside a form of address: in speech names have other neighbours."""
STRANGERS = 0.15
"""Most people whom the book knows by a surname and a title alone, to be expected near somebody of it."""
PARTLY_NEAR = 0.3
"""Least share of the passages of a form, or of the only one who may be meant, that the other is near."""
INTRODUCED = 120
"""Most characters between somebody's first mention and a form of address that the text goes on with."""
COMMONEST = frozenset("王李张刘陈杨赵黄周吴")
"""Surnames of four people in ten: a book may have two who know nothing of each other."""

_OF_SCHOOLS = {"师叔", "师伯", "师兄", "师姐", "师弟", "师妹"}
_TITLES = {t for t in words.TITLES_AFTER_SURNAME if len(t) > 1 or t in "总队局董"}
_BY_START = {char: [t for t in _TITLES if t[0] == char] for char in {t[0] for t in _TITLES}}
_OFFICES = _TITLES - words.PERSONAL_TITLES - words.TITLES_AFTER_GIVEN
"""Titles of what somebody is by trade or rank, not by age or family."""
_RANKS = _OFFICES - words.MENS_TITLES - words.WOMENS_TITLES
_WOMENS = tuple(words.WOMENS_TITLES)
_CHILD = re.compile(f"[家府]?的?{CHILD}")
_BEFORE = ENDS + "，”」』"
_BEING = "[是为任当做][^。！？\n]{0,8}"


class SoleBearers(SurnameAliases):
    """The joins of rare titles. Base of :class:`~.aliases.AliasResolver`, which locates the names first."""

    def _is_near(self, names: Iterable[str], places: Iterable[int], within: int) -> bool:
        """Whether one of the names is within so many characters of each of the places."""
        offsets = self._places(names)
        around = ((at, bisect_left(offsets, at)) for at in places)
        return all(any(abs(at - one) <= within for one in offsets[max(0, k - 1) : k + 1]) for at, k in around)

    def _join_only_bearers(self) -> None:
        """何小姐 of a whole book is 何秀英, told in full here and there, where no other woman is a 何."""
        full = self._full_bearers()
        for form in [name for name in self.counts if called_by(name)]:
            forms = tuple(self.clusters.names_of(form))
            free = not (is_of_kin(form) or any(map(is_full, forms))) and self._is_whole(form)
            often = free and self._times(forms) > FEW
            person = self._only_bearer(form, forms, full[called_by(form)]) if often else ""
            if person and not self._is_another(person, form):
                self.clusters.join(person, form, "姓与称")

    def _full_bearers(self) -> dict[str, set[str]]:
        """Surname → the persons who have it or are called by it, and whose full name the text tells."""
        names_of = self.clusters.names_of
        return {s: {w for w in who if any(map(is_full, names_of(w)))} for s, who in self._families().items()}

    def _only_bearer(self, form: str, forms: tuple[str, ...], persons: Collection[str]) -> str:
        """Whose a frequent form of address is: whom the text gives the title to or introduces by it; else the
        only one of a rarer surname who is near some of its passages. They are never met together."""
        names_of, company = self.clusters.names_of, self.co_occurrence
        title = form.removeprefix(called_by(form))
        told = [w for w in persons if title in _RANKS and self._is_told(title, names_of(w))]
        introduced = [w for w in persons if self._introduces(names_of(w), forms)]
        fitting = told or introduced or [w for w in persons if self._sexes.suit(form, names_of(w))]
        if len(fitting) != 1:
            return ""
        (who,) = fitting
        if not (told or introduced):
            near = max(company.coverage(forms, who), company.coverage(who, forms)) >= PARTLY_NEAR
            rare = called_by(form) in words.SURE_SURNAMES - COMMONEST
            kin = self._is_elder(form) or self._is_parents(form, names_of(who)) or self._has_wife(form, who)
            if kin or not (near and rare):
                return ""
        together = company.together(forms, who) - bool(told)  # one sentence of both may be by chance
        apart = company.ratio(forms, who, float(together)) < APART
        apart = apart and self._keep_apart(forms, who, APART, alone=True)
        return who if apart and not self._spoken.meet(forms, names_of(who)) else ""

    def _introduces(self, names: Iterable[str], forms: Iterable[str]) -> bool:
        """Whether the text calls somebody by a form for the first time soon after it has told a name: “这是我
        表妹何秀英。”何小姐…."""
        first = min((self.offsets[name][0] for name in names if self.offsets.get(name)), default=-INTRODUCED)
        begins = (self.offsets[form][0] for form in forms if self.offsets.get(form))
        return any(first < at <= first + INTRODUCED and self.text[at - 1] in _BEFORE for at in begins)

    def _is_elder(self, form: str) -> bool:
        """Whether the text tells of children of whoever has a form of address, who may be the one meant."""
        return any(_CHILD.match(self.text, at + len(form)) for at in self.offsets[form])

    def _has_wife(self, form: str, person: str) -> bool:
        """Whether a man may be meant whose wife is told of, and is hardly ever near the person."""
        wives = [called_by(form) + title for title in ("太太", "夫人") if not form.endswith(_WOMENS)]
        told = [(wife,) for wife in wives if self.offsets.get(wife)]
        return any(self.co_occurrence.coverage(wife, person) < PARTLY_NEAR for wife in told)

    def _join_sole_bearers(self) -> None:
        """殷教主 is 教主殷九幽, 谢师叔 and 宋律师 are the only 谢 and 宋 around."""
        full = self._full_bearers()
        strangers = sum(not who for who in full.values()) / max(1, len(full))
        starts = [(s, char) for s in full if s in words.SURE_SURNAMES for char in _BY_START]
        counts = self._bigrams.counts((s + char)[:2] for s, char in starts)
        forms = ((s, s + title) for s, char in compress(starts, counts) for title in _BY_START[char])
        likely = (form for s, form in forms if titled_surname(form) == s)  # 夏侯爷 is nobody's of 夏
        places: dict[str, list[int]] = defaultdict(list)
        for at, form in self._bigrams.find_all(likely):
            places[form].append(at)
        for form, found in places.items():
            new = form not in self.counts or len(self.clusters.names_of(form)) == 1
            if new and len(found) <= FEW and self._has_sides_of_names(form, found) and not is_of_kin(form):
                self.offsets.setdefault(form, array("I", found))
                if person := self._sole_bearer(form, full[titled_surname(form)], strangers):
                    self._join_located(person, form, "姓与称")

    def _has_sides_of_names(self, form: str, places: Collection[int]) -> bool:
        """Whether what stands beside a form stands beside names: no 罗队 of 绮罗队里."""
        sides = self._sides(form, places)
        before = self._classifier.left_score(sides)
        behind = self._classifier.right_score(sides) if len(form) < 3 else 0.0
        return min(before, behind) >= ADDRESS

    def _sides(self, form: str, places: Collection[int]) -> Candidate:
        """A form with what stands beside it at some places."""
        left = Counter(self.text[at - 1 : at] for at in places)
        right = Counter(self.text[end : end + 1] for end in (at + len(form) for at in places))
        return Candidate(form, left=left, right=right)

    def _met_around(self, persons: Iterable[str], places: Sequence[int]) -> list[str]:
        """Those of the persons who are met around each of the places."""
        return [who for who in persons if self._is_near(self.clusters.names_of(who), places, AROUND)]

    def _only_one(self, persons: Collection[str], places: Sequence[int]) -> str:
        """Who of the persons is met around the places, if nobody else is and the others are much rarer."""
        mentions = {who: sum(self.counts.get(n, 0) for n in self.clusters.names_of(who)) for who in persons}
        around = self._met_around(persons, places)
        only = len(around) == 1 and mentions[around[0]] >= DOMINANT * sum(mentions.values())
        return around[0] if only else ""

    def _sole_bearer(self, form: str, persons: Collection[str], strangers: float) -> str:
        """Which of a surname's bearers has a title: whom the text gives it to, or who else would be near?

        ``strangers``: how many people without a full name there are to each surname.
        """
        surname, places = titled_surname(form), self.offsets[form]
        title = title_of(form)
        told = [who for who in persons if self._is_told(title, self.clusters.names_of(who))]
        if told:
            sure = title in _RANKS and not (is_generic(title) or surname in COMMONEST)  # one 侍郎, many 将军
            sure = sure or bool(self._met_around(told, places))
            return told[0] if len(told) == 1 and sure else ""
        person = self._only_one(persons, places)
        names = self.clusters.names_of(person) if person else []
        if not names or not self._has_sex_of(form, names):
            return ""
        by_chance = strangers * min(1.0, self._times(names) * 2 * NEAR / len(self.text))
        near = by_chance <= STRANGERS and self._is_near(names, places, NEAR)
        others = any(titled_surname(name) and not name.startswith(form) for name in names)
        office = title in _OFFICES and near and not (others or self._has_house(surname, places))
        apart = office and self._keep_apart((form,), person, SOLE, alone=True)
        meant = apart and all(self._is_next(person, at, at + len(form)) for at in places)
        return person if meant or title in _OF_SCHOOLS else ""

    def _is_next(self, person: str, start: int, end: int) -> bool:
        """Whether a person is the nearest who is named before or behind a part of the text."""
        before = (self._name_at(at) for at in range(start - 2, max(0, start - NEAR), -1))
        behind = (self._name_at(at) for at in range(end, end + NEAR))
        nearest = (next(filter(None, names), "") for names in (before, behind))
        return any(self.clusters.root(name) == person for name in nearest)

    def _has_house(self, surname: str, places: Iterable[int]) -> bool:
        """Whether the text around the places speaks of a family, of whom another may be meant: 阮家."""
        around = (self.text[max(0, at - AROUND) : at + AROUND] for at in places)
        return any(surname + house in text for text in around for house in "家府氏门")

    def _is_told(self, title: str, names: Iterable[str]) -> bool:
        """Whether the text gives a full one of the names the title: 教主殷九幽, 邓铭，是个律师."""
        being, begins = re.compile(f"(?:，?{_BEING})?{title}"), f"，是为任当做{title[0]}"
        text, last = self.text, title[-1]
        full = filter(is_full, names)
        places = ((at, at + len(name)) for name in full for at in self.offsets.get(name, ()))
        return any(
            (text[start - 1 : start] == last and text.endswith(title, 0, start))
            or (text[end : end + 1] in begins and being.match(text, end))
            for start, end in places
        )
