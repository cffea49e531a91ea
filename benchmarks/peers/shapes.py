"""The peers' schemas in pydantic, with the product's rules for the same fields."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

Key = Annotated[str, Field(min_length=1, max_length=40)]
Value = Annotated[str, Field(max_length=500)]
Metadata = Annotated[dict[Key, Value], Field(max_length=50)]
Status = Literal["active", "suspended"]
Email = Annotated[str, Field(max_length=254, pattern=r"^[^@\s]{1,64}@[A-Za-z0-9.-]+\.[A-Za-z]+$")]


class NewUser(BaseModel):
    """The body that creates a user."""

    model_config = ConfigDict(extra="forbid")

    name: Annotated[str, Field(min_length=1, max_length=200)]
    email: Email
    metadata: Metadata = {}
    status: Status = "active"


class User(BaseModel):
    """A user."""

    user_id: str
    name: str
    email: str
    status: Status
    metadata: dict[str, str]
    created_at: str
    updated_at: str
    version: int


class Page(BaseModel):
    """A page of users."""

    users: list[User]
    next_cursor: str | None
