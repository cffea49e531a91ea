"""The client of DynamoDB: botocore's own, without what the requests here do not need."""

import weakref
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, cast

import botocore.session
import msgspec
from botocore.awsrequest import AWSPreparedRequest, AWSResponse
from botocore.config import Config
from botocore.exceptions import IncompleteReadError
from botocore.httpsession import get_cert_path
from botocore.parsers import JSONParser, ResponseParserFactory
from botocore.utils import get_environ_proxies

from chalicelib.storage.dynamodb.connections import Connections, Send

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

_REDIRECTS = 300


def make_client(
    budget: float, around: Callable[[Send], Send] = lambda send: send
) -> "DynamoDBClient":
    """Return a client whose connection and read timeouts are small parts of `budget` (seconds).

    `around` may put something between the client and what sends its requests, for tests.
    """
    connect_timeout, read_timeout = timeouts(budget)
    # All but a few of the 120 handlers are for other services; of those few, none matters to these
    # requests: they bring their own idempotency tokens, and carry no headers about retries.
    session = botocore.session.Session(include_builtin_handlers=False)
    session.register_component("response_parser_factory", _Parsers())
    client: Any = session.create_client(
        "dynamodb",
        config=Config(
            connect_timeout=connect_timeout,
            read_timeout=read_timeout,
            # Of botocore's modes only this one, on its last attempt, raises ChecksumError for an
            # response that arrived in part; the others would return it as if there were no item.
            retries={"mode": "legacy", "total_max_attempts": 1},
            tcp_keepalive=True,
            # The two cost a sixth of a GetItem's CPU time: the requests are built and tested
            # here, and botocore assembles its own user agent anew for each call.
            parameter_validation=False,
            user_agent="user-management",
        ),
    )
    # The way through a proxy is left to botocore.
    if not get_environ_proxies(client.meta.endpoint_url):
        trusted = session.get_config_variable("ca_bundle") or str(get_cert_path(verify=True))
        connections = Connections(connect_timeout, read_timeout, trusted)
        weakref.finalize(client, connections.close)
        send = around(connections.send)

        def send_request(request: AWSPreparedRequest, **_: object) -> AWSResponse:
            return send(request)

        client.meta.events.register("before-send.dynamodb", send_request)
    return cast("DynamoDBClient", client)


def timeouts(budget: float) -> tuple[float, float]:
    """Return the seconds for connecting and for reading of one attempt out of `budget`."""
    return budget / 8, budget / 4


class _Parser(JSONParser):
    """Decodes responses as plain JSON, without botocore's model.

    botocore walks every value of every item by the service's model only to build the same
    dictionaries again, half of the CPU time of a Query. That matters for binary attributes alone.
    """

    def parse(self, response: Any, shape: Any) -> Any:  # noqa: ANN401 - botocore's own types
        """Return the members of a response; errors are parsed by botocore."""
        if response["status_code"] >= _REDIRECTS:
            return super().parse(response, shape)
        metadata = {"HTTPStatusCode": response["status_code"], "HTTPHeaders": response["headers"]}
        body = response["body"]
        try:
            return msgspec.json.decode(body) | {"ResponseMetadata": metadata}
        except msgspec.DecodeError:
            # botocore would turn it into a response without the requested members.
            raise IncompleteReadError(
                actual_bytes=len(body), expected_bytes=len(body) + 1
            ) from None


class _Parsers(ResponseParserFactory):
    """Hands out the one parser; see botocore's Session.register_component."""

    _parser = _Parser()

    def create_parser(self, protocol_name: str) -> _Parser:  # noqa: ARG002 - DynamoDB's is JSON
        """Return the parser of responses."""
        return self._parser
