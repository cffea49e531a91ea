"""The local server's HTTP: every request is answered, however odd, and answered at once."""

import functools
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler
from typing import Any

from chalice.app import Chalice
from chalice.config import Config
from chalice.local import CustomLocalChalice, LocalChalice, LocalDevServer, ThreadedHTTPServer

from chalicelib.domain.errors import BadRequest, ContentTooLarge, MethodNotAllowed, Problem
from chalicelib.web.application import Answer
from localdev.gateway import LocalGateway

# API Gateway's limits: https://docs.aws.amazon.com/apigateway/latest/developerguide/limits.html
_MAX_BODY_OCTETS = 10 * 1024 * 1024
_BODY_SECONDS = 10
_IDLE_SECONDS = 75
_NO_BODY = frozenset({HTTPStatus.NO_CONTENT, HTTPStatus.NOT_MODIFIED})


class _Server(ThreadedHTTPServer):
    request_queue_size = 256


def open_server(gateway: LocalGateway, config: Config, host: str, port: int) -> LocalDevServer:
    """Return Chalice's local server with `gateway` behind its socket."""
    # As Chalice's own does: requests of several threads must not see each other.
    CustomLocalChalice.__bases__ = (LocalChalice, gateway.app.__class__)
    chalice_app: Chalice = gateway.app
    chalice_app.__class__ = CustomLocalChalice
    handler: Any = functools.partial(_Handler, gateway=gateway)
    return LocalDevServer(chalice_app, config, host, port, handler, _Server)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    # Without this, Nagle's algorithm and delayed acknowledgements cost 44 ms a request.
    disable_nagle_algorithm = True
    wbufsize = -1
    server_version = "chalice-local"
    sys_version = ""
    timeout = _IDLE_SECONDS

    def __init__(
        self,
        *connection: Any,
        gateway: LocalGateway,
        app_object: object,  # noqa: ARG002 - Chalice's; the gateway has it
        config: object,  # noqa: ARG002 - Chalice's
    ) -> None:
        self._gateway = gateway
        super().__init__(*connection)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("do_"):
            return self._answer
        raise AttributeError(name)

    def _answer(self) -> None:
        try:
            body = self._read_body()
        except Problem as problem:
            self._refuse(problem)
        else:
            headers = self.headers.items()
            self._send(self._gateway.answer(self.command, self.path, headers, body))

    def _read_body(self) -> bytes:
        """Return the body. Raises Problem where its framing is broken (RFC 9112 §6)."""
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
            raise BadRequest("The body is shorter than announced.") from None
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
                raise BadRequest("A chunk of the body is longer than its size.")
        while self.rfile.readline(65537) not in {b"\r\n", b"\n", b""}:
            continue
        return b"".join(chunks)

    def _read(self, length: int, before: int = 0) -> bytes:
        if length + before > _MAX_BODY_OCTETS:
            raise ContentTooLarge
        octets = self.rfile.read(length)
        if len(octets) < length:
            raise BadRequest("The body is shorter than announced.")
        return octets

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        """Refuse what is no request of HTTP/1.1: the standard library's page is not ours."""
        del explain
        if code == HTTPStatus.NOT_IMPLEMENTED:
            self._refuse(MethodNotAllowed(self.command, []))
        else:
            self._refuse(BadRequest(f"This is no request of HTTP/1.1: {message}."))

    def _refuse(self, problem: Problem) -> None:
        """Answer a request that cannot be read, after which the connection is of no use."""
        self.close_connection = True
        self.request_version = self.protocol_version
        method = getattr(self, "command", None) or "GET"
        event = self._gateway.event(method, "/", [], b"")
        self._send(self._gateway.app.refuse(problem, event))

    def _send(self, answer: Answer) -> None:
        body = answer["body"].encode()
        self.send_response(answer["statusCode"])
        for name, value in answer["headers"].items():
            self.send_header(name, value)
        if self.command != "HEAD" and answer["statusCode"] not in _NO_BODY:
            self.send_header("Content-Length", str(len(body)))
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(body)
        self.wfile.flush()
