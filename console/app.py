"""The Flask application of the console: its services, its blueprints, security headers, and checks at start.

Only this module reads the environment of the console process. Importing it creates nothing.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping

import structlog
from flask import Flask, Response, request
from werkzeug.exceptions import MethodNotAllowed

from console import api, deliveries, templating
from console.api import load_signatures
from console.auth import access_control, invitations, login, passkey_views
from console.auth.access_control import exempt
from console.bodies import ReportDecryptor
from console.form_drafts import DRAFT_FIELDS, MAX_DRAFT_LENGTH
from console.presenters.report import ChoiceLabels
from console.services import ConsoleServices
from console.views import (
    access_log,
    board,
    case,
    case_actions,
    case_list,
    closing,
    drills,
    entry,
    follow_up,
    handover,
    operator,
    own_replies,
    printing,
    recordings,
    reference,
    referral,
    shift,
    staff,
    statistics,
)
from flows import catalogues, loader
from reports.countries import country
from reports.crypto import PublicKey, RecordCipher, key_files
from reports.drills import MODES_WITH_DRILLS
from reports.store.database_check import check_ready, refuse_other_hotlines
from reports.store.engine.database import Database
from reports.store.engine.timeouts import INTERACTIVE
from runtime import logs
from runtime.hardening import harden
from runtime.operator_error import OperatorError
from runtime.security_headers import HEADERS
from runtime.settings import ConsoleSettings, load_all_settings

PLAIN = "text/plain; charset=utf-8"
# The largest form is that of a report's page: its texts at full length, of letters that take 12 bytes in a form.
MAX_BODY_BYTES = 12 * MAX_DRAFT_LENGTH * len(DRAFT_FIELDS) + 64 * 1024
PAGES = (
    login.bp,
    passkey_views.bp,
    invitations.bp,
    case_list.bp,
    case.bp,
    case_actions.bp,
    closing.bp,
    follow_up.bp,
    handover.bp,
    printing.bp,
    recordings.bp,
    shift.bp,
    reference.bp,
    entry.bp,
    referral.bp,
    staff.bp,
    operator.bp,
    access_log.bp,
    board.bp,
    statistics.bp,
    own_replies.bp,
)


def create_flask() -> Flask:
    """Create the application with `/healthz`, error answers and headers, but without the console's routes."""
    app = Flask("console", static_folder=None)
    app.config.update(MAX_CONTENT_LENGTH=MAX_BODY_BYTES, MAX_FORM_MEMORY_SIZE=MAX_BODY_BYTES)
    app.url_map.merge_slashes = False  # a path with a doubled slash gets 404, not a redirect
    app.add_url_rule("/healthz", "healthz", _health)
    app.register_error_handler(404, lambda _: Response("Not found\n", 404, content_type=PLAIN))
    app.register_error_handler(405, lambda _: Response(status=405, content_type=PLAIN))
    app.register_error_handler(500, lambda _: Response("Failed\n", 500, content_type=PLAIN))
    app.after_request(_add_headers)
    return app


@exempt("it says only that the process answers")
def _health() -> Response:
    return Response("ok\n", content_type=PLAIN)


def _add_headers(response: Response) -> Response:
    if response.status_code == 405 and isinstance(request.routing_exception, MethodNotAllowed):
        response.headers["Allow"] = ", ".join(sorted(request.routing_exception.valid_methods or ()))
    for name, value in HEADERS.items():
        response.headers.setdefault(name, value)
    return response


log = structlog.get_logger()


def load_texts() -> None:
    """Load the flows and catalogues, so that processes that are forked later share them. Raises FlowError."""
    loader.shipped()
    catalogues.shipped()
    templating.load_page_catalogues()


def check(environ: Mapping[str, str]) -> None:
    """Check the settings before gunicorn starts a worker process. Exits with one line for each wrong setting."""
    try:
        *_, database = _load_configuration(environ)
        database.close()
    except OperatorError as error:
        sys.exit(str(error))


def create_app(environ: Mapping[str, str] | None = None) -> Flask:
    """Create the console's WSGI application. Exits with one line for each wrong setting.

    `environ` defaults to the environment of the process.
    """
    harden()
    logs.configure("console")
    logs.install_hooks()
    logs.reroute(("gunicorn.error",))
    variables = os.environ if environ is None else environ
    try:
        settings, countries, keys, database = _load_configuration(variables)
    except OperatorError as error:
        sys.exit(str(error))
    app = create_flask()
    private_keys = key_files.load_private_keys(settings.keys, tuple(keys))
    app.extensions["tokaut"] = services = ConsoleServices(
        settings,
        countries,
        keys,
        database,
        RecordCipher(settings.console_key.reveal()),
        ReportDecryptor(private_keys, settings.mode),
        ChoiceLabels(loader.shipped()),
        templating.offered_catalogues(templating.load_page_catalogues(), settings.draft_languages or ()),
        catalogues.shipped(),
    )
    templating.attach(
        app, settings.mode, countries, services.page_catalogues, services.screen_catalogues, now=database.now
    )
    signatures = load_signatures(variables, countries.hotlines)
    app.register_blueprint(api.blueprint(signatures))
    app.register_blueprint(deliveries.blueprint(signatures))
    for blueprint in PAGES:
        app.register_blueprint(blueprint)
    if settings.mode in MODES_WITH_DRILLS:
        app.register_blueprint(drills.bp)
    access_control.protect(app)
    for hotline in private_keys.faults:  # its staff see that the reports do not open; those of the others work on
        log.error("key_unreadable", hotline=hotline)
    log.info("started")
    return app


def _load_configuration(
    environ: Mapping[str, str],
) -> tuple[ConsoleSettings, country.Countries, Mapping[str, PublicKey], Database]:
    settings = load_all_settings((ConsoleSettings,), environ)[ConsoleSettings]
    key_files.refuse_keys(settings.keys, settings.mode)
    countries = country.load_countries(settings.countries, settings.mode, settings.country_dir)
    keys = key_files.load_public_keys(settings.keys, [hotline.id for hotline in countries.hotlines])
    database = Database(settings.database_url, offset=settings.clock_offset, timeouts=INTERACTIVE)
    try:
        reason = check_ready(database, settings.mode, "console", lambda found: refuse_other_hotlines(found, countries))
    except OperatorError:
        database.close()
        raise
    if reason:
        sys.stderr.write(f"{reason}\n")
    return settings, countries, keys, database
