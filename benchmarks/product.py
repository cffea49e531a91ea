"""The product itself, as a Lambda function loads it; `handler` answers an API Gateway event."""

from app import app as handler
from app import storage
from benchmarks.events import PEOPLE
from chalicelib.domain.model import User
from chalicelib.storage.memory import MemoryStorage

if isinstance(storage(), MemoryStorage):
    for user in PEOPLE:
        storage().create_user(User(**user), None, 0)

__all__ = ["handler"]
