"""Signatures of webhooks.

https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
"""

import base64
import hashlib
import hmac
from collections.abc import Iterable, Mapping

TOLERANCE_SECONDS = 5 * 60
"""How old, or how far ahead, the time of a message may be."""


def signed_headers(
    secrets: Iterable[bytes], message_id: str, timestamp: int, payload: bytes
) -> dict[str, str]:
    """Return the headers that identify and sign `payload`, once for each secret.

    `timestamp` is the time of the attempt, in seconds since the Unix epoch.
    """
    signatures = [_signature(secret, message_id, timestamp, payload) for secret in secrets]
    return {
        "webhook-id": message_id,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": " ".join(signatures),
    }


def is_signed(
    secrets: Iterable[bytes], headers: Mapping[str, str], payload: bytes, now: int
) -> bool:
    """Return whether one of `secrets` has signed `payload` at about `now`, as receivers check it.

    The names of `headers` are in lower case; `now` is in seconds since the Unix epoch.
    """
    timestamp = headers.get("webhook-timestamp", "")
    if not (timestamp.isascii() and timestamp.isdecimal()):
        return False
    if abs(int(timestamp) - now) > TOLERANCE_SECONDS:
        return False
    message_id = headers.get("webhook-id", "")
    given = [one.encode() for one in headers.get("webhook-signature", "").split()]
    expected = [
        _signature(secret, message_id, int(timestamp), payload).encode() for secret in secrets
    ]
    return any(hmac.compare_digest(one, other) for one in given for other in expected)


def _signature(secret: bytes, message_id: str, timestamp: int, payload: bytes) -> str:
    content = b"%b.%d.%b" % (message_id.encode(), timestamp, payload)
    digest = hmac.new(secret, content, hashlib.sha256).digest()
    return f"v1,{base64.b64encode(digest).decode()}"
