"""The audit as a chain of hashes with signed checkpoints: extend it, sign it, verify it. Pure but for key files.

An attacker who can write to the database can compute the chain anew, but cannot sign it: a valid checkpoint proves that
no line before it was changed, deleted, added or moved. A copy of a checkpoint also proves that newer ones were deleted.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, NamedTuple

from reports.crypto import DecryptError, SigningKey, VerifyKey
from reports.crypto.key_files import KeyFileError, deleted_on_failure, newest_time, read_private_file, write_key_file
from reports.retention import AUDIT, NOT_LIVE
from runtime.settings import Mode
from runtime.time_units import DAY

GENESIS_HASH = bytes(32)  # the previous hash of the first row
CHECKPOINT_SLACK = 2 * DAY  # between the time of a line and the checkpoint that covers it
AUDIT_KEY: Final = "_audit"


# The audit as a chain of hashes: a row that is changed, deleted, added or moved breaks it. Pure.
#
# The scheduler (`clock`) writes the chain.


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """One row of the audit before it is chained. `at`: microseconds, UTC. It holds ids only."""

    audit_id: str
    at: int
    actor: str
    act: str
    object_id: str


@dataclass(frozen=True, slots=True)
class ChainLink:
    """The place of an entry in the chain."""

    seq: int
    prev_hash: bytes
    hash: bytes


def link_entry(entry: AuditEntry, seq: int, prev_hash: bytes) -> ChainLink:
    """Return the link for the next row: hash = SHA-256(prev_hash ‖ digest of the row).

    Because of the digest, somebody who may see only the digests of some rows can verify the chain too.
    """
    return ChainLink(seq, prev_hash, next_hash(prev_hash, entry_digest(entry, seq)))


def next_hash(prev_hash: bytes, row: bytes) -> bytes:
    """Return the hash of a row. `row`: the digest of the row."""
    return hashlib.sha256(prev_hash + row).digest()


def entry_digest(entry: AuditEntry, seq: int) -> bytes:
    """Return SHA-256 of the row as JSON with sorted keys and no blanks."""
    return hashlib.sha256(_canonical(_row(entry, seq))).digest()


def _row(entry: AuditEntry, seq: int) -> dict[str, object]:
    return {
        "act": entry.act,
        "actor": entry.actor,
        "at": entry.at,
        "audit_id": entry.audit_id,
        "object_id": entry.object_id,
        "seq": seq,
    }


def _canonical(row: Mapping[str, object]) -> bytes:
    return json.dumps(row, sort_keys=True, separators=(",", ":"), ensure_ascii=True).encode()


def extend_chain(last: ChainLink | None, entries: Iterable[AuditEntry]) -> list[tuple[AuditEntry, ChainLink]]:
    """Chain these entries, in this order, to the last link; `last`: None for an empty chain."""
    chained = []
    for entry in entries:
        seq, prev_hash = (last.seq + 1, last.hash) if last else (1, GENESIS_HASH)
        last = link_entry(entry, seq, prev_hash)
        chained.append((entry, last))
    return chained


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """The signed end of the chain at one moment.

    `number`: 1, 2, 3 …; `at`: microseconds; `seq`: the number of the last line.
    """

    number: int
    at: int
    seq: int
    hash: bytes
    key_id: str
    signature: bytes = b""

    def text(self, mode: Mode) -> bytes:
        """Return the bytes that are signed."""
        fields = {"at": self.at, "hash": self.hash.hex(), "key_id": self.key_id, "mode": mode, "number": self.number}
        return json.dumps(
            fields | {"seq": self.seq, "tokaut": "checkpoint/1"}, sort_keys=True, separators=(",", ":")
        ).encode()


class ChainRow(NamedTuple):
    """One line of the chain: its digest, and the hash that is stored with it."""

    seq: int
    digest: bytes
    hash: bytes
    name: str  # names the line in the sentence about a fault


SignatureCheck = Callable[[str, bytes, bytes], bool]  # key id, signature, data


def chain_rows(rows: Iterable[tuple[AuditEntry, ChainLink]]) -> Iterator[ChainRow]:
    """Yield the lines of the chain from the rows of the audit."""
    for entry, link in rows:
        yield ChainRow(link.seq, entry_digest(entry, link.seq), link.hash, entry.audit_id)


@dataclass(frozen=True, slots=True)
class ChainVerification:
    """The result of a verification.

    `lines`: how many lines were checked. `signed`: the number of the last line that a checkpoint signs; 0 if there is a
    fault. `newest`: when the newest checkpoint was made, in microseconds; 0: there is none. `fault`: a sentence, or
    empty.
    """

    lines: int
    signed: int
    newest: int
    fault: str


def audit_lifetime(mode: Mode) -> int:
    """Return how long a line of the audit is kept, in microseconds."""
    return (AUDIT if mode == Mode.LIVE else NOT_LIVE).days * DAY


def verify_chain(
    chain: Iterable[ChainRow], checkpoints: Sequence[Checkpoint], mode: Mode, is_signed: SignatureCheck, now: int
) -> ChainVerification:
    """Verify the chain, and the checkpoints, which are in the order of their numbers.

    `is_signed`: checks a signature. `now`: microseconds.
    """
    signed_at = checkpoints[-1].at if checkpoints else 0
    chain_check = _ChainCheck(checkpoints, mode, now)
    fault = next(_checkpoint_faults(checkpoints, mode, is_signed), "") or chain_check.through(chain)
    signed = max((checkpoint.seq for checkpoint in checkpoints), default=0) if not fault else 0
    return ChainVerification(chain_check.lines, signed, signed_at, fault)


def _checkpoint_faults(checkpoints: Sequence[Checkpoint], mode: Mode, is_signed: SignatureCheck) -> Iterator[str]:
    for previous, checkpoint in zip((None, *checkpoints), checkpoints, strict=False):
        if previous and checkpoint.number != previous.number + 1:
            yield f"Checkpoint {previous.number + 1} is missing."
        if previous and checkpoint.seq < previous.seq:
            yield (
                f"Checkpoint {checkpoint.number} ends at line {checkpoint.seq}, before the one that was signed earlier."
            )
        if previous and checkpoint.seq == previous.seq and checkpoint.hash != previous.hash:
            yield (
                f"Checkpoints {previous.number} and {checkpoint.number} have signed line {checkpoint.seq}, "
                "and not the same one."
            )
        if not is_signed(checkpoint.key_id, checkpoint.signature, checkpoint.text(mode)):
            yield f"Checkpoint {checkpoint.number} is not signed by a key of ours ({checkpoint.key_id})."


class _ChainCheck:
    def __init__(self, checkpoints: Sequence[Checkpoint], mode: Mode, now: int) -> None:
        self._checkpoints = {checkpoint.seq: checkpoint for checkpoint in checkpoints}
        self._last_signed = max(self._checkpoints, default=0)
        self._lifetime = audit_lifetime(mode)
        self._now = now
        self.lines = 0

    def through(self, chain: Iterable[ChainRow]) -> str:
        """Check the chain, and return its first fault as a sentence; empty if there is none."""
        previous: tuple[int, bytes] | None = None
        for row in chain:
            if previous is None:
                previous = (0, GENESIS_HASH) if row.seq == 1 else self._anchor(row.seq)
            if previous is None:
                return f"Line {row.seq} of the audit is the first: those before it are gone, and not by a purge."
            expected_hash = next_hash(previous[1], row.digest)
            if row.seq != previous[0] + 1 or row.hash != expected_hash:
                wrong_part = "place" if row.seq != previous[0] + 1 else "hash"
                return f"Line {row.seq} of the audit ({row.name}) does not fit: its {wrong_part} is wrong."
            signed = self._checkpoints.get(row.seq)
            if signed and signed.hash != row.hash:
                return f"Line {row.seq} of the audit is not the one that checkpoint {signed.number} has signed."
            previous = row.seq, row.hash
            self.lines += 1
        last_seq = previous[0] if previous else 0
        if last_seq < self._last_signed:
            number = self._checkpoints[self._last_signed].number
            return (
                f"Lines {last_seq + 1} to {self._last_signed} of the audit are gone: checkpoint {number} signed them."
            )
        return ""

    def _anchor(self, first_seq: int) -> tuple[int, bytes] | None:
        """Return number and hash of the line before the first one, if a purge may have deleted it; else None.

        A purge may have done so if a checkpoint signed that line, and is old enough.
        """
        signed = self._checkpoints.get(first_seq - 1)
        if signed is None or signed.at > self._now - self._lifetime + CHECKPOINT_SLACK:
            return None
        return signed.seq, signed.hash


# The key pair that signs the audit's checkpoints, stored beside the hotlines' keys under the name `_audit`.
#
#     <keys>/public/_audit/<key_id>.pub    one line: ed25519, the raw key as base64url, when it was made (UTC)
#     <keys>/private/_audit/<key_id>.key   PKCS#8; belongs to the account of worker and clock
#
# The newest pair signs. Older public keys stay, to verify older signatures.


def create_signing_key(keys: Path) -> VerifyKey:
    """Create a key pair, which signs from now on. Raises KeyFileError."""
    signer = SigningKey.generate()
    public = signer.public
    path = keys / "private" / AUDIT_KEY / f"{public.key_id}.key"
    write_key_file(path, signer.pem(), mode=0o400, folders=0o700)
    with deleted_on_failure(path):
        made_at = newest_time(made_at for made_at, _ in _dated_keys(keys))
        line = f"ed25519 {base64.urlsafe_b64encode(public.raw).decode()} {made_at.isoformat()}\n"
        write_key_file(keys / "public" / AUDIT_KEY / f"{public.key_id}.pub", line.encode(), mode=0o444, folders=0o755)
    return public


def load_verify_keys(keys: Path) -> Mapping[str, VerifyKey]:
    """Return the public keys by key id, newest first. Raises KeyFileError."""
    return {
        public_key.key_id: public_key
        for _, public_key in sorted(_dated_keys(keys), key=lambda dated_key: dated_key[0], reverse=True)
    }


def load_signing_key(keys: Path) -> SigningKey | None:
    """Return the private key that signs; None if there is no pair yet.

    Raises KeyFileError if the private key is missing, or if other accounts can read it.
    """
    newest_id = next(iter(load_verify_keys(keys)), None)
    if newest_id is None:
        return None
    path = keys / "private" / AUDIT_KEY / f"{newest_id}.key"
    try:
        return SigningKey.from_pem(read_private_file(path))
    except DecryptError as error:
        raise KeyFileError(
            f"{path} is {error}; put it back from its copy, or: tokaut keys rotate {AUDIT_KEY}"
        ) from None


def _dated_keys(keys: Path) -> list[tuple[datetime, VerifyKey]]:
    return [_read(path) for path in (keys / "public" / AUDIT_KEY).glob("*.pub")]


def _read(path: Path) -> tuple[datetime, VerifyKey]:
    try:
        kind, raw, written_at = path.read_text("ascii").split()
        made_at = datetime.fromisoformat(written_at).astimezone(UTC)
        public = VerifyKey(base64.b64decode(raw, altchars=b"-_", validate=True))
    except (OSError, ValueError, binascii.Error, DecryptError):
        raise KeyFileError(f"{path} is not a readable public key; copy it again from where it was made") from None
    if kind != "ed25519" or public.key_id != path.stem:
        raise KeyFileError(f"{path} holds another key than its name says; copy it again from where it was made")
    return made_at, public
