"""The certificate authorities of AWS: those that botocore ships, and no others."""

import hashlib
import re
import ssl
from pathlib import Path
from typing import Any

import botocore

from chalicelib.aws import configuration

ROOTS = Path(configuration.__file__).with_name("amazon_roots.pem")
OF_BOTOCORE = Path(botocore.__file__).with_name("cacert.pem")
ORGANIZATIONS = {"Amazon", "Starfield Technologies, Inc."}
_CERTIFICATE = re.compile(r"-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----")
_COMMENTED = re.compile(
    rf"^# (?P<name>.+), SHA-256 (?P<digest>[0-9a-f]{{64}})\n(?P<pem>{_CERTIFICATE.pattern})$",
    re.MULTILINE,
)


def certificates(file: Path) -> list[bytes]:
    """Return the certificates in a file, as DER."""
    return [ssl.PEM_cert_to_DER_cert(pem) for pem in _CERTIFICATE.findall(file.read_text())]


def subject(der: bytes) -> dict[str, str]:
    """Return the subject of a certificate, such as its organizationName."""
    # By the ssl module, since cryptography warns of the serial number 0 of the oldest one.
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(cadata=der)
    found: Any = context.get_ca_certs()[0]["subject"]
    return {name: value for pairs in found for name, value in pairs}


def organization(der: bytes) -> str:
    """Return the organization in the subject of a certificate, empty if there is none."""
    return subject(der).get("organizationName", "")


def name(der: bytes) -> str:
    """Return what an authority is called."""
    names = subject(der)
    # The oldest one has no commonName.
    unit = names.get("organizationalUnitName", "").replace("Certification Authority", "CA")
    return names.get("commonName", unit)


def test_the_roots_are_those_of_amazon() -> None:
    """The file has exactly botocore's certificates of Amazon and Starfield, each once."""
    trusted = certificates(OF_BOTOCORE)
    assert sorted(certificates(ROOTS)) == sorted(
        der for der in trusted if organization(der) in ORGANIZATIONS
    )


def test_no_other_organization_is_amazon() -> None:
    """Botocore trusts no authority of Amazon or Starfield under another spelling of the name."""
    found = {organization(der) for der in certificates(OF_BOTOCORE)}
    alike = re.compile("amazon|starfield", re.IGNORECASE)
    assert {known for known in found if alike.search(known)} == ORGANIZATIONS


def test_every_root_is_loaded() -> None:
    """A TLS context with the file trusts all of its certificates and nothing else."""
    context = ssl.create_default_context(cafile=ROOTS)
    assert sorted(context.get_ca_certs(binary_form=True)) == sorted(certificates(ROOTS))


def test_every_root_is_described() -> None:
    """The comment above each certificate has its name and its SHA-256."""
    blocks = list(_COMMENTED.finditer(ROOTS.read_text()))
    assert [ssl.PEM_cert_to_DER_cert(block["pem"]) for block in blocks] == certificates(ROOTS)
    for block in blocks:
        der = ssl.PEM_cert_to_DER_cert(block["pem"])
        assert block["digest"] == hashlib.sha256(der).hexdigest()
        assert block["name"] == name(der)
