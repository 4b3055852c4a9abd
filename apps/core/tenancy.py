"""One organization at a time: the scope of a request or task, and the two locks that hold it.

First lock: the default manager of every tenant model filters by the scope; building a query is free anywhere, reading
one outside a scope raises NoTenant. Second lock: PostgreSQL's row-level security, keyed on `app.organization_id`, which
`scope` sets with the statement SET LOCAL (the function set_config would not reach the workers of a Citus cluster).

Known holes of the first lock, closed by the second: raw SQL, bulk_create (the organization is explicit), joins into
another tenant model, forward foreign keys (Django reads them through the base manager).
"""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any, Self
from uuid import UUID

from django.db import connections, models, transaction
from django.db.models import Q
from psycopg.pq import TransactionStatus

from apps.core.ids import uuid7
from config.database import EVERYONE_ROLE


class NoTenant(RuntimeError):
    """A tenant's rows were read or written outside a scope."""


@dataclass(frozen=True)
class Scope:
    """What may be seen: one organization, or (organization_id None) the edge tables of all, for a stated reason."""

    organization_id: UUID | None
    reason: str = ""


_active: ContextVar[Scope | None] = ContextVar("tenancy", default=None)


def current() -> Scope | None:
    """Return the scope in force, if any."""
    return _active.get()


def current_organization_id() -> UUID:
    """Return the organization in scope; raises NoTenant outside one."""
    active = _active.get()
    if active is None or active.organization_id is None:
        raise NoTenant("no organization is in scope: enter tenancy.scope(organization_id)")
    return active.organization_id


def scope(organization_id: UUID, *, using: str = "default"):
    """Enter one organization's scope; opens a transaction where none is open, because SET LOCAL needs one."""
    return _enter(Scope(UUID(str(organization_id))), using)


def everyone(*, reason: str, using: str = "default"):
    """Look across organizations at the edge: people, memberships, keys, and which organizations have work due.

    The role `agentops_everyone` has rights on those tables alone; everything else is refused by the database. Every
    call site is listed, with its reason, in tests/house/test_tenancy.py.
    """
    return _enter(Scope(None, reason), using)


@contextmanager
def _enter(wanted: Scope, using: str) -> Iterator[Scope]:
    connection = connections[using]
    found = _active.get()
    with ExitStack() as stack:
        owns_transaction = not connection.in_atomic_block
        if owns_transaction:
            stack.enter_context(transaction.atomic(using=using))
        _announce(connection, wanted)
        token = _active.set(wanted)
        try:
            yield wanted
        finally:
            _active.reset(token)
            # A value set inside a savepoint outlives it, so what was found is restored by hand; in a failed
            # transaction the rollback restores it.
            if not owns_transaction and _answers(connection):
                _announce(connection, found)


def _announce(connection: Any, wanted: Scope | None) -> None:
    role = EVERYONE_ROLE if wanted is not None and wanted.organization_id is None else "NONE"
    organization = wanted.organization_id if wanted is not None else None
    with connection.cursor() as cursor:
        # Both values are ours (a UUID and a constant), and SET takes no parameters.
        cursor.execute(f"SET LOCAL ROLE {role}; SET LOCAL app.organization_id = '{organization or ''}'")


def _answers(connection: Any) -> bool:
    return (
        connection.connection is not None
        and not connection.needs_rollback
        and connection.connection.info.transaction_status == TransactionStatus.INTRANS
    )


class TenantQuerySet(models.QuerySet):
    """A queryset that binds to the scope as late as possible.

    Built inside a scope it is bound at once. Built outside (a form class, a DRF view attribute) it is pending: `.all()`
    or the first read binds it to the scope in force then, and raises NoTenant if there is none.
    """

    _pending = False

    def _clone(self) -> Self:
        clone = super()._clone()  # type: ignore[misc]
        clone._pending = self._pending
        return clone

    def all(self) -> Self:
        """Return a copy, bound to the scope in force."""
        copy = super().all()
        if _active.get() is not None:
            copy._bind()
        return copy

    def _bind(self) -> None:
        active = _active.get()
        if active is None:
            raise NoTenant(f"{self.model._meta.label} was read outside a scope")
        if self._pending:
            self._pending = False
            if active.organization_id is not None:
                self.query.add_q(Q(organization_id=active.organization_id))

    def _fetch_all(self) -> None:
        if self._result_cache is None:
            self._bind()
        super()._fetch_all()

    def iterator(self, *args: Any, **kwargs: Any):
        """Stream the rows of the scope."""
        self._bind()
        return super().iterator(*args, **kwargs)

    def count(self) -> int:
        """Count the rows of the scope."""
        self._bind()
        return super().count()

    def exists(self) -> bool:
        """Tell whether the scope has such a row."""
        self._bind()
        return super().exists()

    def aggregate(self, *args: Any, **kwargs: Any) -> dict[str, Any]:
        """Aggregate over the rows of the scope."""
        self._bind()
        return super().aggregate(*args, **kwargs)

    def update(self, **kwargs: Any) -> int:
        """Change the rows of the scope."""
        self._bind()
        return super().update(**kwargs)

    def delete(self) -> tuple[int, dict[str, int]]:
        """Delete the rows of the scope."""
        self._bind()
        return super().delete()


class TenantManager(models.Manager.from_queryset(TenantQuerySet)):  # type: ignore[misc]
    """The default manager of every tenant model."""

    def get_queryset(self) -> TenantQuerySet:
        """Return a queryset bound to the scope in force, or pending where there is none."""
        queryset = super().get_queryset()
        queryset._pending = True
        if _active.get() is not None:
            queryset._bind()
        return queryset


class TenantModel(models.Model):
    """A row that belongs to one organization (control plane: foreign keys, ordinary tables)."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    organization = models.ForeignKey("organizations.Organization", on_delete=models.CASCADE, related_name="+")

    objects = TenantManager()

    class Meta:
        abstract = True


class TenantRow(models.Model):
    """A row of a high-volume table: organization first in every key, no foreign keys, so that it can be distributed."""

    organization_id = models.UUIDField()

    objects = TenantManager()

    class Meta:
        abstract = True
