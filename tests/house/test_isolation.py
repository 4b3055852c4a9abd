"""Mallory has a key of her own organization and knows every id of the other one: she learns and changes nothing."""

import json

import pytest

from apps.audit.models import AuditEntry
from apps.registry.models import Agent
from apps.telemetry.models import Outcome, Span, Task
from tests.house.test_queries import fill

READS = (
    "/api/v1/agents/agent-1",
    "/api/v1/agents/agent-1/versions",
    "/api/v1/agents/agent-1/versions/0.1.0",
    "/api/v1/agents/agent-1/prompts",
    "/api/v1/tasks/trace-1",
    "/api/v1/traces/trace-1",
)
LISTS = ("/api/v1/agents", "/api/v1/tasks", "/api/v1/traces")


@pytest.fixture
def filled(committed_world):
    fill(committed_world, 1, 4)
    return committed_world


def test_she_reads_nothing(filled):
    mallory = filled.api("globex")
    for path in READS:
        assert filled.api("acme").get(path).status_code == 200, path
        answer = mallory.get(path)
        assert answer.status_code == 404, path
        assert "acme" not in answer.content.decode()
    for path in LISTS:
        assert json.loads(mallory.get(path).content)["data"] == [], path
    assert mallory.get("/api/v1/metrics").json()["tasks"] == 0
    assert "agent-1" not in mallory.get("/metrics").content.decode()


def test_a_missing_object_and_anothers_are_the_same_answer(filled):
    mallory = filled.api("globex")
    for theirs, missing in (("trace-1", "trace-0"), ("trace-2", "nothing")):
        other, none = mallory.get(f"/api/v1/tasks/{theirs}"), mallory.get(f"/api/v1/tasks/{missing}")
        assert other.status_code == none.status_code == 404
        assert other.content.decode().replace(theirs, "ID") == none.content.decode().replace(missing, "ID")


def test_she_changes_nothing(filled):
    mallory = filled.api("globex")
    with filled.acme_scope():
        before = (list(Agent.objects.values()), list(Task.objects.values()), AuditEntry.objects.count())
    body = json.dumps({"evaluated_success": False})
    mallory.post("/api/v1/tasks/trace-1/outcome", body, content_type="application/json")
    mallory.put("/api/v1/agents/agent-1", json.dumps({"name": "Taken"}), content_type="application/json")
    # Telemetry under acme's ids stays in globex.
    event = {"timestamp": "2026-11-20T10:00:00Z", "agent_id": "agent-1", "trace_id": "trace-1", "span_id": "root-1"}
    assert mallory.post("/api/v1/events", json.dumps(event), content_type="application/json").status_code == 200
    score = {"id": "s", "traceId": "trace-1", "name": "success", "value": 0}
    mallory.post("/api/public/scores", json.dumps(score), content_type="application/json")
    assert filled.api("acme").get("/api/v1/tasks/trace-1").status_code == 200
    with filled.acme_scope():
        after = (list(Agent.objects.values()), list(Task.objects.values()), AuditEntry.objects.count())
        assert after == before
        assert not Outcome.objects.exists()
        assert Span.objects.filter(trace_id="trace-1", span_id="root-1").count() == 1
    with filled.globex_scope():
        assert Span.objects.filter(trace_id="trace-1").count() == 1


def test_her_browser_gets_404_for_every_page_of_acme_with_real_ids(filled):
    mallory = filled.client("mallory")
    for path in (
        "",
        "agents/",
        "agents/agent-1/",
        "agents/agent-1/design/",
        "tasks/",
        "tasks/trace-1/",
        "traces/trace-1/",
    ):
        assert mallory.get(f"/o/acme/{path}").status_code == 404, path
        if path not in ("", "agents/", "tasks/"):
            assert mallory.get(f"/o/globex/{path}").status_code == 404, path
