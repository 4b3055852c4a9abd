"""Tasks, traces, metrics and the Prometheus text over HTTP, per key's organization."""

import json
from datetime import timedelta
from decimal import Decimal

import pytest
from django.test import Client

from apps.audit.models import AuditEntry
from apps.core.times import rfc3339
from apps.organizations.models import ApiKey
from apps.organizations.rules import new_key
from apps.telemetry.models import Outcome, Task
from tests.telemetry.runs import NOW, inside, run, send, step

pytestmark = pytest.mark.committed


@pytest.fixture
def acme(committed_world):
    """Acme with three runs that nobody has folded yet: one good, one failed, one waiting."""
    send(
        committed_world.acme,
        *run("good", task_type="refund", conversation_id="c1", user_id="u1", agent_version="1.2"),
        *run("bad", at=20, status="error", error_category="timeout", status_message="too slow", cost=Decimal("0.03")),
        *run("held", at=40, status="waiting", escalation_reason="approval_required"),
    )
    return committed_world


def get(world, path, organization="acme", expect=200, **query):
    response = world.api(organization).get(path, query)
    assert response.status_code == expect, response.content
    return response.json()


def test_metrics_have_the_fixed_shape_and_are_fresh(acme):
    found = get(acme, "/api/v1/metrics")
    assert {
        key: found[key]
        for key in ("tasks", "success_rate", "cost_usd", "cost_per_task_usd", "error_rate", "tokens", "by_error")
    } == {
        "tasks": 3,
        "success_rate": 0.5,
        "cost_usd": "0.05",
        "cost_per_task_usd": "0.0166666667",
        "error_rate": 0.5,
        "tokens": {"input": 300, "output": 60},
        "by_error": {"timeout": 1},
    }
    assert found["by_reason"] == {"approval_required": 1}
    assert found["escalation_rate"] == pytest.approx(1 / 3, abs=1e-6)
    assert set(found["latency_ms"]) == {"p50", "p95", "p99"}
    assert found["latency_ms"]["p95"] == pytest.approx(10_000, rel=0.01)
    assert found["verdict"] == "no_data"
    assert found["metrics"]["success_rate"]["reason"] == "2 tasks; a verdict needs 30."


def test_metrics_of_a_slice_a_series_and_a_breakdown(acme):
    start, end = rfc3339(NOW - timedelta(hours=1)), rfc3339(NOW + timedelta(seconds=30))
    found = get(
        acme, "/api/v1/metrics", agent="support-agent", **{"from": start, "to": end}, interval="10m", by="version"
    )
    assert found["tasks"] == 2
    assert sum(point["tasks"] for point in found["series"]) == 2
    assert {part["version"]: part["tasks"] for part in found["breakdown"]} == {"1.2": 1, None: 1}
    assert get(acme, "/api/v1/metrics", version="1.2")["tasks"] == 1
    nothing = get(acme, "/api/v1/metrics", agent="nobody")
    assert (nothing["tasks"], nothing["success_rate"], nothing["cost_usd"]) == (0, None, "0")
    assert nothing["latency_ms"] == {"p50": None, "p95": None, "p99": None}


@pytest.mark.parametrize(
    ("path", "query"),
    [
        ("/api/v1/metrics", {"from": "yesterday"}),
        ("/api/v1/metrics", {"from": "2026-11-02T00:00:00Z", "to": "2026-11-01T00:00:00Z"}),
        ("/api/v1/metrics", {"to": "2026-11-01T00:00:00"}),
        ("/api/v1/metrics", {"interval": "1 hour"}),
        ("/api/v1/metrics", {"by": "user"}),
        ("/api/v1/metrics", {"kind": "patient"}),
        ("/api/v1/metrics", {"interval": "1s"}),
        ("/api/v1/tasks", {"limit": "0"}),
        ("/api/v1/tasks", {"limit": "101"}),
        ("/api/v1/tasks", {"cursor": "AAAA"}),
        ("/api/v1/traces", {"cursor": "%%%"}),
    ],
)
def test_what_cannot_be_read_is_a_problem_that_names_the_parameter(committed_world, path, query):
    response = committed_world.api().get(path, query)
    assert response.status_code in (400, 422)
    assert response["Content-Type"] == "application/problem+json"
    assert response.json()["errors"][0]["field"] in query


