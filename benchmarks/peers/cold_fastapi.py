"""FastAPI behind Mangum, on boto3's resource."""

from typing import Any

import boto3
from fastapi import FastAPI
from mangum import Mangum

from benchmarks.peers.shapes import User

app = FastAPI()
table = boto3.resource("dynamodb").Table("usual")


@app.get("/users/{user_id}", response_model=User)
async def get(user_id: str) -> dict[str, Any]:
    """Retrieve a user."""
    return table.get_item(Key={"user_id": user_id}, ConsistentRead=True)["Item"]


handler = Mangum(app, lifespan="off")
