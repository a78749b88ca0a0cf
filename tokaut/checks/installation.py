"""The checks of `tokaut check`. None of them changes anything.

Each check yields sentences that name a fault and its remedy.
"""

from __future__ import annotations

import importlib
import math
import os
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing, suppress
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Final

from reports.audit import AUDIT_KEY, load_verify_keys
from reports.countries.country import Countries, Country, CountryError, load_countries
from reports.countries.hotline import Hotline
from reports.crypto.key_files import (
    SENDER_KEY,
    KeyFileError,
    ListedKey,
    list_keys,
    load_private_keys,
    load_public_keys,
    missing_keys,
    refuse_keys,
    refuse_private_keys,
    unreadable_private_folder,
)
from reports.crypto.phone_pepper import load_pepper
from reports.erasure_journal import KEEP_DAYS
from reports.store import audit_log
from reports.store.database_check import WrongDatabase, refuse_wrong_database
from reports.store.engine.database import Database, DatabaseUnavailable, InvalidDatabaseURL, PermissionDenied
from reports.store.operations import clock_skew
from reports.store.operations.maintenance import backup_age_seconds, marker_path, old_database_files
from reports.store.privileges import console_hotlines
from reports.store.privileges.rights import OWNER
from runtime.settings import (
    SHARED_SETTINGS,
    CommonSettings,
    Mode,
    OperatorSettings,
    PepperSettings,
    SettingError,
    SettingFault,
    collect_settings,
    find_reused_secrets,
    hotline_settings,
    load_settings,
    secrets_in_environment,
    try_load,
)
from runtime.settings.environment import settings_of_class
from runtime.settings.parsers import require_private_folder
from runtime.time_units import DAY_SECONDS
from tokaut.checks.country_frame import frame_faults
from tokaut.checks.live_checklist import Advisory
from tokaut.checks.stores import verify_chain
from tokaut.database import SERVED_FROM_SPOOL, describe_outage, file_fault, missing_database
from tokaut.local_stack.services import practice_notes
from tokaut.settings_file import process_faults
from tokaut.terminal import unknown_hotline
from workers.app import alert_channel_faults, hotline_dependencies
from workers.delivery import registry
from workers.jobs.synthetic_calls import synthetic_call_faults

REDIS: Final = "REDIS_"
USSD_SETTINGS: Final = ("KANNEL_USSD_SENDSMS_URL", "KANNEL_DLR_URL")
COUNTRY_FILE_SETTINGS: Final = frozenset({"TOKAUT_MODE", "TOKAUT_COUNTRY_DIR"})
USED_BY_HOTLINES: Final = frozenset({"SMTP_URL", "SMTP_PRIVATE", "SMTP_CA_FILE", "CONSOLE_URL"})
CHANNEL_PACKAGES: Final = ("gateway.channels",)
SENDER_PACKAGES: Final = ("workers.senders", "workers.recordings")
MODES: Final = (Mode.LIVE, Mode.TRAINING, Mode.DEMO)
BACKUP_SECONDS: Final = 3600


def common_settings(environ: Mapping[str, str]) -> CommonSettings:
    """Return the shared settings in the configured mode.

    A setting that is missing or wrong gets the demo's default, so that the rest can be checked too. The mode itself is
    never replaced by demo mode, because it decides which hotline addresses are allowed. Such a default
    may differ from this installation: `prevent_checks` returns whether that matters.
    """
    as_demo = {**environ, "TOKAUT_MODE": "demo"}
    faulty = {fault.name for fault in collect_settings([CommonSettings], as_demo)[1]}
    if any(name.startswith(REDIS) for name in faulty):  # the Redis settings depend on one another
        faulty |= {name.removesuffix("_FILE") for name in as_demo if name.startswith(REDIS)}
    readable = {name: value for name, value in as_demo.items() if name.removesuffix("_FILE") not in faulty}
    return replace(load_settings(CommonSettings, readable), mode=Mode(mode_of(environ)))


def common_faults(environ: Mapping[str, str]) -> tuple[SettingFault, ...]:
    """Return the faults of the shared settings, in place of which `common_settings` has a default.

    A value that only live mode refuses is not among them: the value itself is known.
    """
    is_live = environ.get("TOKAUT_MODE", "").strip() == Mode.LIVE
    return try_load(CommonSettings, {**environ, "TOKAUT_MODE": Mode.TRAINING} if is_live else environ)[1]


