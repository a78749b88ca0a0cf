"""Build a worker or the scheduler from settings. Only this module imports all packages of `workers`."""

from __future__ import annotations

import importlib
import secrets
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from importlib.util import find_spec
from pathlib import Path

from prometheus_client import CollectorRegistry

from flows import catalogues
from reports.countries import country
from reports.countries.country import retention_policy
from reports.countries.hotline import Hotline, PartnerCard
from reports.countries.opening_hours import duty_officers, hotline_hours
from reports.crypto import key_files
from reports.escalation import Priority, max_step_delays
from reports.store.database_check import check_ready
from reports.store.engine.database import Database
from reports.store.operations import spool_status
from reports.store.operations.spool_status import SpoolStatus, process_name
from reports.store.privileges.rights import ProcessAccount
from runtime import metrics_files, tracing
from runtime.queue import JobQueue
from runtime.redis_clients import queue_client
from runtime.settings import CommonSettings, Mode, OperatorSettings, SettingError, SettingFault, load_all_settings
from workers.clock.jobs import ClockJobs
from workers.clock.scheduler import Scheduler
from workers.delivery.registry import HotlineDependencies, build_connectors
from workers.delivery.under_way import AT_ONCE, DeliveriesUnderWay
from workers.heartbeat import Heartbeat
from workers.jobs.alerts import AlertSender
from workers.jobs.answer_notices import AnswerNotices
from workers.jobs.deliver import DeliveryRunner
from workers.jobs.escalation import EscalationJob
from workers.jobs.outages import MonitoredPart, OutageMonitor, RedisRewriteJob, database_probe, disk_probe, redis_probe
from workers.jobs.recordings import RecordingJob
from workers.jobs.retention import ErasureJob, RetentionJob
from workers.jobs.statistics import ChangeDetectionJob, StatisticsJob, StatisticsScope
from workers.jobs.synthetic_calls import (
    SyntheticCallJob,
    SyntheticCalls,
    make_synthetic_calls,
    synthetic_call_faults,
    synthetic_networks,
)
from workers.keyring import KeyRing
from workers.metrics import WorkerMetrics, is_current_label
from workers.network.http_client import HttpClient
from workers.network.smtp_client import MailServer, parse_mail_server
from workers.network.sound_fetch import RecordingSource
from workers.notifications.duty_phones import DutyPhoneNotifier
from workers.notifications.notifier import Notifier
from workers.sms.dispatcher import SmsDispatcher, SmsSender, WorkerSms
from workers.sms.notices import SmsNotifier, SmsRoute

PROBE_KEY = "rq:probe"  # the key that the clock writes to see whether Redis accepts writes


@dataclass(frozen=True, slots=True)
class WorkerServices:
    """The services of a worker process.

    `slot`: host/name, whose leases a restart releases. `holder`: host/name/boot.
    """

    common: CommonSettings
    operator: OperatorSettings
    countries: country.Countries
    database: Database
    delivery_runner: DeliveryRunner
    sms_dispatcher: SmsDispatcher
    worker_sms: WorkerSms
    duty_phone_notifier: DutyPhoneNotifier
    metrics: WorkerMetrics
    slot: str
    holder: str
    heartbeat: Heartbeat


def create_services(name: str, environ: Mapping[str, str], stopping: Callable[[], bool]) -> WorkerServices:
    """Build the services from the environment. `name`: urgent-1, standard-1, clock-1.

    Raises SettingError and CountryError.
    """
    settings = load_all_settings((CommonSettings, OperatorSettings), environ)
    common, operator = settings[CommonSettings], settings[OperatorSettings]
    tracing.configure(name.partition("-")[0], common.traces)
    countries = _countries(common)
    account: ProcessAccount = "clock" if name.startswith("clock") else "worker"
    database = Database(common.database_url, threads=AT_ONCE + 2, offset=common.clock_offset)
    if reason := check_ready(database, common.mode, account):
        sys.stderr.write(f"{reason}\n")
    key_files.refuse_shared(common.keys, queue_client(common.queue_redis), common.mode)
    is_current = partial(is_current_label, hotlines=countries.names, networks=synthetic_networks(operator, countries))
    with metrics_files.claim_files(name.partition("-")[0], is_current):
        metrics = WorkerMetrics(CollectorRegistry())
    keys = KeyRing(common.keys)
    slot = process_name(common.host, name)
    holder = f"{slot}/{secrets.token_hex(4)}"
    sms_dispatcher = SmsDispatcher(
        database=database,
        keys=keys,
        senders=create_senders(environ, common.channels, common.mode),
        mode=common.mode,
        holder=holder,
        metrics=metrics,
    )
    worker_sms = WorkerSms(sms_dispatcher)
    duty_phone_notifier = DutyPhoneNotifier(
        *(database, sms_dispatcher, common.keys, common.mode),
        contact_order=_duty_order(countries, database),
        is_quiet=quiet_hours(countries, database),
    )
    delivery_runner = DeliveryRunner(
        database=database,
        keys=keys,
        hotlines=build_connectors(
            environ,
            countries.hotlines,
            lambda hotline: replace(
                hotline_dependencies(common, operator, hotline), register_phones=duty_phone_notifier.register_phones
            ),
        ),
        mode=common.mode,
        holder=holder,
        actor=account,
        metrics=metrics,
        stopping=stopping,
        between=worker_sms.send_next if name.startswith("urgent") else lambda: None,
        under_way=None if account == "clock" else DeliveriesUnderWay(),
    )
    return WorkerServices(
        common,
        operator,
        countries,
        database,
        delivery_runner,
        sms_dispatcher,
        worker_sms,
        duty_phone_notifier,
        metrics,
        slot,
        holder,
        Heartbeat(common.data, name, lambda: spool_status.save_status(database, SpoolStatus(slot, 0, 0, 0))),
    )


