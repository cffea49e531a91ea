"""The local server works on this machine's data, whatever the shell and AWS profiles say."""

from pathlib import Path

import pytest

from chalicelib.aws.configuration import configuration
from localdev.environment import LocalEnvironment

EMULATOR = {
    "STORAGE_URL": "dynamodb://users",
    "AWS_ENDPOINT_URL": "http://127.0.0.1:4566",
    "AWS_REGION": "eu-central-1",
    "AWS_DEFAULT_REGION": "eu-central-1",
    "AWS_ACCESS_KEY_ID": "test",
    "AWS_SECRET_ACCESS_KEY": "test",
}
PROFILE = """
[default]
ignore_configured_endpoint_urls = true
"""


@pytest.mark.parametrize("through", ["the shell", "a profile"])
def test_an_emulators_address_cannot_be_ignored(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, through: str
) -> None:
    """AWS_IGNORE_CONFIGURED_ENDPOINT_URLS does not lead from an emulator to AWS."""
    shell = {**EMULATOR, "XDG_DATA_HOME": str(tmp_path)}
    if through == "a profile":
        file = tmp_path / "config"
        file.write_text(PROFILE)
        shell["AWS_CONFIG_FILE"] = str(file)
    else:
        shell["AWS_IGNORE_CONFIGURED_ENDPOINT_URLS"] = "true"
    local = LocalEnvironment(shell, "127.0.0.1")
    for name, value in {**shell, **local.variables}.items():
        monkeypatch.setenv(name, value)

    assert local.variables["STORAGE_URL"] == "dynamodb://users"
    assert configuration("dynamodb").server.host == "127.0.0.1"
