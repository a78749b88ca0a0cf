"""Store the metrics of each process in files, so that one page can show those of all processes of a host.

Prometheus' library names the files of a process by its pid. So the files of ended processes accumulate, and the last
values of an ended `clock` would be shown as those of the running one. Here a process takes the lowest free
number of its kind, such as `clock-1`, and a later process continues counting in the same files.
"""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import structlog
from prometheus_client import CollectorRegistry, Metric, generate_latest, multiprocess, values
from prometheus_client.mmap_dict import MmapedDict

FOLDER_VARIABLE = "PROMETHEUS_MULTIPROC_DIR"  # the library's own name for the folder where this process writes
OTHER_FOLDER_VARIABLE = "PROMETHEUS_ALSO_DIR"  # the folder of another account, which is only read

IsCurrent = Callable[[str, Mapping[str, str]], bool]  # name and labels of a gauge → whether it is still in use

log = structlog.get_logger()


@contextmanager
def claim_files(kind: str, is_current: IsCurrent = lambda *_: True) -> Iterator[None]:
    """Claim the metrics files of this process, which creates its metrics within this context. Call it once.

    `kind`: the kind of process, such as `clock`. `is_current`: whether a gauge with these labels is still in use;
    others are deleted from the files of this kind that no other process uses. So is a damaged file. The group may
    access the files as it may access their folder. If the folder cannot be written, the process still starts, with
    metrics of its own only.
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
        _clean(Path(folder), kind, name, is_current)
        yield
    finally:
        os.umask(previous_mask)


def render(own: CollectorRegistry) -> bytes:
    """Return the metrics in Prometheus' text format: of all processes whose folders are known, or of this one."""
    return generate_latest(_AllProcesses() if FOLDER_VARIABLE in os.environ else own)


class _AllProcesses(CollectorRegistry):
    def collect(self) -> Iterable[Metric]:
        folders = (os.environ[name] for name in (FOLDER_VARIABLE, OTHER_FOLDER_VARIABLE) if name in os.environ)
        paths = [str(path) for folder in folders for path in Path(folder).glob("*.db")]
        merge: Any = multiprocess.MultiProcessCollector.merge
        try:
            metrics: Iterable[Metric] = merge(paths)
        except Exception:  # one file is damaged, or was deleted meanwhile: the library reads all or none
            metrics = merge([path for path in paths if _is_readable(path)])
        return metrics


def _is_readable(path: str) -> bool:
    """Return whether a file of metrics can be read; log it if not. A file left by a full disk may be empty."""
    merge: Any = multiprocess.MultiProcessCollector.merge
    try:
        merge([path])
    except Exception as error:
        log.warning("metrics_file_unreadable", **{"class": type(error).__name__})
        return False
    return True


def _claim_name(folder: Path, kind: str) -> str:
    """Return the lowest name that is free, and lock it. Raises OSError."""
    number = 1
    while _try_lock(folder / f"{kind}-{number}.lock") is None:
        number += 1
    return f"{kind}-{number}"


def _try_lock(lock: Path) -> int | None:
    """Lock the file until its descriptor is closed or this process ends. Return None if another process holds it."""
    descriptor = os.open(lock, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        return None
    return descriptor


def _clean(folder: Path, kind: str, own: str, is_current: IsCurrent) -> None:
    """Delete the outdated gauges and the damaged files of this process and of ended ones of its kind."""
    for path in sorted(folder.glob(f"*_{kind}-*.db")):
        name = path.stem.rpartition("_")[2]
        with (
            suppress(OSError),
            _while_unused(folder, name, own) as is_unused,
        ):  # a fault of it does not stop the process
            if is_unused:
                _clean_file(path, is_current)


@contextmanager
def _while_unused(folder: Path, name: str, own: str) -> Iterator[bool]:
    """Hold the name of an ended process. Return whether no other process uses its files."""
    if name == own:
        yield True
        return
    descriptor = _try_lock(folder / f"{name}.lock")
    try:
        yield descriptor is not None
    finally:
        if descriptor is not None:
            os.close(descriptor)


def _clean_file(path: Path, is_current: IsCurrent) -> None:
    """Delete the outdated gauges of a file, or the file if it is damaged or has no values. Raises OSError."""
    library: Any = MmapedDict  # it has no types
    rows = list(library.read_all_values_from_file(str(path))) if _is_readable(str(path)) else []
    if not rows:
        path.unlink(missing_ok=True)
        return
    kept = [row for row in rows if not path.name.startswith("gauge_") or is_current(*_parse(row[0]))]
    if len(kept) == len(rows):
        return
    part = path.with_suffix(".part")
    part.unlink(missing_ok=True)
    copy = library(str(part))
    for key, value, timestamp, _ in kept:
        copy.write_value(key, value, timestamp)
    copy.close()
    part.rename(path)


def _parse(key: str) -> tuple[str, dict[str, str]]:
    """Return the name and the labels of a metric from its key in a file."""
    name, _, labels, _ = json.loads(key)
    return name, labels
