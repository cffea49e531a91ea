"""Webhooks: the endpoints of others that events are sent to.

They follow the Standard Webhooks specification 1.0
(https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md).
"""

import ipaddress
from collections.abc import Callable
from typing import Annotated, Literal
from urllib.parse import urlsplit

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType

from chalicelib.domain import ids
from chalicelib.domain.caller import Caller
from chalicelib.domain.errors import Conflict, FieldError, Invalid, NotFound
from chalicelib.domain.events import ChangeEventType
from chalicelib.domain.fields import Line, Metadata, MetadataPatch, Timestamp, id_field, rule
from chalicelib.domain.history import HistoryEntry
from chalicelib.domain.idempotency import Created, IdempotencyKey
from chalicelib.domain.internet import Address, is_public
from chalicelib.domain.pagination import ListQuery, PageQuery
from chalicelib.domain.resource import Entity, ExpectedVersions, Input, Resource, check_version
from chalicelib.domain.service import ResourceService, milliseconds
from chalicelib.domain.storage import Page, Storage
from chalicelib.domain.webhook_secrets import WebhookSecrets, as_text

OVERLAP = 24 * 60 * 60
"""How long a secret signs after its rotation, beside the current one, in seconds."""

_MAX_PREVIOUS = 4


class WebhookNotFound(NotFound):
    """There is no such webhook."""

    name = "webhook-not-found"
    title = "Webhook not found"
    explanation = "No webhook has this id."
    detail = "There is no webhook with this id."


class TooManySecrets(Conflict):
    """Another rotation would take a secret away before its time."""

    name = "too-many-secrets"
    title = "Too many secrets"
    explanation = (
        "A secret signs for a day after its rotation, and at most four do beside the current one."
    )
    detail = "Rotate the secret again once one of 'previous_secrets' has expired."


WebhookId = Annotated[
    str, id_field("whk_", "webhook", "019a9d3d0b4c7f0a9c1d2e3f4a5b6c7d", WebhookNotFound)
]
# RFC 3986 §3, without user information and fragment.
_URL = (
    r"^https?://(?:[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(?::[0-9]{1,5})?"
    r"(?:[/?](?:[A-Za-z0-9._~:/?@!$&'()*+,;=-]|%[0-9A-Fa-f]{2})*)?$(?!\n)"
)
URL = Annotated[
    str,
    Meta(
        max_length=2000,
        pattern=_URL,
        description="Where events are sent: an https:// address that the Internet reaches.",
        examples=["https://hooks.example.com/users"],
        extra=rule(
            "an https:// address of at most 2,000 characters, without user name and fragment"
        ),
    ),
]
EventTypes = Annotated[
    list[ChangeEventType],
    Meta(
        max_length=50,
        description="The types of events to send; none stands for all (see /asyncapi.json).",
        examples=[["user.created", "order.paid"]],
        extra=rule("a list of at most 50 types of events, such as order.paid"),
    ),
]
WebhookStatus = Annotated[
    Literal["enabled", "disabled"],
    Meta(
        title="WebhookStatus",
        description="A disabled webhook gets no events, nor later those that it missed.",
        extra=rule("'enabled' or 'disabled'"),
    ),
]
DisabledReason = Annotated[
    Literal["gone", "failing"],
    Meta(
        title="WebhookDisabledReason",
        description=(
            "Why the sender disabled the webhook: its endpoint responded with 410, or nothing could"
            " be delivered for about three days."
        ),
        extra={"read_only": True},
    ),
]

FailingSince = Annotated[
    Timestamp,
    Meta(
        description=(
            "Since when nothing could be delivered, if the sender disabled the webhook for that."
        )
    ),
]


class PreviousSecret(Struct, frozen=True):
    """A secret that still signs after its rotation."""

    version: Annotated[int, Meta(ge=1, description="Which secret it is.", examples=[1])]
    expires_at: Timestamp


