"""`tokaut keys`: the key pairs that reports are sealed to, and the secrets of the processes."""

from __future__ import annotations

import os
from collections.abc import Iterable
from contextlib import closing
from pathlib import Path

import click
from rich.progress import Progress

from reports import audit
from reports.audit import AUDIT_KEY
from reports.crypto import PublicKey
from reports.crypto.key_files import (
    create_key_pair,
    has_no_keys,
    hotlines_with_keys,
    list_keys,
    load_private_keys,
    lost_public_keys,
    mark_keys,
    read_private_key,
    refuse_keys,
    restore_private_key,
)
from reports.crypto.key_files import destroy_private_key as destroy_key
from reports.crypto.key_files import publish_public_keys as publish_keys
from reports.crypto.phone_pepper import rotate_pepper
from reports.store.engine.database import Database, DatabaseUnavailable, InvalidDatabaseURL
from reports.store.operations import delivery_actions, spool_status
from reports.store.operations.key_rotation import count_by_key, count_outdated, rewrap_rows
from reports.store.operations.spool_status import SpoolStatus
from runtime.hardening import harden
from runtime.settings import InstallationSettings, PepperSettings, WebKeySettings, load_settings
from runtime.settings.parsers import new_secret, new_webhook_secret
from tokaut.database import installation_settings, open_database
from tokaut.documents import recovery_sheet
from tokaut.terminal import CommandError, CommandGroup, echo, refuse_no_settings

PEPPER = "phone-pepper"
COPIES = "Burn its recovery sheet, remove the console's copy and any other, then restart workers, clock and console."


@click.group(cls=CommandGroup)
def keys() -> None:
    """Create, list and rotate keys and secrets.

    Each hotline has a key pair. web seals reports with the public half and cannot open them again. worker and clock
    have the private half, and so does the console if the hotline's staff read there. Run these commands under the
    account of worker and clock, which owns TOKAUT_KEYS.

    \b
    Example:  tokaut keys list
    """
    harden()


@keys.command()
@click.argument("hotline")
@click.option("--sheet", is_flag=True, help="Also print the recovery sheet, once: for paper, never for a file.")
def new(hotline: str, sheet: bool) -> None:
    """Create the first key pair of HOTLINE, the id in its country file.

    Without its private key nobody can read a report. So the hotline has a recovery sheet in a sealed envelope, which is
    opened in a drill once a year. Copy the public half to web and to the console, and the private half to the console
    if this hotline's staff read there; then restart both.

    \b
    Example:  tokaut keys new vu-pikinini --sheet
    """
    settings = installation_settings()
    if fault := lost_public_keys(settings.keys, [hotline]):
        raise CommandError(f"{fault}.")
    if hotline == AUDIT_KEY:
        _new_signer(settings.keys, first=True)
        return
    if list_keys(settings.keys, hotline):
        raise CommandError(f"{hotline} has a key. For a new one that replaces it: tokaut keys rotate {hotline}")
    public = _new_pair(settings, hotline)
    _print_locations(settings.keys, hotline, public)
    if sheet:
        echo(recovery_sheet.sheet_text(hotline, read_private_key(settings.keys, hotline, public.key_id)))


@keys.command()
@click.argument("folder", required=False, type=click.Path(path_type=Path))
def publish(folder: Path | None) -> None:
    """Copy the public keys to the folder that web reads: FOLDER, or else the setting TOKAUT_WEB_KEYS.

    web seals reports with public keys, and does not start if it can read a private one. Run this after each new key
    pair, then restart web.

    \b
    Example:  TOKAUT_WEB_KEYS=/var/lib/tokaut/web-keys tokaut keys publish
    """
    settings = installation_settings()
    target = folder or load_settings(WebKeySettings, os.environ).web_keys
    if target is None:
        raise CommandError("No folder is named. Set TOKAUT_WEB_KEYS, or give one: tokaut keys publish FOLDER")
    changed = publish_keys(settings.keys, target)
    if not hotlines_with_keys(target):
        raise CommandError(
            f"There is no public key under {settings.keys}. Make the pairs first: tokaut keys new HOTLINE"
        )
    files = _counted(changed, "file is", "files are")
    echo(f"{target} has every public key of {settings.keys}; {files} new. Restart web.")


