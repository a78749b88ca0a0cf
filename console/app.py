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
from reports import country, keyfolder, logs, modes
from reports.hardening import harden
from reports.schema import WrongDatabase, await_ready
from reports.settings import ConsoleSide, SettingError, load_all
from reports.store.engine.database import Database, InvalidDatabaseURL
from reports.store.engine.timeouts import INTERACTIVE

WRONG = (SettingError, InvalidDatabaseURL, WrongDatabase, country.CountryError, keyfolder.KeyFault)

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
    logs.start("console")
    logs.hook()
    logs.adopt(("gunicorn.error",))
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
    settings = load_all((ConsoleSide,), environ)[ConsoleSide]
    modes.refuse_keys(settings.keys, settings.mode)
    countries = country.load_all(settings.countries, settings.mode.value, settings.country_dir)
    keys = keyfolder.load_public(settings.keys, [one.id for one in countries.hotlines])
    database = Database(settings.database_url, offset=settings.clock_offset, patience=INTERACTIVE)
    if reason := await_ready(database, settings.mode, "console"):
        sys.stderr.write(f"{reason}\n")
    return Parts(settings, countries, keys, database)
