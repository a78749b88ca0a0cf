"""Puts the pages of staff together: doors, frame, and what stands behind each door."""

from __future__ import annotations

from flask import Flask

import locales
from console import (
    acts,
    alarm,
    drilling,
    entry,
    figures,
    frame,
    joining,
    languages,
    locking,
    mine,
    operating,
    people,
    readiness,
    watching,
)
from console.doors import Doors
from console.opening import Opener
from console.parts import Parts
from console.queue import Queue
from console.report_page import Desk
from console.telling import Labels
from flows import catalogues, parse
from reports.crypto import RecordCipher, key_files


def attach(app: Flask, parts: Parts) -> None:
    settings, words = parts.settings, languages.loaded()
    spoken = catalogues.load(locales.FOLDER)
    frame.attach(app, settings.mode.value, parts.countries, words, spoken, now=parts.database.now)
    doors = Doors(app, parts.database, RecordCipher(settings.console_key.reveal()))
    app.extensions["doors"] = doors
    entry.attach(doors)
    locking.attach(doors)
    alarm.attach(doors)
    joining.attach(doors)
    mine.attach(doors, words)
    watching.attach(doors)
    figures.attach(doors, parts.countries)
    readiness.attach(doors, parts.countries)
    operating.attach(doors, parts)
    drilling.attach(doors, parts)
    people.attach(doors, settings.console_url or "")
    labels = Labels(parse.load())
    opener = Opener(key_files.load_private_keys(settings.keys, tuple(parts.keys)), settings.mode.value)
    Queue(doors, opener, labels)
    acts.attach(doors, Desk(doors, parts, opener, labels, spoken))
