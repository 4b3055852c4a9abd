"""Every table has a wall, every wall holds, and every way around them is on a list with its reason."""

import re
from pathlib import Path

import pytest
from django.apps import apps
from django.db import ProgrammingError, connection
from django.db.models import CompositePrimaryKey, UniqueConstraint

from apps.core import tenancy
from apps.core.tenancy import NoTenant, TenantModel, TenantRow, everyone, scope
from apps.core.walls import LIBRARY_TABLES, wall_of, walls

ROOT = Path(__file__).resolve().parent.parent.parent

# file → how often it steps over the wall. A new call site is a decision: give it a reason and list it here.
EVERYONE_CALLS = {
    "apps/audit/tasks.py": 1,  # the sweep lists the chains that grew
    "apps/home/services.py": 3,  # the demo's organizations and people are new
    "apps/organizations/doors.py": 1,  # an API key names the organization
    "apps/organizations/middleware.py": 2,  # the address names the organization; people's own pages
    "apps/organizations/services.py": 2,  # a new organization has no scope yet; an invited person is no member yet
    "apps/organizations/sessions.py": 5,  # a session is found by its unguessable key
    "apps/telemetry/management/commands/import_runs.py": 1,  # the command names the organization by its address
    "apps/telemetry/tasks.py": 4,  # sweeps list the organizations that have work due
}

TENANT_MODELS = [model for model in apps.get_models() if issubclass(model, TenantModel | TenantRow)]
UNSCOPED = {"organizations.Organization": "it is the tenant", "organizations.User": "people have several organizations"}


def test_every_model_of_ours_is_a_tenant_model_or_exempt_with_a_reason():
    ours = {model._meta.label for model in apps.get_models() if model.__module__.startswith("apps.")}
    scoped = {model._meta.label for model in TENANT_MODELS}
    assert ours - scoped == set(UNSCOPED)


def test_every_table_has_a_wall():
    assert {wall.table for wall in walls()}
    for model in apps.get_models(include_auto_created=True):
        assert wall_of(model).table == model._meta.db_table


@pytest.mark.parametrize("model", TENANT_MODELS, ids=lambda model: model._meta.label)
def test_unique_constraints_lead_with_the_organization(model):
    # A digest of 256 random bits is looked up before the organization is known.
    exempt = {"digest", "id"}
    for constraint in model._meta.constraints:
        if isinstance(constraint, UniqueConstraint) and constraint.fields:
            assert constraint.fields[0] in ("organization", "organization_id"), constraint.name
    for field in model._meta.fields:
        if isinstance(field, CompositePrimaryKey):
            assert field.field_names[0] == "organization_id"
        else:
            assert not field.unique or field.name in exempt | {"organization_id"}, field.name


@pytest.mark.parametrize("model", TENANT_MODELS, ids=lambda model: model._meta.label)
def test_reading_outside_a_scope_raises(model, db):
    queryset = model.objects.all()
    for read in (list, lambda q: q.count(), lambda q: q.exists(), lambda q: q.first()):
        with pytest.raises(NoTenant):
            read(queryset)


def test_ways_over_the_wall_are_listed():
    found = {}
    for path in sorted((ROOT / "apps").rglob("*.py")):
        calls = len(re.findall(r"(?<!def )\beveryone\(reason", path.read_text()))
        if calls:
            found[str(path.relative_to(ROOT))] = calls
    assert found == EVERYONE_CALLS


def test_the_database_enforces_row_security_on_every_tenant_table(db):
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT relname FROM pg_class WHERE relkind IN ('r', 'p') AND NOT relispartition "
            "AND relnamespace = 'public'::regnamespace AND NOT (relrowsecurity AND relforcerowsecurity)"
        )
        open_tables = {row[0] for row in cursor.fetchall()}
        assert open_tables == {wall.table for wall in walls() if not wall.is_protected} | {"django_migrations"}
        cursor.execute("SELECT current_user, rolsuper, rolbypassrls FROM pg_roles WHERE rolname = current_user")
        assert cursor.fetchone() == ("agentops_app", False, False)
        cursor.execute("SELECT count(*) FROM pg_class WHERE relowner = 'agentops_app'::regrole")
        assert cursor.fetchone() == (0,)


def test_partitions_are_closed_to_the_application_role(db):
    with connection.cursor() as cursor:
        cursor.execute("SELECT telemetry_ensure_day(current_date)")
        cursor.execute(
            "SELECT count(*) FROM pg_class WHERE relispartition AND relkind = 'r' "
            "AND has_table_privilege('agentops_app', oid, 'select, insert, update, delete')"
        )
        assert cursor.fetchone() == (0,)


def test_raw_sql_in_one_scope_sees_nothing_of_the_other(world):
    rows = {}
    for organization in (world.acme, world.globex):
        with scope(organization.id), connection.cursor() as cursor:
            for wall in walls():
                if not wall.is_protected or "select" not in wall.app:
                    continue
                cursor.execute(f'SELECT to_jsonb(t)::text FROM "{wall.table}" t')
                rows[organization.slug, wall.table] = {row[0] for row in cursor.fetchall()}
    for (slug, table), seen in rows.items():
        if slug == "globex":
            assert not seen & rows["acme", table], table
            assert not any(str(world.acme.id) in row for row in seen), table
    assert rows["acme", "organizations_user"]
    assert rows["globex", "organizations_membership"]


def test_without_a_scope_the_application_role_sees_no_rows(world):
    with connection.cursor() as cursor:
        for wall in walls():
            if wall.is_protected and "select" in wall.app:
                cursor.execute(f'SELECT count(*) FROM "{wall.table}"')
                assert cursor.fetchone() == (0,), wall.table


@pytest.mark.parametrize("label", [label for label, (app, _) in LIBRARY_TABLES.items() if not app])
def test_peoples_tables_are_closed_inside_an_organization(world, label):
    with world.acme_scope(), pytest.raises(ProgrammingError, match="permission denied"), connection.cursor() as cursor:
        cursor.execute(f'SELECT 1 FROM "{apps.get_model(label)._meta.db_table}"')


def test_scopes_nest_and_restore_what_they_found(world):
    with world.acme_scope():
        with everyone(reason="nested"):
            assert tenancy.current().organization_id is None
        with world.globex_scope():
            assert _seen_by_the_database() == str(world.globex.id)
        assert tenancy.current_organization_id() == world.acme.id
        assert _seen_by_the_database() == str(world.acme.id)
    assert tenancy.current() is None
    assert _seen_by_the_database() == ""


def test_a_row_of_another_organization_cannot_be_written(world):
    membership = apps.get_model("organizations.Membership")
    with world.acme_scope(), pytest.raises(ProgrammingError, match="row-level security"):
        membership.objects.create(organization=world.globex, user=world.ada, role="owner")


def _seen_by_the_database() -> str:
    with connection.cursor() as cursor:
        cursor.execute("SELECT current_setting('app.organization_id', true)")
        return cursor.fetchone()[0]
