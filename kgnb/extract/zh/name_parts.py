"""Aliases of a Chinese book that share a part or stand side by side: 秀英 is 林秀英, 铁臂熊王虎 one man."""

from __future__ import annotations

import math
import re
from array import array
from collections import Counter, defaultdict
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from itertools import compress

from kgnb.extract.zh import vocabulary as words
from kgnb.extract.zh.bigram_index import BigramIndex
from kgnb.extract.zh.candidates import Candidate
from kgnb.extract.zh.courtesy_names import StatedAliases
from kgnb.extract.zh.name_evidence import has_fixed_side, share_of
from kgnb.extract.zh.names import SURNAME_LIFT
from kgnb.extract.zh.script import is_han
from kgnb.extract.zh.surnames import given_of, head_of, is_role, surname_of, titled_surname

OWN = 20.0
"""Lift of the character before a name that belongs to it, over that of the same before other names."""
_KIN_OF = frozenset("子女媳孙")
"""What makes a kin noun of 儿: 何恭|儿子."""
_BEFORE_FULL = {"", *"\n。，！？；：、…“”「」『』—是叫的和与跟对给把被为找见问", *words.BEFORE_NAMES}
_KIN = tuple(words.KIN_BEFORE_NAMES)
_VERBS = frozenset("封谢任许施应管连从向和于时常成")
"""Surnames that are verbs or particles before a name as well."""
FAMILY_NEAR = 800
"""Most characters between a surname that a name has hardly ever and somebody of the family."""
LONGER_FORMS = 6
"""Fewest occurrences of a longer form of a name."""


