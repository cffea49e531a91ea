"""An identity provider on 127.0.0.1: keys, tokens, and a JWK set served over HTTP."""

import json
import ssl
import threading
import time
from base64 import urlsafe_b64encode
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from functools import cached_property
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import ip_address
from pathlib import Path
from typing import Any, ClassVar

import jwt
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID
from jwt.algorithms import ECAlgorithm, RSAAlgorithm

ISSUER = "https://issuer.example/pool"
AUDIENCE = "user-management"
SECRET = "a secret of the tests, long enough for HS256"


class SigningKey:
    """A private key with a key id, and its public half as a JWK."""

    def __init__(self, kid: str, algorithm: str = "RS256", size: int = 2048) -> None:
        self.kid = kid
        self.algorithm = algorithm
        self._size = size

    @cached_property
    def private(self) -> ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey:
        """The key itself, made on first use, since RSA keys are slow to make."""
        if self.algorithm.startswith("ES"):
            curve = ec.SECP256R1() if self.algorithm == "ES256" else ec.SECP384R1()
            return ec.generate_private_key(curve)
        return rsa.generate_private_key(public_exponent=65537, key_size=self._size)

    @property
    def jwk(self) -> dict[str, Any]:
        """The public key as the issuer publishes it (RFC 7517)."""
        family: Any = ECAlgorithm if self.algorithm.startswith("ES") else RSAAlgorithm
        public = family.to_jwk(self.private.public_key(), as_dict=True)
        public.pop("key_ops", None)
        return {**public, "kid": self.kid, "alg": self.algorithm, "use": "sig"}

    def sign(self, claims: Mapping[str, Any], **header: object) -> str:
        """Return a token with these claims, leaving out members of `header` that are None."""
        merged = {"kid": self.kid, **header}
        named = {name: value for name, value in merged.items() if value is not None}
        return jwt.encode(dict(claims), self.private, self.algorithm, headers=named)


def claims(**changes: object) -> dict[str, Any]:
    """Return the claims of a valid token with changes, leaving out those that are None."""
    now = int(time.time())
    merged = {
        "iss": ISSUER,
        "aud": AUDIENCE,
        "sub": "usr_0190a0b0c0d07e0f8123456789abcdef",
        "iat": now,
        "nbf": now,
        "exp": now + 3600,
        **changes,
    }
    return {name: value for name, value in merged.items() if value is not None}


def shared(claims_: Mapping[str, Any], secret: str = SECRET, algorithm: str = "HS256") -> str:
    """Return a token signed with a shared secret."""
    return jwt.encode(dict(claims_), secret, algorithm)


def segment(value: object) -> str:
    """Return `value` as JSON in base64url, as in the parts of a token (RFC 7515 §2)."""
    encoded = value if isinstance(value, bytes) else json.dumps(value).encode()
    return urlsafe_b64encode(encoded).rstrip(b"=").decode()


def certificate(folder: Path, *hosts: str) -> Path:
    """Return a file with a key and a self-signed certificate for 127.0.0.1 and `hosts`."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "issuer of the tests")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(
            x509.SubjectAlternativeName(
                [x509.IPAddress(ip_address("127.0.0.1")), *(x509.DNSName(host) for host in hosts)]
            ),
            critical=False,
        )
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )
    path = folder / "issuer.pem"
    path.write_bytes(
        key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        + made.public_bytes(Encoding.PEM)
    )
    return path


class KeyServer:
    """The response of the issuer's address, which tests may change, and the count of requests."""

    def __init__(self) -> None:
        self.keys: list[Any] = []
        self.body: bytes | None = None
        self.status = 200
        self.headers: dict[str, str] = {}
        self.delay = 0.0
        self.chunk = 1 << 20
        self.requests = 0
        self.url = ""

    def content(self) -> bytes:
        """Return the body: the JWK set, or what the test replaced it with."""
        return json.dumps({"keys": self.keys}).encode() if self.body is None else self.body


class _Handler(BaseHTTPRequestHandler):
    issuer: ClassVar[KeyServer]

    def do_GET(self) -> None:
        """Send the body in chunks, with a delay before each."""
        issuer = self.issuer
        issuer.requests += 1
        body = issuer.content()
        try:
            time.sleep(issuer.delay)
            self.send_response(issuer.status)
            for name, value in {"Content-Length": str(len(body)), **issuer.headers}.items():
                self.send_header(name, value)
            self.end_headers()
            for start in range(0, len(body), issuer.chunk):
                self.wfile.write(body[start : start + issuer.chunk])
                time.sleep(issuer.delay)
        except (BrokenPipeError, ConnectionResetError):
            self.close_connection = True

    def do_POST(self) -> None:
        """Read the body, and respond as to GET."""
        self.rfile.read(int(self.headers["Content-Length"]))
        self.do_GET()

    def log_message(self, *_: object) -> None:
        """Keep the tests' output clean."""


class _Server(ThreadingHTTPServer):
    def handle_error(self, *_: object) -> None:
        """Ignore failed handshakes, which some tests provoke."""


@contextmanager
def serving(tls: ssl.SSLContext | None = None) -> Iterator[KeyServer]:
    """Serve a JWK set while the block runs, over TLS if a context is given."""
    issuer = KeyServer()
    handler = type("Handler", (_Handler,), {"issuer": issuer})
    server = _Server(("127.0.0.1", 0), handler)
    if tls is not None:
        server.socket = tls.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    issuer.url = f"{'https' if tls else 'http'}://127.0.0.1:{server.server_address[1]}/jwks.json"
    try:
        yield issuer
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
