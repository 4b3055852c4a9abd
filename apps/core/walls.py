"""The second lock as SQL: row-level security and grants for every table, derived from the models themselves.

A model states what differs from the rule in an inner class:

    class Walls:
        app = "select, insert"      # rights of web and worker (default: select, insert, update, delete)
        everyone = "select"         # rights across organizations (default: none)
        ingest = "insert"           # rights of the insert-only role (default: none)
        key = "organization_id"     # the column that names the organization
        visible = "id IN (…)"       # another row policy than `key = the organization in scope`
        append_only = True          # a trigger refuses UPDATE, DELETE and TRUNCATE

A table without grants is closed, so a model that is forgotten here fails closed.
"""

from dataclasses import dataclass, field

from django.apps import apps
from django.db import models

from apps.core.tenancy import TenantModel, TenantRow
from config.database import APP_ROLE, EVERYONE_ROLE, INGEST_ROLE

IN_SCOPE = "NULLIF(current_setting('app.organization_id', true), '')::uuid"
ALL = "select, insert, update, delete"

# Tables of libraries. People sign in before any organization is known, so their tables are reached only through
# tenancy.everyone(); the application role alone reads none of them.
LIBRARY_TABLES = {
    "account.EmailAddress": ("", ALL),
    "account.EmailConfirmation": ("", ALL),
    "mfa.Authenticator": ("", ALL),
    "sessions.Session": ("", ALL),
    "socialaccount.SocialAccount": ("", ALL),
    "socialaccount.SocialApp": ("", ALL),
    "socialaccount.SocialToken": ("", ALL),
    "contenttypes.ContentType": ("select", "select"),
    "auth.Permission": ("", ""),
    "auth.Group": ("", ""),
    "auth.Group_permissions": ("", ""),
}


@dataclass(frozen=True)
class Wall:
    """What each role may do with one table and which rows it sees."""

    table: str
    app: str = ALL
    everyone: str = ""
    ingest: str = ""
    visible: str = ""
    append_only: bool = False
    is_protected: bool = field(default=True)


def wall_of(model: type[models.Model]) -> Wall:
    """Return the wall of a model; raises LookupError for one that nobody placed."""
    table = model._meta.db_table
    label = model._meta.label
    if label in LIBRARY_TABLES:
        app, everyone = LIBRARY_TABLES[label]
        return Wall(table, app=app, everyone=everyone, is_protected=False)
    stated = getattr(model, "Walls", None)
    if stated is None and not issubclass(model, TenantModel | TenantRow):
        raise LookupError(f"{label} is neither a tenant model nor stated in core.walls: say who may see its rows")
    key = getattr(stated, "key", "organization_id")
    return Wall(
        table,
        app=getattr(stated, "app", ALL),
        everyone=getattr(stated, "everyone", ""),
        ingest=getattr(stated, "ingest", ""),
        visible=getattr(stated, "visible", f"{key} = {IN_SCOPE}"),
        append_only=getattr(stated, "append_only", False),
    )


def walls() -> list[Wall]:
    """Return the wall of every table that the installed apps have."""
    return [wall_of(model) for model in apps.get_models(include_auto_created=True) if not model._meta.proxy]


def statements() -> list[str]:
    """Return the SQL that puts all walls up; running it again changes nothing."""
    sql = [
        "REVOKE CREATE ON SCHEMA public FROM PUBLIC",
        f"GRANT USAGE ON SCHEMA public TO {APP_ROLE}, {EVERYONE_ROLE}, {INGEST_ROLE}",
        f"GRANT SELECT ON django_migrations TO {APP_ROLE}",
        "CREATE OR REPLACE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS "
        "$$ BEGIN RAISE EXCEPTION '% is append-only', TG_TABLE_NAME USING ERRCODE = 'insufficient_privilege'; END $$",
    ]
    for wall in walls():
        sql += _table_statements(wall)
    return sql


def _table_statements(wall: Wall) -> list[str]:
    table = f'"{wall.table}"'
    sql = [f"REVOKE ALL ON {table} FROM PUBLIC, {APP_ROLE}, {EVERYONE_ROLE}, {INGEST_ROLE}"]
    for role, rights in ((APP_ROLE, wall.app), (EVERYONE_ROLE, wall.everyone), (INGEST_ROLE, wall.ingest)):
        if rights:
            sql.append(f"GRANT {rights} ON {table} TO {role}")
    if wall.is_protected:
        sql += [
            f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY",
            f"ALTER TABLE {table} FORCE ROW LEVEL SECURITY",
            f"DROP POLICY IF EXISTS in_scope ON {table}",
            f"CREATE POLICY in_scope ON {table} TO {APP_ROLE} USING ({wall.visible}) WITH CHECK ({wall.visible})",
            f"DROP POLICY IF EXISTS everyone ON {table}",
        ]
        if wall.everyone:
            sql.append(f"CREATE POLICY everyone ON {table} TO {EVERYONE_ROLE} USING (true) WITH CHECK (true)")
    if wall.append_only:
        sql += [
            f"DROP TRIGGER IF EXISTS append_only ON {table}",
            f"CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON {table} "
            "FOR EACH ROW EXECUTE FUNCTION refuse_change()",
            f"DROP TRIGGER IF EXISTS append_only_truncate ON {table}",
            f"CREATE TRIGGER append_only_truncate BEFORE TRUNCATE ON {table} "
            "FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()",
        ]
    return sql
