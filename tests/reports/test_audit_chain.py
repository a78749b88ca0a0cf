"""The audit chain: a changed row is detected and named."""

from __future__ import annotations

import hashlib
from dataclasses import replace

import pytest

from reports.audit import GENESIS_HASH, AuditEntry, ChainLink, chain_rows, extend_chain, link_entry, verify_chain

pytestmark = pytest.mark.rule("X-24")

ENTRIES = [AuditEntry(f"0192-{n}", 1_000 + n, "worker", "delivered", f"id-{n}") for n in range(6)]


def chain() -> list[tuple[AuditEntry, ChainLink]]:
    return extend_chain(None, ENTRIES)


def fault(rows: list[tuple[AuditEntry, ChainLink]]) -> str:
    """Return the fault found by the chain alone, without a checkpoint."""
    return verify_chain(chain_rows(rows), (), "live", lambda *_: False, now=0).fault


def test_a_whole_chain_has_no_break() -> None:
    rows = chain()
    assert [found.seq for _, found in rows] == [1, 2, 3, 4, 5, 6]
    assert rows[0][1].prev_hash == GENESIS_HASH
    assert fault(rows) == fault([]) == ""


def test_it_can_be_extended_later() -> None:
    rows = chain()
    later = extend_chain(rows[2][1], ENTRIES[3:])
    assert later == rows[3:]


@pytest.mark.parametrize("field", ["audit_id", "actor", "act", "object_id"])
def test_a_changed_row_is_found(field: str) -> None:
    rows = chain()
    rows[3] = (replace(rows[3][0], **{field: "other"}), rows[3][1])
    assert fault(rows).startswith("Line 4 ")


def test_a_changed_time_is_found() -> None:
    rows = chain()
    rows[0] = (replace(rows[0][0], at=5), rows[0][1])
    assert fault(rows).startswith("Line 1 ")


def test_a_dropped_an_added_and_a_moved_row_are_found() -> None:
    dropped = chain()
    del dropped[2]
    added = chain()
    added.insert(2, (AuditEntry("x", 1, "web", "sent", "r"), replace(added[2][1])))
    moved = chain()
    moved[1], moved[2] = moved[2], moved[1]
    assert [fault(rows).split()[1] for rows in (dropped, added, moved)] == ["4", "3", "3"]


def test_a_rehashed_row_breaks_the_next() -> None:
    rows = chain()
    forged = AuditEntry("forged", 7, "web", "sent", "r")
    rows[3] = (forged, link_entry(forged, 4, rows[2][1].hash))
    assert fault(rows).startswith("Line 5 ")


def test_the_hash_of_a_known_row() -> None:
    """The hash was computed by hand from the rule in the docstring of `link`; another program can verify a chain."""
    canonical = b'{"act":"sent","actor":"web","at":1,"audit_id":"a","object_id":"r","seq":1}'
    row = hashlib.sha256(canonical).digest()
    assert (
        link_entry(AuditEntry("a", 1, "web", "sent", "r"), 1, GENESIS_HASH).hash
        == hashlib.sha256(bytes(32) + row).digest()
    )
