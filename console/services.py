"""Objects that the views of the console share. `services` is those of the current application."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from zoneinfo import ZoneInfo

from flask import abort, current_app
from werkzeug.local import LocalProxy

from console.bodies import ReportDecryptor
from console.presenters.report import ChoiceLabels
from flows.catalogues import Catalogue
from reports.countries.country import Countries, Country
from reports.countries.opening_hours import hotline_hours
from reports.crypto import PublicKey, RecordCipher
from reports.store.engine.database import Database
from runtime.settings import ConsoleSettings


@dataclass(frozen=True, slots=True)
class ConsoleServices:
    """Settings, country data, keys, database and texts of the console process."""

    settings: ConsoleSettings
    countries: Countries
    keys: Mapping[str, PublicKey]  # hotline id → key, to which notes for its staff are sealed
    database: Database
    cipher: RecordCipher  # seals under the console's own key
    decryptor: ReportDecryptor
    labels: ChoiceLabels
    page_catalogues: Mapping[str, Catalogue]  # language tag → catalogue of the pages
    screen_catalogues: Mapping[str, Catalogue]  # language tag → catalogue of the phones' screens


services: ConsoleServices = LocalProxy(lambda: current_app.extensions["tokaut"])  # type: ignore[assignment]


def country_of(hotline: str) -> Country:
    """Return the country of a hotline. Aborts with 404 if it is not served here any more."""
    return services.countries.country_of_hotline(hotline) or abort(404)


def hotline_zone(hotline: str) -> ZoneInfo:
    """Return the time zone in which the console shows the times of a hotline: of its card, else of its country."""
    country = services.countries.country_of_hotline(hotline)
    return hotline_hours(country.hotlines[hotline].card, country.time_zone).zone if country else ZoneInfo("UTC")
