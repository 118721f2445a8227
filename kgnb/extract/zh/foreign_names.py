"""Transliterated names of a Chinese text: 托马斯, 安娜·卡列尼娜, 奥尔洛夫伯爵.

They are runs of the few hundred characters that write foreign sounds. A dot joins the parts of a full name;
titles follow a part. The English twin has no such names: there every name begins with a capital letter.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Collection, Container, Iterable, Iterator, Mapping

from kgnb.extract.word_search import trie_pattern
from kgnb.extract.zh import vocabulary as words
from kgnb.extract.zh.surnames import is_role

_DOTS = "·•・‧"
_SOUNDS = "".join(sorted(words.FOREIGN_SOUNDS | words.OTHER_SOUNDS))
_RUN = re.compile(f"[{_SOUNDS}]{{2,8}}")
# A surname only behind a first name: 玛格丽特·陈, not 唐·李白.
_SURNAME = f"(?<=[{_SOUNDS}]{{2}}[{_DOTS}])[{''.join(sorted(words.COMMON_SURNAMES))}]"
_PART = f"(?:[A-Z]|[{_SOUNDS}]{{1,8}}|{_SURNAME})"
_DOTTED = re.compile(f"{_PART}(?:[{_DOTS}]{_PART}){{1,5}}")
_PARTS = re.compile(f"[{_DOTS}]")
_OF_WOMEN = ("夫人", "太太", "小姐", "女士")

LONG = 3
"""Characters from which a run of sounds is hardly ever a word or a Chinese name."""
TRANSLATED = 2_000
"""Most characters of text for each long or full name (three at least) of a book with foreign characters, in
which shorter runs are names too."""
_WORDS = words.FOREIGN_TITLES | {"马上", "特别", "基本"}
"""Words whose first character is a sound too."""


class ForeignNames:
    """The transliterated names of one book; which of them are persons' is for others to say."""

    def __init__(self, text: str, speaking: Container[str] = ()) -> None:
        self.full = _most_frequent_ends(Counter(_DOTTED.findall(text) if _PARTS.search(text) else ()))
        """Full name with dots → occurrences."""
        parts = {part for name in self.full for part in _PARTS.split(name) if len(part) > 1}
        runs = Counter({run: n for run, n in _runs(text).items() if n >= 2 or run in parts})
        known = {run for run in runs if len(run) >= LONG and _sounds_foreign(run)}
        occurrences = self.full.total() + sum(runs[run] for run in known)
        self.is_translated = occurrences >= max(3, len(text) / TRANSLATED)
        known |= parts
        if self.is_translated:
            known |= {run for run in runs if _sounds_foreign(run) or run in speaking}
        self.bare = {run for run in known if run in runs and not is_role(run)}
        """Parts of names, and names without a dot, that stand alone."""
        self.titled = _with_titles(text, self.bare | parts)
        """Name with its title → the name."""

    def names(self) -> set[str]:
        """Return the transliterated names of all forms: full (汤姆·索亚), with a title (索亚先生), and their
        parts (汤姆).
        """
        return self.bare | self.full.keys() | self.titled.keys()

    def certain(self, persons: Container[str], counts: Mapping[str, int], least: int) -> list[str]:
        """Return the full names, then the names with a title, that are surely persons'.

        A full name is if it occurs at least ``least`` times, or one of its parts is in ``persons``; a name
        with a title likewise, or if its part belongs to such a full name. ``counts``: name → occurrences.
        """
        found = [
            name
            for name in self.full
            if counts.get(name, 0) >= least or any(part in persons for part in _PARTS.split(name))
        ]
        known = {part for name in found for part in _PARTS.split(name)}
        found += [
            name
            for name, bare in self.titled.items()
            if counts.get(name, 0) >= least or bare in persons or bare in known
        ]
        return found

    def within(self, names: Iterable[str], counts: Mapping[str, int]) -> Counter[str]:
        """Return string → how often it occurs only as a part of one of ``names``: {"汤姆": 5, "姆·索": 5, …}
        for 汤姆·索亚 with 5 occurrences.

        A string within several names has their sum. ``counts``: name → occurrences.
        """
        found: Counter[str] = Counter()
        for name in names:
            pieces = {name[a:b] for a in range(len(name)) for b in range(a + 2, len(name) + 1)} - {name}
            found.update(dict.fromkeys(pieces, self.full.get(name) or counts[name]))
        return found

    def joins(self, accepted: Iterable[str]) -> Iterator[tuple[str, str]]:
        """Yield (longer name, shorter name) of one person, among ``accepted`` names: (汤姆·索亚, 汤姆),
        (索亚, 索亚先生).

        A part that several full names have (a family name) is joined with none of them. A woman's title with
        a family's name (索亚太太) is not joined, since the name is her husband's or father's.
        """
        known = set(accepted)
        initials = _initials(known.intersection(self.full))
        for short, full in initials.items():
            yield full, short
        bearers = _bearers(self.full.keys() - initials.keys(), known)
        families = {part for part, fulls in bearers.items() if any(full.endswith(part) for full in fulls)}
        families |= {bare for titled, bare in self.titled.items() if not titled.endswith(_OF_WOMEN)}
        for part, fulls in bearers.items():
            if part in known and len(fulls) == 1:
                yield min(fulls), part
        for titled, bare in self.titled.items():
            if titled not in known or (titled.endswith(_OF_WOMEN) and bare in families):
                continue
            fulls = bearers.get(bare, set())
            if bare in known and len(fulls) < 2:
                yield bare, titled
            elif len(fulls) == 1:
                yield min(fulls), titled


