"""Forms of address of a Chinese book that are too rare for statistics: “何先生，…”, 殷教主, 继宗兄.

Who is called speaks beside the call; else the surname's only bearer is near, or has that title elsewhere.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable
from itertools import compress

from kgnb.extract.zh import vocabulary as words
from kgnb.extract.zh.script import is_han
from kgnb.extract.zh.surname_aliases import FEW, SurnameAliases, called_by, family_of, is_of_kin, is_titled
from kgnb.extract.zh.surnames import head_of, surname_of, titled_surname

CALLED = 0.3
"""Least share of the calls of somebody by a form, beside which the bearer speaks."""
NEAR, SCHOOL = 300, 2_000
"""Most characters between a rare form of address and its bearer, and between 何师叔 and him."""

_OF_SCHOOLS = {"师叔", "师伯", "师兄", "师姐", "师弟", "师妹"}
_AFTER_GIVEN = (words.TITLES_AFTER_GIVEN - set("爷儿弟妹") - {"哥儿"}) | {
    *("师兄", "师姐", "师弟", "师妹", "大哥", "大姐", "大叔", "老汉", "先生", "同志")
}
"""What speakers add to a given name; 何旺爷 is his grandfather."""
_BEHIND = words.BEHIND_NAMES | words.SPEECH_VERBS


class RareAliases(SurnameAliases):
    """The joins of rare forms. Base of :class:`~.aliases.AliasResolver`, which locates the names first."""

    def _join_rare_addresses(self) -> None:
        """“谢谢周医生。” is for who speaks beside it, or the surname's only bearer, if always near."""
        calls = self._spoken.calls
        bearers = self._bearers() if calls else {}
        for form in sorted(calls, key=lambda form: not form.startswith("老")):  # 老何 tells that 何叔 is he
            places, surname = calls[form], called_by(form) or form.removesuffix("兄")
            roots = {self.clusters.root(name) for name in bearers.get(surname, ())} - {form}
            known = form in self.counts and len(self.clusters.names_of(form)) > 1
            if known or is_of_kin(form):
                continue
            person = self._called(form, roots)
            if not person and len(roots) == 1 and self._count(form) <= FEW:
                (only,) = roots
                person = only if self._is_near(self.clusters.names_of(only), places, NEAR) else ""
            if person and self._may_be_addressed(form, surname, self.clusters.names_of(person)):
                self.offsets.setdefault(form, array("I", places))
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

    def _may_be_addressed(self, form: str, surname: str, names: Collection[str]) -> bool:
        """Whether the person of ``names`` may be called so, rather than a parent or a wife without a name."""
        title = form.removeprefix(surname)
        if title in words.OF_PARENTS_AGE and "老" + surname not in names:
            return False
        return self._sexes.is_woman(names) if title in words.WOMENS_TITLES else self._sexes.fits(form, names)

    def _is_near(self, names: Iterable[str], places: Iterable[int], within: int) -> bool:
        """Whether one of the names is within so many characters of each of the places."""
        offsets = sorted(at for name in names for at in self.offsets.get(name, ()))
        around = ((at, bisect_left(offsets, at)) for at in places)
        return all(any(abs(at - one) <= within for one in offsets[max(0, k - 1) : k + 1]) for at, k in around)

    def _join_told_titles(self) -> None:
        """殷教主 is 教主殷九幽, and 谢师叔 the only 谢 around: rare forms of a surname's only bearer."""
        families: dict[str, set[str]] = defaultdict(set)
        for name in self.counts:
            families[family_of(name)].add(self.clusters.root(name))
        only = {s: who for s, (who, *others) in families.items() if s in words.SURE_SURNAMES and not others}
        titled = [surname + title for surname in only for title in words.TITLES_AFTER_SURNAME]
        likely = compress(titled, self._bigrams.counts(form[:2] for form in titled))
        places: dict[str, dict[str, list[int]]] = defaultdict(lambda: defaultdict(list))
        for at, form in self._bigrams.find_all(likely):
            places[titled_surname(form)][form].append(at)
        for surname, forms in places.items():
            if (person := only.get(surname)) is None:
                continue
            before = self._words_before(self.clusters.names_of(person))
            for form, found in forms.items():
                if form in self.counts or len(found) > FEW or is_of_kin(form):
                    continue
                title, names = form.removeprefix(surname), self.clusters.names_of(person)
                told = title in before or (title in _OF_SCHOOLS and self._is_near(names, found, SCHOOL))
                if told and self._has_sex_of(form, names):
                    self.offsets.setdefault(form, array("I", found))
                    self._join_located(person, form, "姓与称")

    def _words_before(self, names: Iterable[str]) -> set[str]:
        """What the text puts before the full ones of the names: 教主殷九幽."""
        full = [name for name in names if surname_of(name) and not is_titled(name)]
        places = [at for name in full for at in self.offsets.get(name, ())]
        return {self.text[max(0, at - n) : at] for at in places for n in (1, 2, 3, 4)}

    def _join_given_titles(self) -> None:
        """继宗兄 is 冯继宗, 清寒师姐 is 洛清寒: a given name and what speakers add, if the sex allows it."""
        bare = {name for name in self.counts if len(name) == 2 and not (surname_of(name) or head_of(name))}
        for given in sorted(bare.union(self.given_names.values()) & self.counts.keys()):
            places: dict[str, list[int]] = defaultdict(list)
            for end in (at + len(given) for at in self.offsets[given]):
                titles = (self.text[end : end + n] for n in (2, 1))
                title = next((t for t in titles if t in _AFTER_GIVEN and t[0] != given[-1]), "")
                behind = self.text[end + len(title) : end + len(title) + 1]
                if title and (behind in _BEHIND or not is_han(behind)):
                    places[given + title].append(end - len(given))
            for form, found in places.items():
                rare = form not in self.counts and len(found) <= FEW
                if rare and self._sexes.fits(form, self.clusters.names_of(given)):
                    self.offsets[form] = array("I", found)
                    self._join_located(given, form, "名与称")
