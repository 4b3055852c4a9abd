"""The registry over HTTP: both content types, errors with their place, entity tags, repeated requests, pages."""

import json
import uuid
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import connection

from apps.core.actors import Actor
from apps.registry.models import Agent, AgentVersion, IdempotencyRecord
from apps.registry.rules.reading import parse_yaml
from apps.registry.services import agents as service
from apps.registry.services import prompts
from tests.registry.test_rules import DESIGN, ENTRY

ADA = Actor("person", "ada", "Ada")
AGENTS = "/api/v1/agents"
AGENT = f"{AGENTS}/booking-agent"
YAML = "application/yaml"


@pytest.fixture
def api(world):
    return world.api()


@pytest.fixture
def agent(api):
    response = api.post(AGENTS, DESIGN, content_type=YAML)
    assert response.status_code == 201, response.content
    return response


def put(api, text, **headers):
    return api.put(AGENT, text, content_type=YAML, headers=headers)


def stored(world):
    with world.acme_scope():
        return Agent.objects.count(), AgentVersion.objects.count()


def test_an_agent_is_registered_from_yaml_in_either_shape(api, agent):
    body = agent.json()
    assert (body["slug"], body["status"], body["version"]) == ("booking-agent", "draft", "1.2.0")
    assert body["owner"] == {"team": "Travel desk", "person": None}
    assert agent["Location"] == AGENT
    entry = api.post(AGENTS, ENTRY.replace("id: booking-agent", "id: refund-agent"), content_type="text/yaml")
    assert entry.json()["design"]["runtime_constraints"]["max_cost_per_task"] == "0.50"


def test_an_agent_is_registered_from_json_with_what_stands_beside(api):
    body = {"design": {"name": "Refund agent"}, "environment": "staging", "criticality": "high", "note": "new"}
    response = api.post(AGENTS, body, content_type="application/json")
    assert response.status_code == 201
    assert (response.json()["environment"], response.json()["criticality"]) == ("staging", "high")
    assert response.json()["version"] == "0.1.0"


def test_what_is_read_can_be_sent_back(api, agent):
    read = api.get(AGENT)
    again = api.put(AGENT, {"design": read.json()["design"]}, content_type="application/json")
    assert again.status_code == 200
    assert again["ETag"] == read["ETag"]
    for shape in ("agent", "agent_design"):
        text = api.get(AGENT, {"shape": shape}, headers={"Accept": YAML})
        assert text["Content-Type"].startswith(YAML)
        assert text.content.decode().startswith(f"{shape}:")
        assert parse_yaml(text.content.decode()).document == parse_yaml(DESIGN).document
        assert put(api, text.content.decode())["ETag"] == read["ETag"]


def test_a_changed_design_becomes_a_version(api, agent):
    response = put(api, DESIGN.replace("  version: '1.2.0'\n", "").replace("Never invents a fare.", "Never."))
    assert response.json()["version"] == "1.2.1"
    versions = api.get(f"{AGENT}/versions").json()
    assert [version["version"] for version in versions["data"]] == ["1.2.1", "1.2.0"]
    old = api.get(f"{AGENT}/versions/1.2.0")
    assert old.json()["design"]["purpose"].endswith("Never invents a fare.")
    assert api.get(f"{AGENT}/versions/1.2.0", headers={"If-None-Match": old["ETag"]}).status_code == 304
    assert api.get(f"{AGENT}/versions/1.2.0", headers={"Accept": YAML}).content.decode().startswith("agent_design:")
    assert api.get(f"{AGENT}/versions/9.9.9").status_code == 404


def test_errors_tell_line_column_and_what_is_allowed(api, agent, world):
    response = put(api, DESIGN.replace("High", "enormous").replace("Supervisor", "matrix"))
    assert response.status_code == 422
    assert response["Content-Type"] == "application/problem+json"
    body = response.json()
    assert body["code"] == "design_invalid"
    assert [(error["line"], error["column"]) for error in body["errors"]] == [(14, 14), (22, 19)]
    assert body["errors"][1]["field"] == "agent_design.tools[0].risk_level"
    wrong = api.post(AGENTS, '{"agent": {"id": "Bad Id"}}', content_type="application/json").json()
    assert wrong["errors"][0]["field"] == "agent.id"
    assert stored(world) == (1, 1)


