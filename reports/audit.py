"""Who did what, as a chain of hashes: whoever changes, drops, adds or moves a row breaks it. Pure; `clock` writes."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass

BEGINNING = bytes(32)  # what the first row is chained to


@dataclass(frozen=True, slots=True)
class Entry:
    """One row of the audit, before it is chained. `at` in microseconds, UTC; ids only."""

    audit_id: str
    at: int
    actor: str
    act: str
    object_id: str


@dataclass(frozen=True, slots=True)
class Link:
    """An entry's place in the chain."""

    seq: int
    prev_hash: bytes
    hash: bytes


@dataclass(frozen=True, slots=True)
class Break:
    """The first row that does not fit what is before it."""

    seq: int
    audit_id: str
    why: str  # seq, prev_hash or hash


def link(entry: Entry, seq: int, prev_hash: bytes) -> Link:
    """hash = SHA-256(prev_hash, then the row as JSON with sorted keys and no blanks)."""
    row = {
        "act": entry.act,
        "actor": entry.actor,
        "at": entry.at,
        "audit_id": entry.audit_id,
        "object_id": entry.object_id,
        "seq": seq,
    }
    canonical = json.dumps(row, sort_keys=True, separators=(",", ":"), ensure_ascii=True).encode()
    return Link(seq, prev_hash, hashlib.sha256(prev_hash + canonical).digest())


def extend(last: Link | None, entries: Iterable[Entry]) -> list[tuple[Entry, Link]]:
    """Chain these entries, in this order, to the last link there is."""
    chained = []
    for entry in entries:
        seq, prev_hash = (last.seq + 1, last.hash) if last else (1, BEGINNING)
        last = link(entry, seq, prev_hash)
        chained.append((entry, last))
    return chained


def first_break(rows: Iterable[tuple[Entry, Link]], anchor: Link | None = None) -> Break | None:
    """Walk rows in order of `seq`, from the beginning or from the anchor that a purge left; None where all is whole."""
    last = anchor
    for entry, found in rows:
        seq, prev_hash = (last.seq + 1, last.hash) if last else (1, BEGINNING)
        expected = link(entry, seq, prev_hash)
        for name in ("seq", "prev_hash", "hash"):
            if getattr(found, name) != getattr(expected, name):
                return Break(found.seq, entry.audit_id, name)
        last = found
    return None
