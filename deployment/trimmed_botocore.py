"""botocore's data, without what two services in Amazon's own network never need.

Each start of a function reads these files anew; here they keep what the reading is for.
"""

import gzip
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

SERVICES = frozenset({"dynamodb", "ssm"})

# What all endpoints of AWS chain up to: https://www.amazontrust.com/repository/
_AMAZONS = re.compile(r"^# Subject: .*\bO=(Amazon|Starfield Technologies)", re.MULTILINE)
_END = "-----END CERTIFICATE-----\n"


def trim(botocore: Path) -> None:
    """Trim the copy of botocore in this folder."""
    certificates = botocore / "cacert.pem"
    certificates.write_text(_amazons_certificates(certificates.read_text()))
    _rewrite(botocore / "data" / "endpoints.json", _endpoints)
    for model in sorted(botocore.glob("data/*/*/service-2.json*")):
        _rewrite(model, _undocumented)


def _amazons_certificates(bundle: str) -> str:
    blocks = bundle.split(_END)[:-1]
    return "".join(block + _END for block in blocks if _AMAZONS.search(block))


def _rewrite(path: Path, change: Callable[[Any], Any]) -> None:
    """Change a JSON file; one that is compressed is left without compression, which takes time."""
    content = path.read_bytes()
    if path.suffix == ".gz":
        path.unlink()
        path, content = path.with_suffix(""), gzip.decompress(content)
    path.write_text(json.dumps(change(json.loads(content)), separators=(",", ":")))


def _endpoints(known: dict[str, Any]) -> dict[str, Any]:
    for partition in known["partitions"]:
        services = partition["services"]
        partition["services"] = {
            name: services[name] for name in sorted(SERVICES & services.keys())
        }
    return known


def _undocumented(part: Any) -> Any:  # noqa: ANN401 - JSON
    """Return a part of a service's model without what people read of it."""
    if isinstance(part, list):
        return [_undocumented(member) for member in part]
    if not isinstance(part, dict):
        return part
    return {
        name: _undocumented(member)
        for name, member in part.items()
        # A member of a shape may have this name as well, but then it is no text.
        if name != "documentation" or not isinstance(member, str)
    }