def _duty_order(countries: Iterable[country.Country], database: Database) -> Callable[[str], Sequence[str]]:
    """Return a function: hotline → its contacts, those on duty now first; none for an unknown hotline."""
    cards = _cards(countries)
    return lambda hotline: duty_officers(*cards[hotline], database.now()) if hotline in cards else ()


def quiet_hours(countries: Iterable[country.Country], database: Database) -> Callable[[str], bool]:
    """Return a function: hotline → whether nobody there may be notified of P3 and P4 now."""
    hours = {hotline: hotline_hours(*card) for hotline, card in _cards(countries).items()}

    def is_quiet(hotline: str) -> bool:
        now = database.now()
        return hotline in hours and hours[hotline].next_notify_time(now) > now

    return is_quiet


def _cards(countries: Iterable[country.Country]) -> dict[str, tuple[PartnerCard, str]]:
    """Return the partner card of each hotline, and its country's time zone."""
    return {
        hotline.id: (hotline.card, country_of_hotlines.time_zone)
        for country_of_hotlines in countries
        for hotline in country_of_hotlines.hotlines.values()
    }


def create_scheduler(services: WorkerServices, environ: Mapping[str, str]) -> Scheduler:
    """Build the scheduler and its jobs. Raises SettingError."""
    jobs = ClockJobs(
        database=services.database,
        delivery_runner=services.delivery_runner,
        duty_phone_notifier=services.duty_phone_notifier,
        job_queue=JobQueue(queue_client(services.common.queue_redis)),
        metrics=services.metrics,
        notices_job=_answer_notices(services),
        max_delays=max_step_delays(each.clocks for each in services.countries),
        countries=services.countries,
    )
    operator, mode, texts = services.operator, services.common.mode, _sms_notifier(services)
    notifier = Notifier(mail_server(operator), operator.on_call, mode, services.metrics, texts.send if texts else None)
    alert_sender = AlertSender(services.database, notifier, services.countries.names)
    retention_job = RetentionJob(
        services.database, retention_policy(services.countries), services.common.keys, alert_sender, services.metrics
    )
    escalation = EscalationJob(
        database=services.database,
        countries=services.countries,
        notifier=notifier,
        duty_phone_notifier=services.duty_phone_notifier,
        metrics=services.metrics,
        alert_operator=alert_sender.add_hourly,
        put=jobs.put,
    )
    return Scheduler(
        database=services.database,
        jobs=jobs,
        alert_sender=alert_sender,
        escalation=escalation,
        metrics=services.metrics,
        holder=services.holder,
        background_jobs=(
            _statistics_job(services),
            ErasureJob(
                services.database,
                retention_policy(services.countries),
                services.metrics,
                on_deleted=retention_job.compact_soon,
            ),
            retention_job,
            RedisRewriteJob(queue_client(services.common.queue_redis), services.metrics),
            SyntheticCallJob(services.database, _synthetic_calls(services), alert_sender, services.metrics),
            _recordings_job(services, environ, alert_sender),
            ChangeDetectionJob(
                services.database,
                services.common.countries,
                partial(_country, services.common),
                services.common.keys,
                notifier,
            ),
        ),
    )


def _recordings_job(services: WorkerServices, environ: Mapping[str, str], alert_sender: AlertSender) -> RecordingJob:
    return RecordingJob(
        services.database,
        keys=services.common.keys,
        countries=services.countries,
        sources=create_recording_sources(environ, services.common.channels, services.common.mode),
        alert_sender=alert_sender,
        metrics=services.metrics,
    )


def _synthetic_calls(services: WorkerServices) -> SyntheticCalls | None:
    if faults := list(synthetic_call_faults(services.common, services.operator)):
        raise SettingError(faults)
    return make_synthetic_calls(services.common, services.operator, services.countries, HttpClient())


