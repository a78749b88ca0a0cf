"""Assemble the web process. Only this module reads the environment; importing it creates nothing."""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property, partial
from typing import cast

import structlog
from flask import Flask, Response

from flows import catalogues, loader
from flows.catalogues import Catalogue, needed_messages, offered_languages
from flows.model import FlowBook
from gateway import channels as channel_files
from gateway import prompts, views
from gateway.admission import AdmissionControl
from gateway.background.drills import DrillRunner
from gateway.background.entry_codes import EntryMailboxes
from gateway.background.erasures import ErasureReplay
from gateway.background.housekeeping import CallHoursFlush, CountryReload, Housekeeping, StatisticsFlush
from gateway.conversation.contact_requests import ContactRequests
from gateway.conversation.dispatcher import Dispatcher
from gateway.conversation.handler import ConversationHandler
from gateway.conversation.mailbox import ReporterMailbox
from gateway.conversation.overflow import Overflow
from gateway.conversation.recordings import SpokenWords
from gateway.conversation.reducer import Reducer
from gateway.conversation.sms import DutyPhoneReply, SmsConversation
from gateway.health import Health
from gateway.messaging.model import Channel, VoiceChannel
from gateway.metrics import WebMetrics
from gateway.services import Services
from gateway.sessions.keys import SessionKeys
from gateway.sessions.store import Sessions
from gateway.sms import OptOuts, SmsInbox, SmsOutbox
from gateway.submission.builder import ReportBuilder, UnparsedStore
from gateway.submission.spool_copies import SpoolCopies
from gateway.submission.submitter import Submitter
from gateway.threads import DANGER_THREADS, THREADS, BackgroundLoop, BlockingPool
from gateway.webhooks import NOT_FOUND, Webhooks
from reports.countries import country
from reports.countries.validation import TRANSLATED_WORDS
from reports.crypto import PhonePepper, PublicKey, RecordCipher, key_files
from reports.crypto.phone_pepper import load_pepper
from reports.erasure_journal import ErasureJournal, journal_folder
from reports.store.database_check import check_ready, refuse_another_key
from reports.store.engine.database import Database
from reports.store.engine.timeouts import INTERACTIVE
from reports.store.operations import maintenance
from reports.store.operations.spool_status import WEB, process_name
from reports.store.spool import Spool
from runtime import event_loop_guard, logs, metrics_files, redis_clients, tracing
from runtime.hardening import harden
from runtime.operator_error import OperatorError
from runtime.queue import JobQueue
from runtime.settings import CommonSettings, Mode, SettingError, SettingFault, WebSecrets, load_all_settings

QUEUE_SECONDS = 0.05  # time limit of the job queue: the report is stored, and its reporter must not wait

log = structlog.get_logger()


def load_texts() -> None:
    """Load the flows and catalogues, so that processes that are forked later share them. Raises FlowError."""
    loader.shipped()
    catalogues.shipped()


def check(environ: Mapping[str, str]) -> None:
    """Check the settings before the server starts its first process. Exits with one line for each wrong setting.

    The master calls this, because it would restart a worker process that exits again and again.
    """
    try:
        _read(environ).database.close()
    except OperatorError as error:
        sys.exit(str(error))


def create_app(environ: Mapping[str, str] | None = None) -> Flask:
    """Return the web process as a Flask application, for any WSGI server; production runs `gateway.asgi`.

    Exits with one line for each wrong setting.
    """
    harden()
    logs.configure("web")
    logs.install_hooks()
    logs.reroute(("gunicorn.error",))
    try:
        config = _read(os.environ if environ is None else environ)
        parts = _assemble(config)
    except OperatorError as error:
        sys.exit(str(error))
    app = Flask("gateway", static_folder=None)
    app.extensions["tokaut"] = parts
    app.register_blueprint(views.blueprint(parts.webhooks, parts.loop))
    app.after_request(views.harden)
    _route(app, parts)
    if config.secrets.prompts:
        app.register_blueprint(prompts.blueprint(config.secrets.prompts))
    if config.common.mode != Mode.LIVE:
        app.add_url_rule("/", "about", partial(_about, config.common.mode, "simulator" in config.channels))
        if "simulator" in config.channels:
            _show_phone(app, config)
    event_loop_guard.add_callback(parts.metrics.loop_blocked)
    if parts.copies:
        parts.copies.start(parts.spool.names())
    parts.housekeeping.start()
    parts.numbers.start()
    log.info("started")
    return app


@dataclass(frozen=True)
class _Configuration:
    """The configuration from the environment and from the operator's files."""

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
        """Return the languages offered in each country, by ISO code."""
        needed = needed_messages(self.book, TRANSLATED_WORDS)
        drafts = self.common.draft_languages or ()
        return {
            entry.iso: offered_languages(entry.languages, self.catalogues, needed, drafts) for entry in self.countries
        }

    @property
    def voices(self) -> Mapping[str, VoiceChannel]:
        """Return the channels that speak, by name."""
        return {name: cast("VoiceChannel", one) for name, one in self.channels.items() if "voice" in one.limits}


