"""`tokaut redis`: create the users of Redis or Valkey, and the address for each process."""

from __future__ import annotations

import os
import stat
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import click

from runtime.hardening import harden
from runtime.settings import InvalidValue, parsers
from tokaut.documents.files import writing
from tokaut.redis_acl import (
    ADMIN_USERS,
    PROCESS_USERS,
    SENTINEL_USERS,
    acl_file,
    new_password,
    parse_hashes,
    password_hash,
)
from tokaut.terminal import CommandError, CommandGroup, echo

ACL = "users.acl"
GOES_TO = {
    "web": "web, as REDIS_URL_FILE",
    "webq": "web, as REDIS_QUEUE_URL_FILE",
    "worker": "worker, as REDIS_URL_FILE",
    "clock": "clock, as REDIS_URL_FILE",
    "admin": "you: `valkey-cli --user admin --askpass`",
    "sentinel": "each Sentinel: `sentinel auth-user NAME sentinel` and `sentinel auth-pass NAME …`",
    "replica": "each server: `masteruser replica` and `masterauth`",
}


@click.group(cls=CommandGroup)
def redis() -> None:
    """Give each process a user of its own in Redis or Valkey.

    \b
    Example:  tokaut redis acl /etc/tokaut/redis --at rediss://valkey.internal:6379
    """
    harden()


@redis.command()
@click.argument("folder", type=click.Path(file_okay=False, path_type=Path))
@click.option("--at", required=True, metavar="ADDRESS", help="Address of the server: redis://, rediss:// or unix://.")
@click.option("--admin", is_flag=True, help="Also an administrator, who may do everything.")
@click.option("--sentinel", is_flag=True, help="Also users for Sentinels and for replicas.")
@click.option("--rotate", is_flag=True, help="New passwords; the previous ones stay valid until the next --rotate.")
def acl(folder: Path, at: str, admin: bool, sentinel: bool, rotate: bool) -> None:
    """Write users.acl for the server, and the address with its password for each process, into FOLDER.

    Passwords are generated here and shown nowhere; users.acl has only their hashes. The user `default` is switched off.
    With Sentinels, ADDRESS has the name of REDIS_MASTER in place of a host: redis://tokaut

    \b
    Example:  tokaut redis acl /etc/tokaut/redis --at unix:///run/valkey/valkey.sock --admin
              tokaut redis acl /etc/tokaut/redis --at unix:///run/valkey/valkey.sock --admin --rotate

    Next: put each file where the last lines say, restart the server, then the processes, then `tokaut check`.
    """
    rules = {**PROCESS_USERS, **(ADMIN_USERS if admin else {}), **(SENTINEL_USERS if sentinel else {})}
    _refuse_address(at)
    with writing(folder, "Run this as root."):
        written = _write(folder.absolute(), at, rules, rotate=rotate)
    _print_next_steps(folder.absolute(), written, rotate=rotate)


def _refuse_address(at: str) -> None:
    try:
        parsers.redis_address(at)
    except InvalidValue as invalid:
        raise CommandError(f"--at {invalid}") from None
    parts = urlsplit(at)
    if parts.username is not None or parts.password is not None:
        raise CommandError("--at holds a user or a password; leave them out: each process gets its own.")
    if parts.query or (parts.scheme != "unix" and parts.path.strip("/") not in {"", "0"}):
        raise CommandError(
            "--at names a database other than 0, and these users may not go there. Use a server of its own."
        )


def _write(folder: Path, at: str, rules: Mapping[str, str], *, rotate: bool) -> list[tuple[str, Path]]:
    """Write all files, and return each user with its file.

    The server's file comes first: a process can do nothing with a password that the server does not know.
    """
    previous = _previous_hashes(folder, rotate=rotate)
    if not folder.exists():
        folder.mkdir(parents=True)
        folder.chmod(0o711)  # each account can open its own file, but not list the folder
    passwords = {user: new_password() for user in rules}
    hashes = {user: [password_hash(password), *previous.get(user, ())] for user, password in passwords.items()}
    _write_private(folder / ACL, acl_file(rules, hashes))
    written = []
    for user, password in passwords.items():
        path = folder / (f"{user}.url" if user in PROCESS_USERS else f"{user}.password")
        _write_private(path, (_address(at, user, password) if user in PROCESS_USERS else password) + "\n")
        written.append((user, path))
    return written


def _previous_hashes(folder: Path, *, rotate: bool) -> Mapping[str, list[str]]:
    """Return the newest hash of each existing user, which stays valid until the next rotation.

    Raises CommandError if there are users and `rotate` is False.
    """
    path = folder / ACL
    if not path.exists():
        return {}
    if not rotate:
        raise CommandError(f"{path} is there already. For new passwords: tokaut redis acl {folder} … --rotate")
    return {user: hashes[:1] for user, hashes in parse_hashes(path.read_text(encoding="ascii")).items()}


def _address(at: str, user: str, password: str) -> str:
    parts = urlsplit(at)
    return urlunsplit(parts._replace(netloc=f"{user}:{password}@{parts.netloc}"))


def _write_private(path: Path, text: str) -> None:
    """Write a file as a whole, never readable by others. An existing file keeps its owner and mode."""
    existing = path.stat() if path.exists() else None
    temporary = path.with_name(f"{path.name}.new")
    temporary.unlink(missing_ok=True)
    with os.fdopen(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="ascii") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    if existing is not None and os.getuid() == 0:
        os.chown(temporary, existing.st_uid, existing.st_gid)
        temporary.chmod(stat.S_IMODE(existing.st_mode))
    temporary.rename(path)


def _print_next_steps(folder: Path, written: list[tuple[str, Path]], *, rotate: bool) -> None:
    echo(f"Written, mode 0600. Give each to the account that reads it (chown):\n\n  {folder / ACL}")
    echo(f"      for the server: `aclfile {folder / ACL}`, and neither `requirepass` nor `user` lines beside it")
    for user, path in written:
        echo(f"  {path}\n      for {GOES_TO[user]}")
    if rotate:
        echo(
            "\nThe previous passwords stay valid until the next --rotate. Now: `ACL LOAD` as admin, or restart the "
            "server; then restart the processes."
        )
    else:
        echo("\nNow: restart the server, then the processes, then `tokaut check` with the settings of each.")
