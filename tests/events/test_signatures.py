"""Signatures: what receivers of the Standard Webhooks specification verify."""

import json
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from standardwebhooks import Webhook, WebhookVerificationError

from chalicelib.domain.webhook_secrets import as_text, from_text
from chalicelib.events.signatures import is_signed, signed_headers
from tests.openapi.external_tools import TOOLS, external_tools, run
from tests.support.event_factories import an_event

OLD, NEW, OTHER = b"o" * 32, b"n" * 32, b"x" * 32
RECEIVER = """
const { Webhook } = require("standardwebhooks");
for (const { secret, headers, body } of JSON.parse(process.argv[2])) {
  try {
    new Webhook(secret).verify(body, headers);
    console.log("verified");
  } catch (error) {
    console.log(error.message);
  }
}
"""


def test_it_is_the_signature_of_the_specification() -> None:
    """The example of the specification's authors has the signature that they publish."""
    headers = signed_headers(
        [from_text("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")],
        "msg_p5jXN8AQM9LWM0D4loKWxJek",
        1614265330,
        b'{"test": 2432232314}',
    )
    assert headers == {
        "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
        "webhook-timestamp": "1614265330",
        "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
    }


def test_receivers_verify_with_the_old_and_the_new_secret() -> None:
    """While a secret is rotated, both verify with the receivers' own library; others do not."""
    body = an_event().to_json().encode()
    headers = signed_headers([NEW, OLD], "usr_1_1", int(time.time()), body)
    for secret in (OLD, NEW):
        assert Webhook(as_text(secret)).verify(body, headers)["specversion"] == "1.0"
    for secret, changed in ((OTHER, body), (NEW, body + b" ")):
        with pytest.raises(WebhookVerificationError):
            Webhook(as_text(secret)).verify(changed, headers)


def test_receivers_in_node_verify_too(tmp_path: Path) -> None:
    """The library of the specification for JavaScript verifies what the one for Python does."""
    node, _ = external_tools("node", "node_modules/standardwebhooks")
    (tmp_path / "node_modules").symlink_to(TOOLS / "node_modules")
    (tmp_path / "receiver.cjs").write_text(RECEIVER)
    body, now = an_event().to_json(), int(time.time())
    headers = signed_headers([NEW, OLD], "usr_1_1", now, body.encode())
    late = signed_headers([NEW], "usr_1_1", now - 400, body.encode())
    cases = [
        {"secret": as_text(secret), "headers": sent, "body": text}
        for secret, sent, text in (
            (OLD, headers, body),
            (NEW, headers, body),
            (OTHER, headers, body),
            (NEW, headers, f"{body} "),
            (NEW, late, body),
        )
    ]

    lines = run(node, "receiver.cjs", json.dumps(cases), cwd=tmp_path).splitlines()

    assert [line == "verified" for line in lines] == [True, True, False, False, False]


@given(st.binary(min_size=1), st.binary(), st.text(st.characters(codec="ascii"), min_size=1))
def test_what_is_signed_verifies(secret: bytes, body: bytes, message_id: str) -> None:
    """Any message verifies with its secret within five minutes, and never after."""
    headers = signed_headers([secret], message_id, 1_700_000_000, body)
    for skew, verifies in ((0, True), (300, True), (-300, True), (301, False), (-301, False)):
        assert is_signed([OTHER, secret], headers, body, 1_700_000_000 + skew) == verifies
    assert not is_signed([secret], headers, body + b".", 1_700_000_000)
    assert not is_signed([], headers, body, 1_700_000_000)


@pytest.mark.parametrize(
    "changes",
    [
        {"webhook-id": ""},
        {"webhook-timestamp": ""},
        {"webhook-timestamp": "1e9"},
        {"webhook-timestamp": "\u0661\u0667"},
        {"webhook-signature": ""},
        {"webhook-signature": "v1,"},
        {"webhook-signature": "v1,ü"},
        {"webhook-signature": "v2,AAAA v1a,AAAA"},
    ],
)
def test_malformed_headers_do_not_verify(changes: dict[str, str]) -> None:
    """Headers that are missing, empty or in another form are a wrong signature, not a failure."""
    headers = signed_headers([NEW], "msg", 1_700_000_000, b"{}")
    assert not is_signed([NEW], headers | changes, b"{}", 1_700_000_000)
    for name in changes:
        rest = {key: value for key, value in headers.items() if key != name}
        assert not is_signed([NEW], rest, b"{}", 1_700_000_000)
