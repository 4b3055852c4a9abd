from django.conf import settings
from django.core.management import call_command
from django.core.management.base import BaseCommand
from django.db import connections

from apps.core.walls import statements
from config.database import APP_ROLE, EVERYONE_ROLE, INGEST_ROLE, role_password


class Command(BaseCommand):
    """Create the roles, migrate as the owner of the schema, put up the walls. Running it again changes nothing."""

    help = "Create database roles, migrate, and apply row-level security and grants"

    def handle(self, *args, **options) -> None:
        owner = connections["owner"]
        # Two starting processes must not create the same role: the second waits for this lock.
        with owner.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_lock(hashtext('agentops prepare_database'))")
            self._create_roles(cursor)
        call_command("migrate", database="owner", interactive=False, verbosity=options["verbosity"])
        with owner.cursor() as cursor:
            for statement in statements():
                cursor.execute(statement)
            cursor.execute("SELECT pg_advisory_unlock(hashtext('agentops prepare_database'))")
        owner.close()

    def _create_roles(self, cursor) -> None:
        logins = {APP_ROLE: "NOBYPASSRLS", INGEST_ROLE: "BYPASSRLS"}
        for role, attributes in {EVERYONE_ROLE: "NOLOGIN", **logins}.items():
            cursor.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", [role])
            if cursor.fetchone() is None:
                cursor.execute(f"CREATE ROLE {role} {attributes}")
        for role in logins:
            # A derived password is 64 hexadecimal digits, so quoting it is enough.
            password = role_password(settings.SECRET_KEY, role)
            cursor.execute(f"ALTER ROLE {role} LOGIN PASSWORD '{password}'")
        # SET lets the application role become agentops_everyone for a statement; it inherits nothing from it.
        cursor.execute("SHOW server_version_num")
        modern = int(cursor.fetchone()[0]) >= 160000
        cursor.execute(f"GRANT {EVERYONE_ROLE} TO {APP_ROLE}" + (" WITH INHERIT FALSE, SET TRUE" if modern else ""))
        if not modern:
            cursor.execute(f"ALTER ROLE {APP_ROLE} NOINHERIT")
