"""Users, orders, and the idempotency records of their creation."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

_ID = sa.String(36, collation="C")


def upgrade() -> None:
    """Make the three tables."""
    op.create_table(
        "users",
        sa.Column("user_id", _ID, primary_key=True),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("email", sa.Text, nullable=False),
        sa.Column("email_key", sa.Text, nullable=False, unique=True),
        sa.Column("status", sa.String(16), nullable=False),
        sa.Column("metadata", sa.Text, nullable=False),
        sa.Column("created_at", sa.String(24), nullable=False),
        sa.Column("updated_at", sa.String(24), nullable=False),
        sa.Column("version", sa.Integer, nullable=False),
    )
    op.create_index("users_by_status", "users", ["status", "user_id"])
    op.create_table(
        "orders",
        sa.Column("user_id", _ID, primary_key=True),
        sa.Column("order_id", _ID, primary_key=True),
        sa.Column("status", sa.String(16), nullable=False),
        sa.Column("currency", sa.String(3), nullable=False),
        sa.Column("items", sa.Text, nullable=False),
        sa.Column("total", sa.BigInteger, nullable=False),
        sa.Column("metadata", sa.Text, nullable=False),
        sa.Column("created_at", sa.String(24), nullable=False),
        sa.Column("updated_at", sa.String(24), nullable=False),
        sa.Column("version", sa.Integer, nullable=False),
    )
    op.create_index("orders_by_status", "orders", ["user_id", "status", "order_id"])
    op.create_table(
        "idempotency_records",
        sa.Column("key", sa.String(64), primary_key=True),
        sa.Column("digest", sa.String(64), nullable=False),
        sa.Column("location", sa.Text, nullable=False),
        sa.Column("body", sa.Text, nullable=False),
        sa.Column("expires_at", sa.BigInteger, nullable=False, index=True),
        sa.Column("user_id", _ID, index=True),
    )


def downgrade() -> None:
    """Drop the three tables, and all that is in them."""
    for table in ("idempotency_records", "orders", "users"):
        op.drop_table(table)
