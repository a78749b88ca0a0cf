"""What every process does first: files of ours are for this account alone, and a crash writes no memory to the disk."""

from __future__ import annotations

import os
import resource


def harden() -> None:
    """umask 0077 and no core file. Swap is the operator's: off or encrypted (docs/operating.md)."""
    os.umask(0o077)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
