"""The pages of the registry: design, versions, status, owner, prompts; who may, who gets 404, what is refused."""

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.urls import reverse

from apps.core.actors import Actor
from apps.organizations.models import Membership
from apps.registry.models import Agent, AgentVersion, Prompt
from apps.registry.rules.reading import parse_yaml
from apps.registry.rules.writing import plain
from apps.registry.services import agents as service
from apps.registry.services import prompts
from tests.registry.test_rules import DESIGN, ENTRY
from tests.registry.test_services import document

ADA = Actor("person", "ada", "Ada")
SLUG = "booking-agent"


def url(name, *args, organization="acme"):
    return reverse(f"registry:{name}", args=[organization, *args])


@pytest.fixture
def agent(world):
    with world.acme_scope():
        agent = service.register_agent(actor=ADA, document=document())
        service.revise_design(actor=ADA, slug=SLUG, document=document(version="1.3.0", capabilities=["read"]))
        prompt = prompts.register_prompt(actor=ADA, agent=agent, name="System", text="Be kind.")
        prompts.revise_prompt(actor=ADA, agent=agent, slug=prompt.slug, text="Be brief.")
    return agent


def state(world):
    with world.acme_scope():
        return [
            (agent.slug, agent.status, agent.revision, agent.versions.count(), agent.prompts.count())
            for agent in Agent.objects.order_by("slug")
        ]


def form_of(response):
    """Return what a browser would send back unchanged."""
    form = response.context["form"]
    data = {field.html_name: field.value() or "" for field in form if not field.field.disabled}
    data.pop("file", None)
    for rows in (getattr(form, "tools", None), getattr(form, "metrics", None)):
        for row in rows.shown() if rows else []:
            data |= {f"{rows.name}-{row['index']}-{column}": row[column] for column in rows.columns}
    return data


READS = [
    ("design_page", SLUG),
    ("version_page", SLUG, "1.2.0"),
    ("design_download", SLUG, "1.2.0"),
    ("version_list", SLUG),
    ("version_compare", SLUG),
    ("prompt_list", SLUG),
    ("prompt_page", SLUG, "system"),
]
EDITS = [
    ("agent_register",),
    ("design_edit", SLUG),
    ("agent_status", SLUG),
    ("agent_owner", SLUG),
    ("prompt_register", SLUG),
    ("prompt_edit", SLUG, "system"),
]
POSTS = [
    *EDITS,
    ("agent_adopt", "seen-agent"),
    ("version_restore", SLUG, "1.2.0"),
    ("prompt_restore", SLUG, "system", 1),
]


@pytest.mark.parametrize("page", [*READS, *EDITS], ids=lambda page: page[0])
def test_every_page_answers_who_may_see_it(world, agent, page):
    response = world.client("max").get(url(*page))
    assert response.status_code == 200
    if page[0] != "design_download":
        text = response.content.decode()
        assert text.count("<h1") == 1
        assert "style=" not in text
        assert "onclick" not in text


@pytest.mark.parametrize("page", EDITS, ids=lambda page: page[0])
def test_who_may_not_edit_is_told_who_may(world, agent, page):
    response = world.client("vic").get(url(*page))
    assert response.status_code == 403
    assert "Manager" in response.content.decode()


@pytest.mark.parametrize("page", POSTS, ids=lambda page: page[0])
def test_who_may_not_edit_changes_nothing(world, agent, page):
    before = state(world)
    assert world.client("otto").post(url(*page), {"name": "x", "status": "pilot"}).status_code == 403
    assert state(world) == before


@pytest.mark.parametrize("page", [*READS, *POSTS], ids=lambda page: page[0])
@pytest.mark.parametrize("method", ["get", "post"])
def test_mallory_gets_404_everywhere_and_changes_nothing(world, agent, page, method):
    before = state(world)
    mallory = world.client("mallory")
    assert getattr(mallory, method)(url(*page), {"name": "x", "status": "pilot"}).status_code == 404
    if page[0] not in ("agent_register", "agent_adopt"):
        own = getattr(mallory, method)(url(*page, organization="globex"), {"name": "x", "status": "pilot"})
        assert own.status_code in (404, 405)
    assert state(world) == before