class FormAliases(StatedAliases):
    """The joins by the form and the apposition of names. Base of :class:`~.aliases.AliasResolver`."""

    def _join_foreign_names(self) -> None:
        """托马斯 is 托马斯·布莱克 and 托马斯先生, of whom the book has one."""
        for full, alias in self._classifier.foreign.joins(self.counts):
            self._join(full, alias, "简称")

    def _join_nicknames(self) -> None:
        """铁臂熊王虎: a word that stands before one person's name only, and alone as a name does."""
        fulls = {n: self.clusters.root(n) for n in self.counts if surname_of(n) and n not in self.courtesy}
        found = [
            nickname for nickname in _nicknames(self._bigrams, fulls) if self._can_be_nickname(nickname[0])
        ]
        alone = self._classifier.with_neighbours(w for w, _, _ in found)
        joined: set[str] = set()
        for word, full, n in found:
            if (
                _parts(word) & joined
                or not self._behaves_as_name(alone[word], n)
                or self._is_beginning(alone[word], full)
            ):
                continue
            joined.add(word)
            self.counts.setdefault(word, alone[word].count)
            self._join(full, word, "绰号")

    def _behaves_as_name(self, word: Candidate, appositions: int) -> bool:
        """Whether a word stands before its bearer often enough, and what precedes it precedes names."""
        share, left = appositions / word.count, self._classifier.left_score(word)
        if len(word.name) == 2:
            return 0.25 <= share < 1 and left >= 0.2
        return 0.1 <= share < 1 and (share >= 0.5 or left >= -0.3)

    def _is_beginning(self, word: Candidate, bearer: str) -> bool:
        """Whether what follows the word, where its bearer doesn't, is one character, and none that often
        follows names: 扑天|雕, 飞报|入."""
        names = {name[0] for name in self.clusters.names_of(bearer)}
        after = Counter({char: n for char, n in word.right.items() if char not in names})
        return has_fixed_side(after) and self._classifier.right_score(Candidate(word.name, right=after)) <= 0

    def _can_be_nickname(self, word: str) -> bool:
        """Whether no part of the word is a name, a word for many people or grammar."""
        if (_parts(word) & self.counts.keys()) - {word} or not words.NEVER_IN_NAMES.isdisjoint(word):
            return False
        if (
            word[-2:] in words.GENERIC
            or word[0] in words.NEVER_FIRST
            or word[-1] in words.HOUSE_ENDS
            or word[-1] in words.UNLIKELY_NAME_ENDS - words.NUMERALS
        ):
            return False
        return len(word) > 2 or word not in self._common

    def _join_with_surnames(self) -> None:
        """何子安 is 子安, 林薇儿 is 薇儿: a bare name and the one full name that ends with it."""
        longer: dict[str, list[str]] = defaultdict(list)
        for name in self.counts:
            if surname_of(name) and len(given_of(name)) >= 2:
                longer[given_of(name)].append(name)
        for given, fulls in longer.items():
            one = given in self.counts and len({self.clusters.root(f) for f in fulls}) == 1
            if one and self._shares_surname(fulls[0], given):
                self.clusters.join(fulls[0], given, "姓")
        self._join_rare_surnames(longer)
        candidates = self._classifier.candidates
        for name in [n for n in self.counts if n + "儿" in candidates]:
            pet_name = candidates[name + "儿"]
            if share_of(pet_name.right, _KIN_OF) < 0.2:
                self._join(name, pet_name.name, "儿")

    def _join_rare_surnames(self, known: Iterable[str]) -> None:
        """继宗 is 冯继宗, whom the book calls so once, near others of that family or where a name begins: no
        other surname is before the name, and this one more often than anywhere."""
        families, mentions = defaultdict[str, set[str]](set), Counter[str]()
        for name, n in self.counts.items():
            surname = titled_surname(name) or surname_of(name)
            families[surname].add(name)
            mentions[surname] += n
        unknown = families[""].difference(known)
        bare = [name for name in self.counts if name in unknown and self._may_be_given(name)]
        places = self._bigrams.find(bare)
        for given in bare:
            found = [at for at in places[given] if self._surname_before(at)]
            begun = [at for at in found if self._begins_name(at)]
            if not (surname := self._single_surname(found) or self._single_surname(begun)):
                continue
            found = [at for at in found if self._surname_before(at) == surname]
            elsewhere = self._occurrences(surname) - mentions[surname]
            often = len(found) >= SURNAME_LIFT * max(0.0, elsewhere) / len(self.text) * len(places[given])
            full, family = surname + given, families[surname]
            if full[:-1] in self.counts or (family and full in self.addresses):
                continue  # who else of the family may be meant, the addresses tell
            near = often and any(self._is_near_family(at, surname, family) for at in found)
            if near or self._is_own(surname, given, len(begun)):
                self.counts[full] = len(found)
                self.clusters.join(full, given, "姓")

    def _single_surname(self, places: Sequence[int]) -> str:
        """The surname before all of the places; empty where they are none or too many, or have several."""
        surnames = set(map(self._surname_before, places))
        return surnames.pop() if len(surnames) == 1 and len(places) <= LONGER_FORMS else ""

    def _may_be_given(self, name: str) -> bool:
        """Whether a name without a surname may be a given name: no word, title or courtesy name."""
        word = name in self._common or is_role(name) or name[-1] in words.RANK_ENDS or head_of(name)
        return len(name) == 2 and name not in self.courtesy and not word

    def _surname_before(self, at: int) -> str:
        """The surname that ends before a place; empty for none."""
        found = (self.text[max(0, at - n) : at] for n in (2, 1))
        return next((surname for surname in found if surname in words.SURE_SURNAMES), "")

    def _begins_name(self, at: int) -> bool:
        """Whether the surname before a place begins a name, rather than ends a word: no 管 of 尽管."""
        start = at - len(self._surname_before(at))
        return self.text[max(0, start - 1) : start] in _BEFORE_FULL or self.text.endswith(_KIN, 0, start)

    def _is_own(self, surname: str, given: str, times: int) -> bool:
        """Whether a surname that begins a name so many times stands before hardly any other name."""
        candidate = self._classifier.candidates.get(given)
        if candidate is None or times < 2 or surname in _VERBS:
            return False  # a nickname may be no candidate
        before, left = self._before_names, Counter(candidate.left)
        by_others = before[surname[-1]] - left[surname[-1]]
        share = (by_others + 0.5) / (before.total() - left.total() + 1)
        return times >= OWN * share * candidate.count

    @cached_property
    def _before_names(self) -> Counter[str]:
        """Character → how often it stands before a name."""
        found = Counter[str]()
        for name in self.counts.keys() & self._classifier.candidates.keys():
            found.update(self._classifier.candidates[name].left)
        return found

    def _is_near_family(self, at: int, surname: str, family: Container[str]) -> bool:
        """Whether one of a family's names is near a place."""
        near = re.compile(surname).finditer(self.text, max(0, at - FAMILY_NEAR), at + FAMILY_NEAR)
        return any(self._name_at(match.start()) in family for match in near)

    def _shares_surname(self, full: str, name: str) -> bool:
        """Whether the person of ``name`` has the surname of a full name, or none."""
        surnames = {surname_of(n) for n in self.clusters.names_of(name) if n != name} - {""}
        return not surnames or surname_of(full) in surnames

    def _join_heads(self) -> None:
        """青云 is 青云大仙, 子安先生 is 何子安: a name and the same with a head."""
        bearers = Counter(self.given_names.values())
        fulls = {given: full for full, given in self.given_names.items() if bearers[given] == 1}
        longer: dict[str, Counter[str]] = defaultdict(Counter)
        for name, candidate in self._classifier.candidates.items():
            stem = name.removesuffix(head_of(name))
            mans = head_of(name) not in words.MARRIED | words.WIFE_TITLES
            if stem in fulls and stem != name and name in self.counts and mans:
                self._join(fulls[stem], name, "名")  # 守田老汉 is 何守田, but 平阳公主 has a fief's name
            if len(stem) > 1 and stem != name and (name in self.counts or self._is_titled(stem, candidate)):
                longer[stem][name] = candidate.count
        for stem, names in longer.items():
            name, n = max(names.items(), key=lambda i: (i[1], i[0]))
            if n >= 0.6 * names.total() and self._is_short_form(stem, name, n):
                self._join(name, stem, "简称")

    def _is_titled(self, name: str, titled: Candidate) -> bool:
        """Whether a name with a head is no chance neighbourhood of a name and a title (和尚，行者)."""
        return titled.count >= 0.05 * self.counts.get(name, 1e9) and not self._classifier.is_fragment(titled)

    def _is_short_form(self, stem: str, name: str, n: int) -> bool:
        """Whether the name without its head is one: accepted, mostly with the head, or 王五 of 王五爷."""
        candidate = self._classifier.candidates.get(stem)
        if stem in self._classifier.known_places or head_of(name) in words.MARRIED:
            return False
        if titled_surname(stem) or given_of(name) in words.TITLES_AFTER_SURNAME:
            return False  # 何老先生 and 何太爷 are surname and title
        if stem in self.counts:
            return True
        total = self._count(stem)
        numbered = surname_of(stem) == stem[:-1] and stem[-1] in words.NUMERALS | {"大"}
        if numbered and head_of(name) in words.WOMENS_TITLES:
            return False  # 何五 is 何五爷, hardly ever 何五姑娘
        likely = candidate is not None and candidate.score > 0
        return total >= n + 2 and (numbered or likely or n >= 0.3 * total)

    def _join_longer_forms(self) -> None:
        """紫阳真君 is 真君, 狸七戒 is 七戒: what stands before hardly anything else, or no other name."""
        text, found = self.text, list(self._bigrams.find_all(self.counts))
        single = Counter([text[at - 1 : at + len(name)] for at, name in found if at])
        often = {form for form, n in single.items() if n >= LONGER_FORMS}
        # A longer word before a name is no more frequent than its end.
        double = Counter(
            [text[at - 2 : at + len(n)] for at, n in found if text[at - 1 : at + len(n)] in often]
        )
        surnames = self._own_surnames(single)
        forms = {
            form: form[size:]
            for size, counted in ((1, single), (2, double))
            for form, n in counted.items()
            if n >= LONGER_FORMS
            and (n >= 0.5 * self._occurrences(form[:size]) or surnames.get(form[size:]) == form[:size])
            and self._can_precede(form[:size], form[size:])
        }
        for form, candidate in self._classifier.with_neighbours(forms).items():
            if self._classifier.left_score(candidate) >= 0:
                self._join(forms[form], form, "全称")

    def _own_surnames(self, single: Mapping[str, int]) -> dict[str, str]:
        """Name → the one character that stands before it :data:`OWN` times as often as before other names.

        ``single``: character and name behind it → times.
        """
        everywhere, mentions = Counter[str](), Counter[str]()
        for form, n in single.items():
            everywhere[form[0]] += n
            mentions[form[1:]] += n
        total, found = mentions.total(), defaultdict[str, list[str]](list)
        for form, n in single.items():
            char, name = form[0], form[1:]
            if n < max(LONGER_FORMS, 0.3 * everywhere[char]):
                continue
            by_others = (everywhere[char] - n + 0.5) / (total - mentions[name] + 1)
            if n / mentions[name] >= OWN * by_others and is_han(char):
                found[name].append(char)
        return {name: chars[0] for name, chars in found.items() if len(chars) == 1}

    def _occurrences(self, word: str) -> float:
        """Occurrences in the text of one or two characters."""
        return (
            self._bigrams.count(word) if len(word) == 2 else self._classifier.frequency(word) * len(self.text)
        )

    def _can_precede(self, word: str, name: str) -> bool:
        """Whether the word may be part of a longer name."""
        if not is_han(word) or word[0] in words.DETERMINERS - words.NUMERALS:
            return False
        if word in words.MODIFIERS | words.FAMILIAR_PREFIXES or word[-1] == name[-1]:
            return False  # 小青冥 and 假青冥 may be somebody else, and 猫儿狗儿 are two
        if len(word) == 1 and surname_of(name) and not titled_surname(name):
            return False
        return words.NEVER_IN_NAMES.isdisjoint(word) and word[-1] not in words.UNLIKELY_NAME_ENDS - {"上"}


