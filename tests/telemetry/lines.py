"""The lines that a process writes to its log."""

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest

Line = dict[str, Any]

_SCHEMA = json.loads(Path(__file__).with_name("emf-schema.json").read_text())


class Log:
    """What the process has written to stdout, line by line."""

    def __init__(self, output: pytest.CaptureFixture[str]) -> None:
        self._output = output

    def text(self) -> str:
        """Return what was written since the last call."""
        return self._output.readouterr().out

    def lines(self) -> list[Line]:
        """Return the lines that were written since the last call; each is one JSON object."""
        return [json.loads(line) for line in self.text().splitlines()]

    def last(self) -> Line:
        """Return the last line."""
        return self.lines()[-1]


def metrics_of(line: Line) -> list[tuple[dict[str, str], dict[str, float]]]:
    """Return the dimensions and values of each directive, as CloudWatch extracts them."""
    jsonschema.validate(line, _SCHEMA)
    found = []
    for directive in line["_aws"]["CloudWatchMetrics"]:
        for dimensions in directive["Dimensions"]:
            named = {name: line[name] for name in dimensions}
            assert all(isinstance(value, str) and value for value in named.values())
            values = {metric["Name"]: line[metric["Name"]] for metric in directive["Metrics"]}
            assert all(type(value) in {int, float} for value in values.values())
            found.append((named, values))
    return found
