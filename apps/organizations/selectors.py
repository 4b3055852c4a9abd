"""Read organizations, people, invitations and keys."""

from uuid import UUID

from django.db.models import QuerySet
from django.utils import timezone

from apps.organizations.models import ApiKey, Invitation, Membership, Organization, User
from apps.organizations.rules import key_digest


def memberships_of(user: User) -> QuerySet[Membership]:
    """Return a person's memberships with their organizations; call it at the edge (tenancy.everyone)."""
    return Membership.objects.filter(user=user).select_related("organization").order_by("organization__name")


def is_slug_taken(slug: str) -> bool:
    """Tell whether an organization has this name in addresses; call it at the edge."""
    return Organization.objects.filter(slug=slug).exists()


def members() -> QuerySet[Membership]:
    """Return the organization's members with their people, by name."""
    return Membership.objects.select_related("user").order_by("user__name", "user__email")


def open_invitations() -> QuerySet[Invitation]:
    """Return the organization's invitations that can still be accepted, latest first."""
    return (
        Invitation.objects.filter(accepted_at=None, revoked_at=None, expires_at__gt=timezone.now())
        .select_related("invited_by")
        .order_by("-created_at")
    )


def find_invitation(token: str) -> Invitation | None:
    """Return the invitation that a mailed token opens; call it at the edge."""
    return (
        Invitation.objects.select_related("organization")
        .filter(digest=key_digest(token), accepted_at=None, revoked_at=None, expires_at__gt=timezone.now())
        .first()
    )


def api_keys() -> QuerySet[ApiKey]:
    """Return the organization's keys, the ones in use first, latest first."""
    return ApiKey.objects.select_related("created_by").order_by("revoked_at", "-created_at")


def find_key(key_id: UUID) -> ApiKey | None:
    """Return one of the organization's keys."""
    return ApiKey.objects.filter(pk=key_id).first()
