"""Puts the web process together. The only place that reads the environment; nothing is made when this is imported."""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property, partial

import structlog
from flask import Flask, Response

import locales
from flows import catalogues, loader
from flows.catalogues import Catalogue, messages, offered_languages, safety_messages
from flows.model import FlowBook
from gateway import channels as channel_files
from gateway import views
from gateway.admission import AdmissionControl
from gateway.background.country_reload import CountryReload
from gateway.background.drills import DrillRunner
from gateway.background.erasures import ErasureReplay
from gateway.background.event_loop import BackgroundLoop
from gateway.background.housekeeping import HOST, Housekeeping
from gateway.background.statistics import StatisticsFlush
from gateway.conversation.dispatcher import Dispatcher
from gateway.conversation.handler import ConversationHandler
from gateway.conversation.mailbox import ReporterMailbox
from gateway.conversation.on_call_reply import OnCallReply
from gateway.conversation.overflow import Overflow
from gateway.conversation.reducer import Reducer
from gateway.conversation.sms import SmsConversation
from gateway.health import Health
from gateway.messaging.model import Channel
from gateway.metrics import WebMetrics
from gateway.services import Services
from gateway.sessions.keys import SessionKeys
from gateway.sessions.store import Sessions
from gateway.sms.inbox import SmsInbox
from gateway.sms.opt_outs import OptOuts
from gateway.sms.outbox import SmsOutbox
from gateway.submission.builder import ReportBuilder
from gateway.submission.submitter import Submitter
from gateway.submission.unparsed import UnparsedStore
from gateway.thread_pool import BlockingPool
from gateway.webhooks import NOT_FOUND, Webhooks
from reports.countries import country
from reports.countries.placeholders import TRANSLATED_WORDS
from reports.crypto import PhonePepper, PublicKey, RecordCipher, key_files, mode_marks
from reports.crypto.phone_pepper import load_pepper
from reports.retention.erasure_journal import ErasureJournal, journal_folder
from reports.store.database_check import WrongDatabase, await_ready, refuse_another_key
from reports.store.engine.database import Database, InvalidDatabaseURL
from reports.store.engine.timeouts import INTERACTIVE
from reports.store.operations import maintenance
from reports.store.spool import Spool
from runtime import event_loop_guard, logs, metrics_files, redis_clients
from runtime.hardening import harden
from runtime.queue import JobQueue
from runtime.settings import CommonSettings, SettingError, SettingFault, WebSecrets, load_all_settings

WRONG = (
    SettingError,
    InvalidDatabaseURL,
    WrongDatabase,
    country.CountryError,
    key_files.KeyFileError,
    loader.FlowError,
)
QUEUE_SECONDS = 0.05  # after "Sent" nothing is waited for

log = structlog.get_logger()


def check(environ: Mapping[str, str]) -> None:
    """For the server, before its first process: a wrong setting stops it with one line each.

    A process that stops by itself would be started again, and again.
    """
    try:
        _read(environ).database.close()
    except WRONG as error:
        sys.exit(str(error))


def create_app(environ: Mapping[str, str] | None = None) -> Flask:
    """Return the web process as a Flask application, for any WSGI server; `gateway.asgi` is what production runs.

    Stops with one line for each setting that is wrong.
    """
    harden()
    logs.configure("web")
    logs.install_hooks()
    logs.reroute(("gunicorn.error",))
    try:
        given = _read(os.environ if environ is None else environ)
        parts = _assemble(given)
    except WRONG as error:
        sys.exit(str(error))
    app = Flask("gateway", static_folder=None)
    app.extensions["tokaut"] = parts
    app.register_blueprint(views.blueprint(parts.webhooks, parts.loop))
    app.after_request(views.harden)
    _route(app, parts)
    if given.common.mode != "live":
        app.add_url_rule("/", "about", partial(_about, given.common.mode.value, "simulator" in given.channels))
        if "simulator" in given.channels:
            _show_phone(app, given)
    event_loop_guard.add_callback(parts.metrics.loop_blocked)
    parts.housekeeping.start()
    parts.numbers.start()
    log.info("started")
    return app


