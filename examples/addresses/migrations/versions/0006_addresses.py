"""Addresses of users."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"

_ID = sa.String(36, collation="C")


def upgrade() -> None:
    """Create the table."""
    op.create_table(
        "addresses",
        sa.Column("user_id", _ID, primary_key=True),
        sa.Column("address_id", _ID, primary_key=True),
        sa.Column("recipient", sa.Text, nullable=False),
        sa.Column("street", sa.Text, nullable=False),
        sa.Column("city", sa.Text, nullable=False),
        sa.Column("country", sa.Text, nullable=False),
        sa.Column("postal_code", sa.Text),
        sa.Column("created_at", sa.Text, nullable=False),
        sa.Column("updated_at", sa.Text, nullable=False),
        sa.Column("version", sa.Integer, nullable=False),
    )


def downgrade() -> None:
    """Drop the table, and all that is in it."""
    op.drop_table("addresses")
