"""Endpoints: the addresses that AWS publishes in botocore's rule sets, for every Region."""

import string
from itertools import product
from typing import Any

import pytest
from botocore.endpoint_provider import EndpointProvider
from botocore.session import Session
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.aws.configuration import configuration
from chalicelib.aws.endpoints import endpoint_url
from chalicelib.settings_error import SettingsError

SERVICES = ("dynamodb", "ssm")
_LOADER: Any = Session().get_component("data_loader")
PARTITIONS: list[dict[str, Any]] = _LOADER.load_data("partitions")["partitions"]
# `aws-global`, `aws-cn-global` and so on stand for services that have no Region: no host of
# DynamoDB or Systems Manager has such a name.
REGIONS = [
    region
    for partition in PARTITIONS
    for region in partition["regions"]
    if not region.endswith("-global")
]
VARIANTS = list(product((False, True), repeat=2))
_PROVIDERS = {
    service: EndpointProvider(
        _LOADER.load_service_model(service, "endpoint-rule-set-1"), _LOADER.load_data("partitions")
    )
    for service in SERVICES
}


def url_by_rules(service: str, region: str, *, fips: bool, dual_stack: bool) -> str:
    """Return the URL that the rule set of `service` leads to."""
    return (
        _PROVIDERS[service]
        .resolve_endpoint(Region=region, UseFIPS=fips, UseDualStack=dual_stack)
        .url
    )


def future_regions(pattern: str) -> st.SearchStrategy[str]:
    """Generate names that only the regular expression of a partition knows."""
    # The expressions say \w, but a host name has neither capitals nor underscores.
    alphabet = string.ascii_lowercase + string.digits + "-"
    names = st.from_regex(pattern, fullmatch=True, alphabet=st.sampled_from(alphabet))
    return names.filter(lambda name: len(name) <= 63 and name not in REGIONS)


@pytest.mark.parametrize("region", REGIONS)
@pytest.mark.parametrize("service", SERVICES)
def test_every_region_has_the_published_endpoint(service: str, region: str) -> None:
    """A known Region has the endpoint of the rule set, with and without FIPS and dual-stack."""
    for fips, dual_stack in VARIANTS:
        expected = url_by_rules(service, region, fips=fips, dual_stack=dual_stack)
        assert endpoint_url(service, region, fips=fips, dual_stack=dual_stack) == expected


@pytest.mark.parametrize("partition", PARTITIONS, ids=lambda partition: partition["id"])
@given(data=st.data())
def test_a_future_region_has_the_endpoint_of_its_partition(
    partition: dict[str, Any], data: st.DataObject
) -> None:
    """A Region that is not in the data yet has the endpoint of the partition that it matches."""
    region = data.draw(future_regions(partition["regionRegex"]))
    for service, (fips, dual_stack) in product(SERVICES, VARIANTS):
        expected = url_by_rules(service, region, fips=fips, dual_stack=dual_stack)
        assert endpoint_url(service, region, fips=fips, dual_stack=dual_stack) == expected


@pytest.mark.parametrize(
    "region",
    [
        "",
        "-a",
        "a-",
        "a b",
        "a.b",
        "x.evil.example/",
        "x@evil.example",
        "evil.example#",
        "eu_central_1",
        "EU-CENTRAL-1",
        "eu-central-1\n",
        "\neu-central-1",
        "eu-central-1\r\nHost: evil.example",
        "eu-central-\N{SUPERSCRIPT ONE}",
        "eu-central-\N{ARABIC-INDIC DIGIT ONE}",
        "a" * 64,
    ],
)
@pytest.mark.parametrize("service", SERVICES)
def test_what_is_no_host_label_is_refused(service: str, region: str) -> None:
    """What cannot be one label of a host name is refused by a sentence that quotes it."""
    with pytest.raises(SettingsError) as refusal:
        endpoint_url(service, region)
    assert str(refusal.value) == (
        f"AWS_REGION must be a Region such as eu-central-1, not {region!r}."
    )


def test_the_longest_host_label_is_accepted() -> None:
    """A label of 63 characters, the most that DNS allows, is accepted."""
    assert endpoint_url("ssm", "a" * 63) == f"https://ssm.{'a' * 63}.amazonaws.com"


@pytest.mark.parametrize(
    "url",
    [
        "http://a..b",
        f"http://{'a' * 64}.example",
        "http://-a.example",
        "http://a_b",
        "http://é.example",
        "http://127.0.0.1/a b",
        "http://127.0.0.1/é",
        "http://127.0.0.1/?a=1",
        "127.0.0.1:8000",
        "ftp://127.0.0.1",
        "http://127.0.0.1:port",
        "http://",
    ],
)
def test_an_endpoint_that_cannot_be_called_is_refused(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A URL that is no HTTP address, or would be sent in part only, is named in one sentence."""
    settings = {"AWS_ACCESS_KEY_ID": "key", "AWS_SECRET_ACCESS_KEY": "secret", "AWS_REGION": "r-1"}
    for name, value in {**settings, "AWS_ENDPOINT_URL": url}.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(SettingsError, match=r"AWS_ENDPOINT_URL must (be an http|have a path)"):
        configuration("dynamodb")
