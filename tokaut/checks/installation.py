"""What `tokaut check` looks at. Each look gives sentences: what is wrong, and what to do. None changes anything."""

from __future__ import annotations

import importlib
import math
import os
import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing, suppress
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Final

from reports.audit.signing_keys import AUDIT_KEY, load_verify_keys
from reports.countries.country import Countries, Country, CountryError, load_countries
from reports.countries.hotline import Hotline, ModeName
from reports.crypto.key_files import (
    SENDER_KEY,
    KeyFileError,
    list_keys,
    load_private_keys,
    load_public_keys,
    refuse_private_keys,
)
from reports.crypto.mode_marks import refuse_keys
from reports.crypto.phone_pepper import load_pepper
from reports.store.database_check import WrongDatabase, refuse_wrong_database
from reports.store.engine.database import Database, DatabaseUnavailable, InvalidDatabaseURL, PermissionDenied
from reports.store.operations import clock_skew
from reports.store.operations.maintenance import backup_age_seconds, marker_path
from reports.store.privileges.rights import OWNER
from runtime.settings import (
    SHARED_SETTINGS,
    CommonSettings,
    Mode,
    OperatorSettings,
    PepperSettings,
    SettingError,
    collect_settings,
    find_reused_secrets,
    hotline_settings,
    load_settings,
    secrets_in_environment,
    try_load,
)
from runtime.settings.environment import settings_of_class
from runtime.settings.parsers import require_private_folder
from tokaut.checks.advisory import Advisory
from tokaut.checks.audit_chain import verify_chain
from workers.app import alert_channel_faults, hotline_dependencies
from workers.delivery import registry

REDIS: Final = "REDIS_"
USED_BY_HOTLINES: Final = frozenset({"SMTP_URL", "SMTP_PRIVATE", "SMTP_CA_FILE", "CONSOLE_URL"})
CHANNEL_PACKAGES: Final = ("gateway.channels",)
SENDER_PACKAGES: Final = ("workers.senders",)
MODES: Final[tuple[ModeName, ...]] = ("live", "training", "demo")
BACKUP_SECONDS: Final = 3600
LITTLE_SPACE: Final = 1_000_000_000  # bytes; below it an operator has time to act


def common_settings(environ: Mapping[str, str]) -> CommonSettings:
    """Return the shared settings in the mode that was asked for.

    A setting that is missing or wrong gets the demo's default, so that the rest can be checked too. The mode is never
    the demo's: addresses of hotlines are judged by it.
    """
    as_demo = {**environ, "TOKAUT_MODE": "demo"}
    wrong = {fault.name for fault in collect_settings([CommonSettings], as_demo)[1]}
    if any(name.startswith(REDIS) for name in wrong):  # they stand and fall together
        wrong |= {name.removesuffix("_FILE") for name in as_demo if name.startswith(REDIS)}
    readable = {name: value for name, value in as_demo.items() if name.removesuffix("_FILE") not in wrong}
    return replace(load_settings(CommonSettings, readable), mode=Mode(mode_of(environ)))


def operator_settings(environ: Mapping[str, str]) -> OperatorSettings:
    """Return the operator's settings as far as hotlines use them: the mail server and the address of the console.

    The people on call are left out. Without them live mode does not start, and hotlines must be checked all the same.
    """
    used = {name: value for name, value in environ.items() if name.removesuffix("_FILE") in USED_BY_HOTLINES}
    found, faults = try_load(OperatorSettings, used | {"TOKAUT_MODE": "demo"})
    if found is not None:
        return found
    wrong = {fault.name for fault in faults}
    return load_settings(
        OperatorSettings, {name: value for name, value in used.items() if name.removesuffix("_FILE") not in wrong}
    )


def mode_of(environ: Mapping[str, str]) -> ModeName:
    """Return the mode that files are checked for; the strictest where the setting itself is wrong."""
    wanted = environ.get("TOKAUT_MODE", "").strip() or "demo"
    return next((mode for mode in MODES if mode == wanted), "live")


def setting_faults(environ: Mapping[str, str], *, of_worker: bool = False) -> Iterator[str]:
    """Every setting of every process, or of worker and clock alone; and names that nothing reads."""
    for channel in common_settings(environ).channels:
        if not list(_classes_beside(channel)):
            yield f"CHANNELS names {channel}, and there is no such channel; look into gateway/channels"
    yield from map(str, collect_settings(_classes(environ, of_worker=of_worker), environ)[1])


def secret_faults(environ: Mapping[str, str], hotlines: Iterable[Hotline], *, of_worker: bool = False) -> Iterator[str]:
    """Yield each secret that two settings share, whichever processes read them; in live mode a note for each in the
    environment, where every process of the same account can read it.
    """
    of_hotlines = hotline_settings({hotline.id: registry.settings_class(hotline.delivery) for hotline in hotlines})
    classes = _classes(environ, of_worker=of_worker)
    every = {one.name: one for cls in classes for one in settings_of_class(cls).values()} | dict(of_hotlines)
    yield from map(str, find_reused_secrets(every, environ))
    if mode_of(environ) == "live":
        for name in secrets_in_environment(every, environ):
            yield Advisory(f"{name} is in the environment, where /proc shows it. Name a file instead: {name}_FILE")


