"""The tables of the SQL engine, the same on SQLite and PostgreSQL.

Orders have no foreign key to users: closed orders outlive the user whose they were. Ids sort by
creation time, so the primary keys serve the lists as well.
"""

from sqlalchemy import BigInteger, Column, Index, Integer, MetaData, String, Table, Text

METADATA = MetaData()

# PostgreSQL's "C" collation sorts ids by octet, as the cursors do, and as SQLite does anyway.
_ID = String(36).with_variant(String(36, collation="C"), "postgresql")

USERS = Table(
    "users",
    METADATA,
    Column("user_id", _ID, primary_key=True),
    Column("name", Text, nullable=False),
    Column("email", Text, nullable=False),
    Column("email_key", Text, nullable=False, unique=True),
    Column("status", String(16), nullable=False),
    Column("metadata", Text, nullable=False),
    Column("created_at", String(24), nullable=False),
    Column("updated_at", String(24), nullable=False),
    Column("version", Integer, nullable=False),
    Index("users_by_status", "status", "user_id"),
)

ORDERS = Table(
    "orders",
    METADATA,
    Column("user_id", _ID, primary_key=True),
    Column("order_id", _ID, primary_key=True),
    Column("status", String(16), nullable=False),
    Column("currency", String(3), nullable=False),
    Column("items", Text, nullable=False),
    Column("total", BigInteger, nullable=False),
    Column("metadata", Text, nullable=False),
    Column("created_at", String(24), nullable=False),
    Column("updated_at", String(24), nullable=False),
    Column("version", Integer, nullable=False),
    Index("orders_by_status", "user_id", "status", "order_id"),
)

RECORDS = Table(
    "idempotency_records",
    METADATA,
    Column("key", String(64), primary_key=True),
    Column("digest", String(64), nullable=False),
    Column("location", Text, nullable=False),
    Column("body", Text, nullable=False),
    Column("expires_at", BigInteger, nullable=False, index=True),
    # The user whose creation this is, and with whom it goes; none for an order's.
    Column("user_id", _ID, index=True),
)
