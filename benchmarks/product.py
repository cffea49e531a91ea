"""The product as Lambda loads it; `handler` handles an API Gateway event."""

from app import app as handler
from app import storage
from benchmarks.events import PEOPLE
from chalicelib.domain.users import USERS, User
from chalicelib.storage.memory import MemoryStorage

if isinstance(storage(), MemoryStorage):
    for user in PEOPLE:
        storage().create(USERS, User(**user), None, 0)

__all__ = ["handler"]
