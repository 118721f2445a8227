"""A certificate authority of our own, and a MariaDB that speaks TLS and whose users we may choose."""

from __future__ import annotations

import contextlib
import datetime
import getpass
import ipaddress
import shutil
import signal
import socket
import ssl
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pymysql
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tests.support.patience import SLOWEST


@dataclass(frozen=True)
class Authority:
    """Files: a CA's certificate, and a server's certificate and key for 127.0.0.1 and localhost."""

    ca: Path
    certificate: Path
    key: Path

    def server(self) -> ssl.SSLContext:
        """What a server with this certificate uses."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.certificate, self.key)
        return context


def authority(folder: Path) -> Authority:
    """A new CA in ``folder``."""
    folder.mkdir()
    ca_key, key = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
    ca = _signed("kgnb test CA", ca_key, "kgnb test CA", ca_key, ca=True)
    certificate = _signed("localhost", key, "kgnb test CA", ca_key)
    pem = serialization.Encoding.PEM
    made = Authority(folder / "ca.pem", folder / "server.pem", folder / "server.key")
    made.ca.write_bytes(ca.public_bytes(pem))
    made.certificate.write_bytes(certificate.public_bytes(pem))
    made.key.write_bytes(
        key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return made


def _signed(
    name: str,
    key: ec.EllipticCurvePrivateKey,
    issuer: str,
    by: ec.EllipticCurvePrivateKey,
    *,
    ca: bool = False,
) -> x509.Certificate:
    now = datetime.datetime.now(datetime.UTC)
    names = [x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
    builder = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]))
        .issuer_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, issuer)]))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.BasicConstraints(ca, None), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(by.public_key()), critical=False)
    )
    if ca:  # Python 3.13 asks what it is for: to sign certificates and lists of revoked ones
        usage = x509.KeyUsage(*(False,) * 5, True, True, False, False)
        builder = builder.add_extension(usage, critical=True)
    else:
        builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
    return builder.sign(by, hashes.SHA256())


@dataclass(frozen=True)
class Maria:
    """A MariaDB of a test's own."""

    port: int
    socket: Path

    def run(self, script: str) -> None:
        """Runs statements, separated by ";", as its administrator."""
        with contextlib.closing(
            pymysql.connect(unix_socket=str(self.socket), user=getpass.getuser(), autocommit=True)
        ) as connection:
            for statement in filter(None, map(str.strip, script.split(";"))):
                connection.cursor().execute(statement)


@contextlib.contextmanager
def mariadb(folder: Path, tls: Authority) -> Iterator[Maria]:
    """A MariaDB in ``folder`` that lives as long as the test wants it."""
    if not (shutil.which("mariadb-install-db") and shutil.which("mariadbd", path="/usr/sbin:/usr/bin")):
        pytest.skip("apt-get install mariadb-server-core")
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port = one.getsockname()[1]
    folder.mkdir()
    user, at = getpass.getuser(), folder / "socket"
    settings = folder / "my.cnf"
    settings.write_text(
        f"[mariadbd]\ndatadir={folder}/data\nsocket={at}\nbind-address=127.0.0.1\nport={port}\nuser={user}\n"
        "character-set-server=utf8mb4\nskip-name-resolve\nperformance-schema=OFF\n"
        "innodb-buffer-pool-size=16M\ninnodb-log-file-size=8M\ninnodb-flush-log-at-trx-commit=2\n"
        f"ssl-ca={tls.ca}\nssl-cert={tls.certificate}\nssl-key={tls.key}\n"
    )
    with (folder / "log").open("w") as log:
        subprocess.run(
            ["mariadb-install-db", f"--defaults-file={settings}", "--skip-test-db"],
            stdout=log, stderr=log, check=True, timeout=60 * SLOWEST,
        )  # fmt: skip
        server = subprocess.Popen(
            [shutil.which("mariadbd", path="/usr/sbin:/usr/bin"), f"--defaults-file={settings}"],
            stdout=log, stderr=log,
        )  # fmt: skip
        maria = Maria(port, at)
        try:
            _await(maria, server, folder / "log")
            yield maria
        finally:
            server.send_signal(signal.SIGKILL)  # nobody needs its data
            server.wait(10 * SLOWEST)


def _await(maria: Maria, server: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + 30 * SLOWEST
    while True:
        try:
            return maria.run("SELECT 1")
        except pymysql.err.OperationalError:
            assert server.poll() is None, log.read_text()
            assert time.monotonic() < deadline, log.read_text()
            time.sleep(0.05)