@keys.command("list")
def list_() -> None:
    """List the keys of each hotline, the newest first. web seals to the first one.

    Compare the key ids with the country files: a public key that was replaced has another id.

    \b
    Example:  tokaut keys list
    """
    settings = installation_settings()
    hotlines, audit_keys = hotlines_with_keys(settings.keys), audit.load_verify_keys(settings.keys)
    if not hotlines and not audit_keys:
        raise CommandError(
            f"There is no key under {settings.keys}. Set TOKAUT_KEYS as the services have it, or make a pair: "
            "tokaut keys new HOTLINE"
        )
    for hotline in hotlines:
        for rank, key in enumerate(list_keys(settings.keys, hotline)):
            use = "current" if rank == 0 else "older"
            private_key = "private key here" if key.has_private_key else "private key not here"
            echo(f"{hotline:<24} {key.public.key_id}  {key.made_at:%Y-%m-%d}  {use:<7}  {private_key}")
    for key_id in audit_keys:
        echo(f"{AUDIT_KEY:<24} {key_id}  signs the audit's checkpoints")


@keys.command()
@click.argument("what", metavar="HOTLINE|phone-pepper|_audit|_sender")
@click.option("--sheet", is_flag=True, help="Also print the recovery sheet of the new key, this once.")
@click.option("--rewrap-only", is_flag=True, help="Make no new key; only re-wrap rows under an older one.")
def rotate(what: str, sheet: bool, rewrap_only: bool) -> None:
    """Replace a hotline's keys, or the pepper for phone numbers, with new ones.

    HOTLINE: once a year, when somebody leaves who could reach the keys, and at once on suspicion. Copy the new keys to
    the console first, if this hotline's staff read there, then to web. New reports are sealed to the new key once web
    is restarted with its public half; then run this again with --rewrap-only. The old private key stays until no row
    names it. Destroy it 35 days later, when no backup needs it.

    _sender is the key pair with which web encrypts SMS replies to the worker: rotate it like a hotline's, but leave out
    the console. _audit is the key that signs the checkpoints of the audit.

    phone-pepper: run this once a month from a timer, under web's account, then restart web.

    \b
    Example:  tokaut keys rotate vu-pikinini --sheet
              tokaut keys rotate vu-pikinini --rewrap-only      once web runs with the new key
    """
    if what == PEPPER:
        _rotate_pepper()
        return
    settings = installation_settings()
    if what == AUDIT_KEY:
        _new_signer(settings.keys, first=False)
        return
    existing = list_keys(settings.keys, what)
    if not existing:
        raise CommandError(f"{what} has no key yet. Make one: tokaut keys new {what}")
    public = existing[0].public if rewrap_only else _new_pair(settings, what)
    if not rewrap_only:
        _print_locations(settings.keys, what, public)
        if sheet:
            echo(recovery_sheet.sheet_text(what, read_private_key(settings.keys, what, public.key_id)))
    if settings.has_database:
        _rewrap(settings, what, public, [key.public.key_id for key in existing if key.public.key_id != public.key_id])


