"""What thirteen recordings of SDKs must mean. The tables were written by hand from the recordings' decoded side."""

from collections import Counter
from decimal import Decimal

import pytest

from apps.telemetry.rules.outcomes import ERROR_CATEGORIES, ESCALATION_REASONS
from apps.telemetry.wire import langfuse_scores, otlp
from tests.telemetry.captured import LIMITS, as_otlp_json, bodies, decoded_spans, native_spans, spans_of

OTLP_CLIENTS = [
    "otel_sdk",
    "otel_sdk_gzip",
    "langgraph",
    "openai_agents",
    "pydantic_ai",
    "pydantic_ai_deny",
    "langfuse",
    "agentops",
    "crewai",
    "mlflow_otlp",
    "mlflow_native",
    "phoenix",
    "traceloop",
]

# name, name of the parent (None: root), kind, status, agent; in the order sent.
STEPS = {
    "otel_sdk": [
        ("chat gpt-4o", "invoke_agent refund-agent", "model", "ok", "refund-agent"),
        ("execute_tool refund_order", "invoke_agent refund-agent", "tool", "error", "refund-agent"),
        ("invoke_agent refund-agent", None, "agent", "ok", "refund-agent"),
    ],
    "langgraph": [
        ("Fake", "model", "model", "ok", "refund_agent"),
        ("model", "refund_agent", "step", "ok", "refund_agent"),
        ("HumanInTheLoopMiddleware.after_model", "refund_agent", "step", "waiting", "refund_agent"),
        ("refund_agent", None, "agent", "ok", "refund_agent"),
        ("HumanInTheLoopMiddleware.after_model", "refund_agent", "step", "ok", "refund_agent"),
        ("refund_order", "tools", "tool", "ok", "refund_agent"),
        ("tools", "refund_agent", "step", "ok", "refund_agent"),
        ("Fake", "model", "model", "ok", "refund_agent"),
        ("model", "refund_agent", "step", "ok", "refund_agent"),
        ("HumanInTheLoopMiddleware.after_model", "refund_agent", "step", "ok", "refund_agent"),
        ("refund_agent", None, "agent", "ok", "refund_agent"),
        ("ask_human", "LangGraph", "step", "waiting", "langgraph-agent"),
        ("LangGraph", None, "step", "ok", "langgraph-agent"),
        ("ask_human", "LangGraph", "step", "ok", "langgraph-agent"),
        ("post_ledger", "LangGraph", "step", "error", "langgraph-agent"),
        ("LangGraph", None, "step", "error", "langgraph-agent"),
    ],
    "openai_agents": [
        ("generation", "turn", "model", "ok", "openai-agents"),
        ("refund_order", "turn", "tool", "waiting", "openai-agents"),
        ("turn", "refund-agent", "step", "ok", "openai-agents"),
        ("refund-agent", "Agent workflow", "agent", "ok", "refund-agent"),
        ("Agent workflow", "refund workflow", "step", "ok", "openai-agents"),
        ("refund_order", "refund-agent", "tool", "ok", "openai-agents"),
        ("generation", "turn", "model", "ok", "openai-agents"),
        ("turn", "refund-agent", "step", "ok", "openai-agents"),
        ("refund-agent", "refund workflow", "agent", "ok", "refund-agent"),
        ("refund workflow", "refund workflow", "step", "ok", "openai-agents"),
        ("generation", "turn", "model", "ok", "openai-agents"),
        ("handoff to ops-agent", "turn", "tool", "ok", "openai-agents"),
        ("turn", "triage-agent", "step", "ok", "openai-agents"),
        ("triage-agent", "Agent workflow", "agent", "ok", "triage-agent"),
        ("generation", "turn", "model", "ok", "openai-agents"),
        ("turn", "ops-agent", "step", "ok", "openai-agents"),
        ("ops-agent", "Agent workflow", "agent", "ok", "ops-agent"),
        ("Agent workflow", "refund workflow", "step", "ok", "openai-agents"),
        ("refund workflow", None, "agent", "ok", "openai-agents"),
    ],
    "pydantic_ai": [
        ("chat test", "invoke_agent weather-agent", "model", "ok", "weather-agent"),
        ("execute_tool get_weather", "invoke_agent weather-agent", "tool", "ok", "weather-agent"),
        ("chat test", "invoke_agent weather-agent", "model", "ok", "weather-agent"),
        ("invoke_agent weather-agent", None, "agent", "ok", "weather-agent"),
        ("chat function:model:", "invoke_agent refund-agent", "model", "ok", "refund-agent"),
        ("invoke_agent refund-agent", None, "agent", "waiting", "refund-agent"),
        ("execute_tool refund_order", "invoke_agent refund-agent", "tool", "ok", "refund-agent"),
        ("chat function:model:", "invoke_agent refund-agent", "model", "ok", "refund-agent"),
        ("invoke_agent refund-agent", None, "agent", "ok", "refund-agent"),
        ("chat test", "invoke_agent broken-agent", "model", "ok", "broken-agent"),
        ("execute_tool broken", "invoke_agent broken-agent", "tool", "error", "broken-agent"),
        ("invoke_agent broken-agent", None, "agent", "error", "broken-agent"),
    ],
    # Denied: the tool is never executed, the model says why.
    "pydantic_ai_deny": [
        ("chat test", "invoke_agent weather-agent", "model", "ok", "weather-agent"),
        ("execute_tool get_weather", "invoke_agent weather-agent", "tool", "ok", "weather-agent"),
        ("chat test", "invoke_agent weather-agent", "model", "ok", "weather-agent"),
        ("invoke_agent weather-agent", None, "agent", "ok", "weather-agent"),
        ("chat function:model:", "invoke_agent refund-agent", "model", "ok", "refund-agent"),
        ("invoke_agent refund-agent", None, "agent", "waiting", "refund-agent"),
        ("chat function:model:", "invoke_agent refund-agent", "model", "ok", "refund-agent"),
        ("invoke_agent refund-agent", None, "agent", "ok", "refund-agent"),
        ("chat test", "invoke_agent broken-agent", "model", "ok", "broken-agent"),
        ("execute_tool broken", "invoke_agent broken-agent", "tool", "error", "broken-agent"),
        ("invoke_agent broken-agent", None, "agent", "error", "broken-agent"),
    ],
    "langfuse": [
        ("llm", "refund-agent", "model", "ok", "refund-agent"),
        ("refund_order", "refund-agent", "tool", "ok", "refund-agent"),
        ("broken", "refund-agent", "tool", "error", "refund-agent"),
        ("refund-agent", None, "agent", "ok", "refund-agent"),
    ],
    "agentops": [
        ("refund_order.tool", "work.task", "tool", "ok", "RefundAgent"),
        ("broken.tool", "work.task", "tool", "error", "RefundAgent"),
        ("work.task", "RefundAgent.agent", "step", "ok", "RefundAgent"),
        ("RefundAgent.agent", "refund-task.session", "agent", "ok", "RefundAgent"),
        ("refund-task.session", None, "agent", "ok", "RefundAgent"),
    ],
    "crewai": [
        (
            "Refund clerk._execute_core",
            "Crew_cb302f08-1936-49b7-8bc5-5ec52ba535dd.kickoff",
            "agent",
            "ok",
            "Refund clerk",
        ),
        ("Crew_cb302f08-1936-49b7-8bc5-5ec52ba535dd.kickoff", None, "step", "ok", "crewai-crew"),
    ],
    "mlflow_otlp": [
        ("Completions", "refund-agent", "model", "ok", "mlflow-agent"),
        ("refund_order", "refund-agent", "tool", "ok", "mlflow-agent"),
        ("Completions", "refund-agent", "model", "ok", "mlflow-agent"),
        ("refund-agent", None, "agent", "ok", "mlflow-agent"),
    ],
    # No service name here: the agent's own step names it.
    "mlflow_native": [
        ("Completions", "refund-agent", "model", "ok", "refund-agent"),
        ("refund_order", "refund-agent", "tool", "ok", "refund-agent"),
        ("Completions", "refund-agent", "model", "ok", "refund-agent"),
        ("refund-agent", None, "agent", "ok", "refund-agent"),
    ],
    "phoenix": [
        ("ChatCompletion", "refund-agent", "model", "ok", "refund-agent"),
        ("ChatCompletion", "refund-agent", "model", "error", "refund-agent"),
        ("ChatCompletion", "refund-agent", "model", "ok", "refund-agent"),
        ("refund_order", "refund-agent", "tool", "ok", "refund-agent"),
        ("refund-agent", None, "agent", "ok", "refund-agent"),
    ],
    "traceloop": [
        ("openai.chat", "refund-agent.agent", "model", "ok", "refund-agent"),
        ("openai.chat", "refund-agent.agent", "model", "error", "refund-agent"),
        ("openai.chat", "refund-agent.agent", "model", "ok", "refund-agent"),
        ("refund_order.tool", "refund-agent.agent", "tool", "ok", "refund-agent"),
        ("refund-agent.agent", "refund-workflow.workflow", "agent", "ok", "refund-agent"),
        ("refund-workflow.workflow", None, "agent", "ok", "refund-app"),
    ],
}
STEPS["otel_sdk_gzip"] = STEPS["otel_sdk"]

