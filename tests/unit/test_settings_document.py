"""docs/settings.md has every setting, and no others."""

import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path

from chalicelib.settings import Settings
from chalicelib.settings_error import SettingsError

ROOT = Path(__file__).parents[2]
DOCUMENT = (ROOT / "docs" / "settings.md").read_text()


class RecordingEnvironment(Mapping[str, str]):
    """An empty environment that records which variables were read."""

    def __init__(self) -> None:
        self.read: set[str] = set()

    def __getitem__(self, name: str) -> str:
        self.read.add(name)
        raise KeyError(name)

    def __iter__(self) -> Iterator[str]:
        return iter(())

    def __len__(self) -> int:
        return 0


def test_every_setting_is_documented() -> None:
    """The variables that the settings read are those of the document's first table."""
    environment = RecordingEnvironment()
    settings = Settings(environment)
    for name in dir(Settings):
        if not name.startswith("_") and name != "from_environment":
            with suppress(SettingsError):
                attribute = getattr(settings, name)
                if callable(attribute):
                    attribute()
    table = DOCUMENT.partition("The local server reads")[0]
    documented = set(re.findall(r"^\| `([A-Z_]+)`", table, re.MULTILINE))
    known_to_aws = {"AWS_LAMBDA_FUNCTION_NAME", "AWS_CHALICE_CLI_MODE"}
    assert environment.read - known_to_aws == documented


def test_every_variable_of_aws_is_documented() -> None:
    """The client's variables are those of the section about AWS."""
    sources = [path.read_text() for path in (ROOT / "chalicelib" / "aws").glob("*.py")]
    named = set(re.findall(r"\b(?:AWS|HTTPS|NO)_[A-Z_]+[A-Z]\b", "".join(sources)))
    _, _, section = DOCUMENT.partition("## Variables of AWS")
    services = {"AWS_ENDPOINT_URL_DYNAMODB", "AWS_ENDPOINT_URL_SSM"}
    documented = set(re.findall(r"`([A-Z]+_[A-Z_]+)\b", section))
    assert named == documented - services
