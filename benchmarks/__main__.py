"""``python -m benchmarks [section …]``: write docs/performance.md, or print only some sections."""

import argparse
import platform
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from benchmarks import cold, dynamodb, growth_dynamodb, growth_sql, load, money, warm
from benchmarks.bench import FULL, SMOKE, Bench
from benchmarks.measure import ROOT
from benchmarks.report import Section, text_of, write

_SECTIONS: dict[str, Callable[[Bench], Section]] = {
    "warm": warm.run,
    "dynamodb": dynamodb.run,
    "cold": cold.run,
    "growth-sql": growth_sql.run,
    "growth-dynamodb": growth_dynamodb.run,
    "load": load.run,
    "money": money.run,
}
_HEAD = """\
# Performance

<!-- Written by `make bench`; every number here was printed by that run. -->

Measured side by side in one run on {processor}, Python {python}, on a machine that was also doing
other work. Times are therefore CPU times of the measured process: medians of interleaved rounds.
Ratios are medians of the ratios within each round. Ratios carry over to other machines; absolute
numbers do not. Lower is better everywhere.
"""


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and print; write the document if every section was measured."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks")
    parser.add_argument("sections", nargs="*", metavar="section", help=", ".join(_SECTIONS))
    parser.add_argument("--smoke", action="store_true", help="measure next to nothing, as a test")
    parser.add_argument("--output", type=Path, default=ROOT / "docs" / "performance.md")
    options = parser.parse_args(arguments)
    bench = Bench(SMOKE if options.smoke else FULL)
    sections = []
    for name, run in _SECTIONS.items():
        if name in (options.sections or _SECTIONS):
            sections.append(run(bench))
            sys.stdout.write(f"{text_of(sections[-1])}\n")
            sys.stdout.flush()
    if not options.sections:
        machine = f"{platform.machine()} {platform.system()}"
        head = _HEAD.format(processor=machine, python=platform.python_version())
        write(sections, head, options.output)


if __name__ == "__main__":
    main()
