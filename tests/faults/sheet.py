"""How a verdict is printed: what was done, what was found, and on what."""

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
    killed = " ".join(f"{name} {count}" for name, count in sorted(verdict.kills.items()))
    lines = [
        f"seed {seed}  {NAMES[database]}  reports {verdict.sent:,}  kills {sum(verdict.kills.values())} ({killed})  "
        f"lost {len(verdict.lost)}  twice {len(verdict.twice)}  unasked {verdict.unasked}  repeats {verdict.repeats}",
        f"        Send→hotline p50 {verdict.share(0.5):.2f} s  p95 {verdict.share(0.95):.2f} s  "
        f"max {max(verdict.seconds, default=0):.1f} s (and {verdict.late} when time was moved on)   "
        f"95 % bound on loss: < {bound(verdict.sent):.2%}",
        f"        slowest answer {verdict.slowest:.1f} s; requests failed and repeated {verdict.failed}, "
        f"doubled {verdict.doubled}, of these answered differently {sum(verdict.unequal.values())}; "
        f"words added and taken {verdict.kept}; wrong codes {len(verdict.wrong_codes)}; "
        f"seen of another {len(verdict.foreign)}",
        *(f"        answered differently: {count} × {why}" for why, count in sorted(verdict.unequal.items())),
        f"        machine {machine()}   versions {versions()}   commit {commit()}",
    ]
    return "\n".join(lines)


def machine() -> str:
    try:
        found = [line for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name")]
    except OSError:
        found = []
    name = found[0].partition(":")[2].strip() if found else platform.machine()
    return f"{len(found) or '?'} × {name}, {platform.system()} {platform.release().partition('-')[0]}"


def versions() -> str:
    packages = ", ".join(f"{name} {version(name)}" for name in PACKAGES)
    return f"Python {platform.python_version()}, SQLite {sqlite3.sqlite_version}, {_valkey()}, {packages}"


def _valkey() -> str:
    said = subprocess.run(
        [str(valkey.server_program()), "--version"], capture_output=True, text=True, check=True
    ).stdout
    words = dict(word.partition("=")[::2] for word in said.split() if "=" in word)
    return f"{said.split()[0]} {words.get('v', '?')}"


def commit() -> str:
    git = ["git", "-C", str(CHECKOUT)]
    try:
        name = subprocess.run([*git, "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=True).stdout
        changed = subprocess.run([*git, "diff", "--quiet", "HEAD"], capture_output=True, check=False).returncode
    except (OSError, subprocess.CalledProcessError):
        return "none"
    return name.strip() + (" and changes" if changed else "")
