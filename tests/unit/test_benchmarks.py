"""The measurements can be run, and what they count rather than time holds at a tiny size too."""

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
from chalicelib.domain.storage import UserQuery
from chalicelib.storage.factory import open_storage
from tests.needs import missing

# Goals that no clock decides, so that they hold at any size and on any machine.
COUNTED = re.compile(
    r"^\| ([^|]*\b(?:steps|rows|units|errors)\b[^|]*) \| ≤ [^|]+\|[^|]+\| (.+) \|$", re.MULTILINE
)
SECTIONS = 7


def test_a_contestant_is_measured() -> None:
    """The product answers every operation rightly, and some CPU time was spent."""
    bench = Bench(SMOKE)
    environment = {"STORAGE_URL": "memory:"}
    product = {"product": Contestant("benchmarks.product", bench.python, environment)}
    spent = side_by_side(product, ("get", "list", "invalid", "unknown", "create"), 1, 2)
    assert all(times["product"].median > 0 for times in spent.values())


def test_a_wrong_answer_ends_the_measurement() -> None:
    """What is answered wrongly is not measured."""
    bench = Bench(SMOKE)
    wrong = {"wrong": Contestant("benchmarks.peers.bare", bench.python)}
    with pytest.raises((RuntimeError, BrokenPipeError)):
        side_by_side(wrong, ("page", "nonsense"), 1, 1)


def test_the_stub_holds_the_products_items(monkeypatch: pytest.MonkeyPatch) -> None:
    """Storage reads users out of the stub, over TLS that it trusts."""
    with running() as aws:
        for name, value in aws.items():
            monkeypatch.setenv(name, value)
        storage = open_storage(f"dynamodb://{PRODUCT_TABLE}")
        page = storage.list_users(UserQuery(limit=25))
        storage.close()
    assert [user.email for user in page.things[:20]] == [user["email"] for user in events.PEOPLE]


def test_the_document_has_what_was_measured(tmp_path: Path) -> None:
    """Tables, goals and plots stand in the document, plots in files of their own."""
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


def test_every_operation_has_its_bill() -> None:
    """Each operation is measured, and billed at each size of a function."""
    [_, dollars, _, times, _] = work_out(Bench(SMOKE)).parts
    for table in (dollars, times):
        assert isinstance(table, Table)
        assert table.header[1:] == ["128 MB", "256 MB", "512 MB", "1024 MB", "1769 MB"]
        assert len(table.rows) == 11
        assert all(float(number) > 0 for row in table.rows for number in row[1:])


def test_an_event_can_be_sent() -> None:
    """Events are what JSON can carry."""
    assert json.loads(json.dumps(events.make("get")))["resource"] == "/users/{user_id}"


@pytest.mark.slow
def test_everything_is_measured(tmp_path: Path) -> None:
    """`make bench` measures beside all peers, on all engines and under load, and writes it down."""
    document = tmp_path / "performance.md"
    command = [sys.executable, "-m", "benchmarks", "--smoke", "--output", document]
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