def test_latency_is_judged_as_the_agents_kind_asks(committed_world):
    slow = [span for number in range(30) for span in run(f"s{number}", at=-number * 60, takes=50)]
    send(committed_world.acme, *slow)
    latency = get(committed_world, "/api/v1/metrics", agent="support-agent")["metrics"]["latency"]
    assert (latency["verdict"], latency["healthy_range"], latency["unit"]) == ("unhealthy", [0.0, 30_000.0], "ms")
    asked = get(committed_world, "/api/v1/metrics", agent="support-agent", kind="background")
    assert asked["metrics"]["latency"]["verdict"] == "healthy"


def test_tasks_are_listed_newest_first_in_pages(acme):
    page = get(acme, "/api/v1/tasks", limit=2)
    assert [task["task_id"] for task in page["data"]] == ["held", "bad"]
    following = get(acme, "/api/v1/tasks", limit=2, cursor=page["next"])
    assert [task["task_id"] for task in following["data"]] == ["good"]
    assert following["next"] is None
    for query, expected in [
        ({"status": "failed"}, ["bad"]),
        ({"error": "timeout"}, ["bad"]),
        ({"task_type": "refund", "version": "1.2"}, ["good"]),
        ({"conversation_id": "c1"}, ["good"]),
        ({"initiated_by": "u1"}, ["good"]),
        ({"escalation_reason": "approval_required"}, ["held"]),
        ({"q": "bad"}, ["bad"]),
        ({"from": rfc3339(NOW + timedelta(seconds=30))}, ["held"]),
        ({"agent": "other"}, []),
    ]:
        assert [task["task_id"] for task in get(acme, "/api/v1/tasks", **query)["data"]] == expected, query


def test_one_task(acme):
    task = get(acme, "/api/v1/tasks/bad")
    assert (task["status"], task["error_category"], task["error_message"]) == ("failed", "timeout", "too slow")
    assert (task["cost_usd"], task["tokens"], task["attempts"]) == ("0.03", {"input": 100, "output": 20}, 1)
    assert task["latency_ms"] == 10_000
    assert sum(task["components_ms"].values()) == 10_000
    assert [trace["trace_id"] for trace in task["traces"]] == ["bad"]
    assert get(acme, "/api/v1/tasks/held")["status"] == "waiting"
    assert get(acme, "/api/v1/tasks/none", expect=404)["code"] == "task_unknown"


def test_an_id_with_slashes_and_spaces_is_an_id(committed_world):
    send(committed_world.acme, step("a/b c", "root"))
    assert get(committed_world, "/api/v1/tasks/a%2Fb%20c")["task_id"] == "a/b c"
    assert get(committed_world, "/api/v1/traces/a/b%20c")["trace_id"] == "a/b c"


def test_a_late_outcome_corrects_the_metrics_and_is_audited(acme):
    assert get(acme, "/api/v1/metrics")["success_rate"] == 0.5
    answer = acme.api().post(
        "/api/v1/tasks/good/outcome",
        {"evaluated_success": False, "business_value_usd": "12.50", "outcome": "refunded"},
        content_type="application/json",
    )
    assert answer.status_code == 200, answer.content
    assert answer.json()["outcome"]["evaluated_success"] is False
    assert answer.json()["outcome"]["business_value_usd"] == "12.5"
    found = get(acme, "/api/v1/metrics")
    assert found["success_rate"] == 0.0
    assert found["metrics"]["cost_per_task"]["value"] == "0.0166666667"
    acme.api().post("/api/v1/tasks/bad/outcome", {"user_success": True}, content_type="application/json")
    assert get(acme, "/api/v1/metrics")["success_rate"] == 0.5
    with inside(acme.acme):
        assert Task.objects.get(task_id="good").outcome_name == "refunded"
        assert AuditEntry.objects.filter(action="outcome.recorded").count() == 2


@pytest.mark.parametrize(
    "body", [{}, {"evaluated_success": "perhaps"}, {"business_value_usd": "much"}, {"outcome": "x" * 101}, []]
)
def test_an_outcome_that_says_nothing_is_refused_and_nothing_changes(acme, body):
    response = acme.api().post("/api/v1/tasks/good/outcome", body, content_type="application/json")
    assert response.status_code in (400, 422)
    with inside(acme.acme):
        assert not Outcome.objects.exists()
        assert not AuditEntry.objects.filter(action="outcome.recorded").exists()


