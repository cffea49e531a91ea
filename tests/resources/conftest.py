"""Fixtures of the general tests: those of storage and of the API."""

from tests.api.conftest import api
from tests.storage.conftest import engine, new_storage

__all__ = ["api", "engine", "new_storage"]
