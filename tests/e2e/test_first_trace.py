"""The first five minutes: sign up, create an organization, take a key, see the first span, its metrics, its trace."""

import json
import re
from datetime import UTC, datetime, timedelta
from urllib.request import Request, urlopen

import pytest
from playwright.sync_api import expect

from tests.e2e.conftest import assert_sound

pytestmark = [pytest.mark.e2e, pytest.mark.committed]


def report(site: str, key: str, count: int) -> None:
    """Report tasks as the snippet of the page does."""
    now = datetime.now(UTC)
    events = [
        {
            "timestamp": (now - timedelta(minutes=number)).isoformat(),
            "agent_id": "my-agent",
            "event_type": "task_completed",
            "duration_ms": 5120,
            "cost_usd": 0.138,
        }
        for number in range(1, count + 1)
    ]
    request = Request(
        f"{site}/api/v1/events",
        data=json.dumps(events).encode(),
        headers={"Authorization": f"Bearer {key}", "Content-Type": "application/json"},
    )
    with urlopen(request) as answer:
        assert answer.status < 300


def test_from_sign_up_to_the_first_trace(visit, site):
    page = visit()
    page.goto("/accounts/signup/")
    assert_sound(page)
    page.get_by_label("Email").fill("nora@example.com")
    page.get_by_label("Password", exact=True).fill("a long enough passphrase")
    page.get_by_role("button", name=re.compile("sign up", re.IGNORECASE)).click()

    expect(page).to_have_url(re.compile("/welcome/new/"))
    assert_sound(page)
    page.get_by_label("Name").fill("Nordic Rail")
    expect(page.locator("[data-slug-from]")).to_have_value("nordic-rail")
    page.get_by_role("button", name=re.compile("create", re.IGNORECASE)).click()

    expect(page).to_have_url(re.compile("/o/nordic-rail/first-steps/"))
    page.get_by_role("button", name=re.compile("create.*key", re.IGNORECASE)).click()
    key = page.locator("#fresh-key").inner_text().strip()
    expect(page.locator("#first-span")).to_contain_text("Waiting for the first span")
    assert_sound(page)

    report(site, key, 40)
    expect(page.locator("#first-span")).to_contain_text("my-agent")
    assert_sound(page)

    page.get_by_role("link", name=re.compile("six metrics")).click()
    expect(page.get_by_role("heading", level=1)).to_have_text("my-agent")
    expect(page.get_by_role("heading", name="Success rate")).to_be_visible()
    expect(
        page.locator("section", has=page.get_by_role("heading", name="Cost per task")).locator(".value")
    ).to_have_text("$0.138")
    assert_sound(page)

    page.get_by_role("button", name="Register agent").click()
    page.goto("/o/nordic-rail/")
    expect(page.get_by_role("heading", level=1)).to_contain_text("need")
    assert_sound(page)

    page.get_by_role("link", name="Traces", exact=True).click()
    expect(page.locator("tbody tr")).to_have_count(40)
    assert_sound(page)
    page.keyboard.press("j")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Spans", exact=True)).to_be_visible()
    expect(page.locator("#detail")).to_contain_text("Critical path")
    assert_sound(page)
