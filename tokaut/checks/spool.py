"""The check of the reports in web's spool and of the key they are sealed with."""

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
    """Yield a sentence for each host whose spool holds reports for too long, or reports that cannot be decrypted."""
    settings = None if of_worker else collect_settings([WebSecrets], environ)[0]
    cipher = RecordCipher(settings[WebSecrets].store_key.reveal()) if settings and WebSecrets in settings else None
    statuses: dict[str, SpoolStatus] = {}
    if common.has_database:
        with (
            suppress(InvalidDatabaseURL, DatabaseUnavailable),
            closing(Database(common.database_url, threads=1)) as database,
        ):
            with suppress(PermissionDenied):  # the accounts of worker and console may not read it
                statuses |= {status.host: status for status in spool_status.list_statuses(database)}
            with suppress(PermissionDenied):
                if cipher and not spool_status.matches_store_key(database, key_check_values(cipher)):
                    yield OTHER_STORE_KEY
    with suppress(OSError):  # web's folder, which no other account may enter
        if cipher and (folder := common.data / "spool").is_dir():
            own_status = Spool(folder, cipher).standing(gethostname()[:64])
            statuses[own_status.host] = own_status
    for status in statuses.values():
        yield from status.faults()
