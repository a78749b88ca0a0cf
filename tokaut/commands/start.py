"""`tokaut start`: run all processes of an installation on one machine, until Ctrl-C."""

from __future__ import annotations

import os
import signal
import time
import uuid
from importlib import import_module
from types import FrameType

import click

from reports.countries.country import Countries, load_countries
from reports.crypto.key_files import load_private_keys
from runtime.hardening import harden
from runtime.settings import CommonSettings, Mode, load_settings
from tokaut.local_stack.processes import STOP_SIGNALS, ProcessGroup
from tokaut.local_stack.services import (
    practice_notes,
    practice_port,
    practice_secrets,
    server_addresses,
    start_services,
    wait_until_ready,
)
from tokaut.terminal import READ_SETTINGS, CommandError, echo

POLL_SECONDS = 0.5

ONE_ACCOUNT = (
    "`tokaut start` is for SQLite only: it runs all processes under one account and one DATABASE_URL, and in "
    "PostgreSQL each needs a role of its own. Remove DATABASE_URL, or use the systemd units (docs/operating/deploy.md)."
)


@click.command()
def start() -> None:
    """Run all processes of this installation here, until Ctrl-C: web, both workers, the clock, the console.

    For training and trials on one machine with SQLite: all processes share one account and all settings, and in
    PostgreSQL each needs a role of its own. For production use the systemd units (docs/operating/deploy.md). If
    REDIS_URL is the Valkey under TOKAUT_DATA, it is started too; and so is a practice hotline for hotlines that have no
    address of their own yet. Logs are in TOKAUT_DATA/log. If one process ends, all are stopped, and the exit status is
    1.

    \b
    Example:  set -a; . ~/tokaut/tokaut.env; set +a
              tokaut migrate
              tokaut start

    Next: `tokaut check`, in another terminal with the same settings.
    """
    harden()
    common = load_settings(CommonSettings, os.environ)
    if common.mode is Mode.DEMO:
        raise CommandError(f"There are no settings, or TOKAUT_MODE is demo. {READ_SETTINGS}")
    if common.database_file is None:
        raise CommandError(ONE_ACCOUNT)
    if not common.has_database:
        raise CommandError(import_module("tokaut.database").missing_database(common))
    _run(common, load_countries(common.countries, common.mode, common.country_dir))


def _run(common: CommonSettings, countries: Countries) -> None:
    """Run until Ctrl-C, SIGTERM or the end of one of the processes, which raises ProcessDied."""
    for number in STOP_SIGNALS:
        signal.signal(number, _interrupt)
    processes = ProcessGroup(uuid.uuid4().hex, common.data / "log", forks=True)
    try:
        echo(f"Starting. Logs: {processes.logs}")
        start_services(processes, common, countries, os.environ, echo)
        servers = server_addresses(os.environ)
        if practice_secrets(common.mode, countries, os.environ):
            servers["practice hotline"] = f"http://127.0.0.1:{practice_port(os.environ)}"
        for name, address in servers.items():
            echo(f"  {name:<17} {address}")
        missing = wait_until_ready(processes, os.environ)
        keys = load_private_keys(common.keys, [hotline.id for hotline in countries.hotlines])
        missing += [fault for faults in keys.faults.values() for fault in faults]
        missing += practice_notes(common.mode, countries.hotlines, os.environ)
        if missing:
            echo("The processes run, but not everything works:")
            echo("\n".join(f"  - {sentence}" for sentence in missing))
            echo("`tokaut check`, in another terminal, says more. Ctrl-C stops the processes.")
        else:
            echo("Everything runs; Ctrl-C stops it.")
        while True:
            processes.check()
            time.sleep(POLL_SECONDS)
    except KeyboardInterrupt:
        echo("\nStopping.")
    finally:
        for number in STOP_SIGNALS:
            signal.signal(number, signal.SIG_IGN)  # a second Ctrl-C would leave some processes running
        processes.stop()


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt
