"""The entry point: parse the command line, load the settings, run one command.

Every command takes ``--data DIR``; ``--json`` prints one object on stdout, no more.

Exit codes: 0 all well · 1 finished with failed chapters · 2 wrong input or a service unreachable at start ·
3 gave up in mid-run, state kept · 130 interrupted, state kept.
"""

from __future__ import annotations

import argparse
import errno
import logging
import select
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kgnb.cli.commands import chosen, make_parser
from kgnb.cli.options import INTERRUPTED, OK
from kgnb.cli.streams import discard_unwritten, prepare_streams
from kgnb.core.errors import InputError, KgnbError
from kgnb.core.messages import Language, environment_language, say, use_language
from kgnb.core.safe_text import one_line

if TYPE_CHECKING:
    from kgnb.core.settings import Settings

log = logging.getLogger(__name__)

BROKE = 3
"""Exit code of a command that ended in the middle, its state kept."""


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one command and returns its exit code; without a command shows the help (0, as kubectl and gh)."""
    words = list(sys.argv[1:] if argv is None else argv)
    use_language(_language_option(words) or environment_language())
    try:
        prepare_streams()
        args = make_parser().parse_args(words)
        if args.run is None:
            args.parser.print_help()
            return OK
        return _run(args)
    except KeyboardInterrupt:  # Ctrl-C, and SIGTERM by cancel_on_sigterm
        _complain(say("cli.interrupted"))
        discard_unwritten()  # the terminal's end may be what interrupted it
        return INTERRUPTED


def _language_option(words: Sequence[str]) -> Language | None:
    """Return the last language that ``--lang`` names, wherever it stands: errors of parsing speak it too.
    None without one, or for an unknown one.
    """
    found: Language | None = None
    for word, following in zip(words, [*words, ""][1:], strict=True):
        if word == "--":
            break
        given = following if word == "--lang" else word.removeprefix("--lang=")
        if word.startswith("--lang"):
            found = "zh" if given == "zh" else "en" if given == "en" else found
    return found


def _run(args: argparse.Namespace) -> int:
    """Run the parsed command; return its exit code."""
    import asyncio  # here and not at the top: help and errors of parsing need none of these

    try:
        from kgnb.core.event_loop import new_loop
        from kgnb.core.host import keep_working_folder_off_path
        from kgnb.core.process_tuning import tune_process
        from kgnb.core.secrets import load_settings

        keep_working_folder_off_path()
        settings, _ = load_settings(**_overrides(args))
        _configure_logging(args, settings)
        tune_process()
        if args.name == "submit" or (args.name == "build" and not args.json):
            from kgnb.render.progress_bar import tell_reading

            tell_reading(args.book)
        run = chosen(args)
        with asyncio.Runner(loop_factory=new_loop) as runner:
            code = runner.run(run(args, settings))
        sys.stdout.flush()  # a failure to write can still be reported here
        return code
    except asyncio.CancelledError:
        raise KeyboardInterrupt from None
    except KgnbError as error:
        _complain(str(error))
        return error.exit_code
    except Exception as error:
        if isinstance(error, OSError) and error.errno in _NO_READER and _stdout_has_no_reader():
            return _NO_READER[error.errno]
        if (key := _shortage(error)) is not None:
            _complain(say(key, reason=error))
            discard_unwritten()
            return BROKE
        if isinstance(error, OSError) and error.errno in _PATH_ERRORS and error.filename is not None:
            _complain(say("cli.path", path=error.filename, reason=error.strerror))
            return InputError.exit_code
        # A bug of kgnb's own: it must not look like "finished with failed chapters" (exit 1).
        log.exception(say("cli.broke"))
        return BROKE


def _stdout_has_no_reader() -> bool:
    """Return whether it is stdout's pipe or terminal that is gone, no connection; the rest of the output then
    goes nowhere.
    """
    stdout = select.poll()
    stdout.register(sys.stdout, 0)
    if not stdout.poll(0):  # without a reader it has an error
        return False
    discard_unwritten()
    return True


_NO_READER = {errno.EPIPE: OK, errno.EIO: INTERRUPTED}
"""Exit codes by what writing to stdout fails with: `… | head`, a terminal that was closed."""


def _shortage(error: BaseException) -> str | None:
    """Return the key of the text for a machine that has run out of something; None for any other error."""
    if isinstance(error, MemoryError):
        return "cli.no_memory"
    return _SHORTAGES.get(error.errno or 0) if isinstance(error, OSError) else None


_SHORTAGES = {
    errno.ENOSPC: "cli.no_space",
    errno.EDQUOT: "cli.no_space",
    errno.EFBIG: "cli.no_space",
    errno.EMFILE: "cli.no_files",
    errno.ENFILE: "cli.no_files",
    errno.ENOMEM: "cli.no_memory",
    errno.EAGAIN: "cli.no_processes",
}


_PATH_ERRORS = (
    *(errno.ENAMETOOLONG, errno.ELOOP, errno.ENOTDIR, errno.EISDIR),
    *(errno.EACCES, errno.EPERM, errno.EROFS),
)
"""A path that the user gave, in an option or a setting, is one that can't be."""


def _complain(text: str) -> None:
    with suppress(OSError):  # the terminal may be gone
        print(f"kgnb: {one_line(text)}", file=sys.stderr)


def _overrides(args: argparse.Namespace) -> dict[str, Any]:
    """Return setting → value, of the settings that options override."""
    from kgnb.core.settings import Settings
    from kgnb.llm.local import PROVIDER as LOCAL

    overrides: dict[str, Any] = {}
    if args.data is not None:
        overrides["data"] = Path(args.data)
    if args.lang is not None:
        overrides["lang"] = args.lang
    if args.name == "build":
        overrides |= {"provider_name": LOCAL} if args.provider == LOCAL else {}
        overrides |= {"openai_model": args.model} if args.model else {}
    for name in ("resume_from", "providers", "kinds", "assist"):
        if value := getattr(args, name, None):
            overrides[name] = value
    return overrides | Settings.for_slots(getattr(args, "slots", None))


def _configure_logging(args: argparse.Namespace, settings: Settings) -> None:
    from kgnb.core import logging as log_setup

    is_worker = args.name == "worker"
    level = settings.log_level if is_worker or "log_level" in settings.model_fields_set else "WARNING"
    stream = sys.stdout if is_worker else sys.stderr
    log_setup.configure(level, stream, as_json=settings.log_json)
    if is_worker:
        log_setup.add_file(settings.data / "logs", as_json=settings.log_json)
