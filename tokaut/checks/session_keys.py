"""The check of the session key file, which web creates and renews."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path

from gateway.sessions.keys import LONGEST_SECONDS, NAME
from tokaut.checks.advisory import Advisory


def session_key_faults(data: Path) -> Iterator[str]:
    """Check that only this account can read the file, and that it was renewed within the hour.

    Before web's first start there is no file, and no fault.
    """
    path = data / NAME
    try:
        status = path.stat()
    except OSError:
        return
    if status.st_mode & 0o077:
        yield f"{path} can be read by other accounts, and opens running conversations; chmod 0600 {path}"
    if not os.access(data, os.W_OK | os.X_OK):
        yield f"{data} is not writable, so {NAME} is never renewed and old conversations can be opened; chown it."
    elif (age := time.time() - status.st_mtime) > LONGEST_SECONDS:
        yield Advisory(
            f"{path} was last renewed {age / 3600:.0f} h ago, by a web that ran then. Until web runs again it opens "
            "what Redis kept of the last conversations. If web is not to run again, delete it."
        )
