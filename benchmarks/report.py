"""The document: sections of text, tables, goals and plots, from the results of one run."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from benchmarks.plot import bars


class Table(NamedTuple):
    """A table; its first column is text, the others are numbers."""

    header: Sequence[str]
    rows: Sequence[Sequence[str]]


class Goal(NamedTuple):
    """A ratio that should not exceed its limit."""

    what: str
    limit: float
    ratio: float


class Plot(NamedTuple):
    """A bar plot, with the product first."""

    name: str
    title: str
    bars: Mapping[str, float]


class Section(NamedTuple):
    """A section of the document: texts, tables, goals and plots in order."""

    title: str
    parts: Sequence[str | Table | Plot | Sequence[Goal]]


def text_of(section: Section) -> str:
    """Return the section as Markdown."""
    return "\n\n".join([f"## {section.title}", *(_part(part) for part in section.parts)]) + "\n"


def write(sections: Sequence[Section], head: str, document: Path) -> None:
    """Write the document, and its plots into a folder next to it."""
    document.write_text("\n".join([head, *map(text_of, sections)]))
    folder = document.with_suffix("")
    folder.mkdir(exist_ok=True)
    for plot in (part for section in sections for part in section.parts if isinstance(part, Plot)):
        (folder / f"{plot.name}.svg").write_text(bars(plot.title, plot.bars))


def _part(part: str | Table | Plot | Sequence[Goal]) -> str:
    if isinstance(part, str):
        return part
    if isinstance(part, Plot):
        return f"![{part.title}](performance/{part.name}.svg)"
    if isinstance(part, Table):
        return "\n".join(_table(part))
    goals = [[goal.what, f"≤ {goal.limit:g}", f"{goal.ratio:.2f}", _verdict(goal)] for goal in part]
    return "\n".join(_table(Table(["goal", "limit", "measured", ""], goals)))


def _verdict(goal: Goal) -> str:
    return "met" if round(goal.ratio, 2) <= goal.limit else "**missed**"


def _table(table: Table) -> Iterator[str]:
    yield f"| {' | '.join(table.header)} |"
    yield f"|---|{'---:|' * (len(table.header) - 1)}"
    yield from (f"| {' | '.join(row)} |" for row in table.rows)
