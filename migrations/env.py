"""Alembic's entrance: migrates the PostgreSQL database that STORAGE_URL names.

https://alembic.sqlalchemy.org/en/latest/tutorial.html#the-migration-environment
"""

from alembic import context

from chalicelib.domain.registry import RESOURCES
from chalicelib.settings import Settings, SettingsError
from chalicelib.storage.sql.connections import open_engine
from chalicelib.storage.sql.schema import Schema

metadata = Schema(RESOURCES).metadata
settings = Settings.from_environment()
try:
    url = context.config.get_main_option("sqlalchemy.url") or settings.storage_url
except SettingsError:
    raise SystemExit("Set STORAGE_URL, such as postgresql+psycopg://app@127.0.0.1/app.") from None

if context.is_offline_mode():
    context.configure(url=url, target_metadata=metadata, literal_binds=True)
    with context.begin_transaction():
        context.run_migrations()
else:
    engine = open_engine(url, metadata, settings.storage_password)
    with engine.connect() as connection:
        context.configure(connection=connection, target_metadata=metadata)
        with context.begin_transaction():
            context.run_migrations()
    engine.dispose()
