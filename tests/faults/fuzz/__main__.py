"""Run the fuzzer: `python -m tests.faults.fuzz [COUNT] [SEED]`; 20,000 requests, or 1,000,000 with LONG=1.

Exits with 1 if anything was found; the requests that caused it are then in var/faults.
"""

from __future__ import annotations

import os
import secrets
import sys

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from tests.faults.fuzz.counts import MAX_FINDINGS, RESULTS, FuzzCounts
from tests.faults.fuzz.run import fuzz

COUNT, LONG_COUNT = 20_000, 1_000_000


def main(arguments: list[str], console: Console) -> int:
    if len(arguments) > 2 or not all(one.isdecimal() for one in arguments):
        console.print("How it is used: python -m tests.faults.fuzz [COUNT] [SEED]")
        return 2
    usual = LONG_COUNT if os.environ.get("LONG") == "1" else COUNT
    count = int(arguments[0]) if arguments else usual
    seed = int(arguments[1]) if len(arguments) > 1 else secrets.randbelow(1_000_000)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, TimeRemainingColumn(), console=console, transient=True) as progress:
        bar = progress.add_task(f"fuzz, seed {seed}", total=count)

        def watch(counts: FuzzCounts) -> None:
            found = f"  [red]{len(counts.findings)} findings[/]" if counts.findings else ""
            said = f"fuzz, seed {seed}: {counts.words:,} words found again{found}"
            progress.update(bar, completed=counts.requests, description=said)

        counts = fuzz(count, seed, watch)
    console.print(counts.summary(), highlight=False, soft_wrap=True)
    for what in counts.findings[:MAX_FINDINGS]:
        console.print(f"  [red]{what}[/]", highlight=False, soft_wrap=True)
    if counts.findings:
        console.print(f"What showed it is in {RESULTS}")
    return int(bool(counts.findings))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], Console()))
