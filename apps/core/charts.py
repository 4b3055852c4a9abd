"""Small charts as numbers for server SVG: x in percent of the width, y in pixels from the top. No Django here.

A missing value is a gap in the line, never a zero. Nothing here carries a style: templates give classes.
"""

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from math import floor, log10
from typing import NamedTuple

Values = Sequence[float | None]
Band = tuple[float | None, float | None]
NO_BAND: Band = (None, None)

SPARK_HEIGHT = 36.0
CHART_HEIGHT = 112.0
_MARGIN = 3.0
_X_TICKS = 4
# Names of events closer than this (percent of the width) would lie on each other.
_EVENT_GAP = 12.0


class Spark(NamedTuple):
    """A line without axes: its path, its end point, the healthy band behind it, and what it says in words."""

    path: str
    end: str
    band_top: float | None
    band_height: float | None
    label: str


class Tick(NamedTuple):
    """A mark at an axis: where, what it says, and how its text is anchored."""

    at: float
    text: str
    anchor: str = "middle"


class Chart(NamedTuple):
    """Lines over time with axes, band and marks; the first line is the one that is judged."""

    paths: list[str]
    end: str
    band_top: float | None
    band_height: float | None
    y_ticks: list[Tick]
    x_ticks: list[Tick]
    events: list[Tick]
    label: str
    height: float = CHART_HEIGHT


class Texts:
    """Writes the values of an axis."""

    def __init__(self, unit: str) -> None:
        self.unit = unit

    def __call__(self, value: float, step: float = 1.0) -> str:
        """Return a short text with as many decimals as the step between two of them needs: 85%, $0.20, 30 s."""
        if self.unit == "share":
            return f"{value * 100:.{_decimals(step * 100)}f}%"
        if self.unit == "usd":
            return f"${value:.{max(2, _decimals(step)) if value else 0}f}"
        seconds, step = value / 1e6, step / 1e6
        if not seconds:
            return "0 s"
        if step < 0.1:
            return f"{seconds * 1000:.0f} ms"
        if step >= 60:
            return f"{seconds / 60:.{_decimals(step / 60)}f} min"
        return f"{seconds:.{_decimals(step)}f} s"


def spark(values: Values, *, band: Band = NO_BAND, label: str) -> Spark | None:
    """Return a sparkline, or None where there is nothing to draw."""
    if sum(value is not None for value in values) < 2:
        return None
    low, high = _extent(values, band, from_zero=False)
    path, end = _path(values, low, high, SPARK_HEIGHT)
    return Spark(path, end, *_band(band, low, high, SPARK_HEIGHT), label)


def chart(
    times: Sequence[datetime],
    lines: Sequence[Values],
    *,
    band: Band = NO_BAND,
    events: Sequence[tuple[datetime, str]] = (),
    texts: Callable[[float, float], str],
    label: str,
    ceiling: float | None = None,
) -> Chart | None:
    """Return a line chart; `times` are regular, `lines` share them, `texts` writes the values of the y axis.

    No value exceeds `ceiling` (1 for shares). Returns None where fewer than two points are known.
    """
    flat = [value for line in lines for value in line]
    if len(times) < 2 or sum(value is not None for value in flat) < 2:
        return None
    low, high = _extent(flat, band, from_zero=True)
    step = _nice_step(high - low)
    low, high = floor(low / step + 1e-9) * step, -floor(-high / step + 1e-9) * step
    high = high if ceiling is None else min(high, ceiling)
    drawn = [_path(line, low, high, CHART_HEIGHT) for line in lines]
    count = round((high - low) / step)
    y_ticks = [
        Tick(round(_y(low + step * index, low, high, CHART_HEIGHT), 1), texts(low + step * index, step))
        for index in range(count + 1)
    ]
    return Chart(
        [path for path, _ in drawn],
        drawn[0][1],
        *_band(band, low, high, CHART_HEIGHT),
        y_ticks,
        _x_ticks(times),
        _events(times, events),
        label,
    )


