"""Assemble the pages of staff: templates, access control and the routes of all views."""

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
    """Register all pages of staff on `app`."""
    settings, page_catalogues = parts.settings, languages.load_page_catalogues()
    screen_catalogues = catalogues.load(locales.FOLDER)
    templating.attach(
        app, settings.mode.value, parts.countries, page_catalogues, screen_catalogues, now=parts.database.now
    )
    router = PageRouter(app, parts.database, RecordCipher(settings.console_key.reveal()))
    app.extensions["doors"] = router
    login.attach(router)
    lock_screen.attach(router)
    alarm.attach(router)
    invitations.attach(router)
    profile.attach(router, page_catalogues)
    audit.attach(router)
    statistics.attach(router, parts.countries)
    readiness.attach(router, parts.countries)
    operator.attach(router, parts)
    drills.attach(router, parts)
    staff.attach(router, settings.console_url or "")
    labels = ChoiceLabels(loader.load())
    decryptor = ReportDecryptor(key_files.load_private_keys(settings.keys, tuple(parts.keys)), settings.mode.value)
    CaseList(router, decryptor, labels)
    case_actions.attach(router, CasePage(router, parts, decryptor, labels, screen_catalogues))
