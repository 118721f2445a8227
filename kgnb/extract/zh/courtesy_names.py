"""Aliases that a Chinese book states itself: courtesy names (字) and epithets (号, 人称)."""

from __future__ import annotations

import operator
import re
from array import array
from collections import Counter, defaultdict

from kgnb.extract.generic_words import is_generic
from kgnb.extract.name_clusters import NameClusters
from kgnb.extract.zh import vocabulary as words
from kgnb.extract.zh.names import NameClassifier
from kgnb.extract.zh.script import HAN, is_han
from kgnb.extract.zh.surnames import given_of, is_role, sure_surname, surname_of, titled_surname

_INTRODUCTION = re.compile(
    rf"姓([{HAN}]{{1,2}})[，,]?(?:单)?名(?:叫|唤|唤作|叫做)?([{HAN}]{{1,2}}?)[，,；;]?表?字([{HAN}]{{2}})"
)
_COURTESY = re.compile(rf"字([{HAN}]{{2}})(?![{HAN}])(?:[，,]?后?改(?:字|为)?([{HAN}]{{2}})(?![{HAN}]))?")
_EPITHET = re.compile(
    rf"(?:，[{HAN}]{{0,8}}都[叫称喊唤][他她]|,[{HAN}]{{0,8}}都[叫称喊唤][他她]|管[他她]叫|江湖人称|人称之为|人称|别号|道号|绰号|外号|诨名|诨号|浑名|小名"
    rf"|乳名|小字|法号|法名|人送外号)(?:唤做|唤作|叫做|叫作|叫|为|曰|作)?[“「『]?"
    rf"(?P<alias>[{HAN}]{{2,5}})(?![{HAN}])"
)
_QUOTED_EPITHET = re.compile(rf"[“「『](?<=[{HAN}].)([{HAN}]{{2,6}})[”」』](?=[{HAN}])")
_COURT_RANK = re.compile(rf"(?:王爷|王|妃|嫔|贵妃|贵人|公主|郡王|郡主|亲王)(?=[{HAN}]{{2}})")
_NO_RANKS = words.NEVER_IN_NAMES | words.MODIFIERS | words.BEFORE_KIN | {"今"}
_PROPER_NAME = re.compile(
    rf"(?:大名|学名|官名|真名|本名|全名|原名|俗名|闺名|芳名|名叫|名唤|名字|叫)(?:叫做|叫作|叫|是|为)?[“「『]?([{HAN}]{{2,4}})(?![{HAN}])"
)
_TOPIC = re.compile(
    rf"(?<=[。！？\n”」])([{HAN}]{{2,4}}?)是((?:[他她]们?的)?[^。！？“”「」\n他她其有姓]*[，；,;])$"
)
_NAMED = re.compile(rf"姓([{HAN}]{{1,2}})[，,]?[双单]?名(?:叫|唤)?([{HAN}]{{1,2}})[，,][^。！？“”「」\n]*$")
# The clause before 字 or 人称, searched in the few characters before it: over the whole text it is slow.
_BEARER = re.compile(rf"([{HAN}]{{1,6}}?)(?:[本原]姓[{HAN}]{{1,2}})?[，,：:；;]?表?$")

PASSAGE = 150
"""Most characters between a full name and what everybody calls its bearer."""


