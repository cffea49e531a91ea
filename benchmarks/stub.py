"""A stub of DynamoDB: responds over TLS, in its own process, at minimal cost.

``python -m benchmarks.stub <chain and key> <responses>``, where the responses are a JSON object
from ``<table>/<operation>`` to the body; ``<table>/<operation>/ORDER`` is for keys of orders, and
for queries without an index. It prints its port. Other writes get the response of ``/``.
"""

import json
import socket
import ssl
import sys
import threading
import zlib
from io import BufferedRWPair
from pathlib import Path
from typing import Any

_HEAD = (
    "HTTP/1.1 200 OK\r\nServer: Server\r\nDate: Sat, 21 Nov 2026 09:30:00 GMT\r\n"
    "Content-Type: application/x-amz-json-1.0\r\nContent-Length: {length}\r\n"
    "Connection: keep-alive\r\n"
    "x-amzn-RequestId: 0A1B2C3D4E5F6G7H8I9J0K1L2M3N4O5P6Q7R8S9TVV4KQNSO5AEMVJF66Q9ASUAAJG\r\n"
    "x-amz-crc32: {checksum}\r\n\r\n"
)


def main(chain: str, responses: str) -> None:
    """Serve until the process ends."""
    bodies = json.loads(Path(responses).read_text())
    ready = {key: _response(body) for key, body in bodies.items()}
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(chain)
    with socket.create_server(("127.0.0.1", 0), backlog=64) as listener:
        sys.stdout.write(f"{listener.getsockname()[1]}\n")
        sys.stdout.flush()
        while True:
            connection, _ = listener.accept()
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            arguments = (connection, context, ready)
            threading.Thread(target=_serve, args=arguments, daemon=True).start()


def _response(body: object) -> bytes:
    text = json.dumps(body, separators=(",", ":")).encode()
    return _HEAD.format(length=len(text), checksum=zlib.crc32(text)).encode() + text


def _serve(connection: socket.socket, context: ssl.SSLContext, ready: dict[str, bytes]) -> None:
    try:
        with (
            context.wrap_socket(connection, server_side=True) as secured,
            secured.makefile("rwb") as stream,
        ):
            while _respond(stream, ready):
                stream.flush()
    except OSError:
        return


def _respond(stream: BufferedRWPair, ready: dict[str, bytes]) -> bool:
    operation, length = "", 0
    if not stream.readline():
        return False
    while (line := stream.readline()) not in {b"\r\n", b""}:
        name, _, value = line.partition(b":")
        if name.lower() == b"x-amz-target":
            operation = value.decode().strip().rpartition(".")[2]
        elif name.lower() == b"content-length":
            length = int(value)
    request = json.loads(stream.read(length))
    call = f"{request.get('TableName', '')}/{operation}"
    kind = f"{call}/ORDER" if _is_of_orders(operation, request) else call
    stream.write(ready.get(kind) or ready.get(call, ready["/"]))
    return True


def _is_of_orders(operation: str, request: dict[str, Any]) -> bool:
    if operation == "Query":
        return "IndexName" not in request
    key: str = request.get("Key", {}).get("SK", {}).get("S", "")
    return key.startswith("ORDER#")


if __name__ == "__main__":
    main(*sys.argv[1:])