@keys.command()
@click.argument("hotline")
def restore(hotline: str) -> None:
    """Restore a private key from its recovery sheet: type the groups of the sheet, which are not shown.

    Practise this once a year on a machine with an empty TOKAUT_KEYS, and compare the key id with the sheet.

    \b
    Example:  tokaut keys restore vu-pikinini
    """
    settings = installation_settings()
    private = recovery_sheet.parse_sheet(click.prompt("Private key and check", hide_input=True))
    refuse_keys(settings.keys, settings.mode)
    public, file_name = settings.keys / "public", f"{private.key_id}.pub"  # by name: other keys may be damaged
    owner = next((name for name in hotlines_with_keys(settings.keys) if (public / name / file_name).exists()), None)
    if owner not in (hotline, None):
        raise CommandError(f"This is the sheet of {owner}, not of {hotline}. Nothing was written.")
    has_others = bool(list_keys(settings.keys, hotline))
    restore_private_key(settings.keys, hotline, private)
    echo(f"{hotline}: the private key {private.key_id} is back.")
    if owner is None and has_others:
        echo(f"No public key of {hotline} here has this id. Is it the sheet of {hotline}?")


@keys.command()
@click.argument("hotline")
@click.argument("key_id")
@click.option(
    "--restarted", is_flag=True, help="web on every host, and the console, were restarted with the newer key."
)
def destroy(hotline: str, key_id: str, *, restarted: bool) -> None:
    """Destroy an older private key of HOTLINE that no row names any more.

    After that nothing that was sealed to it can be opened, also not from an older backup. Do it when no row has named
    the key for 35 days, or at once if what backups contain must be gone at once. It is refused while the public keys of
    web have no newer one, and while a spool may hold reports. The recovery sheet is a copy: burn it too. The console
    may have one: remove it.

    \b
    Example:  tokaut keys destroy vu-pikinini 0123456789abcdef --restarted
    """
    settings = installation_settings()
    web_keys = load_settings(WebKeySettings, os.environ).web_keys or settings.keys
    _refuse_missing_key(settings.keys, hotline, key_id)
    with open_database() as (database, actor):
        _refuse_key_of_web(web_keys, hotline, key_id)
        _refuse_filled_spool(spool_status.list_statuses(database), key_id)
        if not restarted:
            raise CommandError(
                f"A process that was not restarted since the newer key still seals to {key_id}, and nobody could "
                f"open that. Restart web on every host, and the console if it has keys of {hotline}. Then repeat "
                "this with --restarted."
            )
        if rows := count_by_key(database, key_id):
            named = _counted(rows, "row still names", "rows still name")
            raise CommandError(f"{named} {key_id}. First: tokaut keys rotate {hotline} --rewrap-only")
        destroy_key(settings.keys, hotline, key_id)
        delivery_actions.record_action(database, "key_destroyed", f"{hotline}/{key_id}", actor)
    echo(f"{hotline}: the private key {key_id} is destroyed here. {COPIES}")


@keys.command()
@click.option("--webhook", is_flag=True, help="In the form that HOTLINE_<ID>_SECRET and the hotline itself need.")
def secret(webhook: bool) -> None:
    """Print a new secret of 32 random bytes, for TOKAUT_SESSION_KEY, TOKAUT_STORE_KEY or the token of a provider.

    \b
    Example:  umask 077; tokaut keys secret > /etc/tokaut/session_key

    Next: only one account may read the file. Name it in the settings: TOKAUT_SESSION_KEY_FILE=/etc/tokaut/session_key
    """
    echo(new_webhook_secret() if webhook else new_secret())


def _refuse_missing_key(folder: Path, hotline: str, key_id: str) -> None:
    """Refuse an id of which no half is in the folder: it is mistyped. Raises KeyFileError."""
    known = [key.public.key_id for key in list_keys(folder, hotline)]
    if key_id not in known and not (folder / "private" / hotline / f"{key_id}.key").exists():
        raise CommandError(f"{hotline} has no key {key_id} under {folder}. `tokaut keys list` has the ids.")


def _refuse_key_of_web(folder: Path, hotline: str, key_id: str) -> None:
    """Refuse the key to which web seals by its folder of public keys. Raises KeyFileError."""
    if key_id in [key.public.key_id for key in list_keys(folder, hotline)[:1]]:
        raise CommandError(
            f"web seals to {key_id}, the newest key of {hotline} in {folder}. If there is no newer one: tokaut keys "
            f"rotate {hotline}. Then tokaut keys publish, restart web on every host, and tokaut keys rotate {hotline} "
            "--rewrap-only."
        )


