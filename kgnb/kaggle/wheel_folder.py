"""A folder of wheels, kgnb's own and all that it needs, from which a notebook installs with Internet off."""

from __future__ import annotations

import asyncio
import tempfile
from pathlib import Path

from kgnb.core.errors import InputError, ServiceDown
from kgnb.kaggle.datasets import describe
from kgnb.kaggle.notebook_bundle import EXTRAS, own_wheel, requirements
from kgnb.kaggle.subprocesses import pip

PYTHONS = ("3.12", "3.13")
"""Of Kaggle's and Colab's images."""
GLIBC = 35
"""Those images have glibc 2.35 (Ubuntu 22.04)."""
PLATFORMS = tuple(
    f"manylinux{one}_x86_64" for one in (*(f"_2_{n}" for n in range(GLIBC, 4, -1)), "2014", "1")
)
"""What they can load, newest first; pip takes each name literally."""
SOURCE_ONLY = ("jieba",)
"""Packages published without a wheel; they are pure Python, so that one built here fits everywhere."""
DOWNLOAD_SECONDS = 1800.0
"""Limit for one Python's packages, about 150 MB."""
DATASET = "kgnb-wheels"
"""Name of the dataset."""


async def make_wheels(folder: Path, owner: str) -> list[Path]:
    """Write the wheels, and the metadata of a private dataset of ``owner``, to ``folder``; return the wheels.

    Raises InputError where the folder can't be written, ServiceDown when a package can't be fetched.
    """
    wheel = await own_wheel()
    with tempfile.TemporaryDirectory(prefix="kgnb-wheels-") as made:
        own = await asyncio.to_thread(wheel.write, Path(made))
        try:
            await asyncio.to_thread(_describe, folder, owner)
        except OSError as error:
            raise InputError("kaggle.cannot_write", folder=folder, reason=error.strerror) from None
        tried = {name: version for name, (_, version) in requirements(wheel).items() if version}
        await _fetch(folder, f"{own}[{','.join(EXTRAS)}]", tried)
    return await asyncio.to_thread(lambda: sorted(folder.glob("*.whl")))


def _describe(folder: Path, owner: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    describe(folder, f"{owner}/{DATASET}")


async def _fetch(folder: Path, kgnb: str, tested: dict[str, str]) -> None:
    built = [f"{name}=={tested[name]}" if name in tested else name for name in SOURCE_ONLY]
    await run_pip("wheel", "--no-deps", "--wheel-dir", str(folder), *built)
    platforms = [word for one in PLATFORMS for word in ("--platform", one)]
    pinned = [f"{name}=={version}" for name, version in tested.items()]
    for python in PYTHONS:
        target = ("--only-binary", ":all:", "--implementation", "cp", "--python-version", python, *platforms)
        links = ("--find-links", str(folder))
        await run_pip("download", "--dest", str(folder), *target, *links, kgnb, *pinned)


async def run_pip(*words: str) -> None:
    """Run pip with these words. Raises ServiceDown with its reason after a failure."""
    if reason := await pip(*words, seconds=DOWNLOAD_SECONDS):
        raise ServiceDown("kaggle.no_wheels", service="pip", reason=reason)
