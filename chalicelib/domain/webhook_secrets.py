"""The secrets of webhooks: derived from one key that storage never sees.

Nothing secret is stored: the secret of a webhook follows from its id, the secret's version and the
key (HMAC-SHA256 as a pseudorandom function, RFC 2104), so a read of the database gives none away.
"""

import base64
import hashlib
import hmac
from collections.abc import Callable


class WebhookSecrets:
    """Derives secrets; `key` returns at least 32 random bytes."""

    def __init__(self, key: Callable[[], bytes]) -> None:
        self._key = key

    def secret(self, webhook_id: str, version: int) -> bytes:
        """Return 32 bytes, the secret of a webhook that has this version."""
        label = f"webhook secret\n{webhook_id}\n{version}".encode()
        return hmac.new(self._key(), label, hashlib.sha256).digest()


def as_text(secret: bytes) -> str:
    """Return a secret as the Standard Webhooks specification writes it."""
    return f"whsec_{base64.b64encode(secret).decode()}"


def from_text(text: str) -> bytes:
    """Return the secret that the specification writes so. Raises ValueError."""
    prefix, _, encoded = text.partition("_")
    try:
        secret = base64.b64decode(encoded, validate=True)
    except ValueError:
        secret = b""
    if prefix != "whsec" or not secret:
        raise ValueError("The secret of a webhook is whsec_ followed by base64.")
    return secret
