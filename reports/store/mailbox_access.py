"""Code and PIN: how the reporter, and nobody else, finds the report again.

Both are derived from a secret of the conversation that is never stored outside its sealed session, so a repeat of Send
shows the same ones. The database holds one slow hash of both, so database and keys together only allow guessing: 10^11
pairs, some milliseconds each (docs/decisions/0063-derive-code-and-pin-from-a-secret-of-the-session.md).
"""

from __future__ import annotations

from collections.abc import Iterator

import structlog

from reports.access_codes import derive_code, derive_pin
from reports.crypto import (
    DecryptError,
    PrivateKey,
    RecordCipher,
    keyed_hash,
    new_mailbox_keys,
    open_answer,
    open_mailbox_key,
    slow_hash,
)
from reports.store.engine.database import Database
from reports.store.mailboxes.correspondence import MailboxAnswer, MailboxView
from reports.store.mailboxes.pin_throttle import BUCKETS, PinGuess, PinResult, verify_pair
from reports.store.submissions import MailboxRecord

log = structlog.get_logger()


def code_and_pin(cipher: RecordCipher, secret: bytes) -> tuple[str, str]:
    """Return the code and the PIN of a report. `secret`: of its conversation."""
    return derive_code(cipher.mac("code", secret)), derive_pin(cipher.mac("pin-digits", secret))


def create_mailbox(cipher: RecordCipher, secret: bytes) -> MailboxRecord:
    """Return what is stored of code and PIN: a slow hash, and a key pair whose private half opens with both only."""
    slow = next(_slow_hashes(cipher, code_and_pin(cipher, secret)))
    public, sealed = new_mailbox_keys(keyed_hash(slow, "mailbox"))
    return MailboxRecord(keyed_hash(slow, "lookup"), public, sealed)


def find_report(
    database: Database, cipher: RecordCipher, digits: str | None, secret: str | None, before: int = 0
) -> PinResult:
    """Look for the report of a code and a PIN. A wrong code, a wrong PIN and a locked code look alike.

    Args:
        digits: the code; None where its check digit was wrong: then it is no guess.
        secret: the PIN; None where it was none.
        before: wrong pairs that came from this telephone number today.

    Raises:
        DatabaseUnavailable: the database did not surely say yes.
    """
    bucket = None
    if digits is not None and secret is not None:
        bucket = int.from_bytes(cipher.mac("code-tried", digits)[:2], "big") % BUCKETS
    lookups = [keyed_hash(slow, "lookup") for slow in _slow_hashes(cipher, (digits or "", secret or ""))]
    tried = verify_pair(database, PinGuess(bucket, lookups, before))
    if tried.locked:
        log.warning("access_code_locked")  # somebody guesses, or has forgotten the PIN
    return tried


def read_answers(cipher: RecordCipher, pair: tuple[str, str], mode: str, found: MailboxView) -> tuple[str, ...]:
    """Return what staff wrote, the newest first; `pair`: code and PIN.

    What does not open was for a mailbox that an earlier code had.
    """
    private = _private(cipher, pair, found.sealed_key)
    read = [] if private is None else [_opened(private, mode, found.report_id, one) for one in found.answers]
    return tuple(words for words in read if words is not None)


def _slow_hashes(cipher: RecordCipher, pair: tuple[str, str]) -> Iterator[bytes]:
    """Yield one for each store key, newest first."""
    for salt in cipher.macs("code-and-pin"):
        yield slow_hash(salt, *pair)


def _private(cipher: RecordCipher, pair: tuple[str, str], sealed: bytes) -> PrivateKey | None:
    for slow in _slow_hashes(cipher, pair):
        try:
            return open_mailbox_key(keyed_hash(slow, "mailbox"), sealed)
        except DecryptError:
            continue
    return None


def _opened(private: PrivateKey, mode: str, report_id: str, one: MailboxAnswer) -> str | None:
    try:
        return open_answer(private, mode, report_id, one.answer_id, one.sealed)
    except DecryptError:
        return None
