"""Traces of eight frameworks as another product stored them: its tokens and costs are an independent answer.

The files hold the original attributes of each span, except for those of Langfuse's own SDK, which it takes apart on
arrival; they are put together again from the parts before reading.
"""

import gzip
import hashlib
import json
from datetime import datetime
from decimal import Decimal
from pathlib import Path

import pytest

from apps.telemetry.normal import Limits, NormalSpan
from apps.telemetry.prices.book import Book
from apps.telemetry.wire import otlp

FOLDER = Path(__file__).resolve().parents[3] / "shared" / "data" / "langfuse_framework_traces" / "worker"
pytestmark = [
    pytest.mark.realdata,
    pytest.mark.skipif(not FOLDER.is_dir(), reason=f"{FOLDER} not found, skipped"),
]

# file → observations, cost in USD, tokens, as the set's README counts them.
README = {
    "agno-2025-06-11": (6, "0.00098", 3839),
    "crewai-2025-07-11": (6, "0.00013", 354),
    "google-adk-2025-08-28": (5, "0.00001", 76),
    "langgraph-python-2025-08-22": (9, "0.00023", 234),
    "llamaindex-2025-06-05": (2, "0.00084", 94),
    "openai-agents-2025-09-30": (5, "0.00063", 184),
    "pydantic-ai-2025-06-06": (3, "0.00104", 127),
    "pydantic-ai-tools-2025-06-06": (3, "0.00104", 127),
}
# What Langfuse counted by itself (its tokenizer) because the client sent no tokens: nothing that a reader could find.
COUNTED_BY_LANGFUSE = {"agno-2025-06-11": {"OpenAIChat.invoke": 777 + 1991}}

# Langfuse's types → kinds here. It shows plain spans for what the attributes call tools, agents and chains.
KINDS = {"GENERATION": {"model"}, "AGENT": {"agent"}, "TOOL": {"tool"}, "CHAIN": {"step"}}


def observations(name: str) -> list[dict]:
    (path,) = FOLDER.glob(f"{name}.trace.json*")
    text = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    return json.loads(text)["observations"]


def attribute(key: str, value) -> dict:
    return {"key": key, "value": {"stringValue": value if isinstance(value, str) else json.dumps(value)}}


def as_otlp(observation: dict) -> dict:
    sent = json.loads(observation["metadata"])
    attributes = [attribute(key, value) for key, value in (sent.get("attributes") or {}).items()]
    if sent["scope"]["name"] == "langfuse-sdk":
        attributes.append(attribute("langfuse.observation.type", observation["type"].lower()))
        for key, field in (("model.name", "model"), ("usage_details", "usageDetails"), ("cost_details", "costDetails")):
            if observation.get(field):
                attributes.append(attribute(f"langfuse.observation.{key}", observation[field]))
    nanoseconds = [
        int(datetime.fromisoformat(observation[name]).timestamp() * 1e6) * 1000 for name in ("startTime", "endTime")
    ]
    span = {
        "traceId": hashlib.md5(observation["traceId"].encode()).hexdigest(),
        "spanId": f"{int.from_bytes(observation['id'].encode()[-8:]):016x}",
        "name": observation["name"],
        "startTimeUnixNano": nanoseconds[0],
        "endTimeUnixNano": nanoseconds[1],
        "attributes": attributes,
    }
    resource = [attribute(key, value) for key, value in sent["resourceAttributes"].items()]
    return {"resource": {"attributes": resource}, "scopeSpans": [{"scope": sent["scope"], "spans": [span]}]}


def spans_of(name: str) -> list[tuple[dict, NormalSpan]]:
    found = observations(name)
    decoded = otlp.decode_json(json.dumps({"resourceSpans": [as_otlp(one) for one in found]}).encode(), Limits())
    assert not decoded.rejected
    return list(zip(found, decoded.spans, strict=True))


def test_the_expected_files_are_there():
    assert {path.name.partition(".trace")[0] for path in FOLDER.iterdir()} == set(README)


@pytest.mark.parametrize("name", README)
def test_tokens_of_a_trace_equal_what_langfuse_counted(name):
    count, _, tokens = README[name]
    spans = spans_of(name)
    assert len(spans) == count
    found = sum((s.input_tokens or 0) + (s.output_tokens or 0) for _, s in spans if not s.is_usage_summary)
    assert found == tokens - sum(COUNTED_BY_LANGFUSE.get(name, {}).values())


@pytest.mark.parametrize("name", README)
def test_tokens_and_model_of_every_call_equal_langfuses(name):
    for observation, span in spans_of(name):
        if observation["type"] != "GENERATION":
            continue
        assert span.model.startswith(observation["model"])
        if observation["name"] not in COUNTED_BY_LANGFUSE.get(name, {}):
            usage = observation["usageDetails"]
            assert (span.input_tokens, span.output_tokens) == (usage["input"], usage["output"])


@pytest.mark.parametrize("name", README)
def test_kinds_equal_langfuses_where_it_names_one(name):
    for observation, span in spans_of(name):
        assert span.kind in KINDS.get(observation["type"], {"step", "agent", "tool"}), observation["name"]
        assert span.is_usage_summary == (span.kind in ("agent", "step") and span.input_tokens is not None)


def test_costs_that_a_client_states_are_kept_as_stated():
    for name in ("agno-2025-06-11", "langgraph-python-2025-08-22"):
        for observation, span in spans_of(name):
            if span.attributes["resource.service.name"] and "langfuse.observation.type" in span.attributes:
                total = observation["costDetails"].get("total")
                assert span.reported_cost_usd == (Decimal(str(total)) if total is not None else None)


@pytest.mark.parametrize("name", sorted(set(README) - {"agno-2025-06-11", "langgraph-python-2025-08-22"}))
def test_the_price_of_a_trace_is_langfuses(name):
    """Without agno (its tokens were counted by Langfuse) and langgraph (priced at a made-up dollar per million)."""
    amounts = [
        Book().cost_of(s.provider, s.model, s.started_at, s.input_tokens, s.output_tokens, s.cache_read_tokens).amount
        for _, s in spans_of(name)
        if s.kind == "model"
    ]
    assert round(sum(amounts), 5) == Decimal(README[name][1])