@dataclass(frozen=True)
class _Configuration:
    """What the operator gave it."""

    common: CommonSettings
    secrets: WebSecrets
    countries: country.Countries
    keys: Mapping[str, PublicKey]
    sender_key: PublicKey
    channels: Mapping[str, Channel]
    pepper: PhonePepper
    book: FlowBook
    catalogues: Mapping[str, Catalogue]
    database: Database

    @cached_property
    def languages(self) -> Mapping[str, tuple[Catalogue, ...]]:
        """The languages offered in each country, by its code."""
        needed = (*safety_messages(messages(self.book)), *TRANSLATED_WORDS)
        drafts = self.common.draft_languages or ()
        return {one.iso: offered_languages(one.languages, self.catalogues, needed, drafts) for one in self.countries}


def _read(environ: Mapping[str, str]) -> _Configuration:
    settings = load_all_settings((CommonSettings, WebSecrets), environ)
    common = settings[CommonSettings]
    keys = settings[WebSecrets].web_keys or common.keys
    # In the demo everything runs under one account; elsewhere web's has no way to a private key at all.
    key_files.refuse_private_keys(keys / "public" if common.mode == "demo" else keys)
    mode_marks.refuse_shared(keys, redis_clients.queue_client(common.queue_redis), common.mode)
    countries = country.load_countries(common.countries, common.mode.value, common.country_dir)
    if common.mode == "live" and (lines := countries.problems("live")):
        raise country.CountryError(lines)  # no number that nobody confirmed, no hotline that has agreed to nothing
    given = _Configuration(
        common,
        settings[WebSecrets],
        countries,
        key_files.load_public_keys(keys, [one.id for one in countries.hotlines]),
        key_files.load_public_keys(keys, (key_files.SENDER_KEY,))[key_files.SENDER_KEY],
        _channels(common, environ),
        load_pepper(settings[WebSecrets].pepper_file),
        loader.load(),
        catalogues.load(locales.FOLDER),
        Database(common.database_url, offset=common.clock_offset, patience=INTERACTIVE),
    )
    vault = RecordCipher(given.secrets.store_key.reveal())
    also = partial(refuse_another_key, cipher=vault)
    if reason := await_ready(given.database, common.mode, "web", also):
        sys.stderr.write(f"{reason}\n")
    return given


def _assemble(given: _Configuration) -> Services:
    common, secrets, channels, database = given.common, given.secrets, given.channels, given.database
    count = (metrics := _metrics()).count
    vault = RecordCipher(secrets.store_key.reveal())
    spool = Spool(common.data / "spool", vault)
    kept, renew = _sessions(common, secrets, count)
    builder, hurry = (
        ReportBuilder(given.keys, common.mode),
        JobQueue(redis_clients.queue_client(common.queue_redis, QUEUE_SECONDS)),
    )
    journal = _journal(given, count)
    submitter = Submitter(
        database=database, spool=spool, cipher=vault, builder=builder, hurry=hurry, count=count, journal=journal
    )
    unread = UnparsedStore(database, spool, vault, given.keys, common.mode)
    mailroom = ReporterMailbox(submitter, database, vault, builder, given.countries, given.countries.names, journal)
    admission = AdmissionControl()
    blocking = BlockingPool(shared_deadline=database.shared_deadline, note_wait=admission.note_wait)
    reducer = Reducer(
        given.book, submitter, mailroom, Overflow(unread, count), kept.count_report, run_blocking=blocking.run
    )
    optouts = OptOuts(database, vault, spool, given.sender_key, common.mode, journal=journal)
    waiting, loop = SmsInbox(database, vault, given.pepper), BackgroundLoop()
    desk = _desk(given, vault)(
        conversation=ConversationHandler(
            kept, reducer, SmsConversation(reducer, optouts, blocking.run), count, admission.note_end
        ),
        live=builder.live,
        optouts=optouts,
        replies=SmsOutbox(database, vault, given.sender_key, hurry, common.mode),
        waiting=waiting,
        unread=unread,
        blocking=blocking,
        count=count,
    )
    keeping = partial(Housekeeping, database=database, spool=spool, waiting=waiting, channels=channels, renew=renew)
    drills = DrillRunner(database, desk, reducer, submitter, common.mode, wait_for=loop.run)
    erasing = ErasureReplay(database, journal, mailroom, HOST)
    chores = optouts.introduce, StatisticsFlush(kept, database).move, drills.hold
    return Services(
        database=database,
        spool=spool,
        journal=journal,
        submitter=submitter,
        sessions=kept,
        metrics=metrics,
        desk=desk,
        webhooks=Webhooks(channels, desk, metrics, blocking, admission),
        health=Health(database, kept, spool, metrics, maintenance.marker_path(common.database_url, common.data)),
        housekeeping=keeping(desk=desk, erasing=erasing, chores=chores, wait_for=loop.run),
        numbers=CountryReload(given.countries, common.country_dir, desk.renew),
        blocking=blocking,
        loop=loop,
        queue=hurry,
    )


