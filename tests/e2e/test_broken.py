"""A broken application: the command fails with the traceback and does not serve."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.e2e.server import ROOT, environment, free_port

BIN = Path(sys.executable).parent


@pytest.mark.skipif(shutil.which("make") is None, reason="make is not installed")
@pytest.mark.parametrize("target", ["local", "local-auth"])
@pytest.mark.parametrize(
    ("fault", "last_line"),
    [("def broken(:", "SyntaxError: invalid syntax"), ("1 / 0", "ZeroDivisionError")],
)
def test_a_broken_application_ends_with_its_traceback(
    target: str, fault: str, last_line: str, tmp_path: Path
) -> None:
    """`make local` fails with the traceback, although Chalice would wait for a change."""
    for name in ("app.py", "Makefile"):
        shutil.copy(ROOT / name, tmp_path)
    shutil.copytree(ROOT / "chalicelib", tmp_path / "chalicelib")
    with (tmp_path / "app.py").open("a") as source:
        source.write(f"\n{fault}\n")
    options = ["-o", ".venv/.installed", f"BIN={BIN}", f"PORT={free_port()}"]
    done = subprocess.run(
        ["make", "--no-print-directory", *options, target],
        cwd=tmp_path,
        env=environment(tmp_path),
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode != 0
    assert fault in done.stderr
    assert last_line in done.stderr
    assert "Serving" not in done.stdout
