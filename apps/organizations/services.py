"""Change organizations, memberships, invitations and keys; every change is audited."""

import secrets
from datetime import datetime, timedelta
from uuid import UUID
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from django.conf import settings
from django.core.mail import EmailMessage
from django.db import IntegrityError, transaction
from django.template.loader import render_to_string
from django.utils import timezone

from apps.audit.services import record
from apps.core.actors import Actor
from apps.core.errors import Conflict, DomainError, Missing, NotAllowed
from apps.core.tenancy import current_organization_id, everyone, scope
from apps.organizations import selectors
from apps.organizations.doors import forget_credentials
from apps.organizations.models import ApiKey, Invitation, Membership, Organization, User
from apps.organizations.rules import ROLES, SCOPES, is_slug, key_digest, new_key

INVITATION_DAYS = 14


def person(user: User) -> Actor:
    """Return a person as an actor."""
    return Actor("person", str(user.pk), str(user))


def create_organization(*, actor: Actor, user: User, name: str, slug: str, is_demo: bool = False) -> Organization:
    """Create an organization with `user` as its owner. Raises DomainError for a name or slug that cannot be."""
    name = name.strip()
    if not 1 <= len(name) <= 200:
        raise DomainError("Write a name of 1 to 200 characters.", code="name_length", field="name")
    if not is_slug(slug):
        raise DomainError(
            "Lowercase letters, digits and hyphens, up to 63 characters; it begins and ends with a letter or digit.",
            code="slug_form",
            field="slug",
        )
    with everyone(reason="a new organization has no scope yet"):
        if selectors.is_slug_taken(slug):
            raise Conflict(f"The address “{slug}” is taken: choose another.", code="slug_taken", field="slug")
        try:
            with transaction.atomic():
                organization = Organization.objects.create(name=name, slug=slug, is_demo=is_demo)
        except IntegrityError as error:
            raise Conflict(
                f"The address “{slug}” is taken: choose another.", code="slug_taken", field="slug"
            ) from error
        with scope(organization.id):
            Membership.objects.create(organization=organization, user=user, role="owner")
            record(
                actor=actor,
                action="organization.created",
                target_kind="organization",
                target_id=organization.id,
                target_name=name,
                details={"slug": slug},
            )
    return organization


def edit_organization(*, actor: Actor, organization: Organization, name: str, time_zone: str) -> Organization:
    """Change an organization's name and time zone."""
    name = name.strip()
    if not 1 <= len(name) <= 200:
        raise DomainError("Write a name of 1 to 200 characters.", code="name_length", field="name")
    try:
        ZoneInfo(time_zone)
    except (ZoneInfoNotFoundError, ValueError) as error:
        raise DomainError(
            f"“{time_zone}” is no time zone: write one like Europe/Berlin.", code="time_zone", field="time_zone"
        ) from error
    with transaction.atomic():
        locked = Organization.objects.select_for_update().get(pk=organization.pk)
        before = {"name": locked.name, "time_zone": locked.time_zone}
        after = {"name": name, "time_zone": time_zone}
        if before == after:
            return locked
        locked.name, locked.time_zone = name, time_zone
        locked.save(update_fields=["name", "time_zone"])
        record(
            actor=actor,
            action="organization.edited",
            target_kind="organization",
            target_id=locked.id,
            target_name=name,
            details={"before": before, "after": after},
        )
    return locked


