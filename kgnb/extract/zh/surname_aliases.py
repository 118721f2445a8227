"""Forms of address of a Chinese book: whose surname is meant in 何公, 老周, 沙和尚.

Its one bearer is near wherever the form is used, and is hardly ever named in its sentences.
"""

from __future__ import annotations

from abc import abstractmethod
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable

from kgnb.extract.binomial import binomial_tail
from kgnb.extract.generic_words import is_generic
from kgnb.extract.zh import vocabulary as words
from kgnb.extract.zh.name_evidence import has_fixed_side, share_of
from kgnb.extract.zh.sexes import Sexes
from kgnb.extract.zh.spoken_names import SpokenNames
from kgnb.extract.zh.surnames import given_of, surname_of, titled_surname
from kgnb.extract.zh.title_aliases import ALWAYS_NEAR, APART, TitleAliases, title_of

_OF_KIN = words.WIFE_TITLES | words.ELDERS  # kin of whom the book names in full by that surname
_OF_YOUNG = ("小姐", "姑娘", "少爷", "同学")
_OF_THE_OLD = ("伯", "大爷", "爷爷", "老汉", "老爹", "老先生", "老太太")
_PARENT_ENDS = frozenset("父爹爸母亲")
WINDOW = 800
"""Characters of a co-occurrence window: about a scene's page."""

BESIDE = 40
"""Most characters between somebody's daughter and who she is."""
SOLE = 1.2
"""APART where nobody else can be meant: speakers call by one name whom the narrator calls by the other."""
EVER = 1e-9
"""Any share of passages."""
TOGETHER = 0.2
"""Largest share of a title's mentions beside its bearer in a sentence, where too few are expected to tell."""
FEW = 3
"""Fewest mentions near a bearer, of a title that is mostly used where no bearer is near; and fewest of a
character of a given name with a title."""

NAMING = 0.15
"""Most mentions of a form in words of its bearer, or the reverse, for each of its mentions: some talk of
themselves as of others."""

BY_CHANCE = 0.01
"""Most probability that a number and a name of one surname keep apart so by chance."""
CHANCE = 0.2
"""Most probability that the nearest of several bearers of a surname is it by chance (one-sided sign test)."""
DOMINANT = 0.8
"""Share of the mentions of all who may be meant, of somebody who mostly is."""


