"""People, roles, invitations and keys: each act once, audited, and refused where it must be."""

import re
import threading
from datetime import timedelta

import pytest
from django.core import mail
from django.db import connections
from django.utils import timezone

from apps.audit.models import AuditEntry
from apps.core.errors import Conflict, DomainError, Missing, NotAllowed
from apps.core.tenancy import everyone, scope
from apps.organizations import services
from apps.organizations.doors import find_credential, forget_credentials
from apps.organizations.models import ApiKey, Invitation, Membership, Organization, User
from apps.organizations.services import person


def actions(world) -> list[str]:
    with world.acme_scope():
        return list(AuditEntry.objects.order_by("sequence").values_list("action", flat=True))


def membership(world, name: str) -> Membership:
    return Membership.objects.get(user=world.people[name])


def newcomer(email: str) -> User:
    with everyone(reason="test"):
        return User.objects.create_user(email)


def test_creating_an_organization_makes_its_creator_the_owner(world):
    user = newcomer("new@example.com")
    organization = services.create_organization(actor=person(user), user=user, name=" New Co ", slug="new-co")
    with scope(organization.id):
        assert (organization.name, Membership.objects.get().role) == ("New Co", "owner")
        assert AuditEntry.objects.get().action == "organization.created"


@pytest.mark.parametrize(
    ("name", "slug", "field"),
    [
        ("", "fine", "name"),
        ("x" * 201, "fine", "name"),
        ("Fine", "Not Fine", "slug"),
        ("Fine", "settings", "slug"),
        ("Fine", "acme", "slug"),
    ],
)
def test_an_organization_that_cannot_be_is_refused_at_its_field(world, name, slug, field):
    with pytest.raises(DomainError) as refused:
        services.create_organization(actor=person(world.ada), user=world.ada, name=name, slug=slug)
    assert refused.value.field == field
    with everyone(reason="test"):
        assert Organization.objects.count() == 2


def invite(world, email="new@example.com", role="reviewer") -> str:
    with world.acme_scope():
        return services.invite_person(
            actor=person(world.ada), inviter=world.ada, organization=world.acme, email=email, role=role
        )


def test_an_invitation_is_mailed_and_accepted_once_by_its_address(committed_world):
    world = committed_world
    token = invite(world)
    [message] = mail.outbox
    assert message.to == ["new@example.com"]
    assert re.search(rf"/invitations/{re.escape(token)}/", message.body)
    user, other = newcomer("new@example.com"), newcomer("other@example.com")
    with pytest.raises(NotAllowed):
        services.accept_invitation(user=other, token=token)
    assert services.accept_invitation(user=user, token=token) == world.acme
    with pytest.raises(Missing):
        services.accept_invitation(user=user, token=token)
    with world.acme_scope():
        assert Membership.objects.get(user=user).role == "reviewer"
        stored = Invitation.objects.get()
        assert stored.sent_at is not None
        assert token.encode() not in bytes(stored.digest)
    assert actions(world) == ["invitation.sent", "invitation.accepted"]


def test_an_invitation_that_ran_out_or_was_withdrawn_opens_nothing(world):
    user = newcomer("new@example.com")
    token = invite(world)
    with world.acme_scope():
        Invitation.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
    with pytest.raises(Missing):
        services.accept_invitation(user=user, token=token)
    again = invite(world)
    with world.acme_scope():
        services.revoke_invitation(actor=person(world.ada), invitation_id=Invitation.objects.latest("created_at").pk)
    with pytest.raises(Missing):
        services.accept_invitation(user=user, token=again)
    with world.acme_scope():
        assert not Membership.objects.filter(user=user).exists()


def test_members_and_invited_people_are_not_invited_again(world):
    with pytest.raises(Conflict):
        invite(world, email="VIC@example.com")
    invite(world)
    with pytest.raises(Conflict):
        invite(world)


def test_only_an_owner_makes_owners_and_the_last_one_stays(world):
    with world.acme_scope():
        vic = membership(world, "vic").pk
        with pytest.raises(NotAllowed):
            services.change_role(actor=person(world.adam), membership_id=vic, role="owner", by_owner=False)
        ada = membership(world, "ada").pk
        for act in (
            lambda: services.change_role(actor=person(world.ada), membership_id=ada, role="viewer", by_owner=True),
            lambda: services.remove_member(actor=person(world.ada), membership_id=ada, by_owner=True),
        ):
            with pytest.raises(Conflict):
                act()
        services.change_role(actor=person(world.ada), membership_id=vic, role="owner", by_owner=True)
        services.change_role(actor=person(world.ada), membership_id=ada, role="viewer", by_owner=True)
        assert membership(world, "vic").role == "owner"
    assert actions(world) == ["membership.changed", "membership.changed"]


def test_two_owners_cannot_unmake_each_other_at_once(committed_world):
    world = committed_world
    with world.acme_scope():
        Membership.objects.filter(user=world.max).update(role="owner")
        ids = {name: membership(world, name).pk for name in ("ada", "max")}
    outcomes = []
    start = threading.Barrier(2)

    def unmake(actor: str, victim: str) -> None:
        try:
            with scope(world.acme.id):
                start.wait()
                services.change_role(
                    actor=person(world.people[actor]), membership_id=ids[victim], role="viewer", by_owner=True
                )
            outcomes.append("done")
        except Conflict:
            outcomes.append("refused")
        finally:
            connections["default"].close()

    threads = [threading.Thread(target=unmake, args=pair) for pair in (("ada", "max"), ("max", "ada"))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    with world.acme_scope():
        assert Membership.objects.filter(role="owner").count() == 1
    assert sorted(outcomes) == ["done", "refused"]


def create_key(world, **fields):
    with world.acme_scope():
        return services.create_key(
            actor=person(world.ada), creator=world.ada, **{"name": "k", "scopes": ["ingest"], **fields}
        )


def test_a_key_is_shown_once_and_stored_as_a_digest(world):
    key, text = create_key(world, agent_slug="support-agent")
    credential = find_credential(text)
    assert (credential.organization_slug, credential.agent_slug) == ("acme", "support-agent")
    with world.acme_scope():
        stored = ApiKey.objects.get(pk=key.pk)
        assert text.startswith(stored.prefix)
        assert text not in str(vars(stored))
    assert text not in str(AuditEntry.__dict__)


def test_a_revoked_key_opens_nothing(world):
    key, text = create_key(world)
    assert find_credential(text) is not None
    with world.acme_scope():
        services.revoke_key(actor=person(world.ada), key_id=key.pk)
    forget_credentials()
    assert find_credential(text) is None
    with pytest.raises(Missing), world.globex_scope():
        services.revoke_key(actor=person(world.mallory), key_id=key.pk)


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"name": " "}, "name"),
        ({"scopes": []}, "scopes"),
        ({"scopes": ["root"]}, "scopes"),
        ({"expires_at": timezone.now()}, "expires_at"),
    ],
)
def test_a_key_that_cannot_be_is_refused(world, fields, field):
    with pytest.raises(DomainError) as refused:
        create_key(world, **fields)
    assert refused.value.field == field
    assert actions(world) == []


def test_renaming_is_audited_with_before_and_after(world):
    with world.acme_scope():
        services.edit_organization(
            actor=person(world.ada), organization=world.acme, name="Acme", time_zone="Europe/Berlin"
        )
        entry = AuditEntry.objects.get()
        assert entry.details["after"] == {"name": "Acme", "time_zone": "Europe/Berlin"}
        with pytest.raises(DomainError):
            services.edit_organization(actor=person(world.ada), organization=world.acme, name="A", time_zone="Mars")