def test_an_agent_is_registered_by_form(world):
    client = world.client("max")
    data = form_of(client.get(url("agent_register"), {"slug": "refund-agent"}))
    assert (data["name"], data["id"]) == ("refund-agent", "refund-agent")
    data |= {
        "name": "Refund agent",
        "owner_team": "Payments",
        "in_scope": "refunds\n\nvouchers",
        "restrictions": "no_admin_access\nmax_records_per_query: 100",
        "approval_requirements": "refund: manager_approval",
        "max_cost_per_task": "0.5",
        "tools-0-name": "refund.pay",
        "tools-0-purpose": "pays",
        "tools-0-risk_level": "high",
        "success_metrics-0-metric": "paid right",
        "success_metrics-0-target": "99%",
    }
    response = client.post(url("agent_register"), data)
    assert response.status_code == 302, response.context["form"].errors
    with world.acme_scope():
        agent = Agent.objects.get()
        stored = agent.current_version.document
        assert (agent.slug, agent.name, agent.owner_team) == ("refund-agent", "Refund agent", "Payments")
    assert stored["scope"]["in_scope"] == ["refunds", "vouchers"]
    assert stored["restrictions"] == ["no_admin_access", {"max_records_per_query": 100}]
    assert stored["tools"] == [{"name": "refund.pay", "purpose": "pays", "risk_level": "high"}]
    assert stored["runtime_constraints"] == {"max_cost_per_task": "0.50"}


def test_an_agent_is_registered_by_yaml_text_and_by_file(world):
    client = world.client("max")
    assert client.post(url("agent_register") + "?by=yaml", {"yaml": DESIGN}).status_code == 302
    file = SimpleUploadedFile("entry.yaml", ENTRY.replace("booking", "refund").encode())
    assert client.post(url("agent_register") + "?by=yaml", {"yaml": "", "file": file}).status_code == 302
    with world.acme_scope():
        assert set(Agent.objects.values_list("slug", flat=True)) == {"booking-agent", "refund-agent"}


def test_a_seen_agent_is_registered_with_one_click(world):
    response = world.client("max").post(url("agent_adopt", "seen-agent"), {"environment": "staging"})
    assert response.url == url("design_page", "seen-agent")
    with world.acme_scope():
        assert Agent.objects.get().environment == "staging"
    again = world.client("max").post(url("agent_adopt", "seen-agent"))
    assert again.status_code == 409


def test_an_unchanged_form_makes_no_version(world, agent):
    client = world.client("max")
    data = form_of(client.get(url("design_edit", SLUG)))
    before = state(world)
    assert client.post(url("design_edit", SLUG), data).status_code == 302
    assert state(world) == before


def test_the_form_keeps_what_it_does_not_show(world):
    text = DESIGN + "  cost_center: 4711\n  capabilities: ['first\\n\\nsecond']\n"
    text = text.replace("      risk_level: High\n", "      risk_level: High\n      timeout_seconds: 30\n")
    text = text.replace("capabilities: ['first\\n\\nsecond']", 'capabilities: ["first\\nsecond"]')
    with world.acme_scope():
        service.register_agent(actor=ADA, document=parse_yaml(text).document)
    client = world.client("max")
    data = form_of(client.get(url("design_edit", SLUG))) | {"purpose": "Only changes bookings."}
    assert client.post(url("design_edit", SLUG), data).status_code == 302
    with world.acme_scope():
        stored = Agent.objects.get().current_version.document
    expected = plain(parse_yaml(text).document) | {"purpose": "Only changes bookings.", "version": "1.2.1"}
    assert stored == expected


def test_a_form_tells_every_problem_at_its_field_and_saves_nothing(world, agent):
    client = world.client("max")
    data = form_of(client.get(url("design_edit", SLUG)))
    before = state(world)
    data |= {"max_cost_per_task": "two", "restrictions": "a: [", "version": "1.2"}
    response = client.post(url("design_edit", SLUG), data)
    assert response.status_code == 422
    assert set(response.context["form"].errors) == {"restrictions"}
    response = client.post(url("design_edit", SLUG), data | {"restrictions": "", "tools-0-purpose": "x" * 20_000})
    assert {"max_cost_per_task", "version", "__all__"} <= set(response.context["form"].errors)
    assert 'aria-invalid="true"' in response.content.decode()
    taken = client.post(
        url("design_edit", SLUG), data | {"max_cost_per_task": "2", "restrictions": "", "version": "1.2.0"}
    )
    assert taken.context["form"].errors["version"] == ["Version 1.2.0 exists with another content; write 1.4.0."]
    assert state(world) == before


def test_yaml_errors_point_to_their_line(world, agent):
    client = world.client("max")
    before = state(world)
    bad = DESIGN.replace("High", "enormous").replace("Supervisor", "matrix")
    response = client.post(url("design_edit", SLUG) + "?by=yaml", {"yaml": bad})
    text = response.content.decode()
    assert response.status_code == 422
    assert 'data-place="14:14"' in text
    assert 'id="line-22"' in text
    assert "low, medium, high" in text
    assert "enormous" in text
    assert state(world) == before


def test_a_check_shows_the_change_and_saves_nothing(world, agent):
    client = world.client("max")
    data = form_of(client.get(url("design_edit", SLUG))) | {"purpose": "Books.", "action": "check"}
    before = state(world)
    response = client.post(url("design_edit", SLUG), data)
    assert response.status_code == 200
    assert [change.path for change in response.context["changes"]] == ["purpose"]
    assert response.context["proposed"] == "1.3.1"
    assert state(world) == before


