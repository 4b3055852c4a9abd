"""The test database: a real PostgreSQL, prepared as in production, cloned per worker; tests run as the app role."""

import contextlib
import json
import os
import secrets
import tempfile
from pathlib import Path

import django
import pytest

# The controller starts the server and hands its address to the workers through the environment, before Django loads.
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
os.environ.setdefault("AGENTOPS_EMBEDDED", "1")
os.environ.setdefault("SECRET_KEY", "a key for tests only, long enough for what is checked of it")
os.environ.pop("REDIS_URL", None)

from config.embedded import start_postgres

_server = None
_home: tempfile.TemporaryDirectory | None = None


def _start_server() -> None:
    global _server, _home
    if "AGENTOPS_TEST_DATABASE_URL" not in os.environ:
        _home = tempfile.TemporaryDirectory(prefix="agentops-test-", ignore_cleanup_errors=True)
        os.environ["AGENTOPS_HOME"] = _home.name
        _server = start_postgres(
            Path(_home.name),
            settings={"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off", "max_connections": "60"},
        )
        os.environ["AGENTOPS_TEST_DATABASE_URL"] = _server.url
    os.environ["DATABASE_URL"] = os.environ["AGENTOPS_TEST_DATABASE_URL"]


_start_server()
django.setup()


def pytest_unconfigure(config: pytest.Config) -> None:
    """Stop the server that this process started."""
    if _server is not None:
        _server.stop()
    if _home is not None:
        with contextlib.suppress(OSError):
            _home.cleanup()


@pytest.fixture(scope="session")
def django_db_setup(django_db_blocker, tmp_path_factory):
    """Clone the prepared template into this worker's own database and point both aliases at it."""
    import psycopg
    from django.core.management import call_command
    from django.db import connections

    from config.database import parse_url

    worker = os.environ.get("PYTEST_XDIST_WORKER", "gw0")
    owner = parse_url(os.environ["DATABASE_URL"])
    dsn = {"user": owner["USER"], "host": owner["HOST"], "password": owner["PASSWORD"], "port": owner["PORT"]}
    dsn = {key: value for key, value in dsn.items() if value}
    name = f"test_{worker}_{secrets.token_hex(3)}"
    with django_db_blocker.unblock():
        with psycopg.connect(**dsn, dbname=owner["NAME"], autocommit=True) as admin:
            # The first worker prepares the template, the others wait for it.
            admin.execute("SELECT pg_advisory_lock(hashtext('agentops test template'))")
            if admin.execute("SELECT 1 FROM pg_database WHERE datname = 'test_template'").fetchone() is None:
                admin.execute("CREATE DATABASE test_template")
                _point(connections, "test_template")
                call_command("prepare_database", verbosity=0)
                for alias in connections:
                    connections[alias].close()
            admin.execute(f"CREATE DATABASE {name} TEMPLATE test_template")
            admin.execute("SELECT pg_advisory_unlock(hashtext('agentops test template'))")
        _point(connections, name)
        yield
        for alias in connections:
            connections[alias].close()


def _point(connections, name: str) -> None:
    from urllib.parse import urlsplit, urlunsplit

    for alias in ("default", "owner"):
        connections[alias].close()
        connections[alias].settings_dict["NAME"] = name
    # The ingest role's own connections follow the address in the environment.
    parts = urlsplit(os.environ["DATABASE_URL"])
    os.environ["DATABASE_URL"] = urlunsplit(parts._replace(path=f"/{name}"))


@pytest.fixture(autouse=True)
def plain_static_files(settings):
    """Pages in tests link static files by their plain names; collecting them is the run command's business."""
    settings.STORAGES = {
        **settings.STORAGES,
        "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"},
    }


@pytest.fixture
def committed_db(django_db_setup, django_db_blocker):
    """Let a test commit for real (several connections, crashes); every table is emptied afterwards."""
    from django.apps import apps
    from django.db import connections

    from apps.organizations.doors import forget_credentials
    from apps.telemetry.selectors.ingest_settings import forget_ingest_settings
    from apps.telemetry.services.ingest import close_pool

    with django_db_blocker.unblock():
        yield
        close_pool()
        forget_credentials()
        forget_ingest_settings()
        for alias in connections:
            connections[alias].close()
        tables = ", ".join(
            f'"{model._meta.db_table}"'
            for model in apps.get_models(include_auto_created=True)
            if model._meta.label != "contenttypes.ContentType"
        )
        with connections["owner"].cursor() as cursor:
            cursor.execute(f"SET session_replication_role = replica; TRUNCATE {tables} CASCADE")
        connections["owner"].close()


@pytest.fixture
def world(db):
    """Return the cast that every test knows (tests/world.py)."""
    from tests.world import build_world

    return build_world()


@pytest.fixture
def committed_world(committed_db):
    """Return the same cast, committed."""
    from tests.world import build_world

    return build_world()


@pytest.fixture
def load_capture():
    """Return a function that reads a recorded client request by name."""

    def load(name: str) -> dict:
        return json.loads((Path(__file__).parent / "telemetry" / "captures" / name).read_text())

    return load
