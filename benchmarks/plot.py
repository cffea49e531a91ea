"""SVG plots of horizontal bars, without a library."""

from collections.abc import Mapping
from xml.sax.saxutils import escape

_WIDTH, _LABELS, _BAR, _STEP, _TOP = 720, 230, 16, 26, 44
_VALUE = 64
_OURS, _OTHERS = "#0b7285", "#adb5bd"


def bars(title: str, values: Mapping[str, float]) -> str:
    """Return a plot of `values` with the first one highlighted."""
    longest = max(values.values())
    height = _TOP + _STEP * len(values)
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}" font-size="13">',
        f"<title>{escape(title)}</title>",
        "<style>text { font-family: sans-serif }</style>",
        f'<rect width="{_WIDTH}" height="{height}" fill="#fff"/>',
        f'<text x="8" y="24" font-size="15" font-weight="bold">{escape(title)}</text>',
    ]
    for place, (name, value) in enumerate(values.items()):
        top = _TOP + place * _STEP
        length = round((_WIDTH - _LABELS - _VALUE) * value / longest, 1)
        color = _OTHERS if place else _OURS
        lines += [
            f'<text x="{_LABELS - 8}" y="{top + 13}" text-anchor="end">{escape(name)}</text>',
            f'<rect x="{_LABELS}" y="{top}" width="{length}" height="{_BAR}" fill="{color}"/>',
            f'<text x="{_LABELS + length + 6}" y="{top + 13}">{value:,.3g}</text>'
            if value < 100  # noqa: PLR2004 - three digits
            else f'<text x="{_LABELS + length + 6}" y="{top + 13}">{value:,.0f}</text>',
        ]
    return "\n".join([*lines, "</svg>"]) + "\n"
