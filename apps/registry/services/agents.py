"""Register agents, revise and restore their designs, change their status, owner and place."""

from dataclasses import replace
from uuid import UUID

from django.db import IntegrityError, transaction
from django.utils import timezone

from apps.audit.services import record
from apps.core.actors import Actor
from apps.core.errors import Conflict, DomainError, Missing, Stale
from apps.core.tenancy import current_organization_id
from apps.organizations.models import Membership
from apps.registry.models import Agent, AgentVersion
from apps.registry.rules import statuses
from apps.registry.rules.difference import Change, changes, proposed_version
from apps.registry.rules.document import Document
from apps.registry.rules.names import is_slug, may_follow, next_version, read_version
from apps.registry.rules.reading import is_environment, parse_data
from apps.registry.rules.writing import content_hash, plain

LONGEST_AUDITED = 50


def register_agent(
    *,
    actor: Actor,
    document: Document,
    environment: str | None = None,
    criticality: str | None = None,
    note: str = "",
    source: str = "",
) -> Agent:
    """Register an agent with its first version; raises Conflict if its id is taken.

    The label is the document's version, or 0.1.0. The agent begins as a draft.
    """
    if not is_slug(document.slug):
        raise DomainError(f"“{document.slug}” cannot be an agent's id.", code="id_invalid", field="id")
    taken = Conflict(
        f"An agent with the id {document.slug} exists.",
        code="agent_exists",
        field="id",
        extra={"slug": document.slug},
    )
    if Agent.objects.filter(slug=document.slug).exists():
        raise taken
    agent = Agent(
        organization_id=current_organization_id(),
        slug=document.slug,
        environment=_environment(environment or "production"),
        criticality=_criticality(criticality or "medium"),
    )
    _follow(agent, document)
    label = document.version or next_version(None)
    with transaction.atomic():
        try:
            with transaction.atomic():
                agent.save(force_insert=True)
        except IntegrityError as error:
            raise taken from error
        version = _add_version(actor, agent, replace(document, version=label), number=1, note=note, source=source)
        agent.current_version = version
        agent.save(update_fields=["current_version"])
        _record(actor, "agent.registered", agent, version=label, content_hash=version.content_hash, note=note)
    return agent


def revise_design(
    *,
    actor: Actor,
    slug: str,
    document: Document,
    environment: str | None = None,
    criticality: str | None = None,
    note: str = "",
    source: str = "",
    if_match: str | None = None,
) -> tuple[Agent, AgentVersion | None]:
    """Give an agent a new version of its design; returns the version, or None where the design did not change.

    A document without a version gets the label that fits its changes. A label that exists, or that is not higher than
    every other, is refused with the label to write instead.
    """
    with transaction.atomic():
        agent = _locked(slug, if_match)
        if document.slug != agent.slug:
            raise DomainError(f"The id {agent.slug} cannot change.", code="id_fixed", field="id")
        place_changed = _place(agent, environment, criticality)
        current = agent.current_version
        before = parse_data(current.document).document if current else None
        found = changes(before, document) if before else []
        version = None
        if before is None or found or document.version not in (None, before.version):
            label = _new_label(agent, document.version, before, found)
            version = _add_version(
                actor, agent, replace(document, version=label), number=_number(agent) + 1, note=note, source=source
            )
            agent.current_version = version
            _follow(agent, document)
            _record(actor, "agent.revised", agent, version=label, content_hash=version.content_hash, note=note,
                    previous=current.label if current else None, changes=_sentences(found))  # fmt: skip
        if place_changed:
            _record(actor, "agent.placed", agent, changes=place_changed)
        if version or place_changed:
            _touch(agent)
    return agent, version


def restore_version(
    *, actor: Actor, slug: str, label: str, note: str = "", if_match: str | None = None
) -> tuple[Agent, AgentVersion]:
    """Make an earlier design current again, as a new version; raises Conflict if it is what is current."""
    with transaction.atomic():
        agent = _locked(slug, if_match)
        old = agent.versions.filter(label=label).first()
        if old is None:
            raise Missing(f"{agent.slug} has no version {label}.", code="version_missing")
        document = parse_data(old.document).document
        current = agent.current_version
        found = changes(parse_data(current.document).document, document) if current else []
        if current and not found:
            raise Conflict(f"The current design is the one of version {label}.", code="version_current")
        highest = _highest(agent)
        version = _add_version(
            actor,
            agent,
            replace(document, version=proposed_version(highest, found)),
            number=_number(agent) + 1,
            note=note or f"Restored {label}",
            source="",
            restored_from=label,
        )
        agent.current_version = version
        _follow(agent, document)
        _touch(agent)
        _record(actor, "agent.version_restored", agent, version=version.label, restored=label,
                content_hash=version.content_hash, changes=_sentences(found))  # fmt: skip
    return agent, version


def change_agent_status(
    *, actor: Actor, slug: str, status: str, reason: str = "", if_match: str | None = None
) -> Agent:
    """Move an agent to another status; steps that stop it or lead back need a reason."""
    with transaction.atomic():
        agent = _locked(slug, if_match)
        old = agent.status
        if refused := statuses.refusal(old, status, reason):
            is_reason = status in statuses.STATUSES and statuses.may_become(old, status)
            raise DomainError(refused, code="status_refused", field="reason" if is_reason else "status")
        agent.status = status
        agent.status_reason = reason.strip()
        agent.status_changed_at = timezone.now()
        _touch(agent)
        _record(actor, "agent.status_changed", agent, old=old, new=status, reason=agent.status_reason)
    return agent


