"""A server between the product and the emulated AWS, which notes what is called."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any
from urllib.parse import urlsplit

Call = tuple[str, dict[str, Any]]
"""The X-Amz-Target of a request, and its body."""


@contextmanager
def recorded(endpoint: str) -> Iterator[tuple[str, list[Call]]]:
    """Yield the URL of a server that passes requests on to `endpoint`, and what it has seen."""
    calls: list[Call] = []

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            """Note the request, and pass on the response."""
            body = self.rfile.read(int(self.headers["Content-Length"]))
            calls.append((self.headers["X-Amz-Target"], json.loads(body)))
            server = HTTPConnection(urlsplit(endpoint).netloc)
            # With the signed Host, or the signature would not fit.
            server.request("POST", self.path, body, dict(self.headers))
            response = server.getresponse()
            content = response.read()
            server.close()
            self.send_response_only(response.status)
            for name, value in response.getheaders():
                if name.lower() not in {"connection", "content-length", "transfer-encoding"}:
                    self.send_header(name, value)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: object) -> None:
            """Print nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}", calls
        finally:
            server.shutdown()
            thread.join()
