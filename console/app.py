"""Puts the console process together. The only place that reads its environment; importing this makes nothing."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping

import structlog
from flask import Flask

from console import call_back, staff_side, web
from console.callers import callers
from console.parts import Parts
from reports.countries import country
from reports.crypto import key_files, mode_marks
from reports.store.database_check import WrongDatabase, await_ready
from reports.store.engine.database import Database, InvalidDatabaseURL
from reports.store.engine.timeouts import INTERACTIVE
from runtime import logs
from runtime.hardening import harden
from runtime.settings import ConsoleSettings, SettingError, load_all_settings

WRONG = (SettingError, InvalidDatabaseURL, WrongDatabase, country.CountryError, key_files.KeyFileError)

log = structlog.get_logger()


def check(environ: Mapping[str, str]) -> None:
    """For the server, before its first process: a wrong setting stops it with one line each."""
    try:
        _read(environ).database.close()
    except WRONG as error:
        sys.exit(str(error))


def create_app(environ: Mapping[str, str] | None = None) -> Flask:
    """The console process. Stops with one line for each setting that is wrong."""
    harden()
    logs.configure("console")
    logs.install_hooks()
    logs.reroute(("gunicorn.error",))
    given = os.environ if environ is None else environ
    try:
        parts = _read(given)
    except WRONG as error:
        sys.exit(str(error))
    app = web.make()
    app.extensions["tokaut"] = parts
    listed = parts.countries.hotlines
    call_back.attach(app, parts, callers(given, listed))
    staff_side.attach(app, parts)
    log.info("started")
    return app


def _read(environ: Mapping[str, str]) -> Parts:
    settings = load_all_settings((ConsoleSettings,), environ)[ConsoleSettings]
    mode_marks.refuse_keys(settings.keys, settings.mode)
    countries = country.load_countries(settings.countries, settings.mode.value, settings.country_dir)
    keys = key_files.load_public_keys(settings.keys, [one.id for one in countries.hotlines])
    database = Database(settings.database_url, offset=settings.clock_offset, patience=INTERACTIVE)
    if reason := await_ready(database, settings.mode, "console"):
        sys.stderr.write(f"{reason}\n")
    return Parts(settings, countries, keys, database)