class Webhook(Entity, frozen=True):
    """A webhook as administrators read it. Its secrets are in no representation."""

    webhook_id: WebhookId
    url: URL
    event_types: EventTypes
    status: WebhookStatus
    metadata: Metadata
    secret_version: Annotated[
        int,
        Meta(
            ge=1,
            description="Which secret signs: it grows by one with each rotation.",
            examples=[1],
            extra={"read_only": True},
        ),
    ]
    previous_secrets: Annotated[
        list[PreviousSecret],
        Meta(
            description="The secrets that sign as well, for a day after their rotation.",
            extra={"read_only": True},
        ),
    ]
    description: Line | UnsetType = UNSET
    disabled_reason: DisabledReason | UnsetType = UNSET
    failing_since: FailingSince | UnsetType = UNSET


class WebhookWithSecret(Webhook, frozen=True, kw_only=True):
    """A webhook with its current secret, which is shown this once."""

    secret: Annotated[
        str,
        Meta(
            description=(
                "The secret that verifies what is sent (Standard Webhooks); it is not shown again."
            ),
            examples=["whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oDHW1rGbP0nPA="],
            extra={"read_only": True},
        ),
    ]


class NewWebhook(Input, frozen=True):
    """The body of a request that creates a webhook."""

    url: URL
    event_types: EventTypes = []
    description: Line | UnsetType = UNSET
    status: WebhookStatus = "enabled"
    metadata: Metadata = {}


class WebhookPatch(Input, frozen=True):
    """The body of a request that changes the named members of a webhook (RFC 7396)."""

    url: URL | UnsetType = UNSET
    event_types: EventTypes | UnsetType = UNSET
    description: Line | UnsetType | None = UNSET
    status: WebhookStatus | UnsetType = UNSET
    metadata: MetadataPatch | UnsetType | None = UNSET


class WebhookListQuery(ListQuery, frozen=True, kw_only=True):
    """The query parameters of the list of webhooks."""

    status: Annotated[WebhookStatus | None, Meta(description="Only webhooks with this status.")] = (
        None
    )


WEBHOOKS = Resource(
    "webhooks",
    Webhook,
    description="Endpoints of others that events are sent to.",
    filters=("status",),
    events=None,
    is_small=True,
)


