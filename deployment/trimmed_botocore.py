"""botocore, without what two services in Amazon's own network never need.

Each start of a function reads these files anew; here they keep what the reading is for.
docs/performance.md has what that saves.
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

# What botocore's clients are documented with, and what gives urllib3 HTTP/2: thirty modules, most
# of them Python's own, which each start would load for nothing that is ever called.
_LEFT_OUT = {
    "botocore/docs/__init__.py": '"""Left out of this package, but for what clients import."""\n',
    "botocore/docs/docstring.py": '''"""Changed for this package: methods have no docstrings."""


def ClientMethodDocstring(**_):
    """Return what stands in the place of a method's docstring."""


PaginatorDocstring = WaiterDocstring = ClientMethodDocstring
''',
    "urllib3/http2/__init__.py": '"""Left out of this package, but for what clients import."""\n',
}
_KEPT = {"botocore/docs/utils.py", "urllib3/http2/probe.py"}


def trim(folder: Path) -> None:
    """Trim the copies of botocore and urllib3 in this folder."""
    _leave_out(folder)
    botocore = folder / "botocore"
    certificates = botocore / "cacert.pem"
    certificates.write_text(_amazons_certificates(certificates.read_text()))
    _rewrite(botocore / "data" / "endpoints.json", _endpoints)
    for model in sorted(botocore.glob("data/*/*/service-2.json*")):
        _rewrite(model, _undocumented)


def _leave_out(folder: Path) -> None:
    for source in [*folder.glob("botocore/docs/**/*.py"), *folder.glob("urllib3/http2/*.py")]:
        place = str(source.relative_to(folder))
        if place in _LEFT_OUT:
            source.write_text(_LEFT_OUT[place])
        elif place not in _KEPT:
            source.unlink()


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
