"""Latency of pages and API over HTTP with a million spans (fifty thousand tasks of eight agents in thirty days).

usage: make bench ARGS=pages     (SPANS=1000000)

Prints the median and the 95th percentile of twenty requests each, and the ratio to an empty page of the same server.
"""

import json
import os
import statistics
import time
import urllib.request

import psycopg
from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY

from tests.benchmarks.installation import Installation

SPANS = int(os.environ.get("SPANS", "1000000"))
REQUESTS = 20

GENERATE = """
INSERT INTO telemetry_span (organization_id, trace_id, span_id, parent_span_id, started_at, duration_us, name, kind,
    status, agent, agent_version, environment, task_type, model, provider, tool, input_tokens, output_tokens, cost_usd,
    price_state, attributes)
SELECT %(organization)s, md5((n / 20)::text), to_char(n, 'FM0000000000000000'),
    CASE WHEN n %% 20 > 0 THEN to_char(n - n %% 20, 'FM0000000000000000') END,
    date_trunc('minute', now()) - interval '30 days' * ((n / 20) / (%(spans)s / 20.0))
        - interval '1 second' * (20 - n %% 20),
    CASE WHEN n %% 20 = 0 THEN 20000000 ELSE 900000 END,
    CASE WHEN n %% 20 = 0 THEN 'invoke_agent' ELSE 'step' END,
    CASE WHEN n %% 20 = 0 THEN 'agent' WHEN n %% 2 = 0 THEN 'model' ELSE 'tool' END,
    CASE WHEN n %% 20 = 0 AND (n / 20) %% 25 = 0 THEN 'error' ELSE 'ok' END,
    'agent-' || (n / 20) %% 8, '1.' || (n / 20) %% 3, 'production', 'type-' || (n / 20) %% 4,
    CASE WHEN n %% 20 > 0 AND n %% 2 = 0 THEN 'gpt-4o' END, CASE WHEN n %% 20 > 0 AND n %% 2 = 0 THEN 'openai' END,
    CASE WHEN n %% 2 = 1 THEN 'tool-' || n %% 7 END,
    CASE WHEN n %% 20 > 0 AND n %% 2 = 0 THEN 800 END, CASE WHEN n %% 20 > 0 AND n %% 2 = 0 THEN 90 END,
    CASE WHEN n %% 20 > 0 AND n %% 2 = 0 THEN 0.0029 END,
    CASE WHEN n %% 20 > 0 AND n %% 2 = 0 THEN 'priced' ELSE 'none' END, '{"k": "v"}'
FROM generate_series(0, %(spans)s - 1) AS n
"""


def fill(served: Installation) -> None:
    """Make the spans inside the database, fold them with the product."""
    from apps.telemetry.services.fold import fold_pending
    from apps.telemetry.services.rollups import roll_up_pending

    with psycopg.connect(os.environ["DATABASE_URL"], autocommit=True) as owner:
        for day in range(33):
            owner.execute("SELECT telemetry_ensure_day(current_date - %s)", [day])
        owner.execute(GENERATE, {"organization": served.organization_id, "spans": SPANS})
        owner.execute(
            "INSERT INTO telemetry_touch (organization_id, trace_id, started_at) "
            "SELECT organization_id, trace_id, started_at FROM telemetry_span WHERE parent_span_id IS NULL"
        )
        owner.execute("ANALYZE")
        while fold_pending(served.organization_id, batches=100) != 0:
            continue
        while roll_up_pending(served.organization_id, hours=500) != 0:
            continue
        owner.execute("VACUUM ANALYZE")


def session() -> str:
    """Return a session cookie of the organization's owner."""
    from apps.core.tenancy import everyone
    from apps.organizations.models import User
    from apps.organizations.sessions import SessionStore

    with everyone(reason="a benchmark signs in"):
        user = User.objects.get()
    store = SessionStore()
    store[SESSION_KEY] = str(user.pk)
    store[BACKEND_SESSION_KEY] = "allauth.account.auth_backends.AuthenticationBackend"
    store[HASH_SESSION_KEY] = user.get_session_auth_hash()
    store.save()
    return f"sessionid={store.session_key}"


def timed(url: str, headers: dict[str, str]) -> tuple[float, float]:
    """Return median and 95th percentile in milliseconds."""
    times = []
    for _ in range(REQUESTS + 2):
        began = time.perf_counter()
        with urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=60) as answer:
            answer.read()
        times.append((time.perf_counter() - began) * 1000)
    warm = sorted(times[2:])
    return statistics.median(warm), warm[int(len(warm) * 0.95) - 1]


def main() -> None:
    """Print one row per address."""
    with Installation() as served:
        began = time.monotonic()
        fill(served)
        print(f"{SPANS:,} spans made and folded in {time.monotonic() - began:.0f} s")
        key = {"Authorization": f"Bearer {served.key}"}
        cookie = {"Cookie": session()}
        with urllib.request.urlopen(
            urllib.request.Request(f"{served.url}/api/v1/traces?limit=1", headers=key), timeout=60
        ) as answer:
            trace = json.load(answer)["data"][0]["trace_id"]
        base, _ = timed(f"{served.url}/o/bench/settings/", cookie)
        print(f"{'address':<44}{'p50 ms':>9}{'p95 ms':>9}{'× empty page':>14}")
        print(f"{'/o/bench/settings/ (an empty page)':<44}{base:>9.1f}")
        for path, headers in (
            ("/o/bench/", cookie),
            ("/o/bench/agents/", cookie),
            ("/o/bench/agents/agent-1/", cookie),
            ("/o/bench/agents/agent-1/?period=30d", cookie),
            ("/o/bench/tasks/", cookie),
            ("/o/bench/tasks/?status=failed&agent=agent-1", cookie),
            (f"/o/bench/traces/{trace}/", cookie),
            ("/api/v1/tasks?limit=50", key),
            ("/api/v1/traces?limit=50", key),
            (f"/api/v1/traces/{trace}", key),
            ("/api/v1/metrics", key),
            ("/metrics", key),
        ):
            middle, high = timed(served.url + path, headers)
            print(f"{path[:43]:<44}{middle:>9.1f}{high:>9.1f}{middle / base:>14.1f}", flush=True)


if __name__ == "__main__":
    main()
