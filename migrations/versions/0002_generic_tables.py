"""Texts without a length, and idempotency records that name the entity they belong to."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"

_TEXTS = {
    "users": {"status": 16, "created_at": 24, "updated_at": 24},
    "orders": {"status": 16, "currency": 3, "created_at": 24, "updated_at": 24},
}


def upgrade() -> None:
    """Change the types in place (no table is rewritten), and rename the records."""
    for table, columns in _TEXTS.items():
        for column in columns:
            op.alter_column(table, column, type_=sa.Text)
    op.rename_table("idempotency_records", "idempotency_keys")
    op.alter_column("idempotency_keys", "user_id", new_column_name="owner_id")
    op.drop_column("idempotency_keys", "location")
    for name in ("expires_at", "owner_id"):
        old = "user_id" if name == "owner_id" else name
        op.execute(f"ALTER INDEX ix_idempotency_records_{old} RENAME TO ix_idempotency_keys_{name}")


def downgrade() -> None:
    """Undo it; responses that were kept lose their Location."""
    op.rename_table("idempotency_keys", "idempotency_records")
    op.alter_column("idempotency_records", "owner_id", new_column_name="user_id")
    op.add_column(
        "idempotency_records", sa.Column("location", sa.Text, nullable=False, server_default="")
    )
    op.alter_column("idempotency_records", "location", server_default=None)
    for name in ("expires_at", "owner_id"):
        old = "user_id" if name == "owner_id" else name
        op.execute(f"ALTER INDEX ix_idempotency_keys_{name} RENAME TO ix_idempotency_records_{old}")
    for table, columns in _TEXTS.items():
        for column, length in columns.items():
            op.alter_column(table, column, type_=sa.String(length))
