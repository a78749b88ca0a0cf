"""The machine on which `tokaut bench` ran, and the CPU time and memory of its processes.

The figures come from /proc, so on systems other than Linux they are None.
"""

from __future__ import annotations

import os
import platform
import re
import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress
from importlib import metadata
from pathlib import Path
from typing import Any

PROC = Path("/proc")
PACKAGES = (
    "flask",
    "gunicorn",
    "uvicorn",
    "uvloop",
    "httptools",
    "redis",
    "hiredis",
    "rq",
    "sqlalchemy",
    "cryptography",
    "phonenumberslite",
)
CHECKOUT = Path(__file__).parents[2]


def describe_machine() -> dict[str, Any]:
    """Return CPU, cores, memory and system, and how busy the machine was before the run."""
    return {
        "cpu": _first_match(PROC / "cpuinfo", r"model name\s*: (.+)"),
        "cores": os.cpu_count(),
        "memory_mb": _megabytes(_first_match(PROC / "meminfo", r"MemTotal:\s*(\d+)")),
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
        "load_before": [round(load, 2) for load in os.getloadavg()],
    }


def versions() -> dict[str, str]:
    """Return the versions of Python and of the packages that matter for speed."""
    return {"python": platform.python_version()} | {name: metadata.version(name) for name in PACKAGES}


def current_commit() -> str | None:
    """Return the commit of this checkout, with a + if files have changed since; None outside a checkout."""
    with suppress(OSError, subprocess.CalledProcessError):
        head = _git("rev-parse", "--short=12", "HEAD")
        return head + ("+" if _git("status", "--porcelain", "--untracked-files=no") else "")
    return None


def processes_with(word: str) -> list[int]:
    """Return the ids of processes with this word in their command line. A server's master and workers share one."""
    pids = []
    for folder in PROC.glob("[0-9]*"):
        with suppress(OSError):  # the process has ended
            if word.encode() in (folder / "cmdline").read_bytes().split(b"\0"):
                pids.append(int(folder.name))
    return pids


def cpu_seconds(processes: Sequence[int]) -> float | None:
    """Return the CPU seconds that these processes have used, as user and in the system; None without processes."""
    if not processes:
        return None
    ticks = 0
    for pid in processes:
        fields = (PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()
        ticks += int(fields[11]) + int(fields[12])  # utime and stime, proc(5)
    return ticks / os.sysconf("SC_CLK_TCK")


def memory_use(processes: Sequence[int]) -> dict[str, int | None]:
    """Return RSS and PSS in MB of the newest process. It is the worker, as the master starts first."""
    rollup = PROC / str(max(processes, default=0)) / "smaps_rollup"
    return {name.lower(): _megabytes(_first_match(rollup, rf"{name}:\s*(\d+)")) for name in ("Rss", "Pss")}


def _first_match(path: Path, pattern: str) -> str | None:
    with suppress(OSError):
        if match := re.search(pattern, path.read_text()):
            return match[1]
    return None


def _megabytes(kilobytes: str | None) -> int | None:
    return round(int(kilobytes) / 1024) if kilobytes else None


def _git(*words: str) -> str:
    result = subprocess.run(["git", *words], cwd=CHECKOUT, capture_output=True, text=True, check=True)
    return result.stdout.strip()


def python_command(*words: str) -> list[str]:
    """Return the command that runs a module with this Python."""
    return [sys.executable, "-m", *words]
