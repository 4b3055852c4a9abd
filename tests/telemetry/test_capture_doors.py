"""The recordings sent again, byte for byte, to the addresses their clients used: what becomes of them as tasks."""

import pytest

from apps.core.tenancy import scope
from apps.telemetry.models import Outcome, Span, Task
from apps.telemetry.services.settle import settle
from tests.telemetry.captured import CAPTURES, requests

# spans stored; of each task in the order begun: status, traces, input and output tokens, escalation, error category.
EXPECTED = {
    "otel_sdk": (3, [("succeeded", 1, 812, 37, None, None)]),
    "otel_sdk_gzip": (3, [("succeeded", 1, 812, 37, None, None)]),
    "langgraph": (
        16,
        [
            ("succeeded", 2, 1280, 50, "approval_required", None),
            ("failed", 2, 0, 0, "approval_required", "internal_error"),
        ],
    ),
    "pydantic_ai": (
        12,
        [
            ("succeeded", 1, 114, 15, None, None),
            ("succeeded", 2, 111, 20, "approval_required", None),
            ("failed", 1, 51, 4, None, "tool_failure"),
        ],
    ),
    "pydantic_ai_deny": (
        11,
        [
            ("succeeded", 1, 114, 15, None, None),
            ("succeeded", 2, 108, 17, "approval_required", None),
            ("failed", 1, 51, 4, None, "tool_failure"),
        ],
    ),
    "langfuse": (4, [("succeeded", 1, 1324, 37, None, None)]),
    "agentops": (5, [("succeeded", 1, 0, 0, None, None)]),
    "crewai": (2, [("succeeded", 1, 0, 0, None, None)]),
    "mlflow_otlp": (4, [("succeeded", 1, 1624, 74, None, None)]),
    "phoenix": (5, [("succeeded", 1, 1624, 74, None, None)]),
    "traceloop": (6, [("succeeded", 1, 1624, 74, None, None)]),
    # Once as OTLP, once as the SDK's own export: 19 and 18 steps of the same run under ids of their own.
    "openai_agents": (
        37,
        [
            ("succeeded", 1, 2800, 124, "approval_required", None),
            ("succeeded", 1, 2800, 124, "approval_required", None),
        ],
    ),
}


def replay(world, client: str) -> None:
    for request in requests(client):
        if request["method"] != "POST" or request["path"] == "/v3/auth/token":
            continue
        headers = {key.lower(): value for key, value in request["headers"].items()}
        more = {"HTTP_CONTENT_ENCODING": headers["content-encoding"]} if "content-encoding" in headers else {}
        body = (CAPTURES / request["raw_file"]).read_bytes()
        answer = world.api().post(request["path"], body, content_type=headers["content-type"], **more)
        assert answer.status_code == 200, (request["path"], answer.content[:300])


@pytest.mark.parametrize("client", EXPECTED)
def test_a_recorded_client_arrives_whole_and_once(committed_world, settings, client):
    settings.TELEMETRY = settings.TELEMETRY | {"max_age_days": 36_500}
    world = committed_world
    span_count, tasks = EXPECTED[client]
    for _ in range(2):
        replay(world, client)
        settle(world.acme.id)
        with scope(world.acme.id):
            assert Span.objects.count() == span_count
            assert [
                (t.status, len(t.trace_ids), t.input_tokens, t.output_tokens, t.escalation_reason, t.error_category)
                for t in Task.objects.order_by("started_at")
            ] == tasks
    with scope(world.acme.id):
        if client == "langfuse":
            assert Outcome.objects.first().evaluated_success is True
            assert Task.objects.get().evaluated_success is True
    with scope(world.globex.id):
        assert Span.objects.count() == 0