def assign_owner(
    *, actor: Actor, slug: str, team: str = "", person_id: UUID | None = None, if_match: str | None = None
) -> Agent:
    """Say which team and person answer for an agent; the person must be a member of the organization."""
    with transaction.atomic():
        agent = _locked(slug, if_match)
        person = None
        if person_id is not None:
            person = Membership.objects.select_related("user").filter(pk=person_id).first()
            if person is None:
                raise DomainError("Choose a member of this organization.", code="person_unknown", field="person")
        team = " ".join(team.split())
        if len(team) > 200:
            raise DomainError("A team's name has up to 200 characters.", code="team_long", field="team")
        old = {"team": agent.owner_team, "person": str(agent.owner_person_id or "")}
        agent.owner_team, agent.owner_person = team, person
        _touch(agent)
        _record(actor, "agent.owner_assigned", agent, old=old, new={"team": team, "person": str(person_id or "")},
                person=str(person.user) if person else "")  # fmt: skip
    return agent


def place_agent(
    *,
    actor: Actor,
    slug: str,
    environment: str | None = None,
    criticality: str | None = None,
    if_match: str | None = None,
) -> Agent:
    """Change where an agent runs and how much depends on it."""
    with transaction.atomic():
        agent = _locked(slug, if_match)
        if found := _place(agent, environment, criticality):
            _touch(agent)
            _record(actor, "agent.placed", agent, changes=found)
    return agent


def _locked(slug: str, if_match: str | None) -> Agent:
    agent = Agent.objects.select_for_update(of=("self",)).filter(slug=slug).first()
    if agent is None:
        raise Missing("No such agent.", code="agent_missing")
    if if_match is not None and if_match != agent.etag:
        raise Stale(
            f"{agent.slug} was changed meanwhile; read it again and repeat the change.",
            code="agent_changed",
            extra={"etag": agent.etag},
        )
    return agent


def _touch(agent: Agent) -> None:
    agent.revision += 1
    agent.updated_at = timezone.now()
    agent.save()


def _follow(agent: Agent, document: Document) -> None:
    """Take over what the current design says about name, purpose and (where it names one) the owner."""
    agent.name, agent.purpose = document.name, document.purpose or ""
    owner = document.owner
    if owner.person:
        person = Membership.objects.filter(user__email__iexact=owner.person).first()
        if person is None:
            raise DomainError(
                f"{owner.person} is no member of this organization; invite them first, or leave the person out.",
                code="person_unknown",
                field="owner.person",
            )
        agent.owner_person = person
    if owner.team:
        agent.owner_team = owner.team


def _place(agent: Agent, environment: str | None, criticality: str | None) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    if environment and environment != agent.environment:
        found["environment"] = [agent.environment, _environment(environment)]
        agent.environment = environment
    if criticality and criticality != agent.criticality:
        found["criticality"] = [agent.criticality, _criticality(criticality)]
        agent.criticality = criticality
    return found


def _environment(text: str) -> str:
    if not is_environment(text):
        raise DomainError(
            "An environment is one lowercase word, for example production or staging.",
            code="environment_invalid",
            field="environment",
        )
    return text


def _criticality(text: str) -> str:
    if text not in statuses.CRITICALITIES:
        allowed = ", ".join(statuses.CRITICALITIES)
        raise DomainError(f"Criticality is one of {allowed}.", code="criticality_invalid", field="criticality")
    return text


def _number(agent: Agent) -> int:
    return agent.versions.order_by("-number").values_list("number", flat=True).first() or 0


def _highest(agent: Agent) -> str | None:
    return agent.versions.order_by("-number").values_list("label", flat=True).first()


def _new_label(agent: Agent, label: str | None, before: Document | None, found: list[Change]) -> str:
    highest = _highest(agent)
    proposal = proposed_version(highest, found) if before else label or next_version(highest)
    if label is None:
        return proposal
    if read_version(label) is None:
        raise DomainError(f"Write a version like {proposal}.", code="version_invalid", field="version")
    labels = list(agent.versions.values_list("label", flat=True))
    if label in labels:
        message = f"Version {label} exists with another content; write {proposal}."
        raise Conflict(message, code="version_exists", field="version", extra={"proposed": proposal})
    if not may_follow(label, labels):
        message = f"Version {label} is not higher than {highest}; write {proposal}."
        raise Conflict(message, code="version_low", field="version", extra={"proposed": proposal})
    return label


def _add_version(
    actor: Actor,
    agent: Agent,
    document: Document,
    *,
    number: int,
    note: str,
    source: str,
    restored_from: str = "",
) -> AgentVersion:
    return AgentVersion.objects.create(
        organization_id=agent.organization_id,
        agent=agent,
        label=document.version,
        number=number,
        document=plain(document),
        content_hash=content_hash(document),
        source=source,
        restored_from=restored_from,
        note=note.strip(),
        created_by_kind=actor.kind,
        created_by_id=actor.id[:100],
        created_by_name=actor.name[:300],
    )


def _sentences(found: list[Change]) -> list[str]:
    return [change.sentence[:500] for change in found[:LONGEST_AUDITED]]


def _record(actor: Actor, action: str, agent: Agent, **details) -> None:
    record(
        actor=actor,
        action=action,
        target_kind="agent",
        target_id=agent.slug,
        target_name=agent.name,
        details=details,
    )
