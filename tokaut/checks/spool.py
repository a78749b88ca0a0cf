"""What `tokaut check` says of reports that wait on web's disk, and of the key they are sealed with."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import closing, suppress
from socket import gethostname

from reports.crypto import RecordCipher
from reports.store.database_check import OTHER_STORE_KEY, key_check_values
from reports.store.engine.database import Database, DatabaseUnavailable, InvalidDatabaseURL, PermissionDenied
from reports.store.operations import spool_status
from reports.store.operations.spool_status import SpoolStatus
from reports.store.spool import Spool
from runtime.settings import CommonSettings, WebSecrets, collect_settings


def spool_faults(common: CommonSettings, environ: Mapping[str, str], *, of_worker: bool = False) -> Iterator[str]:
    """Yield a sentence for each host whose spool holds reports for too long, or reports that do not open."""
    own = None if of_worker else collect_settings([WebSecrets], environ)[0]
    vault = RecordCipher(own[WebSecrets].store_key.reveal()) if own and WebSecrets in own else None
    known: dict[str, SpoolStatus] = {}
    if common.has_database:
        with (
            suppress(InvalidDatabaseURL, DatabaseUnavailable),
            closing(Database(common.database_url, threads=1)) as database,
        ):
            with suppress(PermissionDenied):  # worker's and console's accounts
                known |= {one.host: one for one in spool_status.list_statuses(database)}
            with suppress(PermissionDenied):
                if vault and not spool_status.matches_store_key(database, key_check_values(vault)):
                    yield OTHER_STORE_KEY
    with suppress(OSError):  # web's folder, which no other account may enter
        if vault and (folder := common.data / "spool").is_dir():
            here = Spool(folder, vault).standing(gethostname()[:64])
            known[here.host] = here
    for one in known.values():
        yield from one.faults()
