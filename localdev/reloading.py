"""Autoreload for the server's sources only.

Chalice restarts its local server when any file in the project changes, including tests, bytecode
and the virtual environment. It has no setting for that, so its method that looks for changes is
replaced.
"""

from collections.abc import Callable
from pathlib import Path

from chalice.cli.filewatch.stat import StatFileWatcher

_SOURCES = ("app.py", "chalicelib/**/*.py", "localdev/**/*.py", ".chalice/config.json")


def watch_sources_only() -> None:
    """Make all file watchers, including running ones, check only the sources."""
    seen: dict[str, dict[Path, int]] = {}

    def poll(_: StatFileWatcher, root_dir: str, callback: Callable[[], None]) -> None:
        current = _sources(Path(root_dir))
        if current != seen.setdefault(root_dir, current):
            callback()

    StatFileWatcher._single_pass_poll = poll  # type: ignore[assignment, method-assign]  # noqa: SLF001


def _sources(root: Path) -> dict[Path, int]:
    """Return the modification time of each source."""
    paths = (path for pattern in _SOURCES for path in root.glob(pattern))
    return {path: path.stat().st_mtime_ns for path in paths if path.exists()}
