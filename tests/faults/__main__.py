"""`make faults`: everything is killed and every report counted, with a live view. Ends with 1 where anything is wrong.

`python -m tests.faults [PART…]`: experiment, jumps, mutants, crowd, attacks, overload, rows, fuzz; without a name, all.
EXPERIMENT=short, small, full or storm and SEED=n choose the experiment; LONG=1 takes the full one over three seeds, ten
minutes of everything at once, and what takes long of the rest.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial

from rich.console import Console

from tests.faults import sheet
from tests.faults.beside import beside
from tests.faults.experiment import FORMS, KEPT, CannotSay, Run
from tests.faults.mutants import MUST_SHOW
from tests.faults.view import Row, View
from tests.support.moved_clocks import ABSENT, LIBRARY

MOST_NAMED = 20
# Seconds that each takes on two cores, for "time left"; a measured guess, and nothing hangs on it.
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
    """What is worked off in order; those of one part run side by side."""

    name: str
    works: Sequence[tuple[str, int, Work]]

    def only(self, names: Sequence[str]) -> Part:
        return Part(self.name, [work for work in self.works if self.name in names or work[0] in names])


def main(names: Sequence[str], console: Console) -> int:
    long = os.environ.get("LONG") == "1"
    form = os.environ.get("EXPERIMENT") or ("full" if long else "short")
    seed = os.environ.get("SEED") or "1"
    if form not in FORMS or not seed.isdecimal() or not set(names) <= NAMES:
        console.print(__doc__)
        return 2
    parts = [part.only(names) if names else part for part in _parts(form, int(seed), long=long)]
    failed = False
    with View(console, sum(seconds for part in parts for _, seconds, _ in part.works)) as view:
        for part in parts:
            failed |= _work_off(part, view, console)
    console.print("[bold red]Something was lost, doubled or not found out[/]" if failed else "[green]All holds.[/]")
    return int(failed)


def _parts(form: str, seed: int, *, long: bool) -> list[Part]:
    mutants = [(f"mutant {name}", USUAL["mutant"], partial(_mutant, name)) for name in MUST_SHOW]
    rest = LONGER if long else USUAL
    names = ("crowd", "attacks", "overload", "rows", "fuzz")
    crowd, attacks, overload, *others = [(name, rest[name], partial(beside, name)) for name in names]
    return [
        *(Part("experiment", runs) for runs in _runs(form, seed, long=long)),
        Part("jumps", [("jumps", USUAL["jumps"], partial(_jumps, seed))]),
        Part("mutants", mutants),
        Part("crowd", [crowd]),
        Part("attacks", [attacks]),
        Part("overload", [overload]),
        Part("others", others),
    ]


def _runs(form: str, seed: int, *, long: bool) -> list[list[tuple[str, int, Work]]]:
    """The small ones of both databases side by side, the others one after the other."""

    def run(name: str, one: int, database: str) -> tuple[str, int, Work]:
        return f"{name} {sheet.NAMES[database]} seed {one}", USUAL[name], partial(_product, name, one, database)

    if form in ("small", "short"):
        return [[run(form, seed, "sqlite"), run(form, seed, "postgresql")]]
    seeds = range(seed, seed + 3) if long else (seed,)
    full = [[run("full", one, "postgresql")] for one in seeds]
    storm = [[run("storm", seed, "postgresql")]]
    return [*full, *storm] if form == "full" and long else full if form == "full" else storm


def _work_off(part: Part, view: View, console: Console) -> bool:
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
        verdict = Run(FORMS[name], seed, database, watch=row.watch(FORMS[name])).go()
    except CannotSay as why:
        return True, f"[bold red]No verdict:[/] {why}"
    said = [sheet.table(verdict, seed, database), *(f"  [red]{what}[/]" for what in verdict.faults[:MOST_NAMED])]
    return verdict.bad, "\n".join([*said, f"The ledgers are in {KEPT}"] if verdict.bad else said)


def _jumps(seed: int, row: Row) -> tuple[bool, str]:
    """Clocks are moved while everything is killed, and what came is read in real time."""
    if LIBRARY is None:
        return False, f"jumps: not tried. {ABSENT}"
    return _product("jumps", seed, "sqlite", row)


def _mutant(name: str, row: Row) -> tuple[bool, str]:
    """Failed where it was not found out: then the experiment is too weak."""
    form = FORMS["small"]
    try:
        verdict = Run(form, 1, mutant=name, watch=row.watch(form)).go()
        found = bool(verdict.lost if MUST_SHOW[name] == "lost" else verdict.twice)
        seen = f"lost {len(verdict.lost)}  twice {len(verdict.twice)}"
    except CannotSay as why:
        found, seen = False, f"no verdict: {why}"
    mark = "[green]found out[/]" if found else "[bold red]NOT FOUND OUT[/]"
    return not found, f"mutant {name:20} {mark}  {seen}"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], Console()))