def _initials(names: Collection[str]) -> dict[str, str]:
    """Return abbreviated full name (德·布莱克) → the only full name that it may stand for."""
    alike: dict[tuple[str, str], list[str]] = defaultdict(list)
    for name in names:
        alike[name[0], _PARTS.split(name)[-1]].append(name)
    pairs = (sorted(group, key=lambda n: n[1] not in _DOTS) for group in alike.values() if len(group) == 2)
    return {short: full for short, full in pairs if short[1] in _DOTS and full[1] not in _DOTS}


def _bearers(full: Iterable[str], known: set[str]) -> dict[str, set[str]]:
    """Return part, or name of several parts in a row → the longest full names that contain it."""
    names = {tuple(_PARTS.split(n)): n for n in full if n in known}
    rows = {parts: _rows(parts) for parts in names}
    shorter = {row for found in rows.values() for row in found}
    found: dict[str, set[str]] = defaultdict(set)
    for parts, name in names.items():
        for row in rows[parts] if parts not in shorter else ():
            if len(row) == 1 or row in names:
                found[row[0] if len(row) == 1 else names[row]].add(name)
    return found


def _rows(parts: tuple[str, ...]) -> list[tuple[str, ...]]:
    """Return all runs of neighbouring parts, without the run of all parts: (a, b) → [(a,), (b,)]."""
    ends = range(1, len(parts) + 1)
    return [parts[a:b] for b in ends for a in range(b) if b - a < len(parts)]


def _with_titles(text: str, names: set[str]) -> dict[str, str]:
    """Return name with a title → the name, for those that occur: {"索亚先生": "索亚"}."""
    if not names:
        return {}
    pattern = re.compile(f"({trie_pattern(names)})({trie_pattern(words.FOREIGN_TITLES)})")
    return {match[0]: match[1] for match in pattern.finditer(text)}


def _sounds_foreign(run: str) -> bool:
    """Return whether at least half of the characters are those that write foreign sounds, and the first two
    differ.
    """
    return 2 * sum(char in words.FOREIGN_SOUNDS for char in run) >= len(run) and run[0] != run[1]


def _runs(text: str) -> Counter[str]:
    """Return run of foreign sounds without a dot beside it → occurrences."""
    found: Counter[str] = Counter()
    for match in _RUN.finditer(text):
        start, end = match.span()
        after = text[end : end + 1]
        if (start and text[start - 1] in _DOTS) or (after and after in _DOTS):
            continue
        if text[end - 1 : end + 1] in _WORDS:
            end -= 1  # 沃龙佐夫|夫人, 安娜|马上
        if end - start > 1:
            found[text[start:end]] += 1
    return _most_frequent_ends(found)


def _most_frequent_ends(counts: Counter[str]) -> Counter[str]:
    """Return the counts with those of a longer form added to a more frequent shorter form (one or two sounds
    less).
    """
    found: Counter[str] = Counter()
    for name, n in counts.items():
        shorter = [name[:-1], name[:-2], name[1:]]
        best = max(shorter, key=lambda s: counts[s] if len(s) > 1 else 0)
        found[best if len(best) > 1 and counts[best] > n else name] += n
    return found
