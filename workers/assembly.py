"""Puts a worker or a clock together from its settings. The only place in `workers` that knows all its parts."""

from __future__ import annotations

import importlib
import platform
import secrets
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from importlib.util import find_spec
from pathlib import Path

from prometheus_client import CollectorRegistry

import locales
from flows import catalogues
from reports.countries import country
from reports.countries.hotline import Hotline as Listed
from reports.countries.opening_hours import duty_officers
from reports.countries.retention_policy import retention_policy
from reports.crypto import mode_marks
from reports.escalation.policy import max_step_delays
from reports.store.database_check import await_ready
from reports.store.engine.database import Database
from runtime import metrics_files
from runtime.queue import JobQueue
from runtime.redis_clients import queue_client
from runtime.settings import CommonSettings, Mode, OperatorSettings, SettingError, SettingFault, load_all_settings
from workers.counting import Counted, Counting
from workers.duties import Duties
from workers.erasing import Erasing
from workers.forward import Forwarder
from workers.keeping import Keeping
from workers.keyring import KeyRing
from workers.kinds import Means, build_all
from workers.ladder import Ladder
from workers.mail import MailServer, read_mail_server
from workers.metrics import Metrics
from workers.nudger import Nudger
from workers.outages import Outages, Part, database_probe, disk_probe, redis_probe
from workers.pager import Pager
from workers.rewriting import Rewriting
from workers.sms import Between, Texter
from workers.swaps import Swaps
from workers.sweep import Clock
from workers.tell import Teller
from workers.telling import Telling
from workers.text import Sender
from workers.texts import Line, Texts

PROBED = "rq:probe"  # the key that the clock writes to see whether Redis accepts writes


@dataclass(frozen=True, slots=True)
class Parts:
    """What a worker is made of."""

    common: CommonSettings
    countries: country.Countries
    database: Database
    forwarder: Forwarder
    texter: Texter
    pager: Pager
    metrics: Metrics
    slot: str  # host/name: whose leases a restart gives up
    holder: str  # host/name/boot


def assemble(name: str, environ: Mapping[str, str], stopping: Callable[[], bool]) -> Parts:
    """`name`: urgent-1, standard-1, clock-1. Raises SettingError, CountryError."""
    settings = load_all_settings((CommonSettings, OperatorSettings), environ)
    common, operator = settings[CommonSettings], settings[OperatorSettings]
    countries = _countries(common)
    database = Database(common.database_url, offset=common.clock_offset)
    account = "clock" if name.startswith("clock") else "worker"
    if reason := await_ready(database, common.mode, account):
        sys.stderr.write(f"{reason}\n")
    mode_marks.refuse_shared(common.keys, queue_client(common.queue_redis), common.mode)
    with metrics_files.claim(name.partition("-")[0]):
        metrics = Metrics(CollectorRegistry())
    keys = KeyRing(common.keys)
    slot = f"{platform.node()[:40]}/{name}"
    holder = f"{slot}/{secrets.token_hex(4)}"
    texter = Texter(
        database=database,
        keys=keys,
        senders=senders(environ, common.channels, common.mode),
        mode=common.mode.value,
        holder=holder,
        metrics=metrics,
    )
    pager = Pager(database, texter, common.keys, common.mode.value, in_turn=_in_turn(countries, database))
    forwarder = Forwarder(
        database=database,
        keys=keys,
        hotlines=build_all(
            environ, countries.hotlines, lambda one: replace(means(common, operator, one), enlist=pager.enlist)
        ),
        mode=common.mode.value,
        holder=holder,
        actor=account,
        metrics=metrics,
        stopping=stopping,
        between=Between(texter) if name.startswith("urgent") else _nothing,
    )
    return Parts(common, countries, database, forwarder, texter, pager, metrics, slot, holder)


def _in_turn(countries: Iterable[country.Country], database: Database) -> Callable[[str], Sequence[str]]:
    """Who is on duty at a hotline just now, first; a hotline of no country has nobody."""
    cards = {one.id: (one.card, land.time_zone) for land in countries for one in land.hotlines.values()}
    return lambda hotline: duty_officers(*cards[hotline], database.now()) if hotline in cards else ()


def _nothing() -> None:
    pass


