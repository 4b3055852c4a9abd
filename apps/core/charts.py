"""Small charts as numbers for SVG: paths in a box of 100 by 36 (spark) or percent by pixel (chart). No Django here.

A missing value is a gap in the line, never a zero.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

Values = Sequence[float | None]


class Spark(NamedTuple):
    """A line without axes: its path, its end point, the healthy band behind it, and what it says in words."""

    path: str
    end: str
    band_top: float | None
    band_height: float | None
    label: str


class Tick(NamedTuple):
    """A mark at an axis: where (percent or pixel) and what it says."""

    at: float
    text: str


class Chart(NamedTuple):
    """Lines over time with axes, band and marks; x in percent of the width, y in pixels from the top."""

    paths: list[str]
    end: str
    band_top: float | None
    band_height: float | None
    y_ticks: list[Tick]
    x_ticks: list[Tick]
    events: list[Tick]
    label: str


SPARK_HEIGHT = 36.0
CHART_HEIGHT = 120.0
_MARGIN = 4.0


def _scale(values: Values, band: tuple[float | None, float | None], *, from_zero: bool) -> tuple[float, float]:
    known = [value for value in values if value is not None]
    edges = [edge for edge in band if edge is not None]
    low = min([*known, *edges], default=0.0)
    high = max([*known, *edges], default=1.0)
    if from_zero and low >= 0 and low < 0.4 * high:
        low = 0.0
    if high <= low:
        return low - (abs(low) or 1) * 0.1, low + (abs(low) or 1) * 0.1
    return low, high


def _path(values: Values, low: float, high: float, height: float) -> tuple[str, str]:
    """Return the line's path and its last point; single points between gaps become dots."""
    step = 100 / max(1, len(values) - 1)
    pieces: list[str] = []
    last = ""
    is_drawing = False
    for index, value in enumerate(values):
        if value is None:
            is_drawing = False
            continue
        y = _y(value, low, high, height)
        x = index * step if len(values) > 1 else 100.0
        point = f"{x:.1f} {y:.1f}"
        is_alone = not is_drawing and (index + 1 == len(values) or values[index + 1] is None)
        pieces.append(f"M{point}h0.1" if is_alone else f"{'L' if is_drawing else 'M'}{point}")
        is_drawing = not is_alone
        last = f"M{point}h0"
    return "".join(pieces), last


def _y(value: float, low: float, high: float, height: float) -> float:
    return _MARGIN + (height - 2 * _MARGIN) * (1 - (value - low) / (high - low))


def _band(
    band: tuple[float | None, float | None], low: float, high: float, height: float
) -> tuple[float | None, float | None]:
    if band == (None, None):
        return None, None
    top = _y(min(band[1], high), low, high, height) if band[1] is not None else 0.0
    bottom = _y(max(band[0], low), low, high, height) if band[0] is not None else height
    top, bottom = max(0.0, top), min(height, bottom)
    return round(top, 1), round(max(0.0, bottom - top), 1)


def spark(values: Values, *, band: tuple[float | None, float | None] = (None, None), label: str) -> Spark | None:
    """Return a sparkline, or None where there is nothing to draw."""
    if not any(value is not None for value in values):
        return None
    low, high = _scale(values, band, from_zero=False)
    path, end = _path(values, low, high, SPARK_HEIGHT)
    return Spark(path, end, *_band(band, low, high, SPARK_HEIGHT), label)


def chart(
    times: Sequence[datetime],
    lines: Sequence[Values],
    *,
    band: tuple[float | None, float | None] = (None, None),
    events: Sequence[tuple[datetime, str]] = (),
    texts: "Texts",
    label: str,
) -> Chart | None:
    """Return a line chart; `lines` share the times, `events` are marked with a dashed line, `texts` writes y values."""
    flat = [value for line in lines for value in line]
    if len(times) < 2 or not any(value is not None for value in flat):
        return None
    low, high = _scale(flat, band, from_zero=True)
    drawn = [_path(line, low, high, CHART_HEIGHT) for line in lines]
    span = (times[-1] - times[0]).total_seconds()
    marks = [
        Tick(round((at - times[0]).total_seconds() / span * 100, 1), text)
        for at, text in events
        if times[0] < at <= times[-1]
    ]
    x_ticks = [Tick(round(100 * index / 3, 1), _day(times[round((len(times) - 1) * index / 3)])) for index in range(4)]
    y_ticks = [
        Tick(round(_y(value, low, high, CHART_HEIGHT), 1), texts(value)) for value in (low, (low + high) / 2, high)
    ]
    return Chart(
        [path for path, _ in drawn], drawn[0][1], *_band(band, low, high, CHART_HEIGHT), y_ticks, x_ticks, marks, label
    )


class Texts:
    """Writes the values of an axis."""

    def __init__(self, unit: str) -> None:
        self.unit = unit

    def __call__(self, value: float) -> str:
        """Return a short text: 85%, $0.20, 30 s."""
        if self.unit == "share":
            return f"{value * 100:.0f}%"
        if self.unit == "usd":
            return f"${value:.2f}" if value >= 0.1 or value == 0 else f"${value:.3f}"
        seconds = value / 1e6
        if seconds < 1:
            return f"{seconds * 1000:.0f} ms"
        return f"{seconds:.0f} s" if seconds < 120 else f"{seconds / 60:.0f} min"


def _day(at: datetime) -> str:
    return f"{at.day} {at:%b}"
