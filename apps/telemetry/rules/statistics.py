"""The statistics behind verdicts and warning signs, in plain Python. No Django here.

Sources: E. B. Wilson, "Probable inference, the law of succession, and statistical inference", JASA 1927 (rates);
H. B. Mann, "Nonparametric tests against trend", Econometrica 1945, and M. G. Kendall, "Rank Correlation Methods", 1948
(trend); P. K. Sen, "Estimates of the regression coefficient based on Kendall's tau", JASA 1968 (slope); W. G. Cochran,
"Some methods for strengthening the common chi-square tests", Biometrics 1954 (variance of counts); B. Iglewicz and
D. C. Hoaglin, "How to Detect and Handle Outliers", 1993 (median and MAD); W. H. Kruskal and W. A. Wallis, "Use of ranks
in one-criterion variance analysis", JASA 1952; B. Efron and C. Stein, "The jackknife estimate of variance", Annals of
Statistics 1981.
"""

import math
from collections import Counter
from collections.abc import Sequence
from functools import lru_cache
from itertools import combinations
from statistics import fmean, median

# One-sided 97.5 % (an interval of 95 %) and one-sided 80 %, as standard deviations and as the chance that is left.
SURE = 1.959964
LIKELY = 0.841621
SURE_CHANCE = 0.025
LIKELY_CHANCE = 0.2
# Makes the MAD of normal values an estimate of their standard deviation.
MAD_SCALE = 1.4826


def normal_tail(z: float) -> float:
    """Return the probability that a standard normal value exceeds `z`."""
    return 0.5 * math.erfc(z / math.sqrt(2))


def chi_square_tail(x: float, degrees: int) -> float:
    """Return the probability that a chi-square value with `degrees` degrees of freedom exceeds `x`."""
    if x <= 0:
        return 1.0
    shape, half = degrees / 2, x / 2
    scale = math.exp(-half + shape * math.log(half) - math.lgamma(shape))
    if half < shape + 1:
        term = total = 1 / shape
        step = shape
        while abs(term) > abs(total) * 1e-14:
            step += 1
            term *= half / step
            total += term
        return max(0.0, 1 - total * scale)
    # Continued fraction by Lentz's method.
    tiny = 1e-300
    b = half + 1 - shape
    c, d = 1 / tiny, 1 / b
    fraction = d
    for i in range(1, 500):
        a = -i * (i - shape)
        b += 2
        d = 1 / (a * d + b or tiny)
        c = b + a / c or tiny
        change = c * d
        fraction *= change
        if abs(change - 1) < 1e-14:
            break
    return min(1.0, fraction * scale)


def wilson(hits: int, total: int, z: float = SURE) -> tuple[float, float]:
    """Return Wilson's interval of the rate `hits / total`; (0, 1) without observations."""
    if total <= 0:
        return 0.0, 1.0
    rate = hits / total
    middle = rate + z * z / (2 * total)
    spread = z * math.sqrt(rate * (1 - rate) / total + z * z / (4 * total * total))
    below = 1 + z * z / total
    # At the ends the formula is exact but for rounding.
    low = 0.0 if hits <= 0 else max(0.0, (middle - spread) / below)
    high = 1.0 if hits >= total else min(1.0, (middle + spread) / below)
    return low, high


def at_least(hits: int, total: int, rate: float) -> float:
    """Return the probability of `hits` or more of `total` if each hits with probability `rate`; exact."""
    if hits <= 0:
        return 1.0
    if hits > total or rate <= 0:
        return 0.0
    return 1.0 if rate >= 1 else _incomplete_beta(hits, total - hits + 1, rate)


def at_most(hits: int, total: int, rate: float) -> float:
    """Return the probability of `hits` or fewer of `total` if each hits with probability `rate`; exact."""
    return 1 - at_least(hits + 1, total, rate)


def _incomplete_beta(a: float, b: float, x: float) -> float:
    """Return the regularized incomplete beta function, which is the tail of a binomial distribution."""
    if x > (a + 1) / (a + b + 2):
        return 1 - _incomplete_beta(b, a, 1 - x)
    logarithm = math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b) + a * math.log(x) + b * math.log1p(-x)
    # Continued fraction by Lentz's method.
    tiny = 1e-300
    c, d = 1.0, 1 / (1 - (a + b) * x / (a + 1) or tiny)
    fraction = d
    for m in range(1, 1000):
        for term in (
            m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m)),
            -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1)),
        ):
            d = 1 / (1 + term * d or tiny)
            c = 1 + term / c or tiny
            fraction *= c * d
        if abs(c * d - 1) < 1e-14:
            break
    return math.exp(logarithm) * fraction / a


def quantile_ranks(share: float, total: int, z: float = SURE) -> tuple[int, int]:
    """Return the ranks (from 0) of the ordered values between which the quantile lies.

    The number of values below a quantile is binomial, so its normal approximation gives the ranks; no distribution of
    the values is assumed.
    """
    spread = z * math.sqrt(total * share * (1 - share))
    low = max(0, math.floor(total * share - spread) - 1)
    high = min(total - 1, math.ceil(total * share + spread))
    return low, high