class StatedAliases:
    """The names of one book, and the joins that its text states. Base of :class:`~.aliases.AliasResolver`."""

    def __init__(self, text: str, classifier: NameClassifier) -> None:
        persons = classifier.persons()
        self.text = text
        self._bigrams = classifier.bigrams
        self._classifier = classifier
        self._common = classifier.common_words.keys() | classifier.known_places
        self.counts = {name: c.count for name, c in persons.items()}
        self.addresses = classifier.addresses(persons)
        self.given_names = classifier.given_names(persons)
        self.clusters = NameClusters(self.counts)
        self.courtesy: set[str] = set()
        self.dropped: set[str] = set()
        self.offsets: dict[str, array[int]] = {}

    def _join_courtesy_names(self) -> None:
        """姓何名恭字子安 and 程勇，字伯远; a courtesy name claimed for several goes to one of them."""
        claims: dict[str, Counter[str]] = defaultdict(Counter)
        introduced: dict[int, str] = {}  # offset of the courtesy name's end → full name
        for match in _INTRODUCTION.finditer(self.text):
            surname, given, courtesy = match.groups()
            claims[courtesy][surname + given] += 1
            introduced[match.end(3)] = surname + given
        for match in _COURTESY.finditer(self.text):
            full = introduced.get(match.end(1)) or self._bearer_before(match.start())
            for courtesy in (match[1], match[2]):
                if full and courtesy:
                    claims[courtesy][full] += 1
        claimed = ((full, surname_of(full) + courtesy) for courtesy in claims for full in claims[courtesy])
        self._bigrams.find(name[:2] for names in claimed for name in names)  # in one pass
        for courtesy, fulls in claims.items():
            self._join_courtesy_name(courtesy, fulls)

    def _join_courtesy_name(self, courtesy: str, fulls: Counter[str]) -> None:
        """Its bearer: who is most often called surname + courtesy name, then who is mentioned most."""

        def weight(full: str) -> tuple[int, int]:
            surname = surname_of(full)
            return self._count(surname + courtesy) if surname else 0, self._count(full)

        full = max(fulls, key=weight)
        if self._count(full) < 2:
            return
        self.courtesy.add(courtesy)
        self._join(full, courtesy, "字")
        if surname_of(full):
            self._join(full, surname_of(full) + courtesy, "字")

    def _join_own_titles(self) -> None:
        """何若棠何小姐: a full name, and the form of address that the text goes on with."""
        bearers = defaultdict[str, set[str]](set)
        for full, form in self._classifier.told.titled:
            if full in self.counts:
                bearers[form].add(full)
        for form, (full, *others) in bearers.items():
            if not others:
                self._join(full, form, "称")

    def _join_epithets(self) -> None:
        """人称, 号, 小名: what else the text says someone is called."""
        for match in _EPITHET.finditer(self.text):
            alias = match["alias"]
            full = self._called_so(match.start(), alias)
            if match[0][0] in "，," and not (alias in self.counts or titled_surname(alias)):
                continue  # an order: 大家都叫他快来
            if full and alias not in words.TITLES:
                self._join(full, alias, "号")
                if alias.endswith("先生") and len(alias) > 3:
                    self._join(full, alias.removesuffix("先生"), "号")

    def _called_so(self, at: int, alias: str) -> str:
        """The full name of whom the words at a place call by an alias."""
        callers = self.text[at] in "，,管"  # before it stands who calls: 何慧管他叫“老陈”
        full = "" if self.text[at] == "管" else self._bearer_before(at) or self._topic(at)
        return full or (self._namesake_before(at, alias) if callers else "")

    def _namesake_before(self, at: int, alias: str) -> str:
        """The last full name before that has the surname of a form of address: 何慧芳，…，都叫她何老师."""
        surname = titled_surname(alias) or sure_surname(alias)
        places = range(at - 2, max(-1, at - PASSAGE), -1) if surname else ()
        found = (self._name_at(place) for place in places if self.text.startswith(surname, place))
        return next((name for name in found if name and not titled_surname(name)), "")

    def _join_quoted_epithets(self) -> None:
        """总镖头“铁臂金刀”何恭, 正是“铁臂金刀”何恭: what is quoted between a role and a name."""
        for match in _QUOTED_EPITHET.finditer(self.text):
            before = self.text[max(0, match.start() - 3) : match.start()]
            if before[-1] not in "是乃" and not any(is_role(before[at:]) for at in range(len(before) - 1)):
                continue
            full = self._name_at(match.end())
            if full and surname_of(full) and match[1] not in words.TITLES:
                self._join(full, match[1], "号")

    def _join_court_ranks(self) -> None:
        """睿王何恭, 靖安王何恭: a rank with its own name that stands before one full name, and also alone."""
        bearers: dict[str, set[str]] = defaultdict(set)
        for match in _COURT_RANK.finditer(self.text):
            full = self._name_at(match.end())
            if not full or not surname_of(full):
                continue
            for at in range(max(0, match.start() - 2), match.start()):
                fief = self.text[at : match.start()]
                if is_han(fief) and _NO_RANKS.isdisjoint(fief) and self._may_begin(at):
                    bearers[fief + match[0]].add(self.clusters.root(full))
        for rank, roots in bearers.items():
            own = not (is_generic(rank) or is_role(rank) or rank in self.counts)
            if own and len(roots) == 1 and self._count(rank) >= 3:
                self._join(next(iter(roots)), rank, "称")

    def _may_begin(self, at: int) -> bool:
        """Whether a rank may begin at a place: a clause does, or what says who it is (正是睿王何恭)."""
        before = self.text[max(0, at - 1) : at]
        return not is_han(before) or before in "是乃的封了为今"

    def _join_proper_names(self) -> None:
        """黑牛的大名何守田: what somebody with a nickname is called in full, at the end of a clause."""
        for match in _PROPER_NAME.finditer(self.text):
            full, at = match[1], match.start()
            if not surname_of(full):
                continue
            bearer = self._bearer_before(at - (self.text[at - 1 : at] == "的"))
            bearer = bearer or self._titled_before(at) or self._topic(at)
            if bearer:
                root = self.clusters.root(bearer)
                surname = titled_surname(root)
                named = not (surname or surname_of(root) or match[0][0] == "叫")
                if surname == surname_of(full) or named:
                    self._join(full, bearer, "号")
                    if len(given_of(full)) == 2:
                        self.given_names[full] = given_of(full)

    def _titled_before(self, at: int) -> str:
        """The surname and title that end before ``at``, hardly ever used: 这位左大人名唤左秉忠."""
        at -= self.text[at - 1 : at] == "，"
        found = (self.text[max(0, at - n) : at] for n in (4, 3))
        return next((form for form in found if titled_surname(form)), "")

    def _count(self, name: str) -> int:
        """Occurrences of a name; the bigram counts spare most searches."""
        if name in self.counts:
            return self.counts[name]
        n = self._max_count(name)
        if not n or len(name) < 3:
            return n
        return sum(self.text.startswith(name, at) for at in self._bigrams.offsets((name[:2],)))

    def _max_count(self, name: str) -> int:
        """Upper bound of a name's occurrences: those of its rarest bigram."""
        return min(self._bigrams.counts(map(operator.add, name, name[1:])), default=1)

    def _join(self, full: str, alias: str, reason: str) -> None:
        """Join two names that the text has; both are names of it from then on."""
        counts = {name: self._count(name) for name in (full, alias)}
        if all(counts.values()):
            self.counts.update(counts)
            self.clusters.join(full, alias, reason)

    def _topic(self, at: int) -> str:
        """The accepted name that begins a sentence about nobody else (何恭是账房，外号铁算盘), or told
        (这人姓何，名恭，…，外号铁算盘)."""
        before = self.text[max(0, at - 60) : at]
        if named := _NAMED.search(before):
            return named[1] + named[2]
        topic = _TOPIC.search(before)
        if not topic or not (topic[1] in self.counts or titled_surname(topic[1])):
            return ""
        said = topic[2].rpartition("的")[2]  # 何恭是周武的师弟，外号铁算盘
        others = (said[i : i + n] in self.counts for i in range(len(said)) for n in (2, 3, 4))
        return "" if any(others) else topic[1]

    def _name_at(self, at: int) -> str:
        """The accepted name that begins at a place, if one does."""
        found = (self.text[at : at + n] for n in (4, 3, 2))
        return next((name for name in found if name in self.counts), "")

    def _bearer_before(self, at: int) -> str:
        """The accepted full name that ends before ``at``; for 名X the one nearby whose given name is X."""
        bearer = _BEARER.search(self.text[max(0, at - 8) : at])
        clause = bearer[1] if bearer else ""
        for size in (4, 3, 2):
            if clause[-size:] in self.counts and len(clause) >= size:
                return clause[-size:]
        _, named, given = clause.rpartition("名")
        if not named or not given:
            return ""
        near = self.text[max(0, at - 200) : at + 400]
        fitting = [n for n in self.counts if given_of(n) == given and surname_of(n) and n in near]
        return max(fitting, key=lambda n: (near.count(n), self.counts[n]), default="")
