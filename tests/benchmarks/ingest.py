"""Spans per second through HTTP into PostgreSQL, as a share of raw COPY of the same rows in the same run.

usage: make bench ARGS=ingest     (SECONDS=8 per measurement)

Everything is on: key check, tenant, redaction rules, cost, dedupe, marks, worker folding meanwhile, default durability.
Twenty spans a trace, sixteen columns and about 630 bytes of attributes each; four connections with keep-alive.
"""

import base64
import datetime
import http.client
import json
import os
import random
import sys
import threading
import time
from multiprocessing import get_context
from urllib.parse import urlsplit

import psycopg
from google.protobuf.json_format import ParseDict
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from apps.telemetry.normal import Limits
from apps.telemetry.prices.book import Book
from apps.telemetry.services.rows import SPAN_COLUMNS, span_row
from apps.telemetry.wire.otlp import decode_json
from config.database import ingest_conninfo
from tests.benchmarks.installation import Installation

SECONDS = float(os.environ.get("SECONDS", "8"))
CONNECTIONS = 4
BODIES = 60


def attributes(rng: random.Random) -> dict[str, object]:
    """Return the attributes of a typical model call (about 630 bytes of JSON)."""
    return {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "openai",
        "gen_ai.request.model": "gpt-4o",
        "gen_ai.response.model": "gpt-4o-2024-08-06",
        "gen_ai.response.id": f"chatcmpl-{rng.getrandbits(80):020x}",
        "gen_ai.usage.input_tokens": rng.randrange(200, 4000),
        "gen_ai.usage.output_tokens": rng.randrange(20, 600),
        "gen_ai.usage.cache_read.input_tokens": rng.randrange(0, 200),
        "gen_ai.agent.name": "bench-agent",
        "gen_ai.conversation.id": f"conv-{rng.randrange(10000)}",
        "server.address": "api.openai.com",
        "server.port": 443,
        "gen_ai.request.temperature": 0.2,
        "gen_ai.response.finish_reasons": ["stop"],
        "app.region": "eu-central-1",
        "app.note": "n" * 120,
    }


def any_value(value: object) -> dict[str, object]:
    """Return OTLP/JSON's form of a value."""
    if isinstance(value, bool):
        return {"boolValue": value}
    if isinstance(value, int):
        return {"intValue": str(value)}
    if isinstance(value, float):
        return {"doubleValue": value}
    if isinstance(value, list):
        return {"arrayValue": {"values": [any_value(item) for item in value]}}
    return {"stringValue": value}


def otlp(rng: random.Random, size: int) -> dict:
    """Return an OTLP request of `size` fresh spans, twenty a trace."""
    now = time.time_ns()
    spans = []
    for index in range(size):
        if index % 20 == 0:
            trace, root = f"{rng.getrandbits(128):032x}", f"{rng.getrandbits(64) or 1:016x}"
        start = now - rng.randrange(10**9, 3600 * 10**9)
        spans.append(
            {
                "traceId": trace,
                "spanId": root if index % 20 == 0 else f"{rng.getrandbits(64) or 1:016x}",
                **({} if index % 20 == 0 else {"parentSpanId": root}),
                "name": "chat gpt-4o",
                "kind": 3,
                "startTimeUnixNano": str(start),
                "endTimeUnixNano": str(start + rng.randrange(10**7, 10**10)),
                "attributes": [{"key": k, "value": any_value(v)} for k, v in attributes(rng).items()],
                "status": {},
            }
        )
    resource = {"attributes": [{"key": "service.name", "value": {"stringValue": "bench"}}]}
    return {"resourceSpans": [{"resource": resource, "scopeSpans": [{"scope": {"name": "b"}, "spans": spans}]}]}


def body(kind: str, rng: random.Random, size: int) -> bytes:
    """Return an encoded request of one kind: events, otlp-json or otlp-protobuf."""
    request = otlp(rng, size)
    if kind == "otlp-json":
        return json.dumps(request).encode()
    if kind == "otlp-protobuf":
        for resource in request["resourceSpans"]:
            for scope in resource["scopeSpans"]:
                for span in scope["spans"]:
                    # Protobuf's JSON form has base64 where OTLP's has hexadecimal digits.
                    for key in ("traceId", "spanId", "parentSpanId"):
                        if key in span:
                            span[key] = base64.b64encode(bytes.fromhex(span[key])).decode()
        return ParseDict(request, ExportTraceServiceRequest()).SerializeToString()
    events = []
    for span in request["resourceSpans"][0]["scopeSpans"][0]["spans"]:
        start = int(span["startTimeUnixNano"]) / 1e9
        events.append(
            {
                "timestamp": time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(start)) + f".{int(start % 1 * 1e6):06d}Z",
                "trace_id": span["traceId"],
                "span_id": span["spanId"],
                "parent_span_id": span.get("parentSpanId"),
                "agent_id": "bench-agent",
                "event_type": "llm_call",
                "model": "gpt-4o",
                "provider": "openai",
                "duration_ms": 250.5,
                "tokens_used": {"input": 812, "output": 37},
                "attributes": attributes(rng),
            }
        )
    return json.dumps(events).encode()


