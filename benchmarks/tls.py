"""A certificate authority for one run, and the stub's certificate for 127.0.0.1."""

import datetime as dt
import ipaddress
from pathlib import Path

import botocore
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import NameOID

_DAY = dt.timedelta(days=1)
# As for AWS's own endpoints.
_KEY_BITS = 2048


def make(folder: Path) -> tuple[Path, Path, Path]:
    """Return the stub's certificate with its key, the clients' CA bundle, and the bare certificate.

    The bundle contains botocore's own CAs too, so that reading it takes as long as on AWS.
    """
    key = rsa.generate_private_key(public_exponent=65537, key_size=_KEY_BITS)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "DynamoDB stub")])
    now = dt.datetime.now(dt.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _DAY)
        .not_valid_after(now + _DAY)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]),
            critical=False,
        )
        .sign(key, hashes.SHA256())
    )
    pem = certificate.public_bytes(serialization.Encoding.PEM)
    private = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    chain, trusted, alone = (folder / f"{name}.pem" for name in ("stub", "trusted", "alone"))
    alone.write_bytes(pem)
    chain.write_bytes(private + pem)
    trusted.write_bytes((Path(botocore.__file__).parent / "cacert.pem").read_bytes() + b"\n" + pem)
    return chain, trusted, alone