def invite_person(*, actor: Actor, inviter: User, organization: Organization, email: str, role: str) -> str:
    """Offer a role to an e-mail address; returns the token of its link (mailed, and never stored readable)."""
    _check_role(role)
    email = email.strip().lower()
    with transaction.atomic():
        if Membership.objects.filter(user__email=email).exists():
            raise Conflict(f"{email} is a member already.", code="member_already", field="email")
        # An offer that ran out makes room for a new one.
        Invitation.objects.filter(
            email=email, accepted_at=None, revoked_at=None, expires_at__lte=timezone.now()
        ).update(revoked_at=timezone.now())
        token = secrets.token_urlsafe(32)
        try:
            with transaction.atomic():
                invitation = Invitation.objects.create(
                    organization=organization,
                    email=email,
                    role=role,
                    digest=key_digest(token),
                    invited_by=inviter,
                    expires_at=timezone.now() + timedelta(days=INVITATION_DAYS),
                )
        except IntegrityError as error:
            raise Conflict(f"{email} is invited already.", code="invited_already", field="email") from error
        record(
            actor=actor,
            action="invitation.sent",
            target_kind="invitation",
            target_id=invitation.id,
            target_name=email,
            details={"role": role},
        )
        # The person who invites also gets the link on the page: a lost mail loses nothing.
        transaction.on_commit(lambda: _send_invitation(invitation, organization, inviter, token), robust=True)
    return token


def _send_invitation(invitation: Invitation, organization: Organization, inviter: User, token: str) -> None:
    context = {
        "invitation": invitation,
        "organization": organization,
        "inviter": inviter,
        "role": ROLES[invitation.role],
        "url": f"{settings.PUBLIC_URL}/invitations/{token}/",
        "days": INVITATION_DAYS,
    }
    EmailMessage(
        subject=f"{inviter} invites you to {organization.name} on AgentOps",
        body=render_to_string("organizations/mail_invitation.txt", context),
        to=[invitation.email],
    ).send()
    with scope(organization.id):
        Invitation.objects.filter(pk=invitation.pk).update(sent_at=timezone.now())


def revoke_invitation(*, actor: Actor, invitation_id: UUID) -> None:
    """Withdraw an open invitation."""
    with transaction.atomic():
        invitation = Invitation.objects.select_for_update().filter(pk=invitation_id).first()
        if invitation is None:
            raise Missing("This invitation does not exist.", code="invitation_unknown")
        if invitation.accepted_at or invitation.revoked_at:
            raise Conflict("This invitation is no longer open.", code="invitation_closed")
        invitation.revoked_at = timezone.now()
        invitation.save(update_fields=["revoked_at"])
        record(
            actor=actor,
            action="invitation.revoked",
            target_kind="invitation",
            target_id=invitation.id,
            target_name=invitation.email,
        )


def accept_invitation(*, user: User, token: str) -> Organization:
    """Make a signed-in person a member by the token of their mail; once, and only for the invited address."""
    with everyone(reason="the invited person is no member yet"):
        invitation = selectors.find_invitation(token)
        if invitation is None:
            raise Missing("This invitation is not open any more: ask for a new one.", code="invitation_closed")
        if invitation.email != user.email.lower():
            raise NotAllowed(
                f"This invitation is for {invitation.email}; you are signed in as {user.email}.", code="other_address"
            )
        with scope(invitation.organization_id):
            locked = Invitation.objects.select_for_update().get(pk=invitation.pk)
            if locked.accepted_at or locked.revoked_at:
                raise Missing("This invitation is not open any more: ask for a new one.", code="invitation_closed")
            locked.accepted_at = timezone.now()
            locked.save(update_fields=["accepted_at"])
            Membership.objects.get_or_create(
                organization_id=invitation.organization_id, user=user, defaults={"role": invitation.role}
            )
            record(
                actor=person(user),
                action="invitation.accepted",
                target_kind="membership",
                target_id=user.id,
                target_name=str(user),
                details={"role": invitation.role},
            )
        return invitation.organization


def change_role(*, actor: Actor, membership_id: UUID, role: str, by_owner: bool) -> Membership:
    """Give a member another role. Only an owner makes or unmakes owners, and one owner always remains."""
    _check_role(role)
    with transaction.atomic():
        membership = _locked_membership(membership_id)
        before = membership.role
        if before == role:
            return membership
        if "owner" in (before, role) and not by_owner:
            raise NotAllowed("Only an owner can make or unmake an owner.", code="owner_only")
        if before == "owner":
            _keep_an_owner(membership)
        membership.role = role
        membership.save(update_fields=["role"])
        record(
            actor=actor,
            action="membership.changed",
            target_kind="membership",
            target_id=membership.user_id,
            target_name=str(membership.user),
            details={"before": before, "after": role},
        )
    return membership


