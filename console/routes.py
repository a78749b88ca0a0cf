"""Puts the pages of staff together: doors, frame, and what stands behind each door."""

from __future__ import annotations

from flask import Flask

import locales
from console import languages, templating
from console.auth import invitations, lock_screen, login
from console.auth.access_control import PageRouter
from console.bodies.decryption import ReportDecryptor
from console.presenters.report import ChoiceLabels
from console.services import ConsoleServices
from console.views import alarm, audit, case_actions, drills, operator, profile, readiness, staff, statistics
from console.views.case import CasePage
from console.views.case_list import CaseList
from flows import catalogues, loader
from reports.crypto import RecordCipher, key_files


def attach(app: Flask, parts: ConsoleServices) -> None:
    settings, words = parts.settings, languages.loaded()
    spoken = catalogues.load(locales.FOLDER)
    templating.attach(app, settings.mode.value, parts.countries, words, spoken, now=parts.database.now)
    doors = PageRouter(app, parts.database, RecordCipher(settings.console_key.reveal()))
    app.extensions["doors"] = doors
    login.attach(doors)
    lock_screen.attach(doors)
    alarm.attach(doors)
    invitations.attach(doors)
    profile.attach(doors, words)
    audit.attach(doors)
    statistics.attach(doors, parts.countries)
    readiness.attach(doors, parts.countries)
    operator.attach(doors, parts)
    drills.attach(doors, parts)
    staff.attach(doors, settings.console_url or "")
    labels = ChoiceLabels(loader.load())
    opener = ReportDecryptor(key_files.load_private_keys(settings.keys, tuple(parts.keys)), settings.mode.value)
    CaseList(doors, opener, labels)
    case_actions.attach(doors, CasePage(doors, parts, opener, labels, spoken))
