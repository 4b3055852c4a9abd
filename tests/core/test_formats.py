"""How values read."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest

from apps.core import formats

NOW = datetime(2026, 11, 24, 9, 42, tzinfo=UTC)


@pytest.mark.parametrize(
    ("value", "text"),
    [(0, "0"), (48_213, "48,213"), (999_999, "999,999"), (1_234_567, "1.2 M"), (-5, "−5"), (None, "—")],
)
def test_counts(value, text):
    assert formats.count(value) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("1240", "$1,240.00"),
        ("1", "$1.00"),
        ("0.184", "$0.184"),
        ("0.0005576", "$0.000558"),
        ("0", "$0"),
        ("-0.4", "−$0.400"),
        ("0.0000000001", "<$0.00000001"),
        (None, "—"),
    ],
)
def test_money(value, text):
    assert formats.money(None if value is None else Decimal(value)) == text


@pytest.mark.parametrize(
    ("microseconds", "text"),
    [
        (0, "0 ms"),
        (400, "0.4 ms"),
        (340_000, "340 ms"),
        (999_900, "1.0 s"),
        (21_800_000, "21.8 s"),
        (59_960_000, "1 min"),
        (200_000_000, "3 min 20 s"),
        (4_320_000_000, "1 h 12 min"),
        (3 * 86_400_000_000, "3 days"),
        (None, "—"),
    ],
)
def test_durations(microseconds, text):
    assert formats.duration(microseconds) == text


def test_limits_have_no_decimals():
    assert [formats.whole_duration(seconds * 1e6) for seconds in (30, 300, 3600, 90)] == [
        "30 s",
        "5 min",
        "1 h",
        "90 s",
    ]


def test_shares_and_their_differences():
    assert formats.percent(0.914) == "91.4%"
    assert formats.percent(None) == "—"
    assert formats.points(-0.004) == "−0.4 pt"
    assert formats.points(0.006) == "+0.6 pt"
    assert [formats.whole_percent(share) for share in (0.61, 0.001, 0, None)] == ["61%", "<1%", "0%", "—"]


def test_moments_say_as_much_as_is_needed_in_the_readers_zone():
    def told(at):
        return formats.moment(at, now=NOW, zone=ZoneInfo("Europe/Berlin"))

    assert told(NOW) == "10:42"
    assert told(NOW - timedelta(days=1)) == "23 Nov 10:42"
    assert told(NOW - timedelta(days=400)) == "20 Oct 2025"
    assert told(None) == "—"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (12, "12 s ago"),
        (180, "3 min ago"),
        (7200, "2 h ago"),
        (86_400, "1 day ago"),
        (432_000, "5 days ago"),
        (-5, "0 s ago"),
    ],
)
def test_how_long_ago(seconds, text):
    assert formats.ago(NOW - timedelta(seconds=seconds), now=NOW) == text


def test_acts_read_as_people_say_them():
    assert formats.act("agent.registered") == "Registered agent"
    assert formats.act("api_key.created") == "Created api key"


def test_ids_are_cut_in_the_middle():
    assert formats.shortened("7f3a9c12aaaaaaaaaaaac21e") == "7f3a9c12…c21e"
    assert formats.shortened("short") == "short"