def _x_ticks(times: Sequence[datetime]) -> list[Tick]:
    last = len(times) - 1
    count = min(_X_TICKS, len(times))
    is_short = times[-1] - times[0] < timedelta(days=3)
    ticks = []
    for index in range(count):
        at = round(last * index / (count - 1))
        anchor = "start" if index == 0 else "end" if index == count - 1 else "middle"
        text = f"{times[at]:%H:%M}" if is_short else f"{times[at].day} {times[at]:%b}"
        ticks.append(Tick(round(100 * at / last, 1), text, anchor))
    return ticks


def _events(times: Sequence[datetime], events: Sequence[tuple[datetime, str]]) -> list[Tick]:
    """Place what happened inside the picture; of several close together only the last keeps its name."""
    whole = (times[-1] - times[0]).total_seconds()
    marks: list[Tick] = []
    for at, text in sorted(events):
        if times[0] < at <= times[-1]:
            x = round((at - times[0]).total_seconds() / whole * 100, 1)
            if marks and x - marks[-1].at < _EVENT_GAP:
                marks[-1] = marks[-1]._replace(text="")
            marks.append(Tick(x, text, "end" if x > 80 else "start"))
    return marks


def _extent(values: Values, band: Band, *, from_zero: bool) -> tuple[float, float]:
    """Return what the picture spans: the values and the near edge of the band; zero where it is not far."""
    known = [value for value in values if value is not None]
    low, high = min(known), max(known)
    spread = high - low
    for edge in band:
        # A range far away would press the line flat; it is named in words then.
        if edge is not None and low - 4 * spread - abs(high) * 0.5 <= edge <= high + 4 * spread + abs(high) * 0.5:
            low, high = min(low, edge), max(high, edge)
    if from_zero and 0 < low < 0.5 * high:
        low = 0.0
    if high <= low:
        room = abs(low) * 0.1 or 0.01
        return max(0.0, low - room) if low >= 0 else low - room, high + room
    return low, high


def _nice_step(extent: float) -> float:
    """Return a round step (1, 2 or 5 times a power of ten) that divides an extent into about three parts."""
    rough = extent / 3
    power = 10.0 ** floor(log10(rough))
    return next(power * factor for factor in (1, 2, 5, 10) if power * factor >= rough * 0.999)


def _decimals(step: float) -> int:
    return 0 if step >= 1 else min(6, -floor(log10(step) + 1e-9))


def _y(value: float, low: float, high: float, height: float) -> float:
    return _MARGIN + (height - 2 * _MARGIN) * (1 - (value - low) / (high - low))


def _path(values: Values, low: float, high: float, height: float) -> tuple[str, str]:
    """Return the line's path and its last point; single points between gaps become dots."""
    pieces: list[str] = []
    end = ""
    last = max(1, len(values) - 1)
    is_drawing = False
    for index, value in enumerate(values):
        if value is None:
            is_drawing = False
            continue
        point = f"{100 * index / last:.1f} {_y(value, low, high, height):.1f}"
        is_alone = not is_drawing and (index + 1 == len(values) or values[index + 1] is None)
        pieces.append(f"M{point}h.3" if is_alone else f"{'L' if is_drawing else 'M'}{point}")
        is_drawing = not is_alone
        end = f"M{point}h0"
    return "".join(pieces), end


def _band(band: Band, low: float, high: float, height: float) -> tuple[float | None, float | None]:
    if band == NO_BAND:
        return None, None
    top = height * 0 if band[1] is None or band[1] >= high else _y(band[1], low, high, height)
    bottom = height if band[0] is None or band[0] <= low else _y(band[0], low, high, height)
    if bottom - top < 0.5 or bottom < 0 or top > height:
        return None, None
    top, bottom = max(0.0, top), min(height, bottom)
    return round(top, 1), round(bottom - top, 1)
