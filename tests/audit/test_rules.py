"""The chain as arithmetic: whatever is changed, removed, inserted or reordered is found."""

import base64
import copy

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.audit import rules

KEY = rules.signing_key("a secret")
PUBLIC = rules.public_key_text(KEY)
KEYS = {rules.key_id(PUBLIC): PUBLIC}


def chain(length: int) -> list[dict]:
    entries = []
    previous = rules.GENESIS
    for sequence in range(1, length + 1):
        entry = {
            "organization_id": "0190-acme",
            "sequence": sequence,
            "at": f"2026-11-23T06:00:{sequence:02}.000000Z",
            "actor_kind": "person",
            "actor_id": "ada",
            "actor_name": "Ada",
            "action": "agent.registered",
            "target_kind": "agent",
            "target_id": str(sequence),
            "target_name": f"agent {sequence}",
            "details": {"n": sequence},
            "request_id": "r",
            "previous_hash": previous,
        }
        entry["hash"] = previous = rules.entry_hash(entry)
        entries.append(entry)
    return entries


def checkpoint(entry: dict) -> dict:
    message = rules.checkpoint_message(entry["organization_id"], entry["sequence"], entry["hash"])
    return {
        "organization_id": entry["organization_id"],
        "sequence": entry["sequence"],
        "hash": entry["hash"],
        "key_id": rules.key_id(PUBLIC),
        "signature": base64.b64encode(KEY.sign(message)).decode(),
    }


def faults(entries, checkpoints=()):
    return list(rules.find_faults(entries, checkpoints, KEYS))


def test_an_untouched_chain_has_no_fault():
    entries = chain(5)
    assert faults(entries, [checkpoint(entries[2]), checkpoint(entries[4])]) == []


@pytest.mark.parametrize("field", rules.FIELDS)
def test_a_change_of_any_field_is_found(field):
    entries = copy.deepcopy(chain(4))
    entries[1][field] = {"changed": True} if field == "details" else 99 if field == "sequence" else "changed"
    assert faults(entries)


@given(st.integers(0, 5))
def test_a_removed_entry_is_found(index):
    entries = chain(6)
    signed = checkpoint(entries[-1])
    del entries[index]
    # Without its start an export counts as a later piece of the chain; everything else is a fault.
    assert faults(entries, [signed]) or index == 0


@given(st.permutations(range(5)).filter(lambda order: order != list(range(5))))
def test_another_order_is_found(order):
    entries = chain(5)
    assert faults([entries[index] for index in order])


def test_a_rewritten_chain_does_not_match_its_checkpoint():
    original = chain(3)
    forged = chain(3)
    forged[0]["details"] = {"n": "forged"}
    previous = rules.GENESIS
    for entry in forged:
        entry["previous_hash"] = previous
        entry["hash"] = previous = rules.entry_hash(entry)
    assert faults(forged) == []
    assert [fault.sequence for fault in faults(forged, [checkpoint(original[2])])] == [3]


def test_a_checkpoint_signed_by_a_stranger_does_not_hold():
    entries = chain(2)
    stranger = checkpoint(entries[1]) | {"signature": base64.b64encode(bytes(64)).decode()}
    assert faults(entries, [stranger])[0].reason == "the checkpoint's signature does not hold"
