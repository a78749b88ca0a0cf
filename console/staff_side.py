"""Puts the pages of staff together: doors, frame, and what stands behind each door."""

from __future__ import annotations

from flask import Flask

from console import entry, first, frame, joining, languages, locking, mine, people, watching
from console.doors import Doors
from console.parts import Parts
from reports.sealing import Vault


def attach(app: Flask, parts: Parts) -> None:
    settings, words = parts.settings, languages.loaded()
    frame.attach(app, settings.mode.value, parts.countries, words)
    doors = Doors(app, parts.database, Vault(settings.console_key.reveal()))
    app.extensions["doors"] = doors
    entry.attach(doors)
    locking.attach(doors)
    joining.attach(doors)
    mine.attach(doors, words)
    first.attach(doors)
    watching.attach(doors)
    people.attach(doors, settings.console_url or "")