# provider, model, input, output, cache read; of each model call in the order sent. A failed call has no tokens.
CALLS = {
    "otel_sdk": [("openai", "gpt-4o-2024-08-06", 812, 37, None)],
    "langgraph": [("openai", "gpt-4o-mini", 640, 25, None)] * 2,
    "openai_agents": [("openai", "gpt-4o", 700, 31, None)] * 4,
    "pydantic_ai": [
        ("test", "test", 56, 5, None),
        ("test", "test", 58, 10, None),
        ("function", "function:model:", 53, 7, None),
        ("function", "function:model:", 58, 13, None),
        ("test", "test", 51, 4, None),
    ],
    "pydantic_ai_deny": [
        ("test", "test", 56, 5, None),
        ("test", "test", 58, 10, None),
        ("function", "function:model:", 53, 7, None),
        ("function", "function:model:", 55, 10, None),
        ("test", "test", 51, 4, None),
    ],
    # Langfuse counts cached tokens beside the input: 812 and 512.
    "langfuse": [(None, "gpt-4o", 1324, 37, 512)],
    "agentops": [],
    "crewai": [],
    "mlflow_otlp": [(None, "gpt-4o-2026-01-01", 812, 37, 512)] * 2,
    "mlflow_native": [(None, "gpt-4o-2026-01-01", 812, 37, 512)] * 2,
    "phoenix": [
        ("openai", "gpt-4o-2026-01-01", 812, 37, 512),
        ("openai", None, None, None, None),
        ("openai", "gpt-4o-2026-01-01", 812, 37, 512),
    ],
    "traceloop": [
        ("openai", "gpt-4o-2026-01-01", 812, 37, 512),
        ("openai", "error-429", None, None, None),
        ("openai", "gpt-4o-2026-01-01", 812, 37, 512),
    ],
}
CALLS["otel_sdk_gzip"] = CALLS["otel_sdk"]

