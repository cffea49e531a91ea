"""The address of a service in a Region.

https://docs.aws.amazon.com/general/latest/gr/rande.html
https://docs.aws.amazon.com/sdkref/latest/guide/feature-endpoints.html
"""

import re
from typing import NamedTuple

from chalicelib.settings_error import SettingsError

# Emulators are called with names such as fakeRegion.
_HOST_LABEL = re.compile(r"[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?")


class _Partition(NamedTuple):
    regions: str
    suffix: str
    dual_stack_suffix: str


# The first whose Regions start like this; the last is the commercial partition, `aws`.
_PARTITIONS = (
    _Partition("cn-", "amazonaws.com.cn", "api.amazonwebservices.com.cn"),
    _Partition("eusc-", "amazonaws.eu", "api.amazonwebservices.eu"),
    _Partition("us-iso-", "c2s.ic.gov", "api.aws.ic.gov"),
    _Partition("us-isob-", "sc2s.sgov.gov", "api.aws.scloud"),
    _Partition("eu-isoe-", "cloud.adc-e.uk", "api.cloud-aws.adc-e.uk"),
    _Partition("us-isof-", "csp.hci.ic.gov", "api.aws.hci.ic.gov"),
    _Partition("us-gov-", "amazonaws.com", "api.aws"),
    _Partition("", "amazonaws.com", "api.aws"),
)
_GOVCLOUD = "us-gov-"


def check_region(region: str, *, is_aws: bool) -> None:
    """Raise SettingsError if `region` cannot be a part of a host name, in lower case for AWS."""
    if not _HOST_LABEL.fullmatch(region) or (is_aws and region != region.lower()):
        raise SettingsError(f"AWS_REGION must be a Region such as eu-central-1, not {region!r}.")


def is_host(name: str) -> bool:
    """Return whether `name` can be the host of a URL: a name, or an IP address without brackets."""
    return ":" in name or all(_HOST_LABEL.fullmatch(label) for label in name.split("."))


def endpoint_url(service: str, region: str, *, fips: bool = False, dual_stack: bool = False) -> str:
    """Return the URL of `service`, such as ``dynamodb``, in `region`.

    Raises SettingsError if the Region cannot be a part of a host name, which would send requests to
    somebody else.
    """
    check_region(region, is_aws=True)
    partition = next(it for it in _PARTITIONS if region.startswith(it.regions))
    # In GovCloud the usual endpoints are the validated ones.
    is_plain = not fips or (region.startswith(_GOVCLOUD) and not dual_stack)
    name = service if is_plain else f"{service}-fips"
    suffix = partition.dual_stack_suffix if dual_stack else partition.suffix
    return f"https://{name}.{region}.{suffix}"