def _read(environ: Mapping[str, str]) -> _Configuration:
    settings = load_all_settings((CommonSettings, WebSecrets), environ)
    common = settings[CommonSettings]
    tracing.configure("web", common.traces)
    keys = settings[WebSecrets].web_keys or common.keys
    # The demo runs under one account; elsewhere the account of `web` must have no access to a private key.
    key_files.refuse_private_keys(keys / "public" if common.mode == Mode.DEMO else keys)
    key_files.refuse_shared(keys, redis_clients.queue_client(common.queue_redis), common.mode)
    countries = country.load_countries(common.countries, common.mode, common.country_dir)
    if common.mode == Mode.LIVE and (problems := countries.problems(Mode.LIVE)):
        raise country.CountryError(problems)  # every number must be confirmed, and every hotline must have agreed
    config = _Configuration(
        common,
        settings[WebSecrets],
        countries,
        key_files.load_public_keys(keys, [hotline.id for hotline in countries.hotlines]),
        key_files.load_public_keys(keys, (key_files.SENDER_KEY,))[key_files.SENDER_KEY],
        _channels(common, environ),
        load_pepper(settings[WebSecrets].pepper_file),
        loader.shipped(),
        catalogues.shipped(),
        Database(
            common.database_url,
            threads=THREADS + DANGER_THREADS,
            offset=common.clock_offset,
            timeouts=INTERACTIVE,
        ),
    )
    record_cipher = RecordCipher(config.secrets.store_key.reveal())
    extra_check = partial(refuse_another_key, cipher=record_cipher)
    if reason := check_ready(config.database, common.mode, "web", extra_check):
        sys.stderr.write(f"{reason}\n")
    return config


def _assemble(config: _Configuration) -> Services:
    common, secrets, channels, database = config.common, config.secrets, config.channels, config.database
    count = (metrics := _metrics(channels)).count
    record_cipher = RecordCipher(secrets.store_key.reveal())
    background_database = database.in_background()
    copies = _spool_copies(config, record_cipher, count)
    spool = Spool(common.data / "spool", record_cipher, copies=copies)
    session_store, renew_keys = _sessions(common, secrets, count)
    builder, job_queue = (
        ReportBuilder(config.keys, common.mode),
        JobQueue(redis_clients.queue_client(common.queue_redis, QUEUE_SECONDS)),
    )
    journal = _journal(config, count)
    submitter = Submitter(
        database=database,
        spool=spool,
        cipher=record_cipher,
        builder=builder,
        job_queue=job_queue,
        count=count,
        journal=journal,
    )
    unparsed = UnparsedStore(database, spool, record_cipher, config.keys, common.mode)
    mailbox = ReporterMailbox(
        submitter, database, record_cipher, builder, config.countries, config.countries.names, journal
    )
    admission = AdmissionControl()
    blocking = BlockingPool(note_wait=admission.note_wait)
    contact_requests = ContactRequests(submitter, mailbox, database)
    optouts = OptOuts(database, record_cipher, spool, config.sender_key, common.mode, journal=journal)
    spoken_words = SpokenWords(submitter, database, record_cipher, config.sender_key, common.mode, count)
    reducer = Reducer(
        config.book,
        submitter,
        mailbox,
        Overflow(unparsed, count),
        session_store,
        run_blocking=blocking.run,
        contact_requests=contact_requests,
        spoken_words=spoken_words,
        optouts=optouts,
    )
    inbox, loop = SmsInbox(database, record_cipher, config.pepper), BackgroundLoop()
    dispatcher = _dispatcher(config, record_cipher)(
        conversation=ConversationHandler(
            session_store,
            reducer,
            SmsConversation(reducer, optouts, contact_requests, session_store, blocking.run),
            count,
            admission.note_end,
        ),
        live=builder.live,
        optouts=optouts,
        contact_requests=contact_requests,
        spoken_words=spoken_words,
        replies=SmsOutbox(database, record_cipher, config.sender_key, job_queue, common.mode),
        inbox=inbox,
        unread=unparsed,
        blocking=blocking,
        count=count,
    )
    make_housekeeping = partial(
        Housekeeping,
        database=background_database,
        spool=spool,
        copies=copies,
        inbox=inbox,
        channels=channels,
        renew=renew_keys,
        redis_is_up=session_store.is_up,
    )
    drill_runner = DrillRunner(database, dispatcher, reducer, submitter, common.mode, wait_for=loop.run)
    erasure_replay = ErasureReplay(background_database, journal, mailbox, process_name(common.host, WEB))
    leased_tasks = (
        optouts.share_keys,
        CallHoursFlush(session_store, background_database).copy,
        StatisticsFlush(session_store, background_database).move,
        drill_runner.run_due,
        EntryMailboxes(background_database, record_cipher, common.mode, count).make,
    )
    return Services(
        database=database,
        background_database=background_database,
        spool=spool,
        copies=copies,
        journal=journal,
        submitter=submitter,
        sessions=session_store,
        metrics=metrics,
        dispatcher=dispatcher,
        webhooks=Webhooks(
            channels,
            dispatcher,
            metrics,
            blocking,
            admission,
            synthetic_keys=common.synthetic_key.reveal() if common.synthetic_key else (),
        ),
        health=Health(
            database, session_store, spool, metrics, maintenance.marker_path(common.database_url, common.data)
        ),
        housekeeping=make_housekeeping(
            dispatcher=dispatcher,
            erasures=erasure_replay,
            host=common.host,
            leased_tasks=leased_tasks,
            wait_for=loop.run,
        ),
        numbers=CountryReload(config.countries, common.country_dir, dispatcher.renew),
        blocking=blocking,
        loop=loop,
        queue=job_queue,
    )


