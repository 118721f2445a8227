"""No page, text or example names a model that its provider has retired: names come from the presets."""

import re
import subprocess

from kgnb.llm.presets import presets
from tests.support.paths import ROOT

RETIRED = re.compile(
    r"deepseek-(?:chat|reasoner)|claude-(?:2|instant|3)\b[\w.-]*|claude-3-\w[\w.-]*|glm-4-[a-z]\w*|glm-3"
    r"|gpt-3\.5[\w.-]*|gpt-4o[\w.-]*|gpt-4-turbo|qwen-(?:turbo|max|plus)\b|qwen-?[12](?:\.5)?[:-][\w.-]*",
    re.I,
)
"""Models that were retired, or whose makers name a successor, by November 2026."""
TEXTS = (".md", ".py", ".toml", ".ipynb", ".example", ".yaml", ".sh")
HISTORY = {"tests/project/test_model_names.py"}


def test_no_retired_model_is_named() -> None:
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True)
    found = []
    for name in listed.stdout.split():
        if name in HISTORY or not name.endswith(TEXTS):
            continue
        text = (ROOT / name).read_text("utf-8")
        found += [(name, match[0]) for match in RETIRED.finditer(text)]
    assert found == []


def test_the_pattern_knows_them_and_no_current_one() -> None:
    for old in ("deepseek-chat", "claude-3-5-haiku-latest", "glm-4-flash", "gpt-4o-mini", "qwen2.5:7b"):
        assert RETIRED.fullmatch(old), old
    assert not [p.model for p in presets().values() if RETIRED.search(p.model)]
