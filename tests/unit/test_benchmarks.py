"""The benchmarks run, and their counted results hold even for a tiny run."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks import events, plot
from benchmarks.bench import SMOKE, Bench
from benchmarks.dynamodb_stub import PRODUCT_TABLE, running
from benchmarks.measure import ROOT, Contestant, side_by_side
from benchmarks.money import run as work_out
from benchmarks.report import Goal, Plot, Section, Table, text_of, write
from chalicelib.domain.registry import RESOURCES
from chalicelib.domain.storage import Query
from chalicelib.domain.users import USERS
from chalicelib.storage.factory import open_storage
from tests.support.needs import missing

# Goals about counts, not times, so that they hold at any size and on any machine.
COUNTED = re.compile(
    r"^\| ([^|]*\b(?:steps|rows|units|errors)\b[^|]*) \| ≤ [^|]+\|[^|]+\| (.+) \|$", re.MULTILINE
)
SECTIONS = 7


def test_a_contestant_is_measured() -> None:
    """The product responds correctly to every operation, and used some CPU time."""
    bench = Bench(SMOKE)
    environment = {"STORAGE_URL": "memory:"}
    product = {"product": Contestant("benchmarks.product", bench.python, environment)}
    spent = side_by_side(product, ("get", "list", "invalid", "unknown", "create"), 1, 2)
    assert all(times["product"].median > 0 for times in spent.values())


def test_a_wrong_response_ends_the_measurement() -> None:
    """A contestant with wrong responses is not measured."""
    bench = Bench(SMOKE)
    wrong = {"wrong": Contestant("benchmarks.peers.bare", bench.python)}
    with pytest.raises((RuntimeError, BrokenPipeError)):
        side_by_side(wrong, ("page", "nonsense"), 1, 1)


def test_the_stub_has_the_products_items(monkeypatch: pytest.MonkeyPatch) -> None:
    """Storage reads users from the stub, over trusted TLS."""
    with running() as aws:
        for name, value in aws.items():
            monkeypatch.setenv(name, value)
        storage = open_storage(f"dynamodb://{PRODUCT_TABLE}", RESOURCES)
        page = storage.list(USERS, (), Query(limit=25))
        storage.close()
    assert [user.email for user in page.items[:20]] == [user["email"] for user in events.PEOPLE]


def test_the_document_has_the_results(tmp_path: Path) -> None:
    """Tables, goals and plots are in the document, and plots in files of their own."""
    section = Section(
        "Some path",
        [
            "Text.",
            Table(["µs", "get"], [["ours", "1.0"]]),
            [Goal("small", 0.5, 0.4), Goal("large", 0.5, 0.6)],
            Plot("some", "Some <plot>", {"ours": 1.0, "theirs": 200.0}),
        ],
    )
    write([section], "# Head\n", tmp_path / "performance.md")
    text = (tmp_path / "performance.md").read_text()
    assert text == f"# Head\n\n{text_of(section)}"
    assert "| small | ≤ 0.5 | 0.40 | met |\n| large | ≤ 0.5 | 0.60 | **missed** |" in text
    drawn = plot.bars("Some <plot>", {"ours": 1.0, "theirs": 200.0})
    assert (tmp_path / "performance" / "some.svg").read_text() == drawn
    assert "Some &lt;plot&gt;" in drawn


def test_every_operation_has_a_bill() -> None:
    """Each operation is measured, and priced for each size of the function."""
    [_, dollars, _, times, _] = work_out(Bench(SMOKE)).parts
    for table in (dollars, times):
        assert isinstance(table, Table)
        assert table.header[1:] == ["128 MB", "256 MB", "512 MB", "1024 MB", "1769 MB"]
        assert len(table.rows) == 11
        assert all(float(number) > 0 for row in table.rows for number in row[1:])


def test_events_are_json() -> None:
    """Events can be sent as JSON."""
    assert json.loads(json.dumps(events.make("get")))["resource"] == "/users/{user_id}"


def test_events_need_only_the_standard_library() -> None:
    """The peers' environment has none of the project's dependencies."""
    command = [sys.executable, "-S", "-c", "import benchmarks.events"]
    subprocess.run(command, cwd=ROOT, check=True)


@pytest.mark.slow
def test_everything_is_measured(tmp_path: Path) -> None:
    """`make bench` measures all peers and engines, also under load, and writes the document."""
    document = tmp_path / "performance.md"
    options = ["--smoke", "--output", str(document)]
    command = [sys.executable, "-m", "benchmarks", *options]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    text = document.read_text()
    if "not installed" in text:
        missing("an emulator is missing: run 'make emulators'")
    assert len(re.findall("^## ", text, re.MULTILINE)) == SECTIONS
    for peer in ("Powertools", "FastAPI + Mangum", "Flask", "usual bundle", "boto3's client alone"):
        assert f"| {peer}" in text
    counted = dict(COUNTED.findall(text))
    assert len(counted) == 5
    assert set(counted.values()) == {"met"}
