from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from apps.core import charts

START = datetime(2026, 11, 16, tzinfo=UTC)


def days(count):
    return [START + timedelta(days=index) for index in range(count)]


def test_a_gap_stays_a_gap_and_a_lonely_point_becomes_a_dot():
    spark = charts.spark([0.9, 0.91, None, 0.92, None, 0.9, 0.9], label="Success rate")
    assert spark.path.count("M") == 3
    assert spark.path.count("h.3") == 1


def test_nothing_is_drawn_of_fewer_than_two_points():
    assert charts.spark([None, 0.5, None], label="") is None
    assert charts.chart(days(3), [[None, 0.5, None]], texts=charts.Texts("share"), label="") is None


def test_the_axis_uses_round_numbers_and_the_band_lies_inside():
    found = charts.chart(
        days(5), [[0.83, 0.86, 0.91, 0.9, 0.88]], band=(0.85, 0.95), texts=charts.Texts("share"), label="x"
    )
    assert [tick.text for tick in found.y_ticks] == ["80%", "85%", "90%", "95%"]
    assert 0 <= found.band_top < found.band_top + found.band_height <= charts.CHART_HEIGHT
    assert [tick.text for tick in found.x_ticks] == ["16 Nov", "17 Nov", "19 Nov", "20 Nov"]


def test_a_rate_near_zero_starts_at_zero():
    found = charts.chart(days(3), [[0.01, 0.02, 0.04]], band=(0, 0.05), texts=charts.Texts("share"), label="x")
    assert found.y_ticks[0].text == "0%"


def test_deployments_outside_the_picture_are_left_out_and_crowded_names_are_dropped():
    events = [(START - timedelta(days=1), "v1"), (START + timedelta(days=5), "v2"), (START + timedelta(days=5.5), "v3")]
    found = charts.chart(days(10), [[1.0] * 10], events=events, texts=charts.Texts("usd"), label="x")
    assert [event.text for event in found.events] == ["", "v3"]


def test_durations_are_written_in_the_unit_that_fits():
    texts = charts.Texts("us")
    assert texts(30e6, 10e6) == "30 s"
    assert texts(250_000, 50_000) == "250 ms"
    assert texts(600e6, 300e6) == "10 min"


@given(
    st.lists(st.one_of(st.none(), st.floats(0, 1e9, allow_subnormal=False)), min_size=2, max_size=60),
    st.sampled_from([(None, None), (0.85, 0.95), (0.0, 3e7), (None, 0.05)]),
)
def test_every_series_can_be_drawn(values, band):
    found = charts.chart(days(len(values)), [values], band=band, texts=charts.Texts("us"), label="x")
    if found is not None:
        assert all(-0.1 <= tick.at <= charts.CHART_HEIGHT + 0.1 for tick in found.y_ticks)
        assert len(found.y_ticks) <= 8
        assert "nan" not in found.paths[0]
