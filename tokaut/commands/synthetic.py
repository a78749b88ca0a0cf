"""`tokaut synthetic`: make the scheduler's synthetic calls now."""

from __future__ import annotations

import os

import click

from reports.countries.country import load_countries
from runtime.hardening import harden
from runtime.settings import CommonSettings, OperatorSettings, SettingError, load_all_settings
from tokaut.terminal import CommandError, echo, refuse_no_settings
from workers.jobs.synthetic_calls import SyntheticCallFailed, make_synthetic_calls, synthetic_call_faults
from workers.network.http_client import HttpClient


@click.command()
def synthetic() -> None:
    """Call each address of TOKAUT_SYNTHETIC_CALLS as its provider does, up to the screen that offers Send.

    Nothing is submitted, stored or counted. It needs the settings of clock, and ends with 1 if a call fails.

    \b
    Example:  tokaut synthetic
    """
    harden()
    refuse_no_settings(os.environ)
    settings = load_all_settings((CommonSettings, OperatorSettings), os.environ)
    common, operator = settings[CommonSettings], settings[OperatorSettings]
    if faults := list(synthetic_call_faults(common, operator)):
        raise SettingError(faults)
    countries = load_countries(common.countries, common.mode, common.country_dir)
    calls = make_synthetic_calls(common, operator, countries, HttpClient())
    if calls is None:
        raise CommandError("TOKAUT_SYNTHETIC_CALLS names no address, so clock makes no synthetic calls.")
    failed = 0
    for address, channel, code in calls.targets():
        try:
            echo(f"{channel} {code}: {calls.call(address, code)} screens to Send")
        except SyntheticCallFailed as error:
            failed += 1
            echo(f"{channel} {code}: did not come to Send ({error.reason}). Next: docs/operating/provider-dead.md")
    if failed:
        raise SystemExit(1)
