"""Where the figures of a process stand, so that one page can show those of all processes of a host.

Prometheus' library names a process's files by its pid. Pids do not come back: the files of the dead pile up, and what a
dead clock said last is taken for the living one's. Here a process takes the lowest place of its kind that nobody has,
`clock-1`, and whoever comes after it counts on in the same files.
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

FOLDER_VARIABLE = "PROMETHEUS_MULTIPROC_DIR"  # the library's own name for it: where this process writes
OTHER_FOLDER_VARIABLE = "PROMETHEUS_ALSO_DIR"  # a folder of another account's, which is read and never written

log = structlog.get_logger()


@contextmanager
def claim(kind: str) -> Iterator[None]:
    """Within it a process makes its figures, once. Their files are as open to the group as their folder is.

    A folder that cannot be written stops nobody: then the figures are this process's alone.
    """
    folder = os.environ.get(FOLDER_VARIABLE)
    if folder is None:
        yield
        return
    library: Any = values  # it has no types for these
    try:
        name = _taken(Path(folder), kind)
        mask = 0o777 & ~Path(folder).stat().st_mode
    except OSError as error:
        log.warning("metrics_folder_unwritable", **{"class": type(error).__name__})
        del os.environ[FOLDER_VARIABLE]
        library.ValueClass = library.MutexValue
        yield
        return
    library.ValueClass = library.MultiProcessValue(lambda: name)
    before = os.umask(mask)
    try:
        yield
    finally:
        os.umask(before)


def render(own: CollectorRegistry) -> bytes:
    """In Prometheus' text form: the figures of all whose folders are known, or this process's own."""
    return generate_latest(_AllProcesses() if FOLDER_VARIABLE in os.environ else own)


class _AllProcesses(CollectorRegistry):
    def collect(self) -> Iterable[Metric]:
        folders = (os.environ[name] for name in (FOLDER_VARIABLE, OTHER_FOLDER_VARIABLE) if name in os.environ)
        merge: Any = multiprocess.MultiProcessCollector.merge
        found: Iterable[Metric] = merge([str(path) for folder in folders for path in Path(folder).glob("*.db")])
        return found


def _taken(folder: Path, kind: str) -> str:
    """The lowest place that is free. Raises OSError."""
    number = 1
    while not _is_ours(folder / f"{kind}-{number}.lock"):
        number += 1
    return f"{kind}-{number}"


def _is_ours(lock: Path) -> bool:
    """Then it is held until this process ends, however it ends."""
    handle = os.open(lock, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(handle)
        return False
    return True
