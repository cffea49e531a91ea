"""Autoreload by the project's own sources.

Chalice restarts its local server when any file below the project changes: the environment's, the
tests' and the bytecode that another command has just written. Here, only what the server runs
counts. Chalice has no setting for that, so the method that looks for changes is replaced.
"""

from collections.abc import Callable
from pathlib import Path

from chalice.cli.filewatch.stat import StatFileWatcher

_SOURCES = ("app.py", "chalicelib/**/*.py", "localdev/**/*.py", ".chalice/config.json")


def watch_sources_only() -> None:
    """Let watchers that are already at work, and later ones, look at sources alone."""
    seen: dict[str, dict[Path, int]] = {}

    def look(_: StatFileWatcher, root_dir: str, callback: Callable[[], None]) -> None:
        found = _sources(Path(root_dir))
        if found != seen.setdefault(root_dir, found):
            callback()

    StatFileWatcher._single_pass_poll = look  # type: ignore[assignment, method-assign]  # noqa: SLF001


def _sources(root: Path) -> dict[Path, int]:
    paths = (path for pattern in _SOURCES for path in root.glob(pattern))
    return {path: path.stat().st_mtime_ns for path in paths if path.exists()}
