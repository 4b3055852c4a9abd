"""The number of queries of a page does not grow with its rows: as many with 30 as with 3."""

from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from apps.core.tenancy import everyone
from apps.organizations.models import Membership, User
from apps.organizations.services import create_key, invite_person, person
from apps.registry.rules.document import Document, Owner
from apps.registry.services.agents import register_agent
from apps.telemetry.normal import NormalSpan
from apps.telemetry.services.fold import fold_pending
from apps.telemetry.services.ingest import store_spans
from apps.telemetry.services.rollups import roll_up_pending

PAGES = (
    "/o/acme/",
    "/o/acme/agents/",
    "/o/acme/agents/agent-1/",
    "/o/acme/tasks/",
    "/o/acme/traces/trace-1/",
    "/o/acme/audit/",
    "/o/acme/settings/people/",
    "/o/acme/settings/keys/",
    "/o/acme/settings/prices/",
)
API = ("/api/v1/agents", "/api/v1/tasks", "/api/v1/traces", "/api/v1/traces/trace-1", "/api/v1/metrics", "/metrics")


def fill(world, first: int, last: int) -> None:
    """Give acme agents, tasks, spans, people, invitations and keys from number `first` to `last`."""
    actor = person(world.ada)
    now = datetime.now(UTC)
    spans = []
    for number in range(first, last):
        with everyone(reason="test"):
            user = User.objects.create_user(f"person{number}@example.com", name=f"Person {number}")
        with world.acme_scope():
            Membership.objects.create(organization=world.acme, user=user, role="viewer")
            create_key(actor=actor, creator=user, name=f"key {number}", scopes=["read"])
            invite_person(
                actor=actor,
                inviter=world.ada,
                organization=world.acme,
                email=f"invited{number}@example.com",
                role="viewer",
            )
            register_agent(
                actor=actor, document=Document(name=f"Agent {number}", slug=f"agent-{number}", owner=Owner(team="t"))
            )
        for trace, parent in ((f"trace-{number}", None), ("trace-1", "root-1")):
            spans.append(
                NormalSpan(
                    trace,
                    f"root-{number}" if parent is None else f"child-{number}",
                    parent,
                    "run",
                    now - timedelta(minutes=5),
                    1000,
                    kind="agent" if parent is None else "model",
                    status="ok",
                    agent=f"agent-{number}" if parent is None else "agent-1",
                    model=f"own-model-{number}",
                    input_tokens=10,
                )
            )
    store_spans(organization_id=world.acme.id, agent_slug=None, spans=spans)
    fold_pending(world.acme.id, batches=10)
    roll_up_pending(world.acme.id)


def counts(world) -> dict[str, int]:
    found = {}
    browser, program = world.client("ada"), world.api()
    for client, paths in ((browser, PAGES), (program, API)):
        for path in paths:
            client.get(path)  # caches and the credential are warm
            with CaptureQueriesContext(
                connection,
            ) as queries:
                assert client.get(path).status_code == 200, path
            found[path] = len(queries)
    return found


def test_query_counts_do_not_depend_on_rows(committed_world):
    fill(committed_world, 1, 4)
    few = counts(committed_world)
    fill(committed_world, 4, 31)
    many = counts(committed_world)
    assert {path: (few[path], many[path]) for path in few if many[path] > few[path]} == {}
    assert max(few.values()) <= 40, few


@pytest.mark.parametrize("path", PAGES)
def test_pages_fill_from_nothing(committed_world, path):
    expected = 404 if "agent-1" in path or "trace-1" in path else 200
    assert committed_world.client("ada").get(path).status_code == expected