@pytest.mark.parametrize(
    ("method", "path", "body", "content_type", "status"),
    [
        ("post", AGENTS, DESIGN, "text/csv", 415),
        ("post", AGENTS, b"\xff\xfe", YAML, 400),
        ("post", AGENTS, "x" * 1_000_001, YAML, 413),
        ("post", AGENTS, DESIGN, YAML, 409),
        ("post", AGENTS, "", YAML, 400),
        ("post", AGENTS, " ", "application/json", 400),
        ("put", AGENT, "", YAML, 400),
        ("get", f"{AGENT}/nothing/here", "", YAML, 404),
        ("get", f"{AGENTS}?q=%00", "", YAML, 400),
        ("get", f"{AGENTS}/ü", "", YAML, 404),
        ("delete", AGENT, "", YAML, 405),
        ("put", f"{AGENTS}/nobody", DESIGN, YAML, 404),
        ("put", f"{AGENT}/status", '{"status": "enabled"}', "application/json", 422),
        ("put", f"{AGENT}/status", '{"status": "production"}', "application/json", 422),
        ("put", f"{AGENT}/status", "{", "application/json", 400),
    ],
)
def test_what_cannot_be_done_is_a_problem_and_changes_nothing(
    api, agent, world, method, path, body, content_type, status
):
    response = api.generic(method.upper(), path, body, content_type=content_type)
    assert response.status_code == status, response.content
    assert response["Content-Type"] == "application/problem+json"
    assert response.json()["status"] == status
    assert response.json()["detail"]
    assert stored(world) == (1, 1)


def test_an_old_etag_is_refused(api, agent):
    etag = api.get(AGENT)["ETag"]
    assert put(api, DESIGN.replace("1.2.0", "1.3.0"), **{"If-Match": etag}).status_code == 200
    response = put(api, DESIGN.replace("1.2.0", "1.4.0"), **{"If-Match": etag})
    assert response.status_code == 412
    assert response.json()["code"] == "agent_changed"
    assert api.get(AGENT, headers={"If-None-Match": response.json()["etag"]}).status_code == 304


def test_the_status_changes_over_http(api, agent):
    response = api.put(f"{AGENT}/status", {"status": "pilot"}, content_type="application/json")
    assert response.json()["status"] == "pilot"
    response = api.put(f"{AGENT}/status", {"status": "suspended"}, content_type="application/json")
    assert response.json()["errors"][0]["field"] == "reason"


def test_a_repeated_request_gets_the_same_answer_and_acts_once(api, world):
    headers = {"Idempotency-Key": str(uuid.uuid4())}
    first = api.post(AGENTS, DESIGN, content_type=YAML, headers=headers)
    again = api.post(AGENTS, DESIGN, content_type=YAML, headers=headers)
    assert (first.status_code, again.status_code) == (201, 201)
    assert first.content == again.content
    assert again["Idempotency-Replayed"] == "true"
    assert (again["Location"], again["ETag"]) == (first["Location"], first["ETag"])
    assert stored(world) == (1, 1)


def test_a_key_belongs_to_one_request(api, world):
    headers = {"Idempotency-Key": "k1"}
    api.post(AGENTS, DESIGN, content_type=YAML, headers=headers)
    other = api.post(AGENTS, ENTRY.replace("booking", "refund"), content_type=YAML, headers=headers)
    assert (other.status_code, other.json()["code"]) == (422, "idempotency_key_reused")
    bad = api.post(AGENTS, DESIGN, content_type=YAML, headers={"Idempotency-Key": "x" * 256})
    assert (bad.status_code, bad.json()["code"]) == (400, "idempotency_key_invalid")
    assert stored(world) == (1, 1)


def test_a_refused_request_may_be_tried_again_under_its_key(api, world):
    headers = {"Idempotency-Key": "k2"}
    assert api.post(AGENTS, "agent: {}", content_type=YAML, headers=headers).status_code == 422
    assert api.post(AGENTS, DESIGN, content_type=YAML, headers=headers).status_code == 201


