"""Hides secrets in texts: known ones anywhere, a provider's also in part, in what its endpoint says."""

from __future__ import annotations

import re
from collections.abc import Iterable
from urllib.parse import quote, unquote

from kgnb.core.model import Provider

MASK = "•••"
"""Stands for a secret in reports, messages and the panel."""
RUN = 8
"""So many characters of a secret in a row give it away."""
END = 4
"""So many of its first or last characters too: what providers that mask a key themselves leave readable."""

LONGEST_WORD = 20
"""Characters from which a text without digits is no ordinary word."""

_WORD = re.compile(r"""[^\s"'`,;()<>{}\[\]]+""")
_MASKED = re.compile(r"(.*?)(?:[*•●…·]+|\.{3,}|[xX]{4,})(.*)")


def masked(text: str, secrets: Iterable[str]) -> str:
    """Return ``text`` with :data:`MASK` for each of ``secrets``, longer ones first, as a secret may be a part
    of another.
    """
    for secret in sorted(secrets, key=len, reverse=True):
        text = text.replace(secret, MASK)
    return text


def without_keys(text: str, provider: Provider) -> str:
    """Return ``text`` with :data:`MASK` for each whole key or secret header of the provider, also
    URL-encoded, and with JSON's escaped slash.

    Keys that may be words of a book ("anything", of an endpoint without keys) stay.
    """
    given = [*provider.all_keys, *provider.options.extra_headers.values()]
    words = {word for one in given for word in one.get_secret_value().split() if _is_no_word(word)}
    forms = {form for word in words for form in (word, quote(word, safe=""), word.replace("/", r"\/"))}
    return masked(text, forms)


def _is_no_word(text: str) -> bool:
    """Return whether a text is surely no word of a book: long, or with a digit."""
    return len(text) >= RUN and (len(text) >= LONGEST_WORD or any(map(str.isdigit, text)))


def without_secrets(text: str, provider: Provider) -> str:
    """Return ``text`` with *** for each word that contains a part of a key or header, or a whole query value.

    A part is a run of :data:`RUN` characters, an end of :data:`END`, or a shorter end beside a mask; a word
    that is URL-encoded is decoded first.
    """
    given = [*provider.all_keys, *provider.options.extra_headers.values()]
    secrets = [secret for one in given if (secret := one.get_secret_value().strip())]
    # Whole: a part of an api-version, such as its year, is in names of models too.
    values = [one.get_secret_value() for one in provider.options.default_query.values()]
    whole = [value for value in values if len(value) >= RUN]

    def hide(word: re.Match[str]) -> str:
        said = unquote(word[0])
        gives_away = any(_gives_away(said, secret) for secret in secrets) or any(v in said for v in whole)
        return "***" if "sk-" in said or gives_away else word[0]

    return _WORD.sub(hide, text)


def _gives_away(word: str, secret: str) -> bool:
    """Return whether a word contains a part of the secret."""
    if len(secret) < RUN:  # a placeholder of an endpoint without keys, "x" or "ollama"
        return secret == word if len(secret) < END else secret in word
    if secret[:END] in word or secret[-END:] in word:
        return True
    if any(secret[at : at + RUN] in word for at in range(len(secret) - RUN + 1)):
        return True
    masked = _MASKED.fullmatch(word)
    if masked is None:
        return False
    ends = range(2, END)
    return any(masked[1].endswith(secret[:n]) or masked[2].startswith(secret[-n:]) for n in ends)
