"""Whether a relative fits the kinship word of a question: father or mother, elder or younger brother."""

from __future__ import annotations

import re

from kgnb.graph.ask.question import Question, kin_says
from kgnb.graph.query import Entity

_OPPOSITE = {"elder": "younger", "younger": "elder"}


def kin_fits(question: Question, one: Entity, other: Entity, quote: str) -> bool | None:
    """Return whether ``other`` fits the kinship word of the question about ``one``: True, False, or None for
    unknown.

    The two have a tie of the question's relationship type, with this ``quote``. For "whose mother" a relative
    with a man's title is False, a relative of unknown sex None; a word for both sexes is always True. For the
    type FAMILY: True where the word stands in the quote or means any relative, else False.
    """
    asked, says = question.kin_word, kin_says(question.lang)
    if question.kin and question.kin[0] == "FAMILY":  # an uncle is no aunt, a relative may be both
        return asked in says["any_kin"].split() or (asked in quote)
    wanted = {k for k in ("man", "woman", "elder", "younger") if re.search(says[k], asked, re.IGNORECASE)}
    if re.search(says["both"], asked, re.IGNORECASE) or not wanted:
        return True
    known = _known(question, one, other, quote)
    if known & {{"man": "woman", "woman": "man", **_OPPOSITE}[k] for k in wanted}:
        return False
    return True if wanted <= known else None


def _known(question: Question, one: Entity, other: Entity, quote: str) -> set[str]:
    """Return which of "man", "woman", "elder", "younger" the titles, the quote and the surname say of
    ``other``.
    """
    says, known = kin_says(question.lang), set[str]()
    forms = (other.name, *other.aliases)
    for sex in ("man", "woman"):
        if any(re.search(says[f"titles_{sex}"], form) for form in forms):
            known.add(sex)
    own, theirs = _word_before(forms, quote), _word_before((one.name, *one.aliases), quote)
    for key in ("man", "woman", "elder", "younger"):
        if own and re.search(says[key], own, re.IGNORECASE):
            known.add(key)
        if theirs and key in _OPPOSITE and re.search(says[key], theirs, re.IGNORECASE):
            known.add(_OPPOSITE[key])
    child = question.kin == ("PARENT_OF", True) and question.lang == "zh"
    if child and not known and other.name[:1] == one.name[:1]:  # children have their father's surname
        known.add("man")
    return {k for k in known if not (k in ("man", "woman") and {"man", "woman"} <= known)}


def _word_before(names: tuple[str, ...], quote: str) -> str:
    """Return the last two Chinese characters, or three words, before the first of the names found in the
    quote.

    权母 before 吴太夫人; *her elder sister* before *Jane*; "" where no name is in the quote.
    """
    for name in sorted(names, key=len, reverse=True):
        if (at := quote.find(name)) >= 0:
            before = quote[:at].rstrip(" ,，")
            return before[-2:] if not name.isascii() else " ".join(before.split()[-3:])
    return ""
