"""What variables say about a service: its endpoint, Region, certificates and credentials.

boto3 is the oracle: in the same environment it finds the same endpoint, Region and credentials.
"""

from pathlib import Path

import pytest

from chalicelib.aws.client import Client, Service
from chalicelib.aws.configuration import configuration
from chalicelib.aws.connections import Connections, Timeouts
from chalicelib.settings_error import SettingsError
from tests.aws.environments import (
    IN_VARIABLES,
    KEYS,
    REGION,
    as_boto3,
    boto3_client,
    isolated,
    message,
    set_all,
)
from tests.aws.http_server import response, serving

TIMEOUTS = Timeouts(5, 5)


@pytest.fixture(autouse=True)
def clean(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Start from an environment that says nothing about AWS."""
    isolated(tmp_path, monkeypatch)


@pytest.mark.parametrize("service", ["dynamodb", "ssm"])
@pytest.mark.parametrize("region", ["eu-central-1", "us-east-1", "cn-north-1", "us-gov-west-1"])
def test_the_region_decides_the_endpoint(
    monkeypatch: pytest.MonkeyPatch, service: str, region: str
) -> None:
    """Without more, a service is at its endpoint in the Region, and variables are who calls it."""
    set_all(monkeypatch, KEYS, {"AWS_DEFAULT_REGION": region})
    found = as_boto3(service)
    host = f"{service}.{region}.amazonaws.com" + (".cn" if region.startswith("cn-") else "")
    assert (found.server.host, found.server.port, found.server.tls) == (host, 443, True)
    assert (found.host, found.region) == (host, region)
    assert found.credentials() == IN_VARIABLES


def test_aws_region_is_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    """AWS_REGION, which Lambda and other SDKs go by though boto3 does not, names the Region."""
    set_all(monkeypatch, KEYS, {"AWS_REGION": "eu-west-3"})
    assert configuration("dynamodb").region == "eu-west-3"


def test_aws_default_region_wins(monkeypatch: pytest.MonkeyPatch) -> None:
    """AWS_DEFAULT_REGION wins over AWS_REGION, as for boto3; an empty one does not count."""
    set_all(monkeypatch, KEYS, REGION, {"AWS_REGION": "eu-west-3"})
    assert as_boto3().region == "eu-central-1"
    monkeypatch.setenv("AWS_DEFAULT_REGION", "")
    assert configuration("dynamodb").region == "eu-west-3"


def test_a_session_token_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """Temporary credentials in variables have a session token."""
    set_all(monkeypatch, KEYS, REGION, {"AWS_SESSION_TOKEN": "token"})
    assert as_boto3().credentials() == IN_VARIABLES._replace(token="token")


GENERAL = {"AWS_ENDPOINT_URL": "http://localhost:8000"}
OWN = {"AWS_ENDPOINT_URL_DYNAMODB": "http://localhost:9000"}
OTHERS = {"AWS_ENDPOINT_URL_SSM": "http://localhost:7000"}
IGNORE = {"AWS_IGNORE_CONFIGURED_ENDPOINT_URLS": "true"}
DEFAULT = "https://dynamodb.eu-central-1.amazonaws.com"


@pytest.mark.parametrize(
    ("variables", "url"),
    [
        (GENERAL, "http://localhost:8000"),
        (OWN, "http://localhost:9000"),
        (GENERAL | OWN, "http://localhost:9000"),
        (GENERAL | OTHERS, "http://localhost:8000"),
        (OTHERS, DEFAULT),
        (GENERAL | OWN | IGNORE, DEFAULT),
        (GENERAL | {"AWS_IGNORE_CONFIGURED_ENDPOINT_URLS": "false"}, "http://localhost:8000"),
        ({"AWS_ENDPOINT_URL": "", "AWS_ENDPOINT_URL_DYNAMODB": ""}, DEFAULT),
    ],
)
def test_an_endpoint_can_be_set(
    monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], url: str
) -> None:
    """The service's own variable wins over the general one, unless both are to be ignored."""
    set_all(monkeypatch, KEYS, REGION, variables)
    assert as_boto3().url.geturl() == url


@pytest.mark.parametrize(
    ("url", "host", "port", "header"),
    [
        ("http://localhost", "localhost", 80, "localhost"),
        ("http://localhost:80", "localhost", 80, "localhost"),
        ("https://localhost", "localhost", 443, "localhost"),
        ("https://localhost:443", "localhost", 443, "localhost"),
        ("https://localhost:80", "localhost", 80, "localhost:80"),
        ("http://127.0.0.1:8000/path", "127.0.0.1", 8000, "127.0.0.1:8000"),
        ("HTTP://LOCALHOST:8000", "localhost", 8000, "localhost:8000"),
        ("http://[::1]:8000", "::1", 8000, "[::1]:8000"),
        ("https://[::1]/", "::1", 443, "[::1]"),
    ],
)
def test_an_endpoint_is_taken_apart(
    monkeypatch: pytest.MonkeyPatch, url: str, host: str, port: int, header: str
) -> None:
    """Scheme, host and port of the address are those of the server and of the header Host."""
    set_all(monkeypatch, KEYS, REGION, {"AWS_ENDPOINT_URL": url})
    found = configuration("dynamodb")
    assert found.server == (host, port, url.startswith("https"), None, None)
    assert found.host == header


@pytest.mark.parametrize(
    "url",
    [
        "localhost:8000",
        "//localhost:8000",
        "localhost",
        "http://",
        "http:///path",
        "https://:443",
        "ftp://localhost",
        "ftp://localhost:21",
        "http://localhost:port",
        "http://localhost:99999",
        "http://[::1",
    ],
)
@pytest.mark.parametrize("variable", ["AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_DYNAMODB"])
def test_an_address_that_is_none_is_refused(
    monkeypatch: pytest.MonkeyPatch, variable: str, url: str
) -> None:
    """An endpoint that is not an HTTP address is one sentence that shows it."""
    set_all(monkeypatch, KEYS, REGION, {variable: url})
    with pytest.raises(SettingsError) as raised:
        configuration("dynamodb")
    assert str(raised.value) == (
        f"AWS_ENDPOINT_URL must be an http:// or https:// address, not {url!r}."
    )


@pytest.mark.parametrize("path", ["", "/", "/base", "/base/", "/a%20b/c"])
def test_the_path_of_an_endpoint_is_kept(monkeypatch: pytest.MonkeyPatch, path: str) -> None:
    """A request goes to the path of the endpoint, as boto3's do, with the same Host."""
    with serving(lambda _: response(200, {"TableNames": []})) as server:
        set_all(monkeypatch, KEYS, REGION, {"AWS_ENDPOINT_URL": f"{server.url}{path}"})
        service = Service("dynamodb", "DynamoDB_20120810", "1.0")
        client = Client(service, configuration("dynamodb"), TIMEOUTS)
        client.call("ListTables", {})
        client.close()
        with boto3_client("dynamodb") as theirs:
            theirs.list_tables()
    ours, expected = server.received
    assert (ours.target, ours.headers["host"]) == (expected.target, expected.headers["host"])
    for name in ("content-type", "x-amz-target"):
        assert ours.headers[name] == expected.headers[name]


FIPS, DUAL_STACK = "AWS_USE_FIPS_ENDPOINT", "AWS_USE_DUALSTACK_ENDPOINT"


@pytest.mark.parametrize(
    ("switches", "host"),
    [
        ({FIPS: "true"}, "dynamodb-fips.us-east-1.amazonaws.com"),
        ({DUAL_STACK: "true"}, "dynamodb.us-east-1.api.aws"),
        ({FIPS: "true", DUAL_STACK: "true"}, "dynamodb-fips.us-east-1.api.aws"),
        ({FIPS: "TRUE"}, "dynamodb-fips.us-east-1.amazonaws.com"),
        ({FIPS: "false", DUAL_STACK: "False"}, "dynamodb.us-east-1.amazonaws.com"),
        ({FIPS: "", DUAL_STACK: ""}, "dynamodb.us-east-1.amazonaws.com"),
        ({FIPS: "true", **GENERAL, **IGNORE}, "dynamodb-fips.us-east-1.amazonaws.com"),
    ],
)
def test_variants_of_an_endpoint_can_be_switched_on(
    monkeypatch: pytest.MonkeyPatch, switches: dict[str, str], host: str
) -> None:
    """FIPS and dual-stack endpoints are chosen as by boto3."""
    set_all(monkeypatch, KEYS, {"AWS_DEFAULT_REGION": "us-east-1"}, switches)
    assert as_boto3().server.host == host


@pytest.mark.parametrize("name", [FIPS, DUAL_STACK, "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS"])
@pytest.mark.parametrize("value", ["yes", "1", "on", " true"])
def test_a_switch_is_true_or_false(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    """What boto3 would take for false without a word is refused, since it was hardly meant so."""
    set_all(monkeypatch, KEYS, REGION, {name: value})
    with pytest.raises(SettingsError) as raised:
        configuration("dynamodb")
    assert str(raised.value) == f"{name} must be true or false, not {value!r}."


@pytest.mark.parametrize("name", [FIPS, DUAL_STACK])
def test_a_variant_excludes_an_endpoint(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """An endpoint of one's own has no variants: setting both is an error, as in a boto3 call."""
    set_all(monkeypatch, KEYS, REGION, GENERAL, {name: "true"})
    with pytest.raises(SettingsError, match=r"^AWS_ENDPOINT_URL cannot be combined with .*\.$"):
        configuration("dynamodb")


@pytest.mark.parametrize("region", ["eu central", "x.example.com/", "EU-CENTRAL-1", "-eu"])
def test_a_region_that_is_none_is_refused(monkeypatch: pytest.MonkeyPatch, region: str) -> None:
    """A Region that cannot be part of a host name is one sentence that shows it."""
    set_all(monkeypatch, KEYS, {"AWS_REGION": region})
    with pytest.raises(SettingsError) as raised:
        configuration("dynamodb")
    assert str(raised.value) == f"AWS_REGION must be a Region such as eu-central-1, not {region!r}."


@pytest.mark.parametrize(
    ("url", "only_amazon"),
    [
        ("https://dynamodb.eu-central-1.amazonaws.com", True),
        ("https://DYNAMODB.eu-central-1.AMAZONAWS.COM", True),
        ("https://vpce-1.dynamodb.eu-central-1.vpce.amazonaws.com", True),
        ("https://dynamodb.eu-central-1.api.aws", True),
        ("https://dynamodb.cn-north-1.amazonaws.com.cn", False),
        ("https://dynamodb.eu-central-1.amazonaws.com.example.com", False),
        ("https://dynamodb.example-amazonaws.com", False),
        ("https://localhost:8000", False),
    ],
)
def test_amazons_authorities_vouch_for_amazons_hosts(
    monkeypatch: pytest.MonkeyPatch, url: str, *, only_amazon: bool
) -> None:
    """Amazon's own authorities alone are trusted for its hosts, the system's for all others."""
    set_all(monkeypatch, KEYS, REGION, {"AWS_ENDPOINT_URL": url})
    trusted = configuration("dynamodb").server.trusted
    assert (trusted is not None and trusted.name == "amazon_roots.pem") is only_amazon
    assert (trusted is None) is not only_amazon


def test_other_authorities_can_be_trusted(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """AWS_CA_BUNDLE names the authorities for every host, Amazon's included."""
    set_all(monkeypatch, KEYS, REGION, {"AWS_CA_BUNDLE": str(tmp_path / "bundle.pem")})
    assert configuration("dynamodb").server.trusted == tmp_path / "bundle.pem"


@pytest.mark.parametrize("content", [None, b"", b"no certificate", b"\xff\x00"])
def test_a_bundle_without_certificates_is_refused(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, content: bytes | None
) -> None:
    """A bundle that is missing or not PEM is one sentence, before the first request."""
    bundle = tmp_path / "bundle.pem"
    if content is not None:
        bundle.write_bytes(content)
    set_all(monkeypatch, KEYS, REGION, {"AWS_CA_BUNDLE": str(bundle)})
    server = configuration("dynamodb").server
    expected = "^AWS_CA_BUNDLE must name a PEM file with certificates: .*bundle.pem"
    with pytest.raises(SettingsError, match=expected):
        Connections(server, TIMEOUTS)


def test_missing_credentials_are_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without credentials the error says which variables to set."""
    set_all(monkeypatch, REGION)
    assert message() == (
        "There are no AWS credentials: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or"
        " AWS_PROFILE to a profile that has some."
    )


@pytest.mark.parametrize("endpoint", [{}, GENERAL])
def test_a_missing_region_is_a_sentence(
    monkeypatch: pytest.MonkeyPatch, endpoint: dict[str, str]
) -> None:
    """Without a Region the error says which variable to set, whatever the endpoint is."""
    set_all(monkeypatch, KEYS, endpoint)
    assert message() == (
        "Set AWS_REGION to the Region to call, such as eu-central-1, or AWS_PROFILE to a profile"
        " that has one."
    )


def test_half_a_pair_is_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    """One key without the other is an error that names both."""
    set_all(monkeypatch, REGION, {"AWS_ACCESS_KEY_ID": "AKIAIOSFODNN7EXAMPLE"})
    assert message() == "Set both AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or none of the two."
