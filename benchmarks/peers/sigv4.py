"""The lower bound: requests signed by hand and sent over a plain TLS socket.

It neither retries nor distinguishes errors, and each item is one JSON document. It shows the
minimal cost of a client, not how to write one.
https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html
"""

import hashlib
import hmac
import json
import os
import socket
import ssl
import time
from typing import Any
from urllib.parse import urlsplit

TABLE = "documents"
_SIGNED = "content-type;host;x-amz-date;x-amz-security-token;x-amz-target"

_place = urlsplit(os.environ["AWS_ENDPOINT_URL"])
_region = os.environ["AWS_REGION"]
_secret = os.environ["AWS_SECRET_ACCESS_KEY"]
_access = os.environ["AWS_ACCESS_KEY_ID"]
_token = os.environ["AWS_SESSION_TOKEN"]


def _connect() -> ssl.SSLSocket:
    plain = socket.create_connection((_place.hostname, _place.port))
    plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    context = ssl.create_default_context(cafile=os.environ["AWS_CA_BUNDLE"])
    return context.wrap_socket(plain, server_hostname=_place.hostname)


_connection = _connect()
_stream = _connection.makefile("rb")


def handler(event: dict[str, Any], _context: object) -> dict[str, Any]:
    """Return a user, or a page of users."""
    parameters = event["pathParameters"]
    if parameters:
        key = {"user_id": {"S": parameters["user_id"]}}
        found = _call("GetItem", {"TableName": TABLE, "Key": key, "ConsistentRead": True})
        return {"statusCode": 200, "body": found["Item"]["document"]["S"]}
    found = _call(
        "Query",
        {
            "TableName": TABLE,
            "IndexName": "all",
            "KeyConditionExpression": "kind = :kind",
            "ExpressionAttributeValues": {":kind": {"S": "user"}},
            "Limit": 25,
        },
    )
    users = ",".join(item["document"]["S"] for item in found["Items"])
    return {"statusCode": 200, "body": f'{{"users":[{users}],"next_cursor":null}}'}


def _call(operation: str, request: dict[str, Any]) -> dict[str, Any]:
    body = json.dumps(request).encode()
    head = _signed(f"DynamoDB_20120810.{operation}", body)
    _connection.sendall(f"{head}content-length: {len(body)}\r\n\r\n".encode() + body)
    _stream.readline()
    length = 0
    while (line := _stream.readline()) != b"\r\n":
        name, _, value = line.partition(b":")
        if name.lower() == b"content-length":
            length = int(value)
    response: dict[str, Any] = json.loads(_stream.read(length))
    return response


def _signed(target: str, body: bytes) -> str:
    now = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
    headers = (
        f"content-type:application/x-amz-json-1.0\nhost:{_place.netloc}\nx-amz-date:{now}\n"
        f"x-amz-security-token:{_token}\nx-amz-target:{target}\n"
    )
    digest = hashlib.sha256(body).hexdigest()
    canonical = f"POST\n/\n\n{headers}\n{_SIGNED}\n{digest}"
    scope = f"{now[:8]}/{_region}/dynamodb/aws4_request"
    hashed = hashlib.sha256(canonical.encode()).hexdigest()
    key = f"AWS4{_secret}".encode()
    for part in scope.split("/"):
        key = hmac.digest(key, part.encode(), "sha256")
    text = f"AWS4-HMAC-SHA256\n{now}\n{scope}\n{hashed}"
    signature = hmac.digest(key, text.encode(), "sha256").hex()
    fields = headers.replace("\n", "\r\n")
    return (
        f"POST / HTTP/1.1\r\n{fields}authorization: AWS4-HMAC-SHA256"
        f" Credential={_access}/{scope}, SignedHeaders={_SIGNED}, Signature={signature}\r\n"
    )
