"""Run the fuzzer: `python -m tests.faults.fuzz [COUNT] [SEED]`; 20,000 requests, or 1,000,000 with LONG=1.

Exits with 1 if anything was found; the requests that caused it are then in var/faults.
"""

from __future__ import annotations

import os
import secrets
import sys

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from tests.faults.fuzz.run import fuzz
from tests.faults.fuzz.tally import MAX_FINDINGS, RESULTS, Tally

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

        def watch(tally: Tally) -> None:
            found = f"  [red]{len(tally.findings)} findings[/]" if tally.findings else ""
            said = f"fuzz, seed {seed}: {tally.words:,} words found again{found}"
            progress.update(bar, completed=tally.requests, description=said)

        tally = fuzz(count, seed, watch)
    console.print(tally.summary(), highlight=False, soft_wrap=True)
    for what in tally.findings[:MAX_FINDINGS]:
        console.print(f"  [red]{what}[/]", highlight=False, soft_wrap=True)
    if tally.findings:
        console.print(f"What showed it is in {RESULTS}")
    return int(bool(tally.findings))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], Console()))