# Token sums that agents repeat from the calls below them: input, output.
SUMS = {
    "pydantic_ai": [(114, 15), (53, 7), (58, 13), (51, 4)],
    "pydantic_ai_deny": [(114, 15), (53, 7), (55, 10), (51, 4)],
}

TOOLS = {
    "otel_sdk": ["refund_order"],
    "otel_sdk_gzip": ["refund_order"],
    "langgraph": ["refund_order"],
    "openai_agents": ["refund_order", "refund_order", "handoff to ops-agent"],
    "pydantic_ai": ["get_weather", "refund_order", "broken"],
    "pydantic_ai_deny": ["get_weather", "broken"],
    "langfuse": ["refund_order", "broken"],
    "agentops": ["refund_order", "broken"],
    "crewai": [],
    "mlflow_otlp": ["refund_order"],
    "mlflow_native": ["refund_order"],
    "phoenix": ["refund_order"],
    "traceloop": ["refund_order"],
}

# error's type, category, message; of each failed step in the order sent.
ERRORS = {
    "otel_sdk": [("PermissionError", "tool_failure", "refund above limit needs approval")],
    "langgraph": [("ValueError", "internal_error", "ledger is locked")] * 2,
    "pydantic_ai": [
        ("RuntimeError", "tool_failure", "backend unavailable"),
        ("RuntimeError", "internal_error", "RuntimeError: backend unavailable"),
    ],
    "langfuse": [(None, "tool_failure", "ledger unavailable")],
    "agentops": [("RuntimeError", "tool_failure", "RuntimeError: ledger unavailable")],
    "phoenix": [
        ("openai.InternalServerError", "tool_failure", "InternalServerError: Error code: 500 - synthetic"),
    ],
    "traceloop": [("RateLimitError", "rate_limit", "Error code: 429 - synthetic")],
}
ERRORS["otel_sdk_gzip"] = ERRORS["otel_sdk"]
ERRORS["pydantic_ai_deny"] = ERRORS["pydantic_ai"]

