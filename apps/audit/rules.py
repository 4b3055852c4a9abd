"""The chain: what an entry's hash covers, how a checkpoint is signed, how both are verified. No Django here.

An entry's hash is SHA-256 over the RFC 8785 (JSON Canonicalization Scheme) form of all its fields, the previous entry's
hash among them. A checkpoint is an Ed25519 signature (RFC 8032) over the organization, the sequence number and the hash
at that point; who has the public key and a later checkpoint can tell that nothing before it was changed, removed,
inserted or reordered.
"""

import base64
import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import rfc8785
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

GENESIS = "0" * 64

FIELDS = (
    "organization_id",
    "sequence",
    "at",
    "actor_kind",
    "actor_id",
    "actor_name",
    "action",
    "target_kind",
    "target_id",
    "target_name",
    "details",
    "request_id",
    "previous_hash",
)


@dataclass(frozen=True)
class Fault:
    """One place where a chain does not hold."""

    sequence: int
    reason: str


def entry_hash(entry: dict[str, Any]) -> str:
    """Return the hash of an entry given as the exported JSON object (without its own `hash`)."""
    return hashlib.sha256(rfc8785.dumps({name: entry[name] for name in FIELDS})).hexdigest()


def find_faults(
    entries: Iterable[dict[str, Any]],
    checkpoints: Iterable[dict[str, Any]],
    public_keys: dict[str, str],
) -> Iterable[Fault]:
    """Yield every place where entries (in order of sequence), or the checkpoints over them, do not hold.

    `public_keys` maps key ids to base64 raw Ed25519 keys. An export that starts later than entry 1 is verified from
    its first entry on; entries after the last checkpoint are chained but not yet signed.
    """
    hashes: dict[int, str] = {}
    previous: dict[str, Any] | None = None
    for entry in entries:
        sequence = entry["sequence"]
        if previous is None:
            if sequence == 1 and entry["previous_hash"] != GENESIS:
                yield Fault(sequence, "the first entry does not start the chain")
        elif sequence != previous["sequence"] + 1:
            yield Fault(sequence, f"entry {previous['sequence'] + 1} is missing")
        elif entry["previous_hash"] != previous["hash"]:
            yield Fault(sequence, "it does not follow the entry before it")
        if entry_hash(entry) != entry["hash"]:
            yield Fault(sequence, "its content does not match its hash")
        hashes[sequence] = entry["hash"]
        previous = entry
    for checkpoint in checkpoints:
        sequence = checkpoint["sequence"]
        if sequence in hashes and hashes[sequence] != checkpoint["hash"]:
            yield Fault(sequence, "the signed checkpoint has another hash")
        elif sequence not in hashes and previous is not None and sequence > previous["sequence"]:
            yield Fault(sequence, "the signed checkpoint is beyond the last entry: entries are missing at the end")
        if not is_signed(checkpoint, public_keys):
            yield Fault(sequence, "the checkpoint's signature does not hold")


def checkpoint_message(organization_id: str, sequence: int, hash_: str) -> bytes:
    """Return what a checkpoint signs."""
    return rfc8785.dumps({"hash": hash_, "organization_id": organization_id, "sequence": sequence})


def is_signed(checkpoint: dict[str, Any], public_keys: dict[str, str]) -> bool:
    """Tell whether a known key signed this checkpoint."""
    encoded = public_keys.get(checkpoint["key_id"])
    if encoded is None:
        return False
    message = checkpoint_message(checkpoint["organization_id"], checkpoint["sequence"], checkpoint["hash"])
    try:
        key = Ed25519PublicKey.from_public_bytes(base64.b64decode(encoded))
        key.verify(base64.b64decode(checkpoint["signature"]), message)
    except (InvalidSignature, ValueError):
        return False
    return True


def signing_key(secret: str) -> Ed25519PrivateKey:
    """Derive the installation's signing key from its secret, so that it survives restarts without a second secret."""
    return Ed25519PrivateKey.from_private_bytes(hashlib.sha256(b"audit checkpoints\0" + secret.encode()).digest())


def public_key_text(key: Ed25519PrivateKey) -> str:
    """Return the public half in base64 (raw, 32 bytes)."""
    return base64.b64encode(key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)).decode()


def key_id(public_key: str) -> str:
    """Return the name of a public key: the start of its SHA-256."""
    return hashlib.sha256(base64.b64decode(public_key)).hexdigest()[:16]
