"""A copy of the project, to configure and deploy."""

import json
import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent.parent
_SOURCES = ("app.py", "chalicelib", "deployment", "infra", "localdev", "requirements.txt")
_ARCHITECTURES = {"arm64": "arm64", "aarch64": "arm64"}


class Project:
    """A copy of the project in `folder`, without anything built or deployed.

    Its functions have the architecture of this machine, which runs them.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        for name in _SOURCES:
            source = ROOT / name
            if source.is_dir():
                shutil.copytree(source, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
            else:
                folder.mkdir(parents=True, exist_ok=True)
                shutil.copy(source, folder)
        (folder / ".chalice").mkdir()
        for name in ("config.json", "resources.yaml"):
            shutil.copy(ROOT / ".chalice" / name, folder / ".chalice")
        shutil.copytree(ROOT / ".chalice/policies", folder / ".chalice/policies")
        architecture = _ARCHITECTURES.get(platform.machine(), "x86_64")
        self.write_config({**self.config, "lambda_architecture": architecture})

    @property
    def config(self) -> dict[str, Any]:
        """Chalice's configuration."""
        config: dict[str, Any] = json.loads((self.folder / ".chalice/config.json").read_text())
        return config

    def write_config(self, config: Mapping[str, Any]) -> None:
        """Replace Chalice's configuration."""
        (self.folder / ".chalice/config.json").write_text(json.dumps(config))

    def configure(self, stage: str, **variables: str) -> None:
        """Add variables to a stage's environment."""
        config = self.config
        config["stages"][stage]["environment_variables"] |= variables
        self.write_config(config)

    def add_vpc_and_domain(self, stage: str) -> None:
        """Configure a VPC and a custom domain for the stage."""
        config = self.config
        config["stages"][stage] |= {
            "subnet_ids": ["subnet-0123456789abcdef0"],
            "security_group_ids": ["sg-0123456789abcdef0"],
            "api_gateway_custom_domain": {
                "domain_name": "api.example.com",
                "certificate_arn": "arn:aws:acm:eu-central-1:123456789012:certificate/"
                "01234567-89ab-cdef-0123-456789abcdef",
            },
        }
        self.write_config(config)

    def use_postgresql(self, stage: str, url: str) -> None:
        """Configure the stage for a database at `url`, and add what makes its schema."""
        self.add_vpc_and_domain(stage)
        self.configure(stage, STORAGE_URL=url)
        config = self.config
        del config["stages"][stage]["api_gateway_custom_domain"]
        self.write_config(config)
        for name in ("alembic.ini", "migrations", "requirements-postgresql.txt"):
            copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
            copy(ROOT / name, self.folder / name)

    def run(self, *command: str | Path, **variables: str) -> subprocess.CompletedProcess[str]:
        """Run a command in the project and return the finished process."""
        inherited = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("AWS_", "AUTH_", "PYTHON", "TF_", "STORAGE_"))
        }
        return subprocess.run(
            command,
            cwd=self.folder,
            env=inherited | variables,
            capture_output=True,
            text=True,
            check=False,
            timeout=600,
        )

    def api_id(self, stage: str) -> str:
        """Return the id of the API that `make deploy` created for the stage."""
        state = json.loads((self.folder / f".chalice/deployed/{stage}.json").read_text())
        [api] = [entry for entry in state["resources"] if entry["name"] == "rest_api"]
        return str(api["rest_api_id"])

    def chalice(self, *arguments: str | Path, **v: str) -> subprocess.CompletedProcess[str]:
        """Run a Chalice command."""
        main = "import sys; from chalice.cli import main; sys.exit(main())"
        return self.run(sys.executable, "-c", main, *arguments, **v)

    def deployment(self, *arguments: str, **v: str) -> subprocess.CompletedProcess[str]:
        """Run a deployment command, as the Makefile does."""
        return self.run(sys.executable, "-m", "deployment", *arguments, **v)


def succeeded(done: subprocess.CompletedProcess[str]) -> str:
    """Check that a command succeeded and return its output."""
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    return done.stdout
