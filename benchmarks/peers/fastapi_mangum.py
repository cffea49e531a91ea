"""FastAPI with async handlers behind Mangum."""

from typing import Any

from fastapi import FastAPI, HTTPException
from mangum import Mangum

from benchmarks.peers.people import add, page, people
from benchmarks.peers.shapes import NewUser, Page, User

app = FastAPI()


@app.post("/users", status_code=201, response_model=User)
async def create(body: NewUser) -> dict[str, Any]:
    """Create a user."""
    return add(**body.model_dump())


@app.get("/users", response_model=Page)
async def list_users() -> dict[str, Any]:
    """List users."""
    return page()


@app.get("/users/{user_id}", response_model=User)
async def get(user_id: str) -> dict[str, Any]:
    """Retrieve a user."""
    if user_id not in people:
        raise HTTPException(404, "User not found")
    return people[user_id]


handler = Mangum(app, lifespan="off")
