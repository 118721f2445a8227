"""Who says a quotation of a Chinese chapter, and to whom, as far as the words beside it tell."""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from kgnb.extract.patterns import Mention
from kgnb.extract.zh import vocabulary as words
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
_TO_LAST_END = re.compile("(?s:.*)[。！？!?；;\n]")
_VERB = f"[{''.join(sorted(words.SPEECH_VERBS))}]"
_INTRODUCES = re.compile(f"(?:[：:]|{_VERB}[，,]?)$")
_SPOKE = re.compile(f"[^，。！？；：听闻见“”「」『』\n]{{0,8}}{_VERB}(?!完)")
_CLAUSE = re.compile("[^，。！？；：听闻见等没“”「」『』\n]{1,20}(?=[，。！？；])")
# Who starts at a word may be who hears it: “爹！”甲一愣.
_REACTS = re.compile("[愣怔惊吓震颤抖僵呆醒停]|[回抬扭转]过?起?[头身]|站住|心")
_PRONOUN = re.compile("[他她](?![的们家])")
_PRESENTS = re.compile("[正便就倒乃]是[^，。！？；：“”]{0,8}$")
_CALLED = re.compile(
    "(?:[大小老二三]?[哥姐叔伯婶嫂爷弟妹兄]|先生|小姐|姑娘|同学)?[，。！？…、]+(?![他她这那就])"
)
_HEARS = re.compile(
    "(?:[对向朝跟问谓]着?|告诉|吩咐|[看望盯瞪]着|[拉拽扶抱搀护]着|一?把?[拉抱扶握抓拽护][住起过]了?|给|[看望]了[看望]|[看望瞪]了)$"
)
_BEFORE_SUBJECT = "。！？!?；，,”」』\n"
_SAME_TURN = 40
"""Most characters between two quotations of a line that are one person's."""


