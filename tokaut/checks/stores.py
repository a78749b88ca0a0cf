"""The checks of web's stores outside the database (Redis, session keys, the spool), and of the audit log."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from redis import Redis
from redis.exceptions import NoPermissionError, RedisError, ResponseError
from rich.console import Console
from rich.progress import track

from gateway.sessions.keys import MAX_SECONDS, NAME
from reports import audit
from reports.audit import AuditEntry, ChainLink, ChainVerification
from reports.crypto import RecordCipher
from reports.store import audit_log
from reports.store.database_check import OTHER_STORE_KEY, key_check_values
from reports.store.engine.database import Database, DatabaseUnavailable, InvalidDatabaseURL, PermissionDenied
from reports.store.operations import spool_status
from reports.store.operations.spool_status import WEB, SpoolStatus, process_name
from reports.store.spool import Spool
from runtime import host_id
from runtime.redis_clients import describe_error, is_certificate_fault, queue_client, session_client
from runtime.settings import (
    CommonSettings,
    InstallationSettings,
    RedisAddress,
    WebSecrets,
    collect_settings,
    load_settings,
)
from tokaut.checks import disk
from tokaut.checks.live_checklist import Advisory

WITHOUT_REDIS = (
    "Calls over Africa's Talking continue; other callers by USSD get only the emergency numbers, and SMS wait."
)


def redis_faults(common: CommonSettings, *, live: bool) -> Iterator[str]:
    """Check that Redis answers each user, persists its data and evicts none.

    In live mode the user `default` is a fault.
    """
    server_info: Mapping[str, Any] | None = None
    for name, address, connect in _users(common):
        try:
            server_info = _server_info(connect, address) or server_info
        except (RedisError, OSError) as error:
            if isinstance(error, ResponseError) and not isinstance(error, NoPermissionError):  # it runs
                fact, remedy = "refuses to write", f" Often its disk is full: look into its log, and {disk.DOCS_PAGE}"
            else:
                fact, remedy = (
                    "does not answer",
                    "" if is_certificate_fault(error) else f" Start it, or correct {name}.",
                )
            yield f"Redis {fact} ({describe_error(error)}). {WITHOUT_REDIS}{remedy}"
            return
        if live and address.username in {None, "default"}:
            yield (
                f"{name} names no user, and Redis lets its user `default` do everything. Give each process a user of "
                "its own: tokaut redis acl"
            )
    if server_info is None:
        yield Advisory(
            "These users may not ask Redis whether it keeps everything. As its administrator look there: "
            "CONFIG GET maxmemory-policy must say noeviction, CONFIG GET appendonly must say yes, "
            "CONFIG GET save nothing."
        )
        return
    if server_info.get("maxmemory_policy") != "noeviction":
        yield "Redis may evict data; set maxmemory-policy noeviction there."
    if not server_info.get("aof_enabled"):
        yield "Redis keeps nothing over a restart: running calls would be cut. Set appendonly yes there."
    elif server_info.get("aof_last_bgrewrite_status", "ok") != "ok":
        yield (
            "Redis could not rewrite its append-only file, so names of conversations that are over stay in it. "
            "Look into its log: often its disk is full, or it may not start a process (vm.overcommit_memory)."
        )
    if server_info.get("rdb_saves"):
        yield Advisory(
            f"Redis has written {server_info['rdb_saves']} dumps of all that it holds. Unless a replica asked for "
            "them, "
            'switch that off: save ""'
        )


def _users(common: CommonSettings) -> Iterator[tuple[str, RedisAddress, Callable[[RedisAddress], Redis]]]:
    yield "REDIS_URL", common.session_redis, session_client
    if common.queue_redis != common.session_redis:
        yield "REDIS_QUEUE_URL", common.queue_redis, queue_client


def _server_info(connect: Callable[[RedisAddress], Redis], address: RedisAddress) -> Mapping[str, Any] | None:
    """Return the server's info; None if this user may not read it, which is normal for a process."""
    with connect(address) as client:
        client.ping()
        try:
            return {**client.info("memory"), **client.info("persistence")}
        except NoPermissionError:
            return None


# The check of the session key file, which web creates and renews.


def session_key_faults(data: Path) -> Iterator[str]:
    """Check that only this account can read the file, and that it was renewed within the hour.

    Before web's first start there is no file, and no fault.
    """
    path = data / NAME
    try:
        status = path.stat()
    except OSError:
        return
    if status.st_mode & 0o077:
        yield f"{path} can be read by other accounts, and opens running conversations; chmod 0600 {path}"
    if not os.access(data, os.W_OK | os.X_OK):
        yield f"{data} is not writable, so {NAME} is never renewed and old conversations can be opened; chown it."
    elif (age := time.time() - status.st_mtime) > MAX_SECONDS:
        yield Advisory(
            f"{path} was last renewed {age / 3600:.0f} h ago, by a web that ran then. Until web runs again it opens "
            "what Redis kept of the last conversations. If web is not to run again, delete it."
        )


# The check of the reports in web's spool and of the key they are sealed with.


def spool_faults(common: CommonSettings, environ: Mapping[str, str], *, of_worker: bool = False) -> Iterator[str]:
    """Yield a sentence for each missing host, and for each spool with reports that are late or do not open."""
    settings = None if of_worker else collect_settings([WebSecrets], environ)[0]
    cipher = RecordCipher(settings[WebSecrets].store_key.reveal()) if settings and WebSecrets in settings else None
    statuses: dict[str, SpoolStatus] = {}
    if common.has_database:
        with (
            suppress(InvalidDatabaseURL, DatabaseUnavailable),
            closing(Database(common.database_url, threads=1)) as database,
        ):
            with suppress(PermissionDenied):  # the accounts of worker and console may not read it
                statuses |= {status.host: status for status in spool_status.list_statuses(database)}
            with suppress(PermissionDenied):
                if cipher and not spool_status.matches_store_key(database, key_check_values(cipher)):
                    yield OTHER_STORE_KEY
    with suppress(OSError):  # other accounts may not enter web's folder
        if cipher and (folder := common.data / "spool").is_dir():
            host = common.host_name or host_id.find(common.data) or "this host"
            own_status = Spool(folder, cipher).status(process_name(host, WEB))
            if row := statuses.get(own_status.host):
                own_status = replace(own_status, unseen=row.unseen, redis_down=row.redis_down)
            statuses[own_status.host] = own_status
    for status in statuses.values():
        yield from status.faults()
        yield from map(Advisory, status.notes())


# Verify the audit chain: each entry's digest, and the signed checkpoints.


def verify_chain(database: Database) -> ChainVerification:
    """Verify the whole chain and its signed checkpoints.

    A signature counts as invalid if its public key is not on this machine. Raises DatabaseUnavailable.
    """
    keys = audit.load_verify_keys(load_settings(InstallationSettings, os.environ).keys)

    def is_valid(key_id: str, signature: bytes, data: bytes) -> bool:
        return key_id in keys and keys[key_id].holds(signature, data)

    rows = track(chained_rows(database), "Walking the chain", console=Console(stderr=True), transient=True)
    mode = audit_log.database_mode(database)
    return audit.verify_chain(
        audit.chain_rows(rows), audit_log.list_checkpoints(database), mode, is_valid, database.now()
    )


def chained_rows(database: Database) -> Iterator[tuple[AuditEntry, ChainLink]]:
    """Yield all entries of the chain in order, loaded one page at a time."""
    after = 0
    while page := audit_log.list_chained(database, after):
        yield from page
        after = page[-1][1].seq
