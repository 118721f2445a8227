"""Print the licence of every installed package that kgnb needs, its extras included, as a Markdown table.

A ``!`` marks licences other than the usual permissive ones: read those before you ship them.
"""

from __future__ import annotations

import re
from importlib.metadata import Distribution, PackageNotFoundError, distribution

PERMISSIVE = re.compile(r"MIT|BSD|Apache|ISC|PSF|Python Software Foundation|Unlicense|0BSD|Zlib", re.I)
RESTRICTING = re.compile(r"GPL|MPL|Mozilla|Artistic|EPL|CDDL|Proprietary", re.I)


def needed(root: str) -> dict[str, Distribution]:
    """Installed distributions that ``root`` needs, directly or not, by name."""
    found: dict[str, Distribution] = {}
    left = [root]
    while left:
        name = left.pop().lower().replace("_", "-")
        if name in found:
            continue
        try:
            found[name] = distribution(name)
        except PackageNotFoundError:
            continue
        left += [re.split(r"[^A-Za-z0-9._-]", line, maxsplit=1)[0] for line in found[name].requires or ()]
    return found


def licence(package: Distribution) -> str:
    """The licence that a package states: SPDX expression, classifiers, else the first line of the text."""
    facts = package.metadata
    stated = [
        c.rpartition(" :: ")[2] for c in facts.get_all("Classifier") or () if c.startswith("License ::")
    ]
    expression = facts.get("License-Expression") or ", ".join(stated) or facts.get("License") or "?"
    return expression.strip().splitlines()[0][:80]


def main() -> None:
    """Print the table."""
    print("| | package | version | licence |\n|---|---|---|---|")
    for name, package in sorted(needed("kgnb").items()):
        stated = licence(package)
        mark = "!" if RESTRICTING.search(stated) or not PERMISSIVE.search(stated) else ""
        print(f"| {mark} | {name} | {package.version} | {stated} |")


if __name__ == "__main__":
    main()
