"""A receiver of webhooks that is on the Internet, as far as the deployed sender can tell.

The sender refuses every address that is not public, and every certificate that it does not trust,
and nothing in a deployed function turns that off. So the receiver listens on a public address that
the loopback interface of this machine has meanwhile, and shows a certificate of an authority that
the stage trusts by OpenSSL's own variable, SSL_CERT_FILE.
"""

import ipaddress
import os
import ssl
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Condition, Thread
from typing import NamedTuple

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tests.support.needs import missing

# In the block of AS112 (RFC 7535): globally routed by intent, and nobody's server.
ADDRESS = "192.31.196.77"


class Received(NamedTuple):
    """A request; the names of the headers are in lower case."""

    path: str
    headers: dict[str, str]
    body: bytes


class Receiver:
    """Receives webhooks at `url`, and responds with `status`."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.status = 204
        self.requests: list[Received] = []
        self.changed = Condition()

    def wait(self, number: int, seconds: float = 60) -> list[Received]:
        """Return the requests as soon as there are so many."""
        with self.changed:
            found = self.changed.wait_for(lambda: len(self.requests) >= number, seconds)
            assert found, f"{len(self.requests)} requests, not {number}: {self.requests}"
            return [*self.requests]


@contextmanager
def a_public_address() -> Iterator[str]:
    """Give this machine a public address. Skips the test where that is not allowed."""
    address = f"{ADDRESS}/32"
    if _ip("add", address).returncode != 0:
        missing("A public address on the loopback interface needs root, or sudo without a password")
    try:
        yield ADDRESS
    finally:
        _ip("del", address)


@contextmanager
def receiving(folder: Path) -> Iterator[Receiver]:
    """Run a receiver; `folder` gets `authority.pem`, which vouches for it."""
    with a_public_address() as address:
        _write_certificates(folder, address)
        with ThreadingHTTPServer((address, 0), _Handler) as server:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(folder / "server.pem")
            server.socket = context.wrap_socket(server.socket, server_side=True)
            receiver = Receiver(f"https://{address}:{server.server_port}/hooks")
            _Handler.receiver = receiver
            thread = Thread(target=server.serve_forever)
            thread.start()
            try:
                yield receiver
            finally:
                server.shutdown()
                thread.join()


class _Handler(BaseHTTPRequestHandler):
    receiver: Receiver

    def do_POST(self) -> None:
        """Note the request and respond."""
        body = self.rfile.read(int(self.headers["Content-Length"]))
        headers = {name.lower(): value for name, value in self.headers.items()}
        self.send_response(self.receiver.status)
        self.send_header("Content-Length", "0")
        self.end_headers()
        with self.receiver.changed:
            self.receiver.requests.append(Received(self.path, headers, body))
            self.receiver.changed.notify_all()

    def log_message(self, *_: object) -> None:
        """Print nothing."""


def _ip(action: str, address: str) -> subprocess.CompletedProcess[bytes]:
    command = ["ip", "address", action, address, "dev", "lo"]
    if os.geteuid() != 0:
        command = ["sudo", "--non-interactive", *command]
    try:
        return subprocess.run(command, capture_output=True, check=False)
    except FileNotFoundError:
        return subprocess.CompletedProcess(command, 127)


def _write_certificates(folder: Path, address: str) -> None:
    """Write an authority, and the key and certificate of a server at the address."""
    now = datetime.now(UTC)
    authority_key, key = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
    authority_name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "The tests' authority")])
    authority = (
        x509.CertificateBuilder()
        .subject_name(authority_name)
        .issuer_name(authority_name)
        .public_key(authority_key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(signs_certificates=True), critical=True)
        .add_extension(
            x509.SubjectKeyIdentifier.from_public_key(authority_key.public_key()), critical=False
        )
        .sign(authority_key, hashes.SHA256())
    )
    names = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address(address))])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "The receiver")]))
        .issuer_name(authority_name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(names, critical=False)
        .add_extension(_usage(signs_certificates=False), critical=True)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(authority_key.public_key()),
            critical=False,
        )
        .sign(authority_key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    (folder / "authority.pem").write_bytes(authority.public_bytes(pem))
    private = key.private_bytes(
        pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    (folder / "server.pem").write_bytes(private + certificate.public_bytes(pem))


def _usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        encipher_only=False,
        decipher_only=False,
    )
