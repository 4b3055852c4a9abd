"""The pages of the fleet, of tasks and of traces: what they show, where their figures lead, how they narrow."""

import re
from decimal import Decimal

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from apps.core.actors import SYSTEM
from apps.registry.rules.document import Document, Owner
from apps.registry.services.agents import register_agent
from apps.telemetry.services.outcomes import record_outcome
from tests.telemetry.runs import inside, run, send, settle_all, step

DAY = 24 * 3600


def url(name, *args):
    return reverse(f"telemetry:{name}", args=["acme", *args])


def text_of(response):
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", response.content.decode()))


@pytest.fixture
def fleet(committed_world):
    """An agent that is registered and fails too often, one that nobody has registered, one without tasks."""
    spans = []
    for number in range(60):
        failed = number % 4 == 0
        spans += run(
            f"s{number}",
            at=-number * 3600,
            status="error" if failed else "ok",
            status_message="no seat" if failed else None,
            error_category="timeout" if failed else None,
            escalation_reason="low_confidence" if number % 10 == 1 else None,
            task_type="booking",
            agent_version="2.0" if number < 30 else "1.0",
            user_id=f"user-{number % 3}",
            cost=Decimal("0.02"),
        )
    for number in range(3):
        spans += run(f"x{number}", at=-number * 60, agent="stranger")
    send(committed_world.acme, *spans)
    settle_all(committed_world.acme)
    with inside(committed_world.acme):
        for name, team in (("support-agent", "Care"), ("sleeper", "")):
            register_agent(actor=SYSTEM, document=Document(name=name, slug=name, owner=Owner(team=team)))
    return committed_world


def test_the_fleet_stands_worst_first_and_says_so(fleet):
    response = fleet.client("vic").get(url("agent_list"))
    page = text_of(response)
    assert "1 of 3 agents is unhealthy" in page
    assert [item.row.slug for item in response.context["rows"]] == ["support-agent", "stranger", "sleeper"]
    assert "Errors above 5%" in page
    assert "3 tasks" in page
    assert "No tasks" in page


@pytest.mark.parametrize(
    ("query", "slugs"),
    [
        ("text=supp", ["support-agent"]),
        ("text=care", ["support-agent"]),
        ("team=Care", ["support-agent"]),
        ("status=unregistered", ["stranger"]),
        ("status=unowned", ["sleeper"]),
        ("status=draft", ["support-agent", "sleeper"]),
        ("sort=name", ["sleeper", "stranger", "support-agent"]),
        ("sort=-name", ["support-agent", "stranger", "sleeper"]),
        ("sort=tasks", ["support-agent", "stranger", "sleeper"]),
        ("sort=error_rate", ["support-agent", "stranger", "sleeper"]),
        ("sort=nonsense&page=7", ["support-agent", "stranger", "sleeper"]),
        ("environment=production", ["support-agent", "stranger", "sleeper"]),
    ],
)
def test_the_fleet_narrows_and_sorts(fleet, query, slugs):
    response = fleet.client("vic").get(f"{url('agent_list')}?{query}")
    assert [item.row.slug for item in response.context["rows"]] == slugs


def test_an_empty_answer_names_the_filter_and_offers_the_way_out(fleet):
    page = text_of(fleet.client("vic").get(f"{url('agent_list')}?text=nobody&team=Care"))
    assert "3 agents without “nobody”, Care." in page
    assert "Show all agents" in page


def test_only_who_may_edit_agents_is_offered_to_register_one(fleet):
    adopt = reverse("registry:agent_adopt", args=["acme", "stranger"])
    assert adopt in fleet.client("max").get(url("agent_list")).content.decode()
    assert adopt not in fleet.client("vic").get(url("agent_list")).content.decode()
    assert adopt not in fleet.client("vic").get(url("agent_page", "stranger")).content.decode()