def assemble_clock(parts: Parts, environ: Mapping[str, str]) -> Clock:
    """Raises SettingError."""
    operator = load_all_settings((CommonSettings, OperatorSettings), environ)[OperatorSettings]
    duties = Duties(
        database=parts.database,
        forwarder=parts.forwarder,
        pager=parts.pager,
        hurry=JobQueue(queue_client(parts.common.queue_redis)),
        metrics=parts.metrics,
        nudger=_nudger(parts),
        furthest=max_step_delays(one.clocks for one in parts.countries),
    )
    mode = parts.common.mode
    texts = _texts(parts, operator)
    teller = Teller(mail_server(operator), operator.on_call, mode.value, parts.metrics, texts.send if texts else None)
    telling = Telling(parts.database, teller)
    keeping = Keeping(parts.database, retention_policy(parts.countries), parts.common.keys, telling, parts.metrics)
    ladder = Ladder(
        database=parts.database,
        countries=parts.countries,
        teller=teller,
        pager=parts.pager,
        metrics=parts.metrics,
        worry=telling.add_once,
        put=duties.put,
    )
    return Clock(
        database=parts.database,
        duties=duties,
        telling=telling,
        ladder=ladder,
        metrics=parts.metrics,
        holder=parts.holder,
        aside=(
            _counting(parts),
            Erasing(parts.database, retention_policy(parts.countries), parts.metrics, gone=keeping.compact_soon),
            keeping,
            Rewriting(queue_client(parts.common.queue_redis), parts.metrics),
            Swaps(parts.database, partial(_countries, parts.common), parts.common.keys, teller),
        ),
    )


def assemble_outages(parts: Parts, environ: Mapping[str, str]) -> Outages:
    """Return what tells the on-call contacts of an outage, without the database or Redis. Raises SettingError."""
    operator = load_all_settings((CommonSettings, OperatorSettings), environ)[OperatorSettings]
    texts = _texts(parts, operator)
    text = texts.send_without_database if texts else None
    teller = Teller(mail_server(operator), operator.on_call, parts.common.mode.value, parts.metrics, text)
    watched = (
        Part("The database", "P1", database_probe(parts.database), "See docs/operating/database-gone.md"),
        Part(
            "Redis",
            "P2",
            redis_probe(queue_client(parts.common.queue_redis), PROBED),
            "See docs/operating/redis-gone.md",
        ),
        Part("The disk", "P1", disk_probe(_folders(parts)), "See docs/operating/disk-full.md"),
    )
    return Outages(watched, teller, platform.node()[:40])


def _folders(parts: Parts) -> tuple[Path, ...]:
    """The data folder, and the folder of the SQLite database."""
    file = parts.database.engine.url.database
    return (parts.common.data, *((Path(file).parent,) if parts.database.is_sqlite and file else ()))


def _nudger(parts: Parts) -> Nudger:
    common = parts.common
    words = catalogues.load(locales.FOLDER)
    return Nudger(parts.database, KeyRing(common.keys), common.keys, parts.countries, words, parts.texter)


def _counting(parts: Parts) -> Counting:
    common = parts.common
    of = Counted(parts.countries, common.mode.value, common.draft_languages or ())
    return Counting(parts.database, KeyRing(common.keys), of, parts.metrics)


def _texts(parts: Parts, operator: OperatorSettings) -> Texts | None:
    if not operator.alert_channel:
        return None
    if faults := list(no_way_to_text(parts.common, operator)):
        raise SettingError(faults)
    line = Line(operator.alert_channel, operator.alert_from)
    return Texts(parts.database, parts.texter, parts.common.keys, parts.common.mode.value, line)


def no_way_to_text(common: CommonSettings, operator: OperatorSettings) -> Iterator[SettingFault]:
    """Whether people are to be texted by a channel that does not send."""
    if operator.alert_channel and not (operator.alert_channel in common.channels and sends(operator.alert_channel)):
        yield SettingFault("TOKAUT_ALERT_CHANNEL", "is none of CHANNELS that sends SMS; name one that does")


def means(common: CommonSettings, operator: OperatorSettings, hotline: Listed) -> Means:
    channels = tuple(name for name in common.channels if sends(name))
    return Means(common.mode, hotline, mail_server(operator), operator.console_url, channels)


def mail_server(operator: OperatorSettings) -> MailServer | None:
    if operator.smtp is None:
        return None
    return read_mail_server(operator.smtp.reveal(), operator.smtp_private, operator.smtp_ca_file)


def senders(environ: Mapping[str, str], channels: Iterable[str], mode: Mode) -> dict[str, Sender]:
    """Each channel that sends has a file of its name in workers/senders. Raises SettingError."""
    made: dict[str, Sender] = {}
    for name in channels:
        if not sends(name):
            continue
        module = importlib.import_module(f"workers.senders.{name}")
        made[name] = module.Sender(load_all_settings((module.Settings,), environ)[module.Settings], mode)
    return made


def sends(channel: str) -> bool:
    """Or it answers and never sends."""
    return find_spec(f"workers.senders.{Path(channel).name}") is not None


def _countries(common: CommonSettings) -> country.Countries:
    return country.load_countries(common.countries, common.mode.value, common.country_dir)
