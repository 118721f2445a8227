"""The process that holds Kaggle's own Python package and answers :class:`kgnb.kaggle.client.KaggleClient`.

That package logs in when it is imported, prints, ends the process with SystemExit and waits without a limit:
here none of it reaches the caller, who can end the process at any time. Run as a file, not as a module, so
that it needs nothing but ``kaggle`` itself.

Each line of stdin is a request ``{"call": name, "arguments": {…}}``. Its answer on stdout is a line
``{"event": text}`` for each piece of a log and for what the package printed, then ``{"value": …}`` or
``{"error": "no_login" | "not_kaggle" | "down" | "missing" | "refused" | "unreadable", "reason": …}``.
"""

from __future__ import annotations

import contextlib
import errno
import io
import json
import os
import signal
import sys
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC
from pathlib import Path
from typing import Any

Answer = dict[str, Any]
Emit = Callable[[Any], None]

MISSING = (403, 404)
"""Status of what isn't there, or isn't this account's: Kaggle doesn't tell one from the other."""


def main() -> None:
    """Answer requests until stdin ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a terminal's Ctrl-C is the caller's to handle
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    sys.argv = sys.argv[:1]

    def send(answer: Answer) -> None:
        print(json.dumps(answer), file=answers, flush=True)

    for line in sys.stdin:
        send(answer(json.loads(line), lambda event: send({"event": event})))


def answer(request: Mapping[str, Any], emit: Emit = lambda _: None) -> Answer:
    """Return the answer to one request: ``{"value": …}`` or ``{"error": kind, "reason": …}``; ``emit`` gets
    its events. Raises nothing but an interrupt.
    """
    printed = io.StringIO()
    try:
        with contextlib.redirect_stdout(printed), contextlib.redirect_stderr(printed):
            if (api := _logged_in()) is None:
                return _error("no_login")
            value = getattr(_Calls(api, emit), request["call"])(**request["arguments"])
        if text := printed.getvalue().strip():
            emit(text)
        return {"value": value}
    except SystemExit:
        return _error("refused", printed.getvalue())
    except Exception as error:  # noqa: BLE001 a process's boundary: the answer carries it on
        return _failure(error)


def _logged_in() -> Any:
    """Return the package's KaggleApi; None without credentials, or with none that Kaggle accepts."""
    from requests import adapters

    # Without a charset in its header, requests takes a log under way for Latin-1.
    vars(adapters)["get_encoding_from_headers"] = lambda _: "utf-8"
    import kaggle  # logs in as it is imported, and says nothing when that fails

    api = kaggle.api
    if api.CONFIG_NAME_AUTH_METHOD not in api.config_values:
        try:
            api.authenticate()
        except SystemExit:
            return None
    return api


# --- failures


def _failure(error: Exception) -> Answer:
    """Return the answer for an error, by type and status; the package turns some HTTP errors into ValueErrors
    raised from them.
    """
    from requests.exceptions import HTTPError, RequestException
    from urllib3.exceptions import HTTPError as LowLevelError

    causes = list(_causes(error))
    response = next((one.response for one in causes if isinstance(one, HTTPError)), None)
    if response is not None:
        status = int(response.status_code)
        down = status == 429 or status >= 500
        missing = "missing" if status in MISSING else "refused"
        kind = "no_login" if status == 401 else "down" if down else missing
        return _error(kind, f"{status} {response.reason}" if down else _words(response) or str(error))
    if isinstance(error, json.JSONDecodeError):
        return _error("not_kaggle")
    if isinstance(error, RequestException | LowLevelError | OSError):
        return _error("down", f"{type(error).__name__}: {_root_reason(causes[-1])}")
    if isinstance(error, ValueError) and str(error):  # how the package refuses
        return _error("refused", str(error))
    return _error("unreadable", f"{type(error).__name__}: {error}")  # a state or field that it doesn't know


def _words(response: Any) -> str:
    """Return Kaggle's words in an answer, below "error" or not; "" for an answer without."""
    try:
        body = response.json()
        return str(body.get("error", body)["message"])
    except (ValueError, AttributeError, TypeError, KeyError):  # a page, or JSON of another form
        return ""


def _causes(error: BaseException) -> Iterator[BaseException]:
    """Yield the error and those that it was raised from, the first one last."""
    current: BaseException | None = error
    while current is not None:
        yield current
        current = current.__cause__ or current.__context__


def _root_reason(root: BaseException) -> str:
    """Return the operating system's words, else the error's type: the words of the HTTP libraries quote
    addresses with signatures.
    """
    return (root.strerror if isinstance(root, OSError) else None) or type(root).__name__