def _classes(environ: Mapping[str, str], *, of_worker: bool) -> list[type]:
    """Return the classes of settings of every process, or of worker and clock alone."""
    packages, shared = (
        (SENDER_PACKAGES, (CommonSettings, OperatorSettings))
        if of_worker
        else ((*CHANNEL_PACKAGES, *SENDER_PACKAGES), SHARED_SETTINGS)
    )
    beside = [cls for channel in common_settings(environ).channels for cls in _classes_beside(channel, packages)]
    return [*shared, *beside]


def hotline_faults(environ: Mapping[str, str], hotlines: Iterable[Hotline]) -> Iterator[str]:
    listed = tuple(hotlines)
    for hotline in listed:
        if hotline.delivery not in registry.hotline_kinds():
            known = ", ".join(registry.hotline_kinds())
            yield f"hotline {hotline.id}: its delivery is {hotline.delivery}; it can be {known}"
    found = registry.read_settings(environ, listed)
    yield from map(str, (*found.unknown, *found.faults))
    common, given = common_settings(environ), collect_settings([OperatorSettings], environ)[0]
    if OperatorSettings in given:
        yield from map(str, alert_channel_faults(common, given[OperatorSettings]))
    operator = operator_settings(environ)
    yield from registry.setup_faults(environ, listed, lambda hotline: hotline_dependencies(common, operator, hotline))


def hotlines_left_out(environ: Mapping[str, str]) -> tuple[str, ...]:
    """Return the ids of the hotlines that the worker cannot set up with these settings.

    Nothing is returned where the environment holds no setting of a hotline: it is not the worker's then.
    """
    if not any(name.startswith("HOTLINE_") for name in environ):
        return ()
    common, operator = common_settings(environ), operator_settings(environ)
    found, _ = read_countries(common, mode_of(environ))
    listed = found.hotlines if found else ()
    return registry.unconfigured_hotlines(
        environ, listed, lambda hotline: hotline_dependencies(common, operator, hotline)
    )


def country_faults(found: Countries, mode: ModeName, today: date) -> Iterator[str]:
    yield from found.problems(mode)
    for country in found:
        yield from country.overdue(today)


def read_countries(
    common: CommonSettings, mode: ModeName, only: str | None = None, *, as_written: bool = False
) -> tuple[Countries | None, tuple[str, ...]]:
    """The files, or what keeps them from being read."""
    try:
        return load_countries([only] if only else common.countries, mode, common.country_dir, as_written=as_written), ()
    except CountryError as error:
        return None, error.lines


def read_country(common: CommonSettings, iso: str) -> Country | None:
    """As people see it in the demo, where numbers are shown that nobody has confirmed; None where it cannot be read."""
    found, _ = read_countries(common, "demo", iso, as_written=True)
    return found.get(iso) if found else None


def key_faults(folder: Path, mode: ModeName, hotlines: Iterable[Hotline]) -> Iterator[str]:
    """Both halves of each hotline's pair and of the sender's, and whether the card names the key that is here."""
    yield from _marks(folder, mode)
    wanted = {hotline.id: hotline.card.key_id for hotline in hotlines} | {SENDER_KEY: ""}
    for hotline, agreed in wanted.items():
        try:
            load_public_keys(folder, [hotline])
            if load_private_keys(folder, [hotline]).missing():
                yield (
                    f"The private key of {hotline} is not under {folder / 'private'}: its reports wait. Put it back "
                    f"from its copy, or from its sheet: tokaut keys restore {hotline}"
                )
            here = {one.public.key_id for one in list_keys(folder, hotline)}
        except KeyFileError as fault:
            yield str(fault)
            continue
        if agreed and agreed not in here:
            yield (
                f"hotline {hotline}: its card says key {agreed}, and {folder} holds {', '.join(sorted(here))}. Ask the "
                "hotline for the key id over the phone, then mend whichever is wrong."
            )


def web_key_faults(folder: Path, agreed: Path, hotlines: Iterable[Hotline]) -> Iterator[str]:
    """Yield what web will refuse about its folder of keys, and a note where it lacks a newer key of `agreed`."""
    wanted = [*(hotline.id for hotline in hotlines), SENDER_KEY]
    try:
        refuse_private_keys(folder)
        for one in wanted:
            here, current = list_keys(folder, one), list_keys(agreed, one)
            if not here:
                yield f"No public key of {one} under {folder / 'public'}, where web reads. Run: tokaut keys publish"
            elif current and here[0].public.key_id != current[0].public.key_id:
                yield Advisory(f"web still seals to an older key of {one}. Run tokaut keys publish, then restart web.")
    except KeyFileError as fault:
        yield str(fault)


