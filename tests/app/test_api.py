"""Blocking calls: an interrupt ends one when it has cleaned up."""

from __future__ import annotations

import signal
import threading
from collections.abc import Coroutine, Iterator

import pytest

from kgnb.app import api
from kgnb.app.api import BookGraph
from kgnb.app.build_result import BuildResult
from kgnb.core.errors import InputError
from kgnb.core.messages import say
from kgnb.core.settings import Settings
from tests.support.commands import STORY
from tests.support.endless import Endless
from tests.support.patience import SLOWEST


@pytest.fixture
def interruptible() -> Iterator[None]:
    """SIGINT raises KeyboardInterrupt, also in a background job of a shell, which ignores it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def test_an_interrupted_call_is_over_when_it_has_cleaned_up(interruptible: None) -> None:
    work = Endless(seconds=0.3)

    def interrupt() -> None:
        work.begun.wait(30 * SLOWEST)
        for seconds in (
            0.2,
            5,
            5,
        ):  # again where it came right before the main thread's wait, which it missed
            if not work.cancelled.wait(seconds):
                signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)

    interrupting = threading.Thread(target=interrupt)
    interrupting.start()
    with pytest.raises(KeyboardInterrupt):
        api.run(work.run())
    assert work.cleaned.is_set()
    interrupting.join()


def test_who_interrupts_a_build_is_told_that_it_goes_on(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupted(work: Coroutine[object, object, object], **_: object) -> None:
        work.close()
        raise KeyboardInterrupt

    monkeypatch.setattr(api, "run", interrupted)
    with pytest.raises(KeyboardInterrupt):
        api.build_book(Settings.load(), STORY, None, None, None, None, again=False, progress=True)
    assert say("cli.interrupted") in capsys.readouterr().err


def test_a_books_title_is_no_command_to_the_terminal() -> None:
    book = object.__new__(BookGraph)  # without its engines
    book.title, book._message = "\x1b]0;owned\x07\u202e", "explore.opened"
    book.result, book._until = BuildResult(1, 1, "completed", *[0] * 12), None
    assert "owned" in repr(book)
    assert all(line.isprintable() for line in repr(book).splitlines())


@pytest.mark.parametrize(
    ("completed", "failed", "word"), [(60, 5, "gaps"), (0, 65, "failed"), (65, 0, "completed")]
)
def test_a_build_with_gaps_is_not_called_failed(completed: int, failed: int, word: str) -> None:
    book = object.__new__(BookGraph)  # without its engines
    book.title, book._message = "Title", "cli.built"
    status = "failed" if failed else "completed"
    book.result, book._until = BuildResult(1, 1, status, 65, completed, failed, *[0] * 9), None
    assert repr(book).splitlines()[0].endswith(say(f"word.{word}"))
    assert book.result.as_dict()["status"] == status  # what programs read


def test_what_the_user_has_to_mend_is_raised_without_pages_of_frames() -> None:
    async def refuse() -> None:
        try:
            raise OSError("deep inside")
        except OSError as error:
            raise InputError("book.bad_title") from error

    with pytest.raises(InputError) as caught:
        api.run(refuse())
    assert [frame.name for frame in caught.traceback[1:]] == ["run"]
    assert caught.value.__cause__ is None
