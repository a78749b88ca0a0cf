"""`tokaut hotline`: test a hotline, and send reports again to one that had answered "gone"."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import replace
from itertools import chain

import click
from rich.console import Console
from rich.progress import track
from rich.table import Table

from reports.countries.country import Country
from reports.countries.country import load_countries as countries_of
from reports.store.operations import delivery_actions
from runtime.hardening import harden
from runtime.settings import (
    CommonSettings,
    Mode,
    OperatorSettings,
    load_all_settings,
    load_settings,
)
from tokaut.checks import installation
from tokaut.conformance import ConformanceResult, DrillPayloads, check_callbacks, check_deliveries, text_notifier
from tokaut.database import installation_settings, open_database
from tokaut.terminal import CommandError, CommandGroup, echo, refuse_no_settings, unknown_hotline
from workers.app import create_senders, hotline_dependencies
from workers.delivery.outcomes import HotlineConnector
from workers.delivery.registry import build_connectors
from workers.hotlines.webhook import WebhookConnector


@click.group(cls=CommandGroup)
def hotline() -> None:
    """Test a hotline, or send reports again to one that had answered "gone".

    \b
    Example:  tokaut hotline revive vu-pikinini
    """
    harden()


@hotline.command()
@click.argument("hotline_id", metavar="HOTLINE")
def revive(hotline_id: str) -> None:
    """Send reports again to a hotline that had answered "gone" (410), also those that it refused with that answer.

    Ask the hotline first: its server said that it accepts nothing any more, and since then others get its reports.

    \b
    Example:  tokaut hotline revive vu-pikinini

    Next: `tokaut deliveries list` shows within seconds whether it accepts them.
    """
    with open_database() as (database, actor):
        installation.refuse_unknown_hotline(hotline_id, database)
        count = delivery_actions.revive_hotline(database, hotline_id, actor)
    echo(f"{hotline_id} gets reports again; {count} that it had refused are due now.")


@hotline.command()
@click.argument("hotline_id", metavar="HOTLINE")
def test(hotline_id: str) -> None:
    """Send drills to a hotline and show what it accepts and what it refuses; exit status 1 if something is wrong.

    A drill is a made-up report of mode training that says DRILL. It is stored nowhere and counted nowhere. The hotline
    sees it, marked as a drill, and sets it aside. Tell the hotline in advance. Afterwards ask what it saw: it must be
    one report with one revision, and none of the requests that it must refuse. A signed webhook is tested in full.
    Another kind of hotline gets one drill twice; each duty phone gets one SMS. Run it with the worker's settings.

    If CONSOLE_URL is set, the address for a webhook's callbacks is tested too: whether it knows this hotline's secret.
    The hotline itself can see whether its system calls back correctly: with any id, 404 means that the signature is
    right.

    A hotline that passes, and had answered "gone" (410), gets reports again.

    \b
    Example:  tokaut hotline test vu-pikinini

    Next: write the day into `tested_on` in the hotline's card.
    """
    country, connector = _load_connector(hotline_id)
    drills = DrillPayloads.now(country, hotline_id)
    results = chain(check_deliveries(connector, drills), _callback_results(connector, hotline_id))
    rows = list(track(results, "Trying", console=Console(stderr=True), transient=True))
    Console(width=110).print(_table(hotline_id, rows))
    failed = [row for row in rows if not row.ok]
    echo(f"Report {drills.report_id}: {len(rows) - len(failed)} of {len(rows)} as expected.")
    _record_result(hotline_id, passed=not failed)
    if failed:
        raise SystemExit(1)


def _load_connector(hotline_id: str) -> tuple[Country, HotlineConnector]:
    """Return the hotline's country, and its connector as the worker builds it. Raises CommandError."""
    refuse_no_settings(os.environ)
    loaded = load_all_settings((CommonSettings, OperatorSettings), os.environ)
    common, operator = loaded[CommonSettings], loaded[OperatorSettings]
    countries = countries_of(common.countries, common.mode, common.country_dir)
    hotlines, country = countries.hotlines, countries.country_of_hotline(hotline_id)
    if country is None:
        raise unknown_hotline(hotline_id, [hotline.id for hotline in hotlines])
    notifier = text_notifier(create_senders(os.environ, common.channels, common.mode))
    connectors = build_connectors(
        os.environ,
        hotlines,
        lambda hotline: replace(hotline_dependencies(common, operator, hotline), register_phones=notifier),
    )
    if hotline_id not in connectors:
        raise CommandError(
            f"{hotline_id} is not set up here: HOTLINE_<ID>_… are missing or wrong. `tokaut check` names them."
        )
    return country, connectors[hotline_id]


def _callback_results(connector: HotlineConnector, hotline_id: str) -> Iterable[ConformanceResult]:
    """Test the callbacks, if CONSOLE_URL is set and the hotline is a webhook with a secret to sign with."""
    console = load_settings(OperatorSettings, os.environ).console_url
    live = installation_settings().mode == Mode.LIVE
    return (
        check_callbacks(connector, hotline_id, console, live=live)
        if console and isinstance(connector, WebhookConnector)
        else ()
    )


def _table(hotline_id: str, rows: Sequence[ConformanceResult]) -> Table:
    table = Table(title=f"{hotline_id}, tried with drills", title_justify="left")
    for name in ("test", "", "answer"):
        table.add_column(name)
    for row in rows:
        table.add_row(row.name, "ok" if row.ok else "WRONG", row.seen)
    return table


def _record_result(hotline_id: str, *, passed: bool) -> None:
    """Write the result to the audit, and send reports again to a hotline that passed and had answered "gone".

    Does nothing without a database.
    """
    if not installation_settings().has_database:
        return
    with open_database() as (database, actor):
        delivery_actions.record_action(database, "tested:ok" if passed else "tested:wrong", hotline_id, actor)
        if passed and (count := delivery_actions.revive_hotline(database, hotline_id, actor)):
            echo(f'It had answered "gone"; {count} that it had refused are due now.')
