"""The table of what was done to users and orders."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def _id(name: str, **options: bool) -> sa.Column[str]:
    return sa.Column(name, sa.String(36, collation="C"), **options)


def upgrade() -> None:
    """Create the table; what was done before is not in it."""
    op.create_table(
        "history",
        _id("owner_id", primary_key=True),
        sa.Column("version", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("resource", sa.Text, nullable=False),
        _id("parent_id"),
        *(
            sa.Column(name, sa.Text, nullable=False)
            for name in ("action", "fields", "at", "by", "by_role", "request_id")
        ),
    )


def downgrade() -> None:
    """Drop the table, and with it all that it has."""
    op.drop_table("history")