def mann_kendall(values: Sequence[float]) -> tuple[float, float]:
    """Return the probabilities that values without a trend rise, or fall, as much as these.

    Up to 10 values without ties are counted exactly, more by the normal approximation with the correction for ties.
    """
    count = len(values)
    if count < 3:
        return 1.0, 1.0
    score = sum((later > earlier) - (later < earlier) for earlier, later in combinations(values, 2))
    ties = Counter(values)
    if count <= 10 and len(ties) == count:
        return _kendall_tail(count, score), _kendall_tail(count, -score)
    variance = count * (count - 1) * (2 * count + 5)
    variance -= sum(size * (size - 1) * (2 * size + 5) for size in ties.values())
    if variance <= 0:
        return 1.0, 1.0
    deviation = math.sqrt(variance / 18)
    return normal_tail((score - 1) / deviation), normal_tail((-score - 1) / deviation)


@lru_cache(maxsize=16)
def _inversions(count: int) -> list[int]:
    ways = [1]
    for size in range(2, count + 1):
        wider = [0] * (len(ways) + size - 1)
        for index, number in enumerate(ways):
            for more in range(size):
                wider[index + more] += number
        ways = wider
    return ways


def _kendall_tail(count: int, score: int) -> float:
    pairs = count * (count - 1) // 2
    # A permutation with i inversions has the score pairs - 2 i.
    most = (pairs - score) // 2
    return sum(_inversions(count)[: most + 1]) / math.factorial(count)


def sen_slope(values: Sequence[float]) -> float:
    """Return the median of the slopes between all pairs: the change from one value to the next."""
    slopes = [
        (values[later] - values[earlier]) / (later - earlier) for earlier, later in combinations(range(len(values)), 2)
    ]
    return median(slopes) if slopes else 0.0


def overdispersion(hits: Sequence[int], totals: Sequence[int]) -> tuple[float, float]:
    """Return how much more daily rates vary than chance alone makes them (1: just so), and the chance of that.

    Pearson's chi-square against the pooled rate. Days on which the variance of a count is below 1 are left out.
    """
    pooled = sum(hits) / sum(totals) if sum(totals) else 0.0
    spread = pooled * (1 - pooled)
    days = [(hit, total) for hit, total in zip(hits, totals, strict=True) if total * spread >= 1]
    if len(days) < 5:
        return 1.0, 1.0
    rate = sum(hit for hit, _ in days) / sum(total for _, total in days)
    spread = rate * (1 - rate)
    if spread <= 0:
        return 1.0, 1.0
    square = sum((hit - total * rate) ** 2 / (total * spread) for hit, total in days)
    return square / (len(days) - 1), chi_square_tail(square, len(days) - 1)


def robust_score(value: float, before: Sequence[float], *, least_spread: float = 0.0) -> float:
    """Return how many robust standard deviations a value lies above the median of those before it.

    `least_spread` is the standard error of the value itself: quiet days must not make noise a spike.
    """
    middle = median(before)
    spread = max(MAD_SCALE * median(abs(item - middle) for item in before), least_spread)
    if spread <= 0:
        return 0.0 if value == middle else math.copysign(math.inf, value - middle)
    return (value - middle) / spread


def kruskal_wallis(groups: Sequence[Sequence[float]]) -> float:
    """Return the probability that groups of the same distribution differ as much in their ranks as these."""
    groups = [group for group in groups if group]
    values = sorted(value for group in groups for value in group)
    count = len(values)
    if len(groups) < 2 or count < 5:
        return 1.0
    ranks: dict[float, float] = {}
    sizes = Counter(values)
    seen = 0
    for value in dict.fromkeys(values):
        ranks[value] = seen + (sizes[value] + 1) / 2
        seen += sizes[value]
    statistic = 12 / (count * (count + 1)) * sum(
        sum(ranks[value] for value in group) ** 2 / len(group) for group in groups
    ) - 3 * (count + 1)
    correction = 1 - sum(size**3 - size for size in sizes.values()) / (count**3 - count)
    return chi_square_tail(statistic / correction, len(groups) - 1) if correction > 0 else 1.0


def two_rates(hits: int, total: int, hits_before: int, total_before: int) -> float:
    """Return the probability (two-sided) that equal rates differ as much as these two do."""
    if not total or not total_before:
        return 1.0
    pooled = (hits + hits_before) / (total + total_before)
    variance = pooled * (1 - pooled) * (1 / total + 1 / total_before)
    if variance <= 0:
        return 1.0
    return 2 * normal_tail(abs(hits / total - hits_before / total_before) / math.sqrt(variance))


def jackknife_ratio(above: Sequence[float], below: Sequence[float]) -> tuple[float, float] | None:
    """Return the ratio of two sums and its standard error by leaving out one pair at a time; None without a ratio."""
    top, bottom = sum(above), sum(below)
    if bottom <= 0:
        return None
    ratio = top / bottom
    left = [(top - a) / (bottom - b) for a, b in zip(above, below, strict=True) if bottom - b > 0]
    if len(left) < 5:
        return ratio, math.inf
    middle = fmean(left)
    count = len(left)
    return ratio, math.sqrt((count - 1) / count * sum((item - middle) ** 2 for item in left))
