"""Health of the process and readiness of the installation."""

from django.conf import settings
from django.db import DatabaseError, connections
from django.db.migrations.executor import MigrationExecutor
from django.http import HttpRequest, HttpResponse, JsonResponse
from redis import Redis, RedisError

_is_migrated = False


def healthz(request: HttpRequest) -> HttpResponse:
    """Answer as long as the process runs; touches nothing else."""
    return HttpResponse("ok\n", content_type="text/plain")


def readyz(request: HttpRequest) -> JsonResponse:
    """Tell whether database, broker and migrations are as this version needs them: 200, or 503 with what is not."""
    checks = {"database": _database(), "migrations": _migrations(), "broker": _broker()}
    is_ready = all(state == "ok" for state in checks.values())
    return JsonResponse({"ready": is_ready, "checks": checks}, status=200 if is_ready else 503)


def _database() -> str:
    try:
        with connections["default"].cursor() as cursor:
            cursor.execute("SELECT 1")
    except DatabaseError:
        return "does not answer"
    return "ok"


def _migrations() -> str:
    # Remembered once they are complete: a running process cannot lose them.
    global _is_migrated
    if _is_migrated:
        return "ok"
    try:
        executor = MigrationExecutor(connections["default"])
        pending = executor.migration_plan(executor.loader.graph.leaf_nodes())
    except DatabaseError:
        return "cannot be read"
    if pending:
        return f"{len(pending)} not applied"
    _is_migrated = True
    return "ok"


def _broker() -> str:
    if not settings.REDIS_URL:
        return "not set"
    try:
        with Redis.from_url(settings.REDIS_URL, socket_timeout=2) as client:
            client.ping()
    except RedisError:
        return "does not answer"
    return "ok"
