"""A receiver of webhooks that is on the Internet, as far as the deployed sender can tell.

The sender refuses every address that is not public, and every certificate that it does not trust,
and nothing in a deployed function turns that off. So the receiver listens on a public address,
which the loopback interface of the test's own network has, and shows a certificate of an authority
that the stage trusts by OpenSSL's own variable, SSL_CERT_FILE.
"""

import ipaddress
import ssl
import sys
from collections.abc import Callable, Iterator
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

# In the block of AS112 (RFC 7535): globally routed by intent, and nobody's server.
ADDRESS = "192.31.196.77"


class Received(NamedTuple):
    """A request; the names of the headers are in lower case."""

    path: str
    headers: dict[str, str]
    body: bytes


Answer = Callable[[Received], int | None]
"""Returns the status of the response to a request; None closes the connection."""


class Receiver:
    """Notes requests, and responds with `status`."""

    def __init__(self) -> None:
        self.status = 204
        self.requests: list[Received] = []
        self._changed = Condition()

    def wait(self, number: int, seconds: float = 60) -> list[Received]:
        """Return the requests as soon as there are so many."""
        with self._changed:
            found = self._changed.wait_for(lambda: len(self.requests) >= number, seconds)
            assert found, f"{len(self.requests)} requests, not {number}: {self.requests}"
            return [*self.requests]

    def answer(self, request: Received) -> int:
        """Note a request, and return the status of the response."""
        with self._changed:
            self.requests.append(request)
            self._changed.notify_all()
            return self.status


@contextmanager
def answering(folder: Path, answer: Answer) -> Iterator[str]:
    """Run a server at ADDRESS that responds as `answer` says, and yield its URL.

    `folder` gets `authority.pem`, which vouches for it.
    """

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            """Respond."""
            body = self.rfile.read(int(self.headers["Content-Length"]))
            headers = {name.lower(): value for name, value in self.headers.items()}
            status = answer(Received(self.path, headers, body))
            if status is None:
                self.close_connection = True
                return
            self.send_response(status)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Print nothing."""

    _write_certificates(folder, ADDRESS)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "server.pem")
    with _Server((ADDRESS, 0), Handler) as server:
        # The handshake is part of the first read, so that no client waits for another one.
        server.socket = context.wrap_socket(
            server.socket, server_side=True, do_handshake_on_connect=False
        )
        thread = Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"https://{ADDRESS}:{server.server_port}/hooks"
        finally:
            server.shutdown()
            thread.join()


class _Server(ThreadingHTTPServer):
    # As many as the sender has at once.
    request_queue_size = 100

    def handle_error(self, request: object, client_address: object) -> None:
        """Print nothing where the client has gone: it may have been killed."""
        if not isinstance(sys.exception(), OSError):
            super().handle_error(request, client_address)  # type: ignore[arg-type]


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