def test_registering_a_stranger_takes_one_click(fleet):
    client = fleet.client("max")
    answer = client.post(reverse("registry:agent_adopt", args=["acme", "stranger"]), {"environment": "production"})
    assert answer.status_code == 302
    assert "nobody answers for it" not in text_of(client.get(url("agent_page", "stranger")))


def test_an_agents_page_shows_six_metrics_each_with_its_rows(fleet):
    response = fleet.client("vic").get(url("agent_page", "support-agent"))
    page = response.content.decode()
    assert [card.tile.key for card in response.context["cards"]] == [
        "success_rate",
        "cost_per_task",
        "latency",
        "escalation_rate",
        "error_rate",
        "business_outcome",
    ]
    for link in re.findall(r'class="value evidence" href="([^"]+)"', page):
        assert fleet.client("vic").get(link.replace("&amp;", "&")).context["count"] > 0
    assert "25.0" in page
    assert 'role="img" aria-label="Error rate in 7 days: 25.0%, above 5%"' in page
    assert 'class="event"' in page, "the deployment of 2.0 is marked"


def test_an_agents_page_narrows_to_one_version(fleet):
    response = fleet.client("vic").get(f"{url('agent_page', 'support-agent')}?agent_version=2.0")
    assert response.context["picture"].sums.task_count == 30


def test_an_agent_without_tasks_says_so(fleet):
    assert "No tasks in 7 days" in text_of(fleet.client("vic").get(url("agent_page", "sleeper")))


def test_an_unknown_agent_is_missing(fleet):
    assert fleet.client("vic").get(url("agent_page", "nobody")).status_code == 404


@pytest.mark.parametrize(
    ("query", "count"),
    [
        ("", 63),
        ("agent=stranger", 3),
        ("status=failed", 15),
        ("error_category=timeout", 15),
        ("escalation_reason=any", 6),
        ("escalation_reason=user_request", 0),
        ("agent_version=2.0", 30),
        ("user_id=user-1", 20),
        ("tool=search&agent=stranger", 3),
        ("tool=other", 0),
        ("text=s7", 1),
        ("period=all&agent=support-agent", 60),
        ("period=nonsense", 63),
        ("environment=nowhere", 63),
    ],
)
def test_tasks_narrow_by_what_the_address_says(fleet, query, count):
    response = fleet.client("vic").get(f"{url('task_list')}?{query}")
    assert response.status_code == 200
    assert response.context["count"] == count


def test_pages_of_tasks_follow_each_other_without_a_gap(fleet):
    client = fleet.client("vic")
    first = client.get(url("task_list"))
    second = client.get(f"{url('task_list')}?cursor={first.context['next']}")
    seen = [task.task_id for response in (first, second) for task in response.context["tasks"]]
    assert len(seen) == len(set(seen)) == 63
    assert second.context["next"] is None
    assert "Newest" in text_of(second)


def test_no_task_names_the_filters_and_each_can_be_removed(fleet):
    response = fleet.client("vic").get(f"{url('task_list')}?status=waiting&agent=stranger")
    page = text_of(response)
    assert "None in 7 days has “Agent: stranger” and “Status: Waiting for a person”." in page
    assert [chip.without for chip in response.context["chips"]] == ["status=waiting", "agent=stranger"]


def test_htmx_gets_the_results_alone(fleet):
    response = fleet.client("vic").get(url("task_list"), headers={"HX-Request": "true"})
    assert b"<html" not in response.content
    assert b'id="results"' in response.content
    assert response["Vary"].count("HX-Request") == 1


def test_a_trace_shows_its_steps_its_costs_and_one_in_detail(fleet):
    response = fleet.client("vic").get(url("trace_page", "s0"))
    page = response.content.decode()
    assert [row.step.span_id for row, _, _ in response.context["rows"]] == ["s0-root", "s0-model", "s0-tool"]
    assert response.context["costs"]["s0-root"] == Decimal("0.02")
    assert response.context["chosen"].span_id == "s0-root", "the step that failed"
    assert page.count("<details open>") == page.count("</ol></details>") == 1
    assert "no seat" in page