def _error(kind: str, reason: str = "") -> Answer:
    """Return an answer with an error of this kind."""
    return {"error": kind, "reason": reason}


# --- calls


class _Calls:
    """What may be asked for, of the package's KaggleApi."""

    def __init__(self, api: Any, emit: Emit) -> None:
        self._api = api
        self._emit = emit

    def username(self) -> str | None:
        """Return the account's name; None without one."""
        name: str | None = self._api.get_config_value(self._api.CONFIG_NAME_USER)
        return name

    def push(self, folder: str, limit: int | None, run: bool) -> Answer:
        """Push a folder; return error, name, version, page, and the inputs that Kaggle left out, by kind."""
        pushed = self._api.kernels_push(folder, limit, no_run=not run)
        invalid = {
            "dataset": pushed.invalid_dataset_sources,
            "competition": pushed.invalid_competition_sources,
            "kernel": pushed.invalid_kernel_sources,
            "model": pushed.invalid_model_sources,
            "tag": pushed.invalid_tags,
        }
        return {
            "error": pushed.error or "",
            "ref": pushed.ref or "",
            "version": pushed.version_number or None,
            "url": pushed.url,
            "invalid": {kind: list(names) for kind, names in invalid.items() if names},
        }

    def status(self, kernel: str) -> Answer:
        """Return {"state": …, "failure": reason or ""} of a run."""
        found = self._api.kernels_status(kernel)
        return {"state": found.status.name, "failure": found.failure_message or ""}

    def logs(self, kernel: str) -> str:
        """Return the log of a run."""
        text: str = self._api.kernels_logs(kernel)
        return text

    def follow_logs(self, kernel: str) -> None:
        for event in self._api.kernels_logs_stream(kernel):
            self._emit(str(event.get("data", "")))

    def output(self, kernel: str, folder: str, pattern: str | None) -> Answer:
        """Fetch a run's files; return {"error": reason or "", "files": paths}."""
        self._api.download_file = self._download
        try:
            files, _token = self._api.kernels_output(kernel, folder, file_pattern=pattern, force=True)
        except OSError as error:
            if error.filename is None and error.errno != errno.ENOSPC:  # of the network
                raise
            return {"error": error.strerror, "files": []}
        return {"error": "", "files": list(files)}

    def _download(self, response: Any, file: str, *options: Any) -> None:
        """The package's ``download_file``; the file stays as it was until all of the new one is there."""
        part = Path(f"{file}.part")
        try:
            type(self._api).download_file(self._api, response, str(part), *options)
            part.replace(file)
        finally:
            for left in (part, Path(f"{part}.kaggle-partial")):
                left.unlink(missing_ok=True)

    def quota(self) -> Answer:
        """Return used and allowed seconds of "gpu" and "tpu", and when they are renewed (epoch seconds)."""
        found = self._api.quota_view()
        refresh = found.quota_refresh_time
        if refresh is not None and refresh.utcoffset() is None:
            refresh = refresh.replace(tzinfo=UTC)  # the package leaves the zone away
        return {
            "refresh": refresh and refresh.timestamp(),
            **{
                name: {"used": one.time_used.total_seconds(), "all": one.total_time_allowed.total_seconds()}
                for name, one in (("gpu", found.gpu_quota), ("tpu", found.tpu_quota))
                if one is not None
            },
        }

    def dataset(self, dataset: str) -> Answer:
        """The dataset's current version and state."""
        from kagglesdk.datasets.types.dataset_api_service import ApiGetDatasetRequest

        request = ApiGetDatasetRequest()
        request.owner_slug, request.dataset_slug = dataset.split("/")
        with self._api.build_kaggle_client() as client:
            found = client.datasets.dataset_api_client.get_dataset(request)
        return {
            "private": bool(found.is_private),
            "version": found.current_version_number or 0,
            "state": self._api.dataset_status(dataset),
        }

    def dataset_files(self, dataset: str) -> list[str]:
        """Return the names of a dataset's files."""
        return [one.name for one in self._api.dataset_list_files(dataset).files or []]

    def send_dataset(self, folder: str, new: bool) -> str:
        """Make a dataset, or a new version of it, of a folder; return "" or why it failed."""
        plain = {"quiet": True, "convert_to_csv": False}
        if new:
            made = self._api.dataset_create_new(folder, public=False, **plain)
        else:
            made = self._api.dataset_create_version(folder, "kgnb", delete_old_versions=True, **plain)
        return made.error or ""

    def delete_dataset(self, dataset: str) -> None:
        self._api.dataset_delete(*dataset.split("/"), no_confirm=True)


if __name__ == "__main__":
    main()