COSTS = {"langfuse": [Decimal("0.0024")], "agentops": [Decimal("0.002")]}

# version, environment, conversations, users, task types of all spans together.
CONTEXT = {
    "otel_sdk": ({"1.4.2"}, {"prod"}, {"conv-1"}, set(), set()),
    "langgraph": (set(), set(), {"t-1", "t-2"}, {"raj_santos_9079"}, set()),
    "langfuse": ({"1.4.2"}, {"production"}, {"conv-1"}, {"raj_santos_9079"}, set()),
    "phoenix": (set(), set(), {"conv-1"}, set(), set()),
    "traceloop": (set(), {"prod"}, {"conv-1"}, {"raj"}, {"refund-workflow"}),
    "mlflow_otlp": (set(), set(), set(), set(), set()),
    "crewai": (set(), set(), set(), set(), set()),
    "agentops": (set(), set(), set(), set(), set()),
}


@pytest.mark.parametrize("client", OTLP_CLIENTS)
def test_every_span_sent_is_read_with_its_ids_and_its_time(client):
    sent, read = decoded_spans(client), spans_of(client)
    assert [(s["traceId"], s["spanId"], s.get("parentSpanId"), s["name"]) for s in sent] == [
        (s.trace_id, s.span_id, s.parent_span_id, s.name) for s in read
    ]
    for one, span in zip(sent, read, strict=True):
        start, end = int(one["startTimeUnixNano"]), int(one["endTimeUnixNano"])
        assert round(span.started_at.timestamp() * 1_000_000) == start // 1000
        assert span.duration_us == (end - start) // 1000


@pytest.mark.parametrize("client", OTLP_CLIENTS)
def test_steps_have_the_kind_status_and_agent_that_the_client_meant(client):
    spans = spans_of(client)
    names = {(span.trace_id, span.span_id): span.name for span in spans}
    assert [(s.name, names.get((s.trace_id, s.parent_span_id)), s.kind, s.status, s.agent) for s in spans] == STEPS[
        client
    ]


@pytest.mark.parametrize("client", OTLP_CLIENTS)
def test_model_calls_have_the_tokens_that_the_client_counted(client):
    calls = [span for span in spans_of(client) if span.kind == "model"]
    assert [(s.provider, s.model, s.input_tokens, s.output_tokens, s.cache_read_tokens) for s in calls] == CALLS[client]
    assert not any(span.is_usage_summary for span in calls)


@pytest.mark.parametrize("client", OTLP_CLIENTS)
def test_token_sums_on_other_steps_are_marked_as_repeated(client):
    others = [s for s in spans_of(client) if s.kind != "model" and s.input_tokens is not None]
    assert [(s.input_tokens, s.output_tokens) for s in others] == SUMS.get(client, [])
    assert all(span.is_usage_summary for span in others)


@pytest.mark.parametrize("client", OTLP_CLIENTS)
def test_tools_errors_costs_and_waits(client):
    spans = spans_of(client)
    assert [span.tool for span in spans if span.kind == "tool"] == TOOLS[client]
    failed = [span for span in spans if span.status == "error"]
    assert [(s.error_type, s.error_category, s.status_message) for s in failed] == ERRORS.get(client, [])
    assert [s.reported_cost_usd for s in spans if s.reported_cost_usd is not None] == COSTS.get(client, [])
    assert all((s.status == "waiting") == (s.escalation_reason == "approval_required") for s in spans)
    assert {s.error_category for s in failed} <= set(ERROR_CATEGORIES)
    assert {s.escalation_reason for s in spans} - {None} <= set(ESCALATION_REASONS)