def create_outage_monitor(services: WorkerServices) -> OutageMonitor:
    """Build the monitor that alerts the on-call contacts without the database or Redis. Raises SettingError."""
    operator, texts = services.operator, _sms_notifier(services)
    text = texts.send_without_database if texts else None
    notifier = Notifier(mail_server(operator), operator.on_call, services.common.mode, services.metrics, text)
    monitored = (
        MonitoredPart(
            "The database", Priority.P1, database_probe(services.database), "See docs/operating/database-gone.md"
        ),
        MonitoredPart(
            "Redis",
            Priority.P2,
            redis_probe(queue_client(services.common.queue_redis), PROBE_KEY),
            "See docs/operating/redis-gone.md",
        ),
        MonitoredPart("The disk", Priority.P1, disk_probe(_folders(services)), "See docs/operating/disk-full.md"),
    )
    return OutageMonitor(monitored, notifier, services.common.host)


def _folders(services: WorkerServices) -> tuple[Path, ...]:
    """Return the data folder and the folder of the SQLite database."""
    file = services.database.engine.url.database
    return (services.common.data, *((Path(file).parent,) if services.database.is_sqlite and file else ()))


def _answer_notices(services: WorkerServices) -> AnswerNotices:
    common = services.common
    drafts = common.draft_languages or ()
    catalogues_by_tag = {tag: one.as_shown(drafts) for tag, one in catalogues.shipped().items()}
    return AnswerNotices(
        services.database,
        KeyRing(common.keys),
        common.keys,
        services.countries,
        catalogues_by_tag,
        services.sms_dispatcher,
    )


def _statistics_job(services: WorkerServices) -> StatisticsJob:
    common = services.common
    scope = StatisticsScope(services.countries, common.mode, common.draft_languages or ())
    return StatisticsJob(services.database, KeyRing(common.keys), scope, services.metrics)


def _sms_notifier(services: WorkerServices) -> SmsNotifier | None:
    operator = services.operator
    if not operator.alert_channel:
        return None
    if faults := list(alert_channel_faults(services.common, operator)):
        raise SettingError(faults)
    route = SmsRoute(operator.alert_channel, operator.alert_from)
    return SmsNotifier(services.database, services.sms_dispatcher, services.common.keys, services.common.mode, route)


def alert_channel_faults(common: CommonSettings, operator: OperatorSettings) -> Iterator[SettingFault]:
    """Yield a fault if alerts are configured for a channel that cannot send SMS."""
    if operator.alert_channel and not (operator.alert_channel in common.channels and can_send(operator.alert_channel)):
        yield SettingFault("TOKAUT_ALERT_CHANNEL", "is none of CHANNELS that sends SMS; name one that does")


def hotline_dependencies(common: CommonSettings, operator: OperatorSettings, hotline: Hotline) -> HotlineDependencies:
    """Return what the connector of a hotline may use, without `register_phones`."""
    channels = tuple(name for name in common.channels if can_send(name))
    return HotlineDependencies(common.mode, hotline, mail_server(operator), operator.console_url, channels)


def mail_server(operator: OperatorSettings) -> MailServer | None:
    """Return the operator's mail server; None if SMTP_URL is not set."""
    if operator.smtp is None:
        return None
    return parse_mail_server(operator.smtp.reveal(), operator.smtp_private, operator.smtp_ca_file)


def create_senders(environ: Mapping[str, str], channels: Iterable[str], mode: Mode) -> dict[str, SmsSender]:
    """Build the SMS sender of each channel that has one. Raises SettingError."""
    sender_by_channel: dict[str, SmsSender] = {}
    for name in channels:
        if not can_send(name):
            continue
        module = importlib.import_module(f"workers.senders.{name}")
        sender_by_channel[name] = module.Sender(load_all_settings((module.Settings,), environ)[module.Settings], mode)
    return sender_by_channel


def create_recording_sources(
    environ: Mapping[str, str], channels: Iterable[str], mode: Mode
) -> dict[str, RecordingSource]:
    """Build the source of recordings of each channel that has one. Raises SettingError."""
    sources: dict[str, RecordingSource] = {}
    for name in channels:
        if find_spec(f"workers.recordings.{Path(name).name}") is not None:
            module = importlib.import_module(f"workers.recordings.{name}")
            sources[name] = module.Recorder(load_all_settings((module.Settings,), environ)[module.Settings], mode)
    return sources


def can_send(channel: str) -> bool:
    """Return whether a channel has a module of its name in workers/senders; others can only reply."""
    return find_spec(f"workers.senders.{Path(channel).name}") is not None


def _countries(common: CommonSettings) -> country.Countries:
    return country.load_countries(common.countries, common.mode, common.country_dir)


def _country(common: CommonSettings, name: str) -> country.Country:
    return country.load_countries([name], common.mode, common.country_dir).all[0]
