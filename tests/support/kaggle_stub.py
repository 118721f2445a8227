"""Kaggle's API as far as its official command line needs it, on this machine only.

That program always speaks to https://api.kaggle.com, so this is an HTTPS proxy which answers for that host
with a certificate of its own: nothing in the program is patched, and nothing leaves the machine.

``python tests/support/kaggle_stub.py FOLDER COMMAND…`` runs a command with the server in its environment.
"""

from __future__ import annotations

import datetime
import json
import os
import re
import socketserver
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Container, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from slugify import slugify

Command = Callable[..., int]
"""Runs ``kgnb kaggle`` with words in this process and returns its exit code; a fixture."""
HOST = "api.kaggle.com"
TOKEN = "KGAT_canary0123456789abcdef01234567"
MOST_SOURCE = 1 << 20
"""Bytes of a notebook's text."""
PAGE = 20
"""Files in a page of a run's output, unless the request says how many."""
UNPACKED = (".zip", ".7z", ".tar", ".tar.gz", ".tgz", ".epub")
DATASET_NAME = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
LICENCES = (
    "CC0-1.0",
    "CC-BY-SA-4.0",
    "GPL-2.0",
    "ODbL-1.0",
    "CC-BY-NC-SA-4.0",
    "unknown",
    "DbCL-1.0",
    "other",
)
"""Some of those in Kaggle's list."""
ACCELERATORS = (
    *(
        "NvidiaTeslaP100",
        "NvidiaTeslaT4",
        "NvidiaTeslaT4Highmem",
        "NvidiaTeslaA100",
        "NvidiaL4",
        "NvidiaL4X1",
    ),
    *("NvidiaH100", "NvidiaRtxPro6000", "TpuV38", "Tpu1VmV38", "TpuV5E8", "TpuV6E8"),
)
"""As in docs/kernels.md of Kaggle's command line, February 2026."""
CAP = "Maximum batch CPU session count of 5 reached."


class TitleTaken(Exception):
    """Another notebook of this account has the title."""


def _http_error(status: int, words: str) -> tuple[int, dict[str, Any]]:
    """An HTTP error as Kaggle's gateway tells it."""
    return status, {"error": {"code": status, "message": words, "status": "FAILED"}}


@dataclass
class StubDataset:
    """A dataset as the server keeps it: the content of its newest version, by file name."""

    files: dict[str, bytes]
    private: bool = True
    version: int = 1