def prevent_checks(environ: Mapping[str, str], *, only_country: bool = False) -> bool:
    """Return whether a setting is so wrong that the other checks would be about another installation than this one.

    `only_country`: of a single country file, for which few settings count.
    """
    return any(not only_country or fault.name in COUNTRY_FILE_SETTINGS for fault in common_faults(environ))


def operator_settings(environ: Mapping[str, str]) -> OperatorSettings:
    """Return the operator's settings that hotlines use: the mail server and the console's address.

    The on-call settings are left out. Without them live mode does not start, but hotlines must still be checked.
    """
    of_hotlines = {name: value for name, value in environ.items() if name.removesuffix("_FILE") in USED_BY_HOTLINES}
    settings, faults = try_load(OperatorSettings, of_hotlines | {"TOKAUT_MODE": "demo"})
    if settings is not None:
        return settings
    faulty = {fault.name for fault in faults}
    return load_settings(
        OperatorSettings,
        {name: value for name, value in of_hotlines.items() if name.removesuffix("_FILE") not in faulty},
    )


def mode_of(environ: Mapping[str, str]) -> Mode:
    """Return the mode to check for: that of TOKAUT_MODE, or live, the strictest, if that setting is wrong."""
    configured = environ.get("TOKAUT_MODE", "").strip() or "demo"
    return next((mode for mode in MODES if mode == configured), Mode.LIVE)


def setting_faults(environ: Mapping[str, str], *, of_worker: bool = False) -> Iterator[str]:
    """Yield faults in the settings of every process, or of worker and clock only; and unknown setting names."""
    for channel in _channels(environ):
        if not list(_channel_settings(channel)):
            yield f"CHANNELS names {channel}, and there is no such channel; look into gateway/channels"
    yield from map(str, collect_settings(_classes(environ, of_worker=of_worker), environ)[1])
    yield from process_faults(environ)


def secret_faults(environ: Mapping[str, str], hotlines: Iterable[Hotline], *, of_worker: bool = False) -> Iterator[str]:
    """Yield each secret that two settings share, whichever processes read them.

    In live mode also yield an advisory for each secret in the environment, where every process of the same account can
    read it.
    """
    of_hotlines = hotline_settings({hotline.id: registry.settings_class(hotline.delivery) for hotline in hotlines})
    classes = _classes(environ, of_worker=of_worker)
    settings = {setting.name: setting for cls in classes for setting in settings_of_class(cls).values()} | dict(
        of_hotlines
    )
    yield from map(str, find_reused_secrets(settings, environ))
    if mode_of(environ) == Mode.LIVE:
        for name in secrets_in_environment(settings, environ):
            yield Advisory(f"{name} is in the environment, where /proc shows it. Name a file instead: {name}_FILE")


def _classes(environ: Mapping[str, str], *, of_worker: bool) -> list[type]:
    """Return the settings classes of every process, or of worker and clock only."""
    packages, shared = (
        (SENDER_PACKAGES, (CommonSettings, OperatorSettings))
        if of_worker
        else ((*CHANNEL_PACKAGES, *SENDER_PACKAGES), SHARED_SETTINGS)
    )
    of_channels = [cls for channel in _channels(environ) for cls in _channel_settings(channel, packages)]
    return [*shared, *of_channels]


def _channels(environ: Mapping[str, str]) -> tuple[str, ...]:
    """Return the channels; none if the setting is wrong: the demo's need secrets that this installation does not."""
    is_wrong = any(fault.name == "CHANNELS" for fault in common_faults(environ))
    return () if is_wrong else common_settings(environ).channels


def hotline_faults(environ: Mapping[str, str], hotlines: Iterable[Hotline]) -> Iterator[str]:
    """Yield faults in the hotlines' settings, in the alert channels and in how hotlines are reached."""
    all_hotlines = tuple(hotlines)
    for hotline in all_hotlines:
        if hotline.delivery not in registry.hotline_kinds():
            kinds = ", ".join(registry.hotline_kinds())
            yield f"hotline {hotline.id}: its delivery is {hotline.delivery}; it can be {kinds}"
    settings = registry.read_settings(environ, all_hotlines)
    yield from map(str, (*settings.unknown, *settings.faults))
    common, loaded = common_settings(environ), collect_settings([OperatorSettings], environ)[0]
    if OperatorSettings in loaded:
        yield from map(str, alert_channel_faults(common, loaded[OperatorSettings]))
        yield from map(str, synthetic_call_faults(common, loaded[OperatorSettings]))
    operator = operator_settings(environ)
    yield from registry.setup_faults(
        environ, all_hotlines, lambda hotline: hotline_dependencies(common, operator, hotline)
    )
    yield from map(Advisory, practice_notes(mode_of(environ), all_hotlines, environ))


