"""After a purge: lets nothing of it stay in the files of the embedded database.

`secure_delete` overwrites what is deleted, but a row that SQLite has moved may leave a copy in the gaps of a page: some
were found there. VACUUM writes every page anew; then the WAL is emptied. PostgreSQL looks after its own files, and this
promises nothing of them.
"""

from __future__ import annotations

import shutil
from pathlib import Path

from reports.store.database import Database


def compact(database: Database) -> bool:
    """True: done. False: PostgreSQL, a disk without room for a second copy, or a reader in the way: later. Raises
    DatabaseUnavailable.

    Nobody else writes meanwhile: some seconds for a gigabyte, in which web keeps what is sent in the spool.
    """
    file = Path(database.engine.url.database or "")
    if not database.is_sqlite or not file.exists() or _lacks_room(file):
        return False
    with database.read() as connection:  # outside a transaction, as VACUUM must be
        connection.exec_driver_sql("VACUUM")
        busy, *_ = connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)").one()
    return not busy


def _lacks_room(file: Path) -> bool:
    return shutil.disk_usage(file.parent).free < 3 * file.stat().st_size  # a copy, and the WAL that brings it back
