"""Every acknowledged span is there, once, whatever is killed in the middle.

AGENTOPS_KILL_SPANS=200000 tries it at full length; the suite sends fewer.
"""

import json
import os
import random
import signal
import threading
import time
import urllib.error
import urllib.request

import pytest

from tests.core.served import Product

pytestmark = pytest.mark.xdist_group("served")

SPANS = int(os.environ.get("AGENTOPS_KILL_SPANS", "12000"))
BATCH = 200

SET_UP = """
from apps.core.actors import SYSTEM
from apps.core.tenancy import everyone, scope
from apps.organizations.models import User
from apps.organizations.services import create_key, create_organization
with everyone(reason="test"):
    user = User.objects.create_user("ada@example.com")
organization = create_organization(actor=SYSTEM, user=user, name="Acme", slug="acme")
with scope(organization.id):
    print("KEY", create_key(actor=SYSTEM, creator=user, name="k", scopes=["ingest", "read"])[1])
"""


def events(batch: int) -> bytes:
    now = time.time()
    return json.dumps(
        [
            {
                "timestamp": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(now - 60)),
                "trace_id": f"trace-{batch}-{index // 20}",
                "span_id": f"{batch}-{index}",
                "agent_id": "killed-agent",
                "event_type": "agent_run" if index % 20 == 0 else "tool_call",
                "parent_span_id": None if index % 20 == 0 else f"{batch}-{index - index % 20}",
                "duration_ms": 5,
            }
            for index in range(BATCH)
        ]
    ).encode()


def post_until_acknowledged(product: Product, key: str, data: bytes, deadline: float) -> None:
    """Send as an exporter does: again after every answer that is not a success."""
    while time.monotonic() < deadline:
        request = urllib.request.Request(
            f"{product.url}/api/v1/events",
            data,
            {"Authorization": f"Bearer {key}", "Content-Type": "application/json"},
        )
        try:
            with urllib.request.urlopen(request, timeout=20) as answer:
                assert json.load(answer)["accepted"] == BATCH
                return
        except (OSError, urllib.error.URLError, ValueError):
            time.sleep(0.1)
    raise AssertionError("a batch was never acknowledged")


def test_killing_web_worker_and_database_loses_and_doubles_nothing(tmp_path):
    product = Product(tmp_path / "var")
    try:
        product.wait_ready()
        key = product.manage("shell", "-c", SET_UP).rpartition("KEY ")[2].strip()
        batches = SPANS // BATCH
        deadline = time.monotonic() + 60 + SPANS / 500
        positions = iter(range(batches))
        lock = threading.Lock()
        acknowledged: list[int] = []
        failures: list[BaseException] = []

        def send() -> None:
            try:
                while True:
                    with lock:
                        batch = next(positions, None)
                    if batch is None:
                        return
                    post_until_acknowledged(product, key, events(batch), deadline)
                    acknowledged.append(batch)
            except BaseException as error:
                failures.append(error)
                raise

        senders = [threading.Thread(target=send) for _ in range(4)]
        for sender in senders:
            sender.start()
        rng = random.Random(3)
        victims = [
            "config.wsgi",
            "config.celery worker",
            "bin/postgres",
            "config.wsgi",
            "bin/postgres",
        ]
        for share, victim in enumerate(victims, start=1):
            while len(acknowledged) < batches * share / (len(victims) + 1) and not failures:
                time.sleep(0.02)
            time.sleep(rng.uniform(0, 0.2))
            os.kill(product.pid_of(victim), signal.SIGKILL)
            time.sleep(1)
            product.wait_ready(60)
        for sender in senders:
            sender.join(timeout=120 + SPANS / 500)
        assert failures == []
        assert sorted(acknowledged) == list(range(batches))
        [(stored, distinct)] = product.sql("SELECT count(*), count(DISTINCT (trace_id, span_id)) FROM telemetry_span")
        assert (stored, distinct) == (batches * BATCH, batches * BATCH)
        # The worker goes on with what it was doing: every trace becomes one task, every task counts once.
        end = time.monotonic() + 60 + SPANS / 500
        expected = batches * BATCH // 20
        while time.monotonic() < end:
            counted = product.sql(
                "SELECT (SELECT count(*) FROM telemetry_task), "
                "(SELECT coalesce(sum(task_count), 0) FROM telemetry_taskhour)"
            )
            if counted == [(expected, expected)]:
                break
            time.sleep(0.5)
        assert counted == [(expected, expected)]
    finally:
        product.stop()
