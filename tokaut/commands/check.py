"""`tokaut check`: show every fault at once, each with what to do about it."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime

import click

from runtime.hardening import harden
from runtime.settings import Mode, PepperSettings, WebKeySettings, collect_settings
from tokaut.checks import installation
from tokaut.checks.disk import disk_faults
from tokaut.checks.live_checklist import Advisory, explain_country, wording_faults
from tokaut.checks.stores import redis_faults, session_key_faults, spool_faults
from tokaut.terminal import echo, refuse_no_settings

Found = dict[str, list[str]]  # part → its faults and advisories, one sentence each


@click.command()
@click.option(
    "--country", metavar="ISO", help="Only this country, for example vu: what it needs before it can go live."
)
@click.option(
    "--worker", is_flag=True, help="Only the settings of worker and clock, without the secrets of web and console."
)
def check(country: str | None, worker: bool) -> None:
    """Show everything that is wrong with this installation, and what to do about each fault.

    Checks the disk, settings, country files, keys, the database, Redis and the folders, and changes nothing. Run it
    with the settings of the services, under an account that may read them. If a setting that all processes share is
    wrong, it names the faults of the settings only, since they decide what the rest means. The exit status is 1 if
    something must be fixed.

    \b
    Example:  tokaut check
              TOKAUT_MODE=live tokaut check      what keeps this installation from going live
              tokaut check --country vu          what Vanuatu needs before it can go live
              tokaut check --worker              as the account of worker and clock, without the secrets of others

    Next: fix the faults from the top, then run it again. When there are none, start the services: `tokaut start`, or
    the systemd units.
    """
    harden()
    if not country:
        refuse_no_settings(os.environ)
    if installation.prevent_checks(os.environ, only_country=bool(country)):
        _print({"settings": list(installation.setting_faults(os.environ, of_worker=worker))})
        echo("\nCorrect these first; the rest was not checked.")
        raise SystemExit(1)
    mode = installation.mode_of(os.environ)
    disk: Found = {} if country else {"disk": list(disk_faults(installation.common_settings(os.environ)))}
    findings = disk | look_at_files(os.environ, only=country, of_worker=worker)
    if not country:
        findings |= look_at_parts(os.environ, of_worker=worker)
    elif of := installation.read_country(installation.common_settings(os.environ), country):
        echo("\n".join(explain_country(of, datetime.now(UTC).date())) + "\n")
    findings = _without_repeats(findings)
    _print(findings)
    if mode != Mode.LIVE:
        live = {**os.environ, "TOKAUT_MODE": "live"}
        _print_live(findings, look_at_files(live, only=country, of_worker=worker))
    if fault_count := sum(_is_fault(line) for lines in findings.values() for line in lines):
        faults = "1 fault" if fault_count == 1 else f"{fault_count} faults"
        echo(f"\n{faults} to fix for {mode} mode. Then run `tokaut check` again.")
        raise SystemExit(1)
    echo(f"\nNothing is wrong for {mode} mode. What only people can check: docs/install.md, Going live.")


def look_at_files(environ: Mapping[str, str], *, only: str | None = None, of_worker: bool = False) -> Found:
    """Check settings and country files by the rules of the configured mode. `only`: check this country alone."""
    common, mode = installation.common_settings(environ), installation.mode_of(environ)
    countries, unreadable = installation.read_countries(common, mode, only)
    findings: Found = {} if only else {"settings": list(installation.setting_faults(environ, of_worker=of_worker))}
    if countries is None:
        return findings | {"countries": list(unreadable)}
    if not only:
        findings["words"] = list(wording_faults(common.draft_languages or (), datetime.now(UTC).date()))
        findings["hotlines"] = list(installation.hotline_faults(environ, countries.hotlines))
        findings["secrets"] = list(installation.secret_faults(environ, countries.hotlines, of_worker=of_worker))
    of_countries = list(installation.country_faults(countries, mode, datetime.now(UTC).date()))
    return findings | {"countries": [*of_countries, *installation.ussd_notes(environ, countries)]}


def look_at_parts(environ: Mapping[str, str], *, of_worker: bool = False) -> Found:
    """Check the keys, folders and backup of this machine, and the database, spool and Redis that it uses."""
    common = installation.common_settings(environ)
    countries, _ = installation.read_countries(common, Mode.DEMO)
    hotlines = countries.hotlines if countries else ()
    pepper_settings = collect_settings([PepperSettings], environ)[0]
    mode = installation.mode_of(environ)
    of_web = {
        "phone pepper": _listed(installation.pepper_faults(pepper_settings[PepperSettings]))
        if PepperSettings in pepper_settings
        else []
    }
    web_keys = collect_settings([WebKeySettings], environ)[0][WebKeySettings].web_keys or common.keys
    if mode != Mode.DEMO:  # in a demo all processes share one account and read keys/public
        of_web["keys of web"] = _listed(installation.web_key_faults(web_keys, common.keys, hotlines))
    return {
        "keys": _listed(installation.key_faults(common.keys, mode, hotlines)),
        **({} if of_worker else of_web | {"session keys": _listed(session_key_faults(common.data))}),
        "database": _listed(installation.database_faults(common, mode)),
        "spool": _listed(spool_faults(common, environ, of_worker=of_worker)),
        "redis": _listed(redis_faults(common, live=mode == Mode.LIVE)),
        "folders": _listed(installation.folder_faults(common)),
        "backup": _listed(installation.backup_faults(common, mode)),
    }


def _listed(lines: Iterator[str]) -> list[str]:
    """Return the lines of one part. A file that this account may not use ends this part, and not the whole report."""
    found: list[str] = []
    try:
        found.extend(lines)
    except OSError as error:
        found.append(
            f"{error.filename or 'A file'} cannot be used ({error.strerror}). Run this as an account that may read it; "
            "the rest of this part was not checked."
        )
    return found


def _without_repeats(findings: Found) -> Found:
    """Return the findings without sentences that an earlier part already has."""
    seen: set[str] = set()
    unique: Found = {}
    for name, lines in findings.items():
        unique[name] = [line for line in lines if line not in seen]
        seen |= set(lines)
    return unique


def _print(findings: Found) -> None:
    for name, lines in findings.items():
        echo(f"{name}: {'' if any(map(_is_fault, lines)) else 'good'}".rstrip())
        for line in lines:
            echo(f"  {'x' if _is_fault(line) else '?'} {line}")


def _is_fault(line: str) -> bool:
    return not isinstance(line, Advisory)


def _print_live(findings: Found, live: Found) -> None:
    """Print the findings that would be faults only in live mode."""
    printed = {line for lines in findings.values() for line in lines}
    additional = [line for lines in live.values() for line in lines if line not in printed and _is_fault(line)]
    if additional:
        echo("\nLive mode would need more:")
    for line in additional:
        echo(f"  - {line}")
