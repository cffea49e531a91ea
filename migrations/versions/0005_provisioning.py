"""What an identity provider knows users by, and groups of users."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"

_ID = sa.String(36, collation="C")
_MEMBERS = ("user_name", "external_id", "given_name", "family_name")
_UNIQUE = ("user_name_key", "external_id_key")


def upgrade() -> None:
    """Add columns that are empty at first, so that no table is rewritten, and tables."""
    for name in (*_MEMBERS, *_UNIQUE):
        op.add_column("users", sa.Column(name, sa.Text))
    for name in _UNIQUE:
        op.create_unique_constraint(f"users_{name}_key", "users", [name])
    op.create_table(
        "groups",
        sa.Column("group_id", _ID, primary_key=True),
        sa.Column("display_name", sa.Text, nullable=False),
        sa.Column("external_id", sa.Text),
        sa.Column("created_at", sa.Text, nullable=False),
        sa.Column("updated_at", sa.Text, nullable=False),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("display_name_key", sa.Text, nullable=False, unique=True),
        sa.Column("external_id_key", sa.Text, unique=True),
    )
    op.create_table(
        "memberships",
        sa.Column("group_id", _ID, primary_key=True),
        sa.Column("user_id", _ID, primary_key=True),
    )
    op.create_index("memberships_by_user_id", "memberships", ["user_id", "group_id"])


def downgrade() -> None:
    """Drop the tables and columns, and all that is in them."""
    for table in ("memberships", "groups"):
        op.drop_table(table)
    for name in (*_UNIQUE, *_MEMBERS):
        op.drop_column("users", name)
