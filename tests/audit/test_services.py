"""The trail in the database: written with the act, never changed, verifiable, and no lock across organizations."""

import threading

import pytest
from django.db import DatabaseError, close_old_connections, connection, connections, transaction

from apps.audit import selectors
from apps.audit.models import AuditCheckpoint, AuditEntry
from apps.audit.services import record, sign_checkpoint
from apps.core.actors import Actor
from apps.core.tenancy import scope

ADA = Actor("person", "ada", "Ada")


def act(name: str = "agent", **details) -> AuditEntry:
    return record(
        actor=ADA, action="agent.registered", target_kind="agent", target_id=name, target_name=name, details=details
    )


def test_entries_of_an_organization_form_one_chain(world):
    with world.acme_scope():
        first, second = act("one"), act("two", after={"risk": "hoch", "cost": 1.5, "nested": [None, True]})
        assert (first.sequence, second.sequence) == (1, 2)
        assert second.previous_hash == first.hash
        assert selectors.faults() == []
    with world.globex_scope():
        assert act().sequence == 1


@pytest.mark.parametrize(
    "statement", ["UPDATE audit_auditentry SET actor_name = 'Eve'", "DELETE FROM audit_auditentry"]
)
def test_the_application_role_cannot_change_an_entry(world, statement):
    with world.acme_scope():
        act()
        with pytest.raises(DatabaseError, match="permission denied"), transaction.atomic():
            connection.cursor().execute(statement)
        assert AuditEntry.objects.count() == 1


def test_even_the_owner_meets_the_trigger(committed_world):
    with committed_world.acme_scope():
        act()
    with (
        pytest.raises(DatabaseError, match="append-only"),
        transaction.atomic(using="owner"),
        connections["owner"].cursor() as cursor,
    ):
        cursor.execute("UPDATE audit_auditentry SET actor_name = 'Eve'")


def test_an_entry_that_cannot_be_written_undoes_the_act(world):
    with world.acme_scope():
        with pytest.raises(ValueError), transaction.atomic():
            world.acme.name = "Renamed"
            world.acme.save()
            act(after=float("nan"))
        world.acme.refresh_from_db()
        assert world.acme.name == "Acme Travel"
        assert AuditEntry.objects.count() == 0


def test_writing_outside_a_transaction_is_refused(committed_world):
    with pytest.raises(transaction.TransactionManagementError):
        act()


def test_a_checkpoint_signs_the_chain_once(world):
    with world.acme_scope():
        act("one")
        checkpoint = sign_checkpoint()
        assert checkpoint.sequence == 1
        assert sign_checkpoint() is None
        act("two")
        assert sign_checkpoint().sequence == 2
        assert AuditCheckpoint.objects.count() == 2
        assert selectors.faults() == []


def test_forging_behind_the_owners_back_is_found(committed_world):
    with committed_world.acme_scope():
        act("one")
        act("two")
        sign_checkpoint()
    with transaction.atomic(using="owner"), connections["owner"].cursor() as cursor:
        cursor.execute("SET LOCAL session_replication_role = replica")
        cursor.execute("UPDATE audit_auditentry SET actor_name = 'Eve' WHERE sequence = 1")
    with committed_world.acme_scope():
        assert [fault.sequence for fault in selectors.faults()] == [1]


def test_parallel_writers_of_one_organization_make_one_chain_and_do_not_hold_up_another(committed_world):
    world = committed_world
    failures = []

    def write(number: int) -> None:
        try:
            for turn in range(5):
                with scope(world.acme.id):
                    act(f"{number}-{turn}")
        except DatabaseError as error:
            failures.append(error)
        finally:
            close_old_connections()
            connection.close()

    with scope(world.globex.id):
        act("held open while acme writes")
        threads = [threading.Thread(target=write, args=(number,)) for number in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(timeout=30)
            assert not thread.is_alive(), "acme waited for globex"
    assert failures == []
    with world.acme_scope():
        assert list(AuditEntry.objects.order_by("sequence").values_list("sequence", flat=True)) == list(range(1, 21))
        assert selectors.faults() == []
