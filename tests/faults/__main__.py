"""`python -m tests.faults`: the experiment with a live view, then each mutant. EXPERIMENT=small|short, SEED=n.

Ends with 1 where a report was lost or came twice, or where a mutant was not found out.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from tests.faults import sheet
from tests.faults.experiment import FORMS, KEPT, CannotSay, Form, Now, Run
from tests.faults.kills import TARGETS
from tests.faults.mutants import MUST_SHOW

MOST_NAMED = 20


def main(console: Console) -> int:
    name, seed = os.environ.get("EXPERIMENT") or "small", os.environ.get("SEED") or "1"
    if name not in FORMS or not seed.isdecimal():
        console.print(f"EXPERIMENT is one of {', '.join(FORMS)}; SEED is a whole number")
        return 2
    failed = _product(console, FORMS[name], int(seed))
    for mutant in MUST_SHOW:
        failed |= _mutant(console, mutant)
    return int(failed)


def _product(console: Console, form: Form, seed: int) -> bool:
    try:
        with _live(console, form, "Tokaut") as watch:
            verdict = Run(form, seed, watch=watch).go()
    except CannotSay as why:
        console.print(f"[bold red]No verdict:[/] {why}")
        return True
    console.print(sheet.table(verdict, seed), highlight=False, soft_wrap=True)
    for what in (*verdict.lost, *verdict.twice, *verdict.wrong_codes)[:MOST_NAMED]:
        console.print(f"  [red]{what}[/]")
    if verdict.bad:
        console.print(f"The ledgers are in {KEPT}")
    return verdict.bad


def _mutant(console: Console, name: str) -> bool:
    """Whether it was not found out: then the experiment is too weak."""
    form = FORMS["small"]
    began = time.monotonic()
    try:
        with _live(console, form, f"mutant {name}") as watch:
            verdict = Run(form, 1, mutant=name, watch=watch).go()
        found = bool(verdict.lost if MUST_SHOW[name] == "lost" else verdict.twice)
        seen = f"lost {len(verdict.lost)}  twice {len(verdict.twice)}"
    except CannotSay as why:
        found, seen = False, f"no verdict: {why}"
    mark = "[green]found out[/]" if found else "[bold red]NOT FOUND OUT[/]"
    console.print(f"mutant {name:20} {mark}  {seen}  ({time.monotonic() - began:.0f} s)", highlight=False)
    return not found


@contextmanager
def _live(console: Console, form: Form, title: str) -> Iterator[Callable[[Now], None]]:
    columns = (TextColumn("{task.description:28}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    kills = form.rounds * sum(len(moments) for _, moments, _ in TARGETS)
    with Progress(*columns, console=console, transient=True) as progress:
        sent = progress.add_task(title, total=form.reports)
        came = progress.add_task("  at the hotlines", total=None)
        killed = progress.add_task("  killed", total=kills)

        def watch(now: Now) -> None:
            progress.update(sent, completed=now.sent, description=f"{title}: {now.doing}")
            progress.update(came, completed=now.arrived)
            progress.update(killed, completed=now.killed)

        yield watch


if __name__ == "__main__":
    sys.exit(main(Console()))
