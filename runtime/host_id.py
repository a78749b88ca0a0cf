"""The id of this host: set by the operator, or created once in TOKAUT_DATA.

A host name does not identify a host: two containers may share one, and each would release the other's leases.
"""

from __future__ import annotations

import os
import platform
import re
import secrets
from contextlib import suppress
from pathlib import Path
from typing import Final

from runtime import filesystem

FILE_NAME: Final = "host_id"
PATTERN: Final = r"[A-Za-z0-9][A-Za-z0-9._-]{0,39}"
_NAME_LENGTH: Final = 32  # characters of the host name within an id


def find(folder: Path) -> str | None:
    """Return the id stored in this folder; None if there is none, or if this account may not read it."""
    try:
        text = (folder / FILE_NAME).read_text(encoding="ascii", errors="replace").strip()
    except OSError:
        return None
    return text if re.fullmatch(PATTERN, text) else None


def find_or_create(folder: Path) -> str:
    """Return the id stored in this folder, and create it if there is none.

    If no file can be written, the id is the host name: reporters must still be served.
    """
    if stored := find(folder):
        return stored
    with suppress(OSError):
        _create(folder, f"{_host_name()}-{secrets.token_hex(3)}")
    return find(folder) or _host_name()


def _host_name() -> str:
    name = re.sub(r"[^A-Za-z0-9-]", "-", platform.node())[:_NAME_LENGTH].strip("-")
    return name or "host"


def _create(folder: Path, host: str) -> None:
    """Store the id, unless another process of this host was faster. Raises OSError."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    unfinished = folder / f".{FILE_NAME}-{secrets.token_hex(8)}"
    try:
        with os.fdopen(os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(host + "\n")
            file.flush()
            os.fsync(file.fileno())
        with suppress(FileExistsError):
            os.link(unfinished, folder / FILE_NAME)  # unlike a rename, it replaces nothing
        filesystem.sync(folder)
    finally:
        unfinished.unlink(missing_ok=True)
