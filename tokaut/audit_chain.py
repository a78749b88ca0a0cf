"""Verify the audit chain: each entry's digest, and the signed checkpoints."""

from __future__ import annotations

import os
from collections.abc import Iterator

from rich.console import Console
from rich.progress import track

from reports import auditkeys, proof
from reports.audit import Entry, Link
from reports.keyfolder import KeyFault
from reports.proof import Proof
from reports.settings import Place, load
from reports.store import audit_log
from reports.store.engine.database import Database
from tokaut.plain import Plain


def proved(database: Database) -> Proof:
    """Raises DatabaseUnavailable. A key that is not here has signed nothing that can be believed."""
    try:
        keys = auditkeys.verifiers(load(Place, os.environ).keys)
    except KeyFault as fault:
        raise Plain(str(fault)) from None

    def holds(key_id: str, signature: bytes, data: bytes) -> bool:
        return key_id in keys and keys[key_id].holds(signature, data)

    shown = track(rows(database), "Walking the chain", console=Console(stderr=True), transient=True)
    mode = audit_log.database_mode(database)
    return proof.prove(proof.steps(shown), audit_log.list_checkpoints(database), mode, holds, database.now())


def rows(database: Database) -> Iterator[tuple[Entry, Link]]:
    """All chained lines, in order, a page at a time."""
    after = 0
    while page := audit_log.list_chained(database, after):
        yield from page
        after = page[-1][1].seq
