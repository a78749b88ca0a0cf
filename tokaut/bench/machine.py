"""On what the figures of `tokaut bench` were taken, and what a process has used of it. From /proc: Linux only.

Elsewhere what /proc would tell is None.
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
    """CPU, cores, memory, system, and how busy it was before we began."""
    return {
        "cpu": _first(PROC / "cpuinfo", r"model name\s*: (.+)"),
        "cores": os.cpu_count(),
        "memory_mb": _megabytes(_first(PROC / "meminfo", r"MemTotal:\s*(\d+)")),
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
        "load_before": [round(load, 2) for load in os.getloadavg()],
    }


def versions() -> dict[str, str]:
    return {"python": platform.python_version()} | {name: metadata.version(name) for name in PACKAGES}


def current_commit() -> str | None:
    """The commit of this checkout, with a + where files were changed since; None outside a checkout."""
    with suppress(OSError, subprocess.CalledProcessError):
        head = _git("rev-parse", "--short=12", "HEAD")
        return head + ("+" if _git("status", "--porcelain", "--untracked-files=no") else "")
    return None


def processes_with(word: str) -> list[int]:
    """Those whose command line has this word. A server's master and its workers have the same one."""
    found = []
    for folder in PROC.glob("[0-9]*"):
        with suppress(OSError):  # it ended meanwhile
            if word.encode() in (folder / "cmdline").read_bytes().split(b"\0"):
                found.append(int(folder.name))
    return found


def cpu_seconds(processes: Sequence[int]) -> float | None:
    """User and system time of all their threads since they began."""
    if not processes:
        return None
    spent = 0
    for process in processes:
        fields = (PROC / str(process) / "stat").read_text().rpartition(")")[2].split()
        spent += int(fields[11]) + int(fields[12])  # utime and stime, proc(5)
    return spent / os.sysconf("SC_CLK_TCK")


def memory_use(processes: Sequence[int]) -> dict[str, int | None]:
    """RSS and PSS in MB of the process that works: the newest, for the master is there before it."""
    rollup = PROC / str(max(processes, default=0)) / "smaps_rollup"
    return {name.lower(): _megabytes(_first(rollup, rf"{name}:\s*(\d+)")) for name in ("Rss", "Pss")}


def _first(path: Path, pattern: str) -> str | None:
    with suppress(OSError):
        if found := re.search(pattern, path.read_text()):
            return found[1]
    return None


def _megabytes(kilobytes: str | None) -> int | None:
    return round(int(kilobytes) / 1024) if kilobytes else None


def _git(*words: str) -> str:
    done = subprocess.run(["git", *words], cwd=CHECKOUT, capture_output=True, text=True, check=True)
    return done.stdout.strip()


def python_command(*words: str) -> list[str]:
    return [sys.executable, "-m", *words]
