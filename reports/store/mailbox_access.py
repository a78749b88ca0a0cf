"""Open a mailbox with access code and PIN: how the reporter, and nobody else, finds the report again.

Both are derived from a secret of the session. It is never stored outside the sealed session, so a repeated Send shows
the same code and PIN. The database holds one slow hash of both, so even database and keys together only allow guessing:
10^11 pairs, some milliseconds each (docs/decisions/0063-derive-code-and-pin-from-a-secret-of-the-session.md).
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
from runtime.settings import Mode

log = structlog.get_logger()


def code_and_pin(cipher: RecordCipher, secret: bytes) -> tuple[str, str]:
    """Return the access code and the PIN of a report. `secret`: of its session."""
    return derive_code(cipher.mac("code", secret)), derive_pin(cipher.mac("pin-digits", secret))


def create_mailbox(cipher: RecordCipher, secret: bytes) -> MailboxRecord:
    """Return the record of code and PIN: a slow hash, and a key pair whose private key only both together open."""
    return mailbox_of(cipher, code_and_pin(cipher, secret))


def mailbox_of(cipher: RecordCipher, pair: tuple[str, str]) -> MailboxRecord:
    """Return the record of this code and PIN, as `create_mailbox`."""
    hashed = next(_slow_hashes(cipher, pair))
    public, sealed = new_mailbox_keys(keyed_hash(hashed, "mailbox"))
    return MailboxRecord(keyed_hash(hashed, "lookup"), public, sealed)


def find_report(
    database: Database, cipher: RecordCipher, digits: str | None, secret: str | None, before: int = 0
) -> PinResult:
    """Find the report of an access code and a PIN. A wrong code, a wrong PIN and a locked code look alike.

    Args:
        digits: the code; None if its check digit was wrong, which does not count as a guess.
        secret: the PIN; None if the input was not a PIN.
        before: wrong pairs from this telephone number today.

    Raises:
        DatabaseUnavailable: the outcome is not certain.
    """
    bucket = None
    if digits is not None and secret is not None:
        bucket = int.from_bytes(cipher.mac("code-tried", digits)[:2], "big") % BUCKETS
    lookups = [keyed_hash(hashed, "lookup") for hashed in _slow_hashes(cipher, (digits or "", secret or ""))]
    result = verify_pair(database, PinGuess(bucket, lookups, before))
    if result.is_locked:
        log.warning("access_code_locked")  # either guessing, or a reporter who has forgotten the PIN
    return result


def read_answers(cipher: RecordCipher, pair: tuple[str, str], mode: Mode, view: MailboxView) -> tuple[str, ...]:
    """Return the answers of staff, newest first. `pair`: code and PIN.

    An answer that does not open was written to the mailbox of an earlier code, and is left out.
    """
    if not view.answers:  # then the slow hash is not needed
        return ()
    private_key = _open_private_key(cipher, pair, view.sealed_key)
    answers = (
        []
        if private_key is None
        else [_open_answer(private_key, mode, view.report_id, answer) for answer in view.answers]
    )
    return tuple(text for text in answers if text is not None)


def _slow_hashes(cipher: RecordCipher, pair: tuple[str, str]) -> Iterator[bytes]:
    """Yield the slow hash of a code and a PIN under each store key, newest first."""
    for salt in cipher.macs("code-and-pin"):
        yield slow_hash(salt, *pair)


def _open_private_key(cipher: RecordCipher, pair: tuple[str, str], sealed: bytes) -> PrivateKey | None:
    """Open the private key of a mailbox. Returns None if no store key opens it."""
    for hashed in _slow_hashes(cipher, pair):
        try:
            return open_mailbox_key(keyed_hash(hashed, "mailbox"), sealed)
        except DecryptError:
            continue
    return None


def _open_answer(private_key: PrivateKey, mode: Mode, report_id: str, answer: MailboxAnswer) -> str | None:
    try:
        return open_answer(private_key, mode, report_id, answer.answer_id, answer.sealed)
    except DecryptError:
        return None