class WebhookService(ResourceService[Webhook]):
    """Creates, reads, changes, lists and deletes webhooks, and rotates their secrets.

    `event_types` are those that a webhook may name. `allows_loopback` is for the local server,
    whose receivers are on the same machine and have no certificate.
    """

    resource = WEBHOOKS

    def __init__(  # noqa: PLR0913 - keywords
        self,
        storage: Storage,
        now: Callable[[], int] = milliseconds,
        new_id: Callable[[str, int], str] = ids.new_id,
        *,
        history: bool,
        secrets: WebhookSecrets,
        event_types: list[str],
        allows_loopback: bool = False,
    ) -> None:
        super().__init__(storage, now, new_id, history=history)
        self._secrets = secrets
        self._event_types = event_types
        self._allows_loopback = allows_loopback

    def create(
        self, caller: Caller, body: NewWebhook, key: IdempotencyKey | None
    ) -> Created[WebhookWithSecret]:
        """Create a webhook. Raises Invalid, CreationUndone, KeyReused."""
        self._check(body)
        created = self._create(caller, body, key, secret_version=1, previous_secrets=[])
        return Created(self._with_secret(created.entity), created.replayed)

    def get(self, webhook_id: str) -> Webhook:
        """Return a webhook. Raises WebhookNotFound."""
        return self._get(webhook_id)

    def patch(
        self, caller: Caller, webhook_id: str, body: WebhookPatch, versions: ExpectedVersions
    ) -> Webhook:
        """Change the named members of a webhook; enabling it forgets that it failed.

        Raises Invalid, WebhookNotFound, VersionMismatch, TooManyPairs.
        """
        self._check(body)
        if body.status != "enabled":
            return self._patch(caller, (webhook_id,), body, versions)
        return self._patch(
            caller, (webhook_id,), body, versions, disabled_reason=UNSET, failing_since=UNSET
        )

    def delete(self, caller: Caller, webhook_id: str, versions: ExpectedVersions) -> None:
        """Delete a webhook. Raises WebhookNotFound, VersionMismatch."""
        self._delete(caller, (webhook_id,), versions)

    def list(self, query: WebhookListQuery) -> Page[Webhook]:
        """Return a page of webhooks."""
        return self._list((), query)

    def history(self, webhook_id: str, query: PageQuery) -> Page[HistoryEntry]:
        """Return a page of what was done to a webhook. Raises WebhookNotFound."""
        return self._history((webhook_id,), query)

    def rotate_secret(
        self, caller: Caller, webhook_id: str, versions: ExpectedVersions
    ) -> WebhookWithSecret:
        """Give a webhook a new secret; for `OVERLAP` the ones before it sign as well.

        Raises WebhookNotFound, TooManySecrets, and VersionMismatch also if it is changed at the
        same time.
        """
        webhook, now = self._get(webhook_id), self._now()
        check_version(webhook, versions)
        previous = unexpired(webhook, now)
        if len(previous) >= _MAX_PREVIOUS:
            raise TooManySecrets(f"Rotate the secret again after {previous[0].expires_at}.")
        rotated = PreviousSecret(webhook.secret_version, ids.timestamp(now + OVERLAP * 1000))
        changed = self._set(
            caller,
            (webhook_id,),
            # Of two rotations at once, each would show the same secret.
            frozenset({webhook.version}),
            secret_version=webhook.secret_version + 1,
            previous_secrets=[*previous, rotated],
        )
        return self._with_secret(changed)

    def _with_secret(self, webhook: Webhook) -> WebhookWithSecret:
        secret = self._secrets.secret(webhook.webhook_id, webhook.secret_version)
        return WebhookWithSecret(**msgspec.structs.asdict(webhook), secret=as_text(secret))

    def _check(self, body: NewWebhook | WebhookPatch) -> None:
        """Raise Invalid for an address that is never sent to, and for unknown types of events."""
        errors = []
        if body.url is not UNSET and (detail := self._url_error(body.url)):
            errors.append(FieldError("/url", detail))
        if body.event_types is not UNSET:
            errors += [
                FieldError(
                    f"/event_types/{place}", f"Must be one of {', '.join(self._event_types)}."
                )
                for place, name in enumerate(body.event_types)
                if name not in self._event_types
            ]
        if errors:
            raise Invalid(errors)

    def _url_error(self, url: str) -> str | None:
        """Return why nothing would ever be sent to an address, None if something may be.

        Names are resolved when something is sent.
        """
        try:
            parts = urlsplit(url)
            host, _ = parts.hostname or "", parts.port
        except ValueError:
            return "Must be an https:// address with a host and, at most, a port and a path."
        is_loopback = is_loopback_host(host)
        if self._allows_loopback and is_loopback:
            return None
        if parts.scheme != "https":
            return "Must begin with https://."
        if is_loopback or not is_public_host(host):
            return "Must be an address on the Internet, not on a private network."
        return None


def unexpired(webhook: Webhook, now: int) -> list[PreviousSecret]:
    """Return the previous secrets that still sign at `now` (milliseconds)."""
    return [one for one in webhook.previous_secrets if one.expires_at > ids.timestamp(now)]


def is_loopback_host(host: str) -> bool:
    """Return whether a URL's host is this machine, without resolving names."""
    if host == "localhost":
        return True
    address = _address(host)
    return address is not None and address.is_loopback


def is_public_host(host: str) -> bool:
    """Return whether a URL's host may be on the Internet, without resolving names."""
    address = _address(host)
    return address is None or is_public(address)


def _address(host: str) -> Address | None:
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None
