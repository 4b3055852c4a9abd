"""Health probes: they come by address, before anything else is asked of a request."""

import pytest


def test_a_probe_by_address_over_plain_http_is_answered(client, settings):
    settings.ALLOWED_HOSTS = ["agentops.example"]
    settings.SECURE_SSL_REDIRECT = True
    assert client.get("/healthz", headers={"host": "10.1.2.3:8000"}).status_code == 200
    assert client.get("/accounts/login/", headers={"host": "10.1.2.3:8000"}).status_code == 400


@pytest.mark.django_db
def test_readiness_names_what_is_missing(client, settings):
    settings.REDIS_URL = "redis://127.0.0.1:1/0"
    answer = client.get("/readyz")
    assert answer.status_code == 503
    assert answer.json() == {
        "ready": False,
        "checks": {"database": "ok", "migrations": "ok", "broker": "does not answer"},
    }
