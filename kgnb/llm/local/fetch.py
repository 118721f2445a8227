"""Fetches a model that the user names with its hub, by that hub's own library, which resumes."""

from __future__ import annotations

import fnmatch
import re
import subprocess
import sys
import threading
from collections.abc import Callable
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

from kgnb.core.errors import InputError
from kgnb.core.messages import say
from kgnb.core.safe_text import one_line
from kgnb.core.shortages import free_mb

_HUBS = {"hf": "huggingface_hub", "kaggle": "kagglehub", "modelscope": "modelscope"}
"""Prefix of a name → the hub's library."""
_WANTED = re.compile(rf"({'|'.join(_HUBS)}):([\w.-]+(?:/[\w.-]+)+)(?::([\w.*?/-]+))?")
_GGUF = "*Q4_K_M*.gguf"
"""Of a repository with several quantizations, unless the user names another after a colon."""
_MARGIN_MB = 1_024
"""Disk that stays free beside a model."""
_PLACE = Path("~/.cache/kgnb/models")
_CODE = """
import fcntl, os, sys, threading
def leave():
    sys.stdin.read()
    os._exit(1)
threading.Thread(target=leave, daemon=True).start()
def hf(name, place, revision, *files):  # its own downloads begin anew when their process was killed
    from huggingface_hub import hf_hub_url
    from huggingface_hub.file_download import http_get
    from huggingface_hub.utils import build_hf_headers
    for size, file in (one.split(":", 1) for one in files):
        path = os.path.join(place, file)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path + ".part", "ab") as part:
            fcntl.flock(part, fcntl.LOCK_EX)
            if not os.path.exists(path):
                url, headers = hf_hub_url(name, file, revision=revision), build_hf_headers()
                at = os.path.getsize(path + ".part")
                http_get(url, part, resume_size=at, headers=headers, expected_size=int(size))
                part.flush()
                os.replace(path + ".part", path)
            else:
                os.unlink(path + ".part")
    return place
def kaggle(name):
    import kagglehub
    return kagglehub.model_download(name)
def modelscope(name, *files):
    from modelscope import snapshot_download
    return snapshot_download(name, allow_patterns=list(files) or None)
try:
    print(globals()[sys.argv[1]](*sys.argv[2:]))
except Exception as error:
    sys.exit(print(f"{type(error).__name__}: {error}".splitlines()[0]) or 1)
"""
"""The download, as a process that ends with this one; its progress goes to standard error."""


def fetch(wanted: str, stop: threading.Event, tell: Callable[[str], None]) -> Path | None:
    """Return the folder of a model, downloaded unless it is there; None for a name of no hub.

    ``wanted``: ``hf:OWNER/NAME``, ``kaggle:HANDLE`` or ``modelscope:OWNER/NAME``, with ``:PATTERN`` for some
    of its files. ``tell`` is called first, with size, licence and free disk. Blocks; setting ``stop`` ends
    the download. Raises InputError.
    """
    found = _WANTED.fullmatch(wanted)
    if found is None:
        return None
    hub, name, pattern = found.groups()
    library = _HUBS[hub]
    if find_spec(library) is None:
        raise InputError("local.no_hub", library=library)
    place = _PLACE.expanduser() / name
    arguments, size, licence = _facts(name, place, pattern) if hub == "hf" else ([pattern or ""], 0, "?")
    free = free_mb(place) or 0
    gigabytes = {"size": round(size / 1e9, 1) if size else "?", "free": round(free / 1e3, 1)}
    if free < size / 1e6 + _MARGIN_MB:
        raise InputError("local.no_room", model=name, folder=place, **gigabytes)
    tell(say("local.fetching", model=name, licence=licence, **gigabytes))
    command = [sys.executable, "-c", _CODE, hub, name, *filter(None, arguments)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:  # noqa: S603
        while process.poll() is None:
            if stop.wait(0.1):
                process.kill()
        said = process.stdout.read().strip().splitlines() if process.stdout else []
    if process.returncode or not said:
        raise InputError("local.fetch_failed", model=wanted, reason=one_line(said[-1] if said else "-"))
    return Path(said[-1])


def _facts(name: str, place: Path, pattern: str | None) -> tuple[list[str], int, str]:
    """Return, of Hugging Face, (the download's arguments, the bytes that are to come, the licence)."""
    hub = import_module("huggingface_hub")
    try:
        info = hub.HfApi().model_info(name, files_metadata=True, timeout=30)
    except Exception as error:  # noqa: BLE001 of httpx, requests or its own, by version: no such model, no Internet
        reason = one_line(str(error).splitlines()[0] if str(error) else type(error).__name__)
        raise InputError("local.fetch_failed", model=name, reason=reason) from None
    sizes = {one.rfilename: one.size or 0 for one in info.siblings or ()}
    wanted = fnmatch.filter(sizes, pattern or _GGUF) or ([] if pattern else list(sizes))
    wanted = [one for one in wanted if ".." not in one and not one.startswith("/")]
    if not wanted:
        raise InputError("local.fetch_failed", model=name, reason=f"{pattern}: {', '.join(sizes)[:200]}")
    left = sum(sizes[one] for one in wanted if not (place / info.sha / one).exists())
    licence = str(getattr(info.card_data, "license", None) or "?")
    return [str(place / info.sha), info.sha, *(f"{sizes[one]}:{one}" for one in wanted)], left, licence