def hotlines_left_out(environ: Mapping[str, str]) -> tuple[str, ...]:
    """Return the ids of the hotlines that the worker cannot set up with these settings.

    Returns nothing if the environment has no setting of a hotline: then it is not the worker's environment.
    """
    if not any(name.startswith("HOTLINE_") for name in environ):
        return ()
    common, operator = common_settings(environ), operator_settings(environ)
    countries, _ = read_each_country(environ)
    hotlines = [hotline for country in countries for hotline in country.hotlines.values()]
    return registry.unconfigured_hotlines(
        environ, hotlines, lambda hotline: hotline_dependencies(common, operator, hotline)
    )


def country_faults(countries: Countries, mode: Mode, today: date) -> Iterator[str]:
    """Yield the problems of the country files in this mode, doubts about them, and checks that are overdue today."""
    yield from countries.problems(mode)
    for country in countries:
        yield from frame_faults(country)
        yield from country.overdue(today)


def ussd_notes(environ: Mapping[str, str], countries: Countries) -> Iterator[Advisory]:
    """Yield an advisory for each code that is `network_initiated`, if a setting for such texts is missing."""
    missing = [] if "kannel" in common_settings(environ).channels else ["kannel in CHANNELS"]
    missing += [name for name in USSD_SETTINGS if not (environ.get(name) or environ.get(f"{name}_FILE"))]
    for country in countries:
        for code in country.codes:
            if code.network_initiated and missing:
                yield Advisory(
                    f"{country.file}: code {code.code} is network_initiated, but reporters get an SMS: "
                    f"{' and '.join(missing)} is not set (docs/connect-kannel.md)."
                )


def read_countries(
    common: CommonSettings, mode: Mode, only: str | None = None, *, as_written: bool = False
) -> tuple[Countries | None, tuple[str, ...]]:
    """Return the countries, or None and the faults that prevent loading them.

    `only`: load this country only. `as_written`: keep the live addresses also outside live mode.
    """
    try:
        return load_countries([only] if only else common.countries, mode, common.country_dir, as_written=as_written), ()
    except CountryError as error:
        return None, error.lines


def read_each_country(environ: Mapping[str, str]) -> tuple[tuple[Country, ...], tuple[str, ...]]:
    """Return the configured countries whose files can be read, and the faults of the others.

    If a setting is wrong that names them, returns no country, not those of a demo.
    """
    of_countries = COUNTRY_FILE_SETTINGS | {"COUNTRIES"}
    if faults := tuple(str(fault) for fault in common_faults(environ) if fault.name in of_countries):
        return (), faults
    common, mode = common_settings(environ), mode_of(environ)
    read = [read_countries(common, mode, iso) for iso in common.countries]
    countries = tuple(country for loaded, _ in read if loaded for country in loaded)
    return countries, tuple(fault for _, faults in read for fault in faults)


def refuse_unknown_hotline(hotline: str, database: Database | None = None) -> None:
    """Raise CommandError for a hotline of no configured country.

    One that was taken out of its country file is still known while the database has deliveries to it.
    """
    countries, faults = read_each_country(os.environ)
    configured = [hotline_id for country in countries for hotline_id in country.hotlines]
    if hotline not in configured and not (database and audit_log.object_ids_of_hotline(database, hotline)):
        raise unknown_hotline(hotline, configured, faults)


def read_country(common: CommonSettings, iso: str) -> Country | None:
    """Return one country, or None if its file cannot be read.

    It is loaded as in the demo, where unconfirmed numbers are shown too.
    """
    countries, _ = read_countries(common, Mode.DEMO, iso, as_written=True)
    return countries.get(iso) if countries else None


