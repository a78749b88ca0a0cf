"""The audit as a chain of hashes: a row that is changed, deleted, added or moved breaks it. Pure.

The scheduler (`clock`) writes the chain.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

GENESIS_HASH = bytes(32)  # the previous hash of the first row


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """One row of the audit before it is chained. `at`: microseconds, UTC. It holds ids only."""

    audit_id: str
    at: int
    actor: str
    act: str
    object_id: str


@dataclass(frozen=True, slots=True)
class ChainLink:
    """The place of an entry in the chain."""

    seq: int
    prev_hash: bytes
    hash: bytes


def link_entry(entry: AuditEntry, seq: int, prev_hash: bytes) -> ChainLink:
    """Return the link for the next row: hash = SHA-256(prev_hash ‖ digest of the row).

    Because of the digest, somebody who may see only the digests of some rows can verify the chain too.
    """
    return ChainLink(seq, prev_hash, next_hash(prev_hash, entry_digest(entry, seq)))


def next_hash(prev_hash: bytes, row: bytes) -> bytes:
    """Return the hash of a row. `row`: the digest of the row."""
    return hashlib.sha256(prev_hash + row).digest()


def entry_digest(entry: AuditEntry, seq: int) -> bytes:
    """Return SHA-256 of the row as JSON with sorted keys and no blanks."""
    return hashlib.sha256(_canonical(_row(entry, seq))).digest()


def _row(entry: AuditEntry, seq: int) -> dict[str, object]:
    return {
        "act": entry.act,
        "actor": entry.actor,
        "at": entry.at,
        "audit_id": entry.audit_id,
        "object_id": entry.object_id,
        "seq": seq,
    }


def _canonical(row: Mapping[str, object]) -> bytes:
    return json.dumps(row, sort_keys=True, separators=(",", ":"), ensure_ascii=True).encode()


def extend_chain(last: ChainLink | None, entries: Iterable[AuditEntry]) -> list[tuple[AuditEntry, ChainLink]]:
    """Chain these entries, in this order, to the last link; `last`: None for an empty chain."""
    chained = []
    for entry in entries:
        seq, prev_hash = (last.seq + 1, last.hash) if last else (1, GENESIS_HASH)
        last = link_entry(entry, seq, prev_hash)
        chained.append((entry, last))
    return chained
