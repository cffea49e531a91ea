"""The tables of webhooks, of events that are not relayed yet, and of deliveries."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def _id(name: str, **options: bool) -> sa.Column[str]:
    return sa.Column(name, sa.String(36, collation="C"), **options)


def _text(name: str, *, nullable: bool = False) -> sa.Column[str]:
    return sa.Column(name, sa.Text, nullable=nullable)


def upgrade() -> None:
    """Create the tables; changes that were made before have no events."""
    op.create_table(
        "webhooks",
        _id("webhook_id", primary_key=True),
        *(_text(name) for name in ("created_at", "updated_at", "url", "event_types")),
        *(_text(name) for name in ("status", "metadata")),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("secret_version", sa.Integer, nullable=False),
        _text("previous_secrets"),
        *(_text(name, nullable=True) for name in ("description", "disabled_reason")),
        _text("failing_since", nullable=True),
    )
    op.create_index("webhooks_by_status", "webhooks", ["status", "webhook_id"])
    op.create_table(
        "outbox",
        sa.Column("id", sa.BigInteger, primary_key=True),
        _text("subject"),
        _text("event"),
    )
    op.create_table(
        "deliveries",
        _id("webhook_id", primary_key=True),
        _id("delivery_id", primary_key=True),
        *(_text(name) for name in ("event_id", "event_type", "status", "payload")),
        *(_text(name) for name in ("created_at", "requested_at")),
        *(_text(name, nullable=True) for name in ("next_attempt_at", "last_attempt_at", "error")),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("response_status", sa.Integer),
        sa.Column("duration_ms", sa.Integer),
        sa.Column("expires_at", sa.BigInteger, nullable=False),
    )
    op.create_index("ix_deliveries_expires_at", "deliveries", ["expires_at"])
    op.create_index(
        "deliveries_due",
        "deliveries",
        ["webhook_id", "next_attempt_at", "delivery_id"],
        postgresql_where=sa.text("status = 'pending'"),
    )


def downgrade() -> None:
    """Drop the tables, and with them all that they have."""
    for table in ("deliveries", "outbox", "webhooks"):
        op.drop_table(table)