def key_faults(folder: Path, mode: Mode, hotlines: Iterable[Hotline]) -> Iterator[str]:
    """Check that both halves of each key pair are present, and the keys that hotline cards name."""
    agreed_ids = {hotline.id: hotline.card.key_id for hotline in hotlines}
    try:
        if fault := missing_keys(folder, agreed_ids):
            yield fault
            return
    except KeyFileError as unreadable:
        yield str(unreadable)
        return
    yield from _key_mode_faults(folder, mode)
    agreed_ids[SENDER_KEY] = ""
    if unreadable_folder := unreadable_private_folder(folder, agreed_ids):
        yield f"{unreadable_folder}. No private key was checked."
    for hotline, agreed in agreed_ids.items():
        try:
            load_public_keys(folder, [hotline])
            if not unreadable_folder:
                yield from _private_key_faults(folder, hotline)
            key_ids = {key.public.key_id for key in list_keys(folder, hotline)}
        except KeyFileError as fault:
            yield str(fault)
            continue
        if agreed and agreed not in key_ids:
            yield (
                f"hotline {hotline}: its card names key {agreed}, but {folder} has {', '.join(sorted(key_ids))}. Ask "
                "the hotline for its key id by phone, then correct the card or replace the key."
            )


def _private_key_faults(folder: Path, hotline: str) -> Iterator[str]:
    yield from load_private_keys(folder, [hotline]).faults.get(hotline, ())
    if not list_keys(folder, hotline)[0].has_private_key:
        yield (
            f"The private key of {hotline} is not under {folder / 'private'}: its reports cannot be delivered. "
            f"Restore it from a copy, or from the recovery sheet: tokaut keys restore {hotline}"
        )


def web_key_faults(folder: Path, agreed: Path, hotlines: Iterable[Hotline]) -> Iterator[str]:
    """Yield what web will refuse in its key folder, and an advisory if it lacks a newer key of `agreed`."""
    try:
        refuse_private_keys(folder)
    except KeyFileError as fault:
        yield str(fault)
        return
    for name in (*(hotline.id for hotline in hotlines), SENDER_KEY):
        try:
            yield from _web_key_faults(folder, agreed, name)
        except KeyFileError as fault:
            yield str(fault)


def _web_key_faults(folder: Path, agreed: Path, name: str) -> Iterator[str]:
    web_keys, source_keys = list_keys(folder, name), list_keys(agreed, name)
    if not web_keys:
        yield f"{folder}, the key folder of web, has no public key of {name}. Run: tokaut keys publish"
    elif source_keys and _is_destroyed(web_keys[0].public.key_id, source_keys):
        yield (
            f"web seals to a key of {name} whose private half is not under {agreed / 'private'}: nobody can "
            f"open these reports. Run tokaut keys publish, restart web, then restore that key from a copy or "
            f"its sheet: tokaut keys restore {name}"
        )
    elif source_keys and web_keys[0].public.key_id != source_keys[0].public.key_id:
        yield Advisory(f"web still seals to an older key of {name}. Run tokaut keys publish, then restart web.")


def _is_destroyed(key_id: str, source_keys: Iterable[ListedKey]) -> bool:
    """Return whether the private half of a key is missing where another key of the hotline has its own."""
    with_private_half = [key.public.key_id for key in source_keys if key.has_private_key]
    return bool(with_private_half) and key_id not in with_private_half


def _key_mode_faults(folder: Path, mode: Mode) -> Iterator[str]:
    try:
        refuse_keys(folder, mode)
        if mode == Mode.LIVE and not load_verify_keys(folder):
            yield "No key signs the audit's checkpoints, so nobody can show later that nothing was left out of it. " + (
                f"Make one: tokaut keys new {AUDIT_KEY}"
            )
    except (SettingError, KeyFileError) as fault:
        yield str(fault)


def pepper_faults(own: PepperSettings) -> Iterator[str]:
    """Yield a fault if the pepper of phone numbers cannot be loaded."""
    try:
        load_pepper(own.pepper_file)
    except SettingError as error:
        yield str(error)


def database_faults(common: CommonSettings, mode: Mode) -> Iterator[str]:
    """Check that the database answers, has the schema of this release, and is durable; also its audit chain and clocks.

    A missing embedded database is reported, not created.
    """
    if not common.has_database:
        yield missing_database(common)
        return
    try:
        with closing(Database(common.database_url, threads=1)) as database:
            yield from database.durability_faults()
            refuse_wrong_database(database, mode, "")
            yield from _operator_faults(database, common)
            yield from _chain_faults(database)
            yield from _clock_faults(database)
    except (InvalidDatabaseURL, WrongDatabase) as wrong:
        yield str(wrong)
    except PermissionDenied as denied:
        yield f"{denied.sentence}. Its rights come from `tokaut migrate` under {OWNER} (docs/operating/postgresql.md)."
    except DatabaseUnavailable as unavailable:
        yield file_fault(common.database_file) or describe_outage(unavailable, "Start it.", SERVED_FROM_SPOOL)