# --- nicknames ---

LONGEST = 5
"""Characters of the longest nickname."""
FEWEST = 3
"""Fewest appositions of a nickname."""
SIGNIFICANT = 2.5
"""Least log-likelihood of the appositions against names that follow at random, in nats (p < 0.1); words of
two characters, which are many, need twice that."""


def _nicknames(bigrams: BigramIndex, persons: Mapping[str, str]) -> list[tuple[str, str, int]]:
    """Return (nickname, who bears it, appositions), the most frequent first.

    Any word may stand before a name. A nickname does so before one name only, more often than that name's
    share of all names explains (a log-likelihood ratio, Dunning 1993), and keeps the neighbours of a name
    where it stands alone, which is for others to say.

    ``persons``: full name → who bears it (any key that is equal for one person).
    """
    text = bigrams.text
    places, bearers = array("I"), list[str]()
    for at, name in bigrams.find_all(persons):
        places.append(at)
        bearers.append(persons[name])
    mentions = Counter(bearers)
    total, everywhere, found = mentions.total(), places, []
    for size in range(2, LONGEST + 1):
        pairs = Counter(zip(_before(text, places, size), bearers, strict=True))
        often = {pair: n for pair, n in pairs.items() if n >= FEWEST}
        words = {word for word, _ in often}
        if size == 2:  # most places end here: a longer word before a name is no more frequent than its end
            everywhere = array("I", compress(places, map(words.__contains__, _before(text, places, 2))))
            kept = [pair in often for pair in zip(_before(text, places, 2), bearers, strict=True)]
            places, bearers = array("I", compress(places, kept)), list(compress(bearers, kept))
        counts = Counter(word for word in _before(text, everywhere, size) if word in words)
        for (word, who), n in often.items():
            if n < 0.8 * counts[word] or not is_han(word):
                continue
            surprise = n * math.log(total / mentions[who])
            if surprise >= SIGNIFICANT * (2 if size == 2 else 1) or len(mentions) == 1:
                found.append((counts[word], word, who, n))
    return [(word, who, n) for _, word, who, n in sorted(found, key=lambda i: (-i[0], i[1]))]


def _before(text: str, places: Iterable[int], size: int) -> Iterator[str]:
    """The characters before each place."""
    return (text[at - size if at > size else 0 : at] for at in places)


def _parts(word: str) -> set[str]:
    """All its substrings of two characters or more."""
    return {word[a:b] for a in range(len(word)) for b in range(a + 2, len(word) + 1)}
