"""Run `make hosts`: whole hosts fail while reporters call; every report is counted. Exits with 1 if anything is wrong.

REPORTS=n (500; 5000 for the full size), SEED=n. UPGRADE_FROM=commit: all hosts start from that commit and are upgraded
first; by default it is the last one without the newest migration, and `no` leaves this step out. FORM=small: two web
hosts; one of them is killed and comes back. TLS=yes: PostgreSQL, Redis and the Sentinels take nothing but TLS; it needs
servers with TLS, such as Debian's postgresql and redis-server (or TEST_PG_BIN= and TEST_REDIS_TLS=). AWAY=n: seconds
for which the web host that was killed with entries in its spool stays away, such as 3600.
"""

from __future__ import annotations

import os
import sys

from rich.console import Console

from tests.faults import verdict_table
from tests.faults.experiment import RESULTS, ExperimentFailed, Size
from tests.faults.progress_view import View
from tests.hosts import network, steps
from tests.hosts.experiment import HostsRun, Result, release_before

REPORTS, SMALL_REPORTS = 500, 30
MAX_NAMED = 20
START_SECONDS = 120  # for start and end, in addition to the steps


def main(console: Console) -> int:
    form, seed = os.environ.get("FORM") or "whole", os.environ.get("SEED") or "1"
    small, tls = form == "small", os.environ.get("TLS") == "yes"
    reports = os.environ.get("REPORTS") or str(SMALL_REPORTS if small else REPORTS)
    release = os.environ.get("UPGRADE_FROM") or ("no" if small else release_before())
    away = os.environ.get("AWAY") or "0"
    if form not in ("small", "whole") or not all(one.isdecimal() for one in (seed, reports, away)):
        console.print(__doc__)
        return 2
    upgraded_from = "" if release == "no" else release
    planned = steps.SMALL if small else steps.planned(int(away), with_upgrade=bool(upgraded_from))
    run = HostsRun(planned, int(reports), int(seed), small=small, tls=tls, release=upgraded_from)
    seconds = sum(step.seconds for step in planned) + START_SECONDS
    try:
        with View(console, seconds) as view:
            row = view.row("hosts", seconds)
            run.watch = row.watch(Size(int(reports), 0, {step.name: 1 for step in planned}, 0, 0))
            result = run.go()
    except KeyboardInterrupt:
        console.print("Interrupted: all hosts are gone.")
        return 130
    except (ExperimentFailed, AssertionError) as why:  # AssertionError: a process did not start
        console.print(f"[bold red]No verdict:[/] {why}")
        return 1
    console.print(_table(result, int(seed), len(planned)), highlight=False, soft_wrap=True, markup=False)
    for fault in result.faults[:MAX_NAMED]:
        console.print(f"  {fault}", style="red", markup=False)
    if result.faults:
        console.print(f"The ledgers are in {RESULTS}")
    return int(bool(result.faults))


def _table(result: Result, seed: int, steps_taken: int) -> str:
    leaderless = ", ".join(f"{seconds:.1f} s" for seconds in result.leaderless) or "(not tried)"
    promoted = f"; PostgreSQL promoted {result.by}" if result.by else ""
    lines = [
        verdict_table.table(result.verdict, seed, "postgresql"),
        f"        steps {steps_taken}; while no web host was hit: slowest answer {result.slowest:.1f} s, "
        f"requests to repeat {result.failed}; another clock led after {leaderless}{promoted}",
        *(f"        {note}" for note in result.notes),
    ]
    return "\n".join(lines)


if __name__ == "__main__":
    if not network.is_inside():
        if reason := network.why_not():
            sys.exit(f"make hosts: {reason}")
        network.enter([sys.executable, "-m", "tests.hosts"])
    sys.exit(main(Console()))
