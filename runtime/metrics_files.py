"""Store the metrics of each process in files, so that one page can show those of all processes of a host.

Prometheus' library names the files of a process by its pid. So the files of ended processes accumulate, and the last
values of an ended `clock` would be shown as those of the running one. Here a process takes the lowest free
number of its kind, such as `clock-1`, and a later process continues counting in the same files.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import structlog
from prometheus_client import CollectorRegistry, Metric, generate_latest, multiprocess, values

FOLDER_VARIABLE = "PROMETHEUS_MULTIPROC_DIR"  # the library's own name for the folder where this process writes
OTHER_FOLDER_VARIABLE = "PROMETHEUS_ALSO_DIR"  # the folder of another account, which is only read

log = structlog.get_logger()


@contextmanager
def claim_files(kind: str) -> Iterator[None]:
    """Claim the metrics files of this process, which creates its metrics within this context. Call it once.

    `kind`: the kind of process, such as `clock`. The group may access the files as it may access their folder. If the
    folder cannot be written, the process still starts, with metrics of its own only.
    """
    folder = os.environ.get(FOLDER_VARIABLE)
    if folder is None:
        yield
        return
    library: Any = values  # the library has no types for these
    try:
        name = _claim_name(Path(folder), kind)
        mask = 0o777 & ~Path(folder).stat().st_mode
    except OSError as error:
        log.warning("metrics_folder_unwritable", **{"class": type(error).__name__})
        del os.environ[FOLDER_VARIABLE]
        library.ValueClass = library.MutexValue
        yield
        return
    library.ValueClass = library.MultiProcessValue(lambda: name)
    previous_mask = os.umask(mask)
    try:
        yield
    finally:
        os.umask(previous_mask)


def render(own: CollectorRegistry) -> bytes:
    """Return the metrics in Prometheus' text format: of all processes whose folders are known, or of this one."""
    return generate_latest(_AllProcesses() if FOLDER_VARIABLE in os.environ else own)


class _AllProcesses(CollectorRegistry):
    def collect(self) -> Iterable[Metric]:
        folders = (os.environ[name] for name in (FOLDER_VARIABLE, OTHER_FOLDER_VARIABLE) if name in os.environ)
        merge: Any = multiprocess.MultiProcessCollector.merge
        metrics: Iterable[Metric] = merge([str(path) for folder in folders for path in Path(folder).glob("*.db")])
        return metrics


def _claim_name(folder: Path, kind: str) -> str:
    """Return the lowest name that is free, and lock it. Raises OSError."""
    number = 1
    while not _try_lock(folder / f"{kind}-{number}.lock"):
        number += 1
    return f"{kind}-{number}"


def _try_lock(lock: Path) -> bool:
    """Lock the file until this process ends, however it ends. Return False if another process has locked it."""
    descriptor = os.open(lock, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        return False
    return True
