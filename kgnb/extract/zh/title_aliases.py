"""Titles that one person of a Chinese book bears: 县令何恭, 封何恭为越王, and 行者 where there is only one.

A title passes on (魏主曹睿, 魏主曹芳): what the text gives to several people names nobody.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict

from kgnb.extract.co_occurrence import CoOccurrence
from kgnb.extract.generic_words import is_generic
from kgnb.extract.zh import vocabulary as words
from kgnb.extract.zh.name_parts import FormAliases
from kgnb.extract.zh.script import HAN
from kgnb.extract.zh.surnames import head_of, is_role, surname_of, titled_surname

APART = 0.6
"""Most observed over expected shared sentences of two names of one person."""
NEARBY = 0.6
"""Least share of a title's passages that its bearer is near."""
SINCE = 0.9
"""Least share of a rank's mentions behind the place where it is conferred on the only one who has it."""
ALWAYS_NEAR = 0.8
"""The same of a title that others may bear too, or that is one of a surname's forms."""
MANY = 40
"""Most names of a person to whom the text gives one more."""
CLAUSE = 16
"""Characters before a rank in which the text says that it is not conferred."""
LEAST = 3
"""Fewest mentions of a rank that the text confers."""
TOLD_APART = 2.0
"""Shared sentences that are expected of a rank and whom it is given to once, for their absence to tell."""

# Branches begin with a character, not with a set: the search then skips what begins none of them.
_CONFERRED = re.compile(
    "(?:自[立称号]为?|进[位封]为?|受封为?|袭封为?|晋封为?|既为|已为|为)"
    f"(?P<rank>(?!.{{0,2}}之)[{HAN}]{{1,3}}[{''.join(sorted(words.RANK_ENDS))}])(?![{HAN}])"
)
_CONFERS = tuple("封立拜册尊奉晋")
_UNDONE = re.compile(f"[不未勿莫休若倘欲要想肯愿议请劝可拟][{HAN}]*$")  # 欲封何恭为越王
_OF_WIVES = ("夫人", "太太", "奶奶")


def title_of(name: str) -> str:
    """The title behind a surname: 公 of 何公; empty if there is none."""
    surname = titled_surname(name)
    return name[len(surname) :] if surname else ""


class TitleAliases(FormAliases):
    """The joins by titles. Base of :class:`~.aliases.AliasResolver`, which locates the names first."""

    co_occurrence: CoOccurrence

    def _join_appositive_titles(self) -> None:
        """县令何恭: a word before full names is joined with its one bearer; a title of several is dropped."""
        titles = [n for n in self.counts if not surname_of(n) or n[-1] in words.RANK_ENDS]
        fulls = {
            n
            for n in self.counts
            if surname_of(n) in words.SURE_SURNAMES
            and n not in self.courtesy
            and n[-1] not in words.RANK_ENDS
        }
        starts = {at: self.clusters.root(full) for full in fulls for at in self.offsets[full]}
        for title in titles:
            ends = (at + len(title) for at in self.offsets[title])
            after = Counter(starts[end] for end in ends if end in starts)
            if not after:
                continue
            (best, n), total = after.most_common(1)[0], after.total()
            if self.clusters.root(title) == best or any(n in fulls for n in self.clusters.names_of(title)):
                continue
            # One name before another twice in a book is a list of two, but for a rank.
            often = title[-1] in words.RANK_ENDS or n >= 0.05 * self.counts[title]
            company = self.co_occurrence
            apart = company.ratio(title, best, 0.0) < APART
            near = company.expected(title, best) < 1 or company.coverage((title,), best) >= NEARBY
            told = n >= 2 or (title[-1] in words.RANK_ENDS and company.expected(title, best) >= TOLD_APART)
            if told and n >= 0.6 * total and often and apart and near:
                self._join(best, title, "称")
            elif total >= max(3, 0.08 * self.counts[title]) and len(after) >= 2:
                self.dropped.add(title)

    def _join_wives(self) -> None:
        """雷夫人田氏 is one woman, by her husband's name and by her own family's."""
        for title in [n for n in self.counts if titled_surname(n) and n.endswith(_OF_WIVES)]:
            behind = {self._name_at(at + len(title)) for at in self.offsets[title]}
            own = {name for name in behind if name.endswith("氏")}
            if len(own) == 1 and self.co_occurrence.ratio(title, min(own), 0.0) < APART:
                self._join(title, own.pop(), "称")  # 顾夫人田氏等 are two who are always together

    def _join_conferred_ranks(self) -> None:
        """封何恭为越王, 何恭自立为越王: a rank of its own since; one that several get is nobody's name."""
        holders: dict[str, dict[str, int]] = defaultdict(dict)
        for match in _CONFERRED.finditer(self.text):
            before = self.text[max(0, match.start() - 6) : match.start()].removesuffix("遂")
            full = next((before[-n:] for n in (4, 3, 2) if before[-n:] in self.counts), "")
            done = not _UNDONE.search(self.text, max(0, match.start() - CLAUSE), match.start() - len(full))
            if full and done and (match[0][0] != "为" or before.removesuffix(full).endswith(_CONFERS)):
                holders[match["rank"]].setdefault(self.clusters.root(full), match.start("rank"))
        self._bigrams.find(rank[:2] for rank in holders)  # in one pass
        for rank, since in holders.items():
            if is_generic(rank) or is_role(rank) or self._count(rank) < LEAST:
                continue
            places = [at for at in self._bigrams.offsets((rank[:2],)) if self.text.startswith(rank, at)]
            named = {self._name_at(at + len(rank)) for at in places} - {""}
            others = set(map(self.clusters.root, named)) - since.keys()
            if others or len(since) > 1:
                self.dropped.add(rank)
                continue
            ((holder, begin),) = since.items()
            later = sum(at >= begin for at in places)
            new = self.clusters.root(rank) == rank and len(self.clusters.names_of(holder)) < MANY
            if new and later >= SINCE * len(places):
                self._join(holder, rank, "称")

    def _join_bare_titles(self) -> None:
        """行者 is 王行者 in a book in which hardly anybody else has that title."""
        bearers: dict[str, Counter[str]] = defaultdict(Counter)
        for name in self.counts:
            title = title_of(name) or head_of(name)
            if len(title) > 1 and title not in self.counts and not is_generic(title):
                bearers[title][self.clusters.root(name)] += self.counts[name]
        alone = self._classifier.with_neighbours(bearers)
        for title, roots in bearers.items():
            best, n = max(roots.items(), key=lambda i: (i[1], i[0]))
            total = alone[title].count
            apart = self.co_occurrence.ratio((title,), best, 9.0) < 0.7
            near = self.co_occurrence.coverage((title,), best) >= NEARBY
            dominant = n >= 0.8 * roots.total() and total - roots.total() >= n
            if apart and dominant and near:
                self.counts[title] = total
                self.clusters.join(best, title, "称")