@pytest.mark.parametrize("client", CONTEXT)
def test_versions_environments_conversations_and_users(client):
    spans = spans_of(client)
    found = [
        {value for span in spans if (value := getattr(span, field)) is not None}
        for field in ("agent_version", "environment", "conversation_id", "user_id", "task_type")
    ]
    assert tuple(found) == CONTEXT[client]


@pytest.mark.parametrize("client", OTLP_CLIENTS)
def test_json_of_the_same_request_is_read_the_same(client):
    read = [otlp.decode_json(body, LIMITS).spans for body in as_otlp_json(client)]
    assert read == [
        otlp.decode_protobuf(body, LIMITS).spans for body in bodies(client, "/v1/traces", "/api/public/otel/v1/traces")
    ]


@pytest.mark.parametrize("client", OTLP_CLIENTS)
def test_no_attribute_is_lost_without_a_field_that_holds_it(client):
    for sent, span in zip(decoded_spans(client), spans_of(client), strict=True):
        values = [*span.attributes.values(), *(getattr(span, name) for name in span.__struct_fields__)]
        kept = "\n".join(map(str, values))
        for pair in sent.get("attributes", []):
            (value,) = pair["value"].values()
            starts = pair["key"].rpartition(".")[0]
            is_nested = any(key and starts.startswith(key) for key in span.attributes)
            usage = ("usage_details", "cost_details", "tokenUsage", "level", "end_state", "spanType", "FunctionName")
            if isinstance(value, str) and len(value) < 200 and not is_nested and not pair["key"].endswith(usage):
                assert pair["key"] in span.attributes or value.strip('"') in kept, pair["key"]


def test_the_agents_sdks_own_export_says_the_same_as_its_spans():
    spans = native_spans()
    names = {span.span_id: span.name for span in spans}
    assert Counter((s.name, names.get(s.parent_span_id), s.kind, s.status, s.agent) for s in spans) == Counter(
        [
            ("generation", "turn", "model", "ok", "refund-agent"),
            ("refund_order", "turn", "tool", "waiting", "refund-agent"),
            ("turn", "refund-agent", "step", "ok", "refund-agent"),
            ("refund-agent", "Agent workflow", "agent", "ok", "refund-agent"),
            ("Agent workflow", None, "step", "ok", "refund-agent"),
            ("refund_order", "refund-agent", "tool", "ok", "refund-agent"),
            ("generation", "turn", "model", "ok", "refund-agent"),
            ("turn", "refund-agent", "step", "ok", "refund-agent"),
            ("refund-agent", "refund workflow", "agent", "ok", "refund-agent"),
            ("refund workflow", None, "step", "ok", "refund-agent"),
            ("generation", "turn", "model", "ok", "triage-agent"),
            ("handoff to ops-agent", "turn", "step", "ok", "triage-agent"),
            ("turn", "triage-agent", "step", "ok", "triage-agent"),
            ("triage-agent", "Agent workflow", "agent", "ok", "triage-agent"),
            ("generation", "turn", "model", "ok", "ops-agent"),
            ("turn", "ops-agent", "step", "ok", "ops-agent"),
            ("ops-agent", "Agent workflow", "agent", "ok", "ops-agent"),
            ("Agent workflow", None, "step", "ok", "triage-agent"),
        ]
    )
    calls = [span for span in spans if span.kind == "model"]
    assert [(s.model, s.input_tokens, s.output_tokens) for s in calls] == [("gpt-4o", 700, 31)] * 4
    sums = [(s.input_tokens, s.output_tokens) for s in spans if s.is_usage_summary]
    assert Counter(sums) == Counter({(700, 31): 6, (1400, 62): 1})
    assert {(span.trace_id, span.conversation_id, span.task_type) for span in spans} == {
        ("trace_5437b8281e1f478f9c9b081f39055500", "conv-9", "refund workflow")
    }


def test_langfuses_score_is_an_outcome_of_its_trace():
    (body,) = bodies("langfuse", "/api/public/scores")
    ((score_id, score),) = langfuse_scores.decode_scores(body)
    assert score_id == "55ca1ef92255f0af"
    assert (score.trace_id, score.name) == ("de66f38fb2f5a2e30696b19efc48dfd2", "success")
    assert (score.evaluated_success, score.user_success) == (True, None)
