"""Code and PIN: how the reporter, and nobody else, finds the report again.

Both are derived from the report's origin key, so a repeat of Send shows the same ones with no session at all, and they
are kept nowhere: the database holds keyed hashes. A 4-digit PIN is safe against a thief of the database because the key
is elsewhere; against a thief of both, no hash would be slow enough.
"""

from __future__ import annotations

from collections.abc import Callable

import structlog

from reports.code import code, pin
from reports.sealing import Poison, Private, Vault, new_mailbox, open_answer, open_mailbox
from reports.store.database import Database
from reports.store.filing import Mailbox
from reports.store.mailboxes import Answer, Opened
from reports.store.tries import Limit, try_pin

log = structlog.get_logger()

TRIES = 5
LOCKED_MICROSECONDS = 24 * 3600 * 1_000_000
LIMIT = Limit(TRIES, LOCKED_MICROSECONDS)


def code_and_pin(vault: Vault, origin_key: bytes, n: int) -> tuple[str, str]:
    """The n-th code of a report, and its PIN."""
    drawn = vault.mac("code", origin_key, str(n))
    return code(drawn), pin(vault.mac("pin-digits", origin_key, str(n)))


def drawer(vault: Vault, origin_key: bytes) -> Callable[[int], Mailbox]:
    """What is kept of the n-th code: hashes, and a key pair whose private half opens with code and PIN only."""

    def draw(n: int) -> Mailbox:
        digits, secret = code_and_pin(vault, origin_key, n)
        public, sealed = new_mailbox(vault.mac("mailbox", digits, secret))
        return Mailbox(vault.mac("code-kept", digits), vault.mac("pin", digits, secret), public, sealed)

    return draw


def open_report(database: Database, vault: Vault, digits: str | None, secret: str | None) -> str | None:
    """The report's id for a right code and PIN; None for a wrong code, a wrong PIN, a locked one: all the same.

    `digits` is None where the check digit was wrong: that is no try. Five wrong PINs lock a code for 24 hours.
    Raises `Away`.
    """
    codes, pins = vault.macs("code-kept", digits or ""), vault.macs("pin", digits or "", secret or "")
    report_id, locked = try_pin(database, codes, pins, LIMIT)
    for one in locked:
        log.warning("mailbox_locked", report_id=one)  # somebody guesses, or has forgotten the PIN
    return report_id


def read(vault: Vault, pair: tuple[str, str], mode: str, found: Opened) -> tuple[str, ...]:
    """What staff wrote, the newest first; `pair`: code and PIN.

    What does not open was for a mailbox that an earlier code had.
    """
    private = _private(vault, pair, found.sealed_key)
    read = [] if private is None else [_opened(private, mode, found.report_id, one) for one in found.answers]
    return tuple(words for words in read if words is not None)


def _private(vault: Vault, pair: tuple[str, str], sealed: bytes) -> Private | None:
    for under in vault.macs("mailbox", *pair):
        try:
            return open_mailbox(under, sealed)
        except Poison:
            continue
    return None


def _opened(private: Private, mode: str, report_id: str, one: Answer) -> str | None:
    try:
        return open_answer(private, mode, report_id, one.answer_id, one.sealed)
    except Poison:
        return None
