"""Opens storage: the only module that knows which engines exist."""

from collections.abc import Callable
from urllib.parse import urlsplit

from chalicelib.domain.deliveries import EventfulStorage
from chalicelib.domain.events import Events
from chalicelib.domain.resource import Resources


def open_storage(
    url: str,
    resources: Resources,
    *,
    shards: int = 1,
    password: Callable[[], str | None] = lambda: None,
    events: Events | None = None,
) -> EventfulStorage:
    """Return the engine that `url` names, for `resources`; it connects when it is first used.

    - ``dynamodb://<table>``: Amazon DynamoDB; the standard AWS variables decide where. `shards`
      is the number of partitions over which the list of users is spread.
    - ``sqlite:///<path>``: a file, created on first use.
    - ``postgresql+psycopg://<user>@<host>/<database>``: PostgreSQL. `password` is called for each
      connection; None leaves it to the URL.
    - ``memory:``: this process alone, for tests and measurements.

    All but DynamoDB keep the events that `events` makes of changes, none without it, and are a
    `QueueingStorage`. DynamoDB has the table's stream instead.

    Raises ValueError for any other URL.
    """
    scheme = urlsplit(url).scheme
    # Engines are imported when they are chosen: a Lambda function loads only its own.
    if scheme == "dynamodb":
        from chalicelib.storage.dynamodb.engine import DynamoDBStorage  # noqa: PLC0415

        return DynamoDBStorage(urlsplit(url).netloc, resources, shards=shards)
    if scheme in {"sqlite", "postgresql+psycopg"}:
        from chalicelib.storage.sql.engine import SQLStorage  # noqa: PLC0415

        return SQLStorage(url, resources, password, events)
    if scheme == "memory":
        from chalicelib.storage.memory import MemoryStorage  # noqa: PLC0415

        return MemoryStorage(resources, events)
    raise ValueError(
        f"STORAGE_URL has the scheme {scheme!r};"
        " use dynamodb, sqlite, postgresql+psycopg or memory."
    )