@dataclass
class KaggleStub:
    """What the server was asked, and what it answers."""

    port: int = 0
    ca: Path = Path()
    user: str = "reader"
    requests: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    authorizations: set[str] = field(default_factory=set)
    push_errors: list[str] = field(default_factory=list)
    """Errors of the next pushes, which Kaggle sends with status 200."""
    statuses: list[str] = field(default_factory=lambda: ["COMPLETE"])
    """States of the next looks; the last one stays."""
    failure: str = ""
    invalid_datasets: list[str] = field(default_factory=list)
    files: dict[str, bytes] = field(default_factory=dict)
    log: str = ""
    faults: list[int] = field(default_factory=list)
    """HTTP errors of the next requests of the kernels' API."""
    page: bytes = b""
    """A web page that answers in the API's place."""
    pieces: Callable[[], Iterator[bytes]] | None = None
    """The body of an answer in the kernels' API's place, sent piece by piece."""
    broken_off: set[str] = field(default_factory=set)
    """Files whose transfer always ends too early."""
    delay: float = 0.0
    """Seconds before each answer of the kernels' API."""
    versions: int = 0
    strangers: list[str] = field(default_factory=list)
    """Other hosts that somebody wanted to reach through this one."""
    datasets: dict[str, StubDataset] = field(default_factory=dict)
    """By OWNER/NAME."""
    preparing: int = 0
    """How many looks at a dataset's state still find the files of its new version not ready."""
    gpu_hours: tuple[float, float] = (3.0, 30.0)
    """Used and allowed this week."""
    kernels: set[str] = field(default_factory=lambda: {"reader/some-notebook"})
    """What there is to look at; what was pushed is added."""
    called: dict[str, str] = field(default_factory=dict)
    """What Kaggle calls a notebook where it isn't the title's slug, by that slug."""
    titles: set[str] = field(default_factory=set)
    """Titles of other notebooks of this account."""
    unseen: int = 0
    """How many looks at a run's state don't find it yet."""
    unpublished: int = 0
    """How many looks at a run's output find nothing yet."""
    run: Callable[[dict[str, Any]], None] | None = None
    """Runs what was pushed, beside the server: the run is under way until this returns."""
    _uploads: dict[str, tuple[str, bytes]] = field(default_factory=dict)
    _running: threading.Thread | None = None

    def pushes(self) -> list[dict[str, Any]]:
        return [body for name, body in self.requests if name == "SaveKernel"]

    def env(self, home: Path) -> dict[str, str]:
        """What makes the official command line come here, logged in."""
        return {
            "HTTPS_PROXY": f"http://127.0.0.1:{self.port}",
            "REQUESTS_CA_BUNDLE": str(self.ca),
            "NO_PROXY": "127.0.0.1",
            "HOME": str(home),
            "KAGGLE_API_TOKEN": TOKEN,
        }

    def answer(self, name: str, body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        if name == "IntrospectToken":
            known = body.get("token") == TOKEN
            return 200, {"active": known, "username": self.user if known else ""}
        time.sleep(self.delay)
        if self.faults:
            return _http_error(self.faults.pop(0), "Server Error")
        known = getattr(self, f"_{name}", None)
        if known is None:
            return _http_error(404, f"Not Found: {name}")
        try:
            return 200, known(body)
        except LookupError:  # of what somebody else owns, or nobody
            return _http_error(403, f"Permission was denied: {name}")
        except TitleTaken:
            words = "The requested title is already in use by a notebook. Please choose another title."
            return _http_error(409, words)

    # --- runs

    def _SaveKernel(self, body: dict[str, Any]) -> dict[str, Any]:
        if self.push_errors or (refused := self._refusal(body)):
            said = self.push_errors.pop(0) if self.push_errors else refused
            # Kaggle's answer as it was seen in 2026: each field twice.
            return {"errorNullable": said, "error": said, "hasError": True, "ref": "", "versionNumber": 0}
        self.versions += 1
        # The title decides what a notebook is called, whatever id was asked for.
        slug = slugify(body["newTitle"])
        ref = f"{self.user}/{self.called.get(slug, slug)}"
        self.kernels.add(ref)
        if self.run is not None and body.get("kernelExecutionType") != "QUICK_SAVE":
            self._running = threading.Thread(target=self.run, args=[body])
            self._running.start()
        return {
            "ref": f"/code/{ref}",
            "url": f"https://www.kaggle.com/code/{ref}",
            "versionNumber": self.versions,
            "invalidDatasetSources": [*self.invalid_datasets, *self._missing(body, "dataset", self.datasets)],
            "invalidKernelSources": self._missing(body, "kernel", self.kernels),
            "invalidTags": body.get("categoryIds", []),
        }

    def _missing(self, body: dict[str, Any], kind: str, there: Container[str]) -> list[str]:
        """Sources of this account that it hasn't got; what others have is not known here."""
        asked = body.get(f"{kind}DataSources", [])
        return [one for one in asked if one.startswith(f"{self.user}/") and one not in there]

    def _refusal(self, body: dict[str, Any]) -> str:
        """Kaggle's words for a notebook that it doesn't take; "" for one that it does."""
        notebook, title = json.loads(body["text"]), body.get("newTitle", "")
        if body["slug"].partition("/")[0].lower() != self.user:
            return "Notebook not found"
        if not 5 <= len(title) <= 50:
            return "Title must be between 5 and 50 characters"
        if body["slug"] not in self.kernels and not title.isascii():
            return "Notebook not found"
        if title in self.titles:
            raise TitleTaken
        if len(body["text"].encode()) > MOST_SOURCE:
            return "Source code is too large"
        if not all(isinstance(cell["source"], str) for cell in notebook["cells"]):
            return "An internal server error occurred"
        if not notebook["metadata"].get("kernelspec", {}).get("name"):
            return "No kernel name found in notebook and no override provided"  # papermill's, in the run
        if body.get("machineShape") and body["machineShape"] not in ACCELERATORS:
            return f"Invalid machine shape: {body['machineShape']}"
        if body.get("sessionTimeoutSeconds", 0) > 12 * 3600:
            return "Session timeout is too long"
        return ""

    def _GetKernelSessionStatus(self, body: dict[str, Any]) -> dict[str, Any]:
        if f"{body['userName']}/{body['kernelSlug']}" not in self.kernels:
            raise LookupError
        self.unseen -= 1
        if self.unseen >= 0:
            raise LookupError
        if self._running is not None and self._running.is_alive():
            return {"status": "RUNNING", "failureMessage": ""}
        state = self.statuses.pop(0) if len(self.statuses) > 1 else self.statuses[0]
        return {"status": state, "failureMessage": self.failure}

    def _ListKernelSessionOutput(self, body: dict[str, Any]) -> dict[str, Any]:
        base = f"http://127.0.0.1:{self.port}/file"
        listed = [{"fileName": n, "url": f"{base}/{n}"} for n in self.files]
        self.unpublished -= 1
        if self.unpublished >= 0:
            return {"files": [], "log": "", "nextPageToken": ""}
        start = int(body.get("pageToken") or 0)
        end = start + (body.get("pageSize") or PAGE)
        token = str(end) if end < len(listed) else ""
        return {"files": listed[start:end], "log": self.log, "nextPageToken": token}

    def _GetAcceleratorQuotaStatistics(self, _: dict[str, Any]) -> dict[str, Any]:
        used, allowed = (f"{hours * 3600:.0f}s" for hours in self.gpu_hours)
        none = {"timeReserved": "0s", "minimumTimeAllowed": "0s"}
        gpu = {"timeUsed": used, "totalTimeAllowed": allowed, **none}
        return {"quotaRefreshTime": "2026-11-28T00:00:00.000Z", "gpuQuota": gpu}

    # --- datasets

    def _dataset(self, body: dict[str, Any]) -> StubDataset:
        return self.datasets[f"{body['ownerSlug']}/{body['datasetSlug']}"]

    def _GetDataset(self, body: dict[str, Any]) -> dict[str, Any]:
        found = self._dataset(body)
        return {"isPrivate": found.private, "currentVersionNumber": found.version}

    def _GetDatasetStatus(self, body: dict[str, Any]) -> dict[str, Any]:
        self._dataset(body)
        self.preparing -= 1
        return {"status": "READY" if self.preparing < 0 else "BLOBS_RECEIVED"}

    def _ListDatasetFiles(self, body: dict[str, Any]) -> dict[str, Any]:
        return {"datasetFiles": [{"name": name} for name in self._dataset(body).files]}

    def _DeleteDataset(self, body: dict[str, Any]) -> dict[str, Any]:
        self._dataset(body)
        del self.datasets[f"{body['ownerSlug']}/{body['datasetSlug']}"]
        return {}

    def _StartBlobUpload(self, body: dict[str, Any]) -> dict[str, Any]:
        token = f"upload-{len(self._uploads)}"
        self._uploads[token] = (body["name"], b"")
        return {"token": token, "createUrl": f"http://127.0.0.1:{self.port}/upload/{token}"}

    def uploaded(self, token: str, data: bytes) -> None:
        """Keeps the content of an upload under way."""
        self._uploads[token] = (self._uploads[token][0], data)

    def _CreateDataset(self, body: dict[str, Any]) -> dict[str, Any]:
        ref = f"{body['ownerSlug']}/{body['slug']}"
        if body["ownerSlug"] != self.user or ref in self.datasets:
            raise LookupError
        sizes = [len(body["slug"]), len(body["title"])]
        if not all(6 <= size <= 50 for size in sizes) or not DATASET_NAME.fullmatch(body["slug"]):
            return {"status": "error", "error": "The dataset's name is not allowed"}
        if body["licenseName"] not in LICENCES:
            return {"status": "error", "error": f"Unknown license: {body['licenseName']}"}
        self.datasets[ref] = StubDataset(self._content(body["files"]), body["isPrivate"])
        return {"ref": ref, "status": "ok", "error": ""}

    def _CreateDatasetVersion(self, body: dict[str, Any]) -> dict[str, Any]:
        found = self._dataset(body)
        found.files, found.version = self._content(body["body"]["files"]), found.version + 1
        return {"status": "ok", "error": ""}

    def _content(self, files: list[dict[str, Any]]) -> dict[str, bytes]:
        """What a version keeps of its uploads: Kaggle unpacks archives, whose file is then gone."""
        found = dict(self._uploads[one["token"]] for one in files)
        return {name: data for name, data in found.items() if not name.endswith(UNPACKED)}


@contextmanager
def kaggle_stub(folder: Path) -> Iterator[KaggleStub]:
    """The server, until the block ends."""
    stub = KaggleStub()
    stub.ca, certificate = _certificate(folder)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_CONNECT(self) -> None:
            if self.path != f"{HOST}:443":
                stub.strangers.append(self.path)
                self.send_error(502)
                return
            self.send_response(200)
            self.end_headers()
            self.connection = context.wrap_socket(self.connection, server_side=True)
            self.rfile = self.connection.makefile("rb")
            self.wfile = socketserver._SocketWriter(self.connection)
            self.close_connection = False

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            name = self.path.rpartition("/")[2]
            stub.requests.append((name, body))
            stub.authorizations.add(self.headers.get("Authorization", ""))
            if stub.page:
                self._send(200, stub.page, "text/html")
                return
            if stub.pieces and name != "IntrospectToken":
                self._send_pieces(stub.pieces(), "application/json")
                return
            status, answer = stub.answer(name, body)
            self._send(status, json.dumps(answer).encode(), "application/json")

        def do_GET(self) -> None:
            if "/logs/stream/" in self.path and stub.pieces:
                self._send_pieces(stub.pieces(), "text/event-stream")
            elif "/logs/stream/" in self.path:
                lines = "".join(f"data: {json.dumps({'data': line})}\n\n" for line in stub.log.splitlines())
                self._send(200, f"{lines}data: END_OF_LOG\n\n".encode(), "text/event-stream")
            else:
                name = unquote(self.path.removeprefix("/file/"))
                shorter = 1 if name in stub.broken_off else 0
                self._send(200, stub.files[name], "application/octet-stream", shorter)

        def do_PUT(self) -> None:
            data = self.rfile.read(int(self.headers["Content-Length"]))
            stub.uploaded(self.path.rpartition("/")[2], data)
            self._send(200, b"{}", "application/json")

        def _send(self, status: int, data: bytes, kind: str, shorter: int = 0) -> None:
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data[: len(data) - shorter])
            self.close_connection = shorter > 0

        def _send_pieces(self, pieces: Iterator[bytes], kind: str) -> None:
            self.send_response(200)
            self.send_header("Content-Type", kind)
            self.send_header("Connection", "close")
            self.end_headers()
            with suppress(OSError):  # the client has had enough
                for piece in pieces:
                    self.wfile.write(piece)

        def log_message(self, *_: object) -> None:
            return

    class Server(socketserver.ThreadingTCPServer):
        daemon_threads = True
        allow_reuse_address = True

        def handle_error(self, request: Any, client_address: Any) -> None:
            if not isinstance(
                sys.exc_info()[1], OSError
            ):  # of a client that has gone: no words of the package's
                super().handle_error(request, client_address)

    with Server(("127.0.0.1", 0), Handler) as server:
        stub.port = server.server_address[1]
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        yield stub
        server.shutdown()


def _certificate(folder: Path) -> tuple[Path, Path]:
    """(what a client trusts, what the server shows): a certificate that signs itself, one a folder."""
    if (folder / "server.pem").is_file():
        return folder / "ca.pem", folder / "server.pem"
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, HOST)])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=2))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(HOST)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )
    public = made.public_bytes(serialization.Encoding.PEM)
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    (folder / "ca.pem").write_bytes(public)
    (folder / "server.pem").write_bytes(private + public)
    return folder / "ca.pem", folder / "server.pem"


def main(folder: Path, *command: str) -> int:
    """Runs a command that pushes one notebook; 1 where it didn't, or wanted to speak to another host."""
    with kaggle_stub(folder) as stub:
        stub.files = {"kgnb-report.html": b"<!doctype html><title>kgnb</title>"}
        code = subprocess.run(command, env={**os.environ, **stub.env(folder)}).returncode
        pushed = {body["slug"]: len(body["text"]) for body in stub.pushes()}
        print(f"pushed, in bytes: {pushed}; other hosts asked for: {stub.strangers}")
        return code or int(len(pushed) != 1 or bool(stub.strangers))


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), *sys.argv[2:]))
