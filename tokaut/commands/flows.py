"""`tokaut flows`: check, draw and play conversations."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from flows import catalogues, loader
from flows.authoring.lint import Linter, LintReport
from flows.authoring.timing import SESSION_LIMITS
from flows.model import FlowBook
from reports.countries.country import SHIPPED_FOLDER, Countries, load_countries, shipped_countries
from runtime.settings import Mode
from tokaut.commands.flows_graph import graph
from tokaut.commands.flows_play import play
from tokaut.lint_cache import LintCache, cache_folder
from tokaut.screens.combinations import LIMITS, combinations
from tokaut.terminal import CommandGroup, echo

FOLDER = click.Path(exists=True, file_okay=False, path_type=Path)


@click.group(cls=CommandGroup)
def flows() -> None:
    """Check, draw and play the conversations.

    \b
    A conversation is a file in flows/ that can be read aloud; docs/flows/README.md says how to write one.
    While you write:   tokaut flows play                play it here, without any server
    Before you send:   tokaut flows lint                every path, in every country, language and channel
    For others:        tokaut flows graph               pictures of it, for docs/flows/
    """


@flows.command()
@click.option("--json", "as_json", is_flag=True, help="Print the report as one JSON object.")
@click.option("--flow-dir", type=FOLDER, default=loader.FOLDER, help="A folder of flow files (default: those in use).")
@click.option("--country", multiple=True, metavar="ISO", help="Only this country, for example vu. May be given again.")
@click.option("--fresh", is_flag=True, help="Ignore results of earlier runs.")
def lint(*, as_json: bool, flow_dir: Path, country: Sequence[str], fresh: bool) -> None:
    """Check every path through the flows, in every country, language and channel.

    Reports dead ends, circles, screens that nobody sees, missing ways back and out, pages that do not fit, more than 8
    screens to Send, and labels with two meanings. Also shows which paths to Send fit into a USSD session of 60, 120 and
    180 s. Each fault has file:line:column and what to do. The exit status is 1 if there is one.

    Results are stored in ~/.cache/tokaut/lint. A country is checked again once its file, a translation of its
    languages, a flow or the program has changed.

    \b
    Example:  tokaut flows lint
              tokaut flows lint --country vu           while you write: seconds
              tokaut flows lint --flow-dir mine/       flows of your own, before they are in use
              tokaut flows lint --json | jq .findings

    Next: look at a screen named in a finding with `tokaut flows play`.
    """
    countries = load_countries(country or shipped_countries(), Mode.DEMO)
    cache = None if fresh else LintCache(cache_folder(), flow_dir)
    report = run_lint(loader.load(flow_dir), countries, whole=not country, quiet=as_json, cache=cache)
    echo(json.dumps(report_data(report), indent=2) if as_json else report_text(report))
    if report.findings:
        raise SystemExit(1)


def run_lint(
    book: FlowBook, countries: Countries, *, whole: bool, quiet: bool, cache: LintCache | None = None
) -> LintReport:
    """Check all paths through the flows and return the report.

    `whole`: these are all countries, so a screen that was never shown is a fault. `quiet`: show no progress.
    """
    lint = Linter(book, whole=whole)
    by_tag = catalogues.shipped()
    batches = [(country, channel) for country in countries for channel in LIMITS]
    columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()
    with Progress(*columns, console=Console(file=sys.stderr), transient=True, disable=quiet) as bar:
        task = bar.add_task("walking", total=len(batches))
        for country, channel in batches:
            bar.update(task, description=f"{country.name.partition(' (')[0]}, {channel}")
            file = SHIPPED_FOLDER / f"{country.iso.lower()}.toml"
            key = cache.key(file, country.languages, channel) if cache else ""
            result = cache.load(key) if cache else None
            if result is None:
                first, *others = combinations(book, [country], by_tag, (channel,))
                result = lint.check(first, others)
                if cache:
                    cache.store(key, result)
            lint.add(result)
            bar.advance(task)
    if cache:
        cache.remove_old()
    return lint.end()


def report_text(report: LintReport) -> str:
    """Return the report as text."""
    return "\n".join([*_faults(report), *_times(report), *_late(report), _total(report)])


def _faults(report: LintReport) -> Iterator[str]:
    for finding, places in sorted(report.findings.items()):
        more = f" and {len(places) - 2} more" if len(places) > 2 else ""
        yield f"{finding}  [{', '.join(places[:2])}{more}]"
    if report.findings:
        faults = "1 fault" if len(report.findings) == 1 else f"{len(report.findings)} faults"
        yield f"\n{faults} to fix. Then run `tokaut flows lint` again.\n"


def _times(report: LintReport) -> Iterator[str]:
    """Yield the paths to Send by USSD, the slowest first, with the seconds that are left of each session."""
    if not report.sequences:
        return
    yield "Paths to Send by USSD, for a reporter who reads every word and types slowly (computed, not timed):"
    yield f"  {'seconds':>7}  {'  '.join(f'in {limit} s' for limit in SESSION_LIMITS)}  screens"
    for path in sorted(report.sequences.values(), key=lambda path: (-path.seconds, path.screens)):
        left = "  ".join(f"{margin:+8d}" if margin >= 0 else f"{'cut':>8}" for margin in path.margins)
        names = " ".join(name.partition(".")[2] for name in path.screens)
        yield f"  {path.seconds:7.0f}  {left}  {len(path.screens)}: {names}"
    for limit in SESSION_LIMITS:
        fitting = sum(path.seconds <= limit for path in report.sequences.values())
        yield f"  {fitting} of {len(report.sequences)} paths fit into a session of {limit} s."


def _late(report: LintReport) -> Iterator[str]:
    """Yield the screens that a session is too short to reach, even by the fastest path."""
    yield ""
    for limit in SESSION_LIMITS:
        late = sorted(screen for screen, seconds in report.seconds_to_screen.items() if seconds > limit)
        names = f": {', '.join(late)}" if 0 < len(late) <= 12 else ""
        total = len(report.seconds_to_screen)
        yield f"Screens by USSD that nobody answers within {limit} s: {len(late)} of {total}{names}"


def _total(report: LintReport) -> str:
    return (
        f"\n{report.pages:,} pages (screen × language × country × channel) measured, of {report.screens:,} screens in "
        f"{report.lines} combinations; {report.replies:,} replies taken at {report.spots:,} different states."
    )


def report_data(report: LintReport) -> dict[str, object]:
    """Return the report as data for JSON."""
    findings = [asdict(finding) | {"where": places} for finding, places in sorted(report.findings.items())]
    sequences = [
        {
            "screens": path.screens,
            "seconds": round(path.seconds),
            "margins": dict(zip(SESSION_LIMITS, path.margins, strict=True)),
        }
        for path in sorted(report.sequences.values(), key=lambda path: path.screens)
    ]
    counts = {name: getattr(report, name) for name in ("pages", "screens", "lines", "replies", "spots")}
    seconds = {screen: round(seconds) for screen, seconds in sorted(report.seconds_to_screen.items())}
    return {"findings": findings, "to_send": sequences, "seconds_to_screen": seconds, **counts}


flows.add_command(graph)
flows.add_command(play)
