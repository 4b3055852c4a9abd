"""What needs a person, gathered from the apps below: each with its reason and the page where it is dealt with."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import NamedTuple
from urllib.parse import quote

from django.urls import reverse

from apps.core import formats
from apps.telemetry.models import Task
from apps.telemetry.selectors.fleet import FleetRow, UnpricedModel, strangers, unpriced_models
from apps.telemetry.views.tiles import spaced

# More of one kind than this are told as one.
SINGLE = 3
# A person who is waited for longer than this is a matter for somebody else.
LONG_WAIT = timedelta(hours=1)


class Need(NamedTuple):
    """One thing that a person should look at; `registers` names the agent that one click registers (there)."""

    verdict: str
    title: str
    text: str
    url: str
    button: str
    registers: str = ""
    environment: str = ""


def needs(slug: str, rows: Sequence[FleetRow], since: datetime, *, now: datetime) -> list[Need]:
    """Return what needs a person, the most pressing first."""
    unhealthy = [_unhealthy(slug, row) for row in rows if row.verdict == "unhealthy"]
    return [
        *unhealthy,
        *_waiting(slug, now),
        *_strangers(slug, rows, now),
        *_unpriced(slug, since),
        *_unowned(slug, rows),
    ]


def _unhealthy(slug: str, row: FleetRow) -> Need:
    bad = row.unhealthy
    names = " and ".join(metric.name.lower() if place else metric.name for place, metric in enumerate(bad))
    return Need(
        "unhealthy",
        f"{names} of {row.slug} {'is' if len(bad) == 1 else 'are'} unhealthy",
        " ".join(f"{''.join(spaced(metric))}: {metric.reason[:1].lower()}{metric.reason[1:]}" for metric in bad),
        reverse("telemetry:agent_page", args=[slug, row.slug]),
        "Open agent",
    )


def _waiting(slug: str, now: datetime) -> list[Need]:
    waiting = Task.objects.filter(status="waiting", started_at__lt=now - LONG_WAIT).order_by("started_at")
    count = waiting.count()
    if not count:
        return []
    oldest = formats.ago(waiting[0].started_at, now=now)
    return [
        Need(
            "watch",
            f"{formats.count(count)} task{'s wait' if count > 1 else ' waits'} for a person",
            f"The longest since {oldest.removesuffix(' ago')}.",
            reverse("telemetry:task_list", args=[slug]) + "?status=waiting&period=all",
            "Open tasks",
        )
    ]


def _strangers(slug: str, rows: Sequence[FleetRow], now: datetime) -> list[Need]:
    found = strangers()
    places = {row.slug: row.environment for row in rows}
    if len(found) > SINGLE:
        names = ", ".join(sighting.agent for sighting in found[:SINGLE])
        return [
            Need(
                "unknown",
                f"{len(found)} agents report traces but are not registered",
                f"{names} and {len(found) - SINGLE} more.",
                reverse("telemetry:agent_list", args=[slug]) + "?status=unregistered",
                "Open agents",
            )
        ]
    return [
        Need(
            "unknown",
            f"{sighting.agent} reports traces but is not registered",
            f"First seen {formats.ago(sighting.first_seen_at, now=now)}, "
            f"last {formats.ago(sighting.last_seen_at, now=now)}.",
            reverse("telemetry:agent_page", args=[slug, sighting.agent]),
            "Register",
            sighting.agent,
            places.get(sighting.agent, ""),
        )
        for sighting in found
    ]


def _unpriced(slug: str, since: datetime) -> list[Need]:
    found: list[UnpricedModel] = unpriced_models(since)
    prices = reverse("telemetry:price_settings", args=[slug])
    if len(found) > SINGLE:
        calls = formats.count(sum(model.call_count for model in found))
        names = ", ".join(model.model for model in found[:SINGLE])
        return [
            Need(
                "watch", f"{len(found)} models have no price", f"{calls} calls: {names} and more.", prices, "Set prices"
            )
        ]
    return [
        Need(
            "watch",
            f"{model.model} has no price",
            f"{formats.count(model.call_count)} calls cost nobody knows what.",
            f"{prices}?model={quote(model.model)}",
            "Set price",
        )
        for model in found
    ]


def _unowned(slug: str, rows: Sequence[FleetRow]) -> list[Need]:
    found = [row for row in rows if row.is_unowned]
    if len(found) > SINGLE:
        url = reverse("telemetry:agent_list", args=[slug]) + "?status=unowned"
        names = ", ".join(row.slug for row in found[:SINGLE])
        return [
            Need("watch", f"{len(found)} agents have no owner", f"{names} and {len(found) - SINGLE} more.", url, "Open")
        ]
    return [
        Need(
            "watch",
            f"{row.slug} has no owner",
            "Nobody answers for what it does.",
            reverse("telemetry:agent_page", args=[slug, row.slug]),
            "Open agent",
        )
        for row in found
    ]