def _spool_copies(config: _Configuration, cipher: RecordCipher, count: Callable[[str], None]) -> SpoolCopies | None:
    """Return the copies of the spool; None with SQLite, which no other host can reach."""
    if config.database.is_sqlite:
        return None
    common = config.common
    return SpoolCopies(redis_clients.session_client(common.session_redis), common.data / "spool", cipher, count)


def _dispatcher(config: _Configuration, cipher: RecordCipher) -> partial[Dispatcher]:
    """Return the dispatcher's constructor. The caller adds the arguments that other services use as well."""
    return partial(
        Dispatcher,
        countries=config.countries,
        languages=config.languages,
        voices=config.voices,
        book=config.book,
        drill=config.common.mode == Mode.TRAINING,
        database=config.database,
        duty_phone_reply=DutyPhoneReply(config.countries, config.database, cipher, config.secrets.on_call),
    )


def _journal(config: _Configuration, count: Callable[[str], None]) -> ErasureJournal:
    folder = journal_folder(config.common.database_url, config.common.data)
    now = config.database.now
    return ErasureJournal(folder, config.common.host, is_shared=config.database.is_sqlite, now=now, count=count)


def _sessions(
    common: CommonSettings, secrets: WebSecrets, count: Callable[[str], None]
) -> tuple[Sessions, Callable[[], None]]:
    """Return the session store, and the function that renews its keys."""
    cipher = RecordCipher(secrets.session_key.reveal())
    keys = SessionKeys(common.data, cipher.mac("session chain"), count)
    return Sessions(common.session_redis, cipher, keys, count, mode=common.mode), keys.renew


def _metrics(channels: Mapping[str, Channel]) -> WebMetrics:
    with metrics_files.claim_files("web"):
        return WebMetrics(name for name, channel in channels.items() if "sms" in channel.limits)


def _channels(common: CommonSettings, environ: Mapping[str, str]) -> dict[str, Channel]:
    """Load the configured channels, by name.

    Each name is a module in gateway/channels; its Settings come from the environment. Raises SettingError.
    """
    channels_by_name: dict[str, Channel] = {}
    for name in common.channels:
        try:
            module = importlib.import_module(f"{channel_files.__name__}.{name}")
        except ImportError:
            fault = f"names {name}; expected the name of a file in gateway/channels, without .py"
            raise SettingError([SettingFault("CHANNELS", fault)]) from None
        channels_by_name[name] = module.Channel(load_all_settings((module.Settings,), environ)[module.Settings])
    return channels_by_name


def _route(app: Flask, parts: Services) -> None:
    app.url_map.merge_slashes = False  # a different address must not redirect
    app.add_url_rule("/healthz", "healthz", parts.health.up)
    app.add_url_rule("/readyz", "readyz", lambda: _inside(parts.health.ready))
    app.add_url_rule("/metrics", "metrics", lambda: _inside(parts.health.metrics))
    app.register_error_handler(404, lambda _: views.refusal(parts.webhooks) or _not_found())
    app.register_error_handler(405, lambda _: views.refusal(parts.webhooks) or Response(status=405))
    app.register_error_handler(500, lambda _: Response("Failed\n", 500, content_type="text/plain; charset=utf-8"))


def _show_phone(app: Flask, config: _Configuration) -> None:
    """Add the phone's page in demo and training. In live mode its code is not imported."""
    page = importlib.import_module("gateway.phone.page")
    page.attach(app, config.common.mode, config.countries, config.languages, config.secrets.demo_hotline)


def _about(mode: Mode, has_phone: bool) -> Response:
    """Describe this address to a person on this machine. In live mode, and to all other clients, the answer is 404."""
    if not views.is_local():
        return _not_found()
    phone = "Try a phone in the browser: /phone\n" if has_phone else ""
    text = (
        f"This is the web process of Tokaut in {mode} mode. Providers of USSD and SMS call it below /hooks/.\n{phone}"
    )
    return Response(f"{text}State: /healthz, /readyz, /metrics\n", content_type="text/plain; charset=utf-8")


def _inside(view: Callable[[], Response]) -> Response:
    return view() if views.is_local(private=True) else _not_found()


def _not_found() -> Response:
    return views.response(NOT_FOUND)
