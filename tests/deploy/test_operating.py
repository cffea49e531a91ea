"""docs/operating.md: its commands, its tables, and what it says about fields and queries."""

import re
from pathlib import Path

import pytest

from deployment.queries import QUERIES
from tests.deploy.aws_commands import check
from tests.deploy.full_line import SUBJECT, full_line
from tests.deploy.project import ROOT
from tests.deploy.runbook import Shell, sections

DOCUMENT = (ROOT / "docs" / "operating.md").read_text()
VARIABLES = {"TOKEN": "token", "USER_POOL": "eu-central-1_AbCdEfGhI", "USERNAME": "ann"}


@pytest.fixture(scope="module")
def commands(tmp_path_factory: pytest.TempPathFactory) -> list[list[str]]:
    """Run the runbook's commands with programs that do nothing, and return what would be run."""
    folder = tmp_path_factory.mktemp("runbook")
    backup = "arn:aws:dynamodb:eu-central-1:123456789012:table/users/backup/01489602797149-73d8d5bc"
    aws = f'case "$2" in create-backup) echo {backup} ;; *) echo value ;; esac'
    programs = {"aws": aws, "curl": "", "sleep": "", "python": ""}
    shell = Shell(folder, programs, **VARIABLES)
    blocks = [block for blocks in sections().values() for block in blocks]
    shell.run(*[block.replace(".venv/bin/python", "python") for block in blocks])
    return shell.commands


def test_the_runbook_has_its_sections() -> None:
    """Each section of the runbook has commands, and so have the variables before them."""
    assert list(sections()) == [
        "",
        "5xx rises",
        "Throttling",
        "Events are late",
        "A stuck client",
        "A leaked token",
        "Restore to a point in time",
        "Erase a person",
    ]
    assert all(sections().values())


def test_every_command_is_one_of_aws(commands: list[list[str]]) -> None:
    """Each command is an operation that AWS describes, and has parameters that it accepts."""
    called = [words[1:] for words in commands if words[0] == "aws"]
    assert len(called) > 30
    for words in called:
        check(words)


@pytest.mark.parametrize(
    "command",
    [
        "dynamodb describe-tables --table-name users",
        "dynamodb describe-table --name users",
        "dynamodb describe-table",
        "dynamodb wait table-there --table-name users",
        "dynamodb update-table --table-name users --warm-throughput Reads=1",
        "dynamodb update-contributor-insights --table-name t --contributor-insights-action START",
        "lambda put-function-concurrency --function-name one --reserved-concurrent-executions many",
        "lambda get-account-settings --query [",
    ],
)
def test_a_wrong_command_is_found(command: str) -> None:
    """A command with another name, parameter or value than AWS describes is rejected."""
    with pytest.raises(Exception):  # noqa: B017, PT011 - whichever check finds it
        check(command.split())


def test_the_cache_is_flushed_after_the_keys_are_forgotten(commands: list[list[str]]) -> None:
    """Against a leaked token, the new secret comes first, then new processes, then the cache."""
    operations = [words[2] for words in commands if words[0] == "aws"]
    steps = ["put-parameter", "update-function-configuration", "flush-stage-authorizers-cache"]
    assert [one for one in operations if one in steps][:3] == steps


def test_every_field_of_the_line_is_explained() -> None:
    """Each field of a line is in the table of fields, and each metric in that of metrics."""
    table = DOCUMENT.partition("## The log")[2].partition("## Metrics")[0]
    line = full_line()
    metrics = {
        metric["Name"]
        for directive in line.pop("_aws")["CloudWatchMetrics"]
        for metric in directive["Metrics"]
    }
    dimensions = {"FunctionName", "Route"}
    names = "".join(re.findall(r"^\| (.*?) \|", table, re.MULTILINE))
    assert set(re.findall(r"`([a-z_.]+)`", names)) == line.keys() - metrics - dimensions
    _, _, table = DOCUMENT.partition("## Metrics")
    assert metrics <= set(re.findall(r"`([A-Za-z]+)`", table.partition("## The dashboard")[0]))


def test_every_query_is_explained() -> None:
    """The saved queries are those of the document, in the same order."""
    table = DOCUMENT.partition("## Saved queries")[2].partition("## Alarms")[0]
    assert re.findall(r"^\| (?!query|---)(.*?) \|", table, re.MULTILINE) == list(QUERIES)


def test_named_queries_exist() -> None:
    """A query that the document names in italics exists; the console's own names aside."""
    named = set(re.findall(r"(?<!\*)\*([A-Z][\w ]+)\*(?!\*)", DOCUMENT))
    assert named - {"Dashboards", "Logs Insights", "Saved queries"} <= QUERIES.keys()


def test_the_hash_of_a_caller_is_as_documented(tmp_path: Path) -> None:
    """The command prints the hash that stands for the subject in the functions' lines."""
    [block] = [block for block in sections()["A stuck client"] if "USER_ID=" in block]
    assert SUBJECT in block
    assert Shell(tmp_path, {}).run(block).strip() == full_line()["user.hash"]


def test_internal_links_are_valid() -> None:
    """A link to a section of the document leads to one."""
    titles = re.findall(r"^#+ (.*)$", DOCUMENT, re.MULTILINE)
    anchors = {title.lower().replace(" ", "-") for title in titles}
    assert set(re.findall(r"\]\(#([^)]+)\)", DOCUMENT)) <= anchors
