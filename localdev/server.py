"""The local HTTP server. It responds to every request, even a malformed one, without delay."""

import functools
import os
import sys
import time
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler
from typing import Any

from chalice.config import Config
from chalice.local import LocalDevServer, create_local_server

from chalicelib.domain.errors import BadRequest, ContentTooLarge, MethodNotAllowed, Problem
from chalicelib.web.application import ProxyResponse
from localdev.gateway import LocalGateway
from localdev.request_lines import is_coloured, print_line, problem_of, request_line

# API Gateway's limits: https://docs.aws.amazon.com/apigateway/latest/developerguide/limits.html
_MAX_BODY_BYTES = 10 * 1024 * 1024
_BODY_SECONDS = 10
_IDLE_SECONDS = 75
_BACKLOG = 256
_NO_BODY = frozenset({HTTPStatus.NO_CONTENT, HTTPStatus.NOT_MODIFIED})


def make_server(gateway: LocalGateway, config: Config, host: str, port: int) -> LocalDevServer:
    """Return Chalice's local server, with `gateway` handling its requests."""
    # Chalice's own function also gives each thread its own `app.current_request`.
    local_server: LocalDevServer = create_local_server(gateway.app, config, host, port)
    http_server = local_server.server
    http_server.RequestHandlerClass = functools.partial(_Handler, gateway=gateway)
    http_server.socket.listen(_BACKLOG)
    return local_server


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    # Without this, Nagle's algorithm and delayed acknowledgements cost 44 ms per request.
    disable_nagle_algorithm = True
    wbufsize = -1
    server_version = "chalice-local"
    sys_version = ""
    timeout = _IDLE_SECONDS

    def __init__(self, *connection: Any, gateway: LocalGateway) -> None:
        self._gateway = gateway
        super().__init__(*connection)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("do_"):
            return self._respond
        raise AttributeError(name)

    def _respond(self) -> None:
        self._started = time.perf_counter()
        try:
            body = self._read_body()
        except Problem as problem:
            self._reject(problem)
        else:
            headers = self.headers.items()
            self._send(self._gateway.respond(self.command, self.path, headers, body))

    def _read_body(self) -> bytes:
        """Return the body. Raises Problem if its framing is invalid (RFC 9112 §6)."""
        lengths = set(self.headers.get_all("Content-Length", []))
        codings = self.headers.get_all("Transfer-Encoding", [])
        self.connection.settimeout(_BODY_SECONDS)
        try:
            if codings:
                if lengths or [coding.strip().lower() for coding in codings] != ["chunked"]:
                    raise BadRequest("Send either Content-Length or Transfer-Encoding: chunked.")
                return self._read_chunks()
            length = lengths.pop() if lengths else "0"
            if lengths or not (length.isascii() and length.isdigit()):
                raise BadRequest("Content-Length must be one whole number.")
            return self._read(int(length))
        except TimeoutError:
            raise BadRequest("The body is incomplete.") from None
        finally:
            self.connection.settimeout(_IDLE_SECONDS)

    def _read_chunks(self) -> bytes:
        chunks: list[bytes] = []
        while True:
            size = self.rfile.readline(1024).partition(b";")[0].strip()
            if not size or size.strip(b"0123456789abcdefABCDEF"):
                raise BadRequest("A chunk of the body has no size.")
            if int(size, 16) == 0:
                break
            chunks.append(self._read(int(size, 16), sum(map(len, chunks))))
            if self.rfile.readline(3) != b"\r\n":
                raise BadRequest("A chunk of the body is longer than its stated size.")
        while self.rfile.readline(65537) not in {b"\r\n", b"\n", b""}:
            continue
        return b"".join(chunks)

    def _read(self, length: int, before: int = 0) -> bytes:
        if length + before > _MAX_BODY_BYTES:
            raise ContentTooLarge
        data = self.rfile.read(length)
        if len(data) < length:
            raise BadRequest("The body is incomplete.")
        return data

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        """Reject a malformed request with a problem, not with the standard library's page."""
        del explain
        if code == HTTPStatus.NOT_IMPLEMENTED:
            self._reject(MethodNotAllowed(self.command, []))
        else:
            self._reject(BadRequest(f"This is not a valid HTTP/1.1 request: {message}."))

    def _reject(self, problem: Problem) -> None:
        """Respond to a request that cannot be read, and close the connection."""
        self.close_connection = True
        self._started = getattr(self, "_started", time.perf_counter())
        self.request_version = self.protocol_version
        method = getattr(self, "command", None) or "GET"
        event = self._gateway.event(method, "/", [], b"")
        self._send(self._gateway.app.refuse(problem, event))

    def _send(self, response: ProxyResponse) -> None:
        body = response["body"].encode()
        self.send_response(response["statusCode"])
        for name, value in response["headers"].items():
            self.send_header(name, value)
        if self.command != "HEAD" and response["statusCode"] not in _NO_BODY:
            self.send_header("Content-Length", str(len(body)))
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(body)
        self.wfile.flush()
        if self._gateway.prints_requests:
            milliseconds = (time.perf_counter() - self._started) * 1000
            print_line(
                request_line(
                    getattr(self, "command", None) or "-",
                    getattr(self, "path", "-"),
                    response["statusCode"],
                    milliseconds,
                    problem=problem_of(response["headers"], response["body"]),
                    coloured=is_coloured(sys.stdout, os.environ),
                )
            )

    def log_request(self, *_: object) -> None:
        """Print nothing yet: the line has the time that the response took."""
