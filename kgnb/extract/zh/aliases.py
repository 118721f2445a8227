"""Alias resolution for a Chinese book: which names are one person's, and why.

Joined are: a name and the courtesy name or epithet that the text states; a given name and surname + given
name; a title that mostly precedes one name; surname, or a character of the given name, + title and its only
possible bearer. Kinship words and titles alone join nobody. The English twin has the same steps for first
names, surnames, titles and nicknames.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator, Sequence
from functools import cached_property
from itertools import compress

from kgnb.extract.co_occurrence import CoOccurrence
from kgnb.extract.zh import vocabulary as words
from kgnb.extract.zh.family_ranks import ELDERS
from kgnb.extract.zh.given_places import telling
from kgnb.extract.zh.name_evidence import share_of
from kgnb.extract.zh.rare_aliases import RareAliases
from kgnb.extract.zh.sentences import sentence_ends
from kgnb.extract.zh.sexes import Sexes
from kgnb.extract.zh.sole_bearers import ADDRESS, AROUND
from kgnb.extract.zh.spoken_names import SpokenNames
from kgnb.extract.zh.surname_aliases import EVER, FEW, WINDOW, is_full
from kgnb.extract.zh.surnames import given_of, head_of, is_role, surname_of, titled_surname
from kgnb.extract.zh.title_aliases import NEARBY, title_of

_OTHERS = words.SURE_SURNAMES - words.BEFORE_NAMES - set("和与向于从许管成连常江王龙马")
"""Surnames that end hardly any other word: 不管建国, 也许建国, 宋江大喜."""
_COUNTS = words.MEASURES - {"名"}
_WHOSE = "你我他她咱您"
"""Whose kin somebody is, before a form of address: 你珠大嫂子."""
_GIVEN_TITLES = tuple(words.TITLES_AFTER_GIVEN)
_RANKED_TITLES = (*_GIVEN_TITLES, *(rank + t for rank in words.RANKED for t in _GIVEN_TITLES if t != "儿"))
"""Titles after a character of a given name, with a rank (二爷) or without."""
_NOT_GIVEN = (
    words.BEFORE_KIN
    | words.RANKED
    | words.MODIFIERS
    | words.DETERMINERS
    | words.NEVER_IN_NAMES
    | words.UNLIKELY_NAME_ENDS
)
GIVEN = 1.5
"""Weight of a word from which on nearness alone makes no given name of it."""
TELLING, SOME_TELL = 0.3, 0.05
"""Least share of the places of a given name that tell a person; and where what stands beside it does, too."""
STRANGE, COUNTED = 0.02, 0.05
"""Most share of the places of a given name behind another surname, and behind a measure word."""
CHAPTER = 4_000
"""Most characters from where somebody is introduced by a full name to where a form of address goes on."""


class AliasResolver(RareAliases):
    """Resolves the aliases of one book."""

    def resolve(self) -> dict[str, list[str]]:
        """Return canonical name → all names of that person, the most frequent first."""
        self._join_foreign_names()
        self._join_courtesy_names()
        self._join_own_titles()
        self._join_epithets()
        self._join_quoted_epithets()
        self._join_court_ranks()
        self._join_conferred_ranks()
        self._join_nicknames()
        self._join_with_surnames()
        self._join_heads()
        self._join_longer_forms()
        self._join_proper_names()
        self._short_forms = self._given_characters()
        family_ranks, wives = self._family_ranks(), self._forms_of_wives()
        self.co_occurrence = self._locate((*family_ranks, *wives, *ELDERS))
        self._sexes = Sexes(self.text, self.offsets)
        self._join_given_names()
        self._join_given_titles()
        self._join_given_characters()
        self._join_addresses()
        self._join_appositive_titles()
        self._join_wives()
        self._join_wives_forms(wives)
        self._join_family_ranks(family_ranks)
        self._join_ranks_of_surnames()
        self._join_elders()
        self._join_surname_titles()
        self._join_rare_titles()
        self._join_only_bearers()
        self._join_bare_titles()
        self._join_given_names(rare=True)
        self._join_called_characters()
        self._join_rare_addresses()
        self._join_sole_bearers()
        self._join_introduced()  # last: 何大夫, who is near 岚姐, is not she
        counts = {n: self._times((n,)) for n in self.counts if n not in self.dropped}
        counts = {n: count for n, count in counts.items() if count}  # not only within longer names
        return self.clusters.persons(counts, self._canonical_rank)

    @cached_property
    def _spoken(self) -> SpokenNames:
        named = dict.fromkeys((*self.counts, *self.addresses))
        return SpokenNames(self.text, self.offsets, {n: self.clusters.root(n) for n in named})

    # --- by co-occurrence ---

    def _locate(self, more: Iterable[str]) -> CoOccurrence:
        tables = (self.addresses, self.given_names)
        forms = [form for table in tables for pair in table.items() for form in pair]
        titles = {*map(title_of, self.counts), *map(head_of, self.counts)}
        forms += [t for t in titles if len(t) > 1]
        self.offsets = {n: array("I") for n in (*self.counts, *forms, *self._short_forms, *more)}
        for start, name in self._bigrams.find_all(self.offsets):
            self.offsets[name].append(start)
        ends = sentence_ends(self.text, speech=True)  # 甲看着乙：“乙先生，…” names 乙 twice, not two people
        return CoOccurrence(self.clusters, self.offsets, ends, WINDOW)

    def _join_given_names(self, *, rare: bool = False) -> None:
        """晓雯 is 周晓雯 if no other name of the book ends so, and 周晓雯 is mentioned nearby.

        ``rare``: those that are seldom beside it or may be words, if they stand where names stand.
        """
        bearers = Counter(self.given_names.values())
        alone = self._stands_alone if rare else self._is_always_near
        for full, given in self.given_names.items():
            new = given not in self.clusters.names_of(full)
            one = new and bearers[given] == 1 and self._shares_surname(full, given)
            if one and alone(given, full):
                self._join_located(full, given, "名")

    def _is_always_near(self, given: str, full: str) -> bool:
        word = self._classifier.common_words.get(given, 0.0) >= GIVEN
        return not word and self.co_occurrence.coverage((given,), full) >= 0.6

    def _stands_alone(self, given: str, full: str) -> bool:
        """Whether a given name stands for its bearer: no 山岳 that are mountains, no 瞎子 who is blind.

        Enough of its places tell a person, or what stands beside it does; either is near the other.
        """
        places = self.offsets[given]
        sides = self._sides(given, places)
        strange = share_of(sides.left, _OTHERS) > STRANGE or share_of(sides.left, _COUNTS) > COUNTED
        if not places or strange:
            return False
        word = self._classifier.common_words.get(given, 0.0)
        told = len(telling(self.text, places, len(given)))
        if told <= word:
            told = 0
        near = self.co_occurrence.nearest_votes((given,), (full,), AROUND)[0].total() >= 0.5 * len(places)
        if not near and (told < SOME_TELL * len(places) or not self._has_beside(full, given)):
            return False
        likely = min(self._classifier.left_score(sides), self._classifier.right_score(sides)) >= 0
        return likely or told >= max(1, TELLING * len(places))

    def _has_beside(self, full: str, given: str) -> bool:
        """Whether a full name that is seldom told is told where the given name is."""
        return self.co_occurrence.coverage((full,), (given,)) >= NEARBY

    def _given_characters(self) -> dict[str, set[str]]:
        """Return a character and a title (明哥, 云二爷), or it twice (明明) → full names that have it."""
        bearers: dict[str, set[str]] = defaultdict(set)
        surnames = set(words.SURE_SURNAMES)
        for name in self.counts:
            if name[1:] in words.TITLES_AFTER_GIVEN:
                bearers[name[0]].add(name)
            elif not (titled_surname(name) or head_of(name) or name.endswith(_GIVEN_TITLES)):
                surnames.add(surname_of(name))
                for char in given_of(name):
                    bearers[char].add(name)
        for char in surnames | _NOT_GIVEN:
            bearers.pop(char, None)
        forms = {char + title: names for char, names in bearers.items() for title in self._titles_after(char)}
        return {
            form: names
            for form, names in forms.items()
            if form in self.counts or form[0] == form[1:] or not (is_role(form) or form in self._common)
        }

    @cached_property
    def _titles_from(self) -> dict[str, list[str]]:
        """First character → the titles that begin with it, of those that the book has often enough."""
        found: dict[str, list[str]] = defaultdict(list)
        for title in _RANKED_TITLES:
            if len(title) == 1 or self._max_count(title) >= FEW:
                found[title[0]].append(title)
        return found

    def _titles_after(self, char: str) -> list[str]:
        """The titles that stand behind a character, if some do often enough, and the character itself."""
        counts = list(self._bigrams.counts(char + start for start in self._titles_from))
        starts = compress(self._titles_from, counts if max(counts, default=0) >= FEW else ())
        titles = [title for start in starts for title in self._titles_from[start]]
        return [*titles, char] if self._is_called_twice(char) else titles

    def _is_called_twice(self, char: str) -> bool:
        """Whether the character twice is somebody who speaks: not 静静, 快快, 渐渐."""
        doubled = self._classifier.candidates.get(char + char)
        return (
            doubled is not None
            and doubled.speaks > 0
            and self._classifier.common_words.get(char * 2, 0.0) < 2
        )

    def _join_given_characters(self) -> None:
        """明哥 is 周志明, the only man near whose given name has 明, unless both are met in a sentence; then
        so are 明弟 and 明大叔, however seldom."""
        for form, roots in self._free_short_forms():
            if self._stands_as_name(form):
                alone = len(roots) == 1
                least = 0.3 if alone else 0.6
                self._join_only(form, [r for r in roots if self._may_be(form, r, least, alone=alone)])
        called: dict[str, set[str]] = defaultdict(set)  # a character → whom forms of address call by it
        for form in self._short_forms:
            if len(self.clusters.names_of(form)) > 1:
                called[form[0]].add(self.clusters.root(form))
        for form, roots in self._free_short_forms():
            if form not in self.counts and (form[-1] != "儿" or len(roots) == 1):
                known = called[form[0]].intersection(roots)
                whole = len(form) > 2 or self._stands_as_name(form, few=1)
                self._join_only(form, [r for r in known if whole and self._may_be(form, r, EVER)])

    def _join_introduced(self) -> None:
        """何熙岚 is 岚姐 who is told of from then on: the only full name that ends so, and a rarer one.

        若岚 is 小岚, if no other name at all ends so.
        """
        only = self._only_by_last_character(filter(is_full, self.counts))
        for form in sorted(self._short_forms.keys() & self.counts.keys()):
            person = only.get(form[0], "")
            rarer = person and self._times(self.clusters.names_of(person)) < self._times((form,))
            if rarer and self._is_introduced(person, form):
                self.clusters.join(person, form, "名与称")
        familiar = [
            n for n in self.counts if len(n) == 2 and n[0] in "阿小" and n[1] not in words.SURE_SURNAMES
        ]
        only = self._only_by_last_character(self.counts.keys() - familiar)
        for form in familiar:
            if (person := only.get(form[1], "")) and self._is_introduced(person, form):
                self.clusters.join(person, form, "名与称")

    def _is_introduced(self, person: str, form: str) -> bool:
        """Whether a form of address begins where its full name is told."""
        short = self.clusters.names_of(form)
        places = self._places(self.clusters.names_of(person))
        first = min(self._places(short), default=0)
        before = bisect_left(places, first)
        return (
            before >= FEW
            and first - places[before - 1] <= CHAPTER
            and all(name in self._short_forms or name == form for name in short)
            and self._may_be(form, person, 0.0)
        )

    def _free_short_forms(self) -> Iterator[tuple[str, list[str]]]:
        """Yield the forms that are joined with nobody yet, and who has that character.

        莺儿 of several is a name by itself.
        """
        for form, names in sorted(self._short_forms.items()):
            if self.offsets[form] and self.clusters.names_of(form) == [form]:
                roots = sorted({self.clusters.root(name) for name in names} - {form})
                if len(roots) == 1 or form[-1] != "儿" or form not in self.counts:
                    yield form, roots

    def _join_only(self, form: str, fitting: Sequence[str]) -> None:
        """Join a form with the only one whom it fits."""
        if len(fitting) == 1:
            self._join_located(fitting[0], form, "名与称")

    def _stands_as_name(self, form: str, *, few: int = FEW) -> bool:
        """Whether a form of address is used often enough, and what precedes it precedes names."""
        places = self.offsets[form]
        return len(places) >= few and self._left_score(form, places) >= ADDRESS

    def _left_score(self, form: str, places: Collection[int]) -> float:
        sides = self._sides(form, places)
        for whose in _WHOSE:
            del sides.left[whose]
        return self._classifier.left_score(sides)

    def _canonical_rank(self, name: str) -> tuple[bool, bool, bool, bool, int, str]:
        """Full names first, those that are no surname + courtesy name or title; then the more frequent."""
        titled = titled_surname(name) or given_of(name) in words.TITLES_AFTER_GIVEN
        full = bool(surname_of(name)) and not titled
        given = given_of(name) not in self.courtesy and name not in self.courtesy
        # 辛 is a surname, but 辛岚 is 顾辛岚.
        whole = name not in map(given_of, self.clusters.names_of(name))
        return not is_role(name), full, given, whole, self.counts[name], name
