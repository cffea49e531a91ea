"""Webhooks as their sender sees them: which there are, what signs, and why they are disabled.

The sender changes a webhook only to disable it. A mere failure is in the delivery alone, so that
clients' conditional changes of the webhook succeed however its endpoint behaves.
"""

from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

import msgspec

from chalicelib.domain.caller import WEBHOOK_SENDER
from chalicelib.domain.errors import VersionMismatch
from chalicelib.domain.service import ResourceService, milliseconds
from chalicelib.domain.storage import Storage
from chalicelib.domain.webhook_secrets import WebhookSecrets
from chalicelib.domain.webhooks import (
    WEBHOOKS,
    Webhook,
    WebhookListQuery,
    WebhookNotFound,
    unexpired,
)

_TRIES = 10


class WebhookEndpoints(ResourceService[Webhook]):
    """Finds webhooks for their sender, and disables those that cannot be sent to."""

    resource = WEBHOOKS

    def __init__(
        self,
        storage: Storage,
        now: Callable[[], int] = milliseconds,
        *,
        history: bool,
        secrets: WebhookSecrets,
    ) -> None:
        super().__init__(storage, now, history=history)
        self._secrets = secrets

    def find(self, webhook_id: str) -> Webhook | None:
        """Return a webhook, None if there is none."""
        return self._storage.get(WEBHOOKS, (webhook_id,))

    def all_enabled(self) -> Iterator[Webhook]:
        """Yield all webhooks that events are sent to."""
        query = WebhookListQuery(limit=100, status="enabled")
        while True:
            page = self._list((), query)
            yield from page.items
            if page.position is None:
                return
            query = msgspec.structs.replace(query, cursor=page.position)

    def signing_secrets(self, webhook: Webhook) -> list[bytes]:
        """Return the secrets that sign now, the current one first."""
        previous = [one.version for one in reversed(unexpired(webhook, self._now()))]
        return [
            self._secrets.secret(webhook.webhook_id, version)
            for version in (webhook.secret_version, *previous)
        ]

    def note_gone(self, webhook: Webhook) -> None:
        """Disable a webhook whose endpoint responded with 410, unless it has another one by now."""
        self._disable(
            webhook.webhook_id, lambda now: now.url == webhook.url, disabled_reason="gone"
        )

    def note_failing(self, webhook_id: str, since: str) -> None:
        """Disable a webhook that nothing reached since a time, unless it was changed since then."""
        self._disable(
            webhook_id,
            lambda now: now.updated_at <= since,
            disabled_reason="failing",
            failing_since=since,
        )

    def _disable(
        self,
        webhook_id: str,
        holds: Callable[[Webhook], bool],
        **values: Any,  # noqa: ANN401 - those of any field
    ) -> None:
        """Disable a webhook, and set `values`, if the reason still `holds` of it as it is now."""
        for _ in range(_TRIES):
            webhook = self.find(webhook_id)
            if webhook is None or webhook.status != "enabled" or not holds(webhook):
                return
            # Whoever changes it in between may have removed the reason.
            with suppress(WebhookNotFound, VersionMismatch):
                seen = frozenset({webhook.version})
                self._set(WEBHOOK_SENDER, (webhook_id,), seen, status="disabled", **values)
                return