def test_an_edit_against_an_old_state_shows_both_and_saves_nothing(world, agent):
    client = world.client("max")
    data = form_of(client.get(url("design_edit", SLUG))) | {"purpose": "Mine."}
    with world.acme_scope():
        service.revise_design(actor=ADA, slug=SLUG, document=document(version="2.0.0", purpose="Theirs."))
    before = state(world)
    response = client.post(url("design_edit", SLUG), data)
    text = response.content.decode()
    assert response.status_code == 409
    assert "Theirs." in text
    assert "Mine." in text
    assert state(world) == before
    again = client.post(url("design_edit", SLUG), data | {"etag": response.context["etag"]})
    assert again.status_code == 302


def test_versions_are_compared_and_restored(world, agent):
    client = world.client("max")
    response = client.get(url("version_compare", SLUG), {"from": "1.2.0", "to": "1.3.0"})
    assert "Capabilities: added “read”" in response.content.decode()
    assert client.get(url("version_compare", SLUG), {"from": "9.9.9"}).status_code == 404
    assert client.post(url("version_restore", SLUG, "1.2.0")).status_code == 302
    with world.acme_scope():
        assert AgentVersion.objects.order_by("-number").first().restored_from == "1.2.0"
    assert client.post(url("version_restore", SLUG, "1.2.0")).status_code == 409


@pytest.mark.parametrize("shape", ["agent", "agent_design"])
def test_a_design_is_downloaded_in_both_shapes(world, agent, shape):
    response = world.client("vic").get(url("design_download", SLUG, "1.2.0"), {"shape": shape})
    assert response["Content-Disposition"] == 'attachment; filename="booking-agent-1.2.0.yaml"'
    assert response.content.decode().startswith(f"{shape}:")
    assert parse_yaml(response.content.decode()).document == document()


def test_the_status_is_changed_with_a_reason(world, agent):
    client = world.client("max")
    assert client.post(url("agent_status", SLUG), {"status": "pilot"}).status_code == 302
    refused = client.post(url("agent_status", SLUG), {"status": "suspended"})
    assert refused.status_code == 422
    assert "reason" in refused.context["form"].errors
    assert client.post(url("agent_status", SLUG), {"status": "suspended", "reason": "loops"}).status_code == 302
    with world.acme_scope():
        assert Agent.objects.get().status == "suspended"


def test_an_owner_is_assigned_from_the_members_only(world, agent):
    client = world.client("max")
    with world.acme_scope():
        rita = Membership.objects.get(user=world.rita)
    with world.globex_scope():
        mallory = Membership.objects.get(user=world.mallory)
    assert client.post(url("agent_owner", SLUG), {"team": "Desk", "person": str(rita.pk)}).status_code == 302
    assert client.post(url("agent_owner", SLUG), {"team": "Desk", "person": str(mallory.pk)}).status_code == 422
    with world.acme_scope():
        assert Agent.objects.get().owner_person == rita


def test_prompts_are_registered_revised_and_restored(world, agent):
    client = world.client("max")
    made = client.post(url("prompt_register", SLUG), {"name": "Greeting", "text": "Hello"})
    assert made.url == url("prompt_page", SLUG, "greeting")
    assert client.post(url("prompt_register", SLUG), {"name": "Greeting", "text": "Hello"}).status_code == 422
    data = form_of(client.get(url("prompt_edit", SLUG, "greeting"))) | {"text": "Good day"}
    assert client.post(url("prompt_edit", SLUG, "greeting"), data).status_code == 302
    stale = client.post(url("prompt_edit", SLUG, "greeting"), data | {"text": "Hi"})
    assert stale.status_code == 422
    assert client.post(url("prompt_restore", SLUG, "greeting", 1)).status_code == 302
    with world.acme_scope():
        assert Prompt.objects.get(slug="greeting").current_version.text == "Hello"


def test_hostile_texts_are_shown_as_text(world):
    with world.acme_scope():
        service.register_agent(
            actor=ADA,
            document=parse_yaml("agent:\n  id: x\n  name: <script>alert(1)</script>\n  owner: '\"><b>'\n").document,
        )
    client = world.client("max")
    for name in ("design_page", "design_edit", "version_list"):
        assert "<script>alert" not in client.get(url(name, "x")).content.decode()


def test_lists_take_the_same_queries_for_many_versions(world, agent, django_assert_max_num_queries):
    with world.acme_scope():
        for number in range(30):
            service.revise_design(
                actor=ADA, slug=SLUG, document=document(version=f"2.{number}.0", capabilities=[str(number)])
            )
    client = world.client("max")
    for name in ("design_page", "version_list", "version_compare"):
        with django_assert_max_num_queries(20):
            assert client.get(url(name, SLUG)).status_code == 200
