"""Forms of address of a Chinese book that are too rare for statistics: “何先生，…”, 继宗兄.

Who is called speaks beside the call; else the surname's only bearer is near.
"""

from __future__ import annotations

import re
from array import array
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable
from functools import partial

from kgnb.extract.zh import vocabulary as words
from kgnb.extract.zh.family_ranks import FamilyRanks
from kgnb.extract.zh.given_places import BEHIND_GIVEN
from kgnb.extract.zh.script import HAN, is_han
from kgnb.extract.zh.sole_bearers import AROUND, NEAR
from kgnb.extract.zh.surname_aliases import FEW, called_by, is_full, is_of_kin
from kgnb.extract.zh.surnames import head_of, is_role, surname_of

CALLED = 0.3
"""Least share of the calls of somebody by a form, beside which the bearer speaks."""
_BEHIND = words.BEHIND_NAMES | words.SPEECH_VERBS
_SHOUTED = "来去走停站坐等看听吃喝说别行好对是得罢算够快慢滚"
"""What is said twice to anybody: “来来，…” calls no 何福来."""
_CALLED = re.compile(
    rf"[“「『，。！？…](?P<form>[阿小](?P<last>[{HAN}])|(?P<char>[{HAN}])(?:儿|(?<![{_SHOUTED}])(?P=char))[姐哥叔姨]?)"
    r"(?=[啊呀]?[，。！？…][^”」』\n]{0,300}[”」』])"
)
_CONSORTS = ("皇贵妃", "贵妃", "妃", "嫔", "贵人", "常在", "才人", "美人", "婕妤", "昭仪")
_CONSORT = re.compile("|".join(_CONSORTS))


class RareAliases(FamilyRanks):
    """The joins of rare forms. Base of :class:`~.aliases.AliasResolver`, which locates the names first."""

    def _join_rare_addresses(self) -> None:
        """“谢谢周医生。” is for who speaks beside it, or the surname's only bearer, if always near."""
        calls = self._spoken.calls
        bearers = self._bearers() if calls else {}
        for form, places in calls.items():
            self.offsets.setdefault(form, array("I", places))
        for form in sorted(calls, key=lambda form: not form.startswith("老")):  # 老何 tells that 何叔 is he
            places, surname = calls[form], called_by(form) or form.removesuffix("兄")
            roots = {self.clusters.root(name) for name in bearers.get(surname, ())} - {form}
            known = form in self.counts and len(self.clusters.names_of(form)) > 1
            if known or is_of_kin(form):
                continue
            person = self._called(form, roots)
            if not person and self._count(form) <= FEW:
                only = self._only_one(roots, places)
                person = only if only and self._is_near(self.clusters.names_of(only), places, NEAR) else ""
            if not person or self._is_too_young(person, form):
                continue
            names = self.clusters.names_of(person)
            if self._sexes.suit(form, names) and not self._is_parents(form, names):
                self._join_located(person, form, "姓与称")

    def _called(self, form: str, persons: Collection[str]) -> str:
        """Who of the persons speaks beside the calls by a form, if none of the others does; of several, who
        hears one or speaks twice."""
        votes = Counter[str]()
        for names in self._spoken.called(form):
            for name, n in names.items():
                if (who := self.clusters.root(name)) in persons:
                    votes[who] += n
        least = max(min(2, len(persons)), CALLED * len(self._spoken.calls[form]))
        best, n = votes.most_common(1)[0] if votes else ("", 0)
        sure = n == votes.total() and n >= least
        return best if sure and not self._spoken.naming((form,), self.clusters.names_of(best)) else ""

    def _join_called_characters(self) -> None:
        """“月月，…” is 林月, “煜儿，…” and “阿煜，…” 祁煜, 婉嫔 沈令婉: by the end of the only given name
        that ends so."""
        only = self._only_by_last_character(filter(is_full, self.counts))
        places: dict[tuple[str, str], list[int]] = defaultdict(list)
        called = ((m.start("form"), m["form"], m["last"] or m["char"]) for m in _CALLED.finditer(self.text))
        consorts = ((m.start() - 1, self.text[m.start() - 1 : m.end()]) for m in _CONSORT.finditer(self.text))
        for start, form, char in (*called, *((start, form, form[:1]) for start, form in consorts)):
            if (person := only.get(char)) and form[1:] not in words.SURE_SURNAMES:
                places[person, form].append(start)
        for (person, form), found in places.items():
            names = self.clusters.names_of(person)
            new = self.clusters.names_of(form) == [form] and not is_role(form)
            sex_of = self._sexes.is_woman if form[1:] in _CONSORTS else partial(self._sexes.fits, form)
            if new and self._is_near(names, found, AROUND) and sex_of(names):
                self.offsets.setdefault(form, array("I", found))
                if not self._spoken.naming((form,), names):
                    self._join_located(person, form, "名与称")

    def _only_by_last_character(self, names: Iterable[str]) -> dict[str, str]:
        """Last character of some names → its bearer, if nobody else has it."""
        bearers: dict[str, set[str]] = defaultdict(set)
        for name in names:
            bearers[name[-1]].add(self.clusters.root(name))
        return {char: who for char, (who, *others) in bearers.items() if not others}

    def _join_given_titles(self) -> None:
        """继宗兄 is 冯继宗, 清寒师姐 is 洛清寒: a given name and what speakers add, if the sex allows it."""
        bare = {name for name in self.counts if len(name) == 2 and not (surname_of(name) or head_of(name))}
        for given in sorted(bare.union(self.given_names.values()) & self.counts.keys()):
            places: dict[str, list[int]] = defaultdict(list)
            for end in (at + len(given) for at in self.offsets[given]):
                titles = (self.text[end : end + n] for n in (2, 1))
                title = next((t for t in titles if t in BEHIND_GIVEN and t[0] != given[-1]), "")
                behind = self.text[end + len(title) : end + len(title) + 1]
                if title and (behind in _BEHIND or not is_han(behind)):
                    places[given + title].append(end - len(given))
            for form, found in places.items():
                rare = form not in self.counts and len(found) <= FEW
                if rare and self._sexes.fits(form, self.clusters.names_of(given)):
                    self.offsets[form] = array("I", found)
                    self._join_located(given, form, "名与称")
