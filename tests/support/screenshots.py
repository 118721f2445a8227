"""The documents' pictures: screenshots that the browser tests take, checked, made small and kept.

``KGNB_SCREENSHOTS=docs pytest tests/notebook/test_panel_browser.py`` makes those in docs/ anew, with a novel
that people know; a plain run shows the short story and keeps its pictures with the test's other files.
"""

from __future__ import annotations

import importlib.util
import io
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import Image

from tests.support.commands import STORY
from tests.support.paths import ROOT

MOST_BYTES = 150_000
"""What a picture in a document may weigh."""
FONT = "'Noto Sans CJK SC', 'Noto Sans SC', sans-serif"
"""What documents show: a fresh machine's own sans serif is the oldest one it has."""

CLIPPED = """root => [...root.querySelectorAll('button, h4, th, td, label, .kgnb-card b, .kgnb-head span')]
    .filter(e => e.checkVisibility() && e.scrollWidth > e.clientWidth + 1 && e.clientWidth)
    .map(e => e.innerText.trim())"""
FOLDER = """([root, own, shown]) => {
    const walker = document.createTreeWalker(root, NodeFilter.SHOW_TEXT);
    while (walker.nextNode()) walker.currentNode.data = walker.currentNode.data.replaceAll(own, shown);
}"""


@dataclass(frozen=True)
class Shelf:
    """Which books the panel is shown with."""

    known: Path
    """A novel that the rules read, its graph shown."""
    title: str
    hero: str
    chapters: int
    """Of the one that an LLM reads meanwhile."""


def wanted() -> Path | None:
    """The folder of the documents' pictures, where they are to be made anew."""
    given = os.environ.get("KGNB_SCREENSHOTS")
    return (ROOT / given).resolve() if given else None


def shelf(folder: Path) -> Shelf:
    """The books: for the documents 三国演义, which takes the rules ten seconds, else the story."""
    if wanted() is None:
        return Shelf(STORY, "青石渡", "陆青禾", 70)
    spec = importlib.util.spec_from_file_location("sanguo", ROOT / "scripts" / "sanguo.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    path = folder / "三国演义.txt"
    path.write_text("\n\n".join(module.chapters()), "utf-8")
    return Shelf(path, "三国演义", "吕布", 160)


def dress(page: Any, root: Any, folder: Path) -> None:
    """Fonts as on a person's machine; the test's own folder under a name that says something."""
    page.add_style_tag(content=f".kgnb-panel :not(i) {{ font-family: {FONT} !important; }}")
    page.evaluate("document.activeElement.blur()")  # no ring around what was clicked last
    page.evaluate(FOLDER, [root.element_handle(), str(folder), "/home/me/books"])


def keep(png: bytes, name: str, folder: Path, *, width: int) -> Path:
    """Checks a screenshot and writes it with few colours, to the documents' folder when that is wanted."""
    image = Image.open(io.BytesIO(png)).convert("RGB")
    assert abs(image.width - width) < 0.1 * width, image.size
    assert image.height > 250, image.size
    found = image.getcolors(1 << 24) or []
    assert len(found) > 100, f"{name}: {len(found)} colours: blank"
    assert max(count for count, _ in found) < 0.97 * image.width * image.height, f"{name}: blank"
    path = (wanted() or folder) / f"{name}.png"
    for colours in (256, 160, 96):
        # With kmeans frequent colours stay what they are; without, pale greys turn lilac.
        few = image.quantize(colours, Image.Quantize.MEDIANCUT, kmeans=2, dither=Image.Dither.NONE)
        few.save(path, optimize=True)
        if path.stat().st_size < MOST_BYTES:
            break
    assert path.stat().st_size < MOST_BYTES, f"{path}: {path.stat().st_size} bytes"
    return path


def unclipped(root: Any) -> None:
    """No button, headline or figure is cut off."""
    assert root.evaluate(CLIPPED) == []
