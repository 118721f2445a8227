"""What must not leave with a notebook: keys and passwords, by their looks or by their values."""

from __future__ import annotations

import re
from collections.abc import Mapping

from pydantic import SecretStr

from kgnb.core.errors import InputError
from kgnb.kaggle.notebook_bundle import Notebook, Wheel, source_of

PACKED = re.compile(r'^(?:_install_kgnb|BOOKS = unpack_text)\("""\n[^"]*"""\)$', re.M)
"""The wheel, or books, as base85: one megabyte in two hundred looks somewhere like a key."""
PATTERNS = {
    "sk-…": r"\bsk-[A-Za-z0-9_-]{20,}",
    "Google": r"\bAIza[0-9A-Za-z_-]{35}",
    "Hugging Face": r"\bhf_[A-Za-z0-9]{30,}",
    "GitHub": r"\b(?:gh[pousr]_[A-Za-z0-9]{30,}|github_pat_[A-Za-z0-9_]{30,})",
    "AWS": r"\bAKIA[0-9A-Z]{16}\b",
    "Slack": r"\bxox[a-z]-[A-Za-z0-9-]{10,}",
    "Kaggle": r"\bKGAT_[A-Za-z0-9]{20,}|[\"']key[\"']\s*:\s*[\"'][0-9a-f]{32}[\"']",
    "PRIVATE KEY": r"-----BEGIN [A-Z ]*PRIVATE KEY-----",
    "://user:password@": r"\b[a-z][a-z0-9+]*://[^\s/:@'\"{}$<]*:[^\s/@'\"{}$<…]{3,}@",
    "PASSWORD = '…'": (
        r"(?i)(?:API_?KEY|PASSWORD|PASSWD|TOKEN|SECRET(?!S_DATASET))\w*['\"]?\]?\s*[=:,]\s*['\"][^'\"\s{}]{8,}['\"]"
    ),
}


def check_secrets(notebook: Notebook, wheel: Wheel | None, known: Mapping[str, SecretStr]) -> None:
    """Raises InputError for a key or password in the notebook, by its looks or because it is one of ``known``
    (by variable); names the cell, never the value."""
    sources = {f"#{number}": source_of(cell) for number, cell in enumerate(notebook["cells"], 1)}
    for where, source in sources.items():
        said = PACKED.sub("", source)
        for kind, pattern in PATTERNS.items():
            if re.search(pattern, said):
                raise InputError("bundle.secret_like", cell=where[1:], kind=kind)
    places = {where: source.encode() for where, source in sources.items()} | dict(
        wheel.files if wheel else {}
    )
    for name, secret in known.items():
        value = secret.get_secret_value()
        for where, data in places.items():
            if not value.isalpha() and value.encode() in data:  # a plain word is no secret, and everywhere
                raise InputError("bundle.secret_of", where=where, name=name)
