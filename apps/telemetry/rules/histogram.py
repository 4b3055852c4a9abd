"""Mergeable histograms with a relative error of at most 1 %. No Django here.

Log-scale buckets as in C. Masson, J. E. Rim, H. K. Lee, "DDSketch: A fast and fully-mergeable quantile sketch with
relative-error guarantees", VLDB 2019: a value v > 0 falls into bucket ceil(log_gamma(v)), gamma = (1 + a) / (1 - a)
with a = 0.01; a bucket answers with the value whose relative distance to both its ends is at most a. Values of 0 (and
below, which durations and costs do not have) are counted in bucket ZERO.
"""

import math
from collections.abc import Iterable, Iterator

ACCURACY = 0.01
GAMMA = (1 + ACCURACY) / (1 - ACCURACY)
_LOG_GAMMA = math.log(GAMMA)
ZERO = -2_147_483_648


def bucket_of(value: float) -> int:
    """Return the bucket of a value."""
    if value <= 0:
        return ZERO
    return math.ceil(math.log(value) / _LOG_GAMMA)


def value_of(bucket: int) -> float:
    """Return the value that a bucket stands for."""
    if bucket == ZERO:
        return 0.0
    return 2 * GAMMA**bucket / (GAMMA + 1)


class Histogram:
    """Counts per bucket."""

    __slots__ = ("counts",)

    def __init__(self, values: Iterable[float] = ()) -> None:
        self.counts: dict[int, int] = {}
        for value in values:
            self.add(value)

    @classmethod
    def from_arrays(cls, buckets: Iterable[int], counts: Iterable[int]) -> "Histogram":
        """Return the histogram that `arrays` stored."""
        histogram = cls()
        histogram.merge_arrays(buckets, counts)
        return histogram

    def add(self, value: float) -> None:
        """Count one value."""
        bucket = bucket_of(value)
        self.counts[bucket] = self.counts.get(bucket, 0) + 1

    def merge(self, other: "Histogram") -> None:
        """Count what the other counted."""
        self.merge_arrays(other.counts.keys(), other.counts.values())

    def merge_arrays(self, buckets: Iterable[int], counts: Iterable[int]) -> None:
        """Count what a stored histogram counted."""
        own = self.counts
        for bucket, count in zip(buckets, counts, strict=True):
            own[bucket] = own.get(bucket, 0) + count

    def arrays(self) -> tuple[list[int], list[int]]:
        """Return buckets in order and their counts, for storage."""
        buckets = sorted(self.counts)
        return buckets, [self.counts[bucket] for bucket in buckets]

    def values(self) -> Iterator[tuple[float, int]]:
        """Return the value that each bucket stands for and its count."""
        return ((value_of(bucket), count) for bucket, count in self.counts.items())

    @property
    def count(self) -> int:
        """Return how many values were counted."""
        return sum(self.counts.values())

    def quantile(self, q: float) -> float | None:
        """Return the value below which a share `q` (0 to 1) of the values lies; None without values.

        The rank is that of the lower empirical quantile, floor(q * (n - 1)).
        """
        return self.quantiles(q)[0]

    def quantiles(self, *shares: float) -> list[float | None]:
        """Return several quantiles in one pass over the buckets; `shares` in ascending order."""
        total = self.count
        if not total:
            return [None] * len(shares)
        found: list[float | None] = []
        ranks = [math.floor(share * (total - 1)) for share in shares]
        seen = 0
        for bucket in sorted(self.counts):
            seen += self.counts[bucket]
            while len(found) < len(ranks) and ranks[len(found)] < seen:
                found.append(value_of(bucket))
            if len(found) == len(ranks):
                break
        return found

    def count_above(self, value: float) -> int:
        """Return how many values lie above, to the accuracy of the buckets."""
        limit = bucket_of(value)
        return sum(count for bucket, count in self.counts.items() if bucket > limit)