def test_of_ten_equal_requests_at_once_one_acts(committed_world):
    api = committed_world.api()

    def send(_):
        try:
            return api.post(AGENTS, DESIGN, content_type=YAML, headers={"Idempotency-Key": "same"})
        finally:
            connection.close()

    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(send, range(10)))
    assert {answer.status_code for answer in answers} <= {201, 409}
    assert all(answer.json()["code"] == "idempotency_in_flight" for answer in answers if answer.status_code == 409)
    with committed_world.acme_scope():
        assert (Agent.objects.count(), IdempotencyRecord.objects.count()) == (1, 1)


def test_agents_come_in_pages(api, world):
    for number in range(5):
        api.post(AGENTS, {"name": f"Agent {number}"}, content_type="application/json")
    seen, cursor = [], ""
    while cursor is not None:
        page = api.get(AGENTS, {"limit": 2, **({"cursor": cursor} if cursor else {})}).json()
        seen += [agent["slug"] for agent in page["data"]]
        cursor = page["next"]
    assert seen == [f"agent-{number}" for number in range(5)]
    assert [agent["slug"] for agent in api.get(AGENTS, {"q": "agent 3"}).json()["data"]] == ["agent-3"]
    assert api.get(f"{AGENTS}/agent-1", {"shape": "x"}, headers={"Accept": YAML}).status_code == 400
    for wrong in ({"status": "enabled"}, {"limit": 0}, {"limit": "many"}, {"limit": 101}, {"cursor": "nonsense"}):
        assert api.get(AGENTS, wrong).status_code == 400, wrong


def test_prompts_are_read(api, agent, world):
    with world.acme_scope():
        booking = Agent.objects.get()
        prompts.register_prompt(actor=ADA, agent=booking, name="System", text="Be kind.")
        prompts.revise_prompt(actor=ADA, agent=booking, slug="system", text="Be brief.")
    assert [prompt["number"] for prompt in api.get(f"{AGENT}/prompts").json()["data"]] == [2]
    assert api.get(f"{AGENT}/prompts/system").json()["text"] == "Be brief."
    assert api.get(f"{AGENT}/prompts/system", {"number": 1}).json()["text"] == "Be kind."
    assert api.get(f"{AGENT}/prompts/system", {"number": 7}).status_code == 404


def test_reading_needs_a_key_and_writing_needs_its_scope(world, client):
    assert client.get(AGENTS).status_code == 401
    assert client.get(AGENTS)["Content-Type"] == "application/problem+json"


def test_globex_gets_404_for_everything_of_acme_and_changes_nothing(agent, world):
    mallory = world.api("globex")
    assert mallory.get(AGENTS).json()["data"] == []
    for path in ("", "/versions", "/versions/1.2.0", "/prompts", "/prompts/system"):
        assert mallory.get(f"{AGENT}{path}").status_code == 404, path
    assert mallory.put(AGENT, DESIGN, content_type=YAML).status_code == 404
    body = {"status": "retired", "reason": "x"}
    assert mallory.put(f"{AGENT}/status", body, content_type="application/json").status_code == 404
    assert stored(world) == (1, 1)
    with world.acme_scope():
        assert Agent.objects.get().status == "draft"


def test_a_key_is_slowed_down_after_its_share(api, settings):
    settings.API_LIMITS = {"key_per_minute": 3, "organization_per_minute": 100}
    answers = [api.get(AGENTS) for _ in range(4)]
    if answers[-1].status_code == 200:  # the minute turned over between two requests
        answers = [api.get(AGENTS) for _ in range(4)]
    assert answers[-1].status_code == 429
    assert int(answers[-1]["Retry-After"]) > 0
    assert answers[-1].json()["code"] == "rate_limited"


def test_a_list_takes_the_same_queries_for_many_agents(api, world, django_assert_max_num_queries):
    with world.acme_scope():
        for number in range(30):
            service.register_agent(actor=ADA, document=parse_yaml(f"agent:\n  id: a-{number}\n").document)
    api.get(AGENTS)
    with django_assert_max_num_queries(12):
        assert len(json.loads(api.get(AGENTS).content)["data"]) == 30