def remove_member(*, actor: Actor, membership_id: UUID, by_owner: bool) -> None:
    """End a membership; the last owner cannot go."""
    with transaction.atomic():
        membership = _locked_membership(membership_id)
        if membership.role == "owner":
            if not by_owner:
                raise NotAllowed("Only an owner can remove an owner.", code="owner_only")
            _keep_an_owner(membership)
        record(
            actor=actor,
            action="membership.removed",
            target_kind="membership",
            target_id=membership.user_id,
            target_name=str(membership.user),
            details={"role": membership.role},
        )
        membership.delete()


def _locked_membership(membership_id: UUID) -> Membership:
    """Return a membership for a change; changes of one organization's roles take turns, so that none can deadlock."""
    Organization.objects.select_for_update().get(pk=current_organization_id())
    membership = (
        Membership.objects.select_for_update(of=("self",)).select_related("user").filter(pk=membership_id).first()
    )
    if membership is None:
        raise Missing("This person is not a member.", code="member_unknown")
    return membership


def _keep_an_owner(membership: Membership) -> None:
    # Nobody else changes roles now (_locked_membership), so two owners cannot unmake each other at the same moment.
    if not Membership.objects.filter(role="owner").exclude(pk=membership.pk).exists():
        raise Conflict("An organization needs an owner: make somebody else owner first.", code="last_owner")


def _check_role(role: str) -> None:
    if role not in ROLES:
        raise DomainError(f"“{role}” is no role: use {', '.join(ROLES)}.", code="role_unknown", field="role")


def create_key(
    *,
    actor: Actor,
    creator: User | None,
    name: str,
    scopes: list[str],
    agent_slug: str | None = None,
    expires_at: datetime | None = None,
) -> tuple[ApiKey, str]:
    """Create an API key in the organization in scope; the second value is the key itself, shown this once."""
    name = name.strip()
    if not 1 <= len(name) <= 100:
        raise DomainError("Write a name of 1 to 100 characters.", code="name_length", field="name")
    unknown = sorted(set(scopes) - set(SCOPES))
    if unknown or not scopes:
        raise DomainError(f"Choose from: {', '.join(SCOPES)}.", code="scope_unknown", field="scopes")
    if expires_at is not None and expires_at <= timezone.now():
        raise DomainError("Choose a time in the future.", code="expiry_past", field="expires_at")
    text, prefix, digest = new_key()
    with transaction.atomic():
        key = ApiKey.objects.create(
            organization_id=current_organization_id(),
            name=name,
            prefix=prefix,
            digest=digest,
            scopes=sorted(set(scopes)),
            agent_slug=agent_slug or None,
            created_by=creator,
            expires_at=expires_at,
        )
        record(
            actor=actor,
            action="key.created",
            target_kind="key",
            target_id=key.id,
            target_name=f"{name} ({prefix}…)",
            details={"scopes": key.scopes, "agent": key.agent_slug, "expires_at": str(expires_at or "")},
        )
    return key, text


def revoke_key(*, actor: Actor, key_id: UUID) -> ApiKey:
    """Refuse a key from now on (other processes follow within doors.KEY_CACHE_SECONDS)."""
    with transaction.atomic():
        key = ApiKey.objects.select_for_update().filter(pk=key_id).first()
        if key is None:
            raise Missing("This key does not exist.", code="key_unknown")
        if key.revoked_at is None:
            key.revoked_at = timezone.now()
            key.save(update_fields=["revoked_at"])
            record(
                actor=actor,
                action="key.revoked",
                target_kind="key",
                target_id=key.id,
                target_name=f"{key.name} ({key.prefix}…)",
            )
        transaction.on_commit(forget_credentials)
    return key


def edit_profile(*, user: User, name: str, time_zone: str) -> User:
    """Change what others see of a person; call it at the edge. A person's own name is not an organization's affair."""
    user.name, user.time_zone = name.strip(), time_zone
    user.save(update_fields=["name", "time_zone"])
    return user
