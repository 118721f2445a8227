"""Who says a quotation of a Chinese chapter, and to whom, as far as the words beside it tell."""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Sequence
from functools import cached_property
from operator import attrgetter
from typing import NamedTuple

from kgnb.extract.patterns import Mention
from kgnb.extract.zh import vocabulary as words
from kgnb.extract.zh.narrator import is_narrators
from kgnb.extract.zh.sentences import ENDS, behind_last
from kgnb.extract.zh.sexes import Sexes

ADJACENT = 120
"""Most characters between two turns of a conversation."""
TURNS = 8
"""Most turns in a row that one person speaks."""
LONGEST_LINE = 1_000
"""Characters of a line before a place that are looked at: some texts have no line ends."""

_QUOTATION = re.compile("[“「『]([^“「『”」』\n]*)[”」』]")
_OPENERS = {"”": "“", "」": "「", "』": "『", "’": "‘"}
_MARK = re.compile("[“”「」『』‘’\n]")
_VERB = f"[{''.join(sorted(words.SPEECH_VERBS))}]"
_INTRODUCES = re.compile(f"(?:[：:]|{_VERB}[，,]?)$")
_SPOKE = re.compile(f"[^，。！？；：听闻见“”「」『』\n]{{0,8}}{_VERB}(?!完)")
_CLAUSE = re.compile("[^，。！？；：听闻见等没“”「」『』\n]{1,20}(?=[，。！？；])")
# Who starts at a word may be who hears it: “爹！”甲一愣.
_REACTS = re.compile("[愣怔惊吓震颤抖僵呆醒停]|[回抬扭转]过?起?[头身]|站住|心")
_PRONOUN = re.compile("[他她](?![的们家])")
_COLON = re.compile("[：:]")
_TOLD_OF = re.compile("[，,].*[他她]|[看听][见到]|声|有人")
_PRESENTS = re.compile("[正便就倒乃]是[^，。！？；：“”]{0,8}$")
_PLACED = re.compile("(?:一旁|旁边)?(?:[站坐躺跪蹲守缩靠走立倚趴][^，。！？；：的]{1,12})?的")
_CALLED = re.compile(
    "(?:[大小老二三]?[哥姐叔伯婶嫂爷弟妹兄]|先生|小姐|姑娘|同学)?[，。！？…、]+(?![他她这那就])"
)
_HEARS = re.compile(
    "(?:[对向朝跟问谓]着?|告诉|吩咐|[看望盯瞪]着|[拉拽扶抱搀护]着|一?把?[拉抱扶握抓拽护][住起过]了?|给|[看望]了[看望]|[看望瞪]了)$"
)
_BEFORE_SUBJECT = "。！？!?；，,”」』\n"
_ENDS_CLAUSE = re.compile("[，。！？；：\n]")
_SAME_TURN = 40
"""Most characters between two quotations of a line that are one person's."""


class Turn(NamedTuple):
    """A quotation; ``speaker`` and ``hearer`` where the text names them beside it; ``beside``: who else is
    the only one there; ``called``: whom alone the speaker calls by name."""

    start: int
    end: int
    speaker: Mention | None
    hearer: Mention | None
    beside: Mention | None = None
    called: Mention | None = None


