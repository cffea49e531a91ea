"""The common stack: Chalice, PyJWT in the handler, pydantic and boto3's resource."""

import json
import logging
import os
import time
import uuid
from typing import Any

import boto3
import jwt
from boto3.dynamodb.conditions import Key
from chalice import Chalice, NotFoundError, Response, UnauthorizedError
from pydantic import ValidationError

from benchmarks.events import SECRET
from benchmarks.peers.shapes import NewUser, Page, User

app = handler = Chalice(app_name="usual")
app.log.setLevel(logging.INFO)
table = boto3.resource("dynamodb").Table(os.environ["TABLE"])

JSON = {"Content-Type": "application/json"}


@app.middleware("http")
def authenticate(event: Any, get_response: Any) -> Any:
    """Check the bearer token."""
    try:
        token = event.headers["authorization"].removeprefix("Bearer ")
        event.context["claims"] = jwt.decode(token, SECRET, ["HS256"], audience="api")
    except (KeyError, jwt.InvalidTokenError) as error:
        raise UnauthorizedError("Bad token") from error
    return get_response(event)


@app.middleware("http")
def identify(event: Any, get_response: Any) -> Any:
    """Set the request's id on the response."""
    response = get_response(event)
    response.headers["x-request-id"] = event.context["requestId"]
    return response


@app.middleware("http")
def report(event: Any, get_response: Any) -> Any:
    """Log one line of JSON for the request."""
    started = time.perf_counter()
    response = get_response(event)
    milliseconds = round((time.perf_counter() - started) * 1000, 3)
    line = {"path": event.path, "status": response.status_code, "ms": milliseconds}
    app.log.info(json.dumps(line))
    return response


@app.route("/users", methods=["POST"], cors=True)
def create() -> Response:
    """Create a user."""
    try:
        new = NewUser.model_validate(app.current_request.json_body)
    except ValidationError as error:
        return Response(error.json(), JSON, 422)
    now = time.strftime("%Y-%m-%dT%H:%M:%S.000Z", time.gmtime())
    user = User(
        user_id=f"usr_{uuid.uuid4().hex}",
        created_at=now,
        updated_at=now,
        version=1,
        **new.model_dump(),
    )
    client = table.meta.client
    client.transact_write_items(
        TransactItems=[
            {
                "Put": {
                    "TableName": table.name,
                    "Item": user.model_dump(),
                    "ConditionExpression": "attribute_not_exists(user_id)",
                }
            },
            {
                "Put": {
                    "TableName": table.name,
                    "Item": {"user_id": f"EMAIL#{user.email}", "owner": user.user_id},
                    "ConditionExpression": "attribute_not_exists(user_id)",
                }
            },
        ]
    )
    return Response(user.model_dump_json(), JSON, 201)


@app.route("/users", cors=True)
def list_users() -> Response:
    """List users."""
    limit = int((app.current_request.query_params or {}).get("limit", 20))
    found = table.query(IndexName="all", KeyConditionExpression=Key("kind").eq("user"), Limit=limit)
    page = Page(users=[User.model_validate(item) for item in found["Items"]], next_cursor=None)
    return Response(page.model_dump_json(), JSON)


@app.route("/users/{user_id}", cors=True)
def get(user_id: str) -> Response:
    """Retrieve a user."""
    found = table.get_item(Key={"user_id": user_id}, ConsistentRead=True)
    if "Item" not in found:
        raise NotFoundError(json.dumps({"user_id": user_id}))
    return Response(User.model_validate(found["Item"]).model_dump_json(), JSON)
