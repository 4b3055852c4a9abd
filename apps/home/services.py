"""Load the demo organization: people, agents, and 45 days of generated work, through the same services as everybody."""

import secrets
from collections.abc import Callable
from datetime import datetime
from typing import Any

from django.utils import timezone

from apps.core.actors import SYSTEM
from apps.core.tenancy import everyone, scope
from apps.home.demo.designs import design
from apps.home.demo.fleet import FLEET, STRANGER, Profile
from apps.home.demo.history import generate
from apps.organizations.models import Membership, Organization, User
from apps.organizations.rules import SCOPES
from apps.organizations.services import create_key, create_organization, person
from apps.registry.services.agents import assign_owner, change_agent_status, register_agent
from apps.telemetry.models import Outcome
from apps.telemetry.services.fold import fold_pending
from apps.telemetry.services.ingest import store_spans
from apps.telemetry.services.outcomes import record_outcomes
from apps.telemetry.services.rollups import roll_up_pending

SEED = 20261123
BATCH_SPANS = 4000

# The demo's cast by role; the operator runs the installation and belongs to no organization.
CAST = {
    "owner": ("ada", "Ada Lindqvist"),
    "admin": ("noor", "Noor Haddad"),
    "manager": ("max", "Max Moreau"),
    "reviewer": ("rita", "Rita Santos"),
    "board": ("bo", "Bo Andersen"),
    "auditor": ("otto", "Otto Weiss"),
    "viewer": ("vic", "Vic Okafor"),
}

Progress = Callable[[str], None]


def load_demo(*, say: Progress) -> dict[str, Any] | None:
    """Create the two demo organizations; return their credentials, or None if they are there already."""
    with everyone(reason="the demo's organizations are new"):
        if Organization.objects.filter(slug__in=["acme", "globex"]).exists():
            return None
    acme, people, credentials = _organization("acme", "Acme Travel", "acme.example", CAST)
    globex, _, other = _organization("globex", "Globex", "globex.example", {"owner": ("mallory", "Mallory Finch")})
    credentials["users"]["operator"] = _operator()
    now = timezone.now()
    say("generating 45 days of a fleet of eight agents")
    _register_fleet(acme, people)
    counts = [_load_history(acme, profile, now) for profile in (*FLEET, STRANGER)]
    _load_history(globex, FLEET[0], now)
    say(f"folding {sum(counts)} spans into tasks and hours")
    for organization in (acme, globex):
        while fold_pending(organization.id, batches=50):
            pass
        while roll_up_pending(organization.id, hours=200):
            pass
    return {**credentials, "other": other}


def _organization(
    slug: str, name: str, domain: str, cast: dict[str, tuple[str, str]]
) -> tuple[Organization, dict[str, User], dict[str, Any]]:
    users: dict[str, dict[str, str]] = {}
    people: dict[str, User] = {}
    with everyone(reason="people exist before their organization"):
        for role, (first, full) in cast.items():
            password = secrets.token_urlsafe(12)
            people[role] = User.objects.create_user(f"{first}@{domain}", password, name=full)
            users[role] = {"email": people[role].email, "password": password}
    organization = create_organization(actor=SYSTEM, user=people["owner"], name=name, slug=slug, is_demo=True)
    with scope(organization.id):
        for role, user in people.items():
            if role != "owner":
                Membership.objects.create(organization=organization, user=user, role=role)
        _, key = create_key(actor=SYSTEM, creator=people["owner"], name="Demo", scopes=list(SCOPES))
    return organization, people, {"organization": slug, "api_key": key, "users": users}


def _operator() -> dict[str, str]:
    password = secrets.token_urlsafe(12)
    with everyone(reason="the operator belongs to no organization"):
        user = User.objects.create_user("operator@agentops.example", password, name="Operator", is_operator=True)
    return {"email": user.email, "password": password}


def _register_fleet(organization: Organization, people: dict[str, User]) -> None:
    """Register the fleet's agents with their designs, owners and states."""
    actor = person(people["manager"])
    with scope(organization.id):
        owners = {membership.user_id: membership.pk for membership in Membership.objects.all()}
        for profile in FLEET:
            register_agent(
                actor=actor,
                document=design(profile),
                environment="staging" if profile.status == "pilot" else "production",
                criticality=profile.criticality,
                note="First registered version",
            )
            for status in ("pilot", "production"):
                change_agent_status(actor=actor, slug=profile.slug, status=status)
                if status == profile.status:
                    break
            owner = people["manager"] if profile.owner else None
            assign_owner(
                actor=actor,
                slug=profile.slug,
                team=profile.team if profile.owner else "",
                person_id=owners[owner.pk] if owner else None,
            )


def _load_history(organization: Organization, profile: Profile, now: datetime) -> int:
    spans: list = []
    outcomes: list[Outcome] = []
    count = 0
    for task_spans, told in generate(profile, end=now, seed=SEED):
        spans += task_spans
        count += len(task_spans)
        if told is not None:
            outcomes.append(
                Outcome(
                    trace_id=told.task_trace,
                    evaluated_success=told.evaluated_success,
                    user_success=told.user_success,
                    business_value_usd=told.value_usd,
                    outcome_name=told.outcome,
                    recorded_at=min(told.at, now),
                )
            )
        if len(spans) >= BATCH_SPANS:
            store_spans(organization_id=organization.id, agent_slug=None, spans=spans)
            spans = []
    if spans:
        store_spans(organization_id=organization.id, agent_slug=None, spans=spans)
    if outcomes:
        with scope(organization.id):
            record_outcomes(actor=SYSTEM, outcomes=outcomes, source=f"generated for {profile.slug}")
    return count
