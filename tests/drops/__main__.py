"""Run `make drops`: count how many of thousands of reporters are heard though calls drop. Exits with 1 below the goal.

CALLERS=n and SEED=n select others; the whole run writes its tables into docs/drops.md.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor, as_completed
from pathlib import Path

from rich.console import Console
from rich.progress import Progress, TimeRemainingColumn

from tests.drops.caller import DropConditions, Outcome
from tests.drops.simulation import Figures, call_all_with_own_valkey, figures
from tests.drops.table import AGAIN_CONDITIONS, ALL_CONDITIONS, CONDITIONS, again_table, callers_of, left_table, tables

ROOT = Path(__file__).parents[2]
CALLERS, SEED = 2_000, 1
ON_ONE_STREET = 250
GOAL = 95  # % of reporters who reach Sent, if each screen drops with a chance of 5 %
WORDS_GOAL = 60  # % with all words, if the network also waits one minute and half of those cut off dial again


def main(environ: Mapping[str, str], console: Console) -> int:
    callers, seed = int(environ.get("CALLERS") or CALLERS), int(environ.get("SEED") or SEED)
    found: dict[DropConditions, list[Outcome]] = {conditions: [] for conditions in ALL_CONDITIONS}
    with Progress(*Progress.get_default_columns()[:-1], TimeRemainingColumn(), console=console) as progress:
        bars = {
            conditions: progress.add_task(_title(conditions), total=callers_of(conditions, callers))
            for conditions in ALL_CONDITIONS
        }
        for conditions, outcomes in _all(callers, seed):
            found[conditions] += outcomes
            progress.advance(bars[conditions], len(outcomes))
    shown = {conditions: figures(outcomes) for conditions, outcomes in found.items()}
    made = tables(shown, seed), again_table(shown), left_table(shown)
    console.print(*made, sep="\n", highlight=False, soft_wrap=True)
    if (callers, seed) == (CALLERS, SEED):
        _write("docs/drops.md", "figures", tables(shown, seed))
        _write("docs/drops.md", "again", again_table(shown))
        _write("docs/drops.md", "left", left_table(shown))
    return int(_missed(shown, console))


def _all(callers: int, seed: int) -> Iterator[tuple[DropConditions, list[Outcome]]]:
    with ProcessPoolExecutor(os.cpu_count(), initializer=_quiet) as pool:
        started = {
            pool.submit(call_all_with_own_valkey, conditions, seed, indices): conditions
            for conditions in ALL_CONDITIONS
            for indices in _index_ranges(callers_of(conditions, callers))
        }
        for future in as_completed(started):
            yield started[future], future.result()


def _index_ranges(callers: int) -> list[range]:
    return [range(first, min(first + ON_ONE_STREET, callers)) for first in range(0, callers, ON_ONE_STREET)]


def _missed(shown: Mapping[DropConditions, Figures], console: Console) -> bool:
    as_built = shown[CONDITIONS[0]]
    wrong = [conditions for conditions, one in shown.items() if one.false_sent or one.foreign]
    for conditions in wrong:
        console.print(f"[bold red]{_title(conditions)}: Sent without a report, or another's words in it[/]")
    if as_built.sent < GOAL:
        console.print(f"[bold red]{as_built.sent:.1f} % are sent; the goal is {GOAL} %[/]")
    words = shown[AGAIN_CONDITIONS[0.05, 0.5]].words
    if words < WORDS_GOAL:
        console.print(f"[bold red]all words of {words:.1f} % arrive; the goal is {WORDS_GOAL} %[/]")
    return bool(wrong) or as_built.sent < GOAL or words < WORDS_GOAL


def _title(conditions: DropConditions) -> str:
    words = "before" if conditions.words_before else "after"
    bad = f", bad screen {conditions.bad_screen}" if conditions.bad_screen else ""
    again = f", {conditions.dial_again:.0%} dial again" if conditions.dial_again else ""
    return (
        f"{conditions.chance:.0%}, words {words} Send"
        + (", network's limits" if conditions.limit else "")
        + bad
        + again
    )


def _write(page: str, name: str, made: str) -> None:
    path = ROOT / page
    inside = re.compile(rf"(<!-- {name} -->\n).*?(<!-- /{name} -->)", re.DOTALL)
    path.write_text(inside.sub(lambda found: f"{found[1]}{made}{found[2]}", path.read_text("utf-8")), "utf-8")


def _quiet() -> None:
    """Discard output: web's log would disturb the progress bars, and errors are raised anyway."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    os.dup2(nowhere, 2)


if __name__ == "__main__":
    sys.exit(main(os.environ, Console()))
