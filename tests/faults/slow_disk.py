"""Run a module whose disk may stall: `python -m tests.faults.slow_disk FILE MODULE [ARGUMENT…]`.

While FILE exists, fsync waits, and so does SQLite's COMMIT, which is little else than a sync.
"""

from __future__ import annotations

import os
import runpy
import sys
import time
from pathlib import Path
from typing import Any

from sqlalchemy.dialects.sqlite.pysqlite import SQLiteDialect_pysqlite as SQLite


def stall(file: Path) -> None:
    """Make fsync and COMMIT wait while `file` exists."""
    sync, commit = os.fsync, SQLite.do_commit

    def wait() -> None:
        while file.exists():
            time.sleep(0.05)

    def slow_sync(handle: int) -> None:
        wait()
        sync(handle)

    def slow_commit(self: SQLite, line: Any) -> None:
        wait()
        commit(self, line)

    os.fsync = slow_sync
    SQLite.do_commit = slow_commit  # type: ignore[method-assign]  # the purpose of this launcher


if __name__ == "__main__":
    name, module, *arguments = sys.argv[1:]
    stall(Path(name))
    sys.argv = [module, *arguments]
    runpy.run_module(module, run_name="__main__", alter_sys=True)