def _desk(given: _Configuration, cipher: RecordCipher) -> partial[Dispatcher]:
    """Return the desk, which still lacks the parts that others use as well."""
    return partial(
        Dispatcher,
        countries=given.countries,
        languages=given.languages,
        book=given.book,
        drill=given.common.mode == "training",
        database=given.database,
        duty=OnCallReply(given.countries, given.database, cipher),
    )


def _journal(given: _Configuration, count: Callable[[str], None]) -> ErasureJournal:
    folder = journal_folder(given.common.database_url, given.common.data)
    now = given.database.now
    return ErasureJournal(folder, HOST, is_shared=given.database.is_sqlite, now=now, count=count)


def _sessions(
    common: CommonSettings, secrets: WebSecrets, count: Callable[[str], None]
) -> tuple[Sessions, Callable[[], None]]:
    """Return the store of conversations, and what renews its keys."""
    names = RecordCipher(secrets.session_key.reveal())
    keys = SessionKeys(common.data, names.mac("session chain"), count)
    return Sessions(common.session_redis, names, keys, count, mode=common.mode), keys.renew


def _metrics() -> WebMetrics:
    with metrics_files.claim("web"):
        return WebMetrics()


def _channels(common: CommonSettings, environ: Mapping[str, str]) -> dict[str, Channel]:
    """Each name is a file of gateway/channels; its Settings come from the environment."""
    found: dict[str, Channel] = {}
    for name in common.channels:
        try:
            module = importlib.import_module(f"{channel_files.__name__}.{name}")
        except ImportError:
            raise SettingError([SettingFault("CHANNELS", f"names {name}; gateway/channels has no such file")]) from None
        found[name] = module.Channel(load_all_settings((module.Settings,), environ)[module.Settings])
    return found


def _route(app: Flask, parts: Services) -> None:
    app.url_map.merge_slashes = False  # another address is another address: no redirect
    app.add_url_rule("/healthz", "healthz", parts.health.up)
    app.add_url_rule("/readyz", "readyz", lambda: _inside(parts.health.ready))
    app.add_url_rule("/metrics", "metrics", lambda: _inside(parts.health.figures))
    app.register_error_handler(404, lambda _: views.refusal(parts.webhooks) or _not_found())
    app.register_error_handler(405, lambda _: views.refusal(parts.webhooks) or Response(status=405))
    app.register_error_handler(500, lambda _: Response("Failed\n", 500, content_type="text/plain; charset=utf-8"))


def _show_phone(app: Flask, given: _Configuration) -> None:
    """The page of demo and training; in live mode its code is not even read."""
    page = importlib.import_module("gateway.phone.page")
    page.attach(app, given.common.mode.value, given.countries, given.languages)


def _about(mode: str, has_phone: bool) -> Response:
    """Say what this address is, to a person on this machine. Live mode and every other client get the usual 404."""
    if not views.is_local():
        return _not_found()
    phone = "Try a phone in the browser: /phone\n" if has_phone else ""
    text = (
        f"This is the web process of Tokaut in {mode} mode. Providers of USSD and SMS call it below /hooks/.\n{phone}"
    )
    return Response(f"{text}State: /healthz, /readyz, /metrics\n", content_type="text/plain; charset=utf-8")


def _inside(answer: Callable[[], Response]) -> Response:
    return answer() if views.is_local(private=True) else _not_found()


def _not_found() -> Response:
    return views.response(NOT_FOUND)