def _refuse_filled_spool(statuses: Iterable[SpoolStatus], key_id: str) -> None:
    """Refuse while the spool of a host may hold reports that only this key opens."""
    for status in statuses:
        is_unseen = status.host.endswith(f"/{spool_status.WEB}") and status.unseen > spool_status.SILENT_SECONDS
        if status.may_hold or is_unseen:
            fact = f"may hold {status.may_hold}" if status.may_hold else f"was last seen {status.unseen} s ago"
            raise CommandError(
                f"{status.host} {fact}; what is in its spool may be sealed to {key_id}. Wait until it runs and its "
                "spool is empty, or sign it off: tokaut hosts list"
            )


def _new_signer(folder: Path, *, first: bool) -> None:
    """Create a key that signs checkpoints of the audit. Raises KeyFileError."""
    if first and audit.load_verify_keys(folder):
        raise CommandError(f"{AUDIT_KEY} has a key. For a new one that replaces it: tokaut keys rotate {AUDIT_KEY}")
    public = audit.create_signing_key(folder)
    echo(f"{AUDIT_KEY}: key id {public.key_id}. Tell it to each hotline, by another way than the exports.")


def _new_pair(settings: InstallationSettings, hotline: str) -> PublicKey:
    """Create a key pair. The first pair also marks the folder with the mode. Raises KeyFileError, SettingError."""
    refuse_keys(settings.keys, settings.mode)
    first = has_no_keys(settings.keys)
    public = create_key_pair(settings.keys, hotline)
    if first:
        mark_keys(settings.keys, settings.mode)
    return public


def _rotate_pepper() -> None:
    refuse_no_settings(os.environ)
    path = load_settings(PepperSettings, os.environ).pepper_file
    renewed = rotate_pepper(path)
    echo(f"{path} holds a new pepper{' and last month’s' if renewed else ''}. Restart web.")


def _rewrap(settings: InstallationSettings, hotline: str, public: PublicKey, old: Iterable[str]) -> None:
    try:
        database = Database(settings.database_url, offset=settings.clock_offset)
        with closing(database), Progress(transient=True) as progress:
            task = progress.add_task("Re-wrapping", total=count_outdated(database, hotline, public.key_id))
            keys = load_private_keys(settings.keys, [hotline])
            result = rewrap_rows(database, keys, hotline, public, lambda rows: progress.advance(task, rows))
            remaining = {key_id: count_by_key(database, key_id) for key_id in old}
    except (DatabaseUnavailable, InvalidDatabaseURL) as error:
        command = f"tokaut keys rotate {hotline} --rewrap-only"
        raise CommandError(
            f"The older rows were not re-wrapped ({error}); they open as before. Later: {command}"
        ) from None
    echo(f"{_counted(result.done, 'row is', 'rows are')} under the new key now.")
    for key_id, rows in remaining.items():
        named = _counted(rows, "row still names it", "rows still name it") if rows else "no row names it any more"
        echo(f"Older key {key_id}: {named}.")
    if result.unreadable:
        unreadable = _counted(result.unreadable, "row", "rows")
        raise CommandError(f"{unreadable} did not open and kept the old key. Is its private key here?")


def _counted(count: int, one: str, many: str) -> str:
    return f"{count} {one if count == 1 else many}"


def _print_locations(folder: Path, hotline: str, public: PublicKey) -> None:
    echo(f"{hotline}: key id {public.key_id}")
    public_half, private_half = (folder / half / hotline / public.key_id for half in ("public", "private"))
    echo(f"  private  {private_half}.key   for worker and clock; for the console where their staff read there")
    echo(f"  public   {public_half}.pub   for console and web: tokaut keys publish; restart the console, then web")