class SurnameAliases(TitleAliases):
    """The joins by a surname. Base of :class:`~.aliases.AliasResolver`, which locates the names first."""

    _sexes: Sexes

    @property
    @abstractmethod
    def _spoken(self) -> SpokenNames:
        """The names that speakers say."""

    def _keep_apart(self, forms: tuple[str, ...], person: str, max_ratio: float, *, alone: bool) -> bool:
        """Whether the forms are met in the person's sentences as seldom as names of the same person are.

        ``alone``: whether nobody else may be meant; then one sentence of both is no objection.
        """
        places = self._times(forms)
        often = self.co_occurrence.together(forms, person) > max(alone and places > 2, TOGETHER * places)
        unsure = SOLE if often else 0.0  # too few mentions to expect a shared sentence
        if self.co_occurrence.ratio(forms, person, unsure) >= max_ratio:
            return False
        by_himself = any(form.endswith("某") for form in forms)  # 何某, as people call themselves
        names = self.clusters.names_of(person)
        named = not by_himself and self._spoken.naming(forms, names) > NAMING * places
        return not (named or self._sexes.differ(forms, names))

    def _may_be(self, form: str, person: str, least: float, *, alone: bool = True) -> bool:
        """Whether the sex, the passages and the sentences of a form and a person allow that they are one.

        ``least``: share of the form's passages that the person is near; ``alone``: see :meth:`_keep_apart`.
        """
        return (
            self._sexes.fits(form, self.clusters.names_of(person))
            and self.co_occurrence.coverage((form,), person) >= least
            and self._keep_apart((form,), person, SOLE if alone else APART, alone=alone)
        )

    def _places(self, names: Iterable[str]) -> list[int]:
        """Where the text has one of the names."""
        return sorted(at for name in names for at in self.offsets.get(name, ()))

    def _times(self, names: Iterable[str]) -> int:
        """How often the text has the names."""
        return sum(len(self.offsets.get(name, ())) for name in names)

    def _join_addresses(self) -> None:
        """何子安 and 子安: the person of the same surname who is near them but never in their sentence."""
        bearers = self._bearers()
        accepted, told = set(self.counts), bool(self.courtesy)
        totals: Counter[str] = Counter()
        for form, bare in self.addresses.items():
            totals[bare] += len(self.offsets[form])
        for form, bare in self.addresses.items():
            others = bearers.get(surname_of(form), set()) - {form, bare}
            if bare in words.TITLES or bare in words.TITLES_AFTER_SURNAME:
                bearers_of_it = self._bearers_of_title(bare, others)
                if not is_of_kin(form) and (best := self._nearby_bearer((form,), bearers_of_it)):
                    self._join_located(best, form, "姓与互斥")
            elif self._is_pair(form, bare, totals[bare]):
                # A courtesy name goes with a given name of one character; 林秀英 and 林德海 are kin, and so
                # are 何恭 and 何子安 in a book that tells nobody's courtesy name.
                others = {o for o in others if len(given_of(o)) == 1 and told}
                best = self._nearby_bearer((form, bare), others)
                if best:
                    self.courtesy.add(bare)
                    self._join_located(best, form, "姓与互斥")
                    self._join_located(best, bare, "姓与互斥")
                elif bare in accepted and self._shares_surname(form, bare):
                    self._join_located(bare, form, "姓与互斥")

    def _join_located(self, person: str, form: str, reason: str) -> None:
        """Join a form that is no accepted name yet; its count is that of its offsets."""
        self.counts[form] = len(self.offsets[form])
        self.clusters.join(person, form, reason)

    def _is_pair(self, form: str, bare: str, total: int) -> bool:
        """Whether both may be one name with and without surname: no word that follows many surnames."""
        n, alone = len(self.offsets[form]), len(self.offsets[bare])
        known = [w for w in (form, bare) if w in self.clusters.members]
        free = all(bare in name for w in known for name in self.clusters.names_of(w))
        joined = any(w in self.counts and w not in self.clusters.members for w in (form, bare))
        enough = n >= 0.02 * (n + alone) and (n >= 5 or n >= 0.05 * (n + alone))
        return n >= 0.7 * total and alone >= 2 and enough and free and not joined

    def _bearers(self) -> dict[str, set[str]]:
        """Surname → full names with it."""
        found: dict[str, set[str]] = defaultdict(set)
        for name in self.counts:
            if surname_of(name) and not called_by(name):
                found[surname_of(name)].add(name)
        return found

    def _families(self) -> dict[str, set[str]]:
        """Surname → the persons who have it or are called by it."""
        found: dict[str, set[str]] = defaultdict(set)
        for name in self.counts:
            found[family_of(name)].add(self.clusters.root(name))
        return found

    def _bearers_of_title(self, title: str, persons: set[str]) -> set[str]:
        """Of the persons those to whom the text gives a rank (都头王虎) or one of whose names ends with it
        (黑山天王); all where it gives it to none."""
        if len(title) < 2 or is_generic(title):
            return persons
        return {p for p in persons if self._has_rank(p, title)} or persons

    def _has_rank(self, person: str, title: str) -> bool:
        """Whether a rank stands before a name of a person, or ends another one that is no form of address."""
        others = (name for name in self.clusters.names_of(person) if not is_titled(name))
        before = any(self.text.endswith(title, 0, at) for at in self.offsets[person])
        return before or any(name.endswith(title) for name in others)

    def _nearby_bearer(
        self, names: tuple[str, ...], others: Iterable[str], max_ratio: float = APART, least: float = 0.4
    ) -> str:
        """Of a surname's bearers the one nearest to 60 % of ``names``, if it keeps out of their sentences.

        Where hardly another bearer is ever near, 30 % are enough.

        ``max_ratio``: observed over expected shared sentences; ``least``: fewest expected ones.
        """
        roots = sorted({self.clusters.root(o) for o in others})
        roots = [r for r in roots if all(self._has_sex_of(n, self.clusters.names_of(r)) for n in names)]
        votes, places = self.co_occurrence.nearest_votes(names, roots, WINDOW)
        best, n = min(votes.items(), key=lambda v: (-v[1], v[0]), default=("", 0))
        if not best or self.co_occurrence.expected(names, best) < least:
            return ""
        if n < votes.total() and not self._prevails(best, votes):
            return ""
        only = n >= max(FEW, 0.8 * votes.total()) and n >= 0.3 * places
        if n < 0.6 * places and not only:
            return ""
        if n >= 0.9 * votes.total() and max_ratio == APART:
            max_ratio = SOLE  # who else would it be?
        return best if self._keep_apart(names, best, max_ratio, alone=len(roots) == 1) else ""

    def _has_sex_of(self, title: str, names: Collection[str]) -> bool:
        """Whether the person of ``names`` may have a title; 何小姐 needs somebody whom the text calls 她."""
        return self._sexes.suit(title, names) if self._sexes.tells else self._sexes.fits(title, names)

    def _prevails(self, best: str, votes: Counter[str]) -> bool:
        """Whether the nearest person is so more often than by chance, or is by far the most mentioned."""
        mentions = {who: self._times(self.clusters.names_of(who)) for who in votes}
        by_chance = binomial_tail(votes[best], votes.total(), 0.5)
        return by_chance <= CHANCE or mentions[best] >= DOMINANT * sum(mentions.values())

    def _join_surname_titles(self) -> None:
        """何公, 程公, 林姑娘: surname + title, joined with the one bearer who is never in their sentence."""
        bearers = self._bearers()
        for name in [n for n in self.counts if called_by(n) and not is_of_kin(n)]:
            # 何某 is how a person names himself: his own name in the sentence is no objection.
            title = name.replace(called_by(name), "", 1)
            max_ratio = 9.0 if name[-1] == "某" else APART
            forms = tuple(self.clusters.names_of(name))
            namesakes = bearers.get(called_by(name), set())
            if any(not name.startswith(form) for form in namesakes.intersection(forms)):
                continue  # 冯督军 whose proper name the text states
            others = self._bearers_of_title(title, namesakes - set(forms))
            best = self._nearby_bearer(forms, others, max_ratio, least=0.0) if self._is_whole(name) else ""
            if best and not self._is_another(best, name):
                self.clusters.join(best, name, "姓与称")

    def _is_whole(self, form: str) -> bool:
        """Whether a form of address is a whole one, no 何老 of 何老秀才, and no parent's of whoever has the
        surname: 家父何员外."""
        candidate = self._classifier.candidates.get(form)
        return candidate is None or not (
            has_fixed_side(candidate.right) or share_of(candidate.left, _PARENT_ENDS) >= 0.1
        )

    def _is_another(self, person: str, form: str) -> bool:
        """Whether the only one who may be meant by a form isn't: too young, or others are called so."""
        return self._is_too_young(person, form) or self._is_called_elsewhere(form, person)

    def _is_too_young(self, person: str, form: str) -> bool:
        """Whether the form is 老何, and 小何 or 何小姐 is always near the person; or she is its bearer's
        daughter, or that of 何教授 where it is 老何."""
        surname = called_by(form)
        elders = [name for name in self.counts if called_by(name) == surname] if form[0] == "老" else []
        if any(self._is_daughter(person, elder) for elder in (form, *elders)):
            return True
        forms = ("小" + surname, *(surname + title for title in _OF_YOUNG)) if form[0] == "老" else ()
        told = [form for form in forms if self.offsets.get(form)]
        return any(self.co_occurrence.coverage((form,), person) >= ALWAYS_NEAR for form in told)

    def _is_parents(self, form: str, names: Iterable[str]) -> bool:
        """Whether a form is for somebody of one's parents' age, and no name of a person is: 老何, 守谦伯."""
        surname = called_by(form)
        old = (name == "老" + surname or name.endswith(_OF_THE_OLD) for name in names)
        return form.removeprefix(surname) in words.OF_PARENTS_AGE and not any(old)

    def _is_daughter(self, person: str, form: str) -> bool:
        """Whether the text names a person beside the daughter of whoever has a form: 何教授的女儿何秀英."""
        names = self.clusters.names_of(person)
        ends = (at + len(form) for at in self.offsets.get(form, ()))
        places = (at for at in ends if self.text.startswith("的女儿", at))
        beside = (self.text[max(0, at - BESIDE) : at + BESIDE] for at in places)
        return any(name in said for said in beside for name in names)

    def _join_rare_titles(self) -> None:
        """沙和尚 is 沙僧, 武二 is 武松: always near one person of the surname, and hardly in a sentence."""
        families = self._families()
        for name in filter(_is_rare_title, list(self.counts)):
            others = families[family_of(name)] - {self.clusters.root(name)}
            near, _ = self.co_occurrence.nearest_votes((name,), sorted(others), WINDOW)
            fitting = [who for who in near if self._is_other_form(name, who)]
            if len(self.clusters.names_of(name)) == 1 and len(fitting) == 1:
                self.clusters.join(fitting[0], name, "姓与称")

    def _is_other_form(self, form: str, person: str) -> bool:
        """Whether a rarer form's bearer is always near a person, and hardly meets that one.

        Titles must mean the same: 李医生 and 李警官 are two, as are 何老爷 and 何少爷. A number (武二) needs
        a name that has none.
        """
        names, company = self.clusters.names_of(person), self.co_occurrence
        rarer = self.counts[form] < sum(self.counts.get(name, 0) for name in names)
        if not rarer or company.coverage((form,), person) < ALWAYS_NEAR or not self._sexes.fits(form, names):
            return False
        full = any(map(is_full, names))
        if title := title_of(form):
            same = {title}.union(*(group for group in words.SAME_TITLES if title in group))
            return (
                not same.isdisjoint(map(title_of, names))
                and not full
                and company.ratio((form,), person) < APART
            )
        return full and company.chance((form,), person) <= BY_CHANCE

    def _is_called_elsewhere(self, form: str, person: str) -> bool:
        """Whether somebody else speaks beside most of the calls by a form, and neither the person nor whom
        the text calls by the form, too."""
        heard = [set(map(self.clusters.root, names)) for names in self._spoken.called(form)]
        beside = Counter(who for roots in heard for who in roots)
        own = {person, self.clusters.root(form)}
        return own.isdisjoint(beside) and max(beside.values(), default=0) > max(1, len(heard) / 2)