@dataclass(frozen=True, slots=True)
class Turn:
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

    def __init__(self, text: str, people: Sequence[Mention]) -> None:
        """``people``: mentions in order of their offsets."""
        self._text, self._people = text, people
        self.starts = [m.start for m in people]
        """Offsets of the mentions."""

    @cached_property
    def turns(self) -> list[Turn]:
        """All quotations; whoever asks for none of them doesn't wait for them."""
        turns: list[Turn] = []
        for match in self._quotations:
            turns.append(self._turn(match, turns))
        return turns

    @cached_property
    def _quotations(self) -> list[re.Match[str]]:
        return list(_QUOTATION.finditer(self._text))

    @cached_property
    def sexes(self) -> Sexes:
        """Who is spoken of as of a man, who as of a woman."""
        offsets = defaultdict[str, list[int]](list)
        for mention in self._people:
            offsets[mention.form].append(mention.start)
        return Sexes(self._text, offsets)

    def at(self, place: int) -> int:
        """Return the number of the turn that holds a place; -1 for none, and in words that a turn quotes."""
        k = bisect_right(self._quotations, place, key=lambda match: match.start()) - 1
        return k if k >= 0 and place < self._quotations[k].end() and self._depth(place) <= 1 else -1

    def hearer(self, k: int) -> Mention | None:
        """Return to whom the ``k``-th turn is said: told there, or who speaks both before and after."""
        turn = self.turns[k]
        if turn.hearer or turn.called or turn.speaker is None:
            return turn.hearer or turn.called
        before, after = (self.neighbour(k, step, turn.speaker) for step in (-1, 1))
        one, other = (t.speaker if t else None for t in (before, after))
        return one if one and other and one.entry.name == other.entry.name else None

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
        for match in _MARK.finditer(self._text):
            opener = _OPENERS.get(match[0], match[0])
            opened = opened.partition(opener)[0] + (opener if match[0] == opener else "")
            opened = "" if opener == "\n" else opened
            places.append(match.start())
            depths.append(len(opened))
        return places, depths

    def neighbour(self, k: int, step: int, speaker: Mention) -> Turn | None:
        """Return the turn before (``step`` -1) or after (1) the ``k``-th that somebody else speaks."""
        for _ in range(TURNS):
            if not 0 <= k + step < len(self.turns):
                return None
            one, other = sorted((k, k + step))
            if self.turns[other].start - self.turns[one].end > ADJACENT:
                return None
            k += step
            said = self.turns[k].speaker
            if said is None or said.entry.name != speaker.entry.name:
                return self.turns[k] if said else None
        return None

    def reacts(self, k: int) -> Mention | None:
        """Return the person with whom the line behind the ``k``-th turn's begins, if it is no quotation."""
        end = self.turns[k].end
        begin = self._text.find("\n", end, end + _SAME_TURN) + 1
        i = bisect_left(self.starts, begin)
        return self._people[i] if begin and self.starts[i : i + 1] == [begin] else None

    def within(self, begin: int, end: int) -> Sequence[Mention]:
        """Return the mentions that begin in a part of the text."""
        return self._people[bisect_left(self.starts, begin) : bisect_left(self.starts, end)]

    def begins(self, place: int) -> int:
        """Return the number of the mention that begins at a place; -1 for none."""
        k = bisect_left(self.starts, place)
        return k if self.starts[k : k + 1] == [place] else -1

    def _line(self, place: int) -> int:
        """Where the line of a place begins, or what is looked at of it."""
        least = max(0, place - LONGEST_LINE)
        return max(least, self._text.rfind("\n", least, place) + 1)

    # --- one turn ---

    def _turn(self, match: re.Match[str], turns: Sequence[Turn]) -> Turn:
        text = self._text
        last = turns[-1] if turns else None
        line = self._line(match.start())
        goes_on = last is not None and last.end > line
        begin = last.end if last and goes_on else line
        speaker, hearer, beside = self._introduced(line, begin, match.start(), turns)
        if speaker is None:
            speaker = self._behind(line, match, turns)
        if speaker is None and last and goes_on and self._goes_on(last, match.start()):
            speaker = last.speaker
        alone = begin == match.start() and text[match.end() : match.end() + 1] in ("\n", "")
        if speaker is None and alone and self._alternates(match.start(), turns):
            speaker = turns[-2].speaker
        if speaker is None and alone and last and last.called and self._follows(last, match.start()):
            speaker = last.called
        called = self._called(match)
        if called is None and last and goes_on and speaker is not None and speaker is last.speaker:
            called = last.called
        if called and speaker and called.entry.name == speaker.entry.name:
            called = None
        return Turn(match.start(), match.end(), speaker, hearer, beside, called)

    def _called(self, match: re.Match[str]) -> Mention | None:
        """The only person whom a turn calls by name: “甲，过来。”, “过来，甲！”."""
        named = self.within(match.start(), match.end())
        called = {m.entry.name: m for m in named if self._is_called(m, match)}
        return next(iter(called.values())) if len(called) == 1 else None

    def _is_called(self, mention: Mention, match: re.Match[str]) -> bool:
        before = self._text[mention.start - 1]
        behind = _CALLED.match(self._text, mention.end)
        if behind is None or behind.end() > match.end():
            return False
        first, last = mention.start == match.start() + 1, behind.end() >= match.end() - 1
        ends = last or behind[0][-1] in "。！？"
        return (first and not last) or (not first and before in "，！" and ends)

    def _follows(self, last: Turn, at: int) -> bool:
        """Whether a turn's line is the next after another's."""
        return self._text.count("\n", last.end, at) == 1

    def _introduced(
        self, line: int, begin: int, end: int, turns: Sequence[Turn]
    ) -> tuple[Mention | None, Mention | None, Mention | None]:
        """Speaker, hearer and the only other person by the sentence before a quotation (甲对乙说：)."""
        said = self._text[begin:end]
        if not _INTRODUCES.search(said):
            return None, None, None
        goes_on = turns and turns[-1].end == begin and len(said) <= _SAME_TURN
        if ended := _TO_LAST_END.match(said):
            begin += ended.end()
        named = self.within(begin, end)
        speaker = next((m for m in named if self._begins_clause(m, begin)), None)
        if speaker is None and named and self._is_presented(named[0]):
            speaker = named[0]
        if (
            speaker is None
            and goes_on
            and len(named) == 1
            and _HEARS.search(self._text, begin, named[0].start)
        ):
            speaker = turns[-1].speaker  # “…”又对乙说：
        if _PRONOUN.match(self._text, begin):
            speaker = self._subject(line, begin, turns)
        if speaker is None:
            return None, None, None
        others = {m.entry.name: m for m in named if m.entry.name != speaker.entry.name}
        heard = [m for m in others.values() if _HEARS.search(self._text, begin, m.start)]
        beside = next(iter(others.values())) if len(others) == 1 else None
        return speaker, heard[0] if len(heard) == 1 else None, beside

    def _begins_clause(self, mention: Mention, begin: int) -> bool:
        return mention.start == begin or self._text[mention.start - 1 : mention.start] in _BEFORE_SUBJECT

    def _is_presented(self, mention: Mention) -> bool:
        """Whether a clause ends with the person of whom it tells that it is he: 正是何家的大姑娘甲，…."""
        begin = max(0, mention.start - 12)
        return self._text[mention.end : mention.end + 1] in ("，", "。") and (
            _PRESENTS.search(self._text, begin, mention.start) is not None
        )

    def _behind(self, line: int, match: re.Match[str], turns: Sequence[Turn]) -> Mention | None:
        """The speaker right behind a quotation (“…”甲说); nobody where a colon introduces it, and not who
        only hears it (“…”甲听了)."""
        if self._text[match.start() - 1 : match.start()] in ("：", ":"):
            return None
        end = match.end()
        i = bisect_left(self.starts, end)
        if self.starts[i : i + 1] == [end]:
            speaks = _SPOKE.match(self._text, self._people[i].end) or self._acts(i, line, match)
            return self._people[i] if speaks else None
        if _PRONOUN.match(self._text, end) and _SPOKE.match(self._text, end + 1):
            return self._subject(line, match.start(), turns)
        return None

    def _acts(self, i: int, line: int, match: re.Match[str]) -> bool:
        """Whether a deed right behind a quotation is the speaker's: one broken off (“爹，”甲放下碗，“…”), or
        one that begins its line, in a text that gives each speaker a line (“爹。”甲红了眼睛)."""
        clause = _CLAUSE.match(self._text, self._people[i].end)
        if clause is None or any(at < clause.end() for at in self.starts[i + 1 : i + 2]):
            return False
        if _REACTS.search(clause[0]):
            return False
        return match[1].endswith(("，", ",")) or (self._lines and line == match.start())

    @cached_property
    def _lines(self) -> bool:
        """Whether speakers mostly have a line each."""
        begins = sum(self._text[max(0, m.start() - 1)] == "\n" for m in self._quotations)
        return begins >= 0.3 * len(self._quotations)

    def _subject(self, line: int, before: int, turns: Sequence[Turn]) -> Mention | None:
        """The only person who begins a clause of a line's narration before a place, or of the line before."""
        last_line = self._line(max(0, line - 1))
        for begin, end in ((line, before), (last_line, line)):
            spoken = [turn for turn in turns[-6:] if turn.end > begin]
            subjects = {
                m.entry.name: m
                for m in self.within(begin, end)
                if self._begins_clause(m, begin) and not any(t.start < m.start < t.end for t in spoken)
            }
            subjects = subjects or {m.entry.name: m for m in self.within(begin, end) if self._is_presented(m)}
            if subjects or self._text[begin] not in "“「『":
                return next(iter(subjects.values())) if len(subjects) == 1 else None
        return None

    def _goes_on(self, last: Turn, at: int) -> bool:
        """Whether what stands between two quotations of a line is about the speaker (“…”甲说，“…”)."""
        if last.speaker is None or at - last.end > _SAME_TURN:
            return False
        return last.speaker.start == last.end or _PRONOUN.match(self._text, last.end) is not None

    def _alternates(self, at: int, turns: Sequence[Turn]) -> bool:
        """Whether two persons take turns in a line each: “…”甲说 / “…”乙说 / “…”."""
        if len(turns) < 2:
            return False
        last, before = turns[-1], turns[-2]
        one, other = last.speaker, before.speaker
        between = self._text[last.end : at]
        near = between.count("\n") == 1 and self._text.count("\n", before.end, last.start) == 1
        return near and one is not None and other is not None and one.entry.name != other.entry.name
