"""Signing in and the settings in the browser."""

import re

import pytest
from django.core import mail
from django.test import Client

from apps.core.tenancy import everyone
from apps.organizations.models import ApiKey, Membership, User

PASSWORD = "a long and unusual password"


@pytest.fixture
def visitor(committed_db):
    return Client()


def test_sign_up_confirm_and_sign_in(visitor, settings):
    settings.ACCOUNT_EMAIL_VERIFICATION = "mandatory"
    answer = visitor.post("/accounts/signup/", {"email": "New@Example.com", "password1": PASSWORD})
    assert answer.status_code == 302
    [message] = mail.outbox
    link = re.search(r"/accounts/confirm-email/[^\s]+", message.body)[0]
    assert visitor.post("/accounts/login/", {"login": "new@example.com", "password": PASSWORD}).status_code in (
        200,
        302,
    )
    visitor.post(link)
    fresh = Client()
    answer = fresh.post("/accounts/login/", {"login": "new@example.com", "password": PASSWORD}, follow=True)
    assert answer.redirect_chain[-1][0] == "/welcome/new/"
    with everyone(reason="test"):
        assert User.objects.get().password.startswith("argon2")


def test_a_wrong_password_and_an_unknown_address_get_the_same_answer(visitor):
    with everyone(reason="test"):
        User.objects.create_user("known@example.com", PASSWORD)
    pages = [
        visitor.post("/accounts/login/", {"login": login, "password": "wrong"}).content.decode()
        for login in ("known@example.com", "unknown@example.com")
    ]
    errors = [re.findall(r'role="alert"[^>]*>([^<]+)<', content) for content in pages]
    assert errors[0] == errors[1] != []


def test_a_new_person_creates_an_organization(visitor):
    with everyone(reason="test"):
        visitor.force_login(User.objects.create_user("new@example.com", PASSWORD))
    refused = visitor.post("/welcome/new/", {"name": "New Co", "slug": "Not fine"})
    assert refused.status_code == 422
    assert "Lowercase letters" in refused.content.decode()
    created = visitor.post("/welcome/new/", {"name": "New Co", "slug": "new-co"}, follow=True)
    assert created.redirect_chain[-1][0] == "/o/new-co/first-steps/"
    fresh = visitor.post("/o/new-co/first-steps/").content.decode()
    key = re.search(r"ao_[0-9a-f]{8}_[\w-]+", fresh)[0]
    body = '{"timestamp": "2026-11-20T10:00:00Z", "agent_id": "a", "event_type": "agent_run", "duration_ms": 5}'
    sent = Client().post(
        "/api/v1/events", body, content_type="application/json", headers={"Authorization": f"Bearer {key}"}
    )
    assert sent.json() == {"accepted": 1, "rejected": []}
    assert "Arrived" in visitor.get("/o/new-co/first-span/").content.decode()


def test_a_key_is_on_the_page_once(committed_world):
    ada = committed_world.client("ada")
    created = ada.post("/o/acme/settings/keys/new/", {"name": "k", "scopes": ["ingest"], "expires": "30"})
    key = re.search(r"ao_[0-9a-f]{8}_[\w-]+", created.content.decode())[0]
    assert key not in ada.get("/o/acme/settings/keys/").content.decode()
    with committed_world.acme_scope():
        stored = ApiKey.objects.get(name="k")
    assert ada.post(f"/o/acme/settings/keys/{stored.pk}/revoke/").status_code == 302
    assert "Revoked" in ada.get("/o/acme/settings/keys/").content.decode()


def test_an_administrator_changes_roles_but_not_to_owner(committed_world):
    with committed_world.acme_scope():
        vic = Membership.objects.get(user=committed_world.vic).pk
    adam = committed_world.client("adam")
    assert adam.post(f"/o/acme/settings/people/{vic}/role/", {"role": "manager"}).status_code == 302
    assert adam.post(f"/o/acme/settings/people/{vic}/role/", {"role": "owner"}).status_code == 403
    with committed_world.acme_scope():
        assert Membership.objects.get(pk=vic).role == "manager"


def test_a_second_factor_can_be_set_up(committed_world):
    page = committed_world.client("vic").get("/accounts/2fa/totp/activate/")
    assert page.status_code == 200
    assert "data:image/svg+xml" in page.content.decode()


def test_start_leads_to_the_only_organization_and_else_to_the_choice(committed_world):
    assert committed_world.client("vic").get("/")["Location"] == "/o/acme/"
    with committed_world.globex_scope():
        Membership.objects.create(organization=committed_world.globex, user=committed_world.vic, role="viewer")
    assert committed_world.client("vic").get("/")["Location"] == "/welcome/"
