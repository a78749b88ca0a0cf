"""Print a verdict: the load and the kills, the findings, the machine and the versions."""

from __future__ import annotations

import platform
import sqlite3
import subprocess
from importlib.metadata import version
from pathlib import Path

from tests.faults.experiment import CHECKOUT
from tests.faults.verdict import Verdict, bound
from tokaut.local_stack import valkey

NAMES = {"sqlite": "SQLite", "postgresql": "PostgreSQL"}
PACKAGES = ("gunicorn", "flask", "redis", "rq", "sqlalchemy", "psycopg")


def table(verdict: Verdict, seed: int, database: str) -> str:
    """Return the lines of a verdict."""
    killed = " ".join(f"{name} {count}" for name, count in sorted(verdict.kills.items()))
    lines = [
        f"seed {seed}  {NAMES[database]}  reports {verdict.sent:,}  kills {sum(verdict.kills.values())} ({killed})  "
        f"lost {len(verdict.lost)}  duplicates {len(verdict.duplicates)}  "
        f'at a hotline without "Sent" {verdict.unconfirmed}  repeats {verdict.repeats}',
        f"        Send→hotline p50 {verdict.share(0.5):.2f} s  p95 {verdict.share(0.95):.2f} s  "
        f"max {max(verdict.seconds, default=0):.1f} s (and {verdict.late} after time was moved on)   "
        f"95 % bound on loss: < {bound(verdict.sent):.2%}",
        f"        slowest answer {verdict.slowest:.1f} s; requests failed and retried {verdict.failed}, "
        f"repeated {verdict.repeated}, of these answered differently {sum(verdict.differing.values())}; "
        f"words added {verdict.kept}; wrong codes {len(verdict.wrong_codes)}; "
        f"data of another reporter {len(verdict.leaks)}",
        *(f"        answered differently: {count} × {why}" for why, count in sorted(verdict.differing.items())),
        f"        machine {machine()}   versions {versions()}   commit {commit()}",
    ]
    return "\n".join(lines)


def machine() -> str:
    """Return the processors and the system."""
    try:
        found = [line for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name")]
    except OSError:
        found = []
    name = found[0].partition(":")[2].strip() if found else platform.machine()
    return f"{len(found) or '?'} × {name}, {platform.system()} {platform.release().partition('-')[0]}"


def versions() -> str:
    """Return the versions of the software under test."""
    packages = ", ".join(f"{name} {version(name)}" for name in PACKAGES)
    return f"Python {platform.python_version()}, SQLite {sqlite3.sqlite_version}, {_valkey()}, {packages}"


def _valkey() -> str:
    said = subprocess.run(
        [str(valkey.server_program()), "--version"], capture_output=True, text=True, check=True
    ).stdout
    words = dict(word.partition("=")[::2] for word in said.split() if "=" in word)
    return f"{said.split()[0]} {words.get('v', '?')}"


def commit() -> str:
    """Return the commit, and whether files differ from it."""
    git = ["git", "-C", str(CHECKOUT)]
    try:
        name = subprocess.run([*git, "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=True).stdout
        changed = subprocess.run([*git, "diff", "--quiet", "HEAD"], capture_output=True, check=False).returncode
    except (OSError, subprocess.CalledProcessError):
        return "none"
    return name.strip() + (" and changes" if changed else "")
