"""Signatures of webhooks.

https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
"""

import base64
import hashlib
import hmac
from collections.abc import Iterable


def signed_headers(
    secrets: Iterable[bytes], message_id: str, timestamp: int, payload: bytes
) -> dict[str, str]:
    """Return the headers that identify and sign `payload`, once for each secret.

    `timestamp` is the time of the attempt, in seconds since the Unix epoch.
    """
    content = b"%b.%d.%b" % (message_id.encode(), timestamp, payload)
    signatures = [hmac.new(secret, content, hashlib.sha256).digest() for secret in secrets]
    return {
        "webhook-id": message_id,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": " ".join(
            f"v1,{base64.b64encode(signature).decode()}" for signature in signatures
        ),
    }
