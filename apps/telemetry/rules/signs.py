"""Warning signs of a metric, each by a stated statistic with a stated rate of false alarms. No Django here.

A sign needs two things: chance alone would rarely show it (at most FALSE_ALARM per test), and it is large enough to
matter (the MATERIAL constants). docs/telemetry/metrics.md tells which statistic answers which sign.
"""

from collections.abc import Sequence
from statistics import median

import msgspec

from apps.telemetry.rules.points import Days, Point, spread_of_cost
from apps.telemetry.rules.statistics import (
    kruskal_wallis,
    mann_kendall,
    overdispersion,
    robust_score,
    sen_slope,
    two_rates,
)
from apps.telemetry.rules.sums import Sums

FALSE_ALARM = 0.01
# The fewest days for a trend, a spike and a time of day.
TREND_DAYS = 7
SPIKE_DAYS = 6
CLOCK_DAYS = 5
# Robust standard deviations (Iglewicz and Hoaglin's recommendation).
SPIKE_SCORE = 3.5
# What matters: two points of a rate, a tenth of an amount, over the whole course; a quarter for a spike.
MATERIAL_RATE = 0.02
MATERIAL_SHARE = 0.10
MATERIAL_SPIKE = 0.25
# Daily rates that vary twice as much as chance; cost whose standard deviation is twice its mean; p99 ten times p50.
MATERIAL_DISPERSION = 2.0
MATERIAL_COST_SPREAD = 2.0
MATERIAL_TAIL = 10.0
MATERIAL_CLOCK = 1.5
LEAST_FOR_SHAPE = 100
CLOCK_BLOCK_HOURS = 4


class Sign(msgspec.Struct, frozen=True):
    """A warning sign: what it is, a sentence with its figures, the statistic and how rarely chance shows it."""

    code: str
    title: str
    text: str
    statistic: str
    chance: float | None = None


def falling(points: Sequence[Point]) -> Sign | None:
    """Return the sign of a rate that falls from day to day."""
    found = _trend(points, is_rate=True)
    if found is None or found[1] >= 0:
        return None
    chance, change = found
    text = f"It fell by {-change * 100:.1f} points over {len(points)} days."
    return Sign("falling", "Falling trend", text, "Mann-Kendall, Sen's slope", chance)


def rising(points: Sequence[Point], *, is_rate: bool) -> Sign | None:
    """Return the sign of a metric that rises from day to day and should not."""
    found = _trend(points, is_rate=is_rate)
    if found is None or found[1] <= 0:
        return None
    chance, change = found
    by = f"{change * 100:.1f} points" if is_rate else f"{change * 100:.0f}%"
    text = f"It rose by {by} over {len(points)} days."
    return Sign("rising", "Steady rise", text, "Mann-Kendall, Sen's slope", chance)


def _trend(points: Sequence[Point], *, is_rate: bool) -> tuple[float, float] | None:
    """Return the chance and the change over the whole course (points of a rate, share of the median of an amount)."""
    if len(points) < TREND_DAYS:
        return None
    values = [point.value for point in points]
    up, down = mann_kendall(values)
    change = sen_slope(values) * (len(values) - 1)
    if not is_rate:
        middle = median(values)
        change = change / middle if middle > 0 else 0.0
    chance = up if change > 0 else down
    if chance > FALSE_ALARM or abs(change) < (MATERIAL_RATE if is_rate else MATERIAL_SHARE):
        return None
    return chance, change


def unsteady(points: Sequence[Point]) -> Sign | None:
    """Return the sign of a rate that varies more between days than chance makes it."""
    factor, chance = overdispersion([point.hits for point in points], [point.total for point in points])
    if chance > FALSE_ALARM or factor < MATERIAL_DISPERSION:
        return None
    text = f"Days differ {factor:.1f} times as much as chance would make them."
    return Sign("unsteady", "High variance", text, "chi-square against one common rate", chance)


