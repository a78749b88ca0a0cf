"""Verify the audit's chain with signed checkpoints, from the database or from an exported file alone. Pure.

Somebody who can write to the database can compute the chain anew, but cannot sign it: up to the newest checkpoint no
line was changed, deleted, added or moved. If the newest checkpoints were deleted too, anybody who has a copy of one can
show it.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from reports.audit.chain import GENESIS_HASH, AuditEntry, ChainLink, entry_digest, next_hash
from reports.retention.rules import AUDIT, NOT_LIVE
from runtime.time_units import DAY

CHECKPOINT_SLACK = 2 * DAY  # between the time of a line and the checkpoint that covers it


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

    def text(self, mode: str) -> bytes:
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

    `lines`: how many lines were checked. `signed`: up to which of them a checkpoint signs the chain; 0 if there is a
    fault. `newest`: when the newest checkpoint was made, in microseconds; 0: there is none. `fault`: a sentence, or
    empty.
    """

    lines: int
    signed: int
    newest: int
    fault: str


def audit_lifetime(mode: str) -> int:
    """Return how long a line of the audit is kept, in microseconds."""
    return (AUDIT if mode == "live" else NOT_LIVE).days * DAY


def verify_chain(
    chain: Iterable[ChainRow], checkpoints: Sequence[Checkpoint], mode: str, holds: SignatureCheck, now: int
) -> ChainVerification:
    """Verify the chain, and the checkpoints, which are in the order of their numbers. `now`: microseconds."""
    signed_at = checkpoints[-1].at if checkpoints else 0
    chain_check = _ChainCheck(checkpoints, mode, now)
    fault = next(_checkpoint_faults(checkpoints, mode, holds), "") or chain_check.through(chain)
    signed = max((checkpoint.seq for checkpoint in checkpoints), default=0) if not fault else 0
    return ChainVerification(chain_check.lines, signed, signed_at, fault)


def _checkpoint_faults(checkpoints: Sequence[Checkpoint], mode: str, is_signed: SignatureCheck) -> Iterator[str]:
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
    def __init__(self, checkpoints: Sequence[Checkpoint], mode: str, now: int) -> None:
        self._checkpoints = {checkpoint.seq: checkpoint for checkpoint in checkpoints}
        self._last_signed = max(self._checkpoints, default=0)
        self._lifetime = audit_lifetime(mode)
        self._now = now
        self.lines = 0

    def through(self, chain: Iterable[ChainRow]) -> str:
        """Return the first fault as a sentence; empty if there is none."""
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