def _marks(folder: Path, mode: ModeName) -> Iterator[str]:
    try:
        refuse_keys(folder, mode)
        if mode == "live" and not load_verify_keys(folder):
            yield "No key signs the audit's checkpoints, so nobody can show later that nothing was left out of it. " + (
                f"Make one: tokaut keys new {AUDIT_KEY}"
            )
    except (SettingError, KeyFileError) as fault:
        yield str(fault)


def pepper_faults(own: PepperSettings) -> Iterator[str]:
    try:
        load_pepper(own.pepper_file)
    except SettingError as error:
        yield str(error)


def database_faults(common: CommonSettings, mode: ModeName) -> Iterator[str]:
    """Reached, at the schema of this release, and durable. An embedded one that is not there is not made here."""
    if not common.has_database:
        yield (
            f"There is no database {common.database_file}. If there was one, stop all and restore it: tokaut restore "
            "<file>. If this is a new box: tokaut migrate"
        )
        return
    try:
        with closing(Database(common.database_url, threads=1)) as found:
            yield from found.durability_faults()
            refuse_wrong_database(found, mode, "")
            yield from _chain(found)
            yield from _times(found)
    except (InvalidDatabaseURL, WrongDatabase) as wrong:
        yield str(wrong)
    except PermissionDenied as denied:
        yield f"{denied.sentence}. Its rights come from `tokaut migrate` under {OWNER} (docs/operating/postgresql.md)."
    except DatabaseUnavailable as away:
        damaged = str(away) == "DatabaseError"
        todo = "It is damaged: stop all, then tokaut restore <file>" if damaged else "Start it."
        yield f"The database does not answer ({away}). Callers are still served, from the spool. {todo}"


def _chain(database: Database) -> Iterator[str]:
    try:
        yield from filter(None, [verify_chain(database).fault])
    except PermissionDenied:  # web's account writes the audit and cannot read it
        return


def _times(database: Database) -> Iterator[str]:
    """Clocks of hosts that differ, and what was written while one was wrong."""
    found = _looked(database)
    if found is None:
        return
    yield from found.faults()
    yield from map(Advisory, found.notes())
    if found.has_no_leader and (found.led_until or 0) < 0:
        yield Advisory(
            f"No clock has led for {clock_skew.format_duration(found.led_until or 0)}. Start it: python -m "
            f"workers.main clock"
        )


def _looked(database: Database) -> clock_skew.ClockSkew | None:
    """Return what this account may see of the times; None for the worker's, which may see neither leases nor drafts."""
    try:
        return clock_skew.measure_skew(database, attempts=True)
    except PermissionDenied:  # web's account may not read the attempts
        with suppress(PermissionDenied):
            return clock_skew.measure_skew(database)
    return None


def folder_faults(common: CommonSettings) -> Iterator[str]:
    spool = common.data / "spool"
    standing = next(path for path in (spool, *spool.parents) if path.exists())
    if not os.access(standing, os.W_OK | os.X_OK):
        yield f"{standing} is not writable: without the spool no report is taken while the database is away. chown it."
    for name, path in (("TOKAUT_DATA", common.data), (str(spool), spool)):
        if wrong := require_private_folder(path):  # as live mode says it of the setting
            yield f"{name} {wrong}"
    free = shutil.disk_usage(standing).free
    if free < LITTLE_SPACE:
        yield f"Only {free // 1_000_000} MB are free at {standing}; below 200 MB no report is taken into the spool."


def backup_faults(common: CommonSettings, mode: ModeName) -> Iterator[str]:
    """Yield a fault in live mode, a note in training mode where nothing is real, and nothing in a demo."""
    if mode == "demo":
        return
    if not common.has_database:
        yield Advisory("There is no database yet, and so no backup of it.")
        return
    marked = marker_path(common.database_url, common.data)
    age = backup_age_seconds(marked)
    if age > BACKUP_SECONDS:
        last = "No backup was ever made." if math.isinf(age) else f"The last backup is {age / 3600:.0f} h old."
        how = (
            "tokaut backup <folder>"
            if common.database_file
            else (f"back it up with PostgreSQL's own tools, then touch {marked} (docs/operating/restore.md#postgresql)")
        )
        said = f"{last} A dead disk would take what came since with it. Each 15 min: {how}"
        yield said if mode == "live" else Advisory(said)


def _classes_beside(channel: str, packages: Sequence[str] = (*CHANNEL_PACKAGES, *SENDER_PACKAGES)) -> Iterator[type]:
    """The settings that stand beside a channel's way in and its way out."""
    for package in packages:
        try:
            module = importlib.import_module(f"{package}.{channel}")
        except ModuleNotFoundError:
            continue
        if isinstance(found := getattr(module, "Settings", None), type):
            yield found
