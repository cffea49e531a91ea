"""What an identity provider knows users by."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"

_MEMBERS = ("user_name", "external_id", "given_name", "family_name")
_UNIQUE = ("user_name_key", "external_id_key")


def upgrade() -> None:
    """Add columns that are empty at first: no table is rewritten."""
    for name in (*_MEMBERS, *_UNIQUE):
        op.add_column("users", sa.Column(name, sa.Text))
    for name in _UNIQUE:
        op.create_unique_constraint(f"users_{name}_key", "users", [name])


def downgrade() -> None:
    """Drop the columns, and all that is in them."""
    for name in (*_UNIQUE, *_MEMBERS):
        op.drop_column("users", name)