class Conversation:
    """The turns of one chapter."""

    def __init__(self, text: str, people: Sequence[Mention], own: Sequence[Mention] = ()) -> None:
        """``people``: mentions in order of their offsets; ``own``: where a narrator says 我."""
        self.text, self.people, self._own = text, people, own
        self.starts = [m.start for m in people]
        """Offsets of the mentions."""
        self._turns: dict[int, Turn] = {}

    @cached_property
    def quotations(self) -> list[tuple[int, int]]:
        """Where the turns begin and end."""
        return [match.span() for match in _QUOTATION.finditer(self.text)]

    @cached_property
    def _openings(self) -> list[int]:
        return [start for start, _ in self.quotations]

    def turn(self, k: int) -> Turn:
        """Return the ``k``-th turn; of those before it only what may tell who speaks is read."""
        first = i = k
        while i >= first:
            if i not in self._turns:
                first = min(first, i - self._told_by(i))
            i -= 1
        for i in range(first, k + 1):
            if i not in self._turns:
                self._turns[i] = self._turn(i)
        return self._turns[k]

    @cached_property
    def sexes(self) -> Sexes:
        """Who is spoken of as of a man, who as of a woman."""
        offsets = defaultdict[str, list[int]](list)
        for mention in self.people:
            offsets[mention.form].append(mention.start)
        return Sexes(self.text, offsets, subjects=True)

    def narrator(self, place: int) -> Mention | None:
        """Return the narrator's last 我 before a place outside speech; None where nobody tells it."""
        k = bisect_left(self._own, place, key=attrgetter("start")) - 1
        if k < 0 or not self.is_told(place):
            return None
        quoted = _COLON.search(self.text, max(self._own[k].start, self._line(place)), place)  # 甲说：内人乙…
        return None if quoted else self._own[k]

    def at(self, place: int) -> int:
        """Return the number of the turn that holds a place; -1 for none, and in words that a turn quotes."""
        k = self.quotation_at(place)
        return k if k >= 0 and self._depth(place) <= 1 else -1

    def quotation_at(self, place: int) -> int:
        """Return the number of the turn that a place is in, or in words that it quotes; -1 for none."""
        k = self.last_before(place)
        return k if k >= 0 and place < self.quotations[k][1] else -1

    def last_before(self, place: int) -> int:
        """Return the number of the last turn that begins up to a place; -1 for none."""
        return bisect_right(self._openings, place) - 1

    def hearer(self, k: int) -> Mention | None:
        """Return to whom the ``k``-th turn is said: told there, or who speaks both before and after."""
        turn = self.turn(k)
        if turn.hearer or turn.called or turn.speaker is None:
            return turn.hearer or turn.called
        before, after = (self.neighbour(k, step, turn.speaker) for step in (-1, 1))
        one, other = (t.speaker if t else None for t in (before, after))
        return one if one and other and one.entry.name == other.entry.name else None

    def behind(self, place: int) -> int:
        """Return the number of the turn behind which a clause stands that holds a place; -1 for none."""
        k = self.last_before(place)
        end = self.quotations[k][1] if k >= 0 else 0
        near = k >= 0 and 0 <= place - end < _SAME_TURN
        return k if near and not _ENDS_CLAUSE.search(self.text, end, place) else -1

    def addressed(self, k: int) -> Mention | None:
        """Return whom the ``k``-th turn calls by name, or with whom the line or sentence behind it begins, if
        he answers."""
        turn = self.turn(k)
        answer = self.neighbour(k, 1, turn.speaker) if turn.speaker and not turn.called else None
        said = answer.speaker if answer else None
        return said if said and said.start - turn.end <= 1 else turn.called

    def is_told(self, place: int) -> bool:
        """Return whether a place is in no quotation."""
        return not self._depth(place)

    def _depth(self, place: int) -> int:
        """How many quotations its line opens and doesn't close up to a place, that included."""
        places, depths = self._depths
        k = bisect_right(places, place)
        return depths[k - 1] if k else 0

    @cached_property
    def _depths(self) -> tuple[list[int], list[int]]:
        """Offsets of quotation marks and line ends; how many quotations are open from each on."""
        places, depths, opened = [], [], ""
        for match in _MARK.finditer(self.text):
            opener = _OPENERS.get(match[0], match[0])
            opened = opened.partition(opener)[0] + (opener if match[0] == opener else "")
            opened = "" if opener == "\n" else opened
            places.append(match.start())
            depths.append(len(opened))
        return places, depths

    def neighbour(self, k: int, step: int, speaker: Mention) -> Turn | None:
        """Return the turn before (``step`` -1) or after (1) the ``k``-th that somebody else speaks."""
        for _ in range(TURNS):
            if not 0 <= k + step < len(self.quotations):
                return None
            one, other = sorted((k, k + step))
            if self.quotations[other][0] - self.quotations[one][1] > ADJACENT:
                return None
            k += step
            turn = self.turn(k)
            if turn.speaker is None or turn.speaker.entry.name != speaker.entry.name:
                return turn if turn.speaker else None
        return None

    def within(self, begin: int, end: int) -> Sequence[Mention]:
        """Return the mentions that begin in a part of the text."""
        return self.people[bisect_left(self.starts, begin) : bisect_left(self.starts, end)]

    def begins(self, place: int) -> int:
        """Return the number of the mention that begins at a place; -1 for none."""
        k = bisect_left(self.starts, place)
        return k if self.starts[k : k + 1] == [place] else -1

    def _line(self, place: int) -> int:
        """Where the line of a place begins, or what is looked at of it."""
        return behind_last(self.text, "\n", max(0, place - LONGEST_LINE), place)

    # --- one turn ---

    def _goes_on(self, k: int) -> bool:
        """Whether a turn is not the first of its line."""
        return k > 0 and self.quotations[k - 1][1] > self._line(self.quotations[k][0])

    def _first_of_line(self, k: int) -> int:
        """The first turn of the ``k``-th one's line."""
        while self._goes_on(k):
            k -= 1
        return k

    def _is_line(self, k: int) -> bool:
        """Whether a turn is a whole line."""
        start, end = self.quotations[k]
        return self._line(start) == start and self.text[end : end + 1] in ("\n", "")

    def _told_by(self, k: int) -> int:
        """How many turns before one may tell who speaks it: one on its line; of a line by itself those of the
        line before and one more."""
        if self._goes_on(k):
            return 1
        first = self._first_of_line(k - 1) if self._is_line(k) and self._follows(k) else k
        return k - max(0, first - 1) if first < k else 0

    def _turn(self, k: int) -> Turn:
        start, end = self.quotations[k]
        line = self._line(start)
        last = self._turns[k - 1] if self._goes_on(k) else None
        begin = last.end if last else line
        speaker, hearer, beside = self._introduced(k, line, begin, last)
        if speaker is None:
            speaker = self._behind(k, line)
        if speaker is None and last and self._is_of_speaker(last, start):
            speaker = last.speaker
        if speaker is None and self._is_line(k):
            speaker = self._answers(k)
        called = self._called(start, end)
        if called is None and last and speaker is not None and speaker is last.speaker:
            called = last.called
        if called and speaker and called.entry.name == speaker.entry.name:
            called = None
        return Turn(start, end, speaker, hearer, beside, called)

    def _called(self, start: int, end: int) -> Mention | None:
        """The only person whom a turn calls by name: “甲，过来。”, “过来，甲！”."""
        called = {m.entry.name: m for m in self.within(start, end) if self._is_called(m, start, end)}
        return next(iter(called.values())) if len(called) == 1 else None

    def _is_called(self, mention: Mention, start: int, end: int) -> bool:
        before = self.text[mention.start - 1]
        behind = _CALLED.match(self.text, mention.end)
        if behind is None or behind.end() > end:
            return False
        first, last = mention.start == start + 1, behind.end() >= end - 1
        ends = last or behind[0][-1] in "。！？"
        broken_off = self.text[end - 2] == "，"
        return (first and (broken_off or not last)) or (not first and before in "，！" and ends)

    def _introduced(
        self, k: int, line: int, begin: int, last: Turn | None
    ) -> tuple[Mention | None, Mention | None, Mention | None]:
        """Speaker, hearer and the only other person by the sentence before a quotation (甲对乙说：)."""
        end = self.quotations[k][0]
        said = self.text[begin:end]
        if not _INTRODUCES.search(said):
            return None, None, None
        begin = behind_last(self.text, ENDS, begin, end)
        named = self.within(begin, end)
        subjects = (m for m in reversed(named) if self._begins_clause(m, begin))
        speaker = next((m for m in subjects if not is_narrators(m) or self._narrator_says(m.end, end)), None)
        if speaker is None and named and (self._is_presented(named[0]) or self._is_placed(named[0], begin)):
            speaker = named[0]
        if (
            speaker is None
            and last is not None
            and len(said) <= _SAME_TURN
            and len(named) == 1
            and _HEARS.search(self.text, begin, named[0].start)
        ):
            speaker = last.speaker  # “…”又对乙说：
        if _PRONOUN.match(self.text, begin):
            speaker = self._subject(k, line, begin, self.text[begin])
        if speaker is None:
            return None, None, None
        others = {m.entry.name: m for m in named if m.entry.name != speaker.entry.name}
        heard = [m for m in others.values() if _HEARS.search(self.text, begin, m.start)]
        beside = next(iter(others.values())) if len(others) == 1 else None
        return speaker, heard[0] if len(heard) == 1 else None, beside

    def _narrator_says(self, begin: int, end: int) -> bool:
        """Whether nobody else speaks in what a narrator tells before a quotation: 我问他，他说："""
        return _TOLD_OF.search(self.text, begin, end) is None

    def _begins_clause(self, mention: Mention, begin: int) -> bool:
        return mention.start == begin or self.text[mention.start - 1 : mention.start] in _BEFORE_SUBJECT

    def _is_placed(self, mention: Mention, begin: int) -> bool:
        """Whether a sentence begins with where somebody is: 坐在门口的甲笑道."""
        return _PLACED.fullmatch(self.text, begin, mention.start) is not None

    def _is_presented(self, mention: Mention) -> bool:
        """Whether a clause ends with the person of whom it tells that it is he: 正是何家的大姑娘甲，…."""
        begin = max(0, mention.start - 12)
        return self.text[mention.end : mention.end + 1] in ("，", "。") and (
            _PRESENTS.search(self.text, begin, mention.start) is not None
        )

    def _behind(self, k: int, line: int) -> Mention | None:
        """The speaker right behind a quotation (“…”甲说); nobody where a colon introduces it, and not who
        only hears it (“…”甲听了)."""
        start, end = self.quotations[k]
        if self.text[start - 1 : start] in ("：", ":"):
            return None
        i = bisect_left(self.starts, end)
        if self.starts[i : i + 1] == [end]:
            narrator = is_narrators(self.people[i])  # whose deeds are between the words of others, too
            speaks = _SPOKE.match(self.text, self.people[i].end) or (not narrator and self._acts(i, k, line))
            return self.people[i] if speaks else None
        if _PRONOUN.match(self.text, end) and _SPOKE.match(self.text, end + 1):
            return self._subject(k, line, start, self.text[end])
        return None

    def _acts(self, i: int, k: int, line: int) -> bool:
        """Whether a deed right behind a quotation is the speaker's: one broken off (“爹，”甲放下碗，“…”), or
        one that begins its line, in a text that gives each speaker a line (“爹。”甲红了眼睛)."""
        clause = _CLAUSE.match(self.text, self.people[i].end)
        if clause is None or any(at < clause.end() for at in self.starts[i + 1 : i + 2]):
            return False
        if _REACTS.search(clause[0]):
            return False
        start, end = self.quotations[k]
        return self.text[end - 2] in "，," or (self._lines and line == start)

    @cached_property
    def _lines(self) -> bool:
        """Whether speakers mostly have a line each."""
        begins = sum(self.text[max(0, start - 1)] == "\n" for start, _ in self.quotations)
        return begins >= 0.3 * len(self.quotations)

    def _subject(self, k: int, line: int, before: int, pronoun: str) -> Mention | None:
        """The only person whom a pronoun may mean of those who begin a clause of a line's narration before a
        place, or of the line before."""
        last_line = self._line(max(0, line - 1))
        for begin, end in ((line, before), (last_line, line)):
            spoken = [turn for turn in self.quotations[max(0, k - 6) : k] if turn[1] > begin]
            subjects = {
                m.entry.name: m
                for m in self.within(begin, end)
                if self._begins_clause(m, begin)
                and not is_narrators(m)
                and not any(start < m.start < end for start, end in spoken)
            }
            subjects = subjects or {m.entry.name: m for m in self.within(begin, end) if self._is_presented(m)}
            subjects = {n: m for n, m in subjects.items() if self.sexes.may_be(pronoun, m.entry)}
            if subjects or self.text[begin] not in "“「『":
                return next(iter(subjects.values())) if len(subjects) == 1 else None
        return None

    def _is_of_speaker(self, last: Turn, at: int) -> bool:
        """Whether what stands between two quotations of a line is about the speaker (“…”甲说，“…”)."""
        if last.speaker is None or at - last.end > _SAME_TURN:
            return False
        return last.speaker.start == last.end or _PRONOUN.match(self.text, last.end) is not None

    def _answers(self, k: int) -> Mention | None:
        """Who says a line without narration: one of two who take turns (“…”甲说 / “…”乙说 / “…”), else whom
        the speaker of the line before calls by name."""
        if not self._follows(k):
            return None
        last, first = self._turns[k - 1], self._first_of_line(k - 1)
        one, other = last.speaker, self._turns[first - 1].speaker if self._follows(first) else None
        alternate = one and other and one.entry.name != other.entry.name
        return other if alternate else last.called

    def _follows(self, k: int) -> bool:
        """Whether a turn is on the line behind that of the one before it."""
        return k > 0 and self.text.count("\n", self.quotations[k - 1][1], self.quotations[k][0]) == 1
