"""Webhooks as their sender sees them: which there are, what signs, and whether they work."""

from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

import msgspec
from msgspec import UNSET

from chalicelib.domain import ids
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

FAILING_DAYS = 3
"""After how many days without a successful delivery a webhook is disabled."""


class WebhookEndpoints(ResourceService[Webhook]):
    """Finds webhooks for their sender, and keeps what it learns of them."""

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

    def note_success(self, webhook: Webhook) -> None:
        """Note that the endpoint works. Does nothing where the webhook has changed or is gone."""
        if webhook.failing_since is not UNSET:
            self._note(webhook, failing_since=UNSET)

    def note_failure(self, webhook: Webhook) -> None:
        """Note that the endpoint failed, and disable it when it has failed for days."""
        now = self._now()
        since = webhook.failing_since
        if since is UNSET:
            self._note(webhook, failing_since=ids.timestamp(now))
        elif since <= ids.timestamp(now - FAILING_DAYS * 24 * 60 * 60 * 1000):
            self._note(webhook, status="disabled", disabled_reason="failing")

    def note_gone(self, webhook: Webhook) -> None:
        """Disable a webhook whose endpoint responded with 410."""
        self._note(webhook, status="disabled", disabled_reason="gone")

    def _note(self, webhook: Webhook, **values: Any) -> None:  # noqa: ANN401 - of any field
        # Another attempt, or an administrator, may have changed it since.
        with suppress(WebhookNotFound, VersionMismatch):
            seen = frozenset({webhook.version})
            self._set(WEBHOOK_SENDER, (webhook.webhook_id,), seen, **values)
