"""Statistics agree with scipy, histograms with exact quantiles."""

import math
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from apps.telemetry.rules.histogram import Histogram
from apps.telemetry.rules.statistics import (
    SURE,
    at_least,
    at_most,
    chi_square_tail,
    jackknife_ratio,
    kruskal_wallis,
    mann_kendall,
    normal_tail,
    overdispersion,
    quantile_ranks,
    robust_score,
    sen_slope,
    two_rates,
    wilson,
)

values = st.lists(st.floats(min_value=1e-9, max_value=1e12), min_size=1, max_size=200)


def exact(found: list[float], share: float) -> float:
    return sorted(found)[math.floor(share * (len(found) - 1))]


@given(values, st.floats(0, 1))
def test_a_quantile_is_within_one_percent_of_the_exact_one(found, share):
    assert Histogram(found).quantile(share) == pytest.approx(exact(found, share), rel=0.01 * (1 + 1e-9))


@given(st.lists(st.one_of(st.just(0.0), st.floats(min_value=1e-6, max_value=1e9)), min_size=1), st.floats(0, 1))
def test_zeros_are_counted_as_zeros(found, share):
    assert Histogram(found).quantile(share) == pytest.approx(exact(found, share), rel=0.0101)


@given(values, values, values)
def test_merging_is_associative_and_the_same_as_counting_at_once(a, b, c):
    def merged(*parts: Histogram) -> Histogram:
        whole = Histogram()
        for part in parts:
            whole.merge(part)
        return whole

    left = merged(merged(Histogram(a), Histogram(b)), Histogram(c))
    right = merged(Histogram(a), merged(Histogram(c), Histogram(b)))
    assert left.arrays() == right.arrays() == Histogram(a + b + c).arrays()
    assert left.count == len(a) + len(b) + len(c)


@given(values)
def test_a_stored_histogram_comes_back_unchanged(found):
    histogram = Histogram(found)
    buckets, counts = histogram.arrays()
    assert buckets == sorted(buckets)
    assert Histogram.from_arrays(buckets, counts).arrays() == (buckets, counts)
    assert sum(count for _, count in histogram.values()) == len(found)


def test_nothing_has_no_quantile():
    assert Histogram().quantiles(0.5, 0.99) == [None, None]


@given(st.integers(0, 500), st.integers(1, 500))
def test_wilson_is_scipys(hits, more):
    total = hits + more
    low, high = wilson(hits, total)
    reference = stats.binomtest(hits, total).proportion_ci(0.95, method="wilson")
    assert (low, high) == pytest.approx((reference.low, reference.high), abs=1e-6)
    assert low <= hits / total <= high


@given(st.integers(0, 400), st.integers(0, 400), st.floats(0.001, 0.999))
def test_binomial_tails_are_scipys(hits, others, rate):
    total = hits + others
    assert at_least(hits, total, rate) == pytest.approx(stats.binom.sf(hits - 1, total, rate), rel=1e-7, abs=1e-12)
    assert at_most(hits, total, rate) == pytest.approx(stats.binom.cdf(hits, total, rate), rel=1e-7, abs=1e-12)


@given(st.floats(0.001, 300), st.integers(1, 100))
def test_tails_are_scipys(x, degrees):
    assert chi_square_tail(x, degrees) == pytest.approx(stats.chi2.sf(x, degrees), rel=1e-8, abs=1e-12)
    assert normal_tail(x / 50) == pytest.approx(stats.norm.sf(x / 50), rel=1e-9)


@given(st.lists(st.integers(0, 1000), min_size=11, max_size=40))
def test_a_trend_is_found_as_by_kendalls_tau(found):
    up, down = mann_kendall(found)
    if len(set(found)) == 1:
        assert (up, down) == (1.0, 1.0)
        return
    tau = stats.kendalltau(range(len(found)), found, method="asymptotic")
    # Ours corrects for continuity, so it is a little more careful.
    assert min(up, down) * 2 >= tau.pvalue * 0.99 - 1e-12
    assert (up < down) == (tau.statistic > 0) or up == pytest.approx(down)
    assert sen_slope(found) == pytest.approx(stats.theilslopes(found).slope)


@given(st.permutations(range(8)))
def test_short_courses_are_counted_exactly(found):
    up, down = mann_kendall(found)
    tau = stats.kendalltau(range(8), found, method="exact", alternative="greater")
    assert up == pytest.approx(tau.pvalue)
    assert down == pytest.approx(stats.kendalltau(range(8), found, method="exact", alternative="less").pvalue)


@given(st.lists(st.lists(st.integers(0, 50), min_size=2, max_size=9), min_size=2, max_size=6))
def test_kruskal_wallis_is_scipys(groups):
    flat = [value for group in groups for value in group]
    if len(flat) < 5 or len(set(flat)) == 1:
        return
    assert kruskal_wallis(groups) == pytest.approx(stats.kruskal(*groups).pvalue, rel=1e-8)


@given(st.lists(st.tuples(st.integers(20, 80), st.just(100)), min_size=5, max_size=20))
def test_overdispersion_is_the_chi_square_of_homogeneity(days):
    hits, totals = [hit for hit, _ in days], [total for _, total in days]
    table = [hits, [total - hit for hit, total in days]]
    reference = stats.chi2_contingency(table, correction=False)
    factor, chance = overdispersion(hits, totals)
    assert factor * (len(days) - 1) == pytest.approx(reference.statistic, abs=1e-9)
    assert chance == pytest.approx(reference.pvalue, rel=1e-6)


@given(st.integers(1, 100), st.integers(1, 100), st.integers(1, 100), st.integers(1, 100))
def test_two_rates_are_compared_as_by_chi_square(hits, others, hits_before, others_before):
    table = [[hits, others], [hits_before, others_before]]
    reference = stats.chi2_contingency(table, correction=False).pvalue
    assert two_rates(hits, hits + others, hits_before, hits_before + others_before) == pytest.approx(
        reference, rel=1e-6, abs=1e-12
    )


@settings(max_examples=20)
@given(st.integers(40, 400), st.sampled_from([0.5, 0.9, 0.95]))
def test_order_statistics_cover_a_quantile_nineteen_times_of_twenty(total, share):
    draw = random.Random(total)
    low, high = quantile_ranks(share, total)
    assert 0 <= low <= high < total
    covered = 0
    for _ in range(300):
        below = sum(draw.random() < share for _ in range(total))
        covered += low < below <= high or (high == total - 1 and below == total)
    assert covered >= 300 * 0.92


def test_a_score_needs_more_than_the_noise_of_the_day_itself():
    assert robust_score(10, [1, 1, 1, 1]) == math.inf
    assert robust_score(10, [1, 1, 1, 1], least_spread=3) == 3
    assert robust_score(1, [1, 1, 1]) == 0
    assert robust_score(5, [1, 2, 3, 4, 5]) == pytest.approx(2 / 1.4826)


def test_the_jackknife_knows_when_it_knows_nothing():
    assert jackknife_ratio([], []) is None
    assert jackknife_ratio([1, 2], [10, 20]) == (0.1, math.inf)
    ratio, error = jackknife_ratio([1, 2, 3, 4, 5, 6], [10, 20, 30, 40, 50, 60])
    assert (ratio, error) == (pytest.approx(0.1), pytest.approx(0, abs=1e-12))
    assert pytest.approx(stats.norm.ppf(0.975), abs=1e-6) == SURE