def spiking(points: Sequence[Point], *, is_rate: bool, downwards: bool = False) -> Sign | None:
    """Return the sign of a latest day far off the days before it."""
    if len(points) <= SPIKE_DAYS:
        return None
    *before, last = points
    values = [point.value for point in before]
    score = robust_score(last.value, values, least_spread=last.error)
    middle = median(values)
    change = last.value - middle
    least = MATERIAL_RATE if is_rate else MATERIAL_SPIKE * middle
    if downwards:
        score, change = -score, -change
    if score < SPIKE_SCORE or change < least:
        return None
    word = "below" if downwards else "above"
    size = f"{change * 100:.1f} points" if is_rate else f"{change / middle * 100:.0f}%" if middle else "far"
    text = f"{last.at:%d %b} is {size} {word} the median of the {len(before)} days before."
    return Sign("drop" if downwards else "spike", "Drop" if downwards else "Spike", text, "median and MAD")


def uneven_cost(sums: Sums) -> Sign | None:
    """Return the sign of tasks of which some cost many times the others."""
    if sums.priced_count < LEAST_FOR_SHAPE or (spread := spread_of_cost(sums)) < MATERIAL_COST_SPREAD:
        return None
    text = f"The standard deviation of cost is {spread:.1f} times its mean."
    return Sign("uneven", "High variance", text, "coefficient of variation")


def long_tail(sums: Sums) -> Sign | None:
    """Return the sign of a slowest hundredth that takes many times the median."""
    if sums.latency.count < LEAST_FOR_SHAPE:
        return None
    middle, slow = sums.latency.quantiles(0.5, 0.99)
    if not middle or not slow or slow < MATERIAL_TAIL * middle:
        return None
    text = f"p99 is {slow / middle:.0f} times p50: some tasks get stuck."
    return Sign("long_tail", "Long tail", text, "p99 over p50")


def clock_pattern(hours: Days) -> Sign | None:
    """Return the sign of latency that depends on the time of day (`hours`: sums of single hours)."""
    blocks: dict[tuple[int, int], Sums] = {}
    for at, sums in hours:
        key = (at.toordinal(), at.hour // CLOCK_BLOCK_HOURS)
        blocks.setdefault(key, Sums()).latency.merge(sums.latency)
    groups: dict[int, list[float]] = {}
    for (_, block), sums in blocks.items():
        value = sums.latency.quantile(0.5)
        if value and sums.latency.count >= LEAST_FOR_SHAPE // 10:
            groups.setdefault(block, []).append(value)
    full = {block: values for block, values in groups.items() if len(values) >= CLOCK_DAYS}
    if len(full) < 2:
        return None
    chance = kruskal_wallis(list(full.values()))
    middles = {block: median(values) for block, values in full.items()}
    slow, fast = max(middles, key=middles.__getitem__), min(middles, key=middles.__getitem__)
    if chance > FALSE_ALARM or middles[slow] < MATERIAL_CLOCK * middles[fast]:
        return None
    start = slow * CLOCK_BLOCK_HOURS
    factor = middles[slow] / middles[fast]
    text = f"Between {start:02d}:00 and {start + CLOCK_BLOCK_HOURS:02d}:00 UTC tasks take {factor:.1f} times as long."
    return Sign("time_of_day", "Time of day", text, "Kruskal-Wallis over blocks of four hours", chance)


def growing_error(sums: Sums, before: Sums | None, names: dict[str, str]) -> Sign | None:
    """Return the sign of one kind of error that became more frequent than in the period before."""
    if before is None or not before.ended_count or not sums.ended_count:
        return None
    worst = None
    for code, count in sums.by_error.items():
        earlier = before.by_error.get(code, 0)
        rise = count / sums.ended_count - earlier / before.ended_count
        # One of several kinds: the limit is divided by their number (Bonferroni).
        chance = two_rates(count, sums.ended_count, earlier, before.ended_count) * max(1, len(sums.by_error))
        if rise >= MATERIAL_RATE / 2 and chance <= FALSE_ALARM and (worst is None or rise > worst[0]):
            worst = (rise, code, chance)
    if worst is None:
        return None
    rise, code, chance = worst
    text = f"{names.get(code, code)} rose by {rise * 100:.1f} points against the period before."
    return Sign("growing_error", "One error grows", text, "two rates compared", min(1.0, chance))
