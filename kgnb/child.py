"""``python -m kgnb.child``: one node process of a notebook (see children.py); leaves when its input ends."""

from __future__ import annotations

import asyncio
import pickle
import sys
import threading

from kgnb import logs
from kgnb.loops import new_loop
from kgnb.serving import serve
from kgnb.session import Session
from kgnb.settings import Settings
from kgnb.texts import use_language
from kgnb.where import where_am_i


def main() -> None:
    """Reads its settings from standard input and serves until that is closed."""
    settings: Settings = pickle.load(sys.stdin.buffer)  # noqa: S301 - our own parent wrote it
    use_language(settings.lang)
    logs.configure(settings.log_level, sys.stdout, as_json=False)
    with asyncio.Runner(loop_factory=new_loop) as runner:
        runner.run(_serve(settings))


async def _serve(settings: Settings) -> None:
    loop, stop = asyncio.get_running_loop(), asyncio.Event()

    def listen() -> None:
        while sys.stdin.buffer.read(1):
            pass
        loop.call_soon_threadsafe(stop.set)

    threading.Thread(target=listen, daemon=True).start()
    place = where_am_i()
    seconds = place.seconds(settings.session_seconds)
    await serve(settings, stop, session=Session(place.started_at, seconds, settings.session_margin))


if __name__ == "__main__":
    main()
