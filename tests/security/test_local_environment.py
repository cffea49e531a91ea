"""The local server works on this machine's data, whatever the shell and AWS profiles say."""

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from chalicelib.aws.configuration import configuration
from localdev.environment import LocalEnvironment, local_secrets

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
    local = LocalEnvironment(shell, "127.0.0.1", 8000)
    for name, value in {**shell, **local.variables}.items():
        monkeypatch.setenv(name, value)

    assert local.variables["STORAGE_URL"] == "dynamodb://users"
    assert configuration("dynamodb").server.host == "127.0.0.1"


def test_events_stay_on_this_machine(tmp_path: Path) -> None:
    """The bus, the queue and the key of a stage are not used, and events name the local server."""
    shell = {
        "XDG_DATA_HOME": str(tmp_path),
        "EVENT_BUS": "users",
        "WEBHOOK_QUEUE_URL": "https://sqs.eu-central-1.amazonaws.com/123456789012/deliveries",
        "WEBHOOK_KEY_PARAMETER": "/users/prod/webhook-key",
        "WEBHOOK_KEY": "the key of a stage",
    }
    local = LocalEnvironment(shell, "::1", 9000)

    assert {"EVENT_BUS", "WEBHOOK_QUEUE_URL", "WEBHOOK_KEY_PARAMETER"} <= {*local.unset}
    assert local.variables["WEBHOOK_KEY"] == local_secrets(shell)["webhook"]
    assert local.variables["EVENT_SOURCE"] == "http://[::1]:9000"
    assert local.variables["LOOPBACK_WEBHOOKS"] == "allowed"


def test_a_server_for_others_sends_nothing_to_this_machine(tmp_path: Path) -> None:
    """Where other machines reach the server, webhooks cannot be aimed at this one."""
    shell = {"XDG_DATA_HOME": str(tmp_path), "LOCAL_AUTH": "open"}

    local = LocalEnvironment(shell, "0.0.0.0", 9000)

    assert local.variables["LOOPBACK_WEBHOOKS"] == "refused"


def test_secrets_are_created_once(tmp_path: Path) -> None:
    """Servers that start at once get the same secrets, each of its own, which stay."""
    shell = {"XDG_DATA_HOME": str(tmp_path)}
    with ThreadPoolExecutor(8) as pool:
        made = [*pool.map(local_secrets, [shell] * 8)]

    assert made == [made[0]] * 8
    assert len({*made[0].values()}) == 3
    assert local_secrets(shell) == made[0]


def test_older_secrets_are_completed(tmp_path: Path) -> None:
    """A file without newer secrets gets them, the same for servers that start at once."""
    folder = tmp_path / "user-management"
    folder.mkdir()
    path = folder / "secrets.json"
    known = {"auth": "a" * 43, "cursor": "c" * 43}
    path.write_text(json.dumps(known))
    shell = {"XDG_DATA_HOME": str(tmp_path)}
    with ThreadPoolExecutor(8) as pool:
        made = [*pool.map(local_secrets, [shell] * 8)]

    assert made == [made[0]] * 8
    assert made[0].items() > known.items()
    assert len(made[0]["webhook"]) >= 32
    assert json.loads(path.read_text()) == made[0]
    assert path.stat().st_mode & 0o077 == 0
    assert [*folder.iterdir()] == [path]