def test_neither_another_organization_nor_a_reading_key_may_record(acme):
    with inside(acme.acme):
        key, prefix, digest = new_key()
        ApiKey.objects.create(organization=acme.acme, name="reader", prefix=prefix, digest=digest, scopes=["read"])
    reader = Client(headers={"Authorization": f"Bearer {key}"})
    for program, status in ((acme.api("globex"), 404), (reader, 403)):
        response = program.post("/api/v1/tasks/good/outcome", {"user_success": True}, content_type="application/json")
        assert response.status_code == status
    with inside(acme.acme):
        assert not Outcome.objects.exists()


def test_traces_and_their_steps(acme):
    listed = get(acme, "/api/v1/traces")
    assert [trace["trace_id"] for trace in listed["data"]] == ["held", "bad", "good"]
    assert [t["trace_id"] for t in get(acme, "/api/v1/traces", task_id="good")["data"]] == ["good"]
    trace = get(acme, "/api/v1/traces/good")
    assert trace["trace_id"] == "good"
    assert [span["kind"] for span in trace["spans"]] == ["agent", "model", "tool"]
    model = trace["spans"][1]
    assert model["parent_span_id"] == "good-root"
    assert (model["model"], model["input_tokens"], model["output_tokens"]) == ("model-x", 100, 20)
    assert (model["duration_ms"], model["cost_usd"], model["status"]) == (5000.0, "0.01", "ok")
    assert model["started_at"] == rfc3339(NOW + timedelta(seconds=0.1))
    assert set(model) >= {"span_id", "name", "agent", "attributes"}
    assert get(acme, "/api/v1/traces/none", expect=404)["code"] == "trace_unknown"


def test_payloads_come_where_asked_for(committed_world):
    send(committed_world.acme, step("t", "root", input="question", output="answer"))
    assert "input" not in get(committed_world, "/api/v1/traces/t")["spans"][0]
    assert get(committed_world, "/api/v1/traces/t", include="payload")["spans"][0]["output"] == "answer"


@pytest.mark.parametrize(
    "path",
    ["/api/v1/tasks/good", "/api/v1/traces/good"],
)
def test_another_organization_finds_nothing(acme, path):
    assert get(acme, path, "globex", 404)["status"] == 404
    assert get(acme, "/api/v1/metrics", "globex")["tasks"] == 0
    for path in ("/api/v1/tasks", "/api/v1/traces"):
        assert get(acme, path, "globex")["data"] == []


def test_a_program_without_a_key_learns_nothing(acme, client):
    for path in ("/api/v1/tasks", "/api/v1/metrics", "/api/v1/traces/good", "/metrics"):
        response = client.get(path)
        assert response.status_code == 401, path
        assert json.loads(response.content)["code"] == "key_unknown"


def test_prometheus_text_carries_the_guides_names(acme):
    response = acme.api().get("/metrics")
    assert response.status_code == 200, response.content
    assert response["Content-Type"].startswith("text/plain; version=0.0.4")
    text = response.content.decode()
    assert text.endswith("\n")
    lines = set(text.splitlines())
    labels = 'agent="support-agent",env="production"'
    assert f"agent_task_success_rate{{{labels}}} 0.5" in lines
    assert f'agent_cost_per_task{{{labels},model="model-x"}} 0.01666666667' in lines
    assert f'agent_error_rate{{{labels},error_type="timeout"}} 0.5' in lines
    assert f'agent_tasks_total{{{labels},model="model-x",status="failed"}} 1' in lines
    assert any(line.startswith(f'agent_latency_p95{{{labels},task_type="refund"}} 9.9') for line in lines) or any(
        line.startswith(f'agent_latency_p95{{{labels},task_type="refund"}} 10') for line in lines
    )
    names = [line.split()[2] for line in text.splitlines() if line.startswith("# TYPE")]
    assert len(names) == len(set(names))
    assert "support-agent" not in acme.api("globex").get("/metrics").content.decode()


def test_no_series_appears_twice_and_labels_are_escaped(committed_world):
    send(
        committed_world.acme,
        *run("a", task_type='a "quoted" type'),
        *run("b", task_type=""),
        *run("c"),
    )
    text = committed_world.api().get("/metrics").content.decode()
    series = [line.rpartition(" ")[0] for line in text.splitlines() if not line.startswith("#")]
    assert len(series) == len(set(series))
    assert 'task_type="a \\"quoted\\" type"' in text
