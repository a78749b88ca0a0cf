"""Verify the audit chain: each entry's digest, and the signed checkpoints."""

from __future__ import annotations

import os
from collections.abc import Iterator

from rich.console import Console
from rich.progress import track

from reports.audit import signing_keys, verification
from reports.audit.chain import AuditEntry, ChainLink
from reports.audit.verification import ChainVerification
from reports.crypto.key_files import KeyFileError
from reports.store import audit_log
from reports.store.engine.database import Database
from runtime.settings import InstallationSettings, load_settings
from tokaut.cli import CommandError


def verify_chain(database: Database) -> ChainVerification:
    """Verify the whole chain and its signed checkpoints.

    A signature counts as invalid if its public key is not on this machine. Raises DatabaseUnavailable.
    """
    try:
        keys = signing_keys.load_verify_keys(load_settings(InstallationSettings, os.environ).keys)
    except KeyFileError as fault:
        raise CommandError(str(fault)) from None

    def is_valid(key_id: str, signature: bytes, data: bytes) -> bool:
        return key_id in keys and keys[key_id].holds(signature, data)

    rows = track(chained_rows(database), "Walking the chain", console=Console(stderr=True), transient=True)
    mode = audit_log.database_mode(database)
    return verification.verify_chain(
        verification.chain_rows(rows), audit_log.list_checkpoints(database), mode, is_valid, database.now()
    )


def chained_rows(database: Database) -> Iterator[tuple[AuditEntry, ChainLink]]:
    """Yield all entries of the chain in order, loaded one page at a time."""
    after = 0
    while page := audit_log.list_chained(database, after):
        yield from page
        after = page[-1][1].seq
