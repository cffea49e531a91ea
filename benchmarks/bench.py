"""Settings that the measurements share: how much to measure, and with which interpreters."""

import subprocess
import sys
from dataclasses import dataclass
from functools import cached_property
from importlib.metadata import version
from pathlib import Path
from typing import NamedTuple

from benchmarks.measure import ROOT

FOLDER = ROOT / "build" / "benchmarks"
# The peers use the same versions of these as the product.
_SHARED = ("boto3", "chalice", "PyJWT")

# The settings of the product's Lambda function.
SETTINGS = {
    "AWS_LAMBDA_FUNCTION_NAME": "user-management",
    "CURSOR_SECRET": "a secret of the measurements, which signs cursors",
    "WEBHOOK_KEY": "a key of the measurements for webhooks' secrets",
    "AUTH_ISSUER": "bench",
    "AUTH_AUDIENCE": "api",
    "AUTH_SECRET": "a secret of the measurements, which signs tokens",
}


class Size(NamedTuple):
    """How much is measured."""

    rounds: int
    requests: int
    dynamodb_requests: int
    starts: int
    users: tuple[int, ...]
    orders: int
    emulated_users: tuple[int, ...]
    seconds: float


FULL = Size(31, 300, 60, 31, (100, 10_000, 1_000_000), 10_000, (100, 10_000, 100_000), 60)
SMOKE = Size(1, 5, 3, 0, (100, 200), 100, (100, 200), 0.3)


@dataclass
class Bench:
    """One run of the measurements."""

    size: Size

    @property
    def python(self) -> Path:
        """The interpreter of the product."""
        return Path(sys.executable)

    @cached_property
    def peers(self) -> Path:
        """The interpreter of the peers' virtual environment, which is created if missing."""
        folder = FOLDER / "peers"
        requirements = ROOT / "benchmarks" / "requirements.txt"
        pins = [f"{name}=={version(name)}" for name in _SHARED]
        wanted = "\n".join([sys.version, requirements.read_text(), *pins])
        made = folder / "made-from.txt"
        python = folder / "bin" / "python"
        if not made.exists() or made.read_text() != wanted:
            subprocess.run([sys.executable, "-m", "venv", "--clear", folder], check=True)
            install: list[str | Path] = [python, "-m", "pip", "install", "--quiet"]
            subprocess.run([*install, "-r", requirements, *pins], check=True)
            # Otherwise some starts would find bytecode and others would not.
            compiling: list[str | Path] = [python, "-m", "compileall", "-q", folder / "lib"]
            subprocess.run(compiling, check=False, stdout=subprocess.DEVNULL)
            made.write_text(wanted)
        return python
