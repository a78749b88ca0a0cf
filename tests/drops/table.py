"""Format the figures as a Markdown table, for the terminal and the page."""

from __future__ import annotations

from collections.abc import Mapping

from reports.statistics.aggregation import LEFT_CELLS
from reports.statistics.tables import CELL_LABELS
from tests.drops.caller import DropConditions, Limit
from tests.drops.simulation import Figures

NETWORK = Limit(reply=60, call=180)
CONDITIONS = tuple(
    DropConditions(chance, words_before, limit)
    for limit in (None, NETWORK)
    for chance in (0.05, 0.10)
    for words_before in (False, True)
)
DIAL_AGAIN = (0.0, 0.25, 0.5, 0.75, 1.0)  # the real share is unknown; it decides how many words arrive
AGAIN_CONDITIONS = {
    (chance, share): DropConditions(chance, words_before=False, limit=NETWORK, dial_again=share)
    for chance in (0.05, 0.10)
    for share in DIAL_AGAIN
}
FEWER = 4  # divisor of the number of reporters for a network that does not wait, or a bad screen
BAD_SCREENS = {"none": "", "*How old?*": "How old", "*May staff contact you?*": "May staff contact"}
BAD_SCREEN_CONDITIONS = {
    name: DropConditions(0.05, words_before=False, bad_screen=begins) for name, begins in BAD_SCREENS.items()
}
ALL_CONDITIONS = tuple(dict.fromkeys((*CONDITIONS, *AGAIN_CONDITIONS.values(), *BAD_SCREEN_CONDITIONS.values())))
HEAD = (
    "| a screen drops | own words | sent | with words | with all words | of those in danger: incomplete "
    "| nothing arrived | twice | screens | seconds |",
    "|---|---|---|---|---|---|---|---|---|---|",
)


def callers_of(conditions: DropConditions, callers: int) -> int:
    return callers if conditions.limit is None and not conditions.bad_screen else max(callers // FEWER, 1)


def table(found: Mapping[DropConditions, Figures], limit: Limit | None) -> str:
    rows = [_row(conditions, found[conditions]) for conditions in CONDITIONS if conditions.limit == limit]
    return "\n".join((*HEAD, *rows)) + "\n"


def again_table(found: Mapping[DropConditions, Figures]) -> str:
    """Return a table of reporters whose words all arrive, by the share of those who dial again to add the rest."""
    lines = [
        f"| a screen drops | {' | '.join(f'{share:.0%} dial again' for share in DIAL_AGAIN)} |".replace("%", " %"),
        f"|---|{'---|' * len(DIAL_AGAIN)}",
    ]
    for chance in dict.fromkeys(chance for chance, _ in AGAIN_CONDITIONS):
        shares = (found[AGAIN_CONDITIONS[chance, share]].words for share in DIAL_AGAIN)
        lines.append(f"| {100 * chance:.0f} % | {' | '.join(f'{share:.1f} %' for share in shares)} |")
    return "\n".join(lines) + "\n"


def left_table(found: Mapping[DropConditions, Figures]) -> str:
    """Return a table of the steps at which reporters leave according to the statistics, for each bad screen."""
    names = [CELL_LABELS[cell] for cell in LEFT_CELLS]
    lines = [f"| bad screen | {' | '.join(names)} |", f"|---|{'---|' * len(names)}"]
    for name, conditions in BAD_SCREEN_CONDITIONS.items():
        shares = (found[conditions].left[cell] for cell in LEFT_CELLS)
        lines.append(f"| {name} | {' | '.join('' if share is None else f'{share} %' for share in shares)} |")
    return "\n".join(lines) + "\n"


def tables(found: Mapping[DropConditions, Figures], seed: int) -> str:
    said = [f"{one.callers:,} reporters for each row" for one in (found[CONDITIONS[0]], found[CONDITIONS[-1]])]
    return (
        f"{said[0]}, seed {seed}. Calls drop, and nothing else fails:\n\n"
        f"{table(found, None)}\n"
        f"On a network that waits {NETWORK.reply:.0f} s for a reply and ends a call after {NETWORK.call:.0f} s, "
        f"{said[1]}:\n\n"
        f"{table(found, NETWORK)}"
    )


def _row(conditions: DropConditions, f: Figures) -> str:
    words = "before Send" if conditions.words_before else "after Send"
    shares = " | ".join(f"{share:.1f} %" for share in (f.sent, f.some_words, f.words, f.rescued, f.unheard, f.twice))
    return f"| {100 * conditions.chance:.0f} % | {words} | {shares} | {f.screens:.0f} | {f.seconds:.0f} |"
