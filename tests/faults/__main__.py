"""Run `make faults`: kill every process, count every report, and show the progress. Exits with 1 if anything is wrong.

`python -m tests.faults [PART…]`: experiment, jumps, mutants, crowd, attacks, overload, rows, fuzz; all without a name.
EXPERIMENT=short, small, full or storm and SEED=n select the experiment. LONG=1 runs the full one with three seeds, the
storm (ten minutes of faults without a pause), and the long forms of the other parts.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial

from rich.console import Console

from tests.faults import verdict_table
from tests.faults.experiment import RESULTS, SIZES, ExperimentFailed, Run
from tests.faults.mutants import EXPECTED_FINDINGS
from tests.faults.other_parts import run_pytest_part
from tests.faults.progress_view import Row, View
from tests.support.fork_server import start_servers
from tests.support.moved_clocks import ABSENT, LIBRARY

MAX_NAMED = 20
# Usual seconds of each on two cores, measured; used only to estimate the time left.
USUAL = {
    "small": 75,
    "short": 150,
    "full": 900,
    "storm": 780,
    "jumps": 240,
    "mutant": 60,
    "crowd": 30,
    "attacks": 240,
    "overload": 150,
    "rows": 210,
    "fuzz": 90,
}
LONGER = {"crowd": 90, "attacks": 300, "overload": 150, "rows": 2400, "fuzz": 3600}

NAMES = {"experiment", "jumps", "mutants", "crowd", "attacks", "overload", "rows", "fuzz"}

Work = Callable[[Row], tuple[bool, str]]  # whether it failed, and what to print


@dataclass(frozen=True)
class Part:
    """Steps that run at the same time. The parts run one after the other."""

    name: str
    works: Sequence[tuple[str, int, Work]]

    def only(self, names: Sequence[str]) -> Part:
        return Part(self.name, [work for work in self.works if self.name in names or work[0] in names])


def main(names: Sequence[str], console: Console) -> int:
    long = os.environ.get("LONG") == "1"
    form = os.environ.get("EXPERIMENT") or ("full" if long else "short")
    seed = os.environ.get("SEED") or "1"
    if form not in SIZES or not seed.isdecimal() or not set(names) <= NAMES:
        console.print(__doc__)
        return 2
    parts = [part.only(names) if names else part for part in _parts(form, int(seed), long=long)]
    failed = False
    start_servers()  # the parts run in threads
    with View(console, sum(seconds for part in parts for _, seconds, _ in part.works)) as view:
        for part in parts:
            failed |= _run_part(part, view, console)
    console.print(
        "[bold red]Something was lost, duplicated or not detected[/]"
        if failed
        else "[green]Nothing was lost or duplicated, and every mutant was detected.[/]"
    )
    return int(failed)


def _parts(form: str, seed: int, *, long: bool) -> list[Part]:
    mutants = [(f"mutant {name}", USUAL["mutant"], partial(_mutant, name)) for name in EXPECTED_FINDINGS]
    rest = LONGER if long else USUAL
    names = ("crowd", "attacks", "overload", "rows", "fuzz")
    crowd, attacks, overload, *others = [(name, rest[name], partial(run_pytest_part, name)) for name in names]
    return [
        *(Part("experiment", runs) for runs in _runs(form, seed, long=long)),
        Part(
            "jumps",
            [
                (f"jumps {shown} seed {seed}", USUAL["jumps"], partial(_jumps, seed, name))
                for name, shown in verdict_table.NAMES.items()
            ],
        ),
        Part("mutants", mutants),
        Part("crowd", [crowd]),
        Part("attacks", [attacks]),
        Part("overload", [overload]),
        Part("others", others),
    ]


def _runs(form: str, seed: int, *, long: bool) -> list[list[tuple[str, int, Work]]]:
    """Return the runs of the experiment: the small ones on both databases at the same time, the others one by one."""

    def run(name: str, one: int, database: str) -> tuple[str, int, Work]:
        return f"{name} {verdict_table.NAMES[database]} seed {one}", USUAL[name], partial(_product, name, one, database)

    if form in ("small", "short"):
        return [[run(form, seed, "sqlite"), run(form, seed, "postgresql")]]
    seeds = range(seed, seed + 3) if long else (seed,)
    full = [[run("full", one, "postgresql")] for one in seeds]
    storm = [[run("storm", seed, "postgresql")]]
    return [*full, *storm] if form == "full" and long else full if form == "full" else storm


def _run_part(part: Part, view: View, console: Console) -> bool:
    with ThreadPoolExecutor(max(1, len(part.works))) as pool:
        started = [(view.row(title, seconds), work) for title, seconds, work in part.works]
        futures = [pool.submit(work, row) for row, work in started]
        failed = False
        for (row, _), future in zip(started, futures, strict=True):
            bad, said = future.result()
            view.over(row)
            console.print(said, highlight=False, soft_wrap=True)
            failed |= bad
    return failed


def _product(name: str, seed: int, database: str, row: Row) -> tuple[bool, str]:
    try:
        verdict = Run(SIZES[name], seed, database, watch=row.watch(SIZES[name])).go()
    except ExperimentFailed as why:
        return True, f"[bold red]No verdict:[/] {why}"
    said = [
        verdict_table.table(verdict, seed, database),
        *(f"  [red]{what}[/]" for what in verdict.faults[:MAX_NAMED]),
    ]
    return verdict.bad, "\n".join([*said, f"The ledgers are in {RESULTS}"] if verdict.bad else said)


def _jumps(seed: int, database: str, row: Row) -> tuple[bool, str]:
    """Move clocks while every process is killed, and read in real time what the hotlines received."""
    if LIBRARY is None:
        return False, f"jumps: not tried. {ABSENT}"
    return _product("jumps", seed, database, row)


def _mutant(name: str, row: Row) -> tuple[bool, str]:
    """Run the experiment on a mutant. It fails if the experiment does not detect the mutant."""
    form = SIZES["small"]
    try:
        verdict = Run(form, 1, mutant=name, watch=row.watch(form)).go()
        found = bool(verdict.lost if EXPECTED_FINDINGS[name] == "lost" else verdict.duplicates)
        seen = f"lost {len(verdict.lost)}  duplicates {len(verdict.duplicates)}"
    except ExperimentFailed as why:
        found, seen = False, f"no verdict: {why}"
    mark = "[green]detected[/]" if found else "[bold red]NOT DETECTED[/]"
    return not found, f"mutant {name:20} {mark}  {seen}"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], Console()))