def is_of_kin(name: str) -> bool:
    """Whether the title is a wife's or an elder's: 何太太, 何大娘 and 何太公, but not 何姑娘."""
    title = max((t for t in words.WOMENS_TITLES | _OF_KIN if name.endswith(t)), key=len, default="")
    return title in _OF_KIN


def is_titled(name: str) -> bool:
    """Whether a name is a surname with a title or a number: 何公, 武二."""
    return bool(called_by(name)) or (len(name) == 2 and name[1] in words.RANKED)


def is_full(name: str) -> bool:
    """Whether a name is a surname and a given name: 何恭, not 何公."""
    return bool(surname_of(name)) and not is_titled(name)


def _is_rare_title(name: str) -> bool:
    """Whether a name may be another form of somebody's who has the same surname."""
    surname = family_of(name)
    return surname in words.SURE_SURNAMES and is_titled(name) and not is_of_kin(name)


def family_of(name: str) -> str:
    """The surname of a full name, or of a form of address."""
    return called_by(name) or surname_of(name)


def called_by(name: str) -> str:
    """The surname by which a form of address calls its bearer: 何公, 老周."""
    familiar = name[1:] if name[0] in "老小" and name[1:] in words.COMMON_SURNAMES else ""
    return familiar or titled_surname(name)