def test_a_span_can_be_linked_to_and_comes_alone_for_htmx(fleet):
    address = f"{url('trace_page', 's1')}?span=s1-tool"
    assert fleet.client("vic").get(address).context["chosen"].span_id == "s1-tool"
    part = fleet.client("vic").get(address, headers={"HX-Request": "true"})
    assert b"<html" not in part.content
    assert b'id="detail"' in part.content


@pytest.mark.parametrize(("only", "spans"), [("critical", 3), ("errors", 1), ("nonsense", 3)])
def test_a_trace_narrows_to_its_critical_path_or_its_errors(fleet, only, spans):
    assert len(fleet.client("vic").get(f"{url('trace_page', 's0')}?only={only}").context["rows"]) == spans


def test_a_long_trace_is_cut_until_all_is_asked_for(committed_world):
    steps = [step("long", "root", takes=2000.0)]
    steps += [step("long", f"n{number}", parent="root", at=float(number)) for number in range(400)]
    steps += [step("long", "deep-0", parent="n399", at=399.0)]
    steps += [step("long", f"deep-{n}", parent=f"deep-{n - 1}", at=399.0) for n in range(1, 250)]
    send(committed_world.acme, *steps)
    settle_all(committed_world.acme)
    client = committed_world.client("vic")
    cut = client.get(url("trace_page", "long"))
    assert len(cut.context["rows"]) == 300
    assert cut.context["hidden_count"] == 351
    whole = client.get(f"{url('trace_page', 'long')}?all=1").content.decode()
    assert whole.count("<details open>") == whole.count("</ol></details>")
    assert client.get(f"{url('trace_page', 'long')}?span=long-n350").context["chosen"].span_id == "long-n350"


def test_hostile_contents_are_shown_and_not_run(committed_world):
    nasty = "<script>alert(1)</script>"
    send(
        committed_world.acme,
        step(
            "bad", "root", name=nasty, input=f'{{"{nasty}": "{nasty}"}}', output=nasty, attributes={nasty: nasty},
            events=[{"name": nasty, "at": "2026-11-23T00:00:00Z", "attributes": {nasty: nasty}}],
            status="error", status_message=nasty, error_type=nasty, user_id=nasty, agent_version=nasty,
        ),
    )  # fmt: skip
    settle_all(committed_world.acme)
    client = committed_world.client("vic")
    for path in (url("trace_page", "bad"), url("task_list"), url("agent_page", "support-agent")):
        assert nasty not in client.get(path).content.decode()


def test_a_trace_can_be_taken_away_as_json(fleet):
    body = fleet.client("vic").get(url("trace_json", "s0")).json()
    assert [span["span_id"] for span in body["spans"]] == ["s0-root", "s0-model", "s0-tool"]


def test_what_came_of_a_task_stands_on_its_trace(fleet):
    with inside(fleet.acme):
        record_outcome(actor=SYSTEM, task_id=None, trace_id="s1", evaluated_success=False, source="test",
                       business_value_usd=Decimal("12.5"), outcome_name="booked")  # fmt: skip
    settle_all(fleet.acme)
    page = text_of(fleet.client("vic").get(url("trace_page", "s1")))
    assert "Evaluated: bad" in page
    assert "Worth $12.50" in page


@pytest.mark.parametrize("name", ["agent_list", "task_list"])
def test_a_list_of_thirty_takes_as_many_queries_as_one_of_three(committed_world, name):
    def count():
        with CaptureQueriesContext(connection) as queries:
            assert committed_world.client("vic").get(url(name)).status_code == 200
        return len(queries)

    for number in range(3):
        send(committed_world.acme, *run(f"a{number}", agent=f"agent-{number}"))
    settle_all(committed_world.acme)
    count()
    few = count()
    for number in range(3, 30):
        send(committed_world.acme, *run(f"a{number}", agent=f"agent-{number}"))
    settle_all(committed_world.acme)
    assert count() <= few