def _operator_faults(database: Database, common: CommonSettings) -> Iterator[str]:
    """Yield the hotlines that the database assigns to another console than TOKAUT_OPERATORS and the country files."""
    countries, _ = read_countries(common, Mode.DEMO)
    if countries is None:  # a fault of its own
        return
    operators = common.operators
    expected = None if operators is None else console_hotlines.assign_hotlines(operators, countries)
    yield from console_hotlines.list_faults(database, expected)


def _chain_faults(database: Database) -> Iterator[str]:
    try:
        yield from filter(None, [verify_chain(database).fault])
    except PermissionDenied:  # web's account may write the audit log, but not read it
        return


def _clock_faults(database: Database) -> Iterator[str]:
    """Yield differences between the clocks of hosts, rows written while a clock was wrong, and a missing scheduler."""
    skew = _clock_skew(database)
    if skew is None:
        return
    yield from skew.faults()
    yield from map(Advisory, skew.notes())
    if skew.has_no_leader and (skew.leader_until or 0) < 0:
        yield Advisory(
            f"No clock process has been the scheduler for {clock_skew.format_duration(skew.leader_until or 0)}. "
            f"{clock_skew.START_CLOCK}"
        )


def _clock_skew(database: Database) -> clock_skew.ClockSkew | None:
    """Measure the clock skew as far as this account may see it.

    Returns None for the worker's account, which may read neither leases nor drafts.
    """
    try:
        return clock_skew.measure_skew(database, attempts=True)
    except PermissionDenied:  # web's account may not read delivery attempts
        with suppress(PermissionDenied):
            return clock_skew.measure_skew(database)
    return None


def folder_faults(common: CommonSettings) -> Iterator[str]:
    """Check that the spool can be written, that the folders are private."""
    spool = common.data / "spool"
    existing = next(path for path in (spool, *spool.parents) if path.exists())
    if not os.access(existing, os.W_OK | os.X_OK):
        yield (
            f"{existing} is not writable, and without the spool no report is stored while the database is unavailable; "
            "chown it."
        )
    for name, path in (("TOKAUT_DATA", common.data), (str(spool), spool)):
        if fault := require_private_folder(path):  # the rule that live mode applies to the setting
            yield f"{name} {fault}"


def backup_faults(common: CommonSettings, mode: Mode) -> Iterator[str]:
    """Check the age of the last backup: a fault in live mode, an advisory in training mode, nothing in a demo."""
    if mode == Mode.DEMO:
        return
    if not common.has_database:
        yield Advisory("There is no database, and so no backup of it.")
        return
    for path in old_database_files(common.database_file) if common.database_file else ():
        if time.time() - path.stat().st_mtime > KEEP_DAYS * DAY_SECONDS:
            yield Advisory(
                f"{path} has reports that were deleted since: delete it, as backups are after {KEEP_DAYS} days."
            )
    marker = marker_path(common.database_url, common.data)
    age = backup_age_seconds(marker)
    if age > BACKUP_SECONDS:
        if math.isinf(age) and marker.exists():
            last = f"{marker} is from a time that has not come, so nobody knows when the last backup was made."
        elif math.isinf(age):
            last = "No backup was ever made. If the disk fails, everything is lost."
        else:
            last = f"The last backup is {age / 3600:.0f} h old. If the disk fails, everything since then is lost."
        command = (
            "tokaut backup <folder>"
            if common.database_file
            else (f"back it up with PostgreSQL's own tools, then touch {marker} (docs/operating/restore.md#postgresql)")
        )
        sentence = f"{last} Every 15 minutes: {command}"
        yield sentence if mode == Mode.LIVE else Advisory(sentence)


def _channel_settings(channel: str, packages: Sequence[str] = (*CHANNEL_PACKAGES, *SENDER_PACKAGES)) -> Iterator[type]:
    """Yield the settings classes of a channel's inbound and outbound modules."""
    for package in packages:
        try:
            module = importlib.import_module(f"{package}.{channel}")
        except ModuleNotFoundError:
            continue
        if isinstance(settings := getattr(module, "Settings", None), type):
            yield settings