def send(url: str, key: str, kind: str, size: int, seed: int, ready, results) -> None:
    """Post prepared bodies over two connections until the time is up; report spans acknowledged and worst latency."""
    rng = random.Random(seed)
    path = "/api/v1/events" if kind == "events" else "/v1/traces"
    media = "application/x-protobuf" if kind == "otlp-protobuf" else "application/json"
    headers = {"Authorization": f"Bearer {key}", "Content-Type": media}
    count = max(12, BODIES * 100 // size)
    bodies = [[body(kind, rng, size) for _ in range(count)] for _ in range(2)]
    ready.wait()
    end = time.monotonic() + SECONDS
    sent = [0, 0]

    def run(index: int) -> None:
        connection = http.client.HTTPConnection(urlsplit(url).netloc)
        position = 0
        while time.monotonic() < end:
            # A body is sent once: another trace id in every request keeps the rows new.
            data = bodies[index][position % count]
            if position >= count:
                data = fresh(data, kind, rng)
            connection.request("POST", path, data, headers)
            response = connection.getresponse()
            response.read()
            if response.status != 200:
                raise SystemExit(f"{kind}: HTTP {response.status}")
            sent[index] += size
            position += 1

    threads = [threading.Thread(target=run, args=(index,)) for index in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    results.put(sum(sent))


def fresh(data: bytes, kind: str, rng: random.Random) -> bytes:
    """Return the body with other trace ids, cheaply: their first bytes are exchanged everywhere at once."""
    if kind == "otlp-protobuf":
        # Field 1 (trace_id), length 16: the marker stands before every trace id.
        pieces = data.split(b"\x0a\x10")
        mark = rng.getrandbits(64).to_bytes(8)
        return pieces[0] + b"".join(b"\x0a\x10" + mark + piece[8:] for piece in pieces[1:])
    marker = b'"trace_id": "' if kind == "events" else b'"traceId": "'
    pieces = data.split(marker)
    mark = f"{rng.getrandbits(64):016x}".encode()
    return pieces[0] + b"".join(marker + mark + piece[16:] for piece in pieces[1:])


def measure(served: Installation, kind: str, size: int) -> float:
    """Return spans per second through HTTP with four connections from two client processes."""
    context = get_context("spawn")
    ready, results = context.Barrier(3), context.Queue()
    clients = [
        context.Process(target=send, args=(served.url, served.key, kind, size, seed, ready, results))
        for seed in (time.time_ns(), time.time_ns() + 1)
    ]
    for client in clients:
        client.start()
    # All begin together, when the last one has prepared its bodies.
    ready.wait(120)
    total = sum(results.get(timeout=SECONDS + 60) for _ in clients)
    for client in clients:
        client.join()
    return total / SECONDS


MARK = b"@@@@@@@@@"


def raw_copy(served: Installation, size: int) -> float:
    """Return rows per second of two writers that COPY the same kind of rows, `size` a transaction."""
    context = get_context("spawn")
    ready, results = context.Barrier(3), context.Queue()
    writers = [
        context.Process(target=write_raw, args=(str(served.organization_id), size, index, ready, results))
        for index in range(2)
    ]
    for writer in writers:
        writer.start()
    # All begin together, when the last one has prepared its bodies.
    ready.wait(120)
    total = sum(results.get(timeout=SECONDS + 60) for _ in writers)
    for writer in writers:
        writer.join()
    return total / SECONDS


def write_raw(organization: str, size: int, index: int, ready, results) -> None:
    """Write prepared rows without anything in between; only their trace ids change."""
    rng = random.Random(index)
    book = Book()
    columns = ", ".join(SPAN_COLUMNS)
    buffers = []
    for _ in range(20):
        spans = decode_json(json.dumps(otlp(rng, size)).encode(), Limits()).spans
        lines = [span_row(organization, span, None, book) for span in spans]
        buffers.append(b"".join(line[:37].encode() + MARK + line[46:].encode() + b"\n" for line in lines))
    with psycopg.connect(**ingest_conninfo(os.environ["SECRET_KEY"])) as connection:
        ready.wait()
        end = time.monotonic() + SECONDS
        turn = 0
        while time.monotonic() < end:
            data = buffers[turn % len(buffers)].replace(MARK, f"{index}{turn:08x}".encode())
            with connection.cursor().copy(f"COPY telemetry_span ({columns}) FROM STDIN") as copy:
                copy.write(data)
            connection.commit()
            turn += 1
    results.put(turn * size)


def main() -> None:
    """Print one row per kind and batch size."""
    with (
        Installation(worker="--no-worker" not in sys.argv) as served,
        psycopg.connect(os.environ["DATABASE_URL"], autocommit=True) as owner,
    ):
        for offset in (0, 1):
            owner.execute(
                "SELECT telemetry_ensure_day(%s)",
                [datetime.datetime.now(datetime.UTC).date() - datetime.timedelta(days=offset)],
            )
        print(f"{'what':<16}{'batch':>6}{'spans/s':>10}{'of raw':>8}")
        for size in map(int, os.environ.get("SIZES", "500,100").split(",")):
            raw = raw_copy(served, size)
            print(f"{'raw COPY':<16}{size:>6}{raw:>10,.0f}{1:>8.0%}", flush=True)
            for kind in ("otlp-protobuf", "otlp-json", "events"):
                owner.execute("TRUNCATE telemetry_span, telemetry_payload, telemetry_touch")
                rate = measure(served, kind, size)
                print(f"{kind:<16}{size:>6}{rate:>10,.0f}{rate / raw:>8.0%}", flush=True)
        print(f"memory of the web processes: {served.web_memory_mb():.0f} MB")


if __name__ == "__main__":
    main()
