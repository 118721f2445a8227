"""Alias resolution for a Chinese book: which names are one person's, and why.

Joined are: a name and the courtesy name or epithet that the text states; a given name and surname + given
name; a title that mostly precedes one name; surname + title and its only possible bearer; and two names that
share passages but never a sentence. Kinship words and titles alone join nobody. The English twin has the same
steps for first names, surnames, titles and nicknames.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable

from kgnb.extract.co_occurrence import CoOccurrence
from kgnb.extract.generic_words import is_generic
from kgnb.extract.word_search import trie_pattern
from kgnb.extract.zh import vocabulary as words
from kgnb.extract.zh.courtesy_names import StatedAliases
from kgnb.extract.zh.names import Candidate
from kgnb.extract.zh.nicknames import Apposition
from kgnb.extract.zh.sentences import sentence_ends
from kgnb.extract.zh.surnames import given_of, surname_of, titled_surname

WINDOW = 800
"""Characters of a co-occurrence window: about a scene's page."""


class AliasResolver(StatedAliases):
    """Resolves the aliases of one book."""

    def resolve(self) -> dict[str, list[str]]:
        """Return canonical name → all names of that person, the most frequent first."""
        self._join_courtesy_names()
        self._join_epithets()
        self._join_nicknames()
        self._join_with_surnames()
        self.co_occurrence = self._locate()
        self._join_given_names()
        self._join_addresses()
        self._join_appositive_titles()
        self._join_surname_titles()
        self._join_exclusive_names()
        counts = {n: count for n, count in self.counts.items() if n not in self.dropped}
        return self.clusters.persons(counts, self._canonical_rank)

    def _join_nicknames(self) -> None:
        """黑旋风李逵: a word that stands before one person's name only, and alone as a name does."""
        fulls = {n: self.clusters.root(n) for n in self.counts if surname_of(n) and n not in self.courtesy}
        found = [
            nickname
            for nickname in Apposition(self._bigrams, fulls).nicknames()
            if self._can_be_nickname(nickname[0])
        ]
        alone = self._classifier.with_neighbours(w for w, _, _ in found)
        joined: set[str] = set()
        for word, full, n in found:
            if _parts(word) & joined or not self._behaves_as_name(alone[word], n):
                continue
            joined.add(word)
            self.counts.setdefault(word, alone[word].count)
            self._join(full, word, "绰号")

    def _behaves_as_name(self, word: Candidate, appositions: int) -> bool:
        """Whether a word stands before its bearer's name often enough, and what precedes it precedes names."""
        share, left = appositions / word.count, self._classifier.left_score(word)
        if len(word.name) == 2:
            return share >= 0.25 and left >= 0.2 and share < 1
        if share >= 0.5:
            return share < 1
        return share >= 0.1 and left >= -0.3 and word.name[-2:] not in words.TITLES

    def _can_be_nickname(self, word: str) -> bool:
        """Whether no part of the word is a name, a word for many people or grammar."""
        if _parts(word) & self.counts.keys() or is_generic(word) or not words.NEVER_IN_NAMES.isdisjoint(word):
            return False
        if word[-2:] in words.GENERIC or word[-1] in words.HOUSE_ENDS or word[-1] in words.UNLIKELY_NAME_ENDS - words.NUMERALS:
            return False
        return len(word) > 2 or word not in self._common

    # --- by the form of names ---

    def _join_with_surnames(self) -> None:
        """关云长 is 云长, 萧薰儿 is 薰儿: a bare name and the one full name that ends with it."""
        longer: dict[str, list[str]] = defaultdict(list)
        for name in self.counts:
            if surname_of(name) and len(given_of(name)) >= 2:
                longer[given_of(name)].append(name)
        for given, fulls in longer.items():
            if given in self.counts and len({self.clusters.root(f) for f in fulls}) == 1:
                self.clusters.join(fulls[0], given, "姓")
        for name in [n for n in self.counts if n[-1] == "儿" and n[:-1] in self.counts]:
            self.clusters.join(name[:-1], name, "儿")
        before: dict[str, Counter[str]] = defaultdict(Counter)
        for start, name in self._bigrams.find_all(n for n in self.counts if len(n) == 2):
            before[name][self.text[max(0, start - 2) : start]] += 1
        for name, chars in before.items():
            self._find_surname(name, chars)

    def _find_surname(self, name: str, before: Counter[str]) -> None:
        """Note surname + name where the text has it but no accepted name has."""
        surnames: Counter[str] = Counter()
        for chars, n in before.items():
            if chars in words.COMPOUND_SURNAMES:
                surnames[chars] += n
            elif chars[-1:] in words.COMMON_SURNAMES:
                surnames[chars[-1]] += n
        for surname, n in surnames.most_common(1):
            enough = n >= 3 and n >= 0.02 * before.total() and n >= 0.7 * surnames.total()
            if enough and surname != surname_of(name) and surname_of(name) not in words.COMMON_SURNAMES:
                self.with_surname[surname + name] = name

    # --- by co-occurrence ---

    def _locate(self) -> CoOccurrence:
        tables = (self.addresses, self.with_surname, self.given_names)
        forms = [form for table in tables for pair in table.items() for form in pair]
        self.offsets = {n: [] for n in (*self.counts, *forms, *self.borderline)}
        for start, name in self._bigrams.find_all(self.offsets):
            self.offsets[name].append(start)
        return CoOccurrence(self.clusters, self.offsets, sentence_ends(self.text), WINDOW)

    def _join_given_names(self) -> None:
        """晓雯 is 周晓雯 if no other name of the book ends so and 周晓雯 is mentioned nearby."""
        bearers = Counter(self.given_names.values())
        for full, given in self.given_names.items():
            taken = bearers[given] > 1 or given in self.courtesy or given in self.clusters.members
            if taken or len(self.offsets[given]) < 2:
                continue
            if self.co_occurrence.coverage((given,), full) >= 0.6:
                self.counts[given] = len(self.offsets[given])
                self.clusters.join(full, given, "名")

    def _join_addresses(self) -> None:
        """袁公路 and 公路: the person of the same surname who is near them but never in their sentence."""
        bearers = self._bearers()
        accepted = set(self.counts)
        forms = {**self.addresses, **self.with_surname}
        totals: Counter[str] = Counter()
        for form, bare in forms.items():
            totals[bare] += len(self.offsets[form])
        for form, bare in forms.items():
            others = bearers.get(surname_of(form), set()) - {form, bare}
            if bare in words.TITLES:
                if bare not in words.WIFE_TITLES and (best := self._nearby_bearer((form,), others)):
                    self._join_address(best, form)
            elif self._is_pair(form, bare, totals[bare]):
                # A courtesy name goes with a given name of one character; 林黛玉 and 林如海 are kin.
                others = {o for o in others if len(given_of(o)) == 1}
                best = self._nearby_bearer((form, bare), others)
                if best and bare not in self.courtesy:
                    self.courtesy.add(bare)
                    self._join_address(best, form)
                    self._join_address(best, bare)
                elif bare in accepted:
                    self._join_address(bare, form)

    def _join_address(self, person: str, form: str) -> None:
        self.counts[form] = len(self.offsets[form])
        self.clusters.join(person, form, "姓与互斥")

    def _is_pair(self, form: str, bare: str, total: int) -> bool:
        """Whether both may be one name with and without surname: no word that follows many surnames."""
        n, alone = len(self.offsets[form]), len(self.offsets[bare])
        free = all(len(self.clusters.names_of(w)) == 1 for w in (form, bare) if w in self.clusters.members)
        joined = any(w in self.counts and w not in self.clusters.members for w in (form, bare))
        return n >= 0.7 * total and alone >= 2 and n >= 0.02 * (n + alone) and free and not joined

    def _bearers(self) -> dict[str, set[str]]:
        """Surname → full names with it."""
        found: dict[str, set[str]] = defaultdict(set)
        for name in self.counts:
            if surname_of(name) and not titled_surname(name):
                found[surname_of(name)].add(name)
        return found

    def _nearby_bearer(
        self, names: tuple[str, ...], others: Iterable[str], max_ratio: float = 0.5, least: float = 0.4
    ) -> str:
        """Of a surname's bearers the one nearest to 60 % of ``names``, if it keeps out of their sentences.

        ``max_ratio``: observed over expected shared sentences; ``least``: fewest expected ones.
        """
        roots = sorted({self.clusters.root(o) for o in others})
        best, share = self.co_occurrence.nearest(names, roots, WINDOW)
        if share < 0.6 or self.co_occurrence.expected(names, best) < least:
            return ""
        return best if self.co_occurrence.ratio(names, best, 0.0) < max_ratio else ""

    def _exclusive_person(self, name: str, others: Iterable[str]) -> str:
        """The one person in half of ``name``'s windows, but hardly a sentence; empty if it is not clear."""
        near = self.co_occurrence
        roots = {self.clusters.root(o) for o in others} - {self.clusters.root(name)}
        roots = {r for r in roots if near.coverage(name, r) >= 0.5 and near.expected(name, r) >= 3}
        (best, person), *rest = sorted((near.ratio(name, r), r) for r in roots) or [(9.0, "")]
        ambiguous = bool(rest) and rest[0][0] < 2 * best + 0.05
        return person if best < 0.1 and not ambiguous else ""

    def _join_appositive_titles(self) -> None:
        """后主刘禅: a word before full names is joined with its one bearer; a title of several is dropped."""
        titles = {n for n in self.counts if not surname_of(n) or n[-1] in words.RANK_ENDS}
        fulls = {
            n
            for n in self.counts
            if surname_of(n) in words.SURE_SURNAMES and n not in self.courtesy and n not in titles
        }
        fulls |= self.borderline
        if not titles or not fulls:
            return
        followers: dict[str, Counter[str]] = defaultdict(Counter)
        for match in re.finditer(rf"({trie_pattern(titles)})({trie_pattern(fulls)})", self.text):
            followers[match[1]][self.clusters.root(match[2])] += 1
        for title, after in followers.items():
            (best, n), total = after.most_common(1)[0], after.total()
            if self.clusters.root(title) == best or any(n in fulls for n in self.clusters.names_of(title)):
                continue
            if n >= 2 and n >= 0.6 * total and self.co_occurrence.ratio(title, best, 0.0) < 0.6:
                self._count(best)
                self.clusters.join(best, title, "称")
            elif total >= max(3, 0.08 * self.counts[title]) and len(after) >= 2:
                self.dropped.add(title)

    def _join_surname_titles(self) -> None:
        """关公, 曹公, 林姑娘: surname + title, joined with the one bearer who is never in their sentence."""
        bearers = self._bearers()
        wives = tuple(words.WIFE_TITLES)
        for name in [n for n in self.counts if titled_surname(n) and not n.endswith(wives)]:
            # 关某 is how a person names himself: his own name in the sentence is no objection.
            max_ratio = 9.0 if name[-1] == "某" else 0.5
            names = tuple(self.clusters.names_of(name))
            others = bearers.get(titled_surname(name), set()) - set(names)
            if best := self._nearby_bearer(names, others, max_ratio, least=0.0):
                self.clusters.join(best, name, "姓与称")

    def _join_exclusive_names(self) -> None:
        """A bare name and a full one that share windows again and again, but never a sentence."""
        persons = {r: list(names) for r, names in self.clusters.members.items()}
        full = [r for r, names in persons.items() if any(surname_of(n) for n in names)]
        for root, names in persons.items():
            bare = not any(surname_of(n) for n in names)
            often = sum(self.counts.get(n, 0) for n in names) >= 20
            if bare and often and (best := self._exclusive_person(root, full)):
                self.clusters.join(best, root, "互斥")

    def _canonical_rank(self, name: str) -> tuple[bool, bool, int, str]:
        """Full names first, those that are no surname + courtesy name or title; then the more frequent."""
        full = bool(surname_of(name)) and not titled_surname(name)
        given = given_of(name) not in self.courtesy and name not in self.courtesy
        return full, given, self.counts[name], name


def _parts(word: str) -> set[str]:
    """All its substrings of two characters or more."""
    return {word[a:b] for a in range(len(word)) for b in range(a + 2, len(word) + 1)}
