"""Objects that the views of the console share. `services` is those of the current application."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from flask import current_app
from werkzeug.local import LocalProxy

from console.bodies import ReportDecryptor
from console.presenters.report import ChoiceLabels
from flows.catalogues import Catalogue
from reports.countries.country import Countries
from reports.crypto import PublicKey, RecordCipher
from reports.store.engine.database import Database
from runtime.settings import ConsoleSettings


@dataclass(frozen=True, slots=True)
class ConsoleServices:
    """Settings, country data, keys, database and texts of the console process."""

    settings: ConsoleSettings
    countries: Countries
    keys: Mapping[str, PublicKey]  # by hotline id; notes for the hotline's own staff are sealed to them
    database: Database
    cipher: RecordCipher  # of the console's own key
    decryptor: ReportDecryptor
    labels: ChoiceLabels
    page_catalogues: Mapping[str, Catalogue]  # by language tag
    screen_catalogues: Mapping[str, Catalogue]  # of the phones' screens, by language tag


services: ConsoleServices = LocalProxy(lambda: current_app.extensions["tokaut"])  # type: ignore[assignment]
