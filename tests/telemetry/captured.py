"""The recordings of what SDKs send (tests/telemetry/captures), and reading them."""

import gzip
import json
from functools import cache
from pathlib import Path
from typing import Any

from apps.telemetry.normal import Limits, NormalSpan
from apps.telemetry.rules.agents import name_agents
from apps.telemetry.wire import openai_agents, otlp

CAPTURES = Path(__file__).resolve().parent / "captures"
LIMITS = Limits()
TRACES = ("/v1/traces", "/api/public/otel/v1/traces")


@cache
def requests(client: str) -> list[dict[str, Any]]:
    """Return the requests of a recording."""
    return json.loads((CAPTURES / f"{client}.json").read_text())["requests"]


def bodies(client: str, *paths: str) -> list[bytes]:
    """Return the unpacked bodies that a client sent to these paths."""
    found = []
    for request in requests(client):
        if request["path"] in paths and request["raw_file"]:
            body = (CAPTURES / request["raw_file"]).read_bytes()
            found.append(gzip.decompress(body) if body[:2] == b"\x1f\x8b" else body)
    return found


def spans_of(client: str) -> list[NormalSpan]:
    """Return the spans of a client's OTLP requests, with agents named as storing does."""
    spans = []
    for body in bodies(client, *TRACES):
        decoded = otlp.decode_protobuf(body, LIMITS)
        assert not decoded.rejected
        spans += decoded.spans
    name_agents(spans)
    return spans


def native_spans(client: str = "openai_agents") -> list[NormalSpan]:
    """Return the spans of the Agents SDK's own export."""
    spans = []
    for body in bodies(client, "/v1/traces/ingest"):
        decoded = openai_agents.decode(body, LIMITS)
        assert not decoded.rejected
        spans += decoded.spans
    name_agents(spans)
    return spans


def decoded_spans(client: str) -> list[dict[str, Any]]:
    """Return the spans as the recorder decoded them, independently of the product."""
    return [
        span
        for request in requests(client)
        if request["path"] in TRACES
        for resource in request["decoded"]["resourceSpans"]
        for scope in resource["scopeSpans"]
        for span in scope["spans"]
    ]


def as_otlp_json(client: str) -> list[bytes]:
    """Return a client's requests as OTLP/JSON: the recorder's decoding with numbers for enumerations."""
    kinds = {"STATUS_CODE_OK": 1, "STATUS_CODE_ERROR": 2}
    found = []
    for request in requests(client):
        if request["path"] in TRACES:
            copy = json.loads(json.dumps(request["decoded"]))
            for resource in copy["resourceSpans"]:
                for scope in resource["scopeSpans"]:
                    for span in scope["spans"]:
                        code = span.get("status", {}).get("code")
                        if code:
                            span["status"]["code"] = kinds[code]
            found.append(json.dumps(copy).encode())
    return found
