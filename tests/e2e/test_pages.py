"""Every page of the fleet in a browser: wide and narrow, light and dark, with the keyboard, and without JavaScript."""

import re

import pytest
from playwright.sync_api import expect

from tests.e2e.conftest import faults_of
from tests.telemetry.runs import run, send, settle_all, step

pytestmark = [pytest.mark.e2e, pytest.mark.committed]

LONG = "an-agent-for-wholesale-and-corporate-rates-whose-name-is-as-long-as-names-in-large-organizations-get"
PAGES = [
    "",
    "agents/",
    "agents/support-agent/",
    f"agents/{LONG}/",
    "tasks/",
    "tasks/?status=waiting",
    "traces/s0/",
    "traces/nested/?span=nested-10",
    "first-steps/",
    "settings/",
    "settings/people/",
    "settings/keys/",
    "settings/prices/",
    "audit/",
]


@pytest.fixture
def fleet(committed_world):
    """An agent with two days of tasks, one with a name that is too long, a trace that is deep."""
    spans = []
    for number in range(60):
        failed = number % 4 == 0
        spans += run(
            f"s{number}",
            at=-number * 2800,
            status="error" if failed else "ok",
            status_message="no answer from the seat service in 8000 ms" if failed else None,
            error_category="timeout" if failed else None,
            agent_version="2.0" if number < 30 else "1.0",
            task_type="booking",
        )
    spans += run("long", agent=LONG, user_id="u" * 120, task_type="word " * 60, model="m" * 90)
    spans += [step("nested", "0", takes=30.0)]
    spans += [
        step("nested", str(number), parent=str(number - 1), at=float(number), takes=1.0) for number in range(1, 30)
    ]
    send(committed_world.acme, *spans)
    settle_all(committed_world.acme)
    return committed_world


@pytest.mark.parametrize(("width", "dark"), [(1440, False), (390, False), (390, True), (768, True)])
def test_every_page_is_sound(fleet, visit, width, dark):
    page = visit(width=width, dark=dark, client=fleet.client("ada"))
    faults = []
    for path in PAGES:
        answer = page.goto(f"/o/acme/{path}")
        assert answer.status == 200, path
        faults += faults_of(page)
    assert faults == []


def test_the_filters_narrow_while_the_address_follows(fleet, visit):
    page = visit(client=fleet.client("vic"))
    page.goto("/o/acme/tasks/")
    page.get_by_label("Status").select_option("failed")
    expect(page.locator("tbody tr")).to_have_count(15)
    expect(page).to_have_url(re.compile("status=failed"))
    page.get_by_role("link", name=re.compile("Status: Failed")).click()
    expect(page.locator("tbody tr")).to_have_count(50)
    page.get_by_role("searchbox").fill("s7")
    expect(page.locator("tbody tr")).to_have_count(1)


def test_a_trace_opens_its_spans_in_place_and_by_key(fleet, visit):
    page = visit(client=fleet.client("vic"))
    page.goto("/o/acme/traces/s0/")
    page.get_by_role("link", name=re.compile("search")).click()
    expect(page.locator("#detail h2")).to_have_text("search")
    expect(page).to_have_url(re.compile("span=s0-tool"))
    expect(page.locator(".trace a[aria-current]")).to_have_count(1)
    page.go_back()
    expect(page.locator("#detail h2")).not_to_have_text("search")
    page.goto("/o/acme/traces/s0/?span=s0-tool")
    page.keyboard.press("f")
    expect(page.locator("#detail")).to_contain_text("no answer from the seat service")
    page.keyboard.press("c")
    expect(page).to_have_url(re.compile("only=critical"))


def test_steps_fold_and_unfold(fleet, visit):
    page = visit(client=fleet.client("vic"))
    page.goto("/o/acme/traces/nested/")
    expect(page.locator(".trace a:visible")).to_have_count(30)
    page.locator(".trace summary").nth(4).click()
    expect(page.locator(".trace a:visible")).to_have_count(5)


def test_everything_is_reachable_without_javascript(fleet, visit):
    page = visit(client=fleet.client("vic"), javascript=False)
    page.goto("/o/acme/")
    page.get_by_role("link", name="Agents", exact=True).click()
    page.get_by_role("link", name="support-agent").click()
    page.locator("a.value").first.click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Traces")
    page.get_by_role("searchbox").fill("s7")
    page.keyboard.press("Enter")
    expect(page.locator("tbody tr")).to_have_count(1)
    page.locator("tbody a.row-link").first.click()
    page.locator(".trace a").nth(2).click()
    expect(page.locator("#detail h2")).to_have_text("search")


def test_appearance_and_keys_are_remembered(fleet, visit):
    page = visit(client=fleet.client("vic"))
    page.goto("/o/acme/")
    page.get_by_role("button", name=re.compile("Account of")).click()
    page.locator("[data-theme-switch]").click()
    page.locator("[data-theme-switch]").click()
    page.goto("/o/acme/agents/")
    assert page.evaluate("document.documentElement.dataset.theme") == "dark"
    page.keyboard.press("g")
    page.keyboard.press("t")
    expect(page).to_have_url(re.compile("/tasks/"))
    page.keyboard.press("?")
    page.get_by_label(re.compile("Use keyboard shortcuts")).uncheck()
    page.keyboard.press("Escape")
    page.keyboard.press("g")
    page.keyboard.press("a")
    expect(page).to_have_url(re.compile("/tasks/"))
